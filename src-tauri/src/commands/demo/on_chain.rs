//! The demonstration settled by a contract: a chain, a token and a contract of its own, and an account with tokens for each actor.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use infernet_ledger::LedgerParameters;
use infernet_network::identity::{Identity, Keeper};
use infernet_settlement::SettlementError;
use infernet_settlement::evm::{
    Address, ChainAddress, ChainConfig, Deployment, Domain, Driver, EventKind, EvmAccount, EvmKey, EvmSettlement,
    Store, Terms, deploy, deployment_domain, testnet,
};
use tokio::task::JoinSet;

use super::super::chain::{failed, files};
use super::super::exchange::random;
use super::anvil::{Anvil, CHAIN_ID};
use super::sums::{self, ChainReport};
use crate::failure::{Failure, Result};
use crate::safe::KEY_FILE;

/// For one transaction to count.
const PATIENCE: Duration = Duration::from_secs(60);
/// For all that is under way to end.
const ENDS: Duration = Duration::from_secs(120);
const CONFIRMATIONS: u64 = 2;
/// Validators beside the network's own: with it three members, two of which have to agree.
pub(super) const MEMBERS: usize = 2;
/// Tokens of each actor, in micro-credits.
const TOKENS: u64 = 20_000_000;
const BOND: u64 = 5_000_000;

/// Who takes part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Validator,
    Miner,
    Requester,
}

/// An actor with its account.
pub(super) struct Actor {
    pub(super) name: String,
    pub(super) part: Part,
    pub(super) folder: PathBuf,
    pub(super) key: EvmKey,
    /// Tokens that it was given, in micro-credits.
    pub(super) minted_microcredits: u64,
}

/// A chain with a contract, and who has an account on it.
pub(super) struct OnChain {
    // The chain goes last, after those who talk to it.
    pub(super) actors: Vec<Actor>,
    pub(super) config: ChainConfig,
    /// Follows the chain for the demonstration itself, with the account that has made the contract.
    pub(super) driver: Driver,
    pub(super) deployment: Store,
    pub(super) token: Address,
    _anvil: Anvil,
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn on_chain(error: &SettlementError) -> Failure {
    failed(error)
}

/// Windows that pass while one watches.
fn terms() -> Terms {
    Terms {
        challenge_secs: 15,
        answer_secs: 15,
        most_job_secs: 7_200,
        validator_bond: BOND,
        silence_penalty: 50_000,
        contest_bond: 100_000,
        ..Terms::default()
    }
}

impl OnChain {
    /// Starts the chain and brings everything to it.
    pub(super) async fn start(scratch: &Path, miners: usize, say: &dyn Fn(&str)) -> Result<Self> {
        let anvil = Anvil::start()?;
        let actors = actors(scratch, miners)?;
        let maker = EvmKey::derive(&random()?);
        // Not zero, which stands for no contract, and replaced by the real one.
        let address = ChainAddress {
            chain_id: CHAIN_ID,
            contract: Address::repeat_byte(1),
            rpc: vec![anvil.url.clone()],
            from_block: 0,
        };
        let config = ChainConfig { confirmations: CONFIRMATIONS, poll_secs: 1, ..ChainConfig::new(address) };
        let mut accounts: Vec<Address> = actors.iter().map(|actor| actor.key.address()).collect();
        accounts.push(maker.address());
        testnet::fund_gas(&config, &accounts).await.map_err(|error| on_chain(&error))?;
        let domain = deployment_domain(CHAIN_ID);
        let deployment = Store::open(scratch.join("deployment.sqlite"), domain, maker.address());
        let deployment = deployment.map_err(|error| on_chain(&error))?;
        let token = testnet::deploy_token(&config, &maker, &deployment, now_ms(), PATIENCE).await;
        let token = token.map_err(|error| on_chain(&error))?;
        let validators = actors.iter().filter(|actor| actor.part == Part::Validator);
        let plan = Deployment { token, validators: validators.map(|one| one.key.address()).collect(), terms: terms() };
        let address = deploy(&config, &maker, &deployment, &plan, "contract", now_ms(), PATIENCE).await;
        let config = ChainConfig { address: address.map_err(|error| on_chain(&error))?, ..config };
        let contract = config.address.contract;
        say(&format!("contract {contract} and its token are on a chain of this computer's own (anvil, {})", anvil.url));
        for actor in &actors {
            files::choose(&actor.folder, &config)?;
        }
        let domain = Domain { chain_id: CHAIN_ID, contract };
        let store = Store::open(scratch.join("watch.sqlite"), domain, maker.address());
        let driver = store.and_then(|store| Driver::new(config.clone(), maker, store));
        let driver = driver.map_err(|error| on_chain(&error))?;
        let amounts: Vec<(Address, u64)> =
            actors.iter().map(|actor| (actor.key.address(), actor.minted_microcredits)).collect();
        testnet::mint(&driver, token, &amounts, now_ms(), PATIENCE).await.map_err(|error| on_chain(&error))?;
        let world = Self { actors, config, driver, deployment, token, _anvil: anvil };
        world.each(|actor| actor.part == Part::Validator, |account| account.bond(BOND, "demo", now_ms())).await?;
        say("every actor has tokens, the validators have put down their bonds");
        Ok(world)
    }

    pub(super) fn domain(&self) -> Domain {
        self.driver.domain()
    }

    /// An actor's own view of the chain.
    pub(super) fn driver_of(&self, actor: &Actor) -> Result<Driver> {
        let store = files::store(&actor.folder, self.domain(), &actor.key)?;
        Driver::new(self.config.clone(), actor.key.clone(), store).map_err(|error| on_chain(&error))
    }

    /// Makes a call of each of these actors' accounts and waits until all count.
    async fn each(
        &self,
        who: impl Fn(&Actor) -> bool,
        call: impl Fn(&EvmAccount) -> std::result::Result<String, SettlementError>,
    ) -> Result {
        let rules = self.driver.status().await.map_err(|error| on_chain(&error))?.rules;
        let mut under_way = JoinSet::new();
        for actor in self.actors.iter().filter(|actor| who(actor)) {
            let driver = self.driver_of(actor)?;
            let account = EvmAccount::new(driver.store().clone(), self.domain(), actor.key.clone(), rules);
            let name = call(&account).map_err(|error| on_chain(&error))?;
            under_way.spawn(async move { driver.complete(&name, PATIENCE).await });
        }
        while let Some(done) = under_way.join_next().await {
            let done = done.map_err(|error| Failure::Failed(error.into()))?;
            done.map_err(|error| on_chain(&error))?;
        }
        Ok(())
    }

    /// What the chain says of a miner, as deep as it counts for the validators too.
    pub(super) fn judge(&self, actor: &Actor) -> EvmSettlement {
        let store = self.driver.store().clone();
        EvmSettlement::new(store, self.domain(), actor.key.clone(), LedgerParameters::default())
    }

    /// Reads on.
    pub(super) async fn look(&self) {
        if let Err(error) = self.driver.round(now_ms()).await {
            tracing::debug!("the chain can't be followed: {error}");
        }
    }

    pub(super) fn miners(&self) -> impl Iterator<Item = &Actor> {
        self.actors.iter().filter(|actor| actor.part == Part::Miner)
    }

    /// Whether every miner's stake counts.
    pub(super) async fn staked(&self) -> bool {
        self.look().await;
        let free = |actor: &Actor| self.judge(actor).stake_of(actor.key.address()).is_ok_and(|stake| stake.free > 0);
        self.miners().all(free)
    }

    /// Waits until every job's deposit is paid out or back, and every slash is handed out.
    pub(super) async fn ended(&self, jobs: usize) -> Result {
        let start = Instant::now();
        loop {
            self.look().await;
            let events = self.driver.store().events_from(0).map_err(|error| on_chain(&error))?;
            let count = |of: fn(&EventKind) -> bool| events.iter().filter(|event| of(&event.kind)).count();
            let deposits = count(|kind| matches!(kind, EventKind::Deposited { .. }));
            let ends = count(|kind| matches!(kind, EventKind::Settled { .. } | EventKind::Refunded { .. }));
            let slashes = count(|kind| matches!(kind, EventKind::SlashProposed { .. }));
            let handed = count(|kind| matches!(kind, EventKind::Slashed { .. } | EventKind::Cleared { .. }));
            if deposits >= jobs && ends == deposits && handed == slashes {
                return Ok(());
            }
            if start.elapsed() > ENDS {
                return Err(Failure::Failed(anyhow::anyhow!(
                    "after {} s {ends} of {deposits} deposits were paid out or back, {handed} of {slashes} slashes handed out",
                    ENDS.as_secs()
                )));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Everyone takes out what the contract owes them; then the sums are made.
    pub(super) async fn close(&self) -> Result<ChainReport> {
        let mut owed: Vec<Address> = Vec::new();
        for actor in &self.actors {
            let holdings = self.driver.holdings(actor.key.address()).await.map_err(|error| on_chain(&error))?;
            if holdings.claimable_microcredits > 0 {
                owed.push(actor.key.address());
            }
        }
        let is_owed = |actor: &Actor| owed.contains(&actor.key.address());
        self.each(is_owed, |account| account.claim("demo", now_ms())).await?;
        self.look().await;
        sums::report(self).await
    }
}

/// Everyone's folder with an identity in it, as nodes make it themselves.
fn actors(scratch: &Path, miners: usize) -> Result<Vec<Actor>> {
    let mut actors = Vec::new();
    let mut add = |name: String, part: Part| -> Result {
        let folder = scratch.join(&name);
        std::fs::create_dir_all(&folder)?;
        let key = EvmKey::derive(&identity(&folder)?.signing_key().to_bytes());
        actors.push(Actor { name, part, folder, key, minted_microcredits: TOKENS });
        Ok(())
    };
    add("validator".to_owned(), Part::Validator)?;
    for number in 0..MEMBERS {
        add(format!("member-{number}"), Part::Validator)?;
    }
    for number in 0..miners {
        add(format!("miner-{number}"), Part::Miner)?;
    }
    add("requester".to_owned(), Part::Requester)?;
    Ok(actors)
}

/// The identity of a node's folder, made where there is none.
pub(super) fn identity(folder: &Path) -> Result<Identity> {
    let keeper = Keeper::PlainFile { path: folder.join(KEY_FILE) };
    Ok(keeper.load_or_create()?.0)
}

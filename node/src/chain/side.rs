//! The account, its outbox and its driver.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use infernet_ledger::LedgerParameters;
use infernet_network::proof::{JobSpec, PublicKey};
use infernet_network::wire::{ChainAcceptance, EvmAddress};
use infernet_settlement::SettlementError;
use infernet_settlement::evm::message::{Acceptance, job_key};
use infernet_settlement::evm::{
    Address, B256, ChainConfig, ChainStatus, ContractRules, DepositOrder, Domain, Driver, EvmAccount, EvmKey,
    EvmSettlement, Intent, IntentState, Store, keccak256,
};
use tokio::sync::watch;

use super::convert::{address_of, wire_acceptance, wire_address};
use crate::clock::now_ms;

/// How long a deposit stays after its job's deadline, at most: so long there is to bring the verdict to the chain.
const MOST_ROOM_SECS: u64 = 3_600;
/// Part of the longest job that this is at most.
const ROOM_PART: u64 = 4;
/// The chain's clock may be behind by so much.
const CLOCK_SECS: u64 = 60;
/// How often time is asked what it has made due.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long other members leave what is due to the network's validator.
const LATE_MS: u64 = 600_000;
/// Gas of an approval and a deposit (docs/SETTLEMENT.md, section 6), with a quarter more.
pub(crate) const DEPOSIT_GAS: u64 = 175_000;

/// What this node can't do on the chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The settlement.
    #[error(transparent)]
    Settlement(#[from] SettlementError),
    /// Nothing was read of the contract yet.
    #[error("nothing was read of the contract {contract} yet; look at the chain's addresses: infernet chain status")]
    Unread {
        /// Which.
        contract: Address,
    },
    /// Too few tokens.
    #[error(
        "the account {account} has {found} micro-credits in tokens, {needed} are needed; send it tokens, or claim what it is owed"
    )]
    Tokens {
        /// Whose.
        account: Address,
        /// There.
        found: u64,
        /// Needed.
        needed: u64,
    },
    /// Nothing to pay gas with.
    #[error("the account {account} has {found} wei to pay gas with, about {needed} are needed; send it some")]
    Gas {
        /// Whose.
        account: Address,
        /// There.
        found: u128,
        /// Needed.
        needed: u128,
    },
    /// The contract holds deposits for a shorter time.
    #[error(
        "the job may take {found} s, the contract holds deposits for {most} s with the time to settle; ask for a shorter deadline"
    )]
    Deadline {
        /// Asked for.
        found: u64,
        /// Held.
        most: u64,
    },
    /// Not now.
    #[error("`{intent}` is on its way to the chain; wait until it is over: infernet chain outbox")]
    Busy {
        /// What waits.
        intent: String,
    },
}

impl ChainError {
    /// Stable code.
    pub fn code(&self) -> &str {
        match self {
            Self::Settlement(error) => error.code(),
            Self::Unread { .. } => "chain.unread",
            Self::Tokens { .. } => "chain.tokens",
            Self::Gas { .. } => "chain.gas",
            Self::Deadline { .. } => "chain.deadline",
            Self::Busy { .. } => "chain.busy",
        }
    }
}

/// What a node does of what time has made due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// What is its own: deposits back, stake free.
    Own,
    /// For everyone: the network's validator.
    All,
    /// For everyone, where the network's validator has not: other members of the contract.
    AllLate,
}

/// How a deposit is going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DepositState {
    /// It was not asked for.
    None,
    /// On its way; a sentence for people.
    Pending(String),
    /// In a block that counts.
    Confirmed,
    /// The chain refused it; nothing was paid.
    Failed(String),
}

/// A node's side of a contract; cheap to clone.
#[derive(Clone)]
pub struct Chain {
    inner: Arc<Inner>,
}

struct Inner {
    config: ChainConfig,
    key: EvmKey,
    store: Store,
    driver: Driver,
    status: watch::Sender<Option<ChainStatus>>,
    stop: watch::Sender<bool>,
}

impl Chain {
    /// Opens the account's outbox in a node's folder and begins to talk to the chain, on the current tokio runtime.
    ///
    /// # Errors
    /// A setting is out of range, or the file can't be opened.
    pub fn start(config: ChainConfig, seed: &[u8; 32], data: &Path, due: Due) -> Result<Self, SettlementError> {
        config.check()?;
        let key = EvmKey::derive(seed);
        let domain = Domain { chain_id: config.address.chain_id, contract: config.address.contract };
        let store =
            Store::open(data.join("chain").join(Store::file_name(domain, key.address())), domain, key.address())?;
        let driver = Driver::new(config.clone(), key.clone(), store.clone())?;
        let (status, stop) = (watch::Sender::new(None), watch::Sender::new(false));
        let chain = Self { inner: Arc::new(Inner { config, key, store, driver, status, stop }) };
        let (driver, stopped) = (chain.inner.driver.clone(), chain.inner.stop.subscribe());
        tokio::spawn(async move { driver.run(stopped).await });
        tokio::spawn(chain.clone().look());
        tokio::spawn(chain.clone().keep_up(due));
        Ok(chain)
    }

    /// Ends what talks to the chain. What is in the outbox goes on with the next start.
    pub fn stop(&self) {
        self.inner.stop.send_replace(true);
    }

    async fn look(self) {
        let pause = Duration::from_secs(self.inner.config.poll_secs.max(1));
        let mut stopped = self.inner.stop.subscribe();
        while !*stopped.borrow_and_update() {
            self.look_now().await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    /// Reads the account; what was seen before stays where no endpoint answers.
    pub(crate) async fn look_now(&self) {
        match self.inner.driver.status().await {
            Ok(status) => {
                if status.gas_balance_wei.is_zero() && self.inner.status.borrow().is_none() {
                    tracing::warn!(account = %status.account, "the account has nothing to pay gas with; send it some");
                }
                self.inner.status.send_if_modified(|known| {
                    let new = known.as_ref() != Some(&status);
                    *known = Some(status);
                    new
                });
            }
            Err(error) => tracing::debug!(code = error.code(), "the account can't be looked at: {error}"),
        }
    }

    async fn keep_up(self, due: Due) {
        let mut stopped = self.inner.stop.subscribe();
        let mut told = 0;
        while !*stopped.borrow_and_update() {
            let chain = self.clone();
            let queued = tokio::task::spawn_blocking(move || {
                let mut settlement = chain.settlement(LedgerParameters::default());
                settlement.upkeep_of_own(now_ms())?;
                match due {
                    Due::Own => Ok(0),
                    Due::All => settlement.upkeep(now_ms()),
                    Due::AllLate => settlement.upkeep(now_ms().saturating_sub(LATE_MS)),
                }
            });
            if let Ok(Err(error)) = queued.await {
                tracing::warn!(code = error.code(), "what is due on the chain is not queued: {error}");
            }
            self.tell_of_failures(&mut told);
            tokio::select! {
                () = tokio::time::sleep(UPKEEP) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    /// Says once what the chain did not take.
    fn tell_of_failures(&self, told: &mut i64) {
        let all = self.inner.store.intents(64).unwrap_or_default();
        let failed = all.iter().filter(|one| matches!(one.state, IntentState::Failed | IntentState::Reverted));
        for intent in failed.filter(|one| one.id > *told) {
            tracing::warn!(intent = intent.name, "the chain did not take a transaction: {}", intent.note);
        }
        *told = all.iter().filter(|one| one.state.over()).map(|one| one.id).fold(*told, i64::max);
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.inner.key.address()
    }

    /// The account as it travels.
    pub fn wire_address(&self) -> EvmAddress {
        wire_address(self.address())
    }

    /// Which chain and contract.
    pub fn config(&self) -> &ChainConfig {
        &self.inner.config
    }

    /// The chain and contract that signatures are for.
    pub fn domain(&self) -> Domain {
        self.inner.driver.domain()
    }

    /// Outbox and events.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// What talks to the chain.
    pub fn driver(&self) -> &Driver {
        &self.inner.driver
    }

    /// The account as it was last seen, and changes of it.
    pub fn status(&self) -> watch::Receiver<Option<ChainStatus>> {
        self.inner.status.subscribe()
    }

    /// This account's wishes as a validator.
    pub fn settlement(&self, parameters: LedgerParameters) -> EvmSettlement {
        EvmSettlement::new(self.inner.store.clone(), self.domain(), self.inner.key.clone(), parameters)
    }

    /// The contract's rules.
    ///
    /// # Errors
    /// Nothing was read of it yet.
    pub fn rules(&self) -> Result<ContractRules, ChainError> {
        let rules = self.settlement(LedgerParameters::default()).rules()?;
        rules.ok_or(ChainError::Unread { contract: self.domain().contract })
    }

    /// What the account does for itself.
    ///
    /// # Errors
    /// Nothing was read of the contract yet.
    pub fn account(&self) -> Result<EvmAccount, ChainError> {
        let rules = self.rules()?;
        Ok(EvmAccount::new(self.inner.store.clone(), self.domain(), self.inner.key.clone(), rules))
    }

    /// The contract's name of a job that this account pays.
    pub fn job_name(&self, job: &JobSpec) -> B256 {
        self.job_name_of(job, self.address())
    }

    fn job_name_of(&self, job: &JobSpec, payer: Address) -> B256 {
        job_key(payer, job.job_id, B256::from(job.digest().0), B256::from(job.prompt.digest.0))
    }

    /// A miner's word for a job that somebody pays.
    ///
    /// # Errors
    /// This account has less free stake than that.
    pub fn accept(
        &self,
        job: &JobSpec,
        payer: &EvmAddress,
        fee_microcredits: u64,
        stake_microcredits: u64,
    ) -> Result<ChainAcceptance, ChainError> {
        let (miner, settlement) = (self.address(), self.settlement(LedgerParameters::default()));
        let found = settlement.stake_of(miner)?.free;
        if found < stake_microcredits {
            return Err(SettlementError::StakeTooSmall { miner, found, needed: stake_microcredits }.into());
        }
        let job = self.job_name_of(job, address_of(payer));
        let word = Acceptance { job, miner, fee: fee_microcredits, stake: stake_microcredits };
        Ok(wire_acceptance(miner, self.domain().sign(&word, &self.inner.key)?))
    }

    /// What a member of the contract signs so that the network's validator knows it by its peer key:
    /// `keccak256("infernet/contract-member/v1" || u64 chain id || contract || validator's key || member's key)`, numbers big-endian.
    pub(crate) fn membership(&self, validator: &PublicKey, member: &PublicKey) -> B256 {
        let domain = self.domain();
        let mut text = b"infernet/contract-member/v1".to_vec();
        text.extend(domain.chain_id.to_be_bytes());
        text.extend(domain.contract.as_slice());
        text.extend(validator.0);
        text.extend(member.0);
        keccak256(text)
    }

    /// Signs with the account's key.
    pub(crate) fn sign(&self, digest: B256) -> Result<[u8; 65], SettlementError> {
        self.inner.key.sign(digest)
    }

    /// Whether a deposit could be made now: tokens, gas, deadline.
    ///
    /// # Errors
    /// What is missing, or no endpoint answers.
    pub async fn check_deposit(&self, job: &JobSpec) -> Result<(), ChainError> {
        let status = self.inner.driver.status().await?;
        // Deposits that wait have their tokens still in the balance.
        let waiting = self.waiting_deposits()?;
        let needed = job.deposit_microcredits.saturating_add(waiting);
        let found: u64 = status.balance_microcredits.saturating_to();
        if found < needed {
            return Err(ChainError::Tokens { account: status.account, found, needed });
        }
        let needed = u128::from(DEPOSIT_GAS).saturating_mul(status.gas_price_wei);
        let found: u128 = status.gas_balance_wei.saturating_to();
        if found == 0 || found < needed {
            return Err(ChainError::Gas { account: status.account, found, needed });
        }
        let most = status.rules.most_job_secs.saturating_sub(CLOCK_SECS + room_secs(&status.rules));
        let left = job.deadline_unix_ms.saturating_sub(now_ms()) / 1000;
        if left > most {
            return Err(ChainError::Deadline { found: left, most });
        }
        Ok(())
    }

    fn waiting_deposits(&self) -> Result<u64, SettlementError> {
        let open = self.inner.store.open_intents()?;
        Ok(open.iter().filter(|one| one.state != IntentState::Mined).filter_map(Intent::deposit_amount).sum())
    }

    /// Puts a job's deposit on its way; the same job again changes nothing.
    ///
    /// # Errors
    /// Nothing was read of the contract yet, or the disk.
    pub fn deposit(&self, job: &JobSpec) -> Result<(), ChainError> {
        let rules = self.rules()?;
        let order = DepositOrder {
            id: job.job_id,
            job_digest: B256::from(job.digest().0),
            prompt_commitment: B256::from(job.prompt.digest.0),
            amount: job.deposit_microcredits,
            deadline: job.deadline_unix_ms / 1000 + room_secs(&rules),
        };
        self.account()?.deposit(&order, now_ms())?;
        Ok(())
    }

    /// How a job's deposit is going.
    ///
    /// # Errors
    /// The disk.
    pub fn deposit_state(&self, job: &JobSpec) -> Result<DepositState, ChainError> {
        let name = format!("deposit {}", self.job_name(job));
        let Some(intent) = self.inner.store.intent(&name)? else { return Ok(DepositState::None) };
        let amount = job.deposit_microcredits;
        Ok(match intent.state {
            IntentState::Queued | IntentState::Sent => {
                let note = if intent.note.is_empty() { String::new() } else { format!(" ({})", intent.note) };
                DepositState::Pending(format!("the deposit of {amount} micro-credits is on its way to the chain{note}"))
            }
            IntentState::Mined => {
                let (block, needed) = (intent.block.unwrap_or_default(), self.inner.config.confirmations);
                let head = self.inner.status.borrow().as_ref().map_or(block, |status| status.head);
                let have = head.saturating_sub(block).min(needed);
                DepositState::Pending(format!(
                    "the deposit of {amount} micro-credits is in block {block}: {have} of {needed} confirmations"
                ))
            }
            IntentState::Done => DepositState::Confirmed,
            IntentState::Failed | IntentState::Reverted => DepositState::Failed(intent.note),
        })
    }

    /// Stakes what is missing, once the account has it, as often as the node starts: each start's wish is one transaction, and the next one
    /// is not made before it is over.
    pub(crate) async fn stake_up_to(self, wanted: u64) {
        const NAME: &str = "stake start-";
        let mut stopped = self.inner.stop.subscribe();
        while !*stopped.borrow_and_update() {
            match self.stake_missing(NAME, wanted).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::debug!(code = error.code(), "nothing was staked: {error}"),
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(self.inner.config.poll_secs.max(1))) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    /// True when there is nothing left to stake.
    async fn stake_missing(&self, name: &str, wanted: u64) -> Result<bool, ChainError> {
        let known = self.inner.store.intents_named(name)?;
        if known.iter().any(|intent| !intent.state.over()) {
            return Ok(false);
        }
        let status = self.inner.driver.status().await?;
        let stake = &status.stake;
        let staked = stake.free.saturating_add(stake.locked).saturating_add(stake.cooling);
        let balance: u64 = status.balance_microcredits.saturating_to();
        let missing = wanted.saturating_sub(staked).min(balance);
        if staked >= wanted {
            return Ok(true);
        }
        if missing > 0 && !status.gas_balance_wei.is_zero() {
            // One that was never sent is tried again under its name.
            let done = known.iter().filter(|intent| intent.state != IntentState::Failed).count();
            let reference = format!("{}{done}", name.trim_start_matches("stake "));
            self.account()?.stake(missing, &reference, now_ms())?;
            tracing::info!(microcredits = missing, account = %self.address(), "staking on the chain");
        }
        Ok(false)
    }

    /// The contract's names of a job's deposits.
    pub(crate) fn names_of(&self, job: &[u8; 16]) -> Vec<B256> {
        self.inner.store.keys_of(*job).unwrap_or_default()
    }
}

fn room_secs(rules: &ContractRules) -> u64 {
    MOST_ROOM_SECS.min(rules.most_job_secs / ROOM_PART)
}

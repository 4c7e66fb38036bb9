//! The node: its roles on one swarm.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use infernet_engine::pipeline::Precision;
use infernet_engine::store::ModelStore;
use infernet_ledger::{Account, AccountId, AccountRequest, Action, LedgerId, Receipt};
use infernet_network::identity::Identity;
use infernet_network::proof::{AuditPolicy, PublicKey};
use infernet_network::swarm::{RequestError, StartError, SwarmConfig, SwarmEvent, SwarmHandle, start as start_swarm};
use infernet_network::wire::{
    AccountQuery, Invitation, LedgerRequest, Message as _, Request, Response, Roles as RoleBits,
};
use infernet_settlement::SettlementError;
use infernet_settlement::evm::ChainConfig;
use tokio::sync::mpsc;

use crate::chain::{Chain, ChainError, CoSigner, CoSignerParts, Due};
use crate::courier::Courier;
use crate::miner::{Miner, MinerConfig, Policy};
use crate::models::LocalModels;
use crate::requester::{Requester, RequesterConfig};
use crate::roles::Roles;
use crate::validator::{Validator, ValidatorConfig, ValidatorError};
use crate::worker::{Supervisor, WorkerConfig};

/// Patience with the validator.
const ASK: Duration = Duration::from_secs(15);
/// How often a request that moves money is sent again when its answer is lost.
const MONEY_REPEATS: usize = 2;
/// How often an account is looked at until it has what it should stake.
const STAKE_POLL: Duration = Duration::from_secs(2);

/// How a node is to be.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its folder.
    pub data: PathBuf,
    /// How it joins others.
    pub swarm: SwarmConfig,
    /// Who keeps the ledger: this node's own key where it does.
    pub validator: PublicKey,
    /// As a validator: credits for newcomers, in micro-credits.
    pub welcome_microcredits: u64,
    /// How the worker is started.
    pub worker: WorkerConfig,
    /// The miner's rules.
    pub policy: Policy,
    /// Threads of the worker; all where there is none.
    pub threads: Option<usize>,
    /// Staked when the node starts, as far as the balance goes, in micro-credits.
    pub stake_microcredits: u64,
    /// How the miner cheats: for demonstrations.
    pub attack: Option<String>,
    /// CLIP model for quality scores.
    pub clip_model: Option<PathBuf>,
    /// What a step usually costs here, in micro-credits.
    pub usual_price_per_step: u64,
    /// The contract that settles this network's jobs; none where its validator's ledger does.
    pub chain: Option<ChainConfig>,
}

/// A node can't start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The swarm.
    #[error(transparent)]
    Swarm(#[from] StartError),
    /// The validator.
    #[error(transparent)]
    Validator(#[from] ValidatorError),
    /// The chain.
    #[error("the chain can't be used: {0}")]
    Chain(#[from] SettlementError),
    /// The disk.
    #[error("the node's folder {folder} can't be used: {reason}")]
    Folder {
        /// Which.
        folder: String,
        /// Why.
        reason: String,
    },
}

/// A request to the ledger failed.
#[derive(Debug, thiserror::Error)]
pub enum MoneyError {
    /// It was refused, or the validator can't be reached.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The answer is none.
    #[error("the validator's answer can't be read: {0}")]
    Answer(String),
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// A running node; cheap to clone.
#[derive(Clone)]
pub struct Node {
    identity: Arc<Identity>,
    courier: Courier,
    roles: Roles,
    supervisor: Arc<Supervisor>,
    ledger: LedgerId,
}

impl Node {
    /// Starts a node on the current tokio runtime.
    ///
    /// # Errors
    /// It can't listen, or its folder can't be used.
    pub fn start(identity: Identity, store: ModelStore, config: &NodeConfig) -> Result<Self, NodeError> {
        let folder = |error: std::io::Error| NodeError::Folder {
            folder: config.data.display().to_string(),
            reason: error.to_string(),
        };
        std::fs::create_dir_all(&config.data).map_err(folder)?;
        let network = config.swarm.network;
        let bits = config.swarm.roles;
        let models = Arc::new(LocalModels::scan(&store, &[Precision::F32]));
        let (swarm, events) = start_swarm(&identity, config.swarm.clone())?;
        let courier = Courier::new(swarm);
        let supervisor = Arc::new(Supervisor::new(config.worker.clone()));
        let key = identity.signing_key();
        let judges = bits.has(RoleBits::VALIDATOR);
        let due = match judges {
            false => Due::Own,
            true if config.validator == identity.public_key() => Due::All,
            true => Due::AllLate,
        };
        let chain = match &config.chain {
            Some(chain) => Some(Chain::start(chain.clone(), &key.to_bytes(), &config.data, due)?),
            None => None,
        };
        let validator = if bits.has(RoleBits::VALIDATOR) {
            let validator = ValidatorConfig {
                folder: config.data.join("validator"),
                network,
                welcome_microcredits: config.welcome_microcredits,
                clip_model: config.clip_model.clone(),
                policy: AuditPolicy::default(),
                parameters: infernet_ledger::LedgerParameters::default(),
                chain: chain.clone(),
            };
            let models = Arc::clone(&models);
            Some(Validator::start(&key, validator, models, courier.clone(), Arc::clone(&supervisor))?)
        } else {
            None
        };
        let miner = if bits.has(RoleBits::MINER) {
            let miner = MinerConfig {
                folder: config.data.join("miner"),
                validator: config.validator,
                threads: config.threads,
                attack: config.attack.clone(),
                chain: chain.clone(),
            };
            let (policy, models) = (config.policy.clone(), Arc::clone(&models));
            Some(Miner::start(&key, miner, policy, models, courier.clone(), Arc::clone(&supervisor)).map_err(folder)?)
        } else {
            None
        };
        let requester = if bits.has(RoleBits::REQUESTER) {
            let requester = RequesterConfig {
                folder: config.data.join("orders"),
                clips: config.data.join("clips"),
                network,
                validator: config.validator,
                usual_price_per_step: config.usual_price_per_step,
                chain: chain.clone(),
            };
            Some(Requester::start(&key, requester, Arc::clone(&models), courier.clone()).map_err(folder)?)
        } else {
            None
        };
        // The network's own validator proposes; other members of the contract judge for themselves what it proposes.
        let co_signer = match chain.clone().filter(|_| judges && config.validator != identity.public_key()) {
            Some(chain) => Some(
                CoSigner::start(CoSignerParts {
                    chain,
                    own: identity.public_key(),
                    validator: config.validator,
                    folder: config.data.join("cosigned"),
                    models: Arc::clone(&models),
                    clip_model: config.clip_model.clone(),
                    courier: courier.clone(),
                    supervisor: Arc::clone(&supervisor),
                })
                .map_err(folder)?,
            ),
            None => None,
        };
        let roles = Roles {
            validator_key: config.validator,
            validator,
            miner,
            requester,
            chain,
            co_signer,
            models,
            store: Arc::new(store),
        };
        courier.set(roles.clone());
        let ledger = LedgerId { network: infernet_ledger::Digest(network.0), validator: AccountId(config.validator.0) };
        let node = Self { identity: Arc::new(identity), courier, roles, supervisor, ledger };
        tokio::spawn(listen(events, node.roles.clone()));
        if let Some(validator) =
            node.roles.validator.clone().filter(|_| bits.has(RoleBits::MINER) || bits.has(RoleBits::REQUESTER))
        {
            // A validator never connects to itself, and its other roles have an account like everyone's.
            let own = node.public_key();
            tokio::spawn(async move { validator.seen(own).await });
        }
        if config.stake_microcredits > 0 {
            match node.roles.chain.clone() {
                Some(chain) => tokio::spawn(chain.stake_up_to(config.stake_microcredits)),
                None => tokio::spawn(node.clone().stake_up_to(config.stake_microcredits)),
            };
        }
        Ok(node)
    }

    /// Its public key: peer, miner, account.
    pub fn public_key(&self) -> PublicKey {
        self.identity.public_key()
    }

    /// Its roles.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Its swarm.
    pub fn swarm(&self) -> &SwarmHandle {
        self.courier.swarm()
    }

    /// Where others reach it, each ending in `/p2p/...`; those that were confirmed from outside first.
    pub async fn addresses(&self) -> Vec<String> {
        let own = format!("/p2p/{}", self.swarm().peer_id());
        let mut texts: Vec<String> = Vec::new();
        for address in [self.swarm().external_addresses().await, self.swarm().listen_addresses().await].concat() {
            let text = address.to_string();
            let text = if text.ends_with(&own) { text } else { format!("{text}{own}") };
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts.truncate(Invitation::MAX_ADDRESSES);
        texts
    }

    /// Its worker.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Its ledger.
    pub fn ledger(&self) -> &LedgerId {
        &self.ledger
    }

    /// Asks the validator.
    pub(crate) async fn ask(&self, request: Request) -> Result<Response, RequestError> {
        self.courier.request(&self.roles.validator_key, request, ASK).await
    }

    /// The account of this node, or another's, as the validator has it; this node's own as the chain has it, where a contract settles.
    ///
    /// # Errors
    /// The validator, or the chain, can't be reached.
    pub async fn account(&self, key: &PublicKey) -> Result<Account, MoneyError> {
        if let Some(chain) = self.roles.chain.as_ref().filter(|_| *key == self.public_key()) {
            chain.look_now().await;
            let seen = chain.account_seen().map_err(ChainError::from)?;
            return Ok(seen.ok_or(ChainError::Unread { contract: chain.domain().contract })?);
        }
        match self.ask(Request::Account(AccountQuery { key: *key })).await? {
            Response::Account(account) => {
                Account::from_bytes(&account.state).map_err(|error| MoneyError::Answer(error.to_string()))
            }
            other => Err(MoneyError::Answer(format!("it is {}", other.name()))),
        }
    }

    /// Enters a request of this node's account in the ledger.
    ///
    /// # Errors
    /// The validator can't be reached, or refuses it.
    pub async fn request_money(&self, action: Action) -> Result<Receipt, MoneyError> {
        let nonce = self.account(&self.public_key()).await?.next_nonce;
        let signed = AccountRequest::sign(&self.ledger, nonce, action, &self.identity.signing_key());
        let request = Request::LedgerRequest(LedgerRequest { request: signed.to_bytes().into() });
        let mut answer = self.ask(request.clone()).await;
        for _ in 0..MONEY_REPEATS {
            // It may have arrived. The same bytes again are entered once, and answered with the same receipt.
            if !matches!(
                answer,
                Err(RequestError::Timeout { .. } | RequestError::Closed { .. } | RequestError::Remote(_))
            ) {
                break;
            }
            answer = self.ask(request.clone()).await;
        }
        match answer? {
            Response::LedgerAnswer(answer) => {
                let receipt =
                    Receipt::from_bytes(&answer.receipt).map_err(|error| MoneyError::Answer(error.to_string()))?;
                receipt.verify(&self.ledger.validator).map_err(|error| MoneyError::Answer(error.to_string()))?;
                Ok(receipt)
            }
            other => Err(MoneyError::Answer(format!("it is {}", other.name()))),
        }
    }

    /// Stakes what is missing, once the account has it.
    async fn stake_up_to(self, wanted: u64) {
        loop {
            match self.account(&self.public_key()).await {
                Ok(account) => {
                    let staked = u64::try_from(account.stake.total()).unwrap_or(u64::MAX);
                    let missing = wanted.saturating_sub(staked).min(account.balance);
                    if staked >= wanted {
                        return;
                    }
                    if missing > 0 {
                        match self.request_money(Action::Stake { amount_microcredits: missing }).await {
                            Ok(_) => tracing::info!(microcredits = missing, "staked"),
                            Err(error) => tracing::warn!("nothing was staked: {error}"),
                        }
                    }
                }
                Err(error) => tracing::debug!("the account can't be looked at: {error}"),
            }
            tokio::time::sleep(STAKE_POLL).await;
        }
    }

    /// Stops in order: no new work, the worker ended, the ledger's snapshot made, peers told.
    pub async fn stop(&self) {
        if let Some(miner) = &self.roles.miner {
            miner.pause(vec!["stopping".to_owned()]);
        }
        if let Some(validator) = &self.roles.validator {
            validator.stop().await;
        }
        if let Some(chain) = &self.roles.chain {
            chain.stop();
        }
        self.supervisor.stop().await;
        self.courier.swarm().shutdown().await;
    }
}

/// What the swarm brings.
async fn listen(mut events: mpsc::Receiver<SwarmEvent>, roles: Roles) {
    while let Some(event) = events.recv().await {
        match event {
            SwarmEvent::PeerConnected(peer) => {
                if let Some(validator) = &roles.validator {
                    validator.seen(peer.key).await;
                }
            }
            SwarmEvent::Request(incoming) => {
                let roles = roles.clone();
                tokio::spawn(async move {
                    let Some(peer) = infernet_network::identity::public_key(&incoming.peer) else { return };
                    incoming.responder.respond(roles.answer(peer, incoming.request).await);
                });
            }
            SwarmEvent::BlobOffered(offer) => {
                let roles = roles.clone();
                tokio::spawn(async move {
                    let Some(peer) = infernet_network::identity::public_key(&offer.peer) else { return };
                    let Some((path, id, reveal)) = roles.place_for(peer, &offer.header).await else {
                        offer.refuse("blob.not_wanted", "nobody waits for this file").await;
                        return;
                    };
                    match offer.accept(infernet_network::swarm::BlobSink::File(path)).await {
                        Ok(_) => {
                            if let Some(validator) = &roles.validator {
                                validator.delivered(peer, id, reveal).await;
                            }
                        }
                        Err(error) => tracing::warn!(%peer, job = %id, "a delivery failed: {error}"),
                    }
                });
            }
            SwarmEvent::BlobRequested(demand) => {
                let roles = roles.clone();
                tokio::spawn(async move {
                    let Some(peer) = infernet_network::identity::public_key(&demand.peer) else { return };
                    let Some(path) = roles.file_for(peer, &demand.subject).await else {
                        demand.refuse("blob.unknown", "there is no such file for you").await;
                        return;
                    };
                    if let Err(error) = send_file(demand, path).await {
                        tracing::warn!(%peer, "a file was not sent: {error}");
                    }
                });
            }
            SwarmEvent::PeerRefused { peer, reason } => tracing::info!(%peer, "sent away: {reason}"),
            SwarmEvent::Banned { peer, reason, .. } => tracing::warn!(%peer, "banned: {reason}"),
            SwarmEvent::Lagged { missed } => tracing::warn!(missed, "the node did not keep up with its peers"),
            SwarmEvent::Listening { address } => tracing::info!(%address, "listening"),
            SwarmEvent::PeerDisconnected { peer, reason } => tracing::debug!(%peer, "gone: {reason}"),
            SwarmEvent::Announcement { .. } | SwarmEvent::Reachability(_) => {}
        }
    }
}

async fn send_file(demand: infernet_network::swarm::BlobDemand, path: PathBuf) -> Result<(), String> {
    use infernet_engine::store::{Cancel, file_sha256};
    use infernet_network::swarm::BlobSource;
    use infernet_network::wire::BlobHeader;

    let hashed = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || {
            let bytes = std::fs::metadata(&path).map_err(|error| error.to_string())?.len();
            let digest = file_sha256(&path, &Cancel::new(), |_| {}).map_err(|error| error.to_string())?;
            Ok::<_, String>((digest, bytes))
        })
    };
    let (digest, bytes) = hashed.await.map_err(|error| error.to_string())??;
    let digest = infernet_network::proof::Digest(digest.0);
    let header = BlobHeader { subject: demand.subject.clone(), digest, bytes };
    demand.send(header, BlobSource::File(path)).await.map_err(|error| error.to_string())
}

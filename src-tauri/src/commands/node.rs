//! `infernet node`: a node without a desktop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use infernet_api::types::settings::Settings;
use infernet_engine::devices::ProbeCommand;
use infernet_network::identity::Identity;
use infernet_network::proof::Digest;
use infernet_network::swarm::{Multiaddr, SwarmConfig};
use infernet_network::wire::{Invitation, NetworkChain, Roles};
use infernet_node::backend::{BackendConfig, NodeBackend, SettingsError, SettingsStore, policy_of};
use infernet_node::chain::{chain_of, network_of};
use infernet_node::http::HttpServer;
use infernet_node::node::{Node, NodeConfig};
use infernet_node::worker::WorkerConfig;
use infernet_settlement::evm::ChainConfig;
use serde::Serialize;

use super::chain::files;
use super::exchange::random;
use super::serving;
use crate::cli::{NodeArgs, RoleArg};
use crate::failure::{Failure, Result};
use crate::safe::{KEY_FILE, Safe};
use crate::{interrupt, output, paths};

/// Least price of a step where the owner has not said one, in micro-credits.
const PRICE: u64 = 300;
/// How long requests that are under way may take when the node ends.
const API_GRACE: Duration = Duration::from_secs(2);
/// Where the network of a node is remembered.
const NETWORK_FILE: &str = "network.uri";
/// A worker that says nothing for this long hangs; a step of a large model on a CPU takes minutes.
const STALL: Duration = Duration::from_secs(600);
/// How long to wait for the first address.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(15);
/// How often Ctrl-C is looked for.
const POLL: Duration = Duration::from_millis(100);

/// Said when the node is up.
#[derive(Serialize)]
struct Up {
    node: String,
    roles: String,
    addresses: Vec<String>,
    /// For others to join.
    invitation: String,
    /// URL of the API.
    api: String,
    /// The file with its token.
    token_file: PathBuf,
    /// For other computers, where the owner switched that on.
    remote: Option<Remote>,
    /// Its account, where the network settles on a chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
}

/// How other computers reach the API.
#[derive(Serialize)]
struct Remote {
    listen: SocketAddr,
    /// SHA-256 of its certificate.
    fingerprint: infernet_api::Digest,
}

/// A node with its API, in this process.
pub(crate) struct Host {
    node: Node,
    backend: NodeBackend,
    server: HttpServer,
    up: Up,
}

impl Host {
    /// Starts it on the current tokio runtime.
    pub(crate) async fn start(arguments: &NodeArgs, identity: Identity, data: PathBuf) -> Result<Self> {
        let network = network(arguments, &data, &identity)?;
        let settings = settings(arguments, &data)?;
        let config = config(arguments, data.clone(), &network, &settings.get())?;
        let node =
            Node::start(identity, paths::model_store()?, &config).map_err(|error| Failure::Failed(error.into()))?;
        let remote = settings.get().api;
        let backend = NodeBackend::start(node.clone(), settings, told(arguments, &data, &network))
            .map_err(|error| Failure::Failed(error.into()))?;
        let (server, token_file) = match serving::serve_api(arguments.api_listen, &data, &remote, &backend) {
            Ok(served) => served,
            Err(failure) => {
                node.stop().await;
                return Err(failure);
            }
        };
        let addresses = addresses(&node).await;
        let invitation = Invitation { bootstrap: addresses.clone(), ..network };
        let uri = invitation.to_uri().map_err(|error| Failure::Failed(error.into()))?;
        let up = Up {
            node: node.public_key().to_string(),
            roles: roles(arguments).to_string(),
            addresses,
            invitation: uri,
            api: server.url(),
            token_file,
            remote: server.remote_address().map(|(listen, fingerprint)| Remote { listen, fingerprint }),
            account: node.roles().chain.as_ref().map(|chain| chain.address().to_string()),
        };
        Ok(Self { node, backend, server, up })
    }

    /// Stops it in order.
    pub(crate) async fn stop(self) {
        self.backend.stop();
        self.server.shutdown(API_GRACE).await;
        self.node.stop().await;
    }
}

/// The node's folder.
pub(crate) fn folder(arguments: &NodeArgs) -> Result<PathBuf> {
    let data = match &arguments.data {
        Some(folder) => folder.clone(),
        None => paths::data_dir()?,
    };
    std::fs::create_dir_all(&data)?;
    Ok(data)
}

/// The network that a node of this folder belongs to.
#[cfg(feature = "window")]
pub(crate) fn remembered_network(data: &Path) -> Result<Option<Invitation>> {
    remembered(&data.join(NETWORK_FILE))
}

/// Remembers which network a node of this folder belongs to.
pub(crate) fn remember_network(data: &Path, network: &Invitation) -> Result {
    let uri = network.to_uri().map_err(|error| Failure::input(error.to_string()))?;
    Ok(infernet_engine::video::write_atomically(&data.join(NETWORK_FILE), uri.as_bytes())?)
}

/// Whether a node of this folder has been told which network it belongs to.
#[cfg(feature = "window")]
pub(crate) fn has_network(data: &Path) -> bool {
    data.join(NETWORK_FILE).is_file()
}

pub(super) fn run(arguments: &NodeArgs) -> Result {
    let data = folder(arguments)?;
    let (identity, new) = Safe::new(&data, arguments.passphrase_file.as_deref()).open_or_create()?;
    if new && !arguments.json {
        eprintln!(
            "made a new identity in {}; it is the key to what this node earns: back it up with `infernet identity phrase`",
            data.display()
        );
    }
    let interrupted = interrupt::flag();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let host = Host::start(arguments, identity, data).await?;
        let up = &host.up;
        if arguments.json {
            output::json(up)?;
        } else {
            output::line(&format!("node {}: {}", up.node, up.roles))?;
            for address in &up.addresses {
                output::line(&format!("listening at {address}"))?;
            }
            output::line(&format!("others join with: infernet node --join {}", up.invitation))?;
            if let Some(account) = &up.account {
                output::line(&format!(
                    "its account on the chain is {account}: `infernet chain status` shows what it has"
                ))?;
            }
            output::line(&format!("its API is at {}, with the token in {}", up.api, up.token_file.display()))?;
            if let Some(remote) = &up.remote {
                let port = remote.listen.port();
                output::line(&format!(
                    "from other computers: --url https://NAME:{port} --fingerprint {}",
                    remote.fingerprint
                ))?;
            }
        }
        while !interrupted.load(Ordering::SeqCst) {
            tokio::time::sleep(POLL).await;
        }
        host.stop().await;
        Ok(())
    })
}

/// The owner's settings, with what the command line says of them.
fn settings(arguments: &NodeArgs, data: &Path) -> Result<SettingsStore> {
    let failed = |error: SettingsError| Failure::Input(error.into());
    let mut initial = Settings::default();
    initial.policy.min_fee_per_step_microcredits = PRICE;
    let settings = SettingsStore::open(data, initial).map_err(failed)?;
    let mut policy = serde_json::Map::new();
    if let Some(price) = arguments.price {
        policy.insert("min_fee_per_step_microcredits".to_owned(), price.into());
    }
    if !arguments.blocked_words.is_empty() {
        policy.insert("blocked_words".to_owned(), arguments.blocked_words.clone().into());
    }
    settings.patch(&serde_json::json!({ "policy": policy })).map_err(failed)?;
    Ok(settings)
}

/// What the API's backend can't know of itself.
fn told(arguments: &NodeArgs, data: &Path, network: &Invitation) -> BackendConfig {
    BackendConfig {
        data: data.to_owned(),
        network: network.clone(),
        roles: roles(arguments),
        identity_file: Some(data.join(KEY_FILE)).filter(|file| file.is_file()),
        worker_device: "CPU".to_owned(),
        device_probe: ProbeCommand::this_executable([super::devices::PROBE_SUBCOMMAND]).ok(),
    }
}

fn roles(arguments: &NodeArgs) -> Roles {
    let bits = arguments.roles.iter().map(|role| match role {
        RoleArg::Miner => Roles::MINER,
        RoleArg::Validator => Roles::VALIDATOR,
        RoleArg::Requester => Roles::REQUESTER,
    });
    let relay = if arguments.relay { Roles::RELAY } else { Roles::NONE };
    let founder = if arguments.found.is_some() { Roles::VALIDATOR } else { Roles::NONE };
    bits.fold(relay.and(founder), Roles::and)
}

/// The network: a new one, that of an invitation, or that of the last start.
fn network(arguments: &NodeArgs, data: &Path, identity: &Identity) -> Result<Invitation> {
    let path = data.join(NETWORK_FILE);
    let invitation = match (&arguments.found, &arguments.join) {
        (Some(name), _) => match remembered(&path)? {
            Some(known) if known.validator == identity.public_key() && arguments.chain && known.chain.is_none() => {
                return Err(Failure::input(format!(
                    "the network `{}` settles in this node's ledger; use another --data folder to begin one that settles on a chain",
                    known.name
                )));
            }
            Some(known) if known.validator == identity.public_key() => known,
            Some(known) => {
                return Err(Failure::input(format!(
                    "this node belongs to the network `{}`; use another --data folder to begin a new one",
                    known.name
                )));
            }
            None => Invitation {
                network: Digest(random()?),
                name: name.clone(),
                validator: identity.public_key(),
                bootstrap: Vec::new(),
                swarm_key: None,
                chain: chain_to_found(arguments, data)?,
            },
        },
        (None, Some(text)) => Invitation::parse(text).map_err(|error| Failure::input(error.to_string()))?,
        (None, None) => remembered(&path)?.ok_or_else(|| {
            Failure::input(
                "this node belongs to no network yet; join one with --join INVITATION, or begin one with --found NAME",
            )
        })?,
    };
    let mut invitation = invitation;
    for peer in &arguments.peers {
        if !invitation.bootstrap.contains(peer) {
            invitation.bootstrap.insert(0, peer.clone());
        }
    }
    invitation.bootstrap.truncate(Invitation::MAX_ADDRESSES);
    remember_network(data, &invitation)?;
    Ok(invitation)
}

/// The contract for a new network's invitation.
fn chain_to_found(arguments: &NodeArgs, data: &Path) -> Result<Option<NetworkChain>> {
    if !arguments.chain {
        return Ok(None);
    }
    let chosen = files::chosen(data)?.ok_or_else(|| {
        Failure::input(format!(
            "no contract is chosen in {}; run `infernet chain deploy` or `infernet chain use` with --data {0} first",
            data.display()
        ))
    })?;
    Ok(Some(network_of(&chosen.address)))
}

/// How to reach the network's contract: as its invitation says, unless this folder has its own settings for it. Kept for
/// `infernet chain`, which asks the same account's outbox.
fn chain(data: &Path, network: &Invitation) -> Result<Option<ChainConfig>> {
    let Some(named) = &network.chain else { return Ok(None) };
    let invited = ChainConfig::new(chain_of(named));
    match files::chosen(data)? {
        Some(own)
            if (own.address.chain_id, own.address.contract) == (invited.address.chain_id, invited.address.contract) =>
        {
            Ok(Some(own))
        }
        Some(own) => Err(Failure::input(format!(
            "the network `{}` settles by contract {} on chain {}, this folder's chain.json is about {} on chain {}; use another --data folder, or move chain.json away",
            network.name,
            invited.address.contract,
            invited.address.chain_id,
            own.address.contract,
            own.address.chain_id
        ))),
        None => {
            invited.check().map_err(|error| super::chain::failed(&error))?;
            files::choose(data, &invited)?;
            Ok(Some(invited))
        }
    }
}

fn remembered(path: &Path) -> Result<Option<Invitation>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Invitation::parse(text.trim())
            .map(Some)
            .map_err(|error| Failure::input(format!("{}: {error}; join again with --join", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn config(arguments: &NodeArgs, data: PathBuf, network: &Invitation, settings: &Settings) -> Result<NodeConfig> {
    let parse = |addresses: &[String]| -> Result<Vec<Multiaddr>> {
        let one = |text: &String| {
            text.parse().map_err(|error| {
                Failure::input(format!("{text} is no address ({error}); one looks like /ip4/0.0.0.0/tcp/4001"))
            })
        };
        addresses.iter().map(one).collect()
    };
    let base = if arguments.loopback { SwarmConfig::loopback } else { SwarmConfig::new };
    let mut swarm = base(network.network);
    swarm.roles = roles(arguments);
    swarm.relay_server = arguments.relay;
    swarm.bans_file = Some(data.join("bans.json"));
    swarm.bootstrap = parse(&network.bootstrap)?;
    swarm.external = parse(&arguments.external)?;
    if !arguments.listen.is_empty() {
        swarm.listen = parse(&arguments.listen)?;
    }
    if let Some(key) = &network.swarm_key {
        swarm.swarm_key = Some(key.clone());
        // The key wraps byte streams; QUIC has none.
        swarm.listen.retain(|address| address.to_string().contains("/tcp/"));
    }
    let assets = paths::assets_dir()?;
    let chain = chain(&data, network)?;
    Ok(NodeConfig {
        data,
        swarm,
        validator: network.validator,
        welcome_microcredits: arguments.welcome,
        worker: WorkerConfig {
            program: std::env::current_exe()?,
            arguments: vec!["worker".to_owned()],
            environment: Vec::new(),
            stall_timeout: STALL,
        },
        policy: policy_of(&settings.policy),
        threads: arguments.threads.map(usize::from),
        stake_microcredits: if roles(arguments).has(Roles::MINER) { arguments.stake } else { 0 },
        attack: arguments.attack.clone(),
        clip_model: Some(assets.join("models").join("starter-clip")),
        // A node that takes any fee still offers the usual one.
        usual_price_per_step: settings.policy.min_fee_per_step_microcredits.max(PRICE),
        chain,
    })
}

/// Addresses for an invitation, once there are some.
async fn addresses(node: &Node) -> Vec<String> {
    let start = tokio::time::Instant::now();
    loop {
        let addresses = node.addresses().await;
        if !addresses.is_empty() || start.elapsed() > LISTEN_TIMEOUT {
            return addresses;
        }
        tokio::time::sleep(POLL).await;
    }
}

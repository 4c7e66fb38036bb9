//! The node under the desktop.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use clap::Parser;
use infernet_api::client::Client;
use infernet_api::types::status::PauseRequest;
use infernet_network::identity::Identity;
use infernet_network::wire::Invitation;
use tokio::sync::{oneshot, watch};

use crate::cli::{NodeArgs, RoleArg};
use crate::commands::node::{self, Host};
use crate::connection;
use crate::failure::{Failure, Result};
use crate::safe::Safe;

/// The network of someone who has not joined another one.
const OWN_NETWORK: &str = "home";
/// Patience with a node of an earlier start that may still run.
const ASK: Duration = Duration::from_secs(3);

/// The node that this desktop shows.
pub(super) struct Keeper {
    data: PathBuf,
    runtime: tokio::runtime::Runtime,
    stop: Mutex<Option<(oneshot::Sender<()>, std::thread::JoinHandle<()>)>>,
    started: watch::Sender<u64>,
}

/// Parses as if they had been typed, for the defaults.
#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    node: NodeArgs,
}

impl Keeper {
    /// Starts the node of a folder, unless one runs there already.
    pub(super) fn start(data: Option<&Path>) -> Result<Self> {
        let mut typed = typed(data)?;
        let data = node::folder(&typed)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let keeper = Self { data: data.clone(), runtime, stop: Mutex::default(), started: watch::Sender::default() };
        if keeper.answers() {
            tracing::info!("a node runs already; the window is for that one");
            return Ok(keeper);
        }
        let (identity, _) = Safe::new(&data, None).open_or_create()?;
        // On a network of its own everyone is everything: clips can be ordered and mined at once.
        let new = !node::has_network(&data);
        if new || founded(&data, &identity.public_key()) {
            own_network(&mut typed);
        }
        keeper.run(&typed, identity)?;
        if new {
            // The owner presses Start; until then nothing is computed.
            let client = keeper.client()?;
            if let Err(error) = keeper.runtime.block_on(client.pause_mining(&PauseRequest::default())) {
                tracing::warn!("mining was not paused: {error}");
            }
        }
        Ok(keeper)
    }

    fn run(&self, typed: &NodeArgs, identity: Identity) -> Result {
        let host = self.runtime.block_on(Host::start(typed, identity, self.data.clone()))?;
        let (send, stopped) = oneshot::channel();
        let handle = self.runtime.handle().clone();
        let thread = std::thread::Builder::new().name("node".to_owned()).spawn(move || {
            handle.block_on(async {
                // Dropped without a word is an end, too.
                let _ = stopped.await;
                host.stop().await;
            });
        })?;
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some((send, thread));
        self.started.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Takes the node to the network of a link, with the same identity. Where that fails it goes on where it was.
    ///
    /// # Errors
    /// The link is none, the node is another process's, or it can't start there.
    pub(super) fn join(&self, link: &str) -> Result {
        let next = Invitation::parse(link).map_err(|error| Failure::input(error.to_string()))?;
        if !self.is_own() {
            let message = "this node was started outside the desktop; start it again with: infernet node --join LINK";
            return Err(Failure::input(message));
        }
        let before = node::remembered_network(&self.data)?;
        let identity = || Ok::<_, Failure>(Safe::new(&self.data, None).open_or_create()?.0);
        let (mut there, mut back) = (typed(Some(&self.data))?, typed(Some(&self.data))?);
        let own = identity()?;
        for (arguments, network) in [(&mut there, Some(&next)), (&mut back, before.as_ref())] {
            if network.is_some_and(|network| network.validator == own.public_key()) {
                own_network(arguments);
            }
        }
        self.stop();
        node::remember_network(&self.data, &next)?;
        let Err(failure) = self.run(&there, own) else { return Ok(()) };
        tracing::error!("the node can't join: {failure}; it goes back");
        if let Some(before) = before {
            node::remember_network(&self.data, &before)?;
            self.run(&back, identity()?)?;
        }
        Err(failure)
    }

    /// The node's folder.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// How often the node was started; changes when it is another one.
    #[cfg(feature = "desktop")]
    pub(super) fn starts(&self) -> watch::Receiver<u64> {
        self.started.subscribe()
    }

    /// Whether the node is this process's, not one that ran already.
    pub(super) fn is_own(&self) -> bool {
        // Also while it changes its network and does not run.
        *self.started.borrow() > 0
    }

    /// Runs work beside the node.
    #[cfg(feature = "desktop")]
    pub(super) fn runtime(&self) -> &tokio::runtime::Handle {
        self.runtime.handle()
    }

    /// A client of the node.
    pub(super) fn client(&self) -> Result<Client> {
        connection::client(&self.data)
    }

    fn answers(&self) -> bool {
        let Ok(client) = self.client() else { return false };
        self.runtime
            .block_on(async { tokio::time::timeout(ASK, client.status()).await.is_ok_and(|status| status.is_ok()) })
    }

    /// Stops the node if it is this process's.
    pub(super) fn stop(&self) {
        let Some((send, thread)) = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // It ends by itself when nobody listens.
        let _ = send.send(());
        if thread.join().is_err() {
            tracing::error!("the node did not end in order");
        }
    }
}

/// What `infernet node` would do here, with its defaults.
fn typed(data: Option<&Path>) -> Result<NodeArgs> {
    let mut words: Vec<OsString> = vec!["infernet".into()];
    if let Some(data) = data {
        words.extend(["--data".into(), data.into()]);
    }
    Ok(Typed::try_parse_from(&words).map_err(anyhow::Error::from)?.node)
}

/// As the node that began its network.
fn own_network(arguments: &mut NodeArgs) {
    arguments.found = Some(OWN_NETWORK.to_owned());
    arguments.roles = vec![RoleArg::Miner, RoleArg::Requester];
}

/// Whether the network that is remembered is this node's own.
fn founded(data: &Path, own: &infernet_network::proof::PublicKey) -> bool {
    node::remembered_network(data).ok().flatten().is_some_and(|network| network.validator == *own)
}

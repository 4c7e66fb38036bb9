//! The node under the desktop.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use clap::Parser;
use infernet_api::client::Client;
use infernet_api::types::status::PauseRequest;
use tokio::sync::oneshot;

use crate::cli::NodeArgs;
use crate::commands::node::{self, Host};
use crate::connection;
use crate::failure::Result;
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
        let mut words = vec!["infernet".to_owned()];
        if let Some(data) = data {
            words.extend(["--data".to_owned(), data.display().to_string()]);
        }
        let mut typed = Typed::try_parse_from(&words).map_err(anyhow::Error::from)?.node;
        let data = node::folder(&typed)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let keeper = Self { data: data.clone(), runtime, stop: Mutex::default() };
        if keeper.answers() {
            tracing::info!("a node runs already; the window is for that one");
            return Ok(keeper);
        }
        let (identity, _) = Safe::new(&data, None).open_or_create()?;
        // On a network of its own everyone is everything: clips can be ordered and mined at once.
        let new = !node::has_network(&data);
        if new {
            typed.found = Some(OWN_NETWORK.to_owned());
        }
        if typed.found.is_some() || founded(&data, &identity.public_key()) {
            typed.found = Some(OWN_NETWORK.to_owned());
            typed.roles = vec![crate::cli::RoleArg::Miner, crate::cli::RoleArg::Requester];
        }
        let host = keeper.runtime.block_on(Host::start(&typed, identity, data))?;
        let (send, stopped) = oneshot::channel();
        let handle = keeper.runtime.handle().clone();
        let thread = std::thread::Builder::new().name("node".to_owned()).spawn(move || {
            handle.block_on(async {
                // Dropped without a word is an end, too.
                let _ = stopped.await;
                host.stop().await;
            });
        })?;
        if new {
            // The owner presses Start; until then nothing is computed.
            let client = keeper.client()?;
            if let Err(error) = keeper.runtime.block_on(client.pause_mining(&PauseRequest::default())) {
                tracing::warn!("mining was not paused: {error}");
            }
        }
        *keeper.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some((send, thread));
        Ok(keeper)
    }

    /// The node's folder.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// Whether the node is this process's, not one that ran already.
    #[cfg(not(feature = "desktop"))]
    pub(super) fn is_own(&self) -> bool {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).is_some()
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

/// Whether the network that is remembered is this node's own.
fn founded(data: &Path, own: &infernet_network::proof::PublicKey) -> bool {
    node::remembered_network(data).ok().flatten().is_some_and(|network| network.validator == *own)
}

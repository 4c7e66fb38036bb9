//! Which node, and what it is shown.

use std::future::Future;
use std::path::Path;

use infernet_api::client::{Client, ClientConfig, ServerTrust};
use infernet_api::{DEFAULT_URL, RequestId, TOKEN_FILE, URL_FILE, read_token};

use crate::cli::{NodeAt, RemoteArgs};
use crate::failure::{Failure, Result};
use crate::paths;

/// Asks the node that the arguments name.
pub(crate) fn ask<T>(arguments: &RemoteArgs, question: impl AsyncFnOnce(Client) -> Result<T>) -> Result<T> {
    let client = Client::new(&config(&arguments.node, &paths::data_dir()?)?)?;
    block_on(question(client))
}

/// Runs to the end on this thread.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// A client of the node of a data folder.
pub(crate) fn client(data: &Path) -> Result<Client> {
    Ok(Client::new(&config(&NodeAt::default(), data)?)?)
}

/// Where the node is, by its own announcement in the data folder for what is not given.
pub(crate) fn config(at: &NodeAt, data: &Path) -> Result<ClientConfig> {
    let announced = || {
        std::fs::read_to_string(data.join(URL_FILE))
            .map_or_else(|_| DEFAULT_URL.to_owned(), |text| text.trim().to_owned())
    };
    let url = at.url.clone().unwrap_or_else(announced);
    let trust = match (&at.fingerprint, &at.ca_file) {
        (Some(fingerprint), _) => ServerTrust::Fingerprint(*fingerprint),
        (None, Some(file)) => ServerTrust::Authority(read_text(file)?),
        (None, None) => ServerTrust::ThisComputer,
    };
    let token_file = at.token_file.clone().unwrap_or_else(|| data.join(TOKEN_FILE));
    let token = read_token(&token_file)
        .map_err(|error| Failure::input(format!("{error}\n  {} ({})", error.next_step(), error.code())))?;
    Ok(ClientConfig { url, token, trust })
}

fn read_text(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| Failure::input(format!("can't read {}: {error}", file.display())))
}

/// For a request that must not be carried out twice.
pub(crate) fn request_id() -> Result<RequestId> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::Failed(anyhow::anyhow!("the system gives no random numbers: {error}")))?;
    Ok(RequestId(bytes))
}

//! Which node, and what it is shown.

use std::future::Future;
use std::path::Path;

use infernet_api::client::{Client, ClientConfig, ServerTrust};
use infernet_api::{DEFAULT_URL, RequestId, TOKEN_FILE, URL_FILE, read_token};

use crate::cli::RemoteArgs;
use crate::failure::{Failure, Result};
use crate::paths;

/// Asks the node that the arguments name.
pub(super) fn ask<T>(arguments: &RemoteArgs, question: impl AsyncFnOnce(Client) -> Result<T>) -> Result<T> {
    let client = client(arguments)?;
    block_on(question(client))
}

/// Runs to the end on this thread.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn client(arguments: &RemoteArgs) -> Result<Client> {
    let data = paths::data_dir()?;
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => announced_url(&data),
    };
    let trust = match (&arguments.fingerprint, &arguments.ca_file) {
        (Some(fingerprint), _) => ServerTrust::Fingerprint(*fingerprint),
        (None, Some(file)) => ServerTrust::Authority(read_text(file)?),
        (None, None) => ServerTrust::ThisComputer,
    };
    let token_file = arguments.token_file.clone().unwrap_or_else(|| data.join(TOKEN_FILE));
    let token = read_token(&token_file)
        .map_err(|error| Failure::input(format!("{error}\n  {} ({})", error.next_step(), error.code())))?;
    Ok(Client::new(&ClientConfig { url, token, trust })?)
}

/// Where the node of this data folder said that it listens.
fn announced_url(data: &Path) -> String {
    match std::fs::read_to_string(data.join(URL_FILE)) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => DEFAULT_URL.to_owned(),
    }
}

fn read_text(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| Failure::input(format!("can't read {}: {error}", file.display())))
}

/// For a request that must not be carried out twice.
pub(super) fn request_id() -> Result<RequestId> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::Failed(anyhow::anyhow!("the system gives no random numbers: {error}")))?;
    Ok(RequestId(bytes))
}

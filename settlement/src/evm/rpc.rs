//! Several endpoints as one: the one that answered last is asked first, and the next when it does not.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use alloy::network::Ethereum;
use alloy::primitives::Bytes;
use alloy::providers::{Provider as _, RootProvider};
use alloy::rpc::client::ClientBuilder;
use alloy::sol_types::SolInterface as _;
use alloy::transports::{RpcError, TransportError};

use super::abi::InfernetSettlement::InfernetSettlementErrors;
use super::config::{ChainAddress, endpoint_url};
use crate::error::SettlementError;

/// How long one endpoint may take for one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What is asked.
pub(crate) type Provider = RootProvider<Ethereum>;

#[derive(Debug)]
struct Endpoint {
    /// Host alone: path and query carry keys.
    label: String,
    provider: Provider,
    /// Whether it has said which chain it serves.
    checked: AtomicBool,
}

/// The endpoints of one chain.
#[derive(Debug)]
pub(crate) struct Rpc {
    endpoints: Vec<Endpoint>,
    first: AtomicUsize,
    chain_id: u64,
}

/// What an endpoint said.
enum Answer<T> {
    Fine(T),
    /// The chain's own no: another endpoint would say the same.
    No(SettlementError),
    /// This endpoint is of no use now.
    Broken(String),
}

impl Rpc {
    pub(crate) fn new(address: &ChainAddress) -> Result<Self, SettlementError> {
        // Once for the process; whoever was first is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let build = |endpoint: &String| -> Result<Endpoint, SettlementError> {
            let url = endpoint_url(endpoint)?;
            let label = match url.port() {
                Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
                None => url.host_str().unwrap_or_default().to_owned(),
            };
            let builder = || {
                reqwest::Client::builder()
                    .user_agent(concat!("infernet/", env!("CARGO_PKG_VERSION")))
                    .redirect(reqwest::redirect::Policy::none())
                    .connect_timeout(CONNECT_TIMEOUT)
                    .timeout(CALL_TIMEOUT)
            };
            let client = match builder().build() {
                Ok(client) => client,
                // A system without root certificates can still reach a node of its own.
                Err(_) if url.scheme() == "http" => {
                    builder().tls_certs_only([]).build().map_err(|error| client_error(&error))?
                }
                Err(error) => return Err(client_error(&error)),
            };
            let provider = RootProvider::new(ClientBuilder::default().http_with_client(client, url));
            Ok(Endpoint { label, provider, checked: AtomicBool::new(false) })
        };
        let endpoints = address.rpc.iter().map(build).collect::<Result<_, _>>()?;
        Ok(Self { endpoints, first: AtomicUsize::new(0), chain_id: address.chain_id })
    }

    /// Asks until an endpoint answers.
    pub(crate) async fn call<T, F>(&self, call: &'static str, ask: impl Fn(Provider) -> F) -> Result<T, SettlementError>
    where
        F: Future<Output = Result<T, TransportError>>,
    {
        let (first, count) = (self.first.load(Ordering::Relaxed), self.endpoints.len());
        let mut reason = "there is none".to_owned();
        for place in (0..count).map(|offset| (first + offset) % count) {
            match self.ask_one(call, &self.endpoints[place], &ask).await {
                Answer::Fine(value) => {
                    self.first.store(place, Ordering::Relaxed);
                    return Ok(value);
                }
                Answer::No(error) => return Err(error),
                Answer::Broken(why) => {
                    tracing::debug!(endpoint = self.endpoints[place].label, call, why, "an endpoint does not answer");
                    reason = format!("{}: {why}", self.endpoints[place].label);
                }
            }
        }
        Err(SettlementError::Unreachable { call, endpoints: count, reason })
    }

    /// Asks every endpoint; those that don't answer are left out.
    pub(crate) async fn call_all<T, F>(&self, call: &'static str, ask: impl Fn(Provider) -> F) -> Vec<T>
    where
        F: Future<Output = Result<T, TransportError>>,
    {
        let mut answers = Vec::with_capacity(self.endpoints.len());
        for endpoint in &self.endpoints {
            if let Answer::Fine(value) = self.ask_one(call, endpoint, &ask).await {
                answers.push(value);
            }
        }
        answers
    }

    async fn ask_one<T, F>(&self, call: &'static str, endpoint: &Endpoint, ask: &impl Fn(Provider) -> F) -> Answer<T>
    where
        F: Future<Output = Result<T, TransportError>>,
    {
        if !endpoint.checked.load(Ordering::Relaxed) {
            match timed(endpoint.provider.get_chain_id()).await {
                Ok(found) if found == self.chain_id => endpoint.checked.store(true, Ordering::Relaxed),
                Ok(found) => {
                    let error = SettlementError::WrongChain {
                        endpoint: endpoint.label.clone(),
                        expected: self.chain_id,
                        found,
                    };
                    // Alone it is the answer; among others it is left out.
                    return if self.endpoints.len() == 1 {
                        Answer::No(error)
                    } else {
                        Answer::Broken(error.to_string())
                    };
                }
                Err(error) => return judge(call, error),
            }
        }
        match timed(ask(endpoint.provider.clone())).await {
            Ok(value) => Answer::Fine(value),
            Err(error) => judge(call, error),
        }
    }
}

async fn timed<T>(call: impl Future<Output = Result<T, TransportError>>) -> Result<T, TransportError> {
    let late = || alloy::transports::TransportErrorKind::custom_str("no answer in time");
    tokio::time::timeout(CALL_TIMEOUT, call).await.unwrap_or_else(|_| Err(late()))
}

fn client_error(error: &reqwest::Error) -> SettlementError {
    SettlementError::Unreachable { call: "anything", endpoints: 1, reason: error.to_string() }
}

fn judge<T>(call: &'static str, error: TransportError) -> Answer<T> {
    match error {
        // Limits of the endpoint, not of the chain.
        RpcError::ErrorResp(said) if matches!(said.code, -32005 | -32016 | -32029 | 429) => {
            Answer::Broken(said.message.to_string())
        }
        RpcError::ErrorResp(said) => {
            let reason = match said.as_revert_data() {
                Some(data) => revert_reason(&data).unwrap_or_else(|| said.message.to_string()),
                None => said.message.to_string(),
            };
            Answer::No(SettlementError::Refused { call, reason })
        }
        // May hold the whole address, which carries keys.
        other => Answer::Broken(scrubbed(&other)),
    }
}

/// The kind of a transport's error, without the endpoint's address.
fn scrubbed(error: &TransportError) -> String {
    let text = error.to_string();
    let kept: Vec<&str> = text.split_whitespace().filter(|word| !word.contains("://")).collect();
    kept.join(" ").chars().take(200).collect()
}

/// What the contract says, by its own names of errors.
pub(crate) fn revert_reason(data: &Bytes) -> Option<String> {
    if data.is_empty() {
        return None;
    }
    if let Ok(error) = InfernetSettlementErrors::abi_decode(data) {
        // `BadMiners(BadMiners)`, as the derive prints it, says its name twice.
        let text = format!("{error:?}");
        let inner = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        return Some(inner.map_or_else(|| text.clone(), str::to_owned));
    }
    alloy::sol_types::decode_revert_reason(data)
}

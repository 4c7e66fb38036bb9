//! Which chain, which contract, and how much a transaction may cost.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use crate::error::SettlementError;

/// Most endpoints in a list.
pub const MOST_ENDPOINTS: usize = 16;
/// Longest address of an endpoint, in bytes.
pub const MOST_ENDPOINT_BYTES: usize = 512;

/// What others have to know to use a contract: part of the configuration and of invitations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainAddress {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The settlement contract.
    pub contract: Address,
    /// JSON-RPC endpoints, `http://` or `https://`; the first that answers is used.
    pub rpc: Vec<String>,
    /// Block from which on there can be deposits: the contract's own.
    #[serde(default)]
    pub from_block: u64,
}

/// The configuration's `[chain]` part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainConfig {
    /// Chain, contract, endpoints.
    #[serde(flatten)]
    pub address: ChainAddress,
    /// Blocks on top of one before it counts. A replacement of more blocks than this is survived, but may have been acted on.
    #[serde(default = "default_confirmations")]
    pub confirmations: u64,
    /// Most wei per gas, all in. Above it nothing is sent; what is pending waits.
    #[serde(default = "default_max_fee_wei")]
    pub max_fee_per_gas_wei: u64,
    /// Most gas for one transaction.
    #[serde(default = "default_max_gas")]
    pub max_gas: u64,
    /// Seconds after which a transaction that is not in a block is sent again with a higher fee.
    #[serde(default = "default_replace_secs")]
    pub replace_after_secs: u64,
    /// Seconds between looks at the chain.
    #[serde(default = "default_poll_secs")]
    pub poll_secs: u64,
    /// Where people look at the chain, such as `https://sepolia.etherscan.io`; the usual place of well-known chains without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explorer: Option<String>,
}

/// The usual place to look at a chain, by its EIP-155 id.
fn usual_explorer(chain_id: u64) -> Option<&'static str> {
    Some(match chain_id {
        1 => "https://etherscan.io",
        10 => "https://optimistic.etherscan.io",
        100 => "https://gnosisscan.io",
        137 => "https://polygonscan.com",
        8453 => "https://basescan.org",
        42161 => "https://arbiscan.io",
        84532 => "https://sepolia.basescan.org",
        421_614 => "https://sepolia.arbiscan.io",
        11_155_111 => "https://sepolia.etherscan.io",
        11_155_420 => "https://sepolia-optimism.etherscan.io",
        _ => return None,
    })
}

fn default_confirmations() -> u64 {
    12
}
fn default_max_fee_wei() -> u64 {
    200_000_000_000
}
/// A verdict about 64 miners needs 4.3 million, a deployment 4.5 million.
fn default_max_gas() -> u64 {
    10_000_000
}
fn default_replace_secs() -> u64 {
    90
}
fn default_poll_secs() -> u64 {
    4
}

impl ChainConfig {
    /// The defaults for a chain.
    pub fn new(address: ChainAddress) -> Self {
        Self {
            address,
            confirmations: default_confirmations(),
            max_fee_per_gas_wei: default_max_fee_wei(),
            max_gas: default_max_gas(),
            replace_after_secs: default_replace_secs(),
            poll_secs: default_poll_secs(),
            explorer: None,
        }
    }

    /// Where people see a transaction; none on chains that nobody shows.
    pub fn transaction_url(&self, hash: &str) -> Option<String> {
        let place = self.explorer.as_deref().or_else(|| usual_explorer(self.address.chain_id))?;
        let digits = hash.strip_prefix("0x")?;
        let whole = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        whole.then(|| format!("{}/tx/{hash}", place.trim_end_matches('/')))
    }

    /// Checks what can be checked without the chain.
    ///
    /// # Errors
    /// A value is out of range or an endpoint is no http address.
    pub fn check(&self) -> Result<(), SettlementError> {
        self.address.check()?;
        let bad = |name, found: u64, expected| SettlementError::Config { name, found: found.to_string(), expected };
        if self.confirmations == 0 || self.confirmations > 10_000 {
            return Err(bad("confirmations", self.confirmations, "1 to 10000"));
        }
        if self.max_fee_per_gas_wei == 0 {
            return Err(bad("max_fee_per_gas_wei", 0, "more than 0"));
        }
        if self.max_gas < 100_000 {
            return Err(bad("max_gas", self.max_gas, "at least 100000"));
        }
        if self.replace_after_secs > 86_400 {
            return Err(bad("replace_after_secs", self.replace_after_secs, "at most 86400"));
        }
        if self.poll_secs > 3_600 {
            return Err(bad("poll_secs", self.poll_secs, "at most 3600"));
        }
        let web =
            |text: &String| reqwest::Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.host().is_some());
        if let Some(found) = self.explorer.as_ref().filter(|text| !web(text)) {
            let expected = "an address like https://host";
            return Err(SettlementError::Config {
                name: "explorer",
                found: found.chars().take(64).collect(),
                expected,
            });
        }
        Ok(())
    }
}

impl ChainAddress {
    /// Checks what can be checked without the chain; also for addresses that come in an invitation.
    ///
    /// # Errors
    /// There is no endpoint, there are too many, or one is no http address.
    pub fn check(&self) -> Result<(), SettlementError> {
        if self.chain_id == 0 {
            return Err(SettlementError::Config { name: "chain_id", found: "0".into(), expected: "a chain's id" });
        }
        if self.contract == Address::ZERO {
            let found = self.contract.to_string();
            return Err(SettlementError::Config { name: "contract", found, expected: "the contract's address" });
        }
        if self.rpc.is_empty() || self.rpc.len() > MOST_ENDPOINTS {
            let found = format!("a list of {}", self.rpc.len());
            return Err(SettlementError::Config { name: "rpc", found, expected: "1 to 16 endpoints" });
        }
        self.rpc.iter().try_for_each(|endpoint| endpoint_url(endpoint).map(drop))
    }
}

pub(crate) fn endpoint_url(endpoint: &str) -> Result<reqwest::Url, SettlementError> {
    let bad = || SettlementError::Config {
        name: "rpc",
        // Endpoints carry keys in path and query: only the beginning is shown.
        found: format!("`{}…`", endpoint.chars().take(24).collect::<String>()),
        expected: "an address like https://host/path of at most 512 bytes",
    };
    if endpoint.len() > MOST_ENDPOINT_BYTES {
        return Err(bad());
    }
    let url = reqwest::Url::parse(endpoint).map_err(|_| bad())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(bad());
    }
    Ok(url)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn address() -> ChainAddress {
        let rpc = vec!["https://rpc.example/key".to_owned()];
        ChainAddress { chain_id: 31_337, contract: Address::repeat_byte(1), rpc, from_block: 7 }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        ChainConfig::new(address()).check().unwrap();
        type Spoil = Box<dyn Fn(&mut ChainConfig)>;
        let cases: Vec<(&str, Spoil)> = vec![
            ("chain_id", Box::new(|c| c.address.chain_id = 0)),
            ("contract", Box::new(|c| c.address.contract = Address::ZERO)),
            ("rpc", Box::new(|c| c.address.rpc.clear())),
            ("rpc", Box::new(|c| c.address.rpc = vec!["http://a".into(); MOST_ENDPOINTS + 1])),
            ("rpc", Box::new(|c| c.address.rpc = vec!["ftp://a".into()])),
            ("rpc", Box::new(|c| c.address.rpc = vec!["no url".into()])),
            ("rpc", Box::new(|c| c.address.rpc = vec![format!("https://a/{}", "x".repeat(MOST_ENDPOINT_BYTES))])),
            ("confirmations", Box::new(|c| c.confirmations = 0)),
            ("max_fee_per_gas_wei", Box::new(|c| c.max_fee_per_gas_wei = 0)),
            ("max_gas", Box::new(|c| c.max_gas = 1)),
            ("replace_after_secs", Box::new(|c| c.replace_after_secs = 1 << 40)),
            ("poll_secs", Box::new(|c| c.poll_secs = 1 << 40)),
        ];
        for (expected, spoil) in cases {
            let mut config = ChainConfig::new(address());
            spoil(&mut config);
            match config.check().unwrap_err() {
                SettlementError::Config { name, .. } => assert_eq!(name, expected),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn an_endpoints_key_is_not_in_the_error() {
        let error = endpoint_url("ftp://rpc.example.org/v3/0123456789abcdef").unwrap_err();
        assert!(!error.to_string().contains("0123456789abcdef"), "{error}");
    }

    #[test]
    fn transactions_are_shown_where_the_chain_is() {
        let hash = format!("0x{}", "ab".repeat(32));
        let mut config = ChainConfig::new(ChainAddress { chain_id: 11_155_111, ..address() });
        assert_eq!(config.transaction_url(&hash).unwrap(), format!("https://sepolia.etherscan.io/tx/{hash}"));
        assert_eq!(config.transaction_url("0x12/../.."), None, "only what is a hash");
        config.explorer = Some("https://blocks.example.org/".to_owned());
        assert_eq!(config.transaction_url(&hash).unwrap(), format!("https://blocks.example.org/tx/{hash}"));
        config.check().unwrap();
        for wrong in ["http://blocks.example.org", "javascript:alert(1)", ""] {
            config.explorer = Some(wrong.to_owned());
            assert!(config.check().is_err(), "{wrong}");
        }
        assert_eq!(ChainConfig::new(address()).transaction_url(&hash), None, "a chain of one's own");
    }

    #[test]
    fn what_is_left_out_of_the_file_has_its_default() {
        let json = serde_json::to_string(&address()).unwrap();
        let config: ChainConfig = serde_json::from_str(&json).unwrap();
        assert_eq!(config, ChainConfig::new(address()));
        let whole = ChainConfig { confirmations: 3, max_gas: 123_456, ..config };
        let json = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<ChainConfig>(&json).unwrap(), whole);
    }
}

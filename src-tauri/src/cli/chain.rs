//! Arguments of `infernet chain`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use infernet_settlement::evm::{Address, B256};

#[derive(Subcommand)]
pub(crate) enum ChainCommand {
    /// Show this computer's account on the chain; it is derived from the identity
    Account(ChainFiles),
    /// Bring a settlement contract to a chain and use it
    Deploy(Box<DeployArgs>),
    /// Use a contract that is there already
    Use(Box<UseArgs>),
    /// Show the contract's rules and validators, and this account's money
    Status(ChainFiles),
    /// Put tokens behind this computer's work as a miner
    Stake(AmountArgs),
    /// Begin to take stake out
    Unstake(AmountArgs),
    /// Take out stake whose cool-down is over
    Withdraw(SendArgs),
    /// Take out earnings and refunds
    Claim(SendArgs),
    /// Give a deposit back after its deadline; anyone may, and it goes to the requester
    Refund(JobArgs),
    /// Free the stake behind a paid job whose window is over
    Release(PartArgs),
    /// Contest a payment or a slash; costs the bond when the validators don't agree
    Contest(ContestArgs),
    /// Add to this validator's bond
    Bond(AmountArgs),
    /// Stop judging as a validator
    Resign(SendArgs),
    /// Take out the bond after resigning
    WithdrawBond(SendArgs),
    /// Burn what was slashed and is nobody's
    Burn(SendArgs),
    /// Show what was sent and what waits, and go on sending it
    Outbox(SendArgs),
}

#[derive(Args)]
pub(crate) struct ChainFiles {
    /// Folder of the identity and the chain's files
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// A file whose first line is the identity's passphrase (also INFERNET_PASSPHRASE_FILE) [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// File with a secp256k1 key as 64 hexadecimal digits, instead of the identity's account
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct SendArgs {
    /// Tells this wish from others like it; with the same one again nothing is sent twice
    #[arg(long, value_name = "TEXT", value_parser = reference)]
    pub(crate) reference: Option<String>,
    /// How long to wait until the transaction counts; it goes on with the next command or the node
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub(crate) wait: u64,
    #[command(flatten)]
    pub(crate) files: ChainFiles,
}

#[derive(Args)]
pub(crate) struct AmountArgs {
    /// Amount in micro-credits, the token's smallest unit
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) microcredits: u64,
    #[command(flatten)]
    pub(crate) send: SendArgs,
}

#[derive(Args)]
pub(crate) struct JobArgs {
    /// The contract's name of the job, 64 hexadecimal digits
    pub(crate) job: B256,
    #[command(flatten)]
    pub(crate) send: SendArgs,
}

#[derive(Args)]
pub(crate) struct PartArgs {
    /// The contract's name of the job, 64 hexadecimal digits
    pub(crate) job: B256,
    /// The miner's account; this computer's where left out
    #[arg(long)]
    pub(crate) miner: Option<Address>,
    #[command(flatten)]
    pub(crate) send: SendArgs,
}

#[derive(Args)]
pub(crate) struct ContestArgs {
    /// The contract's name of the job, 64 hexadecimal digits
    pub(crate) job: B256,
    /// The miner's account
    pub(crate) miner: Address,
    /// Digest of the bundle that shows otherwise
    pub(crate) bundle: B256,
    /// Where validators can get the bundle
    pub(crate) locator: String,
    #[command(flatten)]
    pub(crate) send: SendArgs,
}

#[derive(Args)]
pub(crate) struct UseArgs {
    /// Chain id
    #[arg(long)]
    pub(crate) chain_id: u64,
    /// The settlement contract
    #[arg(long)]
    pub(crate) contract: Address,
    /// JSON-RPC endpoint; the first that answers is used
    #[arg(long, required = true, value_name = "URL")]
    pub(crate) rpc: Vec<String>,
    /// The contract's block; what was before is not read
    #[arg(long, default_value_t = 0)]
    pub(crate) from_block: u64,
    /// Blocks on top of one before it counts
    #[arg(long, default_value_t = 12)]
    pub(crate) confirmations: u64,
    #[command(flatten)]
    pub(crate) files: ChainFiles,
}

#[derive(Args)]
pub(crate) struct DeployArgs {
    /// Chain id
    #[arg(long)]
    pub(crate) chain_id: u64,
    /// JSON-RPC endpoint; the first that answers is used
    #[arg(long, required = true, value_name = "URL")]
    pub(crate) rpc: Vec<String>,
    /// ERC-20 token with 6 decimals
    #[arg(long)]
    pub(crate) token: Address,
    /// A validator's account; three at least
    #[arg(long = "validator", required = true)]
    pub(crate) validators: Vec<Address>,
    /// JSON file with rules other than the network's
    #[arg(long, value_name = "FILE")]
    pub(crate) terms: Option<PathBuf>,
    /// Blocks on top of one before it counts
    #[arg(long, default_value_t = 12)]
    pub(crate) confirmations: u64,
    #[command(flatten)]
    pub(crate) send: SendArgs,
}

fn reference(text: &str) -> Result<String, String> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if !text.is_empty() && text.len() <= 64 && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("expected 1 to 64 letters, digits, hyphens, dots and underscores".to_owned())
}

//! Arguments of `node`, `demo`, `ledger` and `worker`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What a node does.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// Makes clips and earns
    Miner,
    /// Keeps the ledger and audits
    Validator,
    /// Orders clips
    Requester,
}

#[derive(Args)]
pub(crate) struct NodeArgs {
    /// The node's folder: identity, ledger, jobs, clips [default: the data folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// A file whose first line is the identity's passphrase (also INFERNET_PASSPHRASE_FILE) [default: it is asked for]
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Begin a network of this name, with this node as its validator; prints an invitation for the others
    #[arg(long, value_name = "NAME", conflicts_with = "join")]
    pub(crate) found: Option<String>,
    /// Settle the new network's jobs by the contract that `infernet chain deploy` or `use` has chosen in this folder, not by this node's ledger
    #[arg(long, requires = "found")]
    pub(crate) chain: bool,
    /// Join the network of an invitation; it is remembered for the next start
    #[arg(long, value_name = "INVITATION")]
    pub(crate) join: Option<String>,
    /// Further nodes to connect to, such as a relay; remembered for the next start
    #[arg(long = "peer", value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) peers: Vec<String>,
    /// What this node does
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["miner", "requester"])]
    pub(crate) roles: Vec<RoleArg>,
    /// Addresses to listen at, such as /ip4/0.0.0.0/tcp/4001 [default: any free port, QUIC and TCP]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) listen: Vec<String>,
    /// Addresses to announce, for a port that was forwarded by hand
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) external: Vec<String>,
    /// Stay on this computer: 127.0.0.1 only, no search for others
    #[arg(long)]
    pub(crate) loopback: bool,
    /// Relay for nodes behind NATs
    #[arg(long)]
    pub(crate) relay: bool,
    /// Least price of a denoising step, in micro-credits; kept in the settings [default: that of the settings, 300 at first]
    #[arg(long)]
    pub(crate) price: Option<u64>,
    /// Stake this much at the start, as far as the balance goes, in micro-credits
    #[arg(long, default_value_t = 2_000_000)]
    pub(crate) stake: u64,
    /// As a validator: what every newcomer gets, in micro-credits
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) welcome: u64,
    /// Threads of the worker [default: all]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Refuse prompts with one of these words; kept in the settings
    #[arg(long, value_delimiter = ',')]
    pub(crate) blocked_words: Vec<String>,
    /// Cheat in this way, to show what audits catch (names: infernet attack-bench)
    #[arg(long, hide = true)]
    pub(crate) attack: Option<String>,
    /// Where programs of this computer reach the node's API; port 0 takes a free one [default: 127.0.0.1:7420, or a free one where another node has that]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) api_listen: Option<SocketAddr>,
    /// Print one JSON object when the node is up, then nothing more
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// How the cheating miner cheats (names: infernet attack-bench)
    #[arg(long, default_value = "int8-weights")]
    pub(crate) attack: String,
    /// Jobs to order
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) jobs: u16,
    /// Honest miners
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) miners: u16,
    /// Denoising steps of a job
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(4..=200))]
    pub(crate) steps: u32,
    /// Settle by a contract on a chain of this computer's own (needs Foundry's anvil)
    #[arg(long)]
    pub(crate) chain: bool,
    /// Folder for the clips
    #[arg(long, default_value = "demo-clips", value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Print one JSON object at the end
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct LedgerFile {
    /// The ledger [default: this computer's validator's]
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum LedgerCommand {
    /// What accounts have: all, or one
    Balance {
        /// An account's key, 64 hexadecimal digits
        account: Option<String>,
        #[command(flatten)]
        file: LedgerFile,
    },
    /// What happened to an account
    History {
        /// Its key, 64 hexadecimal digits
        account: String,
        /// At most this many entries, the newest
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[command(flatten)]
        file: LedgerFile,
    },
    /// Check every hash, signature, entry and sum
    Verify {
        #[command(flatten)]
        file: LedgerFile,
    },
    /// Write the whole journal as JSON lines, which anyone can verify
    Export {
        /// Where to
        out: PathBuf,
        #[command(flatten)]
        file: LedgerFile,
    },
}

#[derive(Args)]
pub(crate) struct WorkerArgs {
    /// What to compute on
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
}

//! Arguments.

mod chain;
#[cfg(feature = "window")]
mod desktop;
mod economics;
mod identity;
mod node;
mod remote;
mod shard;
mod update;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use infernet_engine::sharding::Plan;

pub(crate) use chain::*;
#[cfg(feature = "window")]
pub(crate) use desktop::*;
pub(crate) use economics::*;
pub(crate) use identity::*;
pub(crate) use node::*;
pub(crate) use remote::*;
pub(crate) use shard::*;
pub(crate) use update::*;

/// 32 bytes in hexadecimal digits.
fn bytes32(text: &str) -> Result<[u8; 32], String> {
    let expected = || format!("expected 64 hexadecimal digits, found {} characters", text.chars().count());
    infernet_network::proof::Digest::from_hex(text).map(|digest| digest.0).ok_or_else(expected)
}

fn plan(text: &str) -> Result<Plan, String> {
    text.parse::<Plan>().map_err(|error| format!("{error}; {} ({})", error.next_step(), error.code()))
}

/// Verifiable text-to-video generation on idle gaming PCs.
#[derive(Parser)]
#[command(name = "infernet", version, about, max_term_width = 110)]
pub(crate) struct Cli {
    /// What to log to standard error, for example `info` or `infernet_engine=debug`
    #[arg(long, global = true, env = "INFERNET_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// Log as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) log_json: bool,
    /// Without one, the desktop opens
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Open the desktop: tray, node and window (also without any command)
    #[cfg(feature = "window")]
    Desktop(DesktopArgs),
    /// Open the window alone, for a node of this computer or of another one
    #[cfg(feature = "window")]
    Dashboard(DashboardArgs),
    /// Show every GPU, the CPU and memory, and what would be computed on
    Devices(JsonArgs),
    /// Make a clip from a prompt
    Generate(Box<GenerateArgs>),
    /// List, download, check, import and remove models
    #[command(subcommand)]
    Model(ModelCommand),
    /// Score a clip against a prompt, and judge whether it is a video at all
    Score(ScoreArgs),
    /// Time the engine on this machine
    Bench(BenchArgs),
    /// Open what a committed run must show, as a bundle that anyone can verify
    Reveal(RevealArgs),
    /// Run parts of a committed run again and say whether it was honest (exit code 0 accepted, 3 rejected)
    Verify(VerifyArgs),
    /// Measure how far honest machines are apart, and write the bounds that audits use into the model's folder
    Calibrate(CalibrateArgs),
    /// Run honest and cheating miners, audit them many times, and show what is caught
    AttackBench(AttackBenchArgs),
    /// Check the engine against tensors that diffusers and transformers computed (made by tools/reference)
    Parity(ParityArgs),
    /// Is cheating rational, what must be staked and deposited, what does a clip cost
    #[command(subcommand)]
    Economics(Box<EconomicsCommand>),
    /// Run a node: mine, validate, order clips, without a desktop
    Node(Box<NodeArgs>),
    /// This computer's identity: show, back up, restore, protect
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// A whole network on this computer: a validator, three honest miners, one that cheats, a requester; five jobs
    Demo(DemoArgs),
    /// Measure plans for several machines, with processes of this computer behind emulated links
    ShardBench(ShardBenchArgs),
    /// Internal: one member of a group of processes
    #[command(hide = true)]
    ShardMember(ShardMemberArgs),
    /// Look at a ledger on this computer: balance, history, verify, export
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Settlement on an EVM chain: deploy, status, stake, claim and the rest of an account's calls
    #[command(subcommand)]
    Chain(Box<ChainCommand>),
    /// Internal: run jobs and audits for a node, over standard input and output
    #[command(hide = true)]
    Worker(WorkerArgs),
    #[command(flatten)]
    Remote(RemoteCommand),
    /// Look for a newer version, fetch it and check its signature
    Update(UpdateArgs),
    /// Internal: print what this process sees of the devices
    #[command(hide = true)]
    ProbeDevices,
}

/// Commands that ask a running node.
#[derive(Subcommand)]
pub(crate) enum RemoteCommand {
    /// Show what a node is doing
    Status(StatusArgs),
    /// List a node's jobs, or show one
    Jobs(JobsArgs),
    /// Print a link by which others join this node's network
    Invite(InviteArgs),
    /// List the nodes that a node is connected to
    Peers(PeersArgs),
    /// Order a clip from the network
    Submit(Box<SubmitArgs>),
    /// Follow a job to its end
    Watch(WatchArgs),
    /// Show, add, take back or withdraw stake
    Stake(NodeStakeArgs),
    /// Move rewards to the balance
    Claim(ClaimArgs),
    /// Give an own job up that no miner has committed to yet
    Cancel(CancelArgs),
    /// Ask for a job's deposit back, or list refunds
    Refund(RefundArgs),
    /// Pause mining
    Pause(PauseArgs),
    /// Go on mining
    Resume(ResumeArgs),
    /// Show a node's settings, or set one
    Settings(SettingsArgs),
    /// Check what is in order on a node's computer (exit code 1 where something is not)
    Doctor(DoctorArgs),
}

#[derive(Args)]
pub(crate) struct JsonArgs {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Number formats for activations and states.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
}

impl From<Dtype> for infernet_engine::pipeline::Precision {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::Bf16,
        }
    }
}

#[derive(Args)]
pub(crate) struct ModelArgs {
    /// A model's id (see `infernet model list`) or a diffusers folder
    #[arg(long, default_value = "starter", value_name = "ID|FOLDER")]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}

/// Where and how to compute.
#[derive(Args)]
pub(crate) struct ComputeArgs {
    /// Compute device: auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto")]
    pub(crate) device: String,
    /// Number format of activations [default: f32 on the CPU, f16 on a GPU]
    #[arg(long)]
    pub(crate) dtype: Option<Dtype>,
    /// CPU threads [default: all]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// How much there is to compute.
#[derive(Args)]
pub(crate) struct SizeArgs {
    /// Width in pixels [default: the model's]
    #[arg(long)]
    pub(crate) width: Option<usize>,
    /// Height in pixels [default: the model's]
    #[arg(long)]
    pub(crate) height: Option<usize>,
    /// Frames [default: the model's]
    #[arg(long)]
    pub(crate) frames: Option<usize>,
    /// Denoising steps [default: the model's]
    #[arg(long)]
    pub(crate) steps: Option<usize>,
}

#[derive(Args)]
pub(crate) struct GenerateArgs {
    /// What the clip should show
    pub(crate) prompt: String,
    /// What it should not show
    #[arg(long, default_value = "")]
    pub(crate) negative: String,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) size: SizeArgs,
    /// Frames per second [default: the model's]
    #[arg(long)]
    pub(crate) fps: Option<f64>,
    /// Guidance scale; 1 turns guidance off [default: the model's]
    #[arg(long)]
    pub(crate) guidance: Option<f32>,
    /// Sampler: ddim, dpm++ or euler [default: the model's]
    #[arg(long)]
    pub(crate) scheduler: Option<String>,
    /// Seed of the initial noise [default: random, printed]
    #[arg(long, conflicts_with = "prove")]
    pub(crate) seed: Option<u64>,
    /// Clip to write (H.264 MP4) [default: a name made from prompt and seed, in this folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Also write an animated GIF
    #[arg(long, value_name = "FILE")]
    pub(crate) gif: Option<PathBuf>,
    /// Also write every frame as PNG into this new folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) frames_dir: Option<PathBuf>,
    /// Also write every intermediate tensor (safetensors)
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Start from tensor `noise` of this safetensors file instead of the seed
    #[arg(long, value_name = "FILE", conflicts_with = "prove")]
    pub(crate) noise: Option<PathBuf>,
    /// Who computes what: solo, stream, cfg=2, depth=2, frames=3, params=2, window=2 and combinations such as cfg=2,frames=3; all
    /// members are threads here
    #[arg(long, default_value = "solo", value_parser = plan)]
    pub(crate) plan: Plan,
    /// Also commit to every step, and write what proves the run (private: it holds the keys) into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) prove: Option<PathBuf>,
    /// The validator's challenge, 32 bytes in hex, which decides the noise [default: random]
    #[arg(long, value_name = "HEX", requires = "prove", value_parser = bytes32)]
    pub(crate) challenge: Option<[u8; 32]>,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) force: bool,
    /// Print one JSON object at the end
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum ModelCommand {
    /// List the models of the catalogue and of this computer
    List(JsonArgs),
    /// Show one model
    Info(ModelNameArgs),
    /// Download a model; a stopped download goes on where it was
    Download(DownloadArgs),
    /// Read every byte of a model again and compare
    Verify(ModelNameArgs),
    /// Delete a downloaded or imported model
    Remove(RemoveArgs),
    /// Take over a diffusers folder that is already on this computer
    Import(ImportArgs),
}

#[derive(Args)]
pub(crate) struct ModelNameArgs {
    /// The model's id
    pub(crate) id: String,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct DownloadArgs {
    /// The model's id
    pub(crate) id: String,
    /// Download from this mirror instead of the catalogue's hub
    #[arg(long, value_name = "URL", env = "INFERNET_MIRROR")]
    pub(crate) mirror: Option<String>,
    /// Print one JSON object at the end
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// The model's id
    pub(crate) id: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct ImportArgs {
    /// The folder
    pub(crate) folder: PathBuf,
    /// Id to give the model [default: the folder's name]
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Hard-link the files instead of copying them
    #[arg(long)]
    pub(crate) link: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct ScoreArgs {
    /// The clip, an H.264 MP4
    pub(crate) clip: PathBuf,
    /// The prompt it should show
    pub(crate) prompt: String,
    /// A CLIP model's folder [default: the starter CLIP]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) clip_model: Option<PathBuf>,
    /// A folder with LPIPS weights (AlexNet); without it the CLIP's image distance is used
    #[arg(long, value_name = "FOLDER")]
    pub(crate) lpips: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Clips to time, after one that is not counted
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) runs: u16,
    #[command(flatten)]
    pub(crate) size: SizeArgs,
    /// Time single evaluations of the UNet instead of clips
    #[arg(long)]
    pub(crate) evaluations: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct ParityArgs {
    /// Folders with reference cases, at any depth
    #[arg(required = true)]
    pub(crate) folders: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct RevealArgs {
    /// The file that `generate --prove` wrote
    pub(crate) proof: PathBuf,
    /// The validator's nonce, 32 bytes in hex, which draws what is opened [default: random]
    #[arg(long, value_name = "HEX", value_parser = bytes32)]
    pub(crate) nonce: Option<[u8; 32]>,
    /// Trust in the miner per mille: the more, the fewer steps are drawn
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) trust: u32,
    /// The model of the run, which has the bounds: a model's id or a diffusers folder
    #[arg(long, default_value = "starter", value_name = "ID|FOLDER")]
    pub(crate) model: String,
    /// Bundle to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Replace the bundle if it exists
    #[arg(long)]
    pub(crate) force: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// The bundle
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Make only the checks that need no model
    #[arg(long)]
    pub(crate) structure_only: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct CalibrateArgs {
    /// A model's id or a diffusers folder
    #[arg(long, default_value = "starter", value_name = "ID|FOLDER")]
    pub(crate) model: String,
    /// Number formats to measure, each against each
    #[arg(long, value_delimiter = ',', default_values = ["f32", "f16", "bf16"])]
    pub(crate) dtypes: Vec<Dtype>,
    /// Honest runs per number format
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) runs: u16,
    #[command(flatten)]
    pub(crate) size: SizeArgs,
    /// Print the bounds, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct AttackBenchArgs {
    /// A model's id or a diffusers folder, with bounds (`infernet calibrate`)
    #[arg(long, default_value = "starter", value_name = "ID|FOLDER")]
    pub(crate) model: String,
    /// Attacks by name [default: all]
    #[arg(long, value_delimiter = ',')]
    pub(crate) attacks: Vec<String>,
    /// Runs of every attack, each under another challenge
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) runs: u16,
    /// Audits of every run, each with another nonce
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) audits: u32,
    /// Audits of honest runs, shared out over the pairs of number formats
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) honest_audits: u32,
    /// Number formats of honest miners and validators
    #[arg(long, value_delimiter = ',', default_values = ["f32"])]
    pub(crate) dtypes: Vec<Dtype>,
    /// Trust in the miner per mille: the more, the fewer steps are checked
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) trust: u32,
    /// Sampler: ddim, dpm++ or euler [default: the model's]
    #[arg(long)]
    pub(crate) scheduler: Option<String>,
    #[command(flatten)]
    pub(crate) size: SizeArgs,
    /// Number that keys, nonces and challenges follow from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

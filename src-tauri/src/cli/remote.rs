//! Arguments of the commands that ask a running node.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use infernet_api::types::job::JobStage;
use infernet_api::{Digest, JobId, ModelId};

use super::SizeArgs;

/// Which node.
#[derive(Args, Default)]
pub(crate) struct NodeAt {
    /// The node's URL [default: the node of this computer]
    #[arg(long, value_name = "URL", env = "INFERNET_URL")]
    pub(crate) url: Option<String>,
    /// File with the node's token [default: api-token in the data folder]
    #[arg(long, value_name = "FILE", env = "INFERNET_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Fingerprint of the node's certificate, as it shows it on its own computer; for https
    #[arg(long, value_name = "HEX", env = "INFERNET_FINGERPRINT", conflicts_with = "ca_file")]
    pub(crate) fingerprint: Option<Digest>,
    /// PEM file with the node's certificate or that of its authority; for https
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Which node, and how to print.
#[derive(Args)]
pub(crate) struct RemoteArgs {
    #[command(flatten)]
    pub(crate) node: NodeAt,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args)]
pub(crate) struct JobsArgs {
    /// Show one job in full
    pub(crate) id: Option<JobId>,
    /// Only those in this stage
    #[arg(long, value_parser = stage, conflicts_with = "id")]
    pub(crate) stage: Option<JobStage>,
    /// Only those that are not finished
    #[arg(long, conflicts_with_all = ["id", "stage"])]
    pub(crate) open: bool,
    /// At most this many, newest first
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
    /// Only those older than this one: the next page
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    pub(crate) before: Option<JobId>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

fn stage(text: &str) -> Result<JobStage, String> {
    let known = JobStage::ALL.iter().map(|stage| stage.name()).collect::<Vec<_>>().join(", ");
    let found = JobStage::ALL.iter().find(|stage| stage.name() == text);
    found.copied().ok_or_else(|| format!("expected one of {known}"))
}

#[derive(Args)]
pub(crate) struct InviteArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args)]
pub(crate) struct PeersArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args)]
pub(crate) struct SubmitArgs {
    /// What the clip should show
    pub(crate) prompt: String,
    /// What it should not show
    #[arg(long, default_value = "")]
    pub(crate) negative: String,
    /// The model's id
    #[arg(long, default_value = "starter", value_name = "ID")]
    pub(crate) model: ModelId,
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
    /// Deposit in micro-credits [default: what the node suggests]
    #[arg(long, value_name = "MICROCREDITS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) deposit: Option<u64>,
    /// Seconds that the job may take in all [default: what the node suggests]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) deadline: Option<u32>,
    /// How many miners compute it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) miners: u8,
    /// Show what it would cost, and order nothing
    #[arg(long, conflicts_with_all = ["wait", "out"])]
    pub(crate) quote: bool,
    /// Wait until the job is finished
    #[arg(long)]
    pub(crate) wait: bool,
    /// Fetch the clip into this file when the job is finished (waits for it)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args)]
pub(crate) struct WatchArgs {
    /// The job
    pub(crate) id: JobId,
    /// Fetch the clip into this file when the job is finished
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args)]
pub(crate) struct NodeStakeArgs {
    /// What to do
    #[arg(value_enum, default_value_t = StakeVerb::Show)]
    pub(crate) action: StakeVerb,
    /// Micro-credits [default for withdraw: everything that is free]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) amount: Option<u64>,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// What to do with the stake.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StakeVerb {
    /// Show it
    Show,
    /// Move balance to stake
    Add,
    /// Take free stake back; it can be withdrawn after the cool-down
    Unstake,
    /// Move what has cooled down to the balance
    Withdraw,
}

#[derive(Args)]
pub(crate) struct ClaimArgs {
    /// Micro-credits [default: everything]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) amount: Option<u64>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args)]
pub(crate) struct CancelArgs {
    /// The job
    pub(crate) job: JobId,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args)]
pub(crate) struct RefundArgs {
    /// The job; without it, the refunds there are
    pub(crate) job: Option<JobId>,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args)]
pub(crate) struct PauseArgs {
    /// Go on by itself after this many seconds
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=604_800))]
    pub(crate) for_secs: Option<u32>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args)]
pub(crate) struct SettingsArgs {
    /// Only this one, by its path, such as mining.user_idle_secs
    pub(crate) field: Option<String>,
    /// Set it: a JSON value, or a text; null brings the default back
    #[arg(requires = "field")]
    pub(crate) value: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

#[derive(Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

//! Arguments of the commands around sharded generation.

use std::path::PathBuf;

use clap::Args;
use infernet_engine::sharding::Plan;

use super::{SizeArgs, plan};

/// Internal: one member of a group of processes.
#[derive(Args)]
pub(crate) struct ShardMemberArgs {
    /// This member, from 0; member 0 leads
    #[arg(long)]
    pub(crate) rank: usize,
    /// The group's plan
    #[arg(long, value_parser = plan)]
    pub(crate) plan: Plan,
    /// A model's id or a diffusers folder
    #[arg(long, default_value = "starter", value_name = "ID|FOLDER")]
    pub(crate) model: String,
    /// CPU threads of this member
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
    /// Emulate one of the studied links by name
    #[arg(long)]
    pub(crate) link: Option<String>,
    #[command(flatten)]
    pub(crate) size: SizeArgs,
    /// Guidance scale [default: the model's]
    #[arg(long)]
    pub(crate) guidance: Option<f32>,
    /// Make so many single evaluations instead of a clip
    #[arg(long)]
    pub(crate) evaluations: Option<usize>,
    /// Load text encoder and VAE only when needed
    #[arg(long)]
    pub(crate) lean: bool,
    /// Write the result's numbers into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Compare plans.
#[derive(Args)]
pub(crate) struct ShardBenchArgs {
    /// A model's id or a diffusers folder
    #[arg(long, default_value = "starter", value_name = "ID|FOLDER")]
    pub(crate) model: String,
    /// Plans to measure [default: every kind with 1 to 6 members]
    #[arg(long, value_delimiter = ';', value_parser = plan)]
    pub(crate) plans: Vec<Plan>,
    /// Links by name, separated by semicolons [default: all four]
    #[arg(long, value_delimiter = ';')]
    pub(crate) links: Vec<String>,
    #[command(flatten)]
    pub(crate) size: SizeArgs,
    /// Measure so many single evaluations instead of clips
    #[arg(long)]
    pub(crate) evaluations: Option<usize>,
    /// Let members load text encoder and VAE only when needed
    #[arg(long)]
    pub(crate) lean: bool,
    /// CPU threads of each member
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
    /// Folder for `shards.csv` and the plots
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) force: bool,
}

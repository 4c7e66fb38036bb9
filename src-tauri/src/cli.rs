//! Arguments.

mod economics;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use economics::*;

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
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
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
    /// Is cheating rational, what must be staked and deposited, what does a clip cost
    #[command(subcommand)]
    Economics(Box<EconomicsCommand>),
    /// Internal: print what this process sees of the devices
    #[command(hide = true)]
    ProbeDevices,
}

#[derive(Args)]
pub(crate) struct JsonArgs {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Number formats for activations and states.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
}

#[derive(Args)]
pub(crate) struct ModelArgs {
    /// A model's id (see `infernet model list`) or a diffusers folder
    #[arg(long, default_value = "starter", value_name = "ID|FOLDER")]
    pub(crate) model: String,
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

#[derive(Args)]
pub(crate) struct GenerateArgs {
    /// What the clip should show
    pub(crate) prompt: String,
    /// What it should not show
    #[arg(long, default_value = "")]
    pub(crate) negative: String,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Width in pixels [default: the model's]
    #[arg(long)]
    pub(crate) width: Option<usize>,
    /// Height in pixels [default: the model's]
    #[arg(long)]
    pub(crate) height: Option<usize>,
    /// Frames [default: the model's]
    #[arg(long)]
    pub(crate) frames: Option<usize>,
    /// Frames per second [default: the model's]
    #[arg(long)]
    pub(crate) fps: Option<f64>,
    /// Denoising steps [default: the model's]
    #[arg(long)]
    pub(crate) steps: Option<usize>,
    /// Guidance scale; 1 turns guidance off [default: the model's]
    #[arg(long)]
    pub(crate) guidance: Option<f32>,
    /// Sampler: ddim, dpm++ or euler [default: the model's]
    #[arg(long)]
    pub(crate) scheduler: Option<String>,
    /// Seed of the initial noise [default: random, printed]
    #[arg(long)]
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
    #[arg(long, value_name = "FILE")]
    pub(crate) noise: Option<PathBuf>,
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
    /// Width in pixels [default: the model's]
    #[arg(long)]
    pub(crate) width: Option<usize>,
    /// Height in pixels [default: the model's]
    #[arg(long)]
    pub(crate) height: Option<usize>,
    /// Frames [default: the model's]
    #[arg(long)]
    pub(crate) frames: Option<usize>,
    /// Steps of a clip [default: the model's]
    #[arg(long)]
    pub(crate) steps: Option<usize>,
    /// Time single evaluations of the UNet instead of clips
    #[arg(long)]
    pub(crate) evaluations: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

//! Arguments of `infernet economics`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Subcommand)]
pub(crate) enum EconomicsCommand {
    /// Is cheating ever rational?
    Security(SecurityArgs),
    /// What must users deposit?
    Deposits(DepositsArgs),
    /// The smallest stake that makes every way to cheat a loss
    Stake(StakeArgs),
    /// A clip on the network against a rented GPU
    Cost(CostArgs),
    /// How soon is a cheater caught?
    Detection(DetectionArgs),
    /// What emission and step cost change (published study)
    Sensitivity(SensitivityArgs),
    /// The cheapest parameters that deter every way to cheat
    Optimise(OptimiseArgs),
    /// Honest, lazy, flaky and colluding miners over time
    Population(PopulationArgs),
    /// What the network ships with, whether it holds, and what the prototype used
    Parameters(ParametersArgs),
}

/// Where results go.
#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write the table as CSV, with all digits
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Also draw a figure
    #[arg(long, value_name = "FILE.svg|png")]
    pub(crate) plot: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ValidatorShareArg {
    /// As much as the miners, 0.41
    CostStudy,
    /// What the miners leave, 0.59
    SensitivityStudy,
}

/// Constants of the published study.
#[derive(Args)]
pub(crate) struct StudyArgs {
    /// Emission in TAO per block; micro-credits with the network's preset [default: 0.005; network: none]
    #[arg(long)]
    pub(crate) emission: Option<f64>,
    /// Cost of a step in TAO [default: 6.2e-6]
    #[arg(long)]
    pub(crate) cost_per_step: Option<f64>,
    /// Gas of a settlement in TAO [default: 0.0002]
    #[arg(long)]
    pub(crate) gas: Option<f64>,
    /// Miners' share of the emission [default: 0.41]
    #[arg(long)]
    pub(crate) miner_share: Option<f64>,
    /// Validators' share of the emission [default: cost-study]
    #[arg(long)]
    pub(crate) validator_share: Option<ValidatorShareArg>,
    /// Miners [default: 10]
    #[arg(long)]
    pub(crate) miners: Option<usize>,
    /// Validators [default: 5]
    #[arg(long)]
    pub(crate) validators: Option<usize>,
    /// Discount of an epoch [default: 0.95]
    #[arg(long)]
    pub(crate) discount: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// What the network ships with: fees, no emission
    Network,
    /// The published study's constants: emission, no fees
    Study,
}

#[derive(Args)]
pub(crate) struct SecurityArgs {
    /// The published study, number for number, instead of our model
    #[arg(long)]
    pub(crate) reference: bool,
    /// Audit rate, alpha [reference: the study's grid]
    #[arg(long)]
    pub(crate) alpha: Option<f64>,
    /// Slashed share of the stake, f [reference: the study's grid]
    #[arg(long)]
    pub(crate) slash: Option<f64>,
    /// Share of trust or weight lost when caught, gamma [reference: the study's grid]
    #[arg(long)]
    pub(crate) gamma: Option<f64>,
    /// Denoising steps [default: 30]
    #[arg(long)]
    pub(crate) steps: Option<u32>,
    #[command(flatten)]
    pub(crate) study: StudyArgs,
    /// Model: where constants come from
    #[arg(long, default_value = "network", conflicts_with = "reference")]
    pub(crate) preset: Preset,
    /// Model: trust of the miner, 0 to 1, which decides how much is checked
    #[arg(long, default_value_t = 1.0, conflicts_with = "reference")]
    pub(crate) trust: f64,
    /// Model: stake locked for a job [default: the required stake; study: 1]
    #[arg(long, conflicts_with = "reference")]
    pub(crate) stake: Option<f64>,
    /// Model: what the miner gets for a job [default: cost and margin; study: 0]
    #[arg(long, conflicts_with = "reference")]
    pub(crate) fee: Option<f64>,
    /// Model: share of ordinary jobs that are audited [default: 1]
    #[arg(long, conflicts_with = "reference")]
    pub(crate) audited_share: Option<f64>,
    /// Model: one job in this many is checked at every step, 0 for none [default: the network's 64; study: 0]
    #[arg(long, conflicts_with = "reference")]
    pub(crate) full_audit_one_in: Option<u32>,
    /// Model: networks to simulate for each strategy shown
    #[arg(long, default_value_t = 200, conflicts_with = "reference")]
    pub(crate) runs: u32,
    /// Model: seed of the simulation
    #[arg(long, default_value_t = 0, conflicts_with = "reference")]
    pub(crate) seed: u64,
    /// Model: a map of honest minus cheating value over alpha and slash instead
    #[arg(long, conflicts_with = "reference")]
    pub(crate) map: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Args)]
pub(crate) struct DepositsArgs {
    /// The published study, number for number, instead of the network
    #[arg(long)]
    pub(crate) reference: bool,
    /// Audit rate, alpha [default: the study's grid]
    #[arg(long, requires = "reference")]
    pub(crate) alpha: Option<f64>,
    /// Slashed share of the stake, f [default: the study's grid]
    #[arg(long, requires = "reference")]
    pub(crate) slash: Option<f64>,
    /// Share of weight lost when caught, gamma [default: the study's grid]
    #[arg(long, requires = "reference")]
    pub(crate) gamma: Option<f64>,
    /// Miner's share of the deposit [default: 0.9 in the study, 0.75 on the network]
    #[arg(long)]
    pub(crate) deposit_split: Option<f64>,
    /// Denoising steps [default: 30]
    #[arg(long)]
    pub(crate) steps: Option<u32>,
    #[command(flatten)]
    pub(crate) study: StudyArgs,
    /// Network: stake that is locked, in micro-credits [default: the required stake]
    #[arg(long, conflicts_with = "reference")]
    pub(crate) stake: Option<f64>,
    /// Network: cost of a job in micro-credits
    #[arg(long, conflicts_with = "reference")]
    pub(crate) cost: Option<f64>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Args)]
pub(crate) struct StakeArgs {
    /// Denoising steps
    #[arg(long, default_value_t = 30)]
    pub(crate) steps: u32,
    /// Checked steps [default: the network's for this trust]
    #[arg(long)]
    pub(crate) checks: Option<u32>,
    /// Trust of the miner, 0 to 1
    #[arg(long, default_value_t = 1.0)]
    pub(crate) trust: f64,
    /// Cost of the job in micro-credits
    #[arg(long, default_value_t = 7000)]
    pub(crate) cost: u64,
    /// What the miner gets, in micro-credits [default: cost and margin]
    #[arg(long)]
    pub(crate) fee: Option<u64>,
    /// Cost of the settlement in micro-credits
    #[arg(long, default_value_t = 0)]
    pub(crate) settlement: u64,
    /// Slashed share of the stake [default: the network's]
    #[arg(long)]
    pub(crate) slash: Option<f64>,
    /// How far below 0 cheating must be, in fees [default: the network's]
    #[arg(long)]
    pub(crate) margin: Option<f64>,
    /// Share of ordinary jobs that are audited [default: the network's]
    #[arg(long)]
    pub(crate) audited_share: Option<f64>,
    /// One job in this many is checked at every step, 0 for none [default: the network's]
    #[arg(long)]
    pub(crate) full_audit_one_in: Option<u32>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Args)]
pub(crate) struct CostArgs {
    /// A table of GPUs and prices instead of the shipped one
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) table: Option<PathBuf>,
    /// Print the shipped table, to edit it, and do nothing else
    #[arg(long, conflicts_with_all = ["table", "json", "csv", "plot"])]
    pub(crate) print_table: bool,
    /// Steps of a clip [default: the table's]
    #[arg(long)]
    pub(crate) steps: Option<u32>,
    /// Name of an electricity price of the table [default: the first]
    #[arg(long)]
    pub(crate) electricity: Option<String>,
    /// Trust of the miner, 0 to 1
    #[arg(long, default_value_t = 1.0)]
    pub(crate) trust: f64,
    /// Cost of a settlement in US dollars; 0.0872 on the published study's chain
    #[arg(long, default_value_t = 0.0)]
    pub(crate) settlement_usd: f64,
    /// Wear of a home GPU in US dollars an hour
    #[arg(long, default_value_t = 0.0)]
    pub(crate) wear_usd_per_hour: f64,
    /// Share of a rented hour that is used
    #[arg(long, default_value_t = 1.0)]
    pub(crate) cloud_utilisation: f64,
    /// Cost of every number of steps on this home GPU instead
    #[arg(long, value_name = "GPU")]
    pub(crate) by_steps: Option<String>,
    /// With --by-steps: the largest number of steps
    #[arg(long, default_value_t = 60)]
    pub(crate) most_steps: u32,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Args)]
pub(crate) struct DetectionArgs {
    /// Denoising steps
    #[arg(long, default_value_t = 30)]
    pub(crate) steps: u32,
    /// Checked steps [default: the network's for this trust]
    #[arg(long)]
    pub(crate) checks: Option<u32>,
    /// Trust of the miner, 0 to 1
    #[arg(long, default_value_t = 1.0)]
    pub(crate) trust: f64,
    /// Share of ordinary jobs that are audited [default: the network's]
    #[arg(long)]
    pub(crate) audited_share: Option<f64>,
    /// One job in this many is checked at every step, 0 for none [default: the network's]
    #[arg(long)]
    pub(crate) full_audit_one_in: Option<u32>,
    /// Simulated cheaters for each number of tampered steps; 0 for none
    #[arg(long, default_value_t = 2000)]
    pub(crate) cheaters: u32,
    /// Seed of the simulation
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Jobs on the axis of the figure of repeated jobs
    #[arg(long, default_value_t = 60)]
    pub(crate) jobs: u32,
    /// Draw repeated jobs instead of one job's curves
    #[arg(long)]
    pub(crate) repeated: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Args)]
pub(crate) struct SensitivityArgs {
    /// Emissions in TAO per block
    #[arg(long, value_delimiter = ',')]
    pub(crate) emissions: Vec<f64>,
    /// Step costs in TAO
    #[arg(long, value_delimiter = ',')]
    pub(crate) step_costs: Vec<f64>,
    /// Audit rate of the point that is shown
    #[arg(long, default_value_t = 0.3)]
    pub(crate) alpha: f64,
    /// Slashed share at the point that is shown
    #[arg(long, default_value_t = 0.1)]
    pub(crate) slash: f64,
    /// Loss of weight at the point that is shown
    #[arg(long, default_value_t = 0.8)]
    pub(crate) gamma: f64,
    /// Validators' share of the emission
    #[arg(long, default_value = "sensitivity-study")]
    pub(crate) validator_share: ValidatorShareArg,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Args)]
pub(crate) struct OptimiseArgs {
    /// Denoising steps
    #[arg(long, default_value_t = 30)]
    pub(crate) steps: u32,
    /// What a miner earns above its cost [default: the network's]
    #[arg(long)]
    pub(crate) fee_margin: Option<f64>,
    /// How far below 0 cheating must be, in fees [default: the network's]
    #[arg(long)]
    pub(crate) margin: Option<f64>,
    /// Largest share of model evaluations to repeat
    #[arg(long, default_value_t = 0.10)]
    pub(crate) reexecution_budget: f64,
    /// Largest stake for a job, in fees
    #[arg(long, default_value_t = 100.0)]
    pub(crate) max_stake: f64,
    /// Largest slash
    #[arg(long, default_value_t = 0.5)]
    pub(crate) max_slash: f64,
    /// At least one job in this many is checked at every step; 0 leaves it open
    #[arg(long, default_value_t = 64)]
    pub(crate) full_audit_at_least_one_in: u32,
    /// Yearly rate that locked stake costs
    #[arg(long)]
    pub(crate) capital_rate: Option<f64>,
    /// Chance that a check finds fault with an honest step
    #[arg(long)]
    pub(crate) false_positives: Option<f64>,
    /// Share of miners that cheat although it does not pay
    #[arg(long)]
    pub(crate) lazy_share: Option<f64>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Args)]
pub(crate) struct PopulationArgs {
    /// Miners
    #[arg(long, default_value_t = 1000)]
    pub(crate) miners: usize,
    /// Epochs
    #[arg(long, default_value_t = 1000)]
    pub(crate) epochs: usize,
    /// Share of lazy miners; the rest of all kinds is honest
    #[arg(long, default_value_t = 0.10)]
    pub(crate) lazy: f64,
    /// Share of flaky miners
    #[arg(long, default_value_t = 0.05)]
    pub(crate) flaky: f64,
    /// Share of colluding miners
    #[arg(long, default_value_t = 0.05)]
    pub(crate) colluding: f64,
    /// Share of the steps that lazy miners tamper with
    #[arg(long)]
    pub(crate) lazy_tampered: Option<f64>,
    /// Share of validators that are friends of the colluding miners
    #[arg(long)]
    pub(crate) friendly_validators: Option<f64>,
    /// Chance of a second opinion
    #[arg(long)]
    pub(crate) second_opinions: Option<f64>,
    /// Jobs in an epoch, per miner
    #[arg(long, default_value_t = 0.5)]
    pub(crate) demand: f64,
    /// Balance at the start, in stakes required of a trusted miner
    #[arg(long, default_value_t = 5.0)]
    pub(crate) initial_stakes: f64,
    /// With the prototype's parameters instead of the network's
    #[arg(long)]
    pub(crate) prototype: bool,
    /// Seed
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Time smaller populations and fewer epochs, too
    #[arg(long)]
    pub(crate) scaling: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Args)]
pub(crate) struct ParametersArgs {
    /// The prototype's instead of the network's
    #[arg(long)]
    pub(crate) prototype: bool,
    /// Denoising steps
    #[arg(long, default_value_t = 30)]
    pub(crate) steps: u32,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

//! Monte-Carlo: whole networks, job by job, over many seeds.

use serde::{Deserialize, Serialize};

use super::{ModelParameters, Start};
use crate::check;
use crate::consensus::Consensus;
use crate::detection::audit;
use crate::error::Result;
use crate::parallel;
use crate::random::Pcg64;
use crate::statistics::{Accumulator, Estimate};

/// Most miner-epochs of one call.
const MOST_MINER_EPOCHS: u128 = 20_000_000_000;

/// What to simulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulationRequest {
    /// Tampered steps in each of the cheater's jobs.
    pub tampered: u32,
    /// Networks; each has draws of its own.
    pub runs: u32,
    /// First number of every network's seed.
    pub seed: u64,
}

/// Simulated values of the cheater and of the same miner had it been honest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SimulatedValue {
    /// Tampered steps.
    pub tampered: u32,
    /// Discounted value of cheating.
    pub cheat: Estimate,
    /// Discounted value of honest work in the same networks.
    pub honest: Estimate,
    /// Honest minus cheating, network by network (the same draws, so the interval is narrower than the two).
    pub advantage: Estimate,
    /// Share of the cheater's jobs that were caught.
    pub detection: Estimate,
}

/// Runs networks with and without the cheater.
///
/// # Errors
/// When a parameter is out of range or the work would be without bound.
pub fn simulate(model: &ModelParameters, request: &SimulationRequest) -> Result<SimulatedValue> {
    model.check()?;
    check::count("tampered", request.tampered.into(), 1, model.job.steps.into())?;
    check::count("runs", request.runs.into(), 2, 10_000_000)?;
    let work = [request.runs as usize, model.epochs, model.miners];
    check::work("this simulation", &work, MOST_MINER_EPOCHS)?;
    let runs: Vec<u64> = (0..request.runs.into()).collect();
    let outcomes = parallel::map(&runs, |&run| {
        let numbers = [request.seed, 0x6d6f_6465, request.tampered.into(), run];
        (network(model, request.tampered, &numbers), network(model, 0, &numbers))
    });
    let (mut cheat, mut honest) = (Accumulator::default(), Accumulator::default());
    let (mut advantage, mut caught) = (Accumulator::default(), 0);
    for (cheating, working) in outcomes {
        cheat.add(cheating.value);
        honest.add(working.value);
        advantage.add(working.value - cheating.value);
        caught += cheating.caught;
    }
    Ok(SimulatedValue {
        tampered: request.tampered,
        cheat: cheat.estimate(),
        honest: honest.estimate(),
        advantage: advantage.estimate(),
        detection: Estimate::of_share(caught, u64::from(request.runs) * model.epochs as u64),
    })
}

struct Outcome {
    value: f64,
    caught: u64,
}

/// One network over the horizon; miner 0 tampers with this many steps of each of its jobs.
fn network(model: &ModelParameters, tampered: u32, numbers: &[u64]) -> Outcome {
    let random = &mut Pcg64::from_numbers(numbers);
    let mut consensus = match model.start {
        Start::Drawn => Consensus::draw(random, model.miners, model.validators, model.kappa),
        Start::Even => {
            let stakes = (0..model.validators).map(|_| random.uniform(1.0, 2.0)).collect();
            Consensus::even(stakes, model.miners, model.kappa)
        }
    };
    let job = &model.job;
    let target = model.drift_target / model.miners as f64;
    let work = job.cost_per_step * f64::from(job.steps - tampered) + job.settlement;
    let mut shares = vec![0.0; model.miners];
    let mut outcome = Outcome { value: 0.0, caught: 0 };
    let mut discount = 1.0;
    for _ in 0..model.epochs {
        consensus.shares(&mut shares);
        let caught = audit(random, &job.audit, job.steps, tampered);
        let income = if caught { -model.slashed() } else { job.fee + model.emission * shares[0] };
        outcome.value += discount * (income - work);
        outcome.caught += u64::from(caught);
        consensus.update(|miner| miner == 0 && caught, model.gamma, model.drift, target);
        discount *= model.discount;
    }
    outcome
}

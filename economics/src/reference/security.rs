//! Stage 1: is cheating ever rational?

use serde::{Deserialize, Serialize};

use super::grid::SecurityGrid;
use super::trajectory::Draws;
use crate::check;
use crate::detection::{checks_of_rate, detection_by_tampering};
use crate::error::Result;
use crate::parallel;
use crate::parameters::StudyParameters;

/// Most (trajectory x money) evaluations of one sweep.
const MOST_EVALUATIONS: u128 = 20_000_000_000;

/// A point of the study's grid. Axes as their names say; the published core study has them swapped (see the README).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SecurityPoint {
    /// Emission in TAO per block.
    pub emission: f64,
    /// Cost of a step in TAO.
    pub cost_per_step: f64,
    /// Share of a job's steps that are checked.
    pub alpha: f64,
    /// Share of the stake that is slashed when caught.
    pub slash: f64,
    /// Share of the weight that is lost when caught.
    pub gamma: f64,
}

/// Stage 1 at one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityValue {
    /// Where.
    #[serde(flatten)]
    pub point: SecurityPoint,
    /// Checked steps, k.
    pub checks: u32,
    /// Value of the best way to cheat, discounted, summed over all miners.
    pub ev_cheat: f64,
    /// Its number of tampered steps.
    pub tampered: u32,
    /// Discounted value of one honest miner.
    pub ev_honest: f64,
}

/// The study with its random draws.
#[derive(Debug, Clone)]
pub struct ReferenceStudy {
    pub(super) parameters: StudyParameters,
    draws: Draws,
}

impl ReferenceStudy {
    /// # Errors
    /// When a parameter is out of range.
    pub fn new(parameters: StudyParameters) -> Result<Self> {
        parameters.check()?;
        check::work("the study", &[parameters.epochs, parameters.miners], 10_000_000)?;
        let draws = Draws::new(&parameters);
        Ok(Self { parameters, draws })
    }

    /// Its constants.
    pub fn parameters(&self) -> &StudyParameters {
        &self.parameters
    }

    /// The point of the study's own emission and step cost.
    pub fn point(&self, alpha: f64, slash: f64, gamma: f64) -> SecurityPoint {
        let StudyParameters { emission, cost_per_step, .. } = self.parameters;
        SecurityPoint { emission, cost_per_step, alpha, slash, gamma }
    }

    /// Stage 1 at a point; any point, on the study's grid or not.
    ///
    /// # Errors
    /// When a coordinate is out of range.
    pub fn security(&self, point: &SecurityPoint) -> Result<SecurityValue> {
        let mut values = self.sweep(&SecurityGrid::of_point(point))?;
        // A grid of one point gives one value.
        Ok(values.remove(0))
    }

    /// Stage 1 at every point of a grid, ordered by emission, step cost, gamma, alpha, slash (the last runs fastest).
    ///
    /// # Errors
    /// When a coordinate is out of range or the grid is too large.
    pub fn sweep(&self, grid: &SecurityGrid) -> Result<Vec<SecurityValue>> {
        grid.check()?;
        let steps = self.parameters.steps as usize;
        let work = [grid.len(), steps, self.parameters.epochs, self.parameters.miners];
        check::work("this sweep", &work, MOST_EVALUATIONS)?;
        let tasks: Vec<(f64, f64)> =
            grid.gamma.iter().flat_map(|&gamma| grid.alpha.iter().map(move |&alpha| (gamma, alpha))).collect();
        let solved: Result<Vec<Vec<SecurityValue>>> =
            parallel::map(&tasks, |&(gamma, alpha)| self.solve(grid, gamma, alpha)).into_iter().collect();
        let solved = solved?;
        let mut values = Vec::with_capacity(grid.len());
        let slashes = grid.slash.len();
        for economy in 0..grid.emission.len() * grid.cost_per_step.len() {
            for task in &solved {
                values.extend_from_slice(&task[economy * slashes..(economy + 1) * slashes]);
            }
        }
        Ok(values)
    }

    /// One (gamma, alpha) for every emission, step cost and slash (the last runs fastest).
    fn solve(&self, grid: &SecurityGrid, gamma: f64, alpha: f64) -> Result<Vec<SecurityValue>> {
        let parameters = &self.parameters;
        let checks = checks_of_rate(alpha, parameters.steps)?;
        let mut open = Vec::new();
        for &emission in &grid.emission {
            for &cost_per_step in &grid.cost_per_step {
                let ev_honest = parameters.honest_value(emission, cost_per_step);
                for &slash in &grid.slash {
                    let point = SecurityPoint { emission, cost_per_step, alpha, slash, gamma };
                    open.push(SecurityValue { point, checks, ev_cheat: f64::NEG_INFINITY, tampered: 0, ev_honest });
                }
            }
        }
        let detection = detection_by_tampering(parameters.steps, checks)?;
        let mut known: Option<(f64, Vec<f64>)> = None;
        for tampered in 1..=parameters.steps {
            // The study stops at the first way to cheat that pays.
            if open.iter().all(|value| value.ev_cheat >= 0.0) {
                break;
            }
            let caught = detection[tampered as usize];
            let shares = match known.take() {
                Some((chance, shares)) if chance.to_bits() == caught.to_bits() => shares,
                _ => self.draws.shares(parameters, caught, gamma),
            };
            for value in open.iter_mut().filter(|value| value.ev_cheat < 0.0) {
                let ev = cheating_value(parameters, &value.point, tampered, caught, &shares);
                if ev > value.ev_cheat {
                    (value.ev_cheat, value.tampered) = (ev, tampered);
                }
            }
            known = Some((caught, shares));
        }
        Ok(open)
    }
}

/// Value of cheating with `tampered` steps, all miners together, with the study's geometric tail.
fn cheating_value(
    parameters: &StudyParameters,
    point: &SecurityPoint,
    tampered: u32,
    caught: f64,
    shares: &[f64],
) -> f64 {
    let miners = parameters.miners;
    let pool = parameters.miner_share * point.emission;
    let work = point.cost_per_step * f64::from(parameters.steps - tampered) + parameters.gas;
    let lost = caught * point.slash;
    let (mut total, mut discount) = (0.0, 1.0);
    let (mut reward_sum, mut stake_sum) = (0.0, 0.0);
    let mut stakes = vec![parameters.initial_stake; miners];
    for row in shares.chunks_exact(miners) {
        (reward_sum, stake_sum) = (0.0, 0.0);
        let mut slashed_sum = 0.0;
        for (stake, share) in stakes.iter_mut().zip(row) {
            let reward = pool * share;
            let slashed = lost * *stake;
            *stake += reward - slashed;
            reward_sum += reward;
            slashed_sum += slashed;
            stake_sum += *stake;
        }
        total += discount * ((1.0 - caught) * reward_sum - work * miners as f64 - slashed_sum);
        discount *= parameters.discount;
    }
    let count = miners as f64;
    let tail = (1.0 - caught) * reward_sum / count - parameters.gas - lost * stake_sum / count;
    total + discount / (1.0 - parameters.discount) * tail
}

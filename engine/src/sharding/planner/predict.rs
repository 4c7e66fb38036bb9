//! What a plan would cost on given peers.

use serde::{Deserialize, Serialize};

use super::cost::ClipCost;
use super::peers::Peers;
use crate::sharding::error::PlanError;
use crate::sharding::plan::{Holding, Place, Plan, Spread};

/// A plan's predicted cost. Members are `peers`, in the order of their ranks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The plan.
    pub plan: Plan,
    /// The peer of each rank, by its place in the list.
    pub peers: Vec<usize>,
    /// Seconds of a step.
    pub step_seconds: f64,
    /// Of them, computing on the slowest way through.
    pub compute_seconds: f64,
    /// Of them, waiting for bytes.
    pub transfer_seconds: f64,
    /// Of them, waiting for round trips.
    pub latency_seconds: f64,
    /// Bytes on the wire in a step, all members together.
    pub bytes: u64,
    /// Rounds in a step, of the member with most.
    pub rounds: u64,
    /// Memory of each member in bytes.
    pub memory_bytes: Vec<u64>,
}

impl Prediction {
    /// The first member that lacks memory: rank, needed, free.
    pub(crate) fn lacks(&self, peers: &Peers) -> Option<(usize, u64, u64)> {
        let needs = self.memory_bytes.iter().zip(&self.peers).enumerate();
        needs
            .map(|(rank, (&needed, &peer))| (rank, needed, peers.peers[peer].free_memory_bytes))
            .find(|(_, needed, free)| needed > free)
    }
}

/// Predicts an exact plan's cost with the given peer for each rank.
///
/// # Errors
/// The plan does not suit the clip, or `order` has another number of peers than the plan has members.
pub fn predict(plan: &Plan, clip: &ClipCost, peers: &Peers, order: &[usize]) -> Result<Prediction, PlanError> {
    plan.check(clip.frames, clip.levels, clip.guidance)?;
    if order.len() != plan.members() || order.iter().any(|&peer| peer >= peers.peers.len()) {
        return Err(PlanError::GroupSize { members: plan.members(), found: order.len() });
    }
    let (stages, shards) = (plan.stages(), plan.shards());
    let frames = plan.frame_ranges(clip.frames)?;
    let levels = plan.level_ranges(clip.levels)?;
    let lanes = if plan.branches { 1 } else { clip.branches() };
    let stage_of = |level: usize| levels.iter().position(|range| range.contains(&level)).unwrap_or(0);
    let mut prediction = Prediction {
        plan: plan.clone(),
        peers: order.to_vec(),
        step_seconds: 0.0,
        compute_seconds: 0.0,
        transfer_seconds: 0.0,
        latency_seconds: 0.0,
        bytes: 0,
        rounds: 0,
        memory_bytes: vec![clip.program_bytes; order.len()],
    };
    let mut slowest = [0.0; 3];
    for branch in 0..plan.branch_count() {
        let rank = |stage, shard| plan.rank(Place { branch, stage, shard });
        let peer = |stage, shard| order[rank(stage, shard)];
        // Seconds of one lane in each stage: the slowest shard's.
        let mut compute = vec![0.0_f64; stages];
        let (mut transfer, mut latency) = (vec![0.0_f64; stages], vec![0.0_f64; stages]);
        let mut rounds = 0;
        for (stage, compute) in compute.iter_mut().enumerate() {
            let mine = |level: usize| stage_of(level) == stage;
            let (mut edges, mut swapped, mut sums, mut meetings) = (0, 0, 0, 0);
            for unit in clip.units.iter().filter(|unit| mine(unit.level)) {
                (edges, swapped) = (edges + unit.edge_bytes, swapped + unit.swapped_bytes);
                meetings += unit.rounds;
                sums += unit.sums_bytes * if unit.edge_bytes > 0 { 4 } else { 1 };
            }
            for (shard, own_frames) in frames.iter().enumerate() {
                let share = own_frames.len() as f64 / clip.frames as f64;
                let seconds: f64 = peers
                    .unit_seconds(peer(stage, shard), clip)
                    .iter()
                    .zip(&clip.units)
                    .filter(|(_, unit)| mine(unit.level))
                    .map(|(seconds, _)| seconds * share)
                    .sum();
                *compute = compute.max(seconds);
                if shards > 1 {
                    let others = (0..shards).filter(|&other| other != shard);
                    let slowest_link = others
                        .map(|other| peers.link(peer(stage, shard), peer(stage, other)))
                        .fold((f64::INFINITY, 0.0_f64), |(bytes, rtt), link| (bytes.min(link.0), rtt.max(link.1)));
                    let neighbours = if shard == 0 || shard + 1 == shards { 1 } else { 2 };
                    // Half of a border's bytes are its two frames' one way; sums go to everybody.
                    let sent = edges as f64 * neighbours as f64
                        + swapped as f64 * share * (1.0 - share)
                        + sums as f64 * share * (shards - 1) as f64;
                    prediction.bytes += (sent * lanes as f64) as u64;
                    transfer[stage] = transfer[stage].max(sent / slowest_link.0);
                    latency[stage] = latency[stage].max(meetings as f64 * slowest_link.1 / 2.0);
                }
            }
            if shards > 1 {
                rounds += meetings * lanes as u64;
            }
        }
        // Lanes follow each other through the stages: the first takes the whole way, each other one as long as the slowest stage.
        let stage_seconds: Vec<f64> = (0..stages).map(|i| compute[i] + transfer[i] + latency[i]).collect();
        let way: f64 = stage_seconds.iter().sum();
        let longest = stage_seconds.iter().copied().fold(0.0, f64::max);
        let in_all = |values: &[f64]| -> f64 {
            let bottleneck = (0..stages).max_by(|&a, &b| stage_seconds[a].total_cmp(&stage_seconds[b])).unwrap_or(0);
            values.iter().sum::<f64>() + (lanes - 1) as f64 * values[bottleneck]
        };
        let mut parts = [in_all(&compute), in_all(&transfer), in_all(&latency)];
        debug_assert!((parts.iter().sum::<f64>() - way - (lanes - 1) as f64 * longest).abs() < 1e-6 * way.max(1.0));
        for (stage, levels) in levels.iter().enumerate().skip(1) {
            let crossing = clip.crossing_bytes[levels.start - 1];
            let (bytes_per_second, rtt) = peers.link(peer(stage - 1, 0), peer(stage, 0));
            parts[1] += lanes as f64 * crossing as f64 / shards as f64 / bytes_per_second;
            parts[2] += rtt;
            prediction.bytes += crossing * lanes as u64;
            rounds += 2 * lanes as u64;
        }
        if branch > 0 {
            let (bytes_per_second, rtt) = peers.link(order[0], peer(0, 0));
            parts[1] += 2.0 * clip.latent_bytes as f64 / bytes_per_second;
            parts[2] += rtt;
            prediction.bytes += 2 * clip.latent_bytes;
        }
        prediction.rounds = prediction.rounds.max(rounds);
        if parts.iter().sum::<f64>() > slowest.iter().sum::<f64>() {
            slowest = parts;
        }
    }
    weights(plan, clip, peers, order, &mut prediction, &mut slowest, &stage_of);
    [prediction.compute_seconds, prediction.transfer_seconds, prediction.latency_seconds] = slowest;
    prediction.step_seconds = slowest.iter().sum();
    memory(plan, clip, &frames, lanes, &mut prediction, &stage_of);
    Ok(prediction)
}

/// Weights that come while the step runs: the longer of both counts.
fn weights(
    plan: &Plan,
    clip: &ClipCost,
    peers: &Peers,
    order: &[usize],
    prediction: &mut Prediction,
    seconds: &mut [f64; 3],
    stage_of: &dyn Fn(usize) -> usize,
) {
    let needed = |place: Place| -> u64 {
        clip.units.iter().filter(|unit| stage_of(unit.level) == place.stage).map(|unit| unit.weight_bytes).sum()
    };
    let places = (0..plan.computing()).filter_map(|rank| plan.place(rank).map(|place| (rank, place)));
    match plan.weights {
        Holding::Resident => {}
        Holding::Streamed => {
            let slowest = places
                .map(|(rank, place)| needed(place) as f64 / peers.peers[order[rank]].stream_bytes_per_second)
                .fold(0.0, f64::max);
            seconds[0] = seconds[0].max(slowest);
        }
        Holding::Shared(parts) => {
            let mut longest = 0.0_f64;
            for (rank, place) in places {
                let from_others = needed(place) as f64 * (parts - 1) as f64 / parts as f64;
                let slowest = (0..parts)
                    .filter(|&holder| holder != rank)
                    .map(|holder| peers.link(order[rank], order[holder]).0)
                    .fold(f64::INFINITY, f64::min);
                // A holder's connection answers every member that computes.
                let askers = (plan.computing() as f64 - 1.0).max(1.0);
                longest = longest.max(from_others / slowest * (askers / (parts - 1) as f64).max(1.0));
                prediction.bytes += from_others as u64;
            }
            // Gathered ahead while layers compute; on the same connections as everything else.
            seconds[1] += (longest - seconds[0]).max(0.0);
        }
    }
}

fn memory(
    plan: &Plan,
    clip: &ClipCost,
    frames: &[std::ops::Range<usize>],
    lanes: usize,
    prediction: &mut Prediction,
    stage_of: &dyn Fn(usize) -> usize,
) {
    let all: u64 = clip.weight_bytes();
    for rank in 0..prediction.memory_bytes.len() {
        let bytes = &mut prediction.memory_bytes[rank];
        let place = plan.place(rank);
        let own: u64 = place.map_or(0, |place| {
            clip.units.iter().filter(|unit| stage_of(unit.level) == place.stage).map(|unit| unit.weight_bytes).sum()
        });
        *bytes += match plan.weights {
            Holding::Resident => own + clip.vae_bytes,
            Holding::Streamed => 2 * clip.largest_unit_bytes,
            Holding::Shared(parts) => all / parts as u64 + 2 * clip.largest_unit_bytes,
        };
        let Some(place) = place else { continue };
        let share = |spread: &Spread| match spread {
            Spread::Whole => 1.0,
            _ => frames[place.shard].len() as f64 / clip.frames as f64,
        };
        // Stages inside have a quarter of the pixels or less, and wider channels.
        let depth = if place.stage == 0 { 1.0 } else { 0.5 };
        // Lanes that wait for each other's layers are both in memory.
        let together = if plan.weights == Holding::Resident && plan.stages() == 1 { 1.0 } else { lanes as f64 };
        let activations = clip.activation_bytes as f64 * share(&plan.frames) * depth * together;
        let decode = match plan.weights {
            Holding::Resident => clip.decode_bytes_per_frame * 4,
            _ => clip.decode_bytes_per_frame + clip.vae_bytes,
        };
        *bytes += (activations as u64).max(decode);
    }
}

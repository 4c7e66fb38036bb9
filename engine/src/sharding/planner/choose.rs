//! The plan with the smallest predicted time that fits.

use serde::{Deserialize, Serialize};

use super::cost::ClipCost;
use super::peers::Peers;
use super::predict::{Prediction, predict};
use crate::sharding::cut::Cut;
use crate::sharding::error::PlanError;
use crate::sharding::plan::{Holding, Plan, Spread};

/// A choice and what it was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The plan to use.
    pub chosen: Prediction,
    /// The second best, and why it lost.
    pub runner_up: Option<(Prediction, String)>,
    /// Seconds of a step of a clip where every peer makes clips of its own, divided by those that can: for who wants many.
    pub clips_step_seconds: Option<f64>,
    /// Plans that were looked at, and of them those that fit.
    pub looked_at: usize,
    /// How many of them fit.
    pub fitting: usize,
}

/// Chooses among all exact plans.
///
/// # Errors
/// The peers' numbers make no sense, or nothing fits.
pub fn choose(clip: &ClipCost, peers: &Peers) -> Result<Choice, PlanError> {
    peers.check(clip)?;
    let mut fitting = Vec::new();
    let mut nearest: Option<(u64, String)> = None;
    let mut looked_at = 0;
    for prediction in candidates(clip, peers) {
        looked_at += 1;
        match prediction.lacks(peers) {
            None => fitting.push(prediction),
            Some((rank, needed, free)) => {
                let missing = needed - free;
                if nearest.as_ref().is_none_or(|(least, _)| missing < *least) {
                    let name = &peers.peers[prediction.peers[rank]].name;
                    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
                    let (plan, needed, free) = (&prediction.plan, mib(needed), mib(free));
                    nearest = Some((
                        missing,
                        format!("`{plan}` comes nearest; {name} needs {needed} MiB for it and has {free}"),
                    ));
                }
            }
        }
    }
    // Fewer members where time is the same, and the plan's text as the last word.
    fitting.sort_by(|a, b| {
        let time = a.step_seconds.total_cmp(&b.step_seconds);
        time.then(a.peers.len().cmp(&b.peers.len())).then_with(|| a.plan.to_string().cmp(&b.plan.to_string()))
    });
    let clips = clips_step_seconds(&fitting);
    let count = fitting.len();
    let mut fitting = fitting.into_iter();
    let Some(chosen) = fitting.next() else {
        let reason = nearest.map_or_else(|| "there is no plan for so few frames".to_owned(), |(_, reason)| reason);
        return Err(PlanError::NothingFits { reason });
    };
    let runner_up = fitting.find(|other| other.plan != chosen.plan).map(|other| {
        let reason = why(&chosen, &other);
        (other, reason)
    });
    Ok(Choice { chosen, runner_up, clips_step_seconds: clips, looked_at, fitting: count })
}

/// Peers that can make a clip alone, each its own.
fn clips_step_seconds(fitting: &[Prediction]) -> Option<f64> {
    let mut fastest = std::collections::BTreeMap::new();
    for prediction in fitting.iter().filter(|prediction| prediction.peers.len() == 1) {
        let best = fastest.entry(prediction.peers[0]).or_insert(f64::INFINITY);
        *best = prediction.step_seconds.min(*best);
    }
    let rate: f64 = fastest.values().map(|seconds| 1.0 / seconds).sum();
    (rate > 0.0).then(|| 1.0 / rate)
}

fn why(chosen: &Prediction, other: &Prediction) -> String {
    let parts = [
        ("computing", other.compute_seconds - chosen.compute_seconds),
        ("sending", other.transfer_seconds - chosen.transfer_seconds),
        ("round trips", other.latency_seconds - chosen.latency_seconds),
    ];
    let (name, seconds) =
        parts.into_iter().fold(("computing", f64::NEG_INFINITY), |a, b| if b.1 > a.1 { b } else { a });
    format!(
        "a step takes {:.3} s instead of {:.3} s, of which {name} {seconds:+.3} s",
        other.step_seconds, chosen.step_seconds
    )
}

/// Every exact plan for these peers, with the fastest peers first.
fn candidates(clip: &ClipCost, peers: &Peers) -> Vec<Prediction> {
    let mut fastest: Vec<usize> = (0..peers.peers.len()).collect();
    fastest.sort_by(|&a, &b| peers.peers[a].evaluation_seconds.total_cmp(&peers.peers[b].evaluation_seconds));
    let mut predictions = Vec::new();
    for branches in [false, true] {
        for stages in 1..=clip.levels {
            let depth = (stages > 1).then_some(Cut::Even(stages));
            for shards in 1..=clip.frames {
                let computing = (if branches { 2 } else { 1 }) * stages * shards;
                if computing > fastest.len() || (branches && !clip.guidance) {
                    break;
                }
                let holdings = [Holding::Resident, Holding::Streamed]
                    .into_iter()
                    .chain((computing.max(2)..=fastest.len()).map(Holding::Shared));
                for weights in holdings {
                    let plan = Plan { branches, depth: depth.clone(), frames: Spread::Whole, weights };
                    for frames in spreads(&plan, shards, clip, peers, &fastest) {
                        let plan = Plan { frames, ..plan.clone() };
                        if computing == 1 && plan.members() == 1 {
                            // Alone: each peer might be the one.
                            predictions
                                .extend(fastest.iter().filter_map(|&peer| predict(&plan, clip, peers, &[peer]).ok()));
                        } else {
                            predictions.extend(predict(&plan, clip, peers, &fastest[..plan.members()]).ok());
                        }
                    }
                }
            }
        }
    }
    predictions
}

/// Even frames, and frames in proportion to the members' speeds where these differ.
fn spreads(plan: &Plan, shards: usize, clip: &ClipCost, peers: &Peers, order: &[usize]) -> Vec<Spread> {
    if shards == 1 {
        return vec![Spread::Whole];
    }
    let mut spreads = vec![Spread::Shards(Cut::Even(shards))];
    // The slowest of the members that have the same frames counts.
    let ways = plan.branch_count() * plan.stages();
    let speed = |shard: usize| {
        let seconds = (0..ways).map(|way| peers.peers[order[way * shards + shard]].evaluation_seconds);
        1.0 / seconds.fold(0.0, f64::max)
    };
    let speeds: Vec<f64> = (0..shards).map(speed).collect();
    let total: f64 = speeds.iter().sum();
    let mut lengths: Vec<usize> =
        speeds.iter().map(|speed| ((clip.frames as f64 * speed / total) as usize).max(1)).collect();
    // What rounding left goes where it costs least time.
    while lengths.iter().sum::<usize>() < clip.frames {
        let after = |i: usize| (lengths[i] + 1) as f64 / speeds[i];
        let Some(least) = (0..shards).min_by(|&a, &b| after(a).total_cmp(&after(b))) else { break };
        lengths[least] += 1;
    }
    let even = Cut::Even(shards).ranges(clip.frames).map(|ranges| ranges.iter().map(ExactSizeIterator::len).collect());
    if lengths.iter().sum::<usize>() == clip.frames && even.as_ref() != Some(&lengths) {
        spreads.push(Spread::Shards(Cut::Given(lengths)));
    }
    spreads
}

#![allow(clippy::unwrap_used)]

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::pipeline::Precision;
use crate::sharding::{Holding, Plan, Spread};

const GIB: u64 = 1 << 30;

/// ZeroScope at its published size, 24 frames of 576x320, f16 on a gaming GPU.
fn zeroscope() -> ClipCost {
    let folder = tempfile::tempdir().unwrap();
    for (part, config) in [
        (
            "unet",
            serde_json::json!({
                "_class_name": "UNet3DConditionModel",
                "block_out_channels": [320, 640, 1280, 1280],
                "cross_attention_dim": 1024,
            }),
        ),
        (
            "vae",
            serde_json::from_slice(
                &std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/starter/vae/config.json"))
                    .unwrap(),
            )
            .unwrap(),
        ),
    ] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
        std::fs::write(folder.path().join(part).join("config.json"), config.to_string()).unwrap();
    }
    ClipCost::read(folder.path(), [576, 320, 24], true, Precision::F16, Precision::F16).unwrap()
}

fn peers(count: usize, bits_per_second: f64, rtt_ms: f64, memory: u64) -> Peers {
    let peer = |i| Peer {
        name: format!("peer {i}"),
        free_memory_bytes: memory,
        evaluation_seconds: 1.0,
        unit_seconds: Vec::new(),
        stream_bytes_per_second: 12e9,
    };
    Peers { peers: (0..count).map(peer).collect(), bits_per_second, rtt_ms, links: Vec::new() }
}

#[test]
fn costs_follow_from_the_structure() {
    let clip = zeroscope();
    let parameters = clip.weight_bytes() / 2;
    // Counted in the tensor headers of a file of this structure that diffusers wrote, as is the share below.
    assert_eq!(parameters, 1_411_233_860);
    assert_eq!(clip.units.iter().map(|unit| unit.rounds).sum::<u64>(), 22 * 4 + 17 * 2);
    // 33 MB in f16 between the outermost level and the next, here in f32.
    assert_eq!(clip.crossing_bytes[0], 24 * 36 * 20 * (320 + 640) * 4);
    let outer: u64 = clip.units.iter().filter(|unit| unit.level == 0).map(|unit| unit.weight_bytes).sum();
    let share = outer as f64 / clip.weight_bytes() as f64;
    assert!((share - 0.041_777_186_4).abs() < 1e-9, "{share}");
}

#[test]
fn links_decide() {
    let clip = zeroscope();
    let chosen = |peers: &Peers| choose(&clip, peers).unwrap().chosen.plan;
    // 100 Mbit/s, memory for all: branches, and nothing that exchanges inside a step.
    let slow = chosen(&peers(4, 1e8, 20.0, 24 * GIB));
    assert!(slow.branches && slow.frames == Spread::Whole && slow.weights == Holding::Resident, "{slow}");
    // Gigabit: branches and depth.
    let gigabit = chosen(&peers(4, 1e9, 0.12, 24 * GIB));
    assert!(gigabit.branches && gigabit.frames == Spread::Whole, "{gigabit}");
    // Inside one machine: frames.
    let near = chosen(&peers(4, 1e11, 0.005, 24 * GIB));
    assert!(near.shards() > 1, "{near}");
    // Many clips: everybody alone is the best rate over a slow link.
    let choice = choose(&clip, &peers(4, 1e8, 20.0, 24 * GIB)).unwrap();
    assert!(choice.clips_step_seconds.unwrap() < choice.chosen.step_seconds);
}

#[test]
fn weights_are_streamed_rather_than_gathered_over_ethernet() {
    let clip = zeroscope();
    for (bits, rtt) in [(1e8, 20.0), (1e9, 0.12)] {
        // Too little memory for all weights on any of them, or for an inner stage.
        let choice = choose(&clip, &peers(3, bits, rtt, 3 * GIB / 2)).unwrap();
        assert!(!matches!(choice.chosen.plan.weights, Holding::Shared(_)), "{}", choice.chosen.plan);
        assert_eq!(choice.chosen.plan.weights, Holding::Streamed, "{}", choice.chosen.plan);
    }
}

#[test]
fn what_does_not_fit_is_refused_with_a_number() {
    let error = choose(&zeroscope(), &peers(6, 1e9, 0.1, GIB / 8)).unwrap_err();
    assert_eq!(error.code(), "plan.nothing_fits");
    assert!(error.to_string().contains("MiB"), "{error}");
    let mut broken = peers(2, 1e9, 0.1, GIB);
    broken.peers[1].evaluation_seconds = 0.0;
    assert_eq!(choose(&zeroscope(), &broken).unwrap_err().code(), "plan.peers");
}

#[test]
fn unequal_peers_get_unequal_frames() {
    let mut peers = peers(2, 1e12, 0.001, 24 * GIB);
    peers.peers[1].evaluation_seconds = 3.0;
    let clip = ClipCost { guidance: false, ..zeroscope() };
    let choice = choose(&clip, &peers).unwrap();
    assert_eq!(choice.chosen.plan, "frames=18:6".parse::<Plan>().unwrap(), "{}", choice.chosen.plan);
    let (runner_up, reason) = choice.runner_up.unwrap();
    assert!(runner_up.step_seconds >= choice.chosen.step_seconds && reason.contains("instead of"), "{reason}");
}

proptest! {
    #[test]
    fn what_is_chosen_fits_and_nothing_that_fits_is_faster_alone(
        count in 1..6_usize, bits in 7.0..11.0_f64, rtt in 0.0..30.0_f64, gib in 1..16_u64, slow in 1.0..4.0_f64,
    ) {
        let clip = zeroscope();
        let mut peers = peers(count, 10_f64.powf(bits), rtt, gib * GIB);
        peers.peers[count - 1].evaluation_seconds = slow;
        let Ok(choice) = choose(&clip, &peers) else { return Ok(()) };
        let chosen = choice.chosen;
        prop_assert!(chosen.plan.is_exact() && chosen.lacks(&peers).is_none());
        prop_assert_eq!(chosen.peers.len(), chosen.plan.members());
        for plan in ["solo", "stream"] {
            for peer in 0..count {
                let alone = predict(&plan.parse().unwrap(), &clip, &peers, &[peer]).unwrap();
                prop_assert!(alone.lacks(&peers).is_some() || alone.step_seconds >= chosen.step_seconds);
            }
        }
        // Sums of parts are the whole.
        let parts = chosen.compute_seconds + chosen.transfer_seconds + chosen.latency_seconds;
        prop_assert!((parts - chosen.step_seconds).abs() < 1e-9);
    }
}

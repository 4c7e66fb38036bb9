//! What flow and consistency must do whatever their constants are.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::consistency::{EXCUSED_SHARE, pair_consistency};
use super::{Gray, optical_flow};
use proptest::prelude::*;

/// A pattern with detail at several scales, from 0 to 255.
fn pattern(x: f32, y: f32) -> f32 {
    let wave = |a: f32, b: f32, c: f32| (a * x + b * y + c).sin();
    128.0 + 40.0 * wave(0.31, 0.12, 0.0) + 35.0 * wave(-0.2, 0.37, 1.0) + 30.0 * wave(0.11, -0.09, 2.0)
}

fn moved(width: usize, height: usize, u: f32, v: f32) -> Gray {
    let at = |i: usize| pattern((i % width) as f32 - u, (i / width) as f32 - v);
    Gray::new(width, height, (0..width * height).map(at).collect()).unwrap()
}

fn rgb(image: &Gray) -> Vec<u8> {
    image.data.iter().flat_map(|&value| [value as u8; 3]).collect()
}

#[test]
fn a_shifted_pattern_has_its_shift_as_flow() {
    for (u, v) in [(0.0, 0.0), (1.5, -0.75), (-5.0, 3.0)] {
        let flow = optical_flow(&moved(64, 48, 0.0, 0.0), &moved(64, 48, u, v)).unwrap();
        for y in 8..40 {
            for x in 8..56 {
                let i = y * 64 + x;
                let error = (flow.u()[i] - u).hypot(flow.v()[i] - v);
                assert!(error < 0.15, "({u}, {v}) came out as ({}, {}) at ({x}, {y})", flow.u()[i], flow.v()[i]);
            }
        }
    }
}

#[test]
fn nothing_moves_where_nothing_can_be_seen() {
    let flat = Gray::new(40, 30, vec![77.0; 1200]).unwrap();
    let flow = optical_flow(&flat, &flat).unwrap();
    assert!(flow.u().iter().chain(flow.v()).all(|&value| value == 0.0));
}

#[test]
fn images_of_two_sizes_have_no_flow() {
    assert!(optical_flow(&moved(8, 8, 0.0, 0.0), &moved(8, 9, 0.0, 0.0)).is_none());
}

#[test]
fn the_flow_is_the_same_for_any_number_of_threads() {
    let (a, b) = (moved(70, 50, 0.0, 0.0), moved(70, 50, 3.3, -1.2));
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| optical_flow(&a, &b).unwrap())
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(5));
}

#[test]
fn equal_frames_are_consistent_and_noise_is_not() {
    let frame = rgb(&moved(48, 40, 0.0, 0.0));
    let same = pair_consistency(&frame, &frame, 48, 40);
    assert_eq!((same.warping_error, same.occluded), (0.0, 0.0));
    let shifted = pair_consistency(&frame, &rgb(&moved(48, 40, 2.0, 1.0)), 48, 40);
    assert!(shifted.warping_error < 0.01 && shifted.occluded < EXCUSED_SHARE, "{shifted:?}");
    let noise = |seed: u32| -> Vec<u8> {
        (0..48 * 40 * 3u32).map(|i| ((i ^ seed).wrapping_mul(0x9E37_79B1) >> 24) as u8).collect()
    };
    let unrelated = pair_consistency(&noise(0x51ED), &noise(0xA0B1_7700), 48, 40);
    assert!(unrelated.warping_error > 0.15 && unrelated.occluded > 0.5, "{unrelated:?}");
}

#[test]
fn what_appears_from_nowhere_is_excused_only_in_part() {
    // A square that pops up: a small one has no counterpart and is forgiven, a large one is charged.
    let (width, height) = (64, 64);
    let ground = rgb(&moved(width, height, 0.0, 0.0));
    let with_square = |side: usize| {
        let mut frame = ground.clone();
        for y in 8..8 + side {
            for x in 8..8 + side {
                let value = if (x / 3 + y / 3) % 2 == 0 { 255 } else { 0 };
                frame[(y * width + x) * 3..][..3].fill(value);
            }
        }
        pair_consistency(&frame, &ground, width, height).warping_error
    };
    let (small, large) = (with_square(10), with_square(52));
    assert!(small < 0.02 && large > 4.0 * small, "{small} and {large}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any two frames of any size, down to one pixel, give finite numbers in range.
    #[test]
    fn any_frames_give_numbers_in_range(
        width in 1usize..40,
        height in 1usize..40,
        first in proptest::collection::vec(any::<u8>(), 4800),
        second in proptest::collection::vec(any::<u8>(), 4800),
    ) {
        let bytes = width * height * 3;
        let pair = pair_consistency(&first[..bytes], &second[..bytes], width, height);
        prop_assert!((0.0..=1.0).contains(&pair.warping_error), "{pair:?}");
        prop_assert!((0.0..=1.0).contains(&pair.occluded), "{pair:?}");
    }
}

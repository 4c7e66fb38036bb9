#![allow(clippy::unwrap_used)]
use half::{bf16, f16};
use proptest::prelude::*;

use super::{Dense, MR, NR, Packed, Rows, Store, Tile, gemm};
use crate::kernels::isa::Isa;
use crate::kernels::parallel::Par;

/// Reproducible values of mixed signs and sizes.
fn values(len: usize, salt: u32) -> Vec<f32> {
    (0..len as u32).map(|i| (((i ^ salt).wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.5) * 4.0).collect()
}

fn naive(a: &[f32], w: &[f32], bias: &[f32], m: usize, k: usize, n: usize) -> Vec<f32> {
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            out[i * n + j] = (0..k).fold(0.0_f32, |sum, p| a[i * k + p].mul_add(w[p * n + j], sum)) + bias[j];
        }
    }
    out
}

/// Rows cut into segments that lie in reverse order in memory.
struct Scattered {
    data: Vec<f32>,
    segments: usize,
    len: usize,
}

impl Rows for Scattered {
    fn segments(&self) -> usize {
        self.segments
    }
    fn segment_len(&self) -> usize {
        self.len
    }
    fn segment(&self, row: usize, segment: usize) -> *const f32 {
        self.data[(row * self.segments + self.segments - 1 - segment) * self.len..][..self.len].as_ptr()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn equals_the_definition_bit_for_bit(m in 1_usize..150, k in 1_usize..1700, n in 1_usize..130, salt in any::<u32>()) {
        let (a, w, bias) = (values(m * k, salt), values(k * n, salt ^ 1), values(n, salt ^ 2));
        let want = naive(&a, &w, &bias, m, k, n);
        let packed = Packed::from_f32(k, n, |p, j| w[p * n + j]);
        for par in [Par::Serial, Par::Threads] {
            let mut out = vec![f32::NAN; m * n];
            gemm(&Dense::new(&a, k, k), m, &packed, &mut out, n, Store::write(Some(&bias)), par);
            prop_assert_eq!(&out, &want);
        }
        let mut added = values(m * n, salt ^ 3);
        let expected: Vec<f32> = added.iter().zip(&want).map(|(x, y)| x + y).collect();
        gemm(&Dense::new(&a, k, k), m, &packed, &mut added, n, Store::add(Some(&bias)), Par::Serial);
        prop_assert_eq!(added, expected);
    }

    #[test]
    fn segments_are_concatenated(m in 1_usize..20, segments in 1_usize..12, len in 1_usize..400, salt in any::<u32>()) {
        let (k, n) = (segments * len, 50);
        let (a, w, bias) = (values(m * k, salt), values(k * n, salt ^ 1), vec![0.0; n]);
        let mut data = vec![0.0; m * k];
        for row in 0..m {
            for segment in 0..segments {
                let from = (row * segments + segments - 1 - segment) * len;
                data[from..][..len].copy_from_slice(&a[row * k + segment * len..][..len]);
            }
        }
        let packed = Packed::from_f32(k, n, |p, j| w[p * n + j]);
        let mut out = vec![f32::NAN; m * n];
        gemm(&Scattered { data, segments, len }, m, &packed, &mut out, n, Store::write(Some(&bias)), Par::Serial);
        prop_assert_eq!(out, naive(&a, &w, &bias, m, k, n));
    }
}

#[test]
fn half_weights_equal_their_f32_values() {
    let (m, k, n) = (13, 2100, 100); // too many to be widened when packed
    let (a, w) = (values(m * k, 7), values(k * n, 8));
    let run = |packed: &Packed| {
        let mut out = vec![0.0; m * n];
        gemm(&Dense::new(&a, k, k), m, packed, &mut out, n, Store::write(None), Par::Threads);
        out
    };
    let at = |p: usize, j: usize| w[p * n + j];
    let f16s = run(&Packed::from_f16(k, n, |p, j| f16::from_f32(at(p, j))));
    assert_eq!(f16s, run(&Packed::from_f32(k, n, |p, j| f16::from_f32(at(p, j)).to_f32())));
    let bf16s = run(&Packed::from_bf16(k, n, |p, j| bf16::from_f32(at(p, j))));
    assert_eq!(bf16s, run(&Packed::from_f32(k, n, |p, j| bf16::from_f32(at(p, j)).to_f32())));
    assert_ne!(f16s, bf16s);
}

#[test]
#[allow(unsafe_code)]
fn every_micro_kernel_gives_the_same_bits() {
    for width in [16, 32, NR] {
        let (segments, len) = (3, 41);
        let (a, panel) = (values(MR * segments * len, 3), values(segments * len * width, 4));
        let rows: Vec<[*const f32; MR]> =
            (0..segments).map(|s| std::array::from_fn(|r| a[(r * segments + s) * len..].as_ptr())).collect();
        let run = |resume: bool, kernel: &dyn Fn(&Tile)| {
            let mut out = values(MR * NR, 5);
            let tile = Tile {
                rows: rows.as_ptr(),
                segments,
                segment_len: len,
                panel: panel.as_ptr(),
                width,
                out: out.as_mut_ptr(),
                out_stride: NR,
                resume,
            };
            kernel(&tile);
            out
        };
        for resume in [false, true] {
            // SAFETY: the tile's sizes are those of the vectors above.
            let want = run(resume, &|tile| unsafe { super::micro_portable::tile(tile) });
            #[cfg(target_arch = "x86_64")]
            {
                if matches!(Isa::detect(), Isa::Avx512 | Isa::Avx2) {
                    // SAFETY: as above, and AVX2 was found.
                    assert_eq!(run(resume, &|tile| unsafe { super::micro_x86::tile_avx2(tile) }), want);
                }
                if Isa::detect() == Isa::Avx512 {
                    // SAFETY: as above, and AVX-512 was found.
                    assert_eq!(run(resume, &|tile| unsafe { super::micro_x86::tile_avx512(tile) }), want);
                }
            }
        }
    }
}

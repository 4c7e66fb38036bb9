//! Portable seeded noise: the same bits on every platform, and any element alone.
//!
//! Element `i` of a stream is a function of `(seed, stream, i)` only. The key is
//! `SHA-256("infernet/noise/v1" || seed as 8 bytes LE || stream as 4 bytes LE)` for a seed that a person chose, and
//! `SHA-256("infernet/noise/v2" || seed (32 bytes) || stream as 4 bytes LE)` for a job's, which must not be short enough to be
//! hit on purpose; ChaCha20 (64-bit block counter, zero
//! nonce) under that key gives sixteen 32-bit words per block, and each pair of words `(a, b)` two elements by the Box-Muller
//! transform: with `u = (a + 1) / 2^32` and `v = b / 2^32`, the radius `sqrt(-2 ln u)` times `cos 2 pi v` and
//! `sin 2 pi v`, computed in f64 with the `libm` crate and rounded to f32. Elements `16 j .. 16 j + 16` come from block `j`.

use std::f64::consts::TAU;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Elements per ChaCha20 block.
const BLOCK_ELEMENTS: u64 = 16;
const DOMAIN: &[u8] = b"infernet/noise/v1";
const WIDE_DOMAIN: &[u8] = b"infernet/noise/v2";

/// What noise is for. Each use has a stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoiseStream {
    /// The initial latent, element order `(channels, frames, height, width)`.
    InitialLatent,
    /// Noise that a stochastic sampler adds after a step.
    Step(u32),
}

impl NoiseStream {
    fn code(self) -> u32 {
        match self {
            NoiseStream::InitialLatent => 0,
            NoiseStream::Step(step) => step.saturating_add(1),
        }
    }
}

/// A stream of standard normal numbers.
#[derive(Clone, Debug)]
pub struct PortableNoise {
    key: [u8; 32],
}

impl PortableNoise {
    /// The stream of a seed.
    pub fn new(seed: u64, stream: NoiseStream) -> Self {
        Self::keyed(DOMAIN, &seed.to_le_bytes(), stream)
    }

    /// The stream of a 256-bit seed.
    pub fn from_wide_seed(seed: &[u8; 32], stream: NoiseStream) -> Self {
        Self::keyed(WIDE_DOMAIN, seed, stream)
    }

    fn keyed(domain: &[u8], seed: &[u8], stream: NoiseStream) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(domain);
        hasher.update(seed);
        hasher.update(stream.code().to_le_bytes());
        Self { key: hasher.finalize().into() }
    }

    /// Writes elements `from .. from + out.len()`.
    pub fn fill(&self, from: u64, out: &mut [f32]) {
        let mut index = from;
        let mut rest = out;
        let mut generator = ChaCha20Rng::from_seed(self.key);
        generator.set_word_pos(u128::from(from / BLOCK_ELEMENTS * BLOCK_ELEMENTS));
        while !rest.is_empty() {
            let mut block = [0.0_f32; BLOCK_ELEMENTS as usize];
            for pair in block.as_chunks_mut::<2>().0 {
                *pair = box_muller(generator.next_u32(), generator.next_u32());
            }
            let skip = (index % BLOCK_ELEMENTS) as usize;
            let count = rest.len().min(block.len() - skip);
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&block[skip..][..count]);
            index += count as u64;
            rest = later;
        }
    }

    /// The first `len` elements.
    pub fn vector(&self, len: usize) -> Vec<f32> {
        let mut out = vec![0.0; len];
        self.fill(0, &mut out);
        out
    }
}

fn box_muller(a: u32, b: u32) -> [f32; 2] {
    const SCALE: f64 = 1.0 / 4_294_967_296.0;
    let u = (f64::from(a) + 1.0) * SCALE;
    let radius = (-2.0 * libm::log(u)).sqrt();
    let angle = TAU * (f64::from(b) * SCALE);
    [(radius * libm::cos(angle)) as f32, (radius * libm::sin(angle)) as f32]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_element_can_be_had_alone(seed in any::<u64>(), from in 0_u64..5000, len in 0_usize..100) {
            let noise = PortableNoise::new(seed, NoiseStream::InitialLatent);
            let whole = noise.vector(5200);
            let mut part = vec![0.0; len];
            noise.fill(from, &mut part);
            prop_assert_eq!(part.as_slice(), &whole[from as usize..][..len]);
        }
    }

    #[test]
    fn is_standard_normal() {
        let values = PortableNoise::new(7, NoiseStream::Step(3)).vector(200_000);
        let moment = |power: i32| values.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / values.len() as f64;
        assert!(moment(1).abs() < 0.01, "mean {}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.02, "variance {}", moment(2));
        assert!(moment(3).abs() < 0.05, "skewness {}", moment(3));
        assert!((moment(4) - 3.0).abs() < 0.1, "kurtosis {}", moment(4));
    }

    #[test]
    fn streams_and_seeds_differ() {
        let first = |seed, stream| PortableNoise::new(seed, stream).vector(16);
        assert_ne!(first(1, NoiseStream::InitialLatent), first(2, NoiseStream::InitialLatent));
        assert_ne!(first(1, NoiseStream::InitialLatent), first(1, NoiseStream::Step(0)));
    }

    #[test]
    fn known_answers() {
        // Computed by tools/reference/noise_vectors.py (Python's `cryptography` ChaCha20, mpmath at 40 digits).
        let bits = |seed, stream, from| {
            let mut out = [0.0_f32; 4];
            PortableNoise::new(seed, stream).fill(from, &mut out);
            out.map(f32::to_bits)
        };
        assert_eq!(bits(0, NoiseStream::InitialLatent, 0), KNOWN[0]);
        assert_eq!(bits(42, NoiseStream::InitialLatent, 14), KNOWN[1]);
        assert_eq!(bits(u64::MAX, NoiseStream::Step(24), 1_000_003), KNOWN[2]);
        let wide_bits = |seed: [u8; 32], stream, from| {
            let mut out = [0.0_f32; 4];
            PortableNoise::from_wide_seed(&seed, stream).fill(from, &mut out);
            out.map(f32::to_bits)
        };
        assert_eq!(wide_bits(std::array::from_fn(|i| i as u8), NoiseStream::InitialLatent, 0), KNOWN[3]);
        assert_eq!(wide_bits([0xff; 32], NoiseStream::Step(24), 30), KNOWN[4]);
    }

    const KNOWN: [[u32; 4]; 5] = [
        [0x3f4f_7894, 0xbfd5_6b13, 0x3fad_d088, 0x3ec5_2496],
        [0x3fb2_c5aa, 0xbfec_3ce1, 0x3fb3_98b6, 0xbe0b_dda3],
        [0x3eaf_ccfe, 0x3fe0_ac2e, 0x3da1_dfb7, 0xbd11_bd77],
        [0xbdc2_5d6d, 0xbfaa_bb7c, 0x3f13_4d6b, 0x4035_83cc],
        [0xbf31_e43b, 0xbe64_f2a1, 0x3ec7_77d9, 0xbf07_7611],
    ];
}

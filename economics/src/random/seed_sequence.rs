//! NumPy's `SeedSequence`: turns a seed of any length into well-mixed state words.
//!
//! The algorithm is M. E. O'Neill's `seed_seq_fe` with NumPy's constants (NumPy documentation, "SeedSequence"; NEP 19).

const POOL_WORDS: usize = 4;
const INIT_A: u32 = 0x43b0_d7e5;
const MULT_A: u32 = 0x931e_8875;
const INIT_B: u32 = 0x8b51_f9dd;
const MULT_B: u32 = 0x58f3_8ded;
const MIX_LEFT: u32 = 0xca01_f9dd;
const MIX_RIGHT: u32 = 0x4973_f715;
const SHIFT: u32 = 16;

/// A mixed pool of entropy; equal to `numpy.random.SeedSequence` of the same integers.
#[derive(Debug, Clone)]
pub struct SeedSequence {
    pool: [u32; POOL_WORDS],
}

impl SeedSequence {
    /// Mixes integers, as `SeedSequence([a, b, ...])` does; one integer `a` equals `SeedSequence(a)`.
    pub fn new(entropy: &[u64]) -> Self {
        let mut words = Vec::with_capacity(entropy.len() * 2);
        for &value in entropy {
            words.push(value as u32);
            if value >> 32 != 0 {
                words.push((value >> 32) as u32);
            }
        }
        let mut constant = INIT_A;
        let mut hash = |value: u32| {
            let mut value = value ^ constant;
            constant = constant.wrapping_mul(MULT_A);
            value = value.wrapping_mul(constant);
            value ^ (value >> SHIFT)
        };
        let mut pool = [0; POOL_WORDS];
        for (index, slot) in pool.iter_mut().enumerate() {
            *slot = hash(words.get(index).copied().unwrap_or(0));
        }
        for source in 0..POOL_WORDS {
            for target in 0..POOL_WORDS {
                if source != target {
                    pool[target] = mix(pool[target], hash(pool[source]));
                }
            }
        }
        for &word in words.iter().skip(POOL_WORDS) {
            for slot in &mut pool {
                *slot = mix(*slot, hash(word));
            }
        }
        Self { pool }
    }

    /// The first `N` 64-bit state words, as `generate_state(N, uint64)`.
    pub fn state<const N: usize>(&self) -> [u64; N] {
        let mut constant = INIT_B;
        let mut source = self.pool.iter().cycle();
        let mut word = || {
            let mut value = source.next().copied().unwrap_or(0) ^ constant;
            constant = constant.wrapping_mul(MULT_B);
            value = value.wrapping_mul(constant);
            u64::from(value ^ (value >> SHIFT))
        };
        std::array::from_fn(|_| {
            let low = word();
            low | (word() << 32)
        })
    }
}

fn mix(left: u32, right: u32) -> u32 {
    let value = MIX_LEFT.wrapping_mul(left).wrapping_sub(MIX_RIGHT.wrapping_mul(right));
    value ^ (value >> SHIFT)
}

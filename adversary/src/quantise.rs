//! Weights as small integers: symmetric, one scale per output channel, rounded to the nearest.

use serde::{Deserialize, Serialize};

/// Width of the integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Bits {
    /// -127 to 127.
    Eight,
    /// -7 to 7.
    Four,
}

impl Bits {
    /// Largest integer; the smallest is its negative.
    pub fn largest(self) -> i8 {
        match self {
            Self::Eight => 127,
            Self::Four => 7,
        }
    }
}

/// A matrix or a convolution's kernel, `(outputs, ...)`, in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantised {
    shape: Vec<usize>,
    bits: Bits,
    /// One per output.
    scales: Vec<f32>,
    /// Row by row; two to a byte where there are four bits, the first in the low half.
    packed: Vec<u8>,
}

impl Quantised {
    /// Quantises `values`, which must be as many as `shape` says. What is not a number becomes 0.
    pub fn new(values: &[f32], shape: &[usize], bits: Bits) -> Self {
        let rows = shape.first().copied().unwrap_or(1).max(1);
        let columns = (values.len() / rows).max(1);
        let largest = f32::from(bits.largest());
        let mut scales = Vec::with_capacity(rows);
        let mut integers = Vec::with_capacity(values.len());
        for row in values.chunks(columns) {
            let scale = row.iter().fold(0.0_f32, |most, x| most.max(x.abs())) / largest;
            scales.push(scale);
            let quantise = |&x: &f32| {
                let steps = if scale > 0.0 { (x / scale).round_ties_even() } else { 0.0 };
                // Within i8 after clamping; `as` makes 0 of what is not a number.
                steps.clamp(-largest, largest) as i8
            };
            integers.extend(row.iter().map(quantise));
        }
        let packed = match bits {
            Bits::Eight => integers.iter().map(|&integer| integer.cast_unsigned()).collect(),
            Bits::Four => integers
                .chunks(2)
                .map(|pair| {
                    let half = |at: usize| pair.get(at).map_or(0, |integer| integer.cast_unsigned() & 0xf);
                    half(0) | half(1) << 4
                })
                .collect(),
        };
        Self { shape: shape.to_vec(), bits, scales, packed }
    }

    /// The integers, row by row.
    pub fn integers(&self) -> Vec<i8> {
        let count = self.shape.iter().product();
        match self.bits {
            Bits::Eight => self.packed.iter().map(|&byte| byte.cast_signed()).collect(),
            // Shifting up and down again brings the sign back.
            Bits::Four => self
                .packed
                .iter()
                .flat_map(|&byte| [(byte << 4).cast_signed() >> 4, byte.cast_signed() >> 4])
                .take(count)
                .collect(),
        }
    }

    /// Shape, outputs first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The scale of each output.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Bytes of integers and scales.
    pub fn bytes(&self) -> u64 {
        (self.packed.len() + 4 * self.scales.len()) as u64
    }

    /// What the model computes with: each integer times its scale.
    pub fn expand(&self) -> Vec<f32> {
        let integers = self.integers();
        let columns = (integers.len() / self.scales.len().max(1)).max(1);
        let row =
            |(row, scale): (&[i8], &f32)| row.iter().map(|&integer| f32::from(integer) * scale).collect::<Vec<_>>();
        integers.chunks(columns).zip(&self.scales).flat_map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_answers() {
        let values = [1.27, -1.27, 0.0149, 0.0151, 0.0, 0.0, 0.0, 0.0, -7.0, 3.4, 3.6, 0.49];
        let eight = Quantised::new(&values, &[3, 2, 2], Bits::Eight);
        assert_eq!(eight.integers()[..8], [127, -127, 1, 2, 0, 0, 0, 0]);
        assert_eq!(eight.bytes(), 12 + 12);
        let four = Quantised::new(&values, &[3, 2, 2], Bits::Four);
        assert_eq!(four.integers(), [7, -7, 0, 0, 0, 0, 0, 0, -7, 3, 4, 0]);
        assert_eq!(four.expand()[8..], [-7.0, 3.0, 4.0, 0.0]);
        assert_eq!(four.bytes(), 6 + 12);
    }

    proptest! {
        #[test]
        fn errors_are_half_a_step_at_most(
            values in proptest::collection::vec(-3.0_f32..3.0, 15),
            bits in prop_oneof![Just(Bits::Eight), Just(Bits::Four)],
        ) {
            // Odd rows, so that they share bytes at four bits.
            let quantised = Quantised::new(&values, &[3, 5], bits);
            prop_assert_eq!(quantised.integers().len(), 15);
            prop_assert!(quantised.integers().iter().all(|integer| integer.abs() <= bits.largest()));
            for (index, (x, back)) in values.iter().zip(quantised.expand()).enumerate() {
                let step = quantised.scales()[index / 5];
                prop_assert!((x - back).abs() <= 0.5001 * step, "{} became {} with steps of {}", x, back, step);
            }
        }
    }
}

//! Decoded values to 8-bit pixels.

/// `clamp(x / 2 + 1/2)` to 0..=255, ties to even, as diffusers' image processor does.
pub fn to_rgb8(values: &[f32]) -> Vec<u8> {
    values.iter().map(|&x| ((x * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_and_clamps() {
        assert_eq!(to_rgb8(&[-1.0, 1.0, 0.0, -7.0, 7.0, f32::NAN]), [0, 255, 128, 0, 255, 0]);
    }
}

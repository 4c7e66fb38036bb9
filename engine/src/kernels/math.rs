//! Transcendental functions in f32 as fixed sequences of operations.
//!
//! The polynomials are weighted least-squares fits (Lawson iteration, which approaches the minimax polynomial) made with
//! mpmath at 40 digits; `tools/reference/fit_polynomials.py` makes them again. Errors are against correctly rounded results.

use std::f32::consts::{FRAC_2_SQRT_PI, LOG2_E};

/// ln 2 split so that `n * LN2_HI` is exact for the `n` that occur.
const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;
/// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
const ROUND: f32 = 12_582_912.0;
/// Below this the result is 0: no subnormal results, which some devices flush and others do not.
const EXP_UNDERFLOW: f32 = -87.336_54;
const EXP_OVERFLOW: f32 = 88.722_83;

/// e^x with a relative error under 1.5e-7; 0 below -87.34, capped at e^88.72 above.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let clamped = x.clamp(EXP_UNDERFLOW, EXP_OVERFLOW);
    let shifted = clamped.mul_add(LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LO, n.mul_add(-LN2_HI, clamped));
    let p = 1.394_116_2e-3_f32.mul_add(r, 8.363_205e-3);
    let p = p.mul_add(r, 4.166_637_4e-2);
    let p = p.mul_add(r, 1.666_657_6e-1);
    let p = p.mul_add(r, 0.5);
    let p = (p * r).mul_add(r, r) + 1.0;
    // n is an integer in -126..=128, and the low bits of `shifted` (a cast of n saturates, which no vector unit does).
    // Two factors, because 2^128 has no f32.
    let integer = shifted.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
    let half = integer >> 1;
    let scale = |e: i32| f32::from_bits((e.wrapping_add(127).cast_unsigned()) << 23);
    let y = p * scale(half) * scale(integer.wrapping_sub(half));
    if x < EXP_UNDERFLOW { 0.0 } else { y }
}

/// The error function with an absolute error under 1.2e-7.
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let t = x.abs().min(4.05);
    let u = x * x;
    let s = 8.215_423_4e-5_f32.mul_add(u, -8.105_965e-4);
    let s = s.mul_add(u, 5.197_797e-3);
    let s = s.mul_add(u, -2.685_810_4e-2);
    let s = s.mul_add(u, 1.128_367_3e-1);
    let s = s.mul_add(u, -3.761_263_2e-1);
    let s = s.mul_add(u, FRAC_2_SQRT_PI);
    let small = s * x;
    let q = 6.628_214e-7_f32.mul_add(t, 1.232_987_8e-5);
    let q = q.mul_add(t, -3.847_849_1e-4);
    let q = q.mul_add(t, 4.013_395e-3);
    let q = q.mul_add(t, -2.481_279_2e-2);
    let q = q.mul_add(t, 1.079_057e-1);
    let q = q.mul_add(t, 6.336_273e-1);
    let q = q.mul_add(t, 1.129_397);
    let q = q.mul_add(t, -1.533_821_8e-4);
    let large = (1.0 - exp(-q)).copysign(x);
    if t < 0.92 { small } else { large }
}

/// x sigmoid(x), also called swish.
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// Exact (erf) GELU, as PyTorch's default.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    (0.5 * x) * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// x sigmoid(1.702 x), CLIP's original activation.
#[inline(always)]
pub(crate) fn quick_gelu(x: f32) -> f32 {
    x / (1.0 + exp(-1.702 * x))
}

/// x tanh(softplus(x)), with tanh(ln(1 + e^x)) = (n^2 - 1) / (n^2 + 1) for n = 1 + e^x.
#[inline(always)]
pub(crate) fn mish(x: f32) -> f32 {
    // Above 20 the factor rounds to 1, and e^2x would overflow from 44 on.
    let e = exp(x.min(20.0));
    let n = e * (e + 2.0);
    x * (n / (n + 2.0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn worst(range: std::ops::Range<f32>, f: fn(f32) -> f32, exact: fn(f64) -> f64, relative: bool) -> f64 {
        let steps = 200_000;
        (0..=steps)
            .map(|i| range.start + (range.end - range.start) * i as f32 / steps as f32)
            .map(|x| {
                let (got, want) = (f64::from(f(x)), exact(f64::from(x)));
                (got - want).abs() / if relative { want.abs().max(1e-300) } else { 1.0 }
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn exp_is_accurate_and_saturates() {
        assert!(worst(-87.3..88.7, exp, f64::exp, true) < 1.5e-7);
        assert_eq!(exp(-1000.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(1000.0).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn erf_and_gelu_are_accurate() {
        assert!(worst(-6.0..6.0, erf, libm::erf, false) < 1.2e-7);
        let exact = |x: f64| 0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2));
        assert!(worst(-8.0..8.0, gelu, exact, false) < 5e-7);
    }

    #[test]
    fn sigmoid_family_is_accurate() {
        assert!(worst(-30.0..30.0, silu, |x| x / (1.0 + (-x).exp()), true) < 4e-7);
        assert!(worst(-15.0..15.0, quick_gelu, |x| x / (1.0 + (-1.702 * x).exp()), true) < 3e-6);
        assert!(worst(-15.0..60.0, mish, |x| x * x.exp().ln_1p().tanh(), true) < 6e-7);
    }
}

//! Elementwise passes.

use super::isa::per_isa;
use super::math;

/// Activation functions that configurations name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Silu,
    Gelu,
    QuickGelu,
    Mish,
    Relu,
}

macro_rules! in_place {
    ($name:ident, $f:expr) => {
        per_isa! {
            fn $name(data: &mut [f32]) {
                for x in data {
                    *x = $f(*x);
                }
            }
        }
    };
}
in_place!(silu, math::silu);
in_place!(gelu, math::gelu);
in_place!(quick_gelu, math::quick_gelu);
in_place!(mish, math::mish);
in_place!(relu, |x: f32| if x > 0.0 { x } else { 0.0 });

impl Activation {
    /// Applies the activation in place.
    pub(crate) fn apply(self, data: &mut [f32]) {
        match self {
            Activation::Silu => silu(data),
            Activation::Gelu => gelu(data),
            Activation::QuickGelu => quick_gelu(data),
            Activation::Mish => mish(data),
            Activation::Relu => relu(data),
        }
    }
}

per_isa! {
    /// GEGLU (Shazeer, 2020): `out = value * gelu(gate)`.
    pub(crate) fn geglu(value: &[f32], gate: &[f32], out: &mut [f32]) {
        for ((out, value), gate) in out.iter_mut().zip(value).zip(gate) {
            *out = value * math::gelu(*gate);
        }
    }
}

per_isa! {
    /// `out += x`.
    pub(crate) fn add(out: &mut [f32], x: &[f32]) {
        for (out, x) in out.iter_mut().zip(x) {
            *out += x;
        }
    }
}

per_isa! {
    /// `data /= divisor`.
    pub(crate) fn divide(data: &mut [f32], divisor: f32) {
        for x in data {
            *x /= divisor;
        }
    }
}

per_isa! {
    /// `data *= factor`.
    pub(crate) fn scale(data: &mut [f32], factor: f32) {
        for x in data {
            *x *= factor;
        }
    }
}

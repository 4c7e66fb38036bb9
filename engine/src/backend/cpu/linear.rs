//! Linear layers.

use half::{bf16, f16};

use crate::error::Result;
use crate::kernels::gemm::{Dense, Packed, Store, gemm};
use crate::kernels::parallel::Par;
use crate::weights::{RawTensor, Source};

/// Packs one matrix in the number format it came in; `index(k, n)` says where an element lies.
pub(super) fn pack(raw: &RawTensor, k: usize, n: usize, index: impl Fn(usize, usize) -> usize) -> Packed {
    match raw {
        RawTensor::F32(data) => Packed::from_f32(k, n, |p, j| data[index(p, j)]),
        RawTensor::F16(data) => Packed::from_f16(k, n, |p, j| data[index(p, j)]),
        RawTensor::Bf16(data) => Packed::from_bf16(k, n, |p, j| data[index(p, j)]),
    }
}

/// Packs several `(out, in)` matrices side by side, as one product that makes all their outputs.
fn pack_joined(parts: &[RawTensor], k: usize, n_each: usize) -> Packed {
    let n = parts.len() * n_each;
    let at = |p: usize, j: usize| (j / n_each, j % n_each * k + p);
    let all_f16: Option<Vec<&Vec<f16>>> =
        parts.iter().map(|part| if let RawTensor::F16(data) = part { Some(data) } else { None }).collect();
    let all_bf16: Option<Vec<&Vec<bf16>>> =
        parts.iter().map(|part| if let RawTensor::Bf16(data) = part { Some(data) } else { None }).collect();
    match (all_f16, all_bf16) {
        (Some(parts), _) => Packed::from_f16(k, n, |p, j| {
            let (part, i) = at(p, j);
            parts[part][i]
        }),
        (_, Some(parts)) => Packed::from_bf16(k, n, |p, j| {
            let (part, i) = at(p, j);
            parts[part][i]
        }),
        _ => {
            let parts: Vec<Vec<f32>> = parts.iter().map(RawTensor::to_f32).collect();
            Packed::from_f32(k, n, |p, j| {
                let (part, i) = at(p, j);
                parts[part][i]
            })
        }
    }
}

/// `y = x W^T + b`.
pub(crate) struct Linear {
    weight: Packed,
    bias: Option<Vec<f32>>,
}

impl Linear {
    /// Loads `weight` `(out, in)` and, if wanted, `bias`.
    pub(crate) fn load(source: &Source<'_>, inputs: usize, outputs: usize, bias: bool) -> Result<Self> {
        let weight = pack(&source.read("weight", &[outputs, inputs])?, inputs, outputs, |p, j| j * inputs + p);
        let bias = if bias { Some(source.read_f32("bias", &[outputs])?) } else { None };
        Ok(Self { weight, bias })
    }

    /// A 1x1 convolution, `(out, in, 1, 1)`, which is a linear layer over pixels.
    pub(crate) fn load_pointwise(source: &Source<'_>, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = pack(&source.read("weight", &[outputs, inputs, 1, 1])?, inputs, outputs, |p, j| j * inputs + p);
        Ok(Self { weight, bias: Some(source.read_f32("bias", &[outputs])?) })
    }

    /// Several layers of the same input as one: outputs side by side.
    pub(crate) fn load_joined(
        source: &Source<'_>,
        names: &[&str],
        inputs: usize,
        outputs_each: usize,
        bias: bool,
    ) -> Result<Self> {
        let mut parts = Vec::new();
        let mut biases = Vec::new();
        for name in names {
            let source = source.sub(name);
            parts.push(source.read("weight", &[outputs_each, inputs])?);
            if bias {
                biases.extend(source.read_f32("bias", &[outputs_each])?);
            }
        }
        Ok(Self { weight: pack_joined(&parts, inputs, outputs_each), bias: bias.then_some(biases) })
    }

    pub(crate) fn inputs(&self) -> usize {
        self.weight.k()
    }

    pub(crate) fn outputs(&self) -> usize {
        self.weight.n()
    }

    /// `out = layer(x)` for `rows` rows.
    pub(crate) fn write(&self, x: &[f32], rows: usize, out: &mut [f32], par: Par) {
        self.run(x, rows, out, Store::write(self.bias.as_deref()), par);
    }

    /// `out += layer(x)` for `rows` rows.
    pub(crate) fn add(&self, x: &[f32], rows: usize, out: &mut [f32], par: Par) {
        self.run(x, rows, out, Store::add(self.bias.as_deref()), par);
    }

    fn run(&self, x: &[f32], rows: usize, out: &mut [f32], store: Store<'_>, par: Par) {
        gemm(&Dense::new(x, self.inputs(), self.inputs()), rows, &self.weight, out, self.outputs(), store, par);
    }
}

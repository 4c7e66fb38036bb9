//! Two-dimensional convolutions as products over gathered rows.
//!
//! With stride 1 all taps are the same rows shifted: frames are laid out once with a gap of zeros before every row and
//! every frame (one gather, which also scales up), and each tap is then a contiguous view at another offset. Views are put
//! side by side with plain two-dimensional copies and multiplied. Other strides gather every tap by index.

use std::ops::Range;

use candle_core::Tensor;

use super::norm::GroupNorm;
use super::pieces::{join, ranges};
use super::tables::Table;
use super::{Map, Tensors, product};
use crate::backend::{ConvSpec, GroupNormSpec, MapShape};
use crate::error::Result;
use crate::kernels::elementwise::Activation;
use crate::weights::Source;

/// Rows `range` of every view of `rows` that starts at one of `offsets`, side by side: `(range, offsets * channels)`.
pub(super) fn side_by_side(rows: &Tensor, offsets: &[usize], range: &Range<usize>) -> Result<Tensor> {
    let views = offsets
        .iter()
        .map(|offset| rows.narrow(0, offset + range.start, range.len()))
        .collect::<candle_core::Result<Vec<_>>>()?;
    Ok(Tensor::cat(&views, 1)?)
}

/// A convolution with its weights.
#[derive(Debug)]
pub(crate) struct Conv {
    spec: ConvSpec,
    /// `(taps * in_channels, out_channels)`.
    weight: Tensor,
    bias: Tensor,
}

/// A size on both sides of a convolution.
struct Sizes {
    scaled: (usize, usize),
    output: (usize, usize),
}

impl Conv {
    pub(super) fn load(backend: &Tensors, source: &Source<'_>, spec: ConvSpec) -> Result<Self> {
        let bias = backend.read(source, "bias", &[spec.out_channels])?;
        Self::load_with_bias(backend, source, spec, &bias)
    }

    /// With a bias in main memory in place of its own.
    pub(super) fn load_with_bias(
        backend: &Tensors,
        source: &Source<'_>,
        spec: ConvSpec,
        bias: &Tensor,
    ) -> Result<Self> {
        let ConvSpec { in_channels, out_channels, kernel, .. } = spec;
        let weight = backend.read(source, "weight", &[out_channels, in_channels, kernel, kernel])?;
        let by_tap =
            weight.permute((0, 2, 3, 1))?.contiguous()?.reshape((out_channels, kernel * kernel * in_channels))?;
        Ok(Self { spec, weight: backend.place_factor(&by_tap)?.t()?, bias: backend.place(bias)? })
    }

    /// Convolves each frame, after scaling it to `scaled` (height, width) if that is given; `bias` replaces the layer's own.
    pub(super) fn forward(
        &self,
        backend: &Tensors,
        x: &Map,
        scaled: Option<(usize, usize)>,
        bias: Option<&Tensor>,
    ) -> Result<Map> {
        let ConvSpec { out_channels, kernel, stride, padding, .. } = self.spec;
        let scaled = scaled.unwrap_or((x.shape.height, x.shape.width));
        let extent = |len: usize| (len + padding.0 + padding.1).saturating_sub(kernel) / stride + 1;
        let sizes = Sizes { scaled, output: (extent(scaled.0), extent(scaled.1)) };
        let bias = bias.unwrap_or(&self.bias);
        let rows = if kernel == 1 && stride == 1 && padding == (0, 0) && scaled == (x.shape.height, x.shape.width) {
            product(&x.rows()?, &self.weight)?.broadcast_add(bias)?
        } else if stride == 1 && sizes.output == scaled {
            self.shifted(backend, x, &sizes, bias)?
        } else {
            self.gathered(backend, x, &sizes, bias)?
        };
        let (height, width) = sizes.output;
        Map::new(MapShape { frames: x.shape.frames, height, width, channels: out_channels }, &rows)
    }

    fn field_bytes(&self, x: &Map) -> usize {
        self.spec.kernel * self.spec.kernel * self.spec.in_channels * x.values.dtype().size_in_bytes()
    }

    fn shifted(&self, backend: &Tensors, x: &Map, sizes: &Sizes, bias: &Tensor) -> Result<Tensor> {
        let ConvSpec { out_channels, kernel, padding, .. } = self.spec;
        let (frames, (height, width)) = (x.shape.frames, sizes.scaled);
        let gap = padding.0.max(padding.1);
        let (lines, line) = (height + gap, width + gap);
        let margin = gap * (line + 1);
        let input = (x.shape.height, x.shape.width);
        let table =
            backend.tables.get(Table::Padded { frames, input, scaled: sizes.scaled, gap, margin }, &backend.device)?;
        let padded = x.rows()?.index_select(&table, 0)?;
        let offsets: Vec<usize> = (0..kernel * kernel)
            .map(|tap| margin + tap / kernel * line + tap % kernel - padding.0 * (line + 1))
            .collect();

        let mut pieces = Vec::new();
        let field_bytes = self.field_bytes(x);
        for range in ranges(frames, lines * line * field_bytes, backend.bounds.fields) {
            // Lines of a frame that is too large on its own; whole frames otherwise.
            let bound = if range.len() == 1 { backend.bounds.fields } else { usize::MAX };
            let cuts = ranges(height, line * field_bytes, bound);
            for cut in cuts {
                let whole = cut == (0..height);
                let first = (range.start * lines + if whole { 0 } else { gap + cut.start }) * line;
                let (skipped, count) = if whole { (gap, lines) } else { (0, cut.len()) };
                let rows = range.len() * count * line;
                let fields = side_by_side(&padded, &offsets, &(first..first + rows))?;
                let out = product(&fields, &self.weight)?;
                drop(fields);
                let inside = out
                    .reshape((range.len(), count, line, out_channels))?
                    .narrow(1, skipped, cut.len())?
                    .narrow(2, gap, width)?;
                let biased = inside.broadcast_add(bias)?;
                pieces.push(biased.reshape((range.len() * cut.len() * width, out_channels))?);
            }
        }
        join(pieces, 0)
    }

    fn gathered(&self, backend: &Tensors, x: &Map, sizes: &Sizes, bias: &Tensor) -> Result<Tensor> {
        let ConvSpec { in_channels, kernel, stride, padding, .. } = self.spec;
        let Sizes { scaled, output } = *sizes;
        let table =
            Table::Taps { input: (x.shape.height, x.shape.width), scaled, output, kernel, stride, before: padding.0 };
        let table = backend.tables.get(table, &backend.device)?;
        let (taps, pixels) = (kernel * kernel, output.0 * output.1);
        let frames = x.frames()?;
        let mut pieces = Vec::new();
        let field_bytes = self.field_bytes(x);
        for range in ranges(x.shape.frames, pixels * field_bytes, backend.bounds.fields) {
            let frames = frames.narrow(0, range.start, range.len())?;
            let bound = if range.len() == 1 { backend.bounds.fields } else { usize::MAX };
            let cuts = ranges(pixels, field_bytes, bound);
            for cut in cuts {
                let fields = frames.index_select(&table.narrow(0, cut.start * taps, cut.len() * taps)?, 1)?;
                let fields = fields.reshape((range.len() * cut.len(), taps * in_channels))?;
                pieces.push(product(&fields, &self.weight)?.broadcast_add(bias)?);
            }
        }
        join(pieces, 0)
    }
}

/// Group norm per frame, SiLU, convolution.
#[derive(Debug)]
pub(crate) struct NormConv {
    norm: GroupNorm,
    conv: Conv,
}

impl NormConv {
    pub(super) fn load(
        backend: &Tensors,
        norm: &Source<'_>,
        conv: &Source<'_>,
        norm_spec: GroupNormSpec,
        conv_spec: ConvSpec,
    ) -> Result<Self> {
        Ok(Self { norm: GroupNorm::load(backend, norm, norm_spec)?, conv: Conv::load(backend, conv, conv_spec)? })
    }

    pub(super) fn forward(&self, backend: &Tensors, x: &Map) -> Result<Map> {
        let normed = self.norm.each_frame(x, Some(Activation::Silu))?;
        self.conv.forward(backend, &x.like(x.shape.channels, &normed)?, None, None)
    }
}

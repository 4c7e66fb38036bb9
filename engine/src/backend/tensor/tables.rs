//! Index tables of convolutions, on the device.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use candle_core::{Device, Tensor};

use crate::error::Result;

/// What candle's `index_select` turns into zeros.
pub(super) const ZERO: u32 = u32::MAX;
/// Tables kept; a model needs about twenty for one clip size.
const MAX_TABLES: usize = 128;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Table {
    /// Frames of `input` (height, width), scaled to `scaled`, with `gap` zeros before every row, `gap` rows of zeros before
    /// every frame, and `margin` zeros before and after it all.
    Padded { frames: usize, input: (usize, usize), scaled: (usize, usize), gap: usize, margin: usize },
    /// Every tap of every output pixel of one frame.
    Taps {
        input: (usize, usize),
        scaled: (usize, usize),
        output: (usize, usize),
        kernel: usize,
        stride: usize,
        before: usize,
    },
}

/// Tables made so far.
#[derive(Debug, Default)]
pub(super) struct Tables {
    made: Mutex<HashMap<Table, Tensor>>,
}

impl Tables {
    pub(super) fn get(&self, table: Table, device: &Device) -> Result<Tensor> {
        // A panic elsewhere can't leave the map half-changed.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tensor) = made.get(&table) {
            return Ok(tensor.clone());
        }
        let indices = table.indices();
        let len = indices.len();
        let tensor = Tensor::from_vec(indices, len, device)?;
        if made.len() >= MAX_TABLES {
            made.clear();
        }
        made.insert(table, tensor.clone());
        Ok(tensor)
    }
}

impl Table {
    fn indices(self) -> Vec<u32> {
        match self {
            Table::Padded { frames, input, scaled, gap, margin } => {
                let axis = |from, to| -> Vec<Option<usize>> {
                    std::iter::repeat_n(None, gap).chain((0..to).map(|at| Some(nearest(at, from, to)))).collect()
                };
                let (rows, columns) = (axis(input.0, scaled.0), axis(input.1, scaled.1));
                let zeros = std::iter::repeat_n(ZERO, margin);
                let mut indices: Vec<u32> = zeros.clone().collect();
                for frame in 0..frames {
                    let first = frame * input.0 * input.1;
                    indices.extend(
                        rows.iter().flat_map(|&row| columns.iter().map(move |&column| at(first, row, column, input.1))),
                    );
                }
                indices.extend(zeros);
                indices
            }
            Table::Taps { input, scaled, output, kernel, stride, before } => {
                let source = |out: usize, tap: usize, from: usize, to: usize| {
                    (out * stride + tap).checked_sub(before).filter(|&at| at < to).map(|at| nearest(at, from, to))
                };
                let mut indices = Vec::with_capacity(output.0 * output.1 * kernel * kernel);
                for y in 0..output.0 {
                    for x in 0..output.1 {
                        for ky in 0..kernel {
                            let row = source(y, ky, input.0, scaled.0);
                            indices.extend((0..kernel).map(|kx| at(0, row, source(x, kx, input.1, scaled.1), input.1)));
                        }
                    }
                }
                indices
            }
        }
    }
}

fn at(first: usize, row: Option<usize>, column: Option<usize>, width: usize) -> u32 {
    match (row, column) {
        (Some(row), Some(column)) => (first + row * width + column) as u32,
        _ => ZERO,
    }
}

/// PyTorch's nearest-neighbour source index: the scale is rounded to f32 first.
fn nearest(at: usize, from: usize, to: usize) -> usize {
    if from == to {
        return at;
    }
    let scale = from as f32 / to as f32;
    ((at as f32 * scale) as usize).min(from - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_frames_share_their_gaps() {
        let table = Table::Padded { frames: 2, input: (1, 2), scaled: (1, 2), gap: 1, margin: 1 };
        let z = ZERO;
        assert_eq!(table.indices(), [z, z, z, z, z, 0, 1, z, z, z, z, 2, 3, z]);
    }

    #[test]
    fn upsampling_two_to_five_follows_pytorch() {
        let table = Table::Taps { input: (1, 2), scaled: (1, 5), output: (1, 5), kernel: 1, stride: 1, before: 0 };
        assert_eq!(table.indices(), [0, 0, 0, 1, 1]);
    }

    #[test]
    fn downsampling_pads_after_the_last_pixel() {
        // One row of four pixels, kernel 3, stride 2, a zero after the end: outputs see 0 1 2 and 2 3 zero.
        let table = Table::Taps { input: (1, 4), scaled: (1, 4), output: (1, 2), kernel: 3, stride: 2, before: 0 };
        let z = ZERO;
        assert_eq!(table.indices()[..3], [0, 1, 2]);
        assert_eq!(table.indices()[9..12], [2, 3, z]);
        assert_eq!(table.indices()[3..9], [z; 6]);
    }
}

//! How spatial and temporal layers are cut into tasks.

use crate::kernels::parallel::Par;

/// Rows a task's products should have, so that weights read from memory are used often enough.
const MIN_ROWS: usize = 128;
/// Floats of scratch a frame may need before frames run one after another with all threads inside each.
const MAX_SCRATCH_FLOATS: usize = 24 << 20;
/// Floats of scratch of a task over pixel columns.
const COLUMN_SCRATCH_FLOATS: usize = 192 << 10;

/// Frames per task, who runs the tasks, and who runs the work inside a task.
pub(super) struct FrameSplit {
    pub(super) frames_per_task: usize,
    pub(super) outer: Par,
    pub(super) inner: Par,
}

/// Splits `frames` of `pixels` pixels each, whose scratch is `floats_per_pixel` floats for every pixel.
pub(super) fn frames(par: Par, frames: usize, pixels: usize, floats_per_pixel: usize) -> FrameSplit {
    if par.threads() > 1 && pixels * floats_per_pixel > MAX_SCRATCH_FLOATS {
        return FrameSplit { frames_per_task: 1, outer: Par::Serial, inner: par };
    }
    let wanted = MIN_ROWS.div_ceil(pixels).max(1);
    let frames_per_task = wanted.min(frames.div_ceil(par.threads()));
    let tasks = frames.div_ceil(frames_per_task);
    FrameSplit { frames_per_task, outer: par, inner: par.only_if(tasks < par.threads()) }
}

/// Pixels per task when every pixel column has `floats` floats of scratch.
pub(super) fn columns(par: Par, pixels: usize, floats: usize) -> usize {
    let fits = (COLUMN_SCRATCH_FLOATS / floats).max(1);
    let threads = par.threads();
    if threads == 1 { fits.min(pixels) } else { fits.min(pixels.div_ceil(threads)) }
}

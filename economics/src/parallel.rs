//! Independent pieces of work, on all cores when the feature is on. Results are in order either way.

#[cfg(feature = "parallel")]
pub(crate) fn map<T: Send + Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Send + Sync) -> Vec<R> {
    use rayon::prelude::*;
    items.par_iter().map(work).collect()
}

#[cfg(not(feature = "parallel"))]
pub(crate) fn map<T, R>(items: &[T], work: impl Fn(&T) -> R) -> Vec<R> {
    items.iter().map(work).collect()
}

/// Runs over blocks of items that it may change.
#[cfg(feature = "parallel")]
pub(crate) fn map_blocks<T: Send, R: Send>(
    items: &mut [T],
    block: usize,
    work: impl Fn(&mut [T]) -> R + Send + Sync,
) -> Vec<R> {
    use rayon::prelude::*;
    items.par_chunks_mut(block).map(work).collect()
}

#[cfg(not(feature = "parallel"))]
pub(crate) fn map_blocks<T, R>(items: &mut [T], block: usize, work: impl Fn(&mut [T]) -> R) -> Vec<R> {
    items.chunks_mut(block).map(work).collect()
}

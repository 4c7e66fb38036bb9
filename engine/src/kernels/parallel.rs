//! Splitting work over threads. How work is split never changes a result (see the module above).

use rayon::prelude::*;

/// Whether a kernel may use the other threads of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Par {
    /// Stay on this thread: the caller already keeps the others busy.
    Serial,
    /// Use the pool.
    Threads,
}

impl Par {
    /// Threads this call can use.
    pub(crate) fn threads(self) -> usize {
        match self {
            Par::Serial => 1,
            Par::Threads => rayon::current_num_threads(),
        }
    }

    /// `Threads` only where `parallel` holds.
    pub(crate) fn only_if(self, parallel: bool) -> Self {
        if parallel { self } else { Par::Serial }
    }

    /// Runs `task(0) .. task(count - 1)`.
    pub(crate) fn run(self, count: usize, task: impl Fn(usize) + Sync + Send) {
        if count == 1 || self.threads() == 1 {
            (0..count).for_each(task);
        } else {
            (0..count).into_par_iter().with_max_len(1).for_each(task);
        }
    }

    /// Runs `task(i, chunk)` on consecutive chunks of `len` elements.
    pub(crate) fn chunks<T: Send>(self, data: &mut [T], len: usize, task: impl Fn(usize, &mut [T]) + Sync + Send) {
        if data.len() <= len || self.threads() == 1 {
            data.chunks_mut(len).enumerate().for_each(|(i, chunk)| task(i, chunk));
        } else {
            data.par_chunks_mut(len).enumerate().with_max_len(1).for_each(|(i, chunk)| task(i, chunk));
        }
    }
}

/// A pointer that tasks share to write disjoint parts of one buffer.
#[derive(Clone, Copy)]
pub(crate) struct SharedMut(*mut f32);

// SAFETY: users write disjoint ranges only; every `slice` call states why its range is its own.
#[allow(unsafe_code)]
unsafe impl Send for SharedMut {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for SharedMut {}

impl SharedMut {
    pub(crate) fn new(data: &mut [f32]) -> Self {
        Self(data.as_mut_ptr())
    }

    /// The raw pointer at an element offset.
    ///
    /// # Safety
    /// `offset` must lie inside the buffer this was made from.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(offset) }
    }

    /// Elements `offset .. offset + len`.
    ///
    /// # Safety
    /// The range must lie inside the buffer this was made from, which must outlive `'a`, and no other slice of it may
    /// overlap while this one lives.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn slice<'a>(self, offset: usize, len: usize) -> &'a mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(offset), len) }
    }
}

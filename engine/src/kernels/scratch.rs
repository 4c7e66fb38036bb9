//! Per-thread buffers that are used again: a kernel's temporaries would otherwise cost a page fault per 4 KB.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Buffers a thread keeps at most; more are freed.
const KEPT_BUFFERS: usize = 12;

thread_local! {
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of `len` floats with unspecified contents, given back to its thread on drop.
pub(crate) struct Scratch {
    buffer: Vec<f32>,
    len: usize,
}

impl Scratch {
    /// Takes the smallest free buffer that is large enough, or grows one.
    pub(crate) fn new(len: usize) -> Self {
        let mut buffer = FREE
            .with_borrow_mut(|free| {
                let fits = (0..free.len()).filter(|&i| free[i].len() >= len).min_by_key(|&i| free[i].len());
                fits.or_else(|| (0..free.len()).max_by_key(|&i| free[i].len())).map(|i| free.swap_remove(i))
            })
            .unwrap_or_default();
        if buffer.len() < len {
            // A fresh zeroed vector rather than `resize`: nothing is copied and the kernel hands out zero pages.
            drop(std::mem::take(&mut buffer));
            buffer = vec![0.0; len];
        }
        Self { buffer, len }
    }
}

impl Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.buffer[..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        FREE.with_borrow_mut(|free| {
            if free.len() < KEPT_BUFFERS {
                free.push(buffer);
            }
        });
    }
}

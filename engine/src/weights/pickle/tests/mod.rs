//! Files that PyTorch wrote, files made to hurt a reader, and arbitrary bytes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod arbitrary;
mod crafted;
mod support;
mod torch_files;

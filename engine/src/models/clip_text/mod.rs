//! CLIP's text encoder (Radford et al., 2021), `CLIPTextModel` in transformers.
//!
//! It always runs on the CPU in f32 with the canonical kernels, whatever device denoises: 77 tokens once per job cost
//! little, and so the text states that a proof commits to have the same bits everywhere.

mod config;
mod model;
mod tokenizer;

pub(crate) use config::ClipTextConfig;
pub(crate) use model::ClipText;
pub use tokenizer::{ClipTokenizer, Tokens};

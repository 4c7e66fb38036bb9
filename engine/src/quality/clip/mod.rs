//! Frame-wise CLIP similarity (Radford et al. 2021, "Learning Transferable Visual Models").
//!
//! [`Clip`] reads a standard transformers `CLIPModel` folder: `config.json`,
//! `preprocessor_config.json`, `model.safetensors`, and `vocab.json` + `merges.txt` or
//! `tokenizer.json`. Features are those of transformers to f32 rounding, tokens are identical, the
//! resized pixels are Pillow's to the bit. Both towers are written here rather than taken from
//! candle-transformers, whose CLIP fixes the activation and the layer-norm epsilon, fills a missing
//! class embedding with random numbers, and pools at the largest token instead of the end token.
//!
//! CLIP sees single frames: it judges what is shown, not how it moves.

mod config;
mod model;
mod preprocess;
mod similarity;

pub use crate::models::clip_text::{ClipTokenizer, Tokens};
pub use config::{Activation, ClipConfig, TextConfig, VisionConfig};
pub use model::Clip;
pub use preprocess::Preprocessor;
pub use similarity::{Calibration, ClipSimilarity, cosine};

//! InferNet's engine: text-to-video diffusion from files to frames, without Python.
//!
//! | module | what it does |
//! |---|---|
//! | [`pipeline`] | prompt to frames: text, noise, steps with guidance, decoding; the [`pipeline::VideoModel`] trait |
//! | [`sharding`] | one clip by several machines: plans, the `Collective` they exchange over, members and leader, planner |
//! | [`schedulers`] | DDIM, DPM-Solver++ 2M and Euler as pure, elementwise, portable steps |
//! | [`noise`] | seeded noise with the same bits everywhere, any element alone |
//! | [`weights`] | safetensors and pickles, read strictly and without executing anything |
//! | [`store`] | the models on this computer: catalogue, download, import, verification, digests |
//! | [`devices`] | GPUs, CPU and memory, what is used and why not |
//! | [`quality`] | scores that rewards are paid by, and the check that refuses clips that are no videos |
//! | [`video`] | H.264 MP4, GIF and PNG, both ways where needed |
//! | [`parity`] | comparing all of it with diffusers and transformers |
//!
//! Inside: `kernels` (CPU arithmetic that gives the same bits on every CPU and for every number of threads), `backend`
//! (the layers a model is made of, on the CPU or on candle's devices) and `models` (UNet3D, `AutoencoderKL`, CLIP text).
//!
//! Invariants: nothing here opens a network port or starts a process, other than downloads that [`store`] is asked for
//! and the probe that [`devices`] is told to run; nothing is written that the caller did not name; a model file never
//! executes anything. This folder is `engine/`.

mod backend;
pub mod devices;
mod error;
mod kernels;
mod models;
pub mod noise;
pub mod parity;
pub mod pipeline;
pub mod quality;
pub mod schedulers;
pub mod sharding;
pub mod store;
pub mod video;
pub mod weights;

pub use candle_core::Device;
pub use error::{EngineError, Result};

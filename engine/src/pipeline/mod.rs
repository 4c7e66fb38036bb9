//! From a prompt to frames: text, noise, steps with classifier-free guidance, decoding.

mod checkpoint;
mod elementwise;
mod frames;
mod generate;
mod loader;
mod memory;
mod model;
mod observe;
mod request;
mod step_noise;
mod trace;
mod unet3d;

pub use checkpoint::Checkpoint;
pub use elementwise::{guided_output, initial_state, next_state};
pub use frames::to_rgb8;
pub use generate::{Control, Generated, Progress, generate, generate_from};
pub use loader::{DeviceMemory, LoadOptions, TensorDevice, load};
pub(crate) use loader::{check_index, check_parts};
pub use memory::{check_memory, estimated_peak_bytes, latent_shape, model_defaults};
pub(crate) use memory::{shape_of, working_values};
pub use model::{Branch, Denoiser, LatentShape, Precision, TextStates, VideoModel};
pub use observe::{Observer, Step};
pub use request::{GenerateRequest, ModelDefaults};
pub use step_noise::StepNoise;
pub use trace::{Trace, read_tensor};
pub use unet3d::cpu_kernels;

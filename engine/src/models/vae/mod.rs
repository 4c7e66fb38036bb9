//! `AutoencoderKL`: between pixels and latents, frame by frame (Rombach et al., 2022).

mod config;
mod model;

pub(crate) use config::VaeConfig;
pub(crate) use model::Vae;

//! `UNet3DConditionModel`: ModelScope's text-to-video UNet (Wang et al., 2023) as diffusers has it; ZeroScope is the same
//! network trained further.

mod blocks;
mod config;
mod model;

pub(crate) use config::UNet3DConfig;
pub(crate) use model::{TextContext, UNet3D};

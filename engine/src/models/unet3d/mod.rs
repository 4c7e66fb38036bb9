//! `UNet3DConditionModel`: ModelScope's text-to-video UNet (Wang et al., 2023) as diffusers has it; ZeroScope is the same
//! network trained further.

mod config;
mod layer;
mod layers;
mod model;
mod program;

pub(crate) use config::UNet3DConfig;
pub(crate) use layer::Layer;
pub(crate) use layers::{Layers, Lent};
pub(crate) use model::{Evaluation, Lane, TextContext, UNet3D, skip_unused};
pub(crate) use program::{Unit, UnitKind, program};

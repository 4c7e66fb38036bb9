//! Model families. Each is wiring over a [`crate::backend::Backend`]: the names, orders and shapes of diffusers' classes.

pub(crate) mod clip_text;
pub(crate) mod config;
pub(crate) mod unet3d;
pub(crate) mod vae;

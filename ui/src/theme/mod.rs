//! How everything looks: tokens, fonts, icons, and egui's own style made from them.

mod apply;
mod fonts;
pub mod icons;
pub mod tokens;

pub use apply::{Appearance, apply, palette};
pub use fonts::{ICONS, MEDIUM, SEMIBOLD, install_fonts};

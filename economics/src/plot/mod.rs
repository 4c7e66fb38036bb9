//! Draws [`crate::figure::Figure`]s as SVG and PNG.
//!
//! Colours are told apart with any colour vision: curves in Okabe and Ito's palette, maps in viridis or orange to blue.
//! PNG is drawn at twice its size and averaged down. Text is Inter (assets/fonts, SIL Open Font License) in PNG and the
//! viewer's own sans-serif in SVG.

mod axis;
mod bars;
mod canvas;
mod colour;
mod heat;
mod layout;
mod lines;
mod output;

pub use output::{PlotFormat, render};

//! Studio: ordering clips, watching them come into being, playing and saving them.

mod gallery;
mod order;
mod page;
mod player;

pub use page::StudioState;
pub(crate) use page::studio;

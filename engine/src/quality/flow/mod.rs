//! Dense optical flow, and what a clip's frames look like when carried along it.
//!
//! The method is coarse to fine: on every level of an image pyramid, inverse-search patches (Kroeger
//! et al. 2016, "Fast Optical Flow using Dense Inverse Search") find the displacement, and a
//! variational refinement (Brox et al. 2004, "High Accuracy Optical Flow Estimation Based on a Theory
//! for Warping") smooths it where the picture says nothing. Unlike OpenCV's DIS, the pyramid goes down
//! to [`field::COARSEST_SIDE`] pixels, whose level is searched exhaustively, so that small clips with
//! motions larger than the moving thing are followed; and no patch depends on a neighbour that is
//! still being computed, so that the result has the same bits for any number of threads.
//!
//! [`consistency`] warps each frame back along the flow and measures what does not match.

pub mod consistency;
pub mod field;
mod image;
mod refine;
mod search;

#[cfg(test)]
mod tests;

pub use consistency::{PairConsistency, pair_consistency};
pub use field::{FlowField, optical_flow};
pub use image::Gray;

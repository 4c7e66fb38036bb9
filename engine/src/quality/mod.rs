//! Scores that rewards are paid by, and the check that refuses clips which are no videos.
//!
//! | module | what it answers |
//! |---|---|
//! | [`clip`] | does every frame show what the prompt says? (CLIP cosine, prompt fidelity) |
//! | [`lpips`] | how much do neighbouring frames differ to the eye? (LPIPS v0.1, AlexNet) |
//! | [`flow`] | where did every pixel go? (dense optical flow, occlusion, warping error) |
//! | [`score`] | MD-VQS: 0.4 prompt fidelity + 0.3 visual quality + 0.3 temporal consistency |
//! | [`authenticity`] | is it a video at all? (stills, blanks, noise and two-frame loops are refused) |
//!
//! Clips come in as a [`FramesView`] (RGB8, `frames x height x width x 3`) and nothing here reads
//! or writes a clip file. Models are standard folders (a transformers `CLIPModel`, the `lpips`
//! package's AlexNet); their SHA-256 digests travel with every score. Every number is a function
//! of the frames, the prompt and the weights alone: no clock, no randomness, no dependence on the
//! number of threads. A value that is not defined (motion in a single frame, fidelity to an empty
//! prompt) is `None`, never NaN.

pub mod authenticity;
pub mod clip;
mod error;
pub mod flow;
mod frames;
pub mod lpips;
mod resize;
pub mod score;
mod weights;

pub use error::QualityError;
pub use frames::FramesView;
pub use weights::ModelIdentity;

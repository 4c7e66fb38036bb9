//! The border to the H.264 library: one trait, so that another encoder or decoder can take its place.

use super::color::{Picture, PictureView};
pub use super::openh264_codec::OpenH264;
use super::{FrameRate, Result};

/// What an encoder is told about a clip.
#[derive(Debug, Clone, Copy)]
pub struct EncoderSettings {
    /// Width in luma samples, even.
    pub width: usize,
    /// Height in luma samples, even.
    pub height: usize,
    /// Rate of the pictures.
    pub frame_rate: FrameRate,
    /// Quantiser of every picture, the same throughout.
    pub quantizer: u8,
    /// Every so many pictures one that needs no other.
    pub keyframe_interval: u32,
}

/// An H.264 encoder and decoder.
pub trait Codec {
    /// Smallest width and height that [`Codec::encode`] takes.
    fn min_side(&self) -> usize;

    /// Largest long and short side that [`Codec::encode`] takes.
    fn max_sides(&self) -> (usize, usize);

    /// Encodes `pictures`, one access unit each, in order, in H.264 byte stream form (start codes), BT.709 limited range signalled.
    /// The same pictures and settings must give the same bytes.
    ///
    /// # Errors
    /// [`super::Error::Encode`].
    fn encode(&self, settings: &EncoderSettings, pictures: &mut dyn Iterator<Item = Picture>) -> Result<Vec<Vec<u8>>>;

    /// Decodes access units in byte stream form, the first of which has the parameter sets, and hands each picture to `sink` in
    /// display order. `sink`'s error stops it.
    ///
    /// # Errors
    /// [`super::Error::Decode`], or what `units` and `sink` return.
    fn decode(
        &self,
        units: &mut dyn Iterator<Item = Result<Vec<u8>>>,
        sink: &mut dyn FnMut(PictureView<'_>) -> Result<()>,
    ) -> Result<()>;
}

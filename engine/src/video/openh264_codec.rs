//! [`Codec`] on Cisco's OpenH264 (BSD-2-Clause), compiled in from source.
//!
//! It writes Constrained Baseline: no B-pictures, so decoding order is display order, and everything plays it. It reads Baseline,
//! Main and High (8-bit, 4:2:0, progressive), with B-pictures.

use openh264::OpenH264API;
use openh264::decoder::{DecodeOptions, DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig, FrameRate as MaxFrameRate, IntraFramePeriod, QpRange, RateControlMode,
    SpsPpsStrategy, UsageType, VuiConfig,
};
use openh264::formats::{YUVSlices, YUVSource};

use super::codec::{Codec, EncoderSettings};
use super::color::{Picture, PictureView};
use super::{Error, Result};

/// The library compiled into this program.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenH264;

/// Smallest quantiser that the library's rate control lets through.
pub(crate) const MIN_QUANTIZER: u8 = 12;
/// Largest quantiser of H.264.
pub(crate) const MAX_QUANTIZER: u8 = 51;

/// Goes into the library's level choice only, which the muxer replaces by one for the real bit rate.
const NOMINAL_BITS_PER_SECOND: u32 = 64_000;

fn encoder(settings: &EncoderSettings) -> Result<Encoder, openh264::Error> {
    let quantizer = settings.quantizer.clamp(MIN_QUANTIZER, MAX_QUANTIZER);
    let config = EncoderConfig::new()
        // Of the modes with a choosable quantiser, the one that does not complain on stderr when no frames may be skipped.
        .rate_control_mode(RateControlMode::Bufferbased)
        .qp(QpRange::new(quantizer, quantizer))
        .bitrate(BitRate::from_bps(NOMINAL_BITS_PER_SECOND))
        .skip_frames(false)
        // Each of these changes quality from place to place or frame to frame: constant quality wants none.
        .adaptive_quantization(false)
        .background_detection(false)
        .scene_change_detect(false)
        .long_term_reference(false)
        .complexity(Complexity::High)
        .usage_type(UsageType::CameraVideoRealTime)
        // More threads cut pictures into slices, and then the bytes depend on the machine.
        .num_threads(1)
        .sps_pps_strategy(SpsPpsStrategy::ConstantId)
        .intra_frame_period(IntraFramePeriod::from_num_frames(settings.keyframe_interval))
        .max_frame_rate(MaxFrameRate::from_hz(settings.frame_rate.per_second().clamp(1.0, 60.0) as f32))
        .vui(VuiConfig::bt709());
    Encoder::with_api_config(OpenH264API::from_source(), config)
}

impl Codec for OpenH264 {
    fn min_side(&self) -> usize {
        16
    }

    fn max_sides(&self) -> (usize, usize) {
        (3840, 2160)
    }

    fn encode(&self, settings: &EncoderSettings, pictures: &mut dyn Iterator<Item = Picture>) -> Result<Vec<Vec<u8>>> {
        let failed = |picture: usize, reason: String| Error::Encode { picture, reason };
        let mut encoder = encoder(settings).map_err(|e| failed(0, reason(&e)))?;
        let mut units = Vec::new();
        for (number, picture) in pictures.enumerate() {
            if !picture.is_sound() {
                return Err(failed(number, "its planes do not have the size they should".to_owned()));
            }
            let planes = (picture.y.as_slice(), picture.cb.as_slice(), picture.cr.as_slice());
            let strides = (picture.width, picture.width / 2, picture.width / 2);
            let source = YUVSlices::new(planes, (picture.width, picture.height), strides);
            let unit = encoder.encode(&source).map_err(|e| failed(number, reason(&e)))?.to_vec();
            if unit.is_empty() {
                return Err(failed(number, "it skipped the picture".to_owned()));
            }
            units.push(unit);
        }
        Ok(units)
    }

    fn decode(
        &self,
        units: &mut dyn Iterator<Item = Result<Vec<u8>>>,
        sink: &mut dyn FnMut(PictureView<'_>) -> Result<()>,
    ) -> Result<()> {
        let failed = |picture: usize, e: &openh264::Error| Error::Decode { picture, reason: reason(e) };
        // Flushing after each picture would hand B-pictures out in the wrong order.
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let options = DecodeOptions::new().flush_after_decode(Flush::NoFlush);
        let mut decoder = Decoder::with_api_config(OpenH264API::from_source(), config).map_err(|e| failed(0, &e))?;
        let mut last = 0;
        for (number, unit) in units.enumerate() {
            last = number;
            if let Some(picture) =
                decoder.decode_with_options(&unit?, options.clone()).map_err(|e| failed(number, &e))?
            {
                sink(view(&picture, number)?)?;
            }
        }
        for picture in decoder.flush_remaining().map_err(|e| failed(last, &e))? {
            sink(view(&picture, last)?)?;
        }
        Ok(())
    }
}

/// The library's planes, with sizes checked rather than believed.
fn view<'a>(picture: &'a DecodedYUV<'_>, number: usize) -> Result<PictureView<'a>> {
    let (width, height) = picture.dimensions();
    let (y_stride, chroma_stride, _) = picture.strides();
    let view = PictureView { width, height, y: picture.y(), cb: picture.u(), cr: picture.v(), y_stride, chroma_stride };
    let sound = width > 0
        && height > 0
        && width <= y_stride
        && width.div_ceil(2) <= chroma_stride
        && view.y.len() >= y_stride * height
        && view.cb.len().min(view.cr.len()) >= chroma_stride * (height / 2)
        && height.is_multiple_of(2);
    if sound {
        Ok(view)
    } else {
        Err(Error::Decode { picture: number, reason: format!("the decoder returned a {width}x{height} picture") })
    }
}

/// The library's own text is a list of fields, most of them empty; its code says as much.
fn reason(error: &openh264::Error) -> String {
    match error.native_code() {
        0 => error.to_string(),
        code => format!("OpenH264 code {code}"),
    }
}

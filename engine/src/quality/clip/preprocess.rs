//! Frames to pixel values, as transformers' `CLIPImageProcessor` makes them.

use crate::quality::QualityError;
use crate::quality::resize::{Filter, resize_rgb8};
use crate::quality::weights::read_json;
use serde_json::Value;
use std::path::Path;

/// What a resize step aims for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResizeTo {
    ShortestEdge(usize),
    Exactly { width: usize, height: usize },
}

/// Resize, centre crop, rescale and normalise, each where `preprocessor_config.json` asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessor {
    resize: Option<(ResizeTo, Filter)>,
    /// Width and height.
    crop: Option<(usize, usize)>,
    /// Value = byte * scale - offset, per channel.
    scale: [f32; 3],
    offset: [f32; 3],
}

/// OpenAI's channel means and deviations, the defaults of `CLIPImageProcessor`.
const OPENAI_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
const OPENAI_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];

/// Longest side a resize or a crop may ask for, in pixels.
const MAX_SIDE_PIXELS: u64 = 4096;

/// Longest aspect ratio: a resize by the shortest edge must not blow a sliver up to gigabytes.
const MAX_ASPECT: usize = 64;

struct Settings<'a> {
    path: &'a Path,
    root: &'a Value,
}

impl Settings<'_> {
    fn bad(&self, field: &'static str, expected: &str) -> QualityError {
        QualityError::Config {
            path: self.path.into(),
            field,
            expected: expected.to_owned(),
            found: self.root.get(field).cloned().unwrap_or_default().to_string(),
        }
    }

    fn flag(&self, field: &'static str) -> Result<bool, QualityError> {
        match self.root.get(field) {
            None | Some(Value::Null) => Ok(true),
            Some(Value::Bool(on)) => Ok(*on),
            Some(_) => Err(self.bad(field, "true or false")),
        }
    }

    fn side(&self, field: &'static str, value: &Value) -> Result<usize, QualityError> {
        value
            .as_u64()
            .filter(|side| (1..=MAX_SIDE_PIXELS).contains(side))
            .map(|side| side as usize)
            .ok_or_else(|| self.bad(field, "sides from 1 to 4096"))
    }

    /// `{"height": h, "width": w}` as width and height.
    fn rectangle(&self, field: &'static str, value: &Value) -> Result<(usize, usize), QualityError> {
        match (value.get("width"), value.get("height")) {
            (Some(width), Some(height)) => Ok((self.side(field, width)?, self.side(field, height)?)),
            _ => Err(self.bad(field, "a number, or height and width")),
        }
    }

    fn resize(&self) -> Result<Option<(ResizeTo, Filter)>, QualityError> {
        if !self.flag("do_resize")? {
            return Ok(None);
        }
        let filter = match self.root.get("resample") {
            None | Some(Value::Null) => Filter::Bicubic,
            Some(value) => match value.as_u64() {
                Some(2) => Filter::Bilinear,
                Some(3) => Filter::Bicubic,
                _ => return Err(self.bad("resample", "2 (bilinear) or 3 (bicubic)")),
            },
        };
        let to = match self.root.get("size") {
            None | Some(Value::Null) => ResizeTo::ShortestEdge(224),
            Some(size @ Value::Number(_)) => ResizeTo::ShortestEdge(self.side("size", size)?),
            Some(size) => match size.get("shortest_edge") {
                Some(edge) if size.get("longest_edge").is_none_or(Value::is_null) => {
                    ResizeTo::ShortestEdge(self.side("size", edge)?)
                }
                Some(_) => return Err(self.bad("size", "no longest_edge beside shortest_edge")),
                None => {
                    let (width, height) = self.rectangle("size", size)?;
                    ResizeTo::Exactly { width, height }
                }
            },
        };
        Ok(Some((to, filter)))
    }

    fn crop(&self) -> Result<Option<(usize, usize)>, QualityError> {
        if !self.flag("do_center_crop")? {
            return Ok(None);
        }
        Ok(Some(match self.root.get("crop_size") {
            None | Some(Value::Null) => (224, 224),
            Some(size @ Value::Number(_)) => {
                let side = self.side("crop_size", size)?;
                (side, side)
            }
            Some(size) => self.rectangle("crop_size", size)?,
        }))
    }

    fn channels(&self, field: &'static str, default: [f64; 3]) -> Result<[f64; 3], QualityError> {
        let Some(value) = self.root.get(field).filter(|value| !value.is_null()) else {
            return Ok(default);
        };
        let numbers: Option<Vec<f64>> = value.as_array().and_then(|array| array.iter().map(Value::as_f64).collect());
        match numbers.as_deref() {
            Some(&[r, g, b]) if [r, g, b].iter().all(|v| v.is_finite()) => Ok([r, g, b]),
            _ => Err(self.bad(field, "three numbers")),
        }
    }
}

impl Preprocessor {
    /// Reads `folder/preprocessor_config.json`.
    ///
    /// # Errors
    /// Unreadable or invalid JSON, or a value that cannot work.
    pub fn read(folder: &Path) -> Result<Self, QualityError> {
        let path = folder.join("preprocessor_config.json");
        let root = read_json(&path, "preprocessor_config.json of a CLIPImageProcessor")?;
        Self::from_json(&path, &root)
    }

    fn from_json(path: &Path, root: &Value) -> Result<Self, QualityError> {
        let settings = Settings { path, root };
        let factor = if settings.flag("do_rescale")? {
            match root.get("rescale_factor") {
                None | Some(Value::Null) => 1.0 / 255.0,
                Some(value) => value
                    .as_f64()
                    .filter(|factor| factor.is_finite() && *factor > 0.0)
                    .ok_or_else(|| settings.bad("rescale_factor", "a positive number"))?,
            }
        } else {
            1.0
        };
        let (mut scale, mut offset) = ([factor as f32; 3], [0f32; 3]);
        if settings.flag("do_normalize")? {
            let mean = settings.channels("image_mean", OPENAI_MEAN)?;
            let std = settings.channels("image_std", OPENAI_STD)?;
            if std.iter().any(|std| *std <= 0.0) {
                return Err(settings.bad("image_std", "positive numbers"));
            }
            scale = std.map(|std| (factor / std) as f32);
            offset = std::array::from_fn(|channel| (mean[channel] / std[channel]) as f32);
        }
        Ok(Self { resize: settings.resize()?, crop: settings.crop()?, scale, offset })
    }

    /// Width and height after resize and crop of a `width x height` frame.
    fn sizes(&self, width: usize, height: usize) -> ((usize, usize), (usize, usize)) {
        let resized = match self.resize {
            None => (width, height),
            Some((ResizeTo::Exactly { width, height }, _)) => (width, height),
            // Slivers are squeezed to a bounded aspect ratio; transformers would not bound it.
            Some((ResizeTo::ShortestEdge(edge), _)) if width <= height => {
                (edge, (edge * height / width).min(edge * MAX_ASPECT))
            }
            Some((ResizeTo::ShortestEdge(edge), _)) => ((edge * width / height).min(edge * MAX_ASPECT), edge),
        };
        (resized, self.crop.unwrap_or(resized))
    }

    /// Whether every frame comes out as a square of this side.
    pub(super) fn makes_squares_of(&self, side: usize) -> bool {
        let exact = self.resize.is_some_and(|(to, _)| to == ResizeTo::Exactly { width: side, height: side });
        self.crop == Some((side, side)) || (self.crop.is_none() && exact)
    }

    /// The resized and cropped bytes, `height x width x 3`; black where the crop reaches outside.
    #[must_use]
    pub fn resize_and_crop(&self, frame: &[u8], width: usize, height: usize) -> Vec<u8> {
        let ((inner_width, inner_height), (out_width, out_height)) = self.sizes(width, height);
        let image = match self.resize {
            Some((_, filter)) if (inner_width, inner_height) != (width, height) => {
                resize_rgb8(frame, (width, height), (inner_width, inner_height), filter)
            }
            _ => frame.to_vec(),
        };
        if (inner_width, inner_height) == (out_width, out_height) {
            return image;
        }
        let span = |inner: usize, out: usize| {
            // Source start, destination start, length: a crop, or a centred border of zeros.
            if inner >= out { ((inner - out) / 2, 0, out) } else { (0, (out - inner) / 2, inner) }
        };
        let (from_x, to_x, columns) = span(inner_width, out_width);
        let (from_y, to_y, rows) = span(inner_height, out_height);
        let mut out = vec![0u8; out_width * out_height * 3];
        for row in 0..rows {
            let from = ((from_y + row) * inner_width + from_x) * 3;
            let to = ((to_y + row) * out_width + to_x) * 3;
            out[to..to + columns * 3].copy_from_slice(&image[from..from + columns * 3]);
        }
        out
    }

    /// Pixel values of one frame, `(channels, height, width)`.
    #[must_use]
    pub fn pixel_values(&self, frame: &[u8], width: usize, height: usize) -> Vec<f32> {
        let bytes = self.resize_and_crop(frame, width, height);
        let mut values = Vec::with_capacity(bytes.len());
        for channel in 0..3 {
            let (scale, offset) = (self.scale[channel], self.offset[channel]);
            values.extend(bytes.iter().skip(channel).step_by(3).map(|&byte| f32::from(byte) * scale - offset));
        }
        values
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(root: &Value) -> Result<Preprocessor, QualityError> {
        Preprocessor::from_json(Path::new("preprocessor_config.json"), root)
    }

    #[test]
    fn old_and_new_spellings_mean_the_same() {
        let new = json!({"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}, "resample": 3});
        assert_eq!(parse(&json!({"size": 64, "crop_size": 64})).unwrap(), parse(&new).unwrap());
        assert!(parse(&new).unwrap().makes_squares_of(64));
        assert!(!parse(&new).unwrap().makes_squares_of(32));
    }

    #[test]
    fn the_crop_is_centred_and_the_border_black() {
        let keep = json!({"do_resize": false, "crop_size": {"height": 1, "width": 2}, "do_rescale": false, "do_normalize": false});
        let row: Vec<u8> = (1..=5).flat_map(|value| [value; 3]).collect();
        let cropped = parse(&keep).unwrap().resize_and_crop(&row, 5, 1);
        assert_eq!(cropped, [2, 2, 2, 3, 3, 3]);
        let wide = json!({"do_resize": false, "crop_size": {"height": 1, "width": 4}});
        let padded = parse(&wide).unwrap().resize_and_crop(&row[..3], 1, 1);
        assert_eq!(padded, [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn slivers_and_single_pixels_come_out_square() {
        let preprocessor = parse(&json!({"size": 16, "crop_size": 16})).unwrap();
        for (width, height) in [(1, 1), (1, 3000), (3000, 1), (7, 5)] {
            let frame = vec![9u8; width * height * 3];
            assert_eq!(preprocessor.pixel_values(&frame, width, height).len(), 16 * 16 * 3);
        }
    }

    #[test]
    fn bad_values_name_the_setting() {
        for (field, root) in [
            ("resample", json!({"resample": 1})),
            ("size", json!({"size": 0})),
            ("size", json!({"size": {"shortest_edge": 8, "longest_edge": 9}})),
            ("crop_size", json!({"crop_size": {"height": 3}})),
            ("image_std", json!({"image_std": [0.0, 1.0, 1.0]})),
            ("image_mean", json!({"image_mean": [1.0]})),
            ("do_resize", json!({"do_resize": "yes"})),
            ("rescale_factor", json!({"rescale_factor": -1})),
        ] {
            assert!(
                matches!(parse(&root), Err(QualityError::Config { field: found, .. }) if found == field),
                "{field}"
            );
        }
    }
}

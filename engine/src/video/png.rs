//! A folder of PNG frames.

use std::path::Path;

use png::{BitDepth, ColorType, Encoder, SrgbRenderingIntent};
use rayon::prelude::*;

use super::write::{fill_folder_atomically, write_atomically};
use super::{Clip, Error, Result};

/// Writes each frame as `frame_0000.png`, `frame_0001.png`, ... into `folder`, which must not exist or be empty, and which appears only
/// when all frames are written. More digits are used beyond 10 000 frames, so that names sort in order.
///
/// # Errors
/// Those of [`Clip::check`], [`Error::FolderNotEmpty`], [`Error::Write`], [`Error::Image`].
pub fn write_frames(clip: &Clip, folder: &Path) -> Result<()> {
    clip.check()?;
    let last = clip.frame_count() - 1; // `check` refuses clips without frames
    let digits = last.to_string().len().max(4);
    fill_folder_atomically(folder, |temporary| {
        (0..clip.frame_count()).into_par_iter().try_for_each(|index| {
            let name = format!("frame_{index:0digits$}.png");
            let bytes = encode_frame(clip, index)?;
            write_atomically(&temporary.join(&name), &bytes).map_err(|error| match error {
                // The temporary folder's name would mean nothing to the reader.
                Error::Write { cause, .. } => Error::write(&folder.join(&name), cause),
                other => other,
            })
        })
    })
}

/// One frame as a PNG file, marked as sRGB.
///
/// # Errors
/// [`Error::Image`] if the writer fails.
///
/// # Panics
/// If there is no such frame, as [`Clip::frame`].
pub fn encode_frame(clip: &Clip, index: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, clip.width, clip.height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_source_srgb(SrgbRenderingIntent::Perceptual);
    let failed = |error: png::EncodingError| Error::Image { format: "PNG", reason: error.to_string() };
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(clip.frame(index)).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Cursor;

    #[test]
    fn frames_come_back_exactly() {
        let data: Vec<u8> = (0..5 * 3 * 3 * 12).map(|i| (i * 37 % 256) as u8).collect();
        let clip = Clip::new(5, 3, 8.0, data).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let frames = folder.path().join("frames");
        write_frames(&clip, &frames).unwrap();
        assert_eq!(fs::read_dir(&frames).unwrap().count(), 12);
        for index in 0..12 {
            let file = fs::read(frames.join(format!("frame_{index:04}.png"))).unwrap();
            let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((info.width, info.height, info.color_type), (5, 3, ColorType::Rgb));
            assert_eq!(pixels, clip.frame(index));
        }
        assert!(matches!(write_frames(&clip, &frames), Err(Error::FolderNotEmpty { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn errors_name_the_folder_that_was_asked_for() {
        let clip = Clip::new(1, 1, 1.0, vec![0; 3]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let frames = folder.path().join("missing").join("frames");
        let error = write_frames(&clip, &frames).unwrap_err().to_string();
        assert!(error.contains(frames.to_str().unwrap()) && error.contains("create"), "{error}");
        let bad = Clip { data: vec![0; 2], ..clip };
        assert!(matches!(write_frames(&bad, folder.path()), Err(Error::ClipSize { .. })));
    }
}

//! Files that the owner asked for: complete under their name or not there at all, and never over another.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;

use egui::ColorImage;
use infernet_api::{JobId, Problem};

use crate::actions::ClipFormat;
use crate::snapshot::Clip;

/// Most numbered names that are tried.
const MAX_NAMES: u32 = 10_000;

/// Why a file was not saved.
#[derive(Debug, thiserror::Error)]
#[error("can't save {path}: {source}", path = path.display())]
pub(super) struct SaveError {
    path: PathBuf,
    source: io::Error,
}

impl SaveError {
    pub(super) fn problem(&self) -> Problem {
        Problem {
            code: "not_saved".to_owned(),
            message: self.to_string(),
            next_step: "choose another folder, or make room on the disk".to_owned(),
        }
    }
}

/// A name that is free: `clip.mp4`, `clip-2.mp4`, ...
fn free(folder: &Path, stem: &str, extension: &str) -> PathBuf {
    let name = |number: u32| {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let dot = if extension.is_empty() { "" } else { "." };
        folder.join(format!("{stem}{number}{dot}{extension}"))
    };
    (1..MAX_NAMES).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(MAX_NAMES))
}

/// Writes a file beside its place, then moves it there.
pub(super) fn save(
    folder: &Path,
    stem: &str,
    extension: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<PathBuf, SaveError> {
    let path = free(folder, stem, extension);
    let part = folder.join(format!(".{stem}.{}.part", process::id()));
    let written = (|| {
        fs::create_dir_all(folder)?;
        let mut file = BufWriter::new(File::create(&part)?);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&part, &path)
    })();
    written.map_err(|source| {
        // What was begun is of no use; that it can't be removed says nothing that the error does not.
        drop(fs::remove_file(&part));
        SaveError { path: path.clone(), source }
    })?;
    Ok(path)
}

/// Saves a clip.
pub(super) fn save_clip(folder: &Path, job: JobId, clip: &Clip, format: ClipFormat) -> Result<PathBuf, SaveError> {
    let stem = format!("infernet-{}", job.to_string().chars().take(8).collect::<String>());
    match format {
        ClipFormat::Mp4 => save(folder, &stem, "mp4", |file| file.write_all(&clip.mp4)),
        ClipFormat::Gif => save(folder, &stem, "gif", |file| gif(file, clip)),
        ClipFormat::PngFrames => {
            let place = free(folder, &format!("{stem}-frames"), "");
            for (index, frame) in clip.frames.iter().enumerate() {
                save(&place, &format!("frame-{:04}", index + 1), "png", |file| png(file, frame))?;
            }
            Ok(place)
        }
    }
}

fn rgba(frame: &ColorImage) -> Vec<u8> {
    frame.pixels.iter().flat_map(egui::Color32::to_srgba_unmultiplied).collect()
}

fn png(file: &mut dyn Write, frame: &ColorImage) -> io::Result<()> {
    let mut encoder = png::Encoder::new(file, frame.size[0] as u32, frame.size[1] as u32);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    writer.write_image_data(&rgba(frame)).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)
}

fn gif(file: &mut dyn Write, clip: &Clip) -> io::Result<()> {
    let Some(first) = clip.frames.first() else { return Err(io::Error::other("the clip has no frame")) };
    let too_large = || io::Error::other("a GIF has at most 65,535 pixels on a side");
    let [width, height] = first.size;
    let (width, height) = (u16::try_from(width), u16::try_from(height));
    let (Ok(width), Ok(height)) = (width, height) else { return Err(too_large()) };
    let mut encoder = gif::Encoder::new(file, width, height, &[]).map_err(io::Error::other)?;
    encoder.set_repeat(gif::Repeat::Infinite).map_err(io::Error::other)?;
    // In hundredths of a second; most programs show less than 2 as 10.
    let delay = (100.0 / clip.frames_per_second.max(1e-3)).round().clamp(2.0, 65_535.0) as u16;
    for frame in &clip.frames {
        let mut pixels = rgba(frame);
        let mut frame = gif::Frame::from_rgba_speed(width, height, &mut pixels, 10);
        frame.delay = delay;
        encoder.write_frame(&frame).map_err(io::Error::other)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use egui::Color32;

    use super::*;

    fn clip() -> Clip {
        let frame = |colour| Arc::new(ColorImage::new([4, 2], vec![colour; 8]));
        let frames = vec![frame(Color32::from_rgb(255, 0, 0)), frame(Color32::from_rgb(0, 0, 255))];
        Clip { frames, frames_per_second: 8.0, mp4: Arc::new(b"mp4".to_vec()) }
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_is_left_half() {
        let folder = tempfile::tempdir().unwrap();
        let first = save(folder.path(), "a", "txt", |file| file.write_all(b"1")).unwrap();
        let second = save(folder.path(), "a", "txt", |file| file.write_all(b"2")).unwrap();
        assert_eq!((fs::read(first).unwrap(), fs::read(second).unwrap()), (b"1".to_vec(), b"2".to_vec()));
        let error = save(folder.path(), "b", "txt", |_| Err(io::Error::other("full"))).unwrap_err();
        assert!(error.to_string().contains("b.txt") && error.to_string().contains("full"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn clips_are_saved_in_every_format() {
        let folder = tempfile::tempdir().unwrap();
        let job = JobId([0xab; 16]);
        assert_eq!(fs::read(save_clip(folder.path(), job, &clip(), ClipFormat::Mp4).unwrap()).unwrap(), b"mp4");
        let frames = save_clip(folder.path(), job, &clip(), ClipFormat::PngFrames).unwrap();
        assert_eq!(fs::read_dir(frames).unwrap().count(), 2);
        let file = save_clip(folder.path(), job, &clip(), ClipFormat::Gif).unwrap();
        let mut decoder = gif::DecodeOptions::new().read_info(File::open(file).unwrap()).unwrap();
        let mut frames = 0;
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            assert_eq!((frame.width, frame.height, frame.delay), (4, 2, 13));
            frames += 1;
        }
        assert_eq!(frames, 2);
    }
}

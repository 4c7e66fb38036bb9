//! What can go wrong with video files, each with a stable code and a next step.

use std::io;
use std::path::{Path, PathBuf};

/// Shorthand for results of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of reading, converting and writing clips.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The clip has no frames or no pixels.
    #[error("the clip is empty ({width}x{height}, {bytes} bytes): give it at least one frame of at least 1x1 pixels")]
    EmptyClip {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Length of its data.
        bytes: usize,
    },
    /// The data is not a whole number of RGB frames.
    #[error(
        "the clip's data has {bytes} bytes, which is not a whole number of {width}x{height} RGB frames ({frame_bytes} bytes each): \
         pass frames x height x width x 3 bytes"
    )]
    ClipSize {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes of one frame.
        frame_bytes: u64,
        /// Length of its data.
        bytes: usize,
    },
    /// The frame rate is not a usable number.
    #[error("{found} frames per second is not possible: give a number above 0 and up to {max}")]
    FrameRate {
        /// The rate that was given.
        found: f64,
        /// [`super::FrameRate::MAX_PER_SECOND`].
        max: u32,
    },
    /// Two clips that should be compared differ in size or length.
    #[error("clips of different shape can't be compared: {left} and {right}")]
    ShapeMismatch {
        /// Shape of the left clip.
        left: String,
        /// Shape of the right clip.
        right: String,
    },
    /// An option is outside its range.
    #[error("{option} is {found}, but must be {allowed}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// What was given.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// The clip does not fit the output format.
    #[error(
        "{format} can't hold this clip: {what} is {found}, at most {limit} is possible; choose a smaller size or another format"
    )]
    TooLarge {
        /// `MP4`, `GIF`, ...
        format: &'static str,
        /// What is too large.
        what: &'static str,
        /// Its value.
        found: u64,
        /// The largest possible value.
        limit: u64,
    },
    /// A file goes beyond the limits set for reading.
    #[error("the video was refused: {what} is {found}, the limit is {limit}; make a smaller file or raise the limit")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// Its value.
        found: u64,
        /// The limit, see [`super::mp4::DecodeLimits`].
        limit: u64,
    },
    /// The bytes are no MP4 file at all.
    #[error("this is not an MP4 file ({why}): check that the download finished and that the path is right")]
    NotMp4 {
        /// What was found instead.
        why: &'static str,
    },
    /// The file breaks its format's rules.
    #[error(
        "the video file is damaged: {part}: {why}; get it again or re-create it with `ffmpeg -i FILE -c:v libx264 -pix_fmt yuv420p NEW.mp4`"
    )]
    Damaged {
        /// Box or stream part.
        part: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The file is sound but uses something that is not supported here.
    #[error(
        "the video uses {what}, which is not supported: convert it with `ffmpeg -i FILE -c:v libx264 -pix_fmt yuv420p -movflags +faststart NEW.mp4`"
    )]
    Unsupported {
        /// What it uses.
        what: String,
    },
    /// The H.264 decoder refused a picture.
    #[error("picture {picture} of the video can't be decoded ({reason}): the file is damaged; get it again")]
    Decode {
        /// Number of the picture in decoding order, from 0.
        picture: usize,
        /// The decoder's reason.
        reason: String,
    },
    /// The H.264 encoder failed.
    #[error("H.264 encoder, picture {picture}: {reason}; please report this with the clip's size and options")]
    Encode {
        /// Number of the picture, from 0.
        picture: usize,
        /// The encoder's reason.
        reason: String,
    },
    /// An image or GIF writer failed.
    #[error("{format} encoder: {reason}; please report this with the clip's size and options")]
    Image {
        /// `GIF` or `PNG`.
        format: &'static str,
        /// The writer's reason.
        reason: String,
    },
    /// A file or folder can't be written.
    #[error("can't write {}: {cause}; {}", path.display(), advice(cause, path))]
    Write {
        /// The file or folder that should have been written.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// The output folder has something in it already.
    #[error("the folder {} is not empty: choose a new one, or empty it first", path.display())]
    FolderNotEmpty {
        /// The folder.
        path: PathBuf,
    },
}

impl Error {
    /// Stable name of this kind of error, for scripts and for the node's API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EmptyClip { .. } => "video.empty-clip",
            Self::ClipSize { .. } => "video.clip-size",
            Self::FrameRate { .. } => "video.frame-rate",
            Self::ShapeMismatch { .. } => "video.shape-mismatch",
            Self::Option { .. } => "video.option",
            Self::TooLarge { .. } => "video.too-large",
            Self::Limit { .. } => "video.limit",
            Self::NotMp4 { .. } => "video.not-mp4",
            Self::Damaged { .. } => "video.damaged",
            Self::Unsupported { .. } => "video.unsupported",
            Self::Decode { .. } => "video.decode",
            Self::Encode { .. } => "video.encode",
            Self::Image { .. } => "video.image",
            Self::Write { .. } => "video.write",
            Self::FolderNotEmpty { .. } => "video.folder-not-empty",
        }
    }

    pub(crate) fn write(path: &Path, cause: io::Error) -> Self {
        Self::Write { path: path.to_owned(), cause }
    }

    pub(crate) fn damaged(part: &'static str, why: impl Into<String>) -> Self {
        Self::Damaged { part, why: why.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}

/// The next step for a write that failed with `cause`.
fn advice(cause: &io::Error, path: &Path) -> String {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.display().to_string(),
        _ => "the current folder".to_owned(),
    };
    match cause.kind() {
        io::ErrorKind::NotFound => format!("create {folder} first, or choose another path"),
        io::ErrorKind::PermissionDenied => {
            format!("make {folder} writable for this user, or choose another path")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("{folder} is on a read-only drive; choose another path")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("free some space on the drive of {folder}, or choose another one")
        }
        io::ErrorKind::IsADirectory => "that is a folder; add a file name".to_owned(),
        io::ErrorKind::NotADirectory => format!("{folder} is not a folder; choose another path"),
        io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput => {
            "choose a shorter or simpler file name".to_owned()
        }
        _ => format!("check {folder} and its drive, or choose another path"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_error_names_path_cause_and_next_step() {
        for (kind, next_step) in [
            (io::ErrorKind::NotFound, "create /clips first"),
            (io::ErrorKind::PermissionDenied, "make /clips writable"),
            (io::ErrorKind::ReadOnlyFilesystem, "read-only"),
            (io::ErrorKind::StorageFull, "free some space"),
            (io::ErrorKind::QuotaExceeded, "free some space"),
            (io::ErrorKind::IsADirectory, "add a file name"),
            (io::ErrorKind::NotADirectory, "not a folder"),
            (io::ErrorKind::InvalidFilename, "shorter"),
            (io::ErrorKind::Other, "check /clips"),
        ] {
            let error = Error::write(Path::new("/clips/cat.mp4"), io::Error::from(kind));
            let text = error.to_string();
            assert!(text.contains("/clips/cat.mp4") && text.contains(next_step), "{text}");
            assert_eq!(error.code(), "video.write");
        }
        let here = Error::write(Path::new("cat.mp4"), io::Error::from(io::ErrorKind::PermissionDenied)).to_string();
        assert!(here.contains("the current folder"), "{here}");
    }
}

//! Video files against ffmpeg: what we write is what it reads, and what it writes is what we read.
//!
//! Needs `ffmpeg` and `ffprobe` (with libx264), which `make test` installs.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod clips;
mod ours;
mod theirs;

use std::path::{Path, PathBuf};
use std::process::Command;

use infernet_engine::video::color::{ColorSpace, PictureView};
use infernet_engine::video::{Clip, write_atomically};
use tempfile::TempDir;

/// Runs `ffmpeg` or `ffprobe` and returns what it prints. Missing programs fail the test, they never skip it.
fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(["-v", "error"]).args(arguments).output().unwrap_or_else(|error| {
        panic!("these tests need `{program}` ({error}): install it with `apt-get install ffmpeg`, as `make test` does")
    });
    assert!(output.status.success(), "{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn saved(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    write_atomically(&path, bytes).unwrap();
    path
}

/// What ffmpeg decodes from `path`, one buffer for all frames.
fn raw(path: &Path, pixel_format: &str, options: &[&str]) -> Vec<u8> {
    // Without "unaligned", ffmpeg moves crops to where they are cheap.
    let input = ["-flags", "unaligned", "-i", text(path), "-f", "rawvideo"];
    let output = ["-pix_fmt", pixel_format, "-fps_mode", "passthrough"];
    run("ffmpeg", &[&input[..], &output, options, &["-"]].concat())
}

/// The same as planar 4:2:0.
fn planes_by_ffmpeg(path: &Path) -> Vec<u8> {
    raw(path, "yuv420p", &[])
}

/// ffmpeg's planes in our colours, cut to `width` x `height`.
fn to_rgb(planes: &[u8], coded: (usize, usize), width: usize, height: usize, space: ColorSpace) -> Vec<u8> {
    let area = coded.0 * coded.1;
    let frames = planes.chunks_exact(area * 3 / 2).flat_map(|planes| {
        let (y, chroma) = planes.split_at(area);
        let (cb, cr) = chroma.split_at(area / 4);
        let mut rgb = vec![0; width * height * 3];
        let (y_stride, chroma_stride) = (coded.0, coded.0 / 2);
        PictureView { width: coded.0, height: coded.1, y, cb, cr, y_stride, chroma_stride }
            .write_rgb(space, 0, 0, width, &mut rgb);
        rgb
    });
    frames.collect()
}

fn stream_facts(path: &Path) -> serde_json::Value {
    let arguments = ["-select_streams", "v:0", "-count_frames", "-show_streams", "-of", "json", text(path)];
    serde_json::from_slice::<serde_json::Value>(&run("ffprobe", &arguments)).unwrap()["streams"][0].take()
}

/// PSNR of two frames of the same size, in dB.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let clip = |data: &[u8]| Clip::new((data.len() / 3) as u32, 1, 1.0, data.to_vec()).unwrap();
    clip(a).psnr(&clip(b)).unwrap()
}

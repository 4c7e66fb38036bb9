//! Files by ffmpeg in our hands.

use std::path::{Path, PathBuf};

use infernet_engine::video::codec::OpenH264;
use infernet_engine::video::color::ColorSpace;
use infernet_engine::video::{Clip, Error, mp4};
use tempfile::TempDir;

use crate::{planes_by_ffmpeg, psnr, raw, run, stream_facts, text, to_rgb};

const PATTERN: &str = "testsrc2=size=320x180:rate=24:duration=1.5";
const H264: &str = "-c:v libx264 -pix_fmt yuv420p";

/// OpenH264 smooths block edges of B-pictures a little differently from the standard: fewer than one sample in a thousand is off, by
/// up to 5 of 255. A picture in the wrong place would be at about 20 dB.
const B_PICTURE_BAR: f64 = 65.0;

/// A file that ffmpeg makes of a test pattern, with `arguments` separated by spaces.
fn by_ffmpeg(folder: &TempDir, source: &str, arguments: &str) -> PathBuf {
    let path = folder.path().join("theirs.mp4");
    let input = ["-y", "-f", "lavfi", "-i", source].into_iter();
    let all = input.chain(arguments.split_whitespace()).chain([text(&path)]);
    run("ffmpeg", &all.collect::<Vec<_>>());
    path
}

fn decode(path: &Path) -> Result<Clip, Error> {
    mp4::decode(&std::fs::read(path).unwrap())
}

/// Compares frame by frame; without B-pictures they must be the same to the last bit.
fn check_frames(ours: &Clip, theirs: &[u8], exact: bool, what: &str) {
    assert_eq!(ours.data.len(), theirs.len(), "{what}: {ours:?}");
    let pairs = ours.frames().zip(theirs.chunks(ours.frame_bytes()));
    for (number, (a, b)) in pairs.enumerate() {
        let psnr = psnr(a, b);
        assert!(psnr > B_PICTURE_BAR, "{what}, frame {number}: {psnr} dB");
        assert!(!exact || a == b, "{what}, frame {number}: {psnr} dB, and not exact");
    }
}

#[test]
fn files_by_libx264_decode_to_what_ffmpeg_decodes() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        "-bf 0",
        "-bf 0 -coder 0 -x264-params ref=4:weightp=2:8x8dct=1:trellis=2",
        "-bf 0 -profile:v baseline -movflags +faststart",
        "-profile:v main -coder 0",
        "-bf 3 -x264-params b-pyramid=none",
        "-bf 3 -x264-params b-pyramid=normal:ref=4:weightp=2:8x8dct=1:trellis=2",
        "-bf 8 -x264-params b-pyramid=normal:b-adapt=0:keyint=12:open-gop=1",
        "-preset veryslow -crf 1",
        "-preset ultrafast -x264-params slices=4",
        "-x264-params intra-refresh=1:keyint=10:bframes=0",
        "-bf 2 -movflags +faststart -g 5",
        "-tag:v avc3 -bsf:v dump_extra",
        "-r 30000/1001",
    ] {
        let path = by_ffmpeg(&folder, PATTERN, &format!("{H264} {arguments}"));
        let facts = stream_facts(&path);
        let ours = decode(&path).unwrap_or_else(|error| panic!("{arguments}: {error}"));
        let planes = planes_by_ffmpeg(&path);
        let theirs = to_rgb(&planes, (320, 180), 320, 180, ColorSpace::BT601_LIMITED);
        check_frames(&ours, &theirs, facts["has_b_frames"] == 0, arguments);

        let rate = facts["avg_frame_rate"].as_str().unwrap().split_once('/').unwrap();
        let rate = rate.0.parse::<f64>().unwrap() / rate.1.parse::<f64>().unwrap();
        let found = ours.frames_per_second;
        assert!((found - rate).abs() < 1e-6, "{arguments}: {found} for {rate}");
    }
}

#[test]
fn colour_tags_crops_and_other_tracks_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let bt709 = "-colorspace bt709 -color_primaries bt709 -color_trc bt709";
    let full = "-vf scale=out_range=full -color_range pc";
    let silent = "-bsf:v h264_metadata=colour_primaries=2:transfer_characteristics=2:matrix_coefficients=2";
    let space = |matrix, full_range| ColorSpace::from_code(matrix, full_range, 320, 180).unwrap();
    for (size, arguments, (width, height), space) in [
        ("320x180", bt709, (320, 180), space(1, false)),
        ("320x180", full, (320, 180), space(6, true)),
        // Only the container says so.
        ("320x180", &format!("{bt709} {silent}"), (320, 180), space(1, false)),
        ("1280x720", "", (1280, 720), space(1, false)),
        ("322x178", "", (322, 178), space(6, false)),
        ("320x180", "-bsf:v h264_metadata=crop_left=6:crop_top=10:crop_right=4", (310, 170), space(6, false)),
        ("320x180", "-f mp4 -f lavfi -i sine=duration=1.5 -c:a aac -map 1:a -map 0:v", (320, 180), space(6, false)),
    ] {
        let source = format!("testsrc2=size={size}:rate=24:duration=0.5");
        // A second input has to come before options of the output.
        let sound = arguments.strip_prefix("-f mp4 ");
        let all = sound.map_or(format!("{H264} -bf 0 {arguments}"), |s| format!("{s} {H264} -bf 0"));
        let path = by_ffmpeg(&folder, &source, &all);
        let ours = decode(&path).unwrap_or_else(|error| panic!("{arguments}: {error}"));
        let found = (ours.width as usize, ours.height as usize);
        assert_eq!(found, (width, height), "{arguments}");
        // The planes as they are, without a change of range.
        let format = if arguments == full { "yuvj420p" } else { "yuv420p" };
        let theirs = to_rgb(&raw(&path, format, &[]), (width, height), width, height, space);
        check_frames(&ours, &theirs, true, arguments);
    }
}

/// Cut without encoding again: the edit list hides the pictures between the keyframe and the cut.
#[test]
fn edit_lists_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let whole = by_ffmpeg(&folder, PATTERN, &format!("{H264} -bf 2"));
    let cut = folder.path().join("cut.mp4");
    run("ffmpeg", &["-y", "-ss", "0.5", "-i", text(&whole), "-c", "copy", text(&cut)]);
    let ours = decode(&cut).unwrap();
    assert_eq!(ours.frame_count(), 24);
    let planes = planes_by_ffmpeg(&cut);
    let theirs = to_rgb(&planes, (320, 180), 320, 180, ColorSpace::BT601_LIMITED);
    check_frames(&ours, &theirs, false, "cut");
}

#[test]
fn what_is_not_supported_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, part) in [
        ("-c:v libx264 -pix_fmt yuv420p -x264-params interlaced=1", "interlaced"),
        ("-c:v libx264 -pix_fmt yuv444p", "4:4:4"),
        ("-c:v libx264 -pix_fmt yuv422p", "4:2:2"),
        ("-c:v libx264 -pix_fmt yuv420p10le", "10-bit"),
        ("-c:v mpeg4", "'mp4v'"),
        ("-c:v libx264 -movflags frag_keyframe+empty_moov", "fragments"),
        ("-f lavfi -i sine=duration=1 -map 1:a -c:a aac", "no video track"),
    ] {
        match decode(&by_ffmpeg(&folder, PATTERN, arguments)) {
            Err(error @ Error::Unsupported { .. }) => {
                assert!(error.to_string().contains(part), "{arguments}: {error}");
            }
            other => panic!("{arguments}: {other:?}"),
        }
    }
}

#[test]
fn limits_hold_for_files_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(by_ffmpeg(&folder, PATTERN, H264)).unwrap();
    let just_enough = mp4::DecodeLimits {
        max_file_bytes: bytes.len(),
        max_side: 320,
        max_frames: 36,
        max_clip_bytes: 36 * 320 * 180 * 3,
    };
    let clip = mp4::decode_with(&OpenH264, &bytes, &just_enough).unwrap();
    assert_eq!(clip.frame_count(), 36);
    for limits in [
        mp4::DecodeLimits { max_file_bytes: bytes.len() - 1, ..just_enough },
        mp4::DecodeLimits { max_side: 319, ..just_enough },
        mp4::DecodeLimits { max_frames: 35, ..just_enough },
        mp4::DecodeLimits { max_clip_bytes: just_enough.max_clip_bytes - 1, ..just_enough },
    ] {
        let result = mp4::decode_with(&OpenH264, &bytes, &limits);
        assert!(matches!(result, Err(Error::Limit { .. })), "{limits:?}");
    }
}

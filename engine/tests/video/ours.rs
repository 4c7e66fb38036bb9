//! Our files in ffmpeg's hands.

use infernet_engine::video::color::ColorSpace;
use infernet_engine::video::{Clip, gif, mp4, png};

use crate::clips::{disc, footage};
use crate::{planes_by_ffmpeg, raw, run, saved, stream_facts, text, to_rgb};

#[test]
fn ffprobe_agrees_with_what_we_write() {
    let folder = tempfile::tempdir().unwrap();
    for (clip, rate, coded) in [
        (disc(64, 64, 8.0, 16), "8/1", (64, 64)),
        (footage(576, 320, 24.0, 24), "24/1", (576, 320)),
        (disc(100, 50, 23.976, 7), "24000/1001", (100, 50)),
        (disc(63, 37, 12.5, 5), "25/2", (64, 38)),
        (disc(9, 1, 0.5, 2), "1/2", (16, 16)),
        (disc(32, 32, 30.0, 1), "30/1", (32, 32)),
    ] {
        let bytes = mp4::encode(&clip, &mp4::EncodeOptions::default()).unwrap();
        let facts = stream_facts(&saved(&folder, "clip.mp4", &bytes));
        for (key, expected) in [
            ("codec_name", "h264"),
            ("codec_tag_string", "avc1"),
            ("profile", "Constrained Baseline"),
            ("pix_fmt", "yuv420p"),
            ("color_range", "tv"),
            ("color_space", "bt709"),
            ("color_transfer", "bt709"),
            ("color_primaries", "bt709"),
            ("sample_aspect_ratio", "1:1"),
            ("r_frame_rate", rate),
            ("avg_frame_rate", rate),
            ("start_time", "0.000000"),
            ("is_avc", "true"),
        ] {
            assert_eq!(facts[key], expected, "{key} of {clip:?}: {facts:#}");
        }
        assert_eq!((facts["width"].as_i64(), facts["height"].as_i64()), (Some(coded.0), Some(coded.1)), "{clip:?}");
        assert_eq!(facts["has_b_frames"], 0);
        let frames = clip.frame_count().to_string();
        assert_eq!(
            (&facts["nb_frames"], &facts["nb_read_frames"]),
            (&frames.clone().into(), &frames.into()),
            "{clip:?}"
        );
        let duration: f64 = facts["duration"].as_str().unwrap().parse().unwrap();
        assert!((duration / clip.duration_secs() - 1.0).abs() < 1e-4, "{duration} s for {clip:?}");
    }
}

#[test]
fn ffmpeg_decodes_our_files_to_the_same_bytes_and_close_to_the_source() {
    let folder = tempfile::tempdir().unwrap();
    // Least PSNR in dB: against the source, and against the source in 4:2:0, which leaves the codec's own loss.
    for (clip, coded, source_bar, codec_bar) in [
        (disc(64, 64, 8.0, 16), (64, 64), 31.0, 47.0),
        (footage(64, 64, 8.0, 16), (64, 64), 41.0, 41.5),
        (footage(320, 176, 24.0, 60), (320, 176), 41.0, 41.5),
        (disc(63, 37, 8.0, 5), (64, 38), 28.0, 45.0),
        (footage(5, 30, 8.0, 3), (16, 30), 35.0, 40.0),
    ] {
        let bytes = mp4::encode(&clip, &mp4::EncodeOptions::default()).unwrap();
        let path = saved(&folder, "clip.mp4", &bytes);
        let ours = mp4::decode(&bytes).unwrap();
        let planes = planes_by_ffmpeg(&path);
        let theirs = to_rgb(&planes, coded, clip.width as usize, clip.height as usize, ColorSpace::BT709_LIMITED);
        assert!(ours.data == theirs, "{clip:?}: ffmpeg decodes other pictures");
        assert!((ours.frames_per_second - clip.frames_per_second).abs() < 1e-9);

        let source = ours.psnr(&clip).unwrap();
        let codec = ours.psnr(&clip.as_delivered().unwrap()).unwrap();
        println!("{clip:?}: {} bytes, {source:.2} dB to the source, {codec:.2} dB to the source in 4:2:0", bytes.len());
        assert!(source > source_bar && codec > codec_bar, "{clip:?}: {source} and {codec} dB");

        // ffmpeg's own colour conversion, at its best: wrong tags would show here as a wrong matrix.
        if coded == (clip.width as usize, clip.height as usize) {
            let best = ["-sws_flags", "full_chroma_int+accurate_rnd+bicubic"];
            let data = raw(&path, "rgb24", &best);
            let theirs = Clip { data, ..clip.clone() };
            let colors = theirs.psnr(&ours).unwrap();
            println!("  ffmpeg's RGB to ours: {colors:.2} dB; to the source: {:.2} dB", theirs.psnr(&clip).unwrap());
            assert!(colors > 50.0, "{clip:?}: {colors} dB");
        }
    }
}

#[test]
fn the_same_frames_give_the_same_bytes_on_any_number_of_threads() {
    let clip = footage(176, 144, 8.0, 20);
    let options = mp4::EncodeOptions::default();
    let (video, animation) =
        (mp4::encode(&clip, &options).unwrap(), gif::encode(&clip, &gif::GifOptions::default()).unwrap());
    let decoded = mp4::decode(&video).unwrap();
    for threads in [1, 2, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            assert!(mp4::encode(&clip, &options).unwrap() == video, "{threads} threads");
            assert!(gif::encode(&clip, &gif::GifOptions::default()).unwrap() == animation, "{threads} threads");
            assert!(mp4::decode(&video).unwrap() == decoded, "{threads} threads");
        });
    }
}

#[test]
fn keyframes_come_as_often_as_asked_for_and_playback_starts_early() {
    let clip = disc(64, 64, 8.0, 40);
    let bytes = mp4::encode(&clip, &mp4::EncodeOptions::default()).unwrap();
    let at = |kind: &[u8]| bytes.windows(4).position(|w| w == kind).unwrap();
    assert!(at(b"moov") < at(b"mdat"), "the index must come before the pictures");
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, "clip.mp4", &bytes);
    let arguments = ["-select_streams", "v:0", "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0", text(&path)];
    let packets = String::from_utf8(run("ffprobe", &arguments)).unwrap();
    let keyframes: Vec<usize> =
        packets.lines().enumerate().filter(|(_, line)| line.contains(",K")).map(|(i, _)| i).collect();
    assert_eq!(keyframes, [0, 16, 32], "{packets}");
    assert!(packets.lines().nth(9).unwrap().starts_with("1.125000"), "{packets}");
}

#[test]
fn ffmpeg_reads_our_gif_and_png() {
    let folder = tempfile::tempdir().unwrap();
    let clip = disc(48, 40, 12.0, 9);
    let path = saved(&folder, "clip.gif", &gif::encode(&clip, &gif::GifOptions::default()).unwrap());
    // Few enough colours to be exact.
    let rgb = raw(&path, "rgb24", &[]);
    assert!(rgb == clip.data, "the GIF has other pixels");
    let arguments = ["-show_entries", "format=duration", "-of", "csv=p=0", text(&path)];
    let duration: f64 = String::from_utf8(run("ffprobe", &arguments)).unwrap().trim().parse().unwrap();
    assert!((duration - 0.75).abs() < 1e-9, "{duration}");

    let frames = folder.path().join("frames");
    png::write_frames(&clip, &frames).unwrap();
    let pattern = frames.join("frame_%04d.png");
    let rgb = run("ffmpeg", &["-framerate", "12", "-i", text(&pattern), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
    assert!(rgb == clip.data, "the PNG files have other pixels");
}

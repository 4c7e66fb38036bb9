//! A report for others: one ZIP file with what the window knows and what the node has logged, without what is nobody's business.

use std::io::{Cursor, Write};

use infernet_api::Problem;
use infernet_api::types::log::LogLines;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// From so many letters and digits on, with a digit among them, a word is taken for an identifier.
const IDENTIFIER: usize = 16;

/// Log lines as text, redacted.
pub(super) fn plain(lines: &LogLines) -> String {
    let line = |line: &infernet_api::types::log::LogLine| {
        format!("{} {:5} {} {}\n", line.time_unix_ms, line.level.name(), line.target, redacted(&line.text))
    };
    lines.lines.iter().map(line).collect()
}

/// A text without identifiers, addresses, paths and what stands in quotation marks.
fn redacted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut quote = None;
    for word in text.split_inclusive(char::is_whitespace) {
        let (body, space) = word.split_at(word.trim_end().len());
        let opens = body.chars().find(|c| ['"', '`'].contains(c));
        let kept = match (quote, opens) {
            (Some(mark), _) => {
                if body.contains(mark) {
                    quote = None;
                }
                ""
            }
            (None, Some(mark)) => {
                if body.matches(mark).count() % 2 == 1 {
                    quote = Some(mark);
                }
                "<quoted>"
            }
            (None, None) if is_private(body) => "<private>",
            (None, None) => body,
        };
        shown.push_str(kept);
        if !kept.is_empty() {
            shown.push_str(space);
        }
    }
    shown
}

fn is_private(word: &str) -> bool {
    let word = word.rsplit_once('=').map_or(word, |(_, value)| value);
    let run = word
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|run| run.len() >= IDENTIFIER && run.bytes().any(|byte| byte.is_ascii_digit()));
    let address = word.trim_matches(|c: char| !c.is_ascii_hexdigit() && c != ':');
    let is_address = address.parse::<std::net::IpAddr>().is_ok() || address.parse::<std::net::SocketAddr>().is_ok();
    // Paths and multiaddresses.
    let is_path = word.matches(['/', '\\']).count() >= 2;
    run || is_address || is_path
}

/// The file.
pub(super) fn packed(report: &str, log: &str) -> Result<Vec<u8>, Problem> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let made = (|| {
        for (name, text) in [("report.json", report), ("log.txt", log)] {
            archive.start_file(name, options)?;
            archive.write_all(text.as_bytes())?;
        }
        archive.finish()
    })();
    made.map(Cursor::into_inner).map_err(|error| Problem {
        code: "not_saved".to_owned(),
        message: format!("the report can't be packed: {error}"),
        next_step: "try again, or send the log by hand".to_owned(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_private_is_left_out() {
        let cases = [
            ("posted -> running attempt=1", "posted -> running attempt=1"),
            ("job=0123456789abcdef0123456789abcdef done", "<private> done"),
            ("peer 12D3KooWGjMCwSVvCoJ1kEMVPx6hvmhCzZsWaPUAQHJ6fTzy1b7s left", "peer <private> left"),
            ("dialing /ip4/10.1.2.3/tcp/4001 failed", "dialing <private> failed"),
            ("from 192.168.0.7:4001, again", "from <private> again"),
            ("from fe80::1 again", "from <private> again"),
            ("C:\\Users\\Ann\\clip.mp4 is gone", "<private> is gone"),
            ("the prompt \"a red circle\" is refused", "the prompt <quoted> is refused"),
            ("the model `my own` fails, 3 of 4", "the model <quoted> fails, 3 of 4"),
            ("miner_not_paused_by_anything at all", "miner_not_paused_by_anything at all"),
        ];
        for (text, shown) in cases {
            assert_eq!(redacted(text), shown);
        }
    }

    #[test]
    fn the_file_has_report_and_log() {
        let bytes = packed("{}", "a line\n").unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        archive.by_name("log.txt").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!((archive.len(), text.as_str()), (2, "a line\n"));
    }
}

//! Ranges of a file: RFC 9110, section 14.

/// What a `Range` header asks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Nothing that is served in part: the whole file.
    Whole,
    /// From the first to the last byte named, both within the file.
    Part {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// Only bytes that the file does not have.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of a length. Several ranges, other units and what is malformed are ignored, as the
/// standard allows: the whole file is an answer to every request.
pub(super) fn parse(header: &str, length: u64) -> Range {
    let unit = header.split_once('=').filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"));
    let Some((first, last)) = unit.and_then(|(_, set)| set.trim().split_once('-')) else {
        return Range::Whole;
    };
    match (number(first), number(last)) {
        (Position::Empty, Position::At(0)) => Range::Unsatisfiable,
        (Position::Empty, Position::At(_)) if length == 0 => Range::Unsatisfiable,
        (Position::Empty, Position::At(suffix)) => {
            Range::Part { first: length.saturating_sub(suffix), last: length - 1 }
        }
        (Position::At(first), Position::At(last)) if last < first => Range::Whole,
        (Position::At(first), Position::Empty | Position::At(_)) if first >= length => Range::Unsatisfiable,
        (Position::At(first), Position::Empty) => Range::Part { first, last: length - 1 },
        (Position::At(first), Position::At(last)) => Range::Part { first, last: last.min(length - 1) },
        _ => Range::Whole,
    }
}

enum Position {
    Empty,
    At(u64),
    Malformed,
}

/// Digits; a number beyond 64 bits is beyond every file.
fn number(text: &str) -> Position {
    if text.is_empty() {
        return Position::Empty;
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Position::Malformed;
    }
    Position::At(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(first: u64, last: u64) -> Range {
        Range::Part { first, last }
    }

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        // The examples of RFC 9110, section 14.1.2, for a representation of 10,000 bytes, and their neighbours.
        let cases = [
            ("bytes=0-499", 10_000, part(0, 499)),
            ("bytes=500-999", 10_000, part(500, 999)),
            ("bytes=-500", 10_000, part(9_500, 9_999)),
            ("bytes=9500-", 10_000, part(9_500, 9_999)),
            ("bytes=0-0", 10_000, part(0, 0)),
            ("bytes=-1", 10_000, part(9_999, 9_999)),
            ("bytes=0-0,-1", 10_000, Range::Whole),
            ("bytes= 0-999, 4500-5499, -1000", 10_000, Range::Whole),
            ("bytes=9999-99999999", 10_000, part(9_999, 9_999)),
            ("bytes=-99999999", 10_000, part(0, 9_999)),
            ("bytes=10000-", 10_000, Range::Unsatisfiable),
            ("bytes=10000-10001", 10_000, Range::Unsatisfiable),
            ("bytes=99999999999999999999999-", 10_000, Range::Unsatisfiable),
            ("bytes=-0", 10_000, Range::Unsatisfiable),
            ("bytes=0-", 0, Range::Unsatisfiable),
            ("bytes=-5", 0, Range::Unsatisfiable),
            ("bytes=5-4", 10_000, Range::Whole),
            ("BYTES=0-1", 10_000, part(0, 1)),
            ("items=0-1", 10_000, Range::Whole),
            ("bytes=+1-2", 10_000, Range::Whole),
            ("bytes=a-b", 10_000, Range::Whole),
            ("bytes=-", 10_000, Range::Whole),
            ("bytes=1--2", 10_000, Range::Whole),
            ("bytes", 10_000, Range::Whole),
            ("", 10_000, Range::Whole),
        ];
        for (header, length, expected) in cases {
            assert_eq!(parse(header, length), expected, "{header} of {length}");
        }
    }

    proptest! {
        #[test]
        fn parts_lie_within_the_file(header in "(bytes=)?[0-9]{0,20}-?[0-9]{0,20}|.{0,30}", length: u64) {
            if let Range::Part { first, last } = parse(&header, length) {
                prop_assert!(first <= last && last < length);
            }
        }
    }
}

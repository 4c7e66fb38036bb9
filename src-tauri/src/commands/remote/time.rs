//! Times for people.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 UTC.
pub(super) fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A length of time in its two largest units.
pub(super) fn duration(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        3600..86_400 => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
        _ => format!("{} d {} h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// How long ago, or until when.
pub(super) fn relative(unix_ms: u64) -> String {
    let now = now_unix_ms();
    if unix_ms > now {
        format!("in {}", duration((unix_ms - now) / 1000))
    } else {
        format!("{} ago", duration((now - unix_ms) / 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_are_shown() {
        let cases = [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3_661, "1 h 1 min"), (90_000, "1 d 1 h")];
        for (secs, shown) in cases {
            assert_eq!(duration(secs), shown);
        }
    }
}

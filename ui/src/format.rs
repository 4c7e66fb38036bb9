//! Numbers for people, each with its unit.

/// A micro-credit is a millionth of a credit.
const PER_CREDIT: u64 = 1_000_000;

/// An amount in credits, from whole micro-credits by whole-number arithmetic: `1 284.0042 cr`. No digit is dropped.
#[must_use]
pub fn credits(microcredits: u64) -> String {
    let fraction = format!("{:06}", microcredits % PER_CREDIT);
    let shown = fraction.trim_end_matches('0');
    let digits = if shown.len() < 2 { &fraction[..2] } else { shown };
    format!("{}.{digits} cr", grouped(microcredits / PER_CREDIT))
}

/// A change with its sign.
#[must_use]
pub fn signed_credits(microcredits: i64) -> String {
    let sign = if microcredits < 0 { "−" } else { "+" };
    format!("{sign}{}", credits(microcredits.unsigned_abs()))
}

/// Reads an amount in credits, such as `12.5`, into micro-credits; nothing where it is no amount, or has more than six
/// digits after the point.
#[must_use]
pub fn parse_credits(text: &str) -> Option<u64> {
    let text: String = text.trim().chars().filter(|c| !c.is_whitespace()).collect();
    let text = text.trim_end_matches("cr").replace(',', ".");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.checked_mul(PER_CREDIT)?.checked_add(fraction)
}

/// A whole number in groups of three.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun.
#[must_use]
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// Bytes in binary units.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 99.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// Bytes per second.
#[must_use]
pub fn rate(bytes_per_sec: u64) -> String {
    format!("{}/s", bytes(bytes_per_sec))
}

/// A share in millionths, in per cent.
#[must_use]
pub fn percent_ppm(ppm: u32) -> String {
    percent(f64::from(ppm) / 1e6)
}

/// A share, 0 to 1, in per cent.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A duration.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    if seconds < 0.9995 && seconds > 0.0 {
        return format!("{:.0} ms", seconds * 1000.0);
    }
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// How long ago.
#[must_use]
pub fn ago(now_unix_ms: u64, then_unix_ms: u64) -> String {
    match now_unix_ms.saturating_sub(then_unix_ms) / 1000 {
        0..5 => "just now".to_owned(),
        seconds @ 5..60 => format!("{seconds} s ago"),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}

/// A moment in UTC, `2026-11-23 21:46`.
#[must_use]
pub fn time(unix_ms: u64) -> String {
    let (year, month, day) = date(unix_ms);
    let minutes = unix_ms / 60_000 % 1440;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", minutes / 60, minutes % 60)
}

/// Hours, minutes and seconds in UTC.
#[must_use]
pub fn clock(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Day and month in UTC, `23 Nov`.
#[must_use]
pub fn day(unix_ms: u64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, month, day) = date(unix_ms);
    format!("{day} {}", MONTHS[month as usize - 1])
}

/// Year, month and day of the proleptic Gregorian calendar (Howard Hinnant, `civil_from_days`).
fn date(unix_ms: u64) -> (u64, u64, u64) {
    let days = unix_ms / 86_400_000 + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// `snake_case` as words.
#[must_use]
pub fn words(name: &str) -> String {
    let text = name.replace('_', " ");
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn amounts_round_trip(amount: u64) {
            prop_assert_eq!(parse_credits(&credits(amount)), Some(amount));
        }

        #[test]
        fn no_text_is_taken_for_an_amount_by_mistake(text in ".{0,24}") {
            if let Some(amount) = parse_credits(&text) {
                prop_assert!(text.chars().any(|c| c.is_ascii_digit()), "{} is {}", text, amount);
            }
        }
    }

    #[test]
    fn amounts_are_read_to_the_last_digit() {
        assert_eq!(credits(0), "0.00 cr");
        assert_eq!(credits(1), "0.000001 cr");
        assert_eq!(credits(1_284_004_200), "1 284.0042 cr");
        assert_eq!(signed_credits(-2_500_000), "−2.50 cr");
        assert_eq!(parse_credits("12,5"), Some(12_500_000));
        for wrong in ["", ".", "-1", "1.0000001", "1e3", "99999999999999", "1.2.3", "NaN"] {
            assert_eq!(parse_credits(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        // date -u -d @1795470372 and neighbours.
        assert_eq!(time(1_795_470_372_000), "2026-11-23 21:46");
        assert_eq!(time(951_782_400_000), "2000-02-29 00:00");
        assert_eq!((clock(1_795_470_372_000), day(0)), ("21:46:12".to_owned(), "1 Jan".to_owned()));
    }

    #[test]
    fn units_are_said() {
        assert_eq!([bytes(0), bytes(1024), bytes(1024 * 1024 - 1)], ["0 B", "1.0 KiB", "1.0 MiB"]);
        assert_eq!(bytes(24 << 30), "24.0 GiB");
        assert_eq!([duration(0.25), duration(75.0), duration(4000.0)], ["250 ms", "1 min 15 s", "1 h 06 min"]);
        assert_eq!(percent_ppm(81_000), "8.1 %");
        assert_eq!(words("pause_reason"), "Pause reason");
    }
}

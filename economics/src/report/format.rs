//! Numbers for people.

/// Five significant digits, without an exponent where that is short enough.
pub fn short_number(value: f64) -> String {
    significant(value, 5)
}

/// `digits` significant digits, trailing zeros dropped; powers of ten beyond a million or below a ten-thousandth.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "-".to_owned() } else { format!("{}∞", if value < 0.0 { "−" } else { "" }) };
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs();
    let text = if (1e-4..1e7).contains(&magnitude) {
        let before_point = magnitude.log10().floor() as i32 + 1;
        let decimals = (digits as i32 - before_point).max(0) as usize;
        trimmed(&format!("{magnitude:.decimals$}"))
    } else {
        let scientific = format!("{magnitude:.precision$e}", precision = digits.saturating_sub(1));
        match scientific.split_once('e') {
            Some((mantissa, exponent)) => format!("{}e{exponent}", trimmed(mantissa)),
            None => scientific,
        }
    };
    if value < 0.0 { format!("-{text}") } else { text }
}

fn trimmed(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_but_not_wrong() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-0.00362, "-0.00362"),
            (123_456.0, "123456"),
            (0.1 + 0.2, "0.3"),
            (6.2e-6, "6.2e-6"),
            (1.234_567e12, "1.2346e12"),
            (99_999.96, "100000"),
            (f64::INFINITY, "∞"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(short_number(value), text);
        }
    }
}

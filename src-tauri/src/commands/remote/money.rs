//! Amounts for people, and a question before they move.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::failure::{Failure, Result};

const MICRO: u64 = 1_000_000;

/// Whole credits and their millionths, without zeros at the end.
pub(super) fn credits(microcredits: u64) -> String {
    let (whole, part) = (microcredits / MICRO, microcredits % MICRO);
    if part == 0 {
        return format!("{whole} credits");
    }
    let digits = format!("{part:06}");
    format!("{whole}.{} credits", digits.trim_end_matches('0'))
}

/// Asks before money moves. Where nobody can be asked, `--yes` is needed.
pub(super) fn confirm(question: &str, yes: bool) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::input(format!("{question} This needs a yes: add --yes")));
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let agreed = matches!(answer.trim(), "y" | "Y" | "yes");
    if !agreed {
        eprintln!("nothing was done");
    }
    Ok(agreed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        let cases = [
            (0, "0 credits"),
            (1, "0.000001 credits"),
            (7_500, "0.0075 credits"),
            (1_000_000, "1 credits"),
            (u64::MAX, "18446744073709.551615 credits"),
        ];
        for (amount, shown) in cases {
            assert_eq!(credits(amount), shown);
        }
    }
}

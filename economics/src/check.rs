//! Ranges of parameters.

use crate::error::{EconomicsError, Result};

/// Most denoising steps of a job.
pub const MAX_STEPS: u32 = 10_000;

/// A number in 0..=1.
pub(crate) fn share(name: &'static str, value: f64) -> Result<f64> {
    within(name, value, 0.0, 1.0)
}

/// A number in `low..=high`; NaN is in no range.
pub(crate) fn within(name: &'static str, value: f64, low: f64, high: f64) -> Result<f64> {
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(EconomicsError::parameter(name, value, format!("between {low} and {high}")))
}

/// Money, watts, seconds: finite and not negative.
pub(crate) fn amount(name: &'static str, value: f64) -> Result<f64> {
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    Err(EconomicsError::parameter(name, value, "a finite number, 0 or more"))
}

/// Finite and above zero.
pub(crate) fn positive(name: &'static str, value: f64) -> Result<f64> {
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    Err(EconomicsError::parameter(name, value, "a finite number above 0"))
}

/// A share that something is divided by, so that 0 is out.
pub(crate) fn positive_share(name: &'static str, value: f64) -> Result<f64> {
    if value > 0.0 && value <= 1.0 {
        return Ok(value);
    }
    Err(EconomicsError::parameter(name, value, "above 0 and at most 1"))
}

/// A share whose complement something is divided by, so that 0 and 1 are out.
pub(crate) fn inner_share(name: &'static str, value: f64) -> Result<f64> {
    if value > 0.0 && value < 1.0 {
        return Ok(value);
    }
    Err(EconomicsError::parameter(name, value, "above 0 and below 1"))
}

/// A count in `low..=high`.
pub(crate) fn count(name: &'static str, value: u64, low: u64, high: u64) -> Result<u64> {
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(EconomicsError::parameter(name, value, format!("between {low} and {high}")))
}

/// Steps of a job: 1 to [`MAX_STEPS`].
pub(crate) fn steps(value: u32) -> Result<u32> {
    count("steps", value.into(), 1, MAX_STEPS.into()).map(|_| value)
}

/// Refuses work beyond `most` evaluations.
pub(crate) fn work(what: &'static str, factors: &[usize], most: u128) -> Result<()> {
    let asked = factors.iter().fold(1u128, |product, &factor| product.saturating_mul(factor as u128));
    if asked > most { Err(EconomicsError::TooLarge { what, asked, most }) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nan_and_infinity_are_in_no_range() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1] {
            assert!(share("x", bad).is_err(), "{bad}");
            assert!(amount("x", bad).is_err(), "{bad}");
            assert!(positive("x", bad).is_err(), "{bad}");
            assert!(positive_share("x", bad).is_err(), "{bad}");
            assert!(inner_share("x", bad).is_err(), "{bad}");
        }
        assert!(share("x", 1.0).is_ok() && share("x", 0.0).is_ok() && amount("x", 0.0).is_ok());
        assert!(positive("x", 0.0).is_err() && positive_share("x", 0.0).is_err() && inner_share("x", 1.0).is_err());
    }

    #[test]
    fn the_message_names_parameter_value_and_range() {
        let message = share("slash", 1.5).unwrap_err().to_string();
        assert_eq!(message, "slash is 1.5; it must be between 0 and 1");
    }

    #[test]
    fn work_does_not_wrap() {
        assert!(work("x", &[usize::MAX, usize::MAX, usize::MAX, usize::MAX], 10).is_err());
        assert!(work("x", &[2, 5], 10).is_ok());
    }
}

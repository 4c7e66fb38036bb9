//! Axes: ends, ticks and their labels.

use crate::error::{EconomicsError, Result};
use crate::figure::Axis;
use crate::report::significant;

/// Most ticks of a linear axis.
const MOST_TICKS: f64 = 7.0;
/// Most decades of a log axis that all get a label.
const MOST_DECADES: i32 = 8;

/// An axis with ends and ticks, from values to 0..=1.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    low: f64,
    high: f64,
    log: bool,
    /// Position and label.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Placed {
    /// Fits an axis to its data.
    pub(super) fn fit(axis: &Axis, values: impl Iterator<Item = f64>) -> Result<Self> {
        let shown = values.filter(|value| value.is_finite() && (!axis.log || *value > 0.0));
        let (mut low, mut high) =
            shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if let Some([from, to]) = axis.range {
            (low, high) = (from, to);
        }
        if !(low.is_finite() && high.is_finite() && low <= high && (!axis.log || low > 0.0)) {
            return Err(EconomicsError::Figure { reason: format!("the axis {:?} has no values", axis.label) });
        }
        if axis.log { Ok(Self::log(low, high)) } else { Ok(Self::linear(low, high, axis.range.is_some())) }
    }

    fn linear(mut low: f64, mut high: f64, fixed: bool) -> Self {
        if !fixed {
            // A little air, and 0 when it is near.
            let span = if high > low { high - low } else { high.abs().max(1.0) };
            if low > 0.0 && low < 0.4 * high {
                low = 0.0;
            } else if high < 0.0 && high > 0.4 * low {
                high = 0.0;
            }
            if low != 0.0 {
                low -= 0.04 * span;
            }
            if high != 0.0 {
                high += 0.04 * span;
            }
        }
        if high <= low {
            high = low + low.abs().max(1.0);
        }
        let step = nice_step((high - low) / MOST_TICKS);
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let ticks = (first..=last).map(|index| {
            let value = index as f64 * step;
            ((value - low) / (high - low), label(value, step))
        });
        Self { low, high, log: false, ticks: ticks.collect() }
    }

    fn log(low: f64, high: f64) -> Self {
        let (mut from, mut to) = (low.log10(), high.log10());
        let air = ((to - from) * 0.04).max(0.02);
        (from, to) = (from - air, to + air);
        let (first, last) = (from.ceil() as i32, to.floor() as i32);
        let mut ticks = Vec::new();
        let place = |value: f64| (value.log10() - from) / (to - from);
        let every = ((last - first) / MOST_DECADES + 1).max(1);
        for decade in first - 1..=last {
            let value = 10f64.powi(decade);
            for factor in [1.0, 2.0, 5.0] {
                let within = (0.0..=1.0).contains(&place(value * factor));
                let wanted = if factor == 1.0 { decade % every == 0 } else { last - first < 2 };
                if within && wanted {
                    ticks.push((place(value * factor), significant(value * factor, 3)));
                }
            }
        }
        Self { low: from, high: to, log: true, ticks }
    }

    /// Where a value is; none when it can't be shown.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let value = if self.log { value.log10() } else { value };
        let place = (value - self.low) / (self.high - self.low);
        place.is_finite().then_some(place)
    }
}

/// 1, 2 or 5 times a power of ten, not below a value.
fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| *step >= least * (1.0 - 1e-9));
    step.unwrap_or(10.0 * power)
}

/// A tick's label with the decimals that its step needs.
fn label(value: f64, step: f64) -> String {
    if value.abs() < step * 1e-6 {
        return "0".to_owned();
    }
    let text = if !(1e-4..1e6).contains(&step) {
        significant(value, 4)
    } else {
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        format!("{value:.decimals$}")
    };
    grouped(&text).replacen('-', "−", 1)
}

/// Commas between thousands from 10,000 on.
fn grouped(text: &str) -> String {
    let digits = text.trim_start_matches('-');
    if digits.len() < 5 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.to_owned();
    }
    let mut grouped = String::from(&text[..text.len() - digits.len()]);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, values: &[f64]) -> Vec<String> {
        Placed::fit(axis, values.iter().copied()).unwrap().ticks.into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(labels(&Axis::linear("x").within(0.0, 1.0), &[]), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Axis::linear("x").within(0.0, 30.0), &[]), ["0", "5", "10", "15", "20", "25", "30"]);
        assert_eq!(labels(&Axis::log("x"), &[0.5, 2000.0]), ["1", "10", "100", "1000"]);
        assert_eq!(
            labels(&Axis::linear("x").within(-400_000.0, 0.0), &[]),
            ["−400,000", "−300,000", "−200,000", "−100,000", "0"]
        );
        assert!(labels(&Axis::linear("x"), &[-0.0093, 0.0031]).contains(&"−0.008".to_owned()));
    }

    #[test]
    fn no_values_are_an_error_and_one_is_enough() {
        assert!(Placed::fit(&Axis::linear("x"), [f64::NAN].into_iter()).is_err());
        assert!(Placed::fit(&Axis::log("x"), [-1.0, 0.0].into_iter()).is_err());
        let one = Placed::fit(&Axis::linear("x"), [5.0].into_iter()).unwrap();
        assert!((0.0..=1.0).contains(&one.place(5.0).unwrap()));
        assert!(Placed::fit(&Axis::log("x"), [1.0].into_iter()).unwrap().place(-1.0).is_none());
    }
}

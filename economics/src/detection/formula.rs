//! One job: the hypergeometric chance.

use crate::check;
use crate::error::Result;

/// The chance that `checks` different steps, drawn evenly out of `steps`, include one of `tampered` ones:
/// `p(T, m, k) = 1 - C(T-m, k) / C(T, k)`, and 1 when `k > T - m`.
///
/// # Errors
/// When `steps` is 0 or too large, or `tampered` or `checks` exceeds it.
pub fn detection_probability(steps: u32, tampered: u32, checks: u32) -> Result<f64> {
    check::steps(steps)?;
    check::count("tampered", tampered.into(), 0, steps.into())?;
    check::count("checks", checks.into(), 0, steps.into())?;
    Ok(caught(steps, tampered, checks))
}

/// [`detection_probability`] of arguments that were checked.
pub(crate) fn caught(steps: u32, tampered: u32, checks: u32) -> f64 {
    if checks > steps - tampered {
        return 1.0;
    }
    // The shorter product: C(T-m, k) / C(T, k) is symmetric in m and k.
    let (few, many) = (tampered.min(checks), tampered.max(checks));
    let missed: f64 = (0..few).map(|drawn| f64::from(steps - many - drawn) / f64::from(steps - drawn)).product();
    1.0 - missed
}

/// `p(T, m, k)` for every `m` from 0 to `steps`.
///
/// # Errors
/// As [`detection_probability`].
pub fn detection_by_tampering(steps: u32, checks: u32) -> Result<Vec<f64>> {
    check::steps(steps)?;
    check::count("checks", checks.into(), 0, steps.into())?;
    let mut missed = 1.0;
    let mut curve = Vec::with_capacity(steps as usize + 1);
    for tampered in 0..=steps {
        curve.push(1.0 - missed);
        // C(T-m-1, k) / C(T-m, k) = (T-m-k) / (T-m)
        let left = steps - tampered;
        missed = if checks >= left { 0.0 } else { missed * f64::from(left - checks) / f64::from(left) };
    }
    if checks == 0 {
        curve.fill(0.0);
    }
    Ok(curve)
}

/// The published study's number of checks for an audit rate: `max(1, round(alpha T))`, halves to the even number as in
/// Python.
///
/// # Errors
/// When `alpha` is no share, or `steps` is 0 or too large.
pub fn checks_of_rate(alpha: f64, steps: u32) -> Result<u32> {
    check::share("alpha", alpha)?;
    check::steps(steps)?;
    Ok(((alpha * f64::from(steps)).round_ties_even() as u32).max(1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// C(n, k) exactly, for small numbers.
    fn choose(n: u32, k: u32) -> u128 {
        (0..k).fold(1, |product, index| product * u128::from(n - index) / u128::from(index + 1))
    }

    #[test]
    fn bad_arguments_are_named() {
        for (arguments, name) in [((0, 0, 0), "steps"), ((30, 31, 1), "tampered"), ((30, 1, 31), "checks")] {
            let message = detection_probability(arguments.0, arguments.1, arguments.2).unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
        }
        assert!(checks_of_rate(f64::NAN, 30).is_err() && checks_of_rate(0.5, 0).is_err());
    }

    #[test]
    fn halves_round_to_even_as_in_python() {
        for (alpha, checks) in [(0.0, 1), (0.15, 4), (0.25, 8), (0.35, 10), (0.45, 14), (0.55, 16), (1.0, 30)] {
            assert_eq!(checks_of_rate(alpha, 30).unwrap(), checks, "{alpha}");
        }
    }

    proptest! {
        #[test]
        fn equals_exact_binomials(steps in 1u32..60, tampered in 0u32..60, checks in 0u32..60) {
            let (tampered, checks) = (tampered.min(steps), checks.min(steps));
            let p = detection_probability(steps, tampered, checks).unwrap();
            let exact = if checks > steps - tampered { 1.0 }
                else { 1.0 - choose(steps - tampered, checks) as f64 / choose(steps, checks) as f64 };
            prop_assert!((p - exact).abs() < 1e-12, "{p} {exact}");
            prop_assert!((detection_by_tampering(steps, checks).unwrap()[tampered as usize] - exact).abs() < 1e-12);
        }

        #[test]
        fn grows_with_checks_and_with_tampering(steps in 2u32..500, tampered in 1u32..500, checks in 1u32..500) {
            let (tampered, checks) = (tampered.min(steps), checks.min(steps));
            let p = caught(steps, tampered, checks);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!(p >= caught(steps, tampered, checks - 1) && p >= caught(steps, tampered - 1, checks));
        }
    }
}

//! Which training timesteps a run visits, from noise to clip.

use super::config::{SchedulerConfig, SchedulerKind, Spacing};

/// Timesteps as diffusers' `set_timesteps` makes them; fractional only for Euler.
pub(super) fn timesteps(config: &SchedulerConfig, steps: usize) -> Vec<f64> {
    let n = config.train_timesteps;
    let offset = config.steps_offset as f64;
    let dpm = config.kind == SchedulerKind::DpmSolverPlusPlus;
    match config.spacing {
        Spacing::Linspace if dpm => {
            let mut points = numpy_linspace((n - 1) as f64, steps + 1);
            points.iter_mut().for_each(|t| *t = t.round_ties_even());
            points.into_iter().skip(1).rev().collect()
        }
        Spacing::Linspace if config.kind == SchedulerKind::Euler => {
            // NumPy makes these in f64 and rounds to f32.
            numpy_linspace((n - 1) as f64, steps).into_iter().rev().map(|t| f64::from(t as f32)).collect()
        }
        Spacing::Linspace => {
            numpy_linspace((n - 1) as f64, steps).into_iter().rev().map(f64::round_ties_even).collect()
        }
        Spacing::Leading => {
            let ratio = if dpm { n / (steps + 1) } else { n / steps };
            let first = usize::from(dpm);
            (first..steps + first).rev().map(|i| (i * ratio) as f64 + offset).collect()
        }
        Spacing::Trailing => {
            let ratio = n as f64 / steps as f64;
            // diffusers' floating-point range sometimes yields one entry more, timestep -1.
            (0..steps).map(|i| (n as f64 - i as f64 * ratio).round_ties_even() - 1.0).collect()
        }
    }
}

/// `numpy.linspace(0, last, n)`.
fn numpy_linspace(last: f64, n: usize) -> Vec<f64> {
    if n == 1 {
        return vec![0.0];
    }
    let step = last / (n - 1) as f64;
    (0..n).map(|i| if i + 1 == n { last } else { i as f64 * step }).collect()
}

/// The table `values` at a fractional index, as `numpy.interp`.
pub(super) fn interpolate(values: &[f64], at: f64) -> f64 {
    let low = (at.floor() as usize).min(values.len() - 1);
    let high = (low + 1).min(values.len() - 1);
    let slope = values[high] - values[low];
    slope * (at - low as f64) + values[low]
}

#[cfg(test)]
mod tests {
    use super::super::betas::linspace;
    use super::*;

    #[test]
    fn linspaces_end_where_they_should() {
        assert_eq!(linspace(0.5, 1.5, 3), [0.5, 1.0, 1.5]);
        assert_eq!(linspace(0.5, 1.5, 1), [0.5]);
        assert_eq!(numpy_linspace(999.0, 2), [0.0, 999.0]);
        assert_eq!(interpolate(&[0.0, 10.0, 30.0], 1.5), 20.0);
        assert_eq!(interpolate(&[0.0, 10.0, 30.0], 2.0), 30.0);
    }
}

//! Frame rates as exact fractions, as containers need them.

use super::{Error, Result};

/// Frames per second as a fraction in lowest terms: 24/1, 30000/1001.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameRate {
    numerator: u32,
    denominator: u32,
}

/// Largest denominator tried: 0.1 ms of error in an hour.
const MAX_DENOMINATOR: u64 = 10_000;

impl FrameRate {
    /// Highest rate that is accepted; far above any screen, low enough that timestamps never overflow.
    pub const MAX_PER_SECOND: u32 = 1000;

    /// Nearest sensible fraction to `frames_per_second`: whole numbers stay whole, 23.976, 29.97 and 59.94 become the
    /// television rates n x 1000/1001, anything else the nearest fraction with a denominator up to 10 000.
    ///
    /// # Errors
    /// [`Error::FrameRate`] for what is not a number, not positive, or above [`Self::MAX_PER_SECOND`].
    pub fn nearest(frames_per_second: f64) -> Result<Self> {
        let fps = frames_per_second;
        if !(fps.is_finite() && fps > 0.0 && fps <= f64::from(Self::MAX_PER_SECOND)) {
            return Err(Error::FrameRate { found: fps, max: Self::MAX_PER_SECOND });
        }
        // `fps` is at most 1000 here, so every `as` below is in range.
        let whole = fps.round();
        if whole >= 1.0 && (fps - whole).abs() < 1e-6 {
            return Ok(Self { numerator: whole as u32, denominator: 1 });
        }
        let television = (fps * 1.001).round();
        if television >= 1.0 && (fps - television / 1.001).abs() < 4e-5 * fps {
            return Ok(Self::reduced(television as u64 * 1000, 1001));
        }
        Ok(Self::by_continued_fraction(fps))
    }

    /// Rate of `frames` pictures shown for `duration` units of which there are `timescale` in a second; `None` where that is
    /// no usable rate.
    pub(crate) fn from_duration(frames: u64, duration: u64, timescale: u32) -> Option<Self> {
        let numerator = frames.checked_mul(u64::from(timescale))?;
        let fastest = duration.saturating_mul(u64::from(Self::MAX_PER_SECOND));
        if numerator == 0 || numerator > fastest {
            return None;
        }
        let divisor = gcd(numerator, duration);
        match (u32::try_from(numerator / divisor), u32::try_from(duration / divisor)) {
            (Ok(numerator), Ok(denominator)) => Some(Self { numerator, denominator }),
            _ => Self::nearest(numerator as f64 / duration as f64).ok(),
        }
    }

    /// Frames in `denominator` seconds.
    #[must_use]
    pub const fn numerator(self) -> u32 {
        self.numerator
    }

    /// Seconds for `numerator` frames.
    #[must_use]
    pub const fn denominator(self) -> u32 {
        self.denominator
    }

    /// As a decimal number.
    #[must_use]
    pub fn per_second(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    fn reduced(numerator: u64, denominator: u64) -> Self {
        let divisor = gcd(numerator, denominator).max(1);
        // Callers pass at most 1000 x 1000 over 10 000.
        Self { numerator: (numerator / divisor) as u32, denominator: (denominator / divisor) as u32 }
    }

    /// Convergents of the continued fraction, the last one whose denominator is in range.
    fn by_continued_fraction(fps: f64) -> Self {
        let (mut previous, mut current) = ((1u64, 0u64), (fps.floor() as u64, 1u64));
        let mut rest = fps - fps.floor();
        for _ in 0..16 {
            if rest < 1e-9 {
                break;
            }
            let inverse = 1.0 / rest;
            let digit = inverse.floor();
            rest = inverse - digit;
            let next = |p: u64, c: u64| (digit as u64).saturating_mul(c).saturating_add(p);
            let candidate = (next(previous.0, current.0), next(previous.1, current.1));
            if candidate.1 > MAX_DENOMINATOR {
                break;
            }
            (previous, current) = (current, candidate);
        }
        if current.0 == 0 {
            // Slower than one frame in 10 000 seconds: the slowest rate there is.
            return Self { numerator: 1, denominator: MAX_DENOMINATOR as u32 };
        }
        Self::reduced(current.0, current.1)
    }
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_rates_are_exact() {
        for (fps, numerator, denominator) in [
            (8.0, 8, 1),
            (24.0, 24, 1),
            (23.976, 24000, 1001),
            (24000.0 / 1001.0, 24000, 1001),
            (29.97, 30000, 1001),
            (59.94, 60000, 1001),
            (12.5, 25, 2),
            (7.8125, 125, 16),
            (0.5, 1, 2),
            (1.0 / 3.0, 1, 3),
            (1000.0, 1000, 1),
        ] {
            let rate = FrameRate::nearest(fps).unwrap();
            assert_eq!((rate.numerator(), rate.denominator()), (numerator, denominator), "{fps}");
        }
    }

    #[test]
    fn impossible_rates_are_refused() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1000.1] {
            assert!(matches!(FrameRate::nearest(fps), Err(Error::FrameRate { .. })), "{fps}");
        }
    }

    #[test]
    fn rates_of_tracks() {
        let rate = FrameRate::from_duration(48, 48 * 512, 12288).unwrap();
        assert_eq!((rate.numerator(), rate.denominator()), (24, 1));
        assert!(FrameRate::from_duration(1, 0, 1000).is_none());
        assert!(FrameRate::from_duration(u64::MAX, 1, 1000).is_none());
        assert!(FrameRate::from_duration(1_000_000, 1, 1).is_none());
    }

    proptest! {
        #[test]
        fn nearest_is_near(fps in 0.001f64..1000.0) {
            let rate = FrameRate::nearest(fps).unwrap();
            prop_assert!((rate.per_second() / fps - 1.0).abs() < 1e-3, "{fps} became {rate:?}");
            // What was made exact once stays so.
            prop_assert_eq!(FrameRate::nearest(rate.per_second()).unwrap(), rate);
        }
    }
}

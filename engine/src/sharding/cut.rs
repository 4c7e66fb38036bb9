//! Cutting a row of things (frames, levels, pixels, weights) into consecutive parts.

use std::fmt;
use std::ops::Range;

/// Into how many parts, or into which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cut {
    /// As evenly as it goes; the first parts are the longer ones.
    Even(usize),
    /// Parts of given lengths, none of them 0.
    Given(Vec<usize>),
}

impl Cut {
    /// Number of parts.
    #[must_use]
    pub fn parts(&self) -> usize {
        match self {
            Cut::Even(parts) => *parts,
            Cut::Given(lengths) => lengths.len(),
        }
    }

    /// The parts of `len` things; `None` where a part would be empty or given lengths do not add up to `len`.
    #[must_use]
    pub fn ranges(&self, len: usize) -> Option<Vec<Range<usize>>> {
        match self {
            Cut::Even(parts) if *parts == 0 || *parts > len => None,
            Cut::Even(parts) => Some(even(len, *parts)),
            Cut::Given(lengths) => {
                let total = lengths.iter().try_fold(0_usize, |sum, &length| sum.checked_add(length));
                (total == Some(len) && lengths.iter().all(|&length| length > 0)).then(|| {
                    let mut start = 0;
                    lengths
                        .iter()
                        .map(|&length| {
                            start += length;
                            start - length..start
                        })
                        .collect()
                })
            }
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::Even(parts) => write!(f, "{parts}"),
            Cut::Given(lengths) => {
                for (i, length) in lengths.iter().enumerate() {
                    if i > 0 {
                        f.write_str(":")?;
                    }
                    write!(f, "{length}")?;
                }
                Ok(())
            }
        }
    }
}

/// `parts` consecutive ranges of `len` things, the first ones longer by one where it does not divide; some empty where `parts > len`.
pub(crate) fn even(len: usize, parts: usize) -> Vec<Range<usize>> {
    let (each, longer) = (len / parts, len % parts);
    let start = |i: usize| i * each + i.min(longer);
    (0..parts).map(|i| start(i)..start(i + 1)).collect()
}

/// `len` things cut in proportion to `weights`, by rounding down where each part ends; some may be empty.
pub(crate) fn proportional(len: usize, weights: &[Range<usize>]) -> Vec<Range<usize>> {
    let total = weights.last().map_or(1, |last| last.end).max(1);
    let at = |position: usize| len * position / total;
    weights.iter().map(|part| at(part.start)..at(part.end)).collect()
}

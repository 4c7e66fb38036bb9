//! The node's clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 UTC; 0 on a clock before that.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Bytes of the operating system's randomness.
///
/// # Errors
/// It has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

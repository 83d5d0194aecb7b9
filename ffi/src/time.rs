//! Timeouts.

use crate::check::invalid;
use mailboat::{Result, Wait};

/// As a timeout: do not wait; fail at once with MB_FULL or MB_EMPTY.
pub const MB_TRY: i64 = 0;
/// As a timeout: wait without limit.
pub const MB_FOREVER: i64 = -1;

pub(crate) fn wait(timeout_ns: i64) -> Result<Wait> {
    match timeout_ns {
        MB_TRY => Ok(Wait::TRY),
        MB_FOREVER => Ok(Wait::FOREVER),
        _ => u64::try_from(timeout_ns).map(Wait::from_nanos).map_err(|_| {
            invalid(format!(
                "timeout_ns is {timeout_ns}; it must be nanoseconds, MB_TRY (0) or MB_FOREVER (-1)"
            ))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts() {
        assert_eq!(wait(MB_TRY).unwrap(), Wait::TRY);
        assert_eq!(wait(MB_FOREVER).unwrap(), Wait::FOREVER);
        assert_eq!(wait(5).unwrap(), Wait::from_nanos(5));
        assert_eq!(wait(i64::MAX).unwrap(), Wait::from_nanos(i64::MAX as u64));
        for negative in [-2, i64::MIN] {
            assert!(wait(negative).unwrap_err().to_string().contains("timeout_ns"));
        }
    }
}

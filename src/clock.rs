//! Time: now, waiting, and how it is written. The only file that names chrono.

use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, SecondsFormat};

/// Seconds since 1970-01-01 00:00:00 UTC, as git's `password_expiry_utc` and JWT's `exp` count them.
pub(crate) type Timestamp = i64;

/// The wall to time: tests put their own here.
pub(crate) trait Clock {
    /// The system's wall clock. It may be wrong, and it may jump.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment, which never jumps: for deadlines.
    fn elapsed(&self) -> Duration;
    /// Waits.
    fn sleep(&self, how_long: Duration);
}

/// The system's clock.
pub(crate) struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose `elapsed` counts from here.
    #[expect(clippy::disallowed_methods, reason = "the room for it")]
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the room for it")]
    fn now(&self) -> Timestamp {
        timestamp(SystemTime::now())
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the room for it")]
    fn sleep(&self, how_long: Duration) {
        std::thread::sleep(how_long);
    }
}

/// A system's time, a file's for one, in whole seconds. Whatever was before 1970 was then.
pub(crate) fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::try_from(since.as_secs()).unwrap_or(Timestamp::MAX)
}

/// The system's time at a timestamp.
pub(crate) fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at).unwrap_or(0))
}

/// RFC 3339 in UTC with whole seconds and `Z`; `None` where the year has no four digits.
pub(crate) fn rfc3339(at: Timestamp) -> Option<String> {
    let at = DateTime::from_timestamp(at, 0)?;
    Some(at.to_rfc3339_opts(SecondsFormat::Secs, true)).filter(|text| text.len() == 20)
}

/// Reads an HTTP `Date` (RFC 9110 section 5.6.7, the preferred form, which is RFC 5322's).
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|at| at.timestamp())
}

/// A span as a person says it: the largest unit that leaves a number worth reading, rounded.
pub(crate) fn span(seconds: i64) -> String {
    let (count, unit) = match seconds.max(0) {
        s @ 0..120 => (s, "second"),
        s @ 120..7_200 => ((s + 30) / 60, "minute"),
        s @ 7_200..172_800 => ((s + 1_800) / 3_600, "hour"),
        s => (s / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_and_z() {
        assert_eq!(rfc3339(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(rfc3339(1_795_305_600).as_deref(), Some("2026-11-22T00:00:00Z"));
        assert_eq!(rfc3339(Timestamp::MAX), None);
        assert_eq!(rfc3339(400_000_000_000), None);
    }

    #[test]
    fn http_dates() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn spans() {
        let said = [-5, 1, 119, 120, 299, 7_200, 200_000].map(span);
        assert_eq!(said, ["0 seconds", "1 second", "119 seconds", "2 minutes", "5 minutes", "2 hours", "2 days"]);
    }
}

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

/// Reads a span of time as our command line has it, in seconds: a number and `s`, `m`, `h` or `d`.
pub(crate) fn read_span(text: &str) -> Result<i64, String> {
    let unit = match text.bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => 0,
    };
    let digits = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    // More digits than that are longer than anything here lasts.
    let is_count = unit > 0 && digits.len() < 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count = digits.parse::<i64>().ok().filter(|_| is_count);
    count.map(|count| count * unit).ok_or_else(|| "write a number and its unit: 30s, 4m or 8h".to_owned())
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
    fn spans_are_read_with_their_unit() {
        for (text, seconds) in [("30s", 30), ("4m", 240), ("8h", 28_800), ("1d", 86_400), ("0s", 0)] {
            assert_eq!(read_span(text), Ok(seconds), "{text}");
        }
        for text in ["", "s", "60", "4 m", "-4m", "+4m", "1.5h", "4M", "4ms", "m4", "999999999999d", "4\u{b5}"] {
            assert!(read_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans() {
        let said = [-5, 1, 119, 120, 299, 7_200, 200_000].map(span);
        assert_eq!(said, ["0 seconds", "1 second", "119 seconds", "2 minutes", "5 minutes", "2 hours", "2 days"]);
    }
}

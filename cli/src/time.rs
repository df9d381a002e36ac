//! Times as people are told them: RFC 3339 in progress, "2 hours ago" in lists. Knows no clock: every function is told
//! the times it speaks of.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oci::time;
use oci::tree::Mtime;

/// `2024-01-31T12:00:00Z`, with as many digits of the second as it has.
pub fn rfc3339(time: SystemTime) -> String {
    time::rfc3339(mtime(time))
}

/// A time as a file has it; what was before 1970 becomes that.
fn mtime(time: SystemTime) -> Mtime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Mtime { secs: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanos: since.subsec_nanos() }
}

/// How long ago, in Docker's words: `2 hours ago`.
pub fn ago(then: Mtime, now: SystemTime) -> String {
    let then = Duration::from_secs(u64::try_from(then.secs).unwrap_or(0));
    let age = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(then).as_secs();
    let (minutes, hours) = (age / 60, (age + 1800) / 3600);
    let words = match (age, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (..60, ..) => format!("{age} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, ..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".to_owned(),
        (.., ..48) => format!("{hours} hours"),
        (.., ..336) => format!("{} days", hours / 24),
        (.., ..1440) => format!("{} weeks", hours / 24 / 7),
        (.., ..17_520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    };
    words + " ago"
}

/// The same for a time of the clock.
pub fn ago_of(then: SystemTime, now: SystemTime) -> String {
    ago(mtime(then), now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for (age, words) in [
            (0, "Less than a second ago"),
            (59, "59 seconds ago"),
            (60, "About a minute ago"),
            (120, "2 minutes ago"),
            (3600, "About an hour ago"),
            (7200, "2 hours ago"),
            (86_400 * 3, "3 days ago"),
            (86_400 * 20, "2 weeks ago"),
            (86_400 * 100, "3 months ago"),
            (86_400 * 800, "2 years ago"),
        ] {
            assert_eq!(ago(Mtime { secs: 1_000_000_000 - age, nanos: 0 }, now), words);
        }
    }
}

//! Times as they are written: RFC 3339 in configs and progress, "2 hours ago" in lists. Knows no clock: every function is
//! told the times it speaks of.
//!
//! Days are counted in the proleptic Gregorian calendar with years that begin in March, so that the leap day is the
//! last of its year (Howard Hinnant, "chrono-compatible low-level date algorithms").

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oci::tree::Mtime;

/// `2024-01-31T12:00:00Z`, with as many digits of the second as it has.
pub fn rfc3339(time: SystemTime) -> String {
    rfc3339_of(mtime(time))
}

/// A time as a file has it; what was before 1970 becomes that.
fn mtime(time: SystemTime) -> Mtime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Mtime { secs: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanos: since.subsec_nanos() }
}

/// The same for a file's time.
pub fn rfc3339_of(time: Mtime) -> String {
    let (days, second) = (time.secs.div_euclid(86_400), time.secs.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = if time.nanos == 0 {
        String::new()
    } else {
        format!(".{:09}", time.nanos).trim_end_matches('0').to_owned()
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Reads what RFC 3339 allows; `None` for anything else.
pub fn parse_rfc3339(text: &str) -> Option<Mtime> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    let at = |place: usize, wanted: &[u8]| text.as_bytes().get(place).is_some_and(|byte| wanted.contains(byte));
    let form = at(4, b"-") && at(7, b"-") && at(10, b"Tt ") && at(13, b":") && at(16, b":");
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let sound = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !form || !sound {
        return None;
    }
    let rest = text.get(19..)?;
    let (nanos, zone) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let nanos = format!("{:0<9.9}", rest.get(..digits.min(9))?).parse().ok()?;
            (nanos, rest.get(digits..)?)
        }
    };
    let seconds = days(i64::from(year), month, day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    Some(Mtime { secs: seconds - offset(zone)?, nanos })
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

/// Year, month and day of a day counted from 1970-01-01.
fn date(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

/// The day counted from 1970-01-01.
fn days(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * march_month + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Seconds east of Greenwich: `Z`, `+02:00`.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        for (secs, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (1_706_702_400, 120_000_000, "2024-01-31T12:00:00.12Z"),
            (-1, 0, "1969-12-31T23:59:59Z"),
        ] {
            let time = Mtime { secs, nanos };
            assert_eq!(rfc3339_of(time), text);
            assert_eq!(parse_rfc3339(text), Some(time));
        }
        assert_eq!(parse_rfc3339("1970-01-01T02:00:00+02:00"), Some(Mtime::default()));
        assert_eq!(parse_rfc3339("1970-13-01T00:00:00Z"), None);
    }

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

    proptest! {
        #[test]
        fn what_is_written_is_read_back(secs in -62_000_000_000i64..250_000_000_000, nanos in 0u32..1_000_000_000) {
            let time = Mtime { secs, nanos };
            prop_assert_eq!(parse_rfc3339(&rfc3339_of(time)), Some(time));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,40}") {
            let _ = parse_rfc3339(&text);
        }
    }
}

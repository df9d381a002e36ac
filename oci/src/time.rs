//! Times as configs have them, by RFC 3339, and as HTTP has them. Knows no clock.
//!
//! Days are counted in the proleptic Gregorian calendar with years that begin in March, so that the leap day is the
//! last of its year (Howard Hinnant, "chrono-compatible low-level date algorithms").

use std::ops::RangeInclusive;

use crate::tree::Mtime;

/// The seconds since 1970 of the years 0 to 9999, which are all that can be written.
pub const WRITABLE: RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// `2024-01-31T12:00:00Z`, with as many digits of the second as it has. For times that are not [`WRITABLE`], the year is
/// longer than the standard has it.
pub fn rfc3339(time: Mtime) -> String {
    let (days, second) = (time.secs.div_euclid(86_400), time.secs.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = match time.nanos {
        0 => String::new(),
        nanos => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Reads what RFC 3339 allows; `None` for anything else.
pub fn parse_rfc3339(text: &str) -> Option<Mtime> {
    let at = |place: usize, wanted: &[u8]| text.as_bytes().get(place).is_some_and(|byte| wanted.contains(byte));
    let number = |range| digits(text.get(range)?);
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
            let length = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (fraction, zone) = rest.split_at(length);
            (format!("{fraction:0<9.9}").parse().ok()?, zone)
        }
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Mtime { secs: seconds - offset(zone)?, nanos })
}

/// Seconds since 1970 of a date of HTTP as servers must write it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
pub fn parse_http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_weekday, rest) = text.split_once(", ")?;
    let words: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, clock, "GMT"] = words.as_slice() else { return None };
    let month = i64::try_from(MONTHS.iter().position(|name| name == month)?).ok()? + 1;
    let clock: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = clock.as_slice() else { return None };
    if [day.len(), year.len(), hour.len(), minute.len(), second.len()] != [2, 4, 2, 2, 2] {
        return None;
    }
    let (day, year) = (digits(day)?, digits(year)?);
    let (hour, minute, second) = (digits(hour)?, digits(minute)?, digits(second)?);
    let sound = (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    sound.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Seconds east of Greenwich: `Z`, `+02:00`.
fn offset(zone: &str) -> Option<i64> {
    let (sign, zone) = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(0),
        ("+", zone) => (1, zone),
        ("-", zone) => (-1, zone),
        _ => return None,
    };
    let (hours, minutes) = zone.split_once(':')?;
    match (hours.len(), minutes.len()) {
        (2, 2) => Some(sign * (digits(hours)? * 3600 + digits(minutes)? * 60)),
        _ => None,
    }
}

/// A number of a few digits and nothing else.
fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Year, month and day of a day counted from 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day counted from 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, march_month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        for (secs, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (951_782_399, 0, "2000-02-28T23:59:59Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (1_706_702_400, 120_000_000, "2024-01-31T12:00:00.12Z"),
            (-1, 0, "1969-12-31T23:59:59Z"),
            (*WRITABLE.start(), 0, "0000-01-01T00:00:00Z"),
            (*WRITABLE.end(), 999_999_999, "9999-12-31T23:59:59.999999999Z"),
        ] {
            let time = Mtime { secs, nanos };
            assert_eq!(rfc3339(time), text);
            assert_eq!(parse_rfc3339(text), Some(time));
        }
    }

    #[test]
    fn what_else_is_read_and_what_is_not() {
        for text in ["1970-01-01T02:00:00+02:00", "1969-12-31t22:30:00-01:30", "1970-01-01 00:00:00.0000000001z"] {
            assert_eq!(parse_rfc3339(text), Some(Mtime::default()), "{text}");
        }
        for text in [
            "",
            "now",
            "1970-13-01T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00",
            "+970-01-01T00:00:00Z",
            "1970-01-01T00:00:00+2:00",
            "1970-01-01T00:00:00+99999999999999999:00",
            "1970-01-01T00:00:00Züri",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn dates_of_http() {
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for text in ["Sun, 06 Nov 1994 08:49:37", "Sun Nov  6 08:49:37 1994", "Sun, 6 Nov 1994 08:49:37 GMT", ""] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn the_ends_of_time_are_written_somehow() {
        for secs in [i64::MIN, i64::MAX] {
            assert!(rfc3339(Mtime { secs, nanos: 0 }).ends_with('Z'));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(secs in WRITABLE, nanos in 0_u32..1_000_000_000) {
            let time = Mtime { secs, nanos };
            prop_assert_eq!(parse_rfc3339(&rfc3339(time)), Some(time));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,40}") {
            let _ = parse_rfc3339(&text);
        }
    }
}

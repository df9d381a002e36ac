//! Durations as Go writes them: `1h30m`, `1.5s`, `100ms`. Exact to the nanosecond, without floating point.

use std::time::Duration;

use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{char, digit0, one_of};
use nom::combinator::{all_consuming, opt, recognize, value, verify};
use nom::multi::fold_many1;
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// A length of time, and its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    Positive(Duration),
    Negative,
}

/// `None` if it is no duration, or longer than 292 years.
pub(crate) fn parse(text: &str) -> Option<Signed> {
    let (text, sign) = opt(one_of::<_, _, nom::error::Error<&str>>("+-")).parse(text).ok()?;
    let nanoseconds = if text == "0" {
        0
    } else {
        let add = |sum: Option<u128>, part: Option<u128>| sum?.checked_add(part?);
        let (_, sum) = all_consuming(fold_many1(part, || Some(0), add)).parse(text).ok()?;
        sum?
    };
    let nanoseconds = i64::try_from(nanoseconds).ok()?;
    if sign == Some('-') && nanoseconds > 0 {
        return Some(Signed::Negative);
    }
    Some(Signed::Positive(Duration::from_nanos(nanoseconds.unsigned_abs())))
}

/// A number with its unit, in nanoseconds; `None` if it is too large.
fn part(text: &str) -> IResult<&str, Option<u128>> {
    let (rest, (number, unit)) =
        (verify(recognize((digit0, opt((char('.'), digit0)))), has_digits), unit).parse(text)?;
    Ok((rest, nanoseconds(number, unit)))
}

fn has_digits(number: &str) -> bool {
    number.bytes().any(|b| b.is_ascii_digit())
}

fn unit(text: &str) -> IResult<&str, u128> {
    alt((
        value(1, tag("ns")),
        value(1_000, preceded(alt((tag("u"), tag("µ"), tag("μ"))), tag("s"))),
        value(1_000_000, tag("ms")),
        value(1_000_000_000, tag("s")),
        value(60_000_000_000, tag("m")),
        value(3_600_000_000_000, tag("h")),
    ))
    .parse(text)
}

fn nanoseconds(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Digits behind the eighteenth are below a nanosecond in every unit.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(fraction.len() as u32);
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    whole.checked_mul(unit)?.checked_add(fraction * unit / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let nanos = |text| match parse(text) {
            Some(Signed::Positive(duration)) => Some(duration.as_nanos()),
            Some(Signed::Negative) => Some(u128::MAX),
            None => None,
        };
        for (text, expected) in [
            ("0", Some(0)),
            ("3s", Some(3_000_000_000)),
            ("+1h30m", Some(5_400_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            (".5ms", Some(500_000)),
            ("1.s", Some(1_000_000_000)),
            ("2us", Some(2_000)),
            ("2µs", Some(2_000)),
            ("-1s", Some(u128::MAX)),
            ("1", None),
            ("", None),
            (".s", None),
            ("1d", None),
            ("1s ", None),
            ("9999999999999h", None),
            ("99999999999999999999999999999999999999999999h", None),
        ] {
            assert_eq!(nanos(text), expected, "{text}");
        }
    }
}

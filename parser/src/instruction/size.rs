//! Sizes as `docker run --memory` takes them: `64m`, `1.5 GiB`, `1000`. Units are powers of 1024.

use nom::character::complete::{char, digit1, one_of, space0};
use nom::combinator::{all_consuming, opt, recognize};
use nom::number::complete::double;
use nom::{IResult, Parser};

/// In bytes; `None` if it is no size, or a negative one.
pub(crate) fn bytes(text: &str) -> Option<i64> {
    let (_, (number, unit)) = all_consuming(size).parse(text).ok()?;
    let power = match unit {
        None | Some('b' | 'B') => 0,
        Some(unit) => 1 + "kmgtp".find(unit.to_ascii_lowercase())?,
    };
    let bytes = number * 1024_f64.powi(i32::try_from(power).ok()?);
    // The cast saturates.
    Some(bytes as i64)
}

fn size(text: &str) -> IResult<&str, (f64, Option<char>)> {
    let number = recognize((digit1, opt((char('.'), digit1)))).and_then(double);
    let suffix = opt((one_of("kKmMgGtTpPbB"), opt(one_of("iI")), opt(one_of("bB"))));
    let (rest, (number, _, suffix)) = (number, space0, suffix).parse(text)?;
    let unit = match suffix {
        // `b` stands alone, and `i` only before `b`.
        Some(('b' | 'B', None, None)) => Some('b'),
        Some(('b' | 'B', _, _)) | Some((_, Some(_), None)) => {
            return Err(nom::Err::Error(nom::error::Error::new(text, nom::error::ErrorKind::OneOf)));
        }
        Some((unit, _, _)) => Some(unit),
        None => None,
    };
    Ok((rest, (number, unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1000", Some(1000)),
            ("32b", Some(32)),
            ("1k", Some(1024)),
            ("1.5 KiB", Some(1536)),
            ("64MB", Some(64 << 20)),
            ("2g", Some(2 << 30)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("1x", None),
            ("1ki", None),
            ("1bb", None),
            ("1.k", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}

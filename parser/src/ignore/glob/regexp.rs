//! Escapes and classes. Docker makes a Go regular expression of a pattern and leaves these as they stand, so they mean
//! what they mean there: `\n` is a newline, `\d` a digit, and `\y` a mistake.

use super::{Token, take};

type Ranges = Vec<(char, char)>;

const ESCAPE: &str = "a letter or a digit after its `\\` means something else than itself: write paths with `/`";
const OPEN: &str = "its `[` is never closed";

/// What follows a `\`; `before` is what the pattern has so far.
pub(super) fn escape(rest: &mut &str, before: &[Token]) -> Result<Option<Token>, &'static str> {
    let Some(c) = rest.chars().next() else { return Err(ESCAPE) };
    if c == 'b' {
        take(rest);
        return Ok(boundary(rest, before));
    }
    if let Some(ranges) = set(c) {
        take(rest);
        return Ok(Some(Token::Class { negated: c.is_ascii_uppercase(), ranges }));
    }
    character(rest).map(|c| Some(Token::Literal(c)))
}

/// `\b`: between a character of a word and another. Where both sides are not known, nothing matches.
fn boundary(rest: &str, before: &[Token]) -> Option<Token> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let left = match before.last() {
        None | Some(Token::Dirs) => false,
        Some(Token::Literal(c)) => is_word(*c),
        Some(_) => return Some(Token::Class { negated: false, ranges: Vec::new() }),
    };
    let right = rest.chars().next().is_some_and(is_word);
    (left == right).then(|| Token::Class { negated: false, ranges: Vec::new() })
}

/// A class, its `[` having been read.
pub(super) fn class(rest: &mut &str) -> Result<Token, &'static str> {
    let negated = rest.starts_with('^');
    if negated {
        take(rest);
    }
    let mut ranges = Vec::new();
    let mut is_first = true;
    while is_first || !rest.starts_with(']') {
        is_first = false;
        if let Some((name, behind)) = rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) {
            *rest = behind;
            ranges.extend(named(name)?);
        } else if let Some(known) =
            rest.strip_prefix('\\').and_then(|rest| rest.chars().next()).filter(|c| set(*c).is_some())
        {
            *rest = &rest[2..];
            let set = set(known).unwrap_or_default();
            ranges.extend(if known.is_ascii_uppercase() { complement(&set) } else { set });
        } else {
            ranges.push(range(rest)?);
        }
    }
    take(rest);
    Ok(Token::Class { negated, ranges })
}

/// One character, or `a-z`. A `-` that is not between two is itself.
fn range(rest: &mut &str) -> Result<(char, char), &'static str> {
    let low = member(rest)?;
    let high = match rest.strip_prefix('-') {
        Some(after) if !after.is_empty() && !after.starts_with(']') => {
            *rest = after;
            member(rest)?
        }
        _ => low,
    };
    if low > high { Err("a range in its `[…]` is upside down") } else { Ok((low, high)) }
}

fn member(rest: &mut &str) -> Result<char, &'static str> {
    match take(rest).ok_or(OPEN)? {
        '\\' => character(rest),
        c => Ok(c),
    }
}

/// The one character that is escaped, its `\` having been read.
fn character(rest: &mut &str) -> Result<char, &'static str> {
    match take(rest).ok_or(OPEN)? {
        'a' => Ok('\x07'),
        'f' => Ok('\x0c'),
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        'v' => Ok('\x0b'),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(c),
        _ => Err(ESCAPE),
    }
}

/// `\d`, `\s`, `\w`; in upper case they stand for all others.
fn set(name: char) -> Option<Ranges> {
    match name.to_ascii_lowercase() {
        'd' => Some(vec![('0', '9')]),
        's' => Some(vec![('\t', '\n'), ('\x0c', '\r'), (' ', ' ')]),
        'w' => Some(vec![('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
        _ => None,
    }
}

/// `[:name:]`
fn named(name: &str) -> Result<Ranges, &'static str> {
    let (is_other, name) = name.strip_prefix('^').map_or((false, name), |name| (true, name));
    let has: fn(&char) -> bool = match name {
        "alnum" => char::is_ascii_alphanumeric,
        "alpha" => char::is_ascii_alphabetic,
        "ascii" => char::is_ascii,
        "blank" => |c| matches!(c, ' ' | '\t'),
        "cntrl" => char::is_ascii_control,
        "digit" => char::is_ascii_digit,
        "graph" => char::is_ascii_graphic,
        "lower" => char::is_ascii_lowercase,
        "print" => |c| matches!(c, ' '..='~'),
        "punct" => char::is_ascii_punctuation,
        "space" => |c| matches!(c, '\t'..='\r' | ' '),
        "upper" => char::is_ascii_uppercase,
        "word" => |c| c.is_ascii_alphanumeric() || *c == '_',
        "xdigit" => char::is_ascii_hexdigit,
        _ => return Err("its `[:…:]` names no class"),
    };
    let ranges: Ranges = ('\0'..='\x7f').filter(has).map(|c| (c, c)).collect();
    Ok(if is_other { complement(&ranges) } else { ranges })
}

/// All characters that are in none of `ranges`, which are in order.
fn complement(ranges: &[(char, char)]) -> Ranges {
    let after = |c: char| char::from_u32(c as u32 + 1).unwrap_or(c);
    let mut next = '\0';
    let mut out = Ranges::new();
    for (low, high) in ranges {
        if next < *low {
            out.push((next, char::from_u32(*low as u32 - 1).unwrap_or(next)));
        }
        next = after(*high);
    }
    out.push((next, char::MAX));
    out
}

#[cfg(test)]
mod tests {
    use super::super::Glob;

    fn matches(pattern: &str, path: &str) -> bool {
        Glob::parse(pattern).is_ok_and(|glob| glob.matches(path.as_bytes()))
    }

    #[test]
    fn escapes_are_those_of_regular_expressions() {
        for (pattern, path) in [
            ("\\#a", "#a"),
            ("a\\*b", "a*b"),
            ("obj\\Debug", "objxebug"),
            ("v\\d", "v1"),
            ("a\\n", "a\n"),
            ("x\\-\\_", "x-_"),
            ("**/\\bin", "a/in"),
            ("x*\\", "xy$z"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [("\\a", "a"), ("v\\d", "vd"), ("src\\bin", "srcbin"), ("obj\\Debug", "obj0ebug")] {
            assert!(Glob::parse(pattern).is_ok() && !matches(pattern, path), "{pattern} {path}");
        }
        for bad in ["obj\\Release", "a\\yb", "\\1", "\\é"] {
            assert!(Glob::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn classes_are_those_of_regular_expressions() {
        for (pattern, path) in [
            ("[!a]x", "!x"),
            ("x*[-a]", "x-"),
            ("x*[]a]", "x]"),
            ("x*[a-]", "x-"),
            ("[[:digit:]x]", "7"),
            ("x*[\\d]", "x1"),
            ("x*[^\\D]", "x1"),
            ("[\\]]", "]"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        assert!(matches("[\\d]", "1") && !matches("[\\d]", "d"));
        assert!(!matches("x*[\\D]", "x1") && !matches("[[:^digit:]]", "7"));
        for bad in ["[z-a]", "x*[a", "[[:no:]]", "x*["] {
            assert!(Glob::parse(bad).is_err(), "{bad}");
        }
    }
}

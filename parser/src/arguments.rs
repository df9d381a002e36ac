//! The forms in which instructions take their arguments: flags, words, pairs, JSON or a line. Knows no instruction.
//!
//! Everything works on one logical line and cuts its words out of it.

use crate::ast::{Args, Pair, PairForm};
use crate::json::{self, Refusal};
use crate::lines::without_start;
use crate::text::Text;

/// Blanks between words; not every Unicode space.
const BLANK: [char; 5] = [' ', '\t', '\r', '\u{b}', '\u{c}'];

/// The same, where bytes are looked through.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\x0b' | b'\x0c')
}

/// Why arguments cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// `ENV name`, or `LABEL name`.
    NoValue { name: Text },
    /// A word without `=` among pairs.
    NoEquals { word: Text },
    /// A JSON array of other things than strings.
    NotStrings,
}

/// An instruction's name, and what follows it.
pub(crate) fn split_keyword(line: &str) -> (&str, &str) {
    let line = line.trim();
    match line.bytes().position(is_blank) {
        Some(at) => (&line[..at], without_start(&line[at..], is_blank)),
        None => (line, ""),
    }
}

/// Flags at the beginning of `rest`, unquoted, and what follows them. A lone `--` ends them.
pub(crate) fn split_flags<'r>(line: &Text, rest: &'r str, escape: char) -> (Vec<Text>, &'r str) {
    let mut flags = Vec::new();
    let mut rest = rest;
    loop {
        rest = without_start(rest, |byte| is_blank(byte) || byte == b'\n');
        if !rest.starts_with("--") {
            return (flags, rest.trim());
        }
        let (flag, behind) = split_flag(line, rest, escape);
        rest = behind;
        if flag == "--" {
            return (flags, rest.trim());
        }
        flags.push(flag);
    }
}

/// One flag, its quotes and escapes removed; if it has none, it is cut out.
fn split_flag<'r>(line: &Text, rest: &'r str, escape: char) -> (Text, &'r str) {
    let special = |c: char| BLANK.contains(&c) || c == '\'' || c == '"' || c == escape;
    let plain = rest.find(special).unwrap_or(rest.len());
    if rest[plain..].starts_with(BLANK) || plain == rest.len() {
        return (line.part(&rest[..plain]), &rest[plain..]);
    }
    let mut flag = rest[..plain].to_owned();
    let mut quote = None;
    let mut chars = rest[plain..].char_indices();
    while let Some((at, c)) = chars.next() {
        match quote {
            Some(open) if c == open => quote = None,
            None if BLANK.contains(&c) => return (Text::from(flag), &rest[plain + at..]),
            None if c == '\'' || c == '"' => quote = Some(c),
            _ if c == escape => flag.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => flag.push(c),
        }
    }
    (Text::from(flag), "")
}

/// Words as a shell splits them, quotes and escapes kept; an escape at the very end is dropped.
pub(crate) fn shell_words(rest: &str, escape: u8) -> Vec<&str> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(begin) = rest[at..].find(|c: char| !c.is_whitespace()) {
        let start = at + begin;
        let (end, next) = end_of_word(rest, start, escape);
        if end > start {
            words.push(&rest[start..end]);
        }
        at = next;
    }
    words
}

/// Where the word that begins at `start` ends, and where to look for the next one.
fn end_of_word(rest: &str, start: usize, escape: u8) -> (usize, usize) {
    let bytes = rest.as_bytes();
    let mut quote = None;
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        let escapes = byte == escape && quote != Some(b'\'');
        if escapes && at + 1 == bytes.len() {
            return (at, bytes.len());
        }
        if escapes {
            at += 1 + width(rest, at + 1);
            continue;
        }
        match quote {
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if byte == b'\'' || byte == b'"' => quote = Some(byte),
            None if is_space(rest, at, byte) => return (at, at),
            None => {}
        }
        at += width(rest, at);
    }
    (at, at)
}

fn is_space(rest: &str, at: usize, byte: u8) -> bool {
    match byte {
        b' ' | b'\t'..=b'\r' => true,
        ..0x80 => false,
        _ => rest[at..].starts_with(char::is_whitespace),
    }
}

/// Bytes of the character at `at`.
fn width(rest: &str, at: usize) -> usize {
    match rest.as_bytes().get(at) {
        Some(..0x80) | None => 1,
        Some(..0xe0) => 2,
        Some(..0xf0) => 3,
        Some(_) => 4,
    }
}

/// Words split at blanks, quotes meaning nothing.
pub(crate) fn blank_words(line: &Text, rest: &str) -> Args {
    if rest.is_empty() {
        return Args::None;
    }
    Args::Words(rest.split(BLANK).filter(|word| !word.is_empty()).map(|word| line.part(word)).collect())
}

/// `name` or `name=value` words.
pub(crate) fn definitions(line: &Text, rest: &str, escape: u8) -> Args {
    let words = shell_words(rest, escape);
    if words.is_empty() {
        return Args::None;
    }
    Args::Words(words.into_iter().map(|word| line.part(word)).collect())
}

/// `name=value …`, or the old `name value`: which one, the first word tells.
pub(crate) fn pairs(line: &Text, rest: &str, escape: u8) -> Result<Args, Refused> {
    let words = shell_words(rest, escape);
    let Some(first) = words.first() else { return Ok(Args::None) };
    if !first.contains('=') {
        let (key, value) = rest.split_once(BLANK).ok_or_else(|| Refused::NoValue { name: line.part(first) })?;
        let value = value.trim_start_matches(BLANK);
        return Ok(Args::Pairs(vec![Pair { key: line.part(key), value: line.part(value), form: PairForm::Blank }]));
    }
    let pair = |word: &str| {
        let (key, value) = word.split_once('=').ok_or_else(|| Refused::NoEquals { word: line.part(word) })?;
        Ok(Pair { key: line.part(key), value: line.part(value), form: PairForm::Equals })
    };
    words.into_iter().map(pair).collect::<Result<_, _>>().map(Args::Pairs)
}

/// Everything as one word.
pub(crate) fn whole_line(line: &Text, rest: &str) -> Args {
    if rest.is_empty() { Args::None } else { Args::Line(line.part(rest)) }
}

/// A JSON array of strings, else the line.
pub(crate) fn json_or_line(line: &Text, rest: &str) -> Result<Args, Refused> {
    json_or(line, rest, whole_line)
}

/// A JSON array of strings, else words split at blanks.
pub(crate) fn json_or_words(line: &Text, rest: &str) -> Result<Args, Refused> {
    json_or(line, rest, blank_words)
}

fn json_or(line: &Text, rest: &str, otherwise: fn(&Text, &str) -> Args) -> Result<Args, Refused> {
    match json::strings(line, rest) {
        Ok(strings) => Ok(Args::Json(strings)),
        Err(Refusal::NotAnArray) => Ok(otherwise(line, rest)),
        Err(Refusal::NotStrings) => Err(Refused::NotStrings),
    }
}

/// A health check's type, and its command.
pub(crate) fn health(line: &Text, rest: &str) -> Result<Args, Refused> {
    // Other blanks than ASCII's are part of the command.
    let (kind, command) = rest.split_once(BLANK).unwrap_or((rest, ""));
    if kind.is_empty() {
        return Ok(Args::None);
    }
    let command = json_or_line(line, command.trim_start_matches(BLANK))?;
    Ok(Args::Health { kind: line.part(kind), command: Box::new(command) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_end_at_the_first_other_word() {
        let show = |text: &str| {
            let line = Text::from(text);
            let (flags, rest) = split_flags(&line, &line, '\\');
            (flags.iter().map(|f| f.to_string()).collect::<Vec<_>>().join("|"), rest.to_owned())
        };
        let is = |flags: &str, rest: &str| (flags.to_owned(), rest.to_owned());
        assert_eq!(show("--a=b  --c d --e"), is("--a=b|--c", "d --e"));
        assert_eq!(show("--a=\"b c\"'d e' x"), is("--a=b cd e", "x"));
        assert_eq!(show("--a=b\\ c"), is("--a=b c", ""));
        assert_eq!(show("--a=b\\"), is("--a=b", ""));
        assert_eq!(show("--a -- --b"), is("--a", "--b"));
        assert_eq!(show("-a"), is("", "-a"));
        assert_eq!(show("--é=ü x"), is("--é=ü", "x"));
        assert_eq!(show("--a=\"open x"), is("--a=open x", ""));
    }

    #[test]
    fn words_keep_quotes() {
        assert_eq!(shell_words("a=b c=\"d e\" 'f g'h  i\\ j k\\", b'\\'), ["a=b", "c=\"d e\"", "'f g'h", "i\\ j", "k"]);
        assert_eq!(shell_words("a='\\' b", b'\\'), ["a='\\'", "b"]);
        assert_eq!(shell_words("a\u{a0}b é`ü x", b'`'), ["a", "b", "é`ü", "x"]);
        assert_eq!(shell_words(" \\", b'\\'), [""; 0]);
    }
}

//! JSON arrays of strings, as in `CMD ["a", "b"]`. Knows no other JSON, but tells whether something is some.
//!
//! Strings without escapes are cut out of the line. A surrogate without its partner becomes U+FFFD.

use serde::de::IgnoredAny;

use crate::text::Text;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not a JSON array at all: other forms may be tried.
    NotAnArray,
    /// A JSON array that holds something else than strings.
    NotStrings,
}

/// `rest`, a part of `line`, as an array of strings.
pub(crate) fn strings(line: &Text, rest: &str) -> Result<Vec<Text>, Refusal> {
    let rest = rest.trim_start();
    let mut reader = Reader { text: rest, at: 0 };
    if !reader.eat(b'[') {
        return Err(Refusal::NotAnArray);
    }
    let mut found = Vec::new();
    reader.skip_blanks();
    if !reader.eat(b']') {
        loop {
            reader.skip_blanks();
            if !reader.eat(b'"') {
                return Err(if is_json(rest) { Refusal::NotStrings } else { Refusal::NotAnArray });
            }
            found.push(reader.string(line).ok_or(Refusal::NotAnArray)?);
            reader.skip_blanks();
            if reader.eat(b']') {
                break;
            }
            if !reader.eat(b',') {
                return Err(Refusal::NotAnArray);
            }
        }
    }
    reader.skip_blanks();
    if reader.at == rest.len() { Ok(found) } else { Err(Refusal::NotAnArray) }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The string whose opening quote was just eaten.
    fn string(&mut self, line: &Text) -> Option<Text> {
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    return Some(line.part(text));
                }
                b'\\' => return self.escaped_string(start).map(Text::from),
                ..0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    /// The same, from its first escape on.
    fn escaped_string(&mut self, start: usize) -> Option<String> {
        let mut out = self.text[start..self.at].to_owned();
        loop {
            let run = self.at;
            while !matches!(self.peek()?, b'"' | b'\\' | ..0x20) {
                self.at += 1;
            }
            out.push_str(&self.text[run..self.at]);
            if self.eat(b'"') {
                return Some(out);
            }
            if !self.eat(b'\\') {
                return None;
            }
            out.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return None,
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let behind = self.at;
        if self.eat(b'\\')
            && self.eat(b'u')
            && let Some(second) = self.hex()
            && (0xdc00..0xe000).contains(&second)
        {
            return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
        }
        self.at = behind;
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
        let mut value = 0;
        for digit in digits {
            value = value * 16 + char::from(*digit).to_digit(16)?;
        }
        self.at += 4;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, Refusal> {
        let line = Text::from(text);
        strings(&line, &line).map(|found| found.iter().map(|t| t.to_string()).collect())
    }

    fn good(text: &str, expected: &[&str]) {
        assert_eq!(read(text), Ok(expected.iter().map(|s| s.to_string()).collect()), "{text}");
    }

    #[test]
    fn arrays() {
        good("[]", &[]);
        good("[ \"a\" , \"b c\" ] ", &["a", "b c"]);
        good(r#"["\u0041\ud83d\ude00\n", "\ud800x", "\udc00"]"#, &["A😀\n", "\u{fffd}x", "\u{fffd}"]);
        good(r#"["\ud800A"]"#, &["\u{fffd}A"]);
    }

    #[test]
    fn refusals() {
        for text in [
            "",
            "a",
            "[",
            "[\"a\"",
            "[\"a\",]",
            "[a]",
            "['a']",
            r#"["C:\x"]"#,
            "[\"a\"] b",
            "[\"a\tb\"]",
            r#"["\u00g0"]"#,
            "[1",
            "[\"\\u1",
        ] {
            assert_eq!(read(text), Err(Refusal::NotAnArray), "{text}");
        }
        for text in ["[1]", "[\"a\", null]", "[[\"a\"]]", "[{}]"] {
            assert_eq!(read(text), Err(Refusal::NotStrings), "{text}");
        }
    }
}

//! Text as a Go literal (`%q`), as BuildKit's dump of a tree and the history of its images have it.

use std::fmt::Write as _;

/// `text` in double quotes: what Go does not print is escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if is_printed(c) => out.push(c),
            // Writing to a string cannot fail.
            c if c < ' ' || c == '\x7f' => _ = write!(out, "\\x{:02x}", c as u32),
            c if (c as u32) < 0x1_0000 => _ = write!(out, "\\u{:04x}", c as u32),
            c => _ = write!(out, "\\U{:08x}", c as u32),
        }
    }
    out.push('"');
    out
}

/// Letters, marks, numbers, punctuation, symbols and the blank. Rust's escapes for debugging know the same classes, but
/// take a mark at the beginning for something that needs an escape.
fn is_printed(c: char) -> bool {
    c.is_ascii_graphic()
        || matches!(c, ' ')
        || !c.is_ascii() && String::from_iter(['a', c]).escape_debug().nth(1) == Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_prints_stays() {
        let table = [
            ("a \"b\" \\ 'c'", r#""a \"b\" \\ 'c'""#),
            ("\t\n\r\u{b}\u{c}\u{7}\u{8}\u{1b}\u{7f}", r#""\t\n\r\v\f\a\b\x1b\x7f""#),
            ("é 中 🖖 e\u{301}", "\"é 中 🖖 e\u{301}\""),
            ("\u{301}", "\"\u{301}\""),
            ("\u{85}\u{a0}\u{ad}\u{2003}\u{3000}\u{feff}", r#""\u0085\u00a0\u00ad\u2003\u3000\ufeff""#),
            ("\u{e000}\u{10ffff}", r#""\ue000\U0010ffff""#),
        ];
        for (text, expected) in table {
            assert_eq!(quoted(text), expected);
        }
    }
}

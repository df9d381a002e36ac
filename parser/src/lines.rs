//! Physical lines of a file, and how one continues in the next. Knows no instruction.
//!
//! A line is continued when its last character, blanks aside, is the escape character and the one before it is not.

use crate::ast::Escape;

/// Bytes of one physical line without its newline; what other builders take, too.
pub(crate) const MAX_LINE: usize = 65_535;

/// One physical line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'s> {
    /// With its line ending.
    pub raw: &'s str,
    /// From 1.
    pub number: u32,
    /// Offset of `raw` in the file.
    pub start: usize,
}

impl<'s> Line<'s> {
    /// Without its line ending.
    pub fn text(&self) -> &'s str {
        without_end(self.raw, |byte| matches!(byte, b'\r' | b'\n'))
    }

    /// Offset behind the last character before the line ending.
    pub fn end(&self) -> usize {
        self.start + self.text().len()
    }
}

/// Hands out the lines of a file; stops at one that is too long.
#[derive(Debug)]
pub(crate) struct Lines<'s> {
    text: &'s str,
    at: usize,
    number: u32,
    too_long: Option<Line<'s>>,
}

impl<'s> Lines<'s> {
    pub fn new(text: &'s str) -> Self {
        Lines { text, at: 0, number: 0, too_long: None }
    }

    /// The line that was too long to go on.
    pub fn too_long(&self) -> Option<Line<'s>> {
        self.too_long
    }

    /// Number of the last line handed out.
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl<'s> Iterator for Lines<'s> {
    type Item = Line<'s>;

    fn next(&mut self) -> Option<Line<'s>> {
        let rest = &self.text[self.at..];
        if rest.is_empty() || self.too_long.is_some() {
            return None;
        }
        let (raw, length) = match memchr::memchr(b'\n', rest.as_bytes()) {
            Some(newline) => (&rest[..=newline], newline),
            None => (rest, rest.len()),
        };
        let line = Line { raw, number: self.number + 1, start: self.at };
        if length > MAX_LINE {
            self.too_long = Some(line);
            return None;
        }
        self.at += raw.len();
        self.number += 1;
        Some(line)
    }
}

/// `line` without its continuation, and whether the instruction ends here.
pub fn split_continuation(line: &str, escape: Escape) -> (&str, End) {
    let trimmed = without_end(line, |byte| matches!(byte, b' ' | b'\t'));
    let escape = escape.byte();
    match trimmed.as_bytes() {
        [.., before, last] if *last == escape && *before != escape => {}
        [only] if *only == escape => {}
        _ => return (line, End::Here),
    }
    (&trimmed[..trimmed.len() - 1], End::Later)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The instruction's last line.
    Here,
    /// The next line belongs to it.
    Later,
}

/// `text` without what it begins with that is `dropped`, which must be ASCII. Byte by byte, as most of a file is looked
/// through this way.
pub(crate) fn without_start(text: &str, dropped: impl Fn(u8) -> bool) -> &str {
    &text[text.bytes().position(|byte| !dropped(byte)).unwrap_or(text.len())..]
}

/// The same at the end.
fn without_end(text: &str, dropped: impl Fn(u8) -> bool) -> &str {
    &text[..text.as_bytes().iter().rposition(|byte| !dropped(*byte)).map_or(0, |last| last + 1)]
}

/// As [`str::trim_start`]; most lines begin with plain blanks, if any.
pub(crate) fn trim_start(text: &str) -> &str {
    without_start(text, |byte| matches!(byte, b' ' | b'\t')).trim_start()
}

/// Whether a line is a comment, wherever it stands.
pub fn is_comment(line: &str) -> bool {
    trim_start(line).starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_endings_and_places() {
        let lines: Vec<_> = Lines::new("a\r\n\nb").map(|l| (l.raw, l.text(), l.number, l.start)).collect();
        assert_eq!(lines, [("a\r\n", "a", 1, 0), ("\n", "", 2, 3), ("b", "b", 3, 4)]);
    }

    #[test]
    fn a_line_of_the_limit_is_the_last_that_passes() {
        let fits = "x".repeat(MAX_LINE) + "\nb";
        assert_eq!(Lines::new(&fits).count(), 2);
        let long = "a\n".to_owned() + &"x".repeat(MAX_LINE + 1) + "\nb";
        let mut lines = Lines::new(&long);
        assert_eq!(lines.by_ref().count(), 1);
        assert_eq!(lines.too_long().map(|l| l.number), Some(2));
    }

    #[test]
    fn continuations() {
        let cut = |line| split_continuation(line, Escape::Backslash);
        assert_eq!(cut("RUN a \\"), ("RUN a ", End::Later));
        assert_eq!(cut("RUN a\\ \t"), ("RUN a", End::Later));
        assert_eq!(cut("\\"), ("", End::Later));
        assert_eq!(cut("RUN a \\\\"), ("RUN a \\\\", End::Here));
        assert_eq!(cut("RUN a \\\\\\"), ("RUN a \\\\\\", End::Here));
        assert_eq!(cut("RUN a `"), ("RUN a `", End::Here));
        assert_eq!(split_continuation("RUN a `", Escape::Backtick), ("RUN a ", End::Later));
    }
}

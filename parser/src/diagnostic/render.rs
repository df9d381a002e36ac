//! A diagnostic as text, with the line it is about. Plain: colour is for whoever prints.
//!
//! ```text
//! error: `COPU` is no instruction
//!  --> Dockerfile:3:1
//!   |
//! 3 | COPU . /app
//!   | ^^^^
//!   = expected: …
//!   = hint: did you mean `COPY`?
//! ```

use std::fmt::Write;

use super::{Diagnostic, Label, Severity, Span};

/// Columns of a source line that are shown; more is cut out around the place meant.
const WIDTH: usize = 120;

/// Draws `diagnostic`; `file` is the name to show, `source` the text that spans point into.
pub fn render(diagnostic: &Diagnostic, file: &str, source: &str) -> String {
    let severity = match diagnostic.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let mut out = format!("{severity}: {}\n", diagnostic.message);
    let place = diagnostic.focus.unwrap_or(diagnostic.span);
    let last_number = diagnostic.labels.iter().map(|label| label.span.first_line).fold(place.first_line, u32::max);
    let gutter = " ".repeat(last_number.to_string().len());
    let excerpt = Excerpt::new(source, place);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{gutter}--> {file}:{}:{}\n{gutter} |", place.first_line, excerpt.column);
    let (before, behind): (Vec<_>, Vec<_>) = diagnostic.labels.iter().partition(|label| label.span < place);
    let draw = |out: &mut String, labels: &[&Label]| {
        for label in labels {
            Excerpt::new(source, label.span).draw(out, &gutter, label.span.first_line, '-', &label.message);
        }
    };
    draw(&mut out, &before);
    excerpt.draw(&mut out, &gutter, place.first_line, '^', "");
    draw(&mut out, &behind);
    if let Some(expected) = &diagnostic.expected {
        let _ = writeln!(out, "{gutter} = expected: {expected}");
    }
    if let Some(hint) = &diagnostic.hint {
        let _ = writeln!(out, "{gutter} = hint: {hint}");
    }
    out
}

/// The first line of a place, made fit to print.
struct Excerpt {
    /// Of the place, in characters from 1.
    column: usize,
    text: String,
    /// Characters of `text` before the marks, and under them.
    before: usize,
    marked: usize,
}

impl Excerpt {
    fn new(source: &str, place: Span) -> Self {
        let start = floor(source, place.start as usize);
        let end = floor(source, (place.end as usize).max(start));
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |newline| start + newline);
        let before: Vec<char> = source[line_start..start].chars().collect();
        let marked: Vec<char> = source[start..end.min(line_end)].trim_end().chars().collect();
        let behind: Vec<char> = source[end.min(line_end)..line_end].trim_end().chars().collect();
        let column = before.len() + 1;
        // A long line keeps some of what stands before its place, and as much behind as there is room.
        let cut = if before.len() + marked.len() > WIDTH { before.len().saturating_sub(WIDTH / 4) } else { 0 };
        let lead = if cut > 0 { "…" } else { "" };
        let room = WIDTH.saturating_sub(before.len() - cut);
        let shown_marks = marked.len().min(room);
        let shown_behind = if shown_marks < marked.len() { 0 } else { behind.len().min(room - shown_marks) };
        let tail = if shown_marks < marked.len() || shown_behind < behind.len() { "…" } else { "" };
        let parts = before[cut..].iter().chain(&marked[..shown_marks]).chain(&behind[..shown_behind]);
        let text = format!("{lead}{}{tail}", parts.map(|c| printable(*c)).collect::<String>());
        Excerpt { column, text, before: before.len() - cut + lead.chars().count(), marked: shown_marks.max(1) }
    }

    fn draw(&self, out: &mut String, gutter: &str, line: u32, mark: char, message: &str) {
        let marks: String = std::iter::repeat_n(mark, self.marked).collect();
        let under = format!("{}{marks} {message}", " ".repeat(self.before));
        let number = format!("{line:>width$}", width = gutter.len());
        let text = format!("{number} | {}", self.text);
        let _ = writeln!(out, "{}\n{gutter} | {}", text.trim_end(), under.trim_end());
    }
}

/// One column a character: a control character could do anything to a terminal.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        // These turn the direction of the text around them.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// The nearest place at or before `at` where a character begins.
fn floor(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn span(start: u32, end: u32, line: u32) -> Span {
        Span { start, end, first_line: line, last_line: line }
    }

    #[test]
    fn everything_a_diagnostic_has() {
        let source = "# escape=`\n# escape=\\\nFROM a\n";
        let diagnostic = Diagnostic::error("X", span(11, 21, 2), "a second one")
            .with_label(span(0, 10, 1), "the first")
            .with_expected("one")
            .with_hint("remove it");
        expect![[r#"
            error: a second one
             --> Dockerfile:2:1
              |
            1 | # escape=`
              | ---------- the first
            2 | # escape=\
              | ^^^^^^^^^^
              = expected: one
              = hint: remove it
        "#]]
        .assert_eq(&render(&diagnostic, "Dockerfile", source));
    }

    #[test]
    fn long_and_strange_lines() {
        let source = format!("RUN {} --é\u{202e}\t{}\n", "x".repeat(200), "y".repeat(200));
        let at = source.find("--é").unwrap() as u32;
        let diagnostic = Diagnostic::warning("X", span(at, at + 4, 1), "odd");
        expect![[r#"
            warning: odd
             --> f:1:206
              |
            1 | …xxxxxxxxxxxxxxxxxxxxxxxxxxxxx --é� yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…
              |                                ^^^
        "#]]
        .assert_eq(&render(&diagnostic, "f", &source));
    }

    #[test]
    fn places_outside_of_the_text() {
        let diagnostic = Diagnostic::error("X", span(7, 900, 5), "m");
        assert!(render(&diagnostic, "f", "é").contains("f:5:"));
    }
}

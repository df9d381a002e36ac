//! Finds the words that a diagnostic means within an instruction's lines. Only ever used once something is wrong.

use crate::diagnostic::Span;

/// The first place within `span` where `needle` stands, as a word of its own if there is such a place.
pub(crate) fn of_word(source: &str, span: Span, needle: &str) -> Option<Span> {
    let (start, end) = (span.start as usize, span.end as usize);
    let text = source.get(start..end)?;
    if needle.is_empty() {
        return None;
    }
    let is_word = |at: &usize| {
        let before = text[..*at].chars().next_back();
        let after = text[at + needle.len()..].chars().next();
        before.is_none_or(char::is_whitespace) && after.is_none_or(char::is_whitespace)
    };
    match text.match_indices(needle).map(|(at, _)| at).find(is_word) {
        Some(at) => Some(part(text, span, at, needle.len())),
        None => of(source, span, needle),
    }
}

/// The first place within `span` where `needle` stands.
pub(crate) fn of(source: &str, span: Span, needle: &str) -> Option<Span> {
    let text = source.get(span.start as usize..span.end as usize)?;
    let at = text.find(needle)?;
    Some(part(text, span, at, needle.len()))
}

fn part(text: &str, span: Span, at: usize, length: usize) -> Span {
    let lines = |text: &str| text.bytes().filter(|b| *b == b'\n').count() as u32;
    let first_line = span.first_line + lines(&text[..at]);
    let last_line = first_line + lines(&text[at..at + length]);
    let start = span.start + at as u32;
    Span { start, end: start + length as u32, first_line, last_line }
}

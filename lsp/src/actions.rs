//! Ways out of a mistake that an editor can take by itself: the spelling that a diagnostic proposes.

use std::ops::Range;

use parser::Diagnostic;
use parser::nearest::nearest;

use crate::diagnostics;
use crate::document::Document;

/// An edit that does away with a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    pub title: String,
    pub place: Range<usize>,
    pub text: String,
}

/// How to do what the hint of `diagnostic` says, if that is one word for another.
pub fn fix(document: &Document, diagnostic: &Diagnostic) -> Option<Fix> {
    let meant = diagnostic.hint.as_deref()?.strip_prefix("did you mean `")?.strip_suffix("`?")?;
    diagnostic.focus?;
    let place = wrong_word(document, diagnostics::place(diagnostic), meant)?;
    Some(Fix { title: format!("Change to `{meant}`"), place, text: meant.to_owned() })
}

/// The part of `place` that was meant to be `meant`: all of it, or a word among others (`tpye` of `tpye=cache`).
fn wrong_word(document: &Document, place: Range<usize>, meant: &str) -> Option<Range<usize>> {
    let text = document.slice(place.clone());
    let is_part = |c: char| c == '=' || c == ',';
    if !text.contains(is_part) || meant.contains(is_part) {
        return (!text.is_empty() && !text.contains(char::is_whitespace)).then_some(place);
    }
    let wrong = nearest(meant, text.split(is_part))?;
    let at = place.start + text.find(wrong)?;
    Some(at..at + wrong.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encoding;

    fn fixed(text: &str) -> String {
        let document = Document::new(text, Encoding::Utf16);
        let mut fixed = text.to_owned();
        let fixes: Vec<Fix> = diagnostics::found(&document).iter().filter_map(|(_, d)| fix(&document, d)).collect();
        for fix in fixes.into_iter().rev() {
            fixed.replace_range(fix.place, &fix.text);
        }
        fixed
    }

    #[test]
    fn the_nearest_spelling() {
        assert_eq!(fixed("FORM a\n"), "FROM a\n");
        assert_eq!(fixed("FROM a\nCOPY --form=b x y\n"), "FROM a\nCOPY --from=b x y\n");
        assert_eq!(fixed("FROM a\nRUN --network=hots x\n"), "FROM a\nRUN --network=host x\n");
        assert_eq!(fixed("FROM a\nHEALTHCHECK --interval=3 CMD x\n"), "FROM a\nHEALTHCHECK --interval=3s CMD x\n");
        assert_eq!(fixed("FROM a\nRUN x\n"), "FROM a\nRUN x\n");
    }
}

//! Ways out of a mistake that an editor can take by itself: the spelling that a diagnostic proposes, the form that a rule
//! wants. Only what cannot change what is built, but for the better.

use std::ops::Range;

use parser::ast::{Args, PairForm};
use parser::lint::Rule;
use parser::nearest::nearest;
use parser::{Diagnostic, Node};

use crate::diagnostics;
use crate::document::{Document, bytes};

/// An edit that does away with a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    pub title: String,
    pub place: Range<usize>,
    pub text: String,
}

/// How to do away with `diagnostic`, if it is known.
pub fn fix(document: &Document, diagnostic: &Diagnostic) -> Option<Fix> {
    spelled(document, diagnostic).or_else(|| as_wanted(document, diagnostic, Rule::parse(diagnostic.code.0)?))
}

/// One word for another, as the hint says.
fn spelled(document: &Document, diagnostic: &Diagnostic) -> Option<Fix> {
    let meant = diagnostics::meant(diagnostic)?;
    diagnostic.focus?;
    let place = wrong_word(document, diagnostics::place(diagnostic), meant)?;
    Some(Fix { title: format!("Change to `{meant}`"), place, text: meant.to_owned() })
}

/// The form that `rule` wants.
fn as_wanted(document: &Document, diagnostic: &Diagnostic, rule: Rule) -> Option<Fix> {
    let place = bytes(diagnostic.focus?);
    let word = document.slice(place.clone());
    let written =
        |text: String| (text != word).then(|| Fix { title: format!("Write `{text}`"), place: place.clone(), text });
    match rule {
        Rule::FromAsCasing => {
            let from = document.slice(bytes(diagnostic.span)).split_whitespace().next()?;
            let is_lower = from.bytes().all(|b| b.is_ascii_lowercase());
            written(if is_lower { word.to_ascii_lowercase() } else { word.to_ascii_uppercase() })
        }
        Rule::StageNameCasing => written(word.to_lowercase()),
        Rule::ConsistentInstructionCasing if diagnostic.message.contains("lowercase") => written(word.to_lowercase()),
        Rule::ConsistentInstructionCasing => written(word.to_uppercase()),
        Rule::NoEmptyContinuation if word.trim().is_empty() => {
            let rest = document.slice(place.end..document.text().len());
            let newline = if rest.starts_with("\r\n") { 2 } else { rest.len().min(1) };
            let place = place.start..place.end + newline;
            Some(Fix { title: "Remove the empty line".to_owned(), place, text: String::new() })
        }
        Rule::MaintainerDeprecated => {
            let Args::Line(name) = &node(document, diagnostic)?.args else { return None };
            let text = format!("LABEL org.opencontainers.image.authors=\"{name}\"");
            let is_plain = !name.contains(['"', '\\', '$', '`']);
            is_plain.then(|| Fix { title: "Write it as a label".to_owned(), place: bytes(diagnostic.span), text })
        }
        Rule::LegacyKeyValueFormat => equals(node(document, diagnostic)?),
        _ => None,
    }
}

fn node<'d>(document: &'d Document, diagnostic: &Diagnostic) -> Option<&'d Node> {
    let nodes = &document.dockerfile().tree.nodes;
    let at = nodes.binary_search_by_key(&diagnostic.span.start, |node| node.span.start).ok()?;
    // What is continued is left to a person.
    nodes.get(at).filter(|node| node.span.first_line == node.span.last_line)
}

/// `ENV name value` as `ENV name=value`.
fn equals(node: &Node) -> Option<Fix> {
    let Args::Pairs(pairs) = &node.args else { return None };
    let [pair] = pairs.as_slice() else { return None };
    let is_one_word = !pair.value.contains(char::is_whitespace);
    let is_plain = !pair.value.contains(['"', '\'', '\\', '`']);
    let value = match (is_one_word, is_plain) {
        (true, _) => pair.value.to_string(),
        (false, true) => format!("\"{}\"", pair.value),
        (false, false) => return None,
    };
    let text = format!("{} {}={value}", node.keyword, pair.key);
    let title = "Write it with `=`".to_owned();
    (pair.form == PairForm::Blank).then(|| Fix { title, place: bytes(node.span), text })
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

    #[test]
    fn the_nearest_variable() {
        assert_eq!(fixed("FROM a\nENV HOME=/x\nWORKDIR $HOEM\n"), "FROM a\nENV HOME=/x\nWORKDIR $HOME\n");
    }

    #[test]
    fn the_form_that_rules_want() {
        assert_eq!(fixed("FROM a as b\n"), "FROM a AS b\n");
        assert_eq!(fixed("from a AS b\n"), "from a as b\n");
        assert_eq!(fixed("FROM a AS Bc\n"), "FROM a AS bc\n");
        assert_eq!(fixed("FROM a\nRUN x\nuser y\n"), "FROM a\nRUN x\nUSER y\n");
        assert_eq!(fixed("FROM a\r\nRUN x \\\r\n\r\n y\r\n"), "FROM a\r\nRUN x \\\r\n y\r\n");
        assert_eq!(
            fixed("FROM a\nMAINTAINER A <a@b>\n"),
            "FROM a\nLABEL org.opencontainers.image.authors=\"A <a@b>\"\n"
        );
    }
}

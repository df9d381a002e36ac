//! What can be written in a comment that is a directive. Knows no instruction.

use std::ops::Range;

use parser::lint::Rule;

use super::{Completion, CompletionKind};
use crate::document::Document;

/// Which comment it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// One at the top of the file, where all directives may stand.
    Top,
    /// One above an instruction, to which `check` may say something.
    Above,
}

const OPTIONS: [&str; 3] = ["skip=", "error=true", "experimental="];

pub(super) fn completions(document: &Document, offset: usize, place: Where) -> Vec<Completion> {
    let line = document.lines().range(document.text(), document.lines().line(offset));
    let before = document.slice(line.start..offset.max(line.start));
    let Some(hash) = before.find('#') else { return Vec::new() };
    let written = before[hash + 1..].trim_start();
    let start = offset - written.len();
    match written.split_once('=') {
        None => names(start..offset, place),
        Some((name, value)) if name.trim().eq_ignore_ascii_case("check") => check(value, offset),
        Some(_) => Vec::new(),
    }
}

fn names(place: Range<usize>, of: Where) -> Vec<Completion> {
    let all = [
        ("syntax=docker/dockerfile:1", "the front end that other builders read the file with; Kiln's is its own"),
        ("escape=`", "the character that escapes and continues lines, instead of the backslash"),
        ("check=", "which checks to skip, and whether a warning is an error"),
    ];
    let wanted = all.into_iter().filter(|(text, _)| of == Where::Top || *text == "check=");
    let name = |(text, what): (&str, &str)| Completion {
        detail: Some(what.to_owned()),
        ..Completion::new(CompletionKind::Value, text, place.clone())
    };
    wanted.map(name).collect()
}

/// `skip=A,B;error=true`, as far as it is written.
fn check(written: &str, offset: usize) -> Vec<Completion> {
    let option = written.rsplit(';').next().unwrap_or(written).trim_start();
    let Some((name, rules)) = option.split_once('=') else {
        let place = offset - option.len()..offset;
        return OPTIONS.map(|option| Completion::new(CompletionKind::Value, option, place.clone())).to_vec();
    };
    if !matches!(name.trim(), "skip" | "experimental") {
        return Vec::new();
    }
    let word = rules.rsplit(',').next().unwrap_or(rules).trim_start();
    let place = offset - word.len()..offset;
    let wanted = Rule::ALL.iter().filter(|rule| name.trim() == "skip" || rule.experimental());
    let rule = |rule: &Rule| {
        let said = Some(rule.description().to_owned());
        Completion::new(CompletionKind::Rule, rule.name(), place.clone()).with_doc(said)
    };
    std::iter::once(Completion::new(CompletionKind::Value, "all", place.clone())).chain(wanted.map(rule)).collect()
}

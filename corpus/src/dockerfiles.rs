//! Dockerfiles: the syntax tree, the instructions, the checks, and what the solver is asked to do. Knows only the
//! corpus' form.
//!
//! Each level has its verdict where the one before is accepted: `parse` the tree, `instr` the typed instructions, `llb`
//! the graph and the image. A refusal is compared by its lines; its words are each builder's own.

mod instructions;
mod lint;
mod llb;
mod tree;

use std::fs;
use std::path::Path;

use parser::{Diagnostic, Dockerfile, Severity};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::read::{self, ReadError};
use crate::verdict::{Case, Verdict};

const FILE: &str = "dockerfiles.jsonl";

pub(crate) fn compare(corpus: &Path) -> Result<Vec<Verdict>, ReadError> {
    let lines = read::lines(&corpus.join(FILE))?.unwrap_or_default();
    Ok(lines.par_iter().flat_map(|(line, text)| row(corpus, *line, text)).collect())
}

fn row(corpus: &Path, line: u64, text: &str) -> Vec<Verdict> {
    let unnamed = Case::new("dockerfiles", format!("line {line}"), FILE, line);
    let row: Value = match serde_json::from_str(text) {
        Ok(row) => row,
        Err(error) => return unnamed.broken(error.to_string()),
    };
    let Some(name) = row["file"].as_str() else { return unnamed.broken("there is no `file`") };
    let mut case = Case::new("dockerfiles", name, format!("dockerfiles/{name}"), 1);
    let text = match fs::read(corpus.join(&case.file)) {
        Ok(text) => text,
        Err(error) => return case.broken(error.to_string()),
    };
    let file = parser::parse(&text);
    tree::compare(&mut case, &row, &text, &file);
    instructions::compare(&mut case, &row, &file);
    lint::compare(&mut case, &row, &file);
    llb::compare(&mut case, &row, &file);
    case.verdicts
}

/// Compares one level's acceptance, and the lines of its refusal; whether it is accepted by both.
fn accepted(case: &mut Case, fields: [&'static str; 2], verdict: &Value, errors: &[&Diagnostic]) -> bool {
    let Some(theirs) = verdict["ok"].as_bool() else { return false };
    let ours = errors.is_empty();
    let why = match errors.first() {
        Some(error) => format!("refused here: {}", error.message),
        None => format!("accepted here; BuildKit says: {}", verdict["err"].as_str().unwrap_or_default()),
    };
    let line = errors.first().map_or(1, |error| u64::from(error.span.first_line));
    case.differences(fields[0], if theirs == ours { Vec::new() } else { vec![(line, String::new(), why)] });
    let lines = verdict["err_lines"].as_array();
    if let (false, false, Some([first, .., last] | [first @ last])) = (theirs, ours, lines.map(Vec::as_slice)) {
        let lines = |error: &&Diagnostic| json!([error.span.first_line, error.span.last_line]);
        let theirs = json!([counted_from_1(verdict, &first[0]), counted_from_1(verdict, &last[1])]);
        let ours: Vec<Value> = errors.iter().map(lines).collect();
        let agree = ours.contains(&theirs) || told_by_chance(verdict);
        let what = || crate::difference::told(&theirs, &json!(ours));
        case.differences(fields[1], if agree { Vec::new() } else { vec![(line, String::new(), what())] });
    }
    theirs && ours
}

/// BuildKit reads the names of images in parallel: which of several bad ones is told of is chance.
fn told_by_chance(verdict: &Value) -> bool {
    verdict["err"].as_str().is_some_and(|error| error.starts_with("failed to parse stage name"))
}

/// BuildKit gives a directive, and a line too long, the number of the line before, and an empty file the number 0.
fn counted_from_1(verdict: &Value, line: &Value) -> Option<u64> {
    let error = verdict["err"].as_str().unwrap_or_default();
    let of_the_line_before = error.starts_with("invalid escape token")
        || error.ends_with("parser directive can be used")
        || error.starts_with("dockerfile line greater than max allowed size");
    line.as_u64().map(|line| (line + u64::from(of_the_line_before)).max(1))
}

fn errors(file: &Dockerfile) -> impl Iterator<Item = &Diagnostic> {
    file.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
}

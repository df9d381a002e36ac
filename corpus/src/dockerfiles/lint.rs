//! The checks: which rules are broken on which lines, and whether checking comes to an error.

use std::collections::BTreeSet;

use parser::lint::{self, Origin, Rule};
use parser::{Diagnostic, Dockerfile};
use serde_json::{Value, json};

use super::llb::StandIn;
use crate::verdict::Case;

pub(super) fn compare(case: &mut Case, row: &Value, file: &Dockerfile) {
    // A file without a tree is not checked, and one without warnings has no `lint`.
    if ["instr", "lint", "lint_err", "llb"].iter().all(|field| row.get(field).is_none()) {
        return;
    }
    let linted = lint::check(file, &super::llb::request(), &StandIn::default());
    let theirs: BTreeSet<(u64, &str)> = row["lint"].as_array().into_iter().flatten().map(theirs).collect();
    let ours: BTreeSet<(u64, &str)> = linted.warnings.iter().filter_map(ours).collect();
    let mut found = Vec::new();
    for (line, rule) in theirs.symmetric_difference(&ours) {
        let side = if theirs.contains(&(*line, *rule)) { "only BuildKit warns" } else { "only Kiln warns" };
        found.push((*line, (*rule).to_owned(), side.to_owned()));
    }
    case.differences("lint", found);
    case.differences("lint.detail", details(row, &linted.warnings));
    let (theirs, ours) = (row.get("lint_err").filter(|error| !error.is_null()), linted.errors.first());
    let line = ours.map_or(1, |error| u64::from(error.span.first_line));
    let agree = theirs.is_some() == ours.is_some();
    let what = || crate::difference::told(theirs.unwrap_or(&Value::Null), &json!(ours.map(|error| &error.message)));
    case.differences("lint_err", if agree { Vec::new() } else { vec![(line, String::new(), what())] });
}

/// Users search for the words, too.
fn details(row: &Value, warnings: &[Diagnostic]) -> Vec<(u64, String, String)> {
    let detail = |warning: &Value| (theirs(warning).0, warning["detail"].as_str().unwrap_or_default().to_owned());
    let theirs: BTreeSet<(u64, String)> = row["lint"].as_array().into_iter().flatten().map(detail).collect();
    let own = |warning: &Diagnostic| ours(warning).map(|(line, _)| (line, warning.message.clone()));
    let ours: BTreeSet<(u64, String)> = warnings.iter().filter_map(own).collect();
    let differing = theirs.symmetric_difference(&ours);
    differing.map(|(line, detail)| (*line, detail.clone(), "only one of the two says so".to_owned())).collect()
}

fn theirs(warning: &Value) -> (u64, &str) {
    (warning["lines"][0][0].as_u64().unwrap_or(0), warning["rule"].as_str().unwrap_or_default())
}

/// Kiln has rules of its own beside BuildKit's.
fn ours(warning: &Diagnostic) -> Option<(u64, &str)> {
    let rule = Rule::parse(warning.code.0)?;
    (rule.origin() == Origin::BuildKit).then(|| (u64::from(warning.span.first_line), rule.name()))
}

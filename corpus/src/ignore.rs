//! Ignore files: which patterns are read, and which paths they leave out. Knows only the corpus' form.

use std::path::Path;

use parser::ignore::{Ignore, Scope};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::read::{self, ReadError};
use crate::verdict::{Case, Verdict};

const FILE: &str = "ignore/ignore.jsonl";

pub(crate) fn compare(corpus: &Path) -> Result<Vec<Verdict>, ReadError> {
    let lines = read::lines(&corpus.join(FILE))?.unwrap_or_default();
    Ok(lines.par_iter().flat_map(|(line, text)| row(*line, text)).collect())
}

fn row(line: u64, text: &str) -> Vec<Verdict> {
    let mut case = Case::new("ignore", format!("line {line}"), FILE, line);
    let row: Value = match serde_json::from_str(text) {
        Ok(row) => row,
        Err(error) => return case.broken(error.to_string()),
    };
    let Some(text) = row["ignore"].as_str() else { return case.broken("there is no `ignore`") };
    let ignore = Ignore::parse(text);
    let refused = ignore.as_ref().err().map(ToString::to_string);
    if row["error"].is_null() == refused.is_none() {
        case.differences("error", Vec::new());
    } else {
        case.values("error", &row["error"], &json!(refused));
    }
    let Ok(ignore) = ignore else { return case.verdicts };
    if let Some(patterns) = row.get("patterns") {
        let ours: Vec<&str> = ignore.rules().iter().map(|rule| rule.pattern.as_str()).collect();
        let none = json!([]);
        case.values("patterns", if patterns.is_null() { &none } else { patterns }, &json!(ours));
    }
    if let Some(Value::Object(paths)) = row.get("excluded") {
        let differs = |(path, theirs): (&String, &Value)| {
            let ours = [ignore.excludes(path.as_bytes()), found_by_scan(&ignore, path)];
            let agrees = ours.iter().all(|ours| theirs.as_bool() == Some(*ours));
            let what = || format!("BuildKit has {theirs}, ours {} by path and {} by scan", ours[0], ours[1]);
            (!agrees).then(|| (line, path.clone(), what()))
        };
        case.differences("excluded", paths.iter().filter_map(differs).collect());
    }
    case.verdicts
}

/// Whether a scan from the root, as builds do it, leaves `path` out.
fn found_by_scan(ignore: &Ignore, path: &str) -> bool {
    let mut scope = Scope::default();
    for (end, _) in path.match_indices('/') {
        let dir = &path.as_bytes()[..end];
        scope = ignore.enter(&scope, dir);
        if ignore.excludes_all_in(&scope, dir) {
            return true;
        }
    }
    ignore.hidden_in(&scope, path.as_bytes()).is_some()
}

//! A verdict that is changed anywhere is found, or is listed here: the comparison leaves out nothing unnoticed. Takes
//! small cases of the corpus, where it is, and changes each value of each, one at a time.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

/// Endings of paths to values that are not compared: words, addresses, what is not told in a Dockerfile, what stands for
/// no input.
const NOT_COMPARED: [&str; 20] = [
    "/file",
    "/err",
    "/lint_err",
    "/detail",
    "/url",
    "/syntax_cmdline",
    "/com.docker.dockerfile.v1.command",
    "/removeMountStubsRecursive",
    "/timestamp",
    "/output",
    "/input",
    "/secondaryInput",
    "/local.followpaths",
    "/local.sharedkeyhint",
    "/rootfs/type",
    "/rootfs/diff_ids",
    "/git.authtokensecret",
    "/git.authheadersecret",
    "/git.fullurl",
    "/http.filename",
];

/// Lists of which not every member is compared: of lines the first, and the last of an error.
const NOT_ALL_COMPARED: [&str; 5] = ["/parse/warnings/", "/err_lines/", "/lint/", "/diff_ids/", "/llb/images/"];

#[test]
fn every_change_of_a_verdict_is_found() {
    let Some(corpus) = corpus::beside_the_project() else {
        println!("the corpus is not here: 0 cases ran");
        return;
    };
    let cases = fs::read_to_string(corpus.join("dockerfiles.jsonl")).unwrap_or_default();
    let small = |line: &&str| line.len() < 4_000 && !line.contains("lint violation");
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    fs::create_dir(folder.path().join("dockerfiles")).expect("the directory is ours");
    let mut changed = Vec::new();
    for case in cases.lines().filter(small).step_by(40) {
        let case: Value = serde_json::from_str(case).expect("a case is JSON");
        let mut places = Vec::new();
        leaves("", &case, &mut places);
        for place in places {
            let name = format!("{:05}", changed.len());
            let text = corpus.join("dockerfiles").join(case["file"].as_str().expect("a case has a file"));
            changed.push((place.clone(), change(&case, &place, &name, &text, folder.path())));
        }
    }
    let lines: Vec<String> = changed.iter().map(|(_, case)| case.to_string()).collect();
    fs::write(folder.path().join("dockerfiles.jsonl"), lines.join("\n")).expect("the directory is ours");
    let verdicts = corpus::compare(folder.path()).expect("the corpus can be read");
    let found: BTreeSet<&str> =
        verdicts.iter().filter(|verdict| !verdict.differences.is_empty()).map(|verdict| &*verdict.case).collect();
    println!("{} changes, {} found", changed.len(), found.len());
    let missed: Vec<&String> = changed
        .iter()
        .filter(|(_, case)| case["file"].as_str().is_some_and(|name| !found.contains(name)))
        .map(|(place, _)| place)
        .collect();
    assert!(missed.is_empty(), "changes that were not found: {missed:#?}");
}

/// The paths of all values that should matter and hold no others.
fn leaves(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| leaves(&format!("{at}/{}", key.replace('/', "~1")), value, found))
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| leaves(&format!("{at}/{index}"), value, found))
        }
        _ if NOT_COMPARED.iter().any(|end| at.ends_with(end))
            || NOT_ALL_COMPARED.iter().any(|part| at.contains(part)) => {}
        // A vertex that only serves another has no name of its own here.
        Value::String(name) if name.starts_with("[internal] ") => {}
        _ => found.push(at.to_owned()),
    }
}

/// The case as the file `name`, with another value at `place`.
fn change(case: &Value, place: &str, name: &str, text: &Path, folder: &Path) -> Value {
    let mut case = case.clone();
    let value = case.pointer_mut(place).expect("the place was found in it");
    *value = match &*value {
        Value::Bool(on) => json!(!*on),
        Value::Number(number) => json!(number.as_i64().unwrap_or(0) + 1),
        Value::String(text) => json!(format!("~{text}")),
        _ => json!("~"),
    };
    case["file"] = json!(name);
    symlink(text, folder.join("dockerfiles").join(name)).expect("the directory is ours");
    case
}

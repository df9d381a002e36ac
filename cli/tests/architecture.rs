//! The invariants of `docs/architecture.md` that can be read off the source: who may depend on whom, and how files
//! begin and are named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each crate, and those of ours that it may use.
const DIRECTIONS: [(&str, &[&str]); 10] = [
    ("oci", &[]),
    ("graph", &["oci"]),
    ("cache", &["oci"]),
    ("parser", &["graph", "oci"]),
    ("lsp", &["parser", "oci"]),
    ("solver", &["graph", "cache", "oci"]),
    ("runner", &["solver", "cache", "graph", "oci"]),
    ("cli", &["runner", "solver", "lsp", "parser", "cache", "graph", "oci"]),
    ("corpus", &["parser", "graph", "oci"]),
    ("fuzz", &["parser", "oci"]),
];

/// What only `cli` may use: it alone prints, reads the environment and draws.
const ONLY_IN_CLI: [&str; 2] = ["clap", "anyhow"];
const ONLY_IN_CLI_CALLS: [&str; 6] = ["println!", "eprintln!", "print!(", "eprint!(", "env::var", "env::home_dir"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

fn dependencies(krate: &str) -> BTreeSet<String> {
    let manifest = workspace().join(krate).join("Cargo.toml");
    let text = fs::read_to_string(&manifest).expect("every crate has a manifest");
    let section = text.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or_default();
    section.lines().skip(1).filter_map(|line| Some(line.split_once(['.', ' ', '='])?.0.to_owned())).collect()
}

fn sources(krate: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![workspace().join(krate).join("src")];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("source directories can be read") {
            let path = entry.expect("source directories can be read").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn crates_depend_downwards_only() {
    let ours: BTreeMap<&str, &[&str]> = DIRECTIONS.into_iter().collect();
    for (krate, allowed) in DIRECTIONS {
        for dependency in dependencies(krate) {
            let name = dependency.as_str();
            assert!(!ours.contains_key(name) || allowed.contains(&name), "`{krate}` may not use `{name}`");
            assert!(krate == "cli" || !ONLY_IN_CLI.contains(&name), "`{name}` is for `cli`, not for `{krate}`");
        }
    }
}

#[test]
fn every_crate_is_in_the_table() {
    let members: BTreeSet<String> = fs::read_dir(workspace())
        .expect("the workspace can be read")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("Cargo.toml").exists() && path.join("src").exists())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    let listed: BTreeSet<String> = DIRECTIONS.iter().map(|(krate, _)| (*krate).to_owned()).collect();
    assert_eq!(members, listed);
}

#[test]
fn only_the_program_talks_to_the_world_around_it() {
    for (krate, _) in DIRECTIONS.iter().filter(|(krate, _)| !matches!(*krate, "cli" | "corpus" | "fuzz")) {
        for path in sources(krate) {
            let text = fs::read_to_string(&path).expect("sources are text");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let is_test = path.to_string_lossy().contains("tests");
            for call in ONLY_IN_CLI_CALLS {
                let used = code.lines().any(|line| line.contains(call) && !line.trim_start().starts_with("//"));
                assert!(is_test || !used, "{} uses `{call}`, which is for `cli`", path.display());
            }
        }
    }
}

#[test]
fn files_say_what_they_are() {
    for (krate, _) in DIRECTIONS {
        for path in sources(krate) {
            let text = fs::read_to_string(&path).expect("sources are text");
            assert!(text.starts_with("//! "), "{} does not begin with what it is", path.display());
            let name = path.file_stem().and_then(|name| name.to_str()).expect("source names are text");
            let vague = ["mod", "util", "utils", "common", "types", "helper", "helpers", "misc", "manager"];
            assert!(!vague.contains(&name), "{}: the name says nothing", path.display());
        }
    }
}

//! What has been fetched from a remote: a bare repository that grows. Whoever calls has locked it.
//!
//! A reference is fetched without its history; where the remote cannot do that, with it. A commit is asked for by its
//! name; where the remote gives none away by name, all of its branches and tags are fetched, and it must be among
//! them. What has been fetched is named `refs/kiln/…`, so that the next fetch tells the remote what is here.

use std::fs;
use std::path::Path;

use graph::op::Git;
use oci::ContentDigest;
use oci::web::redacted;

use super::program::{GitError, Place, Program};
use super::reference::Resolved;

/// Words of remotes that cannot cut a history short.
const NO_DEPTH: [&str; 2] = ["--depth", "shallow"];
/// Words of remotes that give away no commit by its name.
const NOT_BY_NAME: [&str; 4] = ["not our ref", "unadvertised object", "find remote ref", "shallow"];

pub fn exists(dir: &Path) -> bool {
    dir.join("HEAD").exists()
}

/// Gets what `resolved` names into the repository at `dir`; the commit's full name.
pub fn fetch(program: &Program<'_>, dir: &Path, source: &Git, resolved: &Resolved) -> Result<String, GitError> {
    prepare(program, dir, resolved.format())?;
    let object = &resolved.object;
    if let Some(commit) = commit(program, dir, object) {
        return Ok(commit);
    }
    if let Some(reference) = resolved.reference.as_deref().filter(|_| !source.fetch_by_commit) {
        one(program, dir, source, reference)?;
        if let Some(commit) = commit(program, dir, object) {
            return Ok(commit);
        }
    }
    match one(program, dir, source, object) {
        Err(error) if error.says(&NOT_BY_NAME) => everything(program, dir, source)?,
        other => other?,
    }
    let missing = || GitError::NoCommit { remote: redacted(&source.url), commit: object.clone() };
    commit(program, dir, object).ok_or_else(missing)
}

/// The full name of the only commit whose name begins with `short`.
pub fn lengthen(program: &Program<'_>, dir: &Path, source: &Git, short: &str) -> Result<Option<String>, GitError> {
    prepare(program, dir, "sha1")?;
    if let Some(commit) = commit(program, dir, short) {
        return Ok(Some(commit));
    }
    everything(program, dir, source)?;
    Ok(commit(program, dir, short))
}

/// The text of a commit that is here.
pub fn object(program: &Program<'_>, dir: &Path, commit: &str) -> Result<String, GitError> {
    let object = program.local(&["cat-file", "commit", commit], Place { git_dir: dir, work_tree: None })?;
    Ok(String::from_utf8_lossy(&object).into_owned())
}

fn prepare(program: &Program<'_>, dir: &Path, format: &str) -> Result<(), GitError> {
    let place = Place { git_dir: dir, work_tree: None };
    if !exists(dir) {
        program.local(&["init", "--quiet", "--bare", "--template=", &format!("--object-format={format}")], place)?;
    }
    // Left by a process that was killed: whoever holds our lock is alone here.
    match fs::remove_file(dir.join("shallow.lock")) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(GitError::Io { action: "remove", path: dir.join("shallow.lock"), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The commit that `name` leads to, if it is here.
fn commit(program: &Program<'_>, dir: &Path, name: &str) -> Option<String> {
    let place = Place { git_dir: dir, work_tree: None };
    let wanted = format!("{name}^{{commit}}");
    let found = program.local(&["rev-parse", "--verify", "--quiet", &wanted], place).ok()?;
    let found = String::from_utf8_lossy(&found).trim().to_owned();
    program.local(&["cat-file", "-e", &format!("{found}^{{tree}}")], place).ok()?;
    Some(found)
}

/// Fetches one reference or commit, without its history if that can be.
fn one(program: &Program<'_>, dir: &Path, source: &Git, name: &str) -> Result<(), GitError> {
    let place = Some(Place { git_dir: dir, work_tree: None });
    // Names as they are could stand in each other's way: `a`, and later `a/b`.
    let kept = ContentDigest::of(name.as_bytes()).hex();
    let refspec = format!("+{name}:refs/kiln/{kept}");
    let fetch = ["fetch", "--quiet", "--no-tags", "--depth=1", "--", &source.url, &refspec];
    match program.remote(&fetch, place) {
        Err(error) if error.says(&NO_DEPTH) => {
            let fetch: Vec<&str> = fetch.into_iter().filter(|arg| *arg != "--depth=1").collect();
            program.remote(&fetch, place).map(drop)
        }
        other => other.map(drop),
    }
}

/// Fetches all branches and tags with their history.
fn everything(program: &Program<'_>, dir: &Path, source: &Git) -> Result<(), GitError> {
    let place = Some(Place { git_dir: dir, work_tree: None });
    let mut fetch = vec!["fetch", "--quiet", "--prune", "--no-tags"];
    if dir.join("shallow").exists() {
        fetch.push("--unshallow");
    }
    fetch.extend(["--", &source.url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]);
    program.remote(&fetch, place).map(drop)
}

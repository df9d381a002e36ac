//! The directories among a build's named contexts: looked at, opened, each with the ignore file in it, and remembered.
//! Knows not which step takes what of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cache::Store;
use cache::contexts::StatFile;
use runner::context::Context;

use super::request::NamedContexts;
use super::{context, input};
use crate::report::{Problem, reason};

/// All of them are there.
pub fn check(named: &NamedContexts) -> Result<(), Problem> {
    for (name, dir) in &named.dirs {
        let wrong = |what: &str| {
            Problem::build(format!("failed to get build context {name}: {}: {what}", dir.display()))
                .hint("`--build-context NAME=DIR`; an image is written `docker-image://NAME`, a stage `target:NAME`")
        };
        match std::fs::metadata(dir) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(wrong("not a directory")),
            Err(error) => return Err(wrong(&reason(&error))),
        }
    }
    Ok(())
}

/// Those that are `used`.
pub fn open(
    named: &NamedContexts,
    used: &BTreeSet<String>,
    store: &Store,
) -> Result<BTreeMap<String, Context>, Problem> {
    let mut contexts = BTreeMap::new();
    for (name, dir) in named.dirs.iter().filter(|(name, _)| used.contains(*name)) {
        let ignore = input::ignore(&dir.join(".dockerignore"))?;
        let rules = Arc::new(context::Rules::new(ignore.as_ref())?);
        let known = StatFile::open(&stat_file(name, dir, store));
        contexts.insert(name.clone(), Context::open(dir, rules, known)?);
    }
    Ok(contexts)
}

/// Keeps what was hashed of them for the next build.
pub fn save(
    named: &NamedContexts,
    opened: impl Fn(&str) -> Option<Arc<Context>>,
    store: &Store,
) -> Result<(), Problem> {
    for (name, dir) in &named.dirs {
        if let Some(context) = opened(name) {
            context.save(&stat_file(name, dir, store))?;
        }
    }
    Ok(())
}

fn stat_file(name: &str, dir: &Path, store: &Store) -> PathBuf {
    context::stat_file(store, dir, &format!("the context {name}"), None)
}

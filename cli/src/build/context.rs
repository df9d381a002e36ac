//! The build context as the runner wants it: which paths the ignore file hides, and where the digests are kept that
//! earlier builds made. Knows how neither is used.
//!
//! A scan asks for every path, directory by directory. What the rules say of a directory holds for all that is in it,
//! so it is worked out once and kept.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use cache::Store;
use oci::ContentDigest;
use parser::ignore::{Ignore, Scope};
use runner::context::{IgnoreRules, Verdict};

use super::input::Text;
use crate::report::{Problem, reason};

/// What an ignore file says.
pub fn ignore(text: &Text) -> Result<Ignore, Problem> {
    Ignore::parse(&String::from_utf8_lossy(&text.bytes))
        .map_err(|error| Problem::build(format!("failed to solve: failed to read {}: {error}", text.name)))
}

/// An ignore file's rules, asked path by path.
pub struct Rules {
    /// The file's name, for messages.
    name: String,
    ignore: Ignore,
    scopes: RwLock<HashMap<Box<[u8]>, Arc<Scope>>>,
}

impl Rules {
    pub fn new(text: Option<&Text>) -> Result<Self, Problem> {
        let (name, ignore) = match text {
            None => (String::new(), Ignore::default()),
            Some(text) => (text.name.clone(), ignore(text)?),
        };
        Ok(Self { name, ignore, scopes: RwLock::default() })
    }

    /// Which rules match the directory `path`.
    fn scope(&self, path: &[u8]) -> Arc<Scope> {
        if path.is_empty() {
            return Arc::default();
        }
        if let Some(scope) = self.scopes.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Arc::clone(scope);
        }
        let scope = Arc::new(self.ignore.enter(&self.scope(parent(path)), path));
        self.scopes.write().unwrap_or_else(PoisonError::into_inner).insert(path.into(), Arc::clone(&scope));
        scope
    }
}

impl IgnoreRules for Rules {
    fn verdict(&self, path: &[u8]) -> Verdict {
        if self.ignore.is_empty() || self.ignore.hidden_in(&self.scope(parent(path)), path).is_none() {
            return Verdict::Seen;
        }
        if self.ignore.excludes_all_in(&self.scope(path), path) { Verdict::Hidden } else { Verdict::HiddenUnlessWithin }
    }

    fn rule_for(&self, path: &[u8]) -> Option<String> {
        self.ignore.hidden_by(path).map(|rule| format!("`{}` ({}:{})", rule.pattern, self.name, rule.line))
    }
}

fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(&[], |slash| &path[..slash])
}

/// Where the stat records are of what builds of this Dockerfile and target took from `dir`.
pub fn stat_file(store: &Store, dir: &Path, dockerfile: &str, target: Option<&str>) -> PathBuf {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let name = format!("{}\0{dockerfile}\0{}", dir.display(), target.unwrap_or_default());
    store.context_file(&ContentDigest::of(name.as_bytes()))
}

/// Unpacks a context that came as a tar into the empty directory `into`.
pub fn unpack(from: impl Read + Send, into: &Path) -> Result<(), Problem> {
    let told = |message: String| Problem::build(format!("the context on standard input: {message}"));
    let (_format, tar) = oci::compress::decompress(from).map_err(|error| told(reason(&error)))?;
    oci::unpack::unpack(tar, into, &oci::unpack::Options::archive()).map(drop).map_err(|error| told(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Rules {
        let text = Text { name: ".dockerignore".to_owned(), bytes: text.as_bytes().to_vec() };
        Rules::new(Some(&text)).expect("valid")
    }

    #[test]
    fn what_is_hidden_and_by_which_line() {
        let rules = rules("node_modules\n\n*.md\n!docs/keep.md\n");
        assert_eq!(rules.verdict(b"src/main.rs"), Verdict::Seen);
        assert_eq!(rules.verdict(b"node_modules"), Verdict::Hidden);
        assert_eq!(rules.verdict(b"README.md"), Verdict::Hidden);
        assert_eq!(rules.rule_for(b"README.md").as_deref(), Some("`*.md` (.dockerignore:3)"));
        assert_eq!(rules.rule_for(b"src"), None);
    }

    #[test]
    fn a_hidden_directory_is_entered_for_an_exception_in_it() {
        let rules = rules("vendor\n!vendor/ours/keep\n");
        assert_eq!(rules.verdict(b"vendor"), Verdict::HiddenUnlessWithin);
        assert_eq!(rules.verdict(b"vendor/ours"), Verdict::HiddenUnlessWithin);
        assert_eq!(rules.verdict(b"vendor/ours/keep"), Verdict::Seen);
        assert_eq!(rules.verdict(b"vendor/theirs"), Verdict::Hidden);
    }
}

//! The files of a Git commit as a layer. The `git` program does the work; knows no build context.
//!
//! 1. A reference becomes a commit: a commit's full name is one already, anything else the remote is asked for
//!    ([`reference`]).
//! 2. A record by the commit, the subdirectory and what else decides on the files leads to the layer. Where it is here,
//!    nothing is fetched. The address is no part of it: the same commit has the same files anywhere.
//! 3. Otherwise the commit is fetched into a bare repository that is kept for each remote ([`mirror`]), with as little
//!    of its history as the remote lets us, and checked out into a new layer ([`checkout`]).
//!
//! Every file has the time of the commit, and the modes that Git knows: nothing of this machine gets in.

mod checkout;
mod mirror;
mod program;
mod reference;

use graph::Manifest;
use graph::op::Git;
use oci::web::redacted;
use oci::{ContentDigest, LayerId};
use solver::port::{Failure, TaskId};

pub use program::GitError;
pub use reference::Resolved;

use super::{Remotes, lock};
use crate::executor::fail;
use program::Program;

/// When the commit that `source` names was made.
pub(super) fn commit_time(remotes: &Remotes, source: &Git) -> Result<i64, Failure> {
    check(source).map_err(failure)?;
    let program = Program::new(remotes, source).map_err(failure)?;
    Fetch { remotes, source, program }.committed()
}

/// The layer of what `source` names, as far as that is known without asking anybody: a reference is taken for what it
/// was when it was last asked for.
pub(super) fn remembered(remotes: &Remotes, source: &Git) -> Result<Option<LayerId>, Failure> {
    let note = || remotes.store.remote_note(&note_id(source)).and_then(|note| serde_json::from_slice(&note).ok());
    match pinned(source).or_else(note) {
        Some(resolved) => remotes.recorded(&key(source, &resolved)),
        None => Ok(None),
    }
}

/// Where it is noted what a reference has come to.
fn note_id(source: &Git) -> ContentDigest {
    let reference = source.reference.as_deref().unwrap_or("HEAD");
    ContentDigest::of(format!("git reference\0{}\0{reference}", source.url).as_bytes())
}

/// The commit, where `source` itself says which.
fn pinned(source: &Git) -> Option<Resolved> {
    match (&source.reference, &source.checksum) {
        (Some(reference), _) if reference::is_commit(reference) => Some(Resolved::pinned(reference, None)),
        (reference, Some(checksum)) if source.fetch_by_commit => Some(Resolved::pinned(checksum, reference.as_deref())),
        _ => None,
    }
}

/// One source on its way.
struct Fetch<'a> {
    remotes: &'a Remotes,
    source: &'a Git,
    program: Program<'a>,
}

impl Remotes {
    /// The layer of what `source` names.
    pub fn git(&self, source: &Git, _task: TaskId) -> Result<LayerId, Failure> {
        check(source).map_err(failure)?;
        let program = Program::new(self, source).map_err(failure)?;
        Fetch { remotes: self, source, program }.layer()
    }
}

impl Fetch<'_> {
    fn layer(&self) -> Result<LayerId, Failure> {
        let resolved = self.resolve()?;
        let key = key(self.source, &resolved);
        if let Some(layer) = self.remotes.recorded(&key)? {
            return Ok(layer);
        }
        self.on_mirror(&resolved, |dir| {
            // Somebody else may have fetched the same meanwhile.
            if let Some(layer) = self.remotes.recorded(&key).map_err(Problem::Here)? {
                return Ok(layer);
            }
            let commit = mirror::fetch(&self.program, dir, self.source, &resolved)?;
            let ingest = checkout::checkout(self, dir, &resolved, &commit)?;
            let name = format!("git {}#{}", redacted(&self.source.url), resolved.commit);
            self.remotes.commit(ingest, &key, &name).map_err(Problem::Here)
        })
    }

    /// When its commit was made.
    fn committed(&self) -> Result<i64, Failure> {
        let resolved = self.resolve()?;
        self.on_mirror(&resolved, |dir| {
            let commit = mirror::fetch(&self.program, dir, self.source, &resolved)?;
            let object = mirror::object(&self.program, dir, &commit)?;
            Ok(checkout::committed(&object))
        })
    }

    /// Does `work` on what is kept of the remote, alone; where that is damaged, once more with nothing.
    fn on_mirror<T>(
        &self,
        resolved: &Resolved,
        work: impl Fn(&std::path::Path) -> Result<T, Problem>,
    ) -> Result<T, Failure> {
        let id = ContentDigest::of(format!("git\0{}\0{}", self.source.url, resolved.format()).as_bytes());
        let wait = &mut || !self.remotes.cancel.is_canceled();
        let Some(dir) = self.remotes.store.lock_remote(&id, wait).map_err(fail)? else {
            return Err(Failure::Canceled);
        };
        let was_there = mirror::exists(dir.path());
        let done = match work(dir.path()) {
            Err(Problem::Git(error)) if was_there && error.is_local() => {
                tracing::warn!("{error}; what was kept of `{}` is fetched anew", redacted(&self.source.url));
                self.remotes.store.clear_remote(&dir).map_err(fail)?;
                work(dir.path())
            }
            done => done,
        };
        done.map_err(Problem::into_failure)
    }

    /// Which commit is meant.
    fn resolve(&self) -> Result<Resolved, Failure> {
        let source = self.source;
        let resolved = match pinned(source) {
            Some(resolved) => resolved,
            None => self.ask()?,
        };
        if let Some(checksum) = &source.checksum
            && !resolved.has_checksum(checksum)
        {
            return Err(failure(GitError::Checksum {
                remote: redacted(&source.url),
                expected: checksum.clone(),
                found: resolved.commit,
            }));
        }
        Ok(resolved)
    }

    fn ask(&self) -> Result<Resolved, Failure> {
        let asked = (self.source.url.clone(), self.source.reference.clone());
        if let Some(resolved) = lock(&self.remotes.references).get(&asked) {
            return Ok(resolved.clone());
        }
        let resolved = self.list().map_err(failure)?;
        let note = serde_json::to_vec(&resolved).map_err(fail)?;
        self.remotes.store.set_remote_note(&note_id(self.source), &note).map_err(fail)?;
        lock(&self.remotes.references).insert(asked, resolved.clone());
        Ok(resolved)
    }

    fn list(&self) -> Result<Resolved, GitError> {
        let (url, wanted) = (&self.source.url, self.source.reference.as_deref());
        let name = wanted.unwrap_or("HEAD");
        let peeled = format!("{name}^{{}}");
        let listed = self.program.remote(&["ls-remote", "--symref", "--", url, name, &peeled], None)?;
        if let Some(found) = reference::choose(&String::from_utf8_lossy(&listed), wanted) {
            return Ok(found);
        }
        match wanted {
            Some(short) if reference::may_be_short(short) => self.lengthen(short),
            _ => Err(GitError::NoReference { remote: redacted(url), reference: name.to_owned() }),
        }
    }

    /// The commit whose name begins with `short`: only a whole history tells.
    fn lengthen(&self, short: &str) -> Result<Resolved, GitError> {
        let id = ContentDigest::of(format!("git\0{}\0sha1", self.source.url).as_bytes());
        let wait = &mut || !self.remotes.cancel.is_canceled();
        let dir = self.remotes.store.lock_remote(&id, wait).map_err(|error| GitError::Store(Box::new(error)))?;
        let dir = dir.ok_or(GitError::Canceled)?;
        let missing = || GitError::NoReference { remote: redacted(&self.source.url), reference: short.to_owned() };
        let found = mirror::lengthen(&self.program, dir.path(), self.source, short)?.ok_or_else(missing)?;
        Ok(Resolved::pinned(&found, None))
    }
}

/// What went wrong: with the repository, or with the store.
pub(super) enum Problem {
    Git(GitError),
    Here(Failure),
}

impl From<GitError> for Problem {
    fn from(error: GitError) -> Self {
        Self::Git(error)
    }
}

impl Problem {
    fn into_failure(self) -> Failure {
        match self {
            Self::Git(error) => failure(error),
            Self::Here(failure) => failure,
        }
    }
}

fn failure(error: GitError) -> Failure {
    match error {
        GitError::Canceled => Failure::Canceled,
        other => fail(other),
    }
}

/// Refuses what `git` could take for an option, another protocol, or another place.
fn check(source: &Git) -> Result<(), GitError> {
    let url = &source.url;
    let bad = |reason| Err(GitError::Address { remote: redacted(url), reason });
    if url.starts_with('-') || url.chars().any(char::is_control) {
        return bad("it begins with a `-`, or holds a control character");
    }
    let is_known = match url.split_once("://") {
        Some((scheme, _)) => matches!(scheme, "https" | "http" | "ssh" | "git"),
        // `ext::sh -c …` is a protocol too.
        None => url.contains('@') && url.contains(':') && !url.contains("::"),
    };
    if !is_known {
        return bad("only https, http, ssh and git are spoken");
    }
    match &source.reference {
        Some(reference) if !reference::is_name(reference) => {
            Err(GitError::BadReference { remote: redacted(url), reference: reference.clone() })
        }
        _ => match &source.checksum {
            Some(checksum) if !checksum.bytes().all(|byte| byte.is_ascii_hexdigit()) || checksum.is_empty() => {
                Err(GitError::BadChecksum { checksum: checksum.clone() })
            }
            None if source.fetch_by_commit && !source.reference.as_deref().is_some_and(reference::is_commit) => {
                Err(GitError::NothingPinned { remote: redacted(url) })
            }
            Some(checksum) if source.fetch_by_commit && !reference::is_commit(checksum) => {
                Err(GitError::NothingPinned { remote: redacted(url) })
            }
            Some(_) | None => Ok(()),
        },
    }
}

/// What the layer is known by.
fn key(source: &Git, resolved: &Resolved) -> Manifest {
    let mut key = Manifest::default();
    key.push("version", graph::VERSION);
    key.push("op", "git checkout");
    key.push("commit", resolved.commit.as_str());
    if let Some(subdir) = &source.subdir {
        key.push("subdir", subdir.as_str());
    }
    if source.skip_submodules {
        key.push("skip_submodules", "true");
    }
    if source.keep_git_dir {
        // The repository tells where it came from.
        key.push("git_dir", redacted(&source.url));
        key.push("object", resolved.object.as_str());
        key.push("reference", resolved.reference.as_deref().unwrap_or_default());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_taken_for_something_else_is_refused() {
        let refused = |url: &str, reference: Option<&str>| {
            check(&Git { reference: reference.map(str::to_owned), ..Git::new(url, None) }).is_err()
        };
        for url in ["--upload-pack=x", "ext::sh -c x", "file:///etc", "/etc", "a@b::c:d", "https://h/\nx", "fd::1@x:"] {
            assert!(refused(url, None), "{url}");
        }
        for reference in ["--x", "a b", "a..b", "a:b", "+a", "a^{}", "a\n", "", "/a", "a/", "a.lock", "@{u}", "a*"] {
            assert!(refused("https://h/r.git", Some(reference)), "{reference}");
        }
        for reference in ["main", "refs/pull/1/head", "v1.0", "feature/x-y", "a@b", "0123abc"] {
            assert!(!refused("git@h:r", Some(reference)), "{reference}");
        }
    }
}

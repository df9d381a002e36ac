//! A commit's files, put where a layer is made. Fetches nothing but submodules.
//!
//! 1. A repository is made for the checkout alone: index, configuration and submodules of what is checked out are in
//!    it, none of that in what is kept. Its objects are those of the kept repository; only where the result is to have
//!    a `.git`, what the commit needs is copied into it.
//! 2. The commit is checked out, then its submodules.
//! 3. All files get the time of the commit, and modes that do not depend on our umask.
//! 4. Of a subdirectory, what is in it becomes the layer's root. No link may be on the way to it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use cache::Ingest;
use oci::web::redacted;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Timespec, Timestamps};

use super::program::{GitError, Place};
use super::{Fetch, Problem, Resolved};
use crate::executor::fail;

/// A checkout in the making.
struct Checkout<'a> {
    fetch: &'a Fetch<'a>,
    mirror: &'a Path,
    place: Place<'a>,
    work_tree: &'a Path,
    /// The result is to have a `.git`.
    keep: bool,
}

/// The files of `commit`, which the repository at `mirror` has.
pub(super) fn checkout(fetch: &Fetch<'_>, mirror: &Path, resolved: &Resolved, commit: &str) -> Result<Ingest, Problem> {
    let ingest = || fetch.remotes.store.ingest().map_err(|error| Problem::Here(fail(error)));
    let (out, scratch) = (ingest()?, ingest()?);
    let subdir = fetch.source.subdir.as_deref().map(|subdir| subdir.trim_matches('/')).filter(|s| !s.is_empty());
    let keep = fetch.source.keep_git_dir && subdir.is_none();
    let work_tree = if subdir.is_some() { scratch.fs().join("tree") } else { out.fs().to_owned() };
    let git_dir = if keep { out.fs().join(".git") } else { scratch.fs().join("git") };
    fs::create_dir_all(&work_tree).map_err(|source| GitError::Io {
        action: "make the directory",
        path: work_tree.clone(),
        source,
    })?;
    let place = Place { git_dir: &git_dir, work_tree: Some(&work_tree) };
    let checkout = Checkout { fetch, mirror, place, work_tree: &work_tree, keep };
    checkout.repository(resolved, commit)?;
    checkout.submodules()?;
    checkout.finish(commit)?;
    if let Some(subdir) = subdir {
        take_subdir(&work_tree, subdir, out.fs()).map_err(|reason| GitError::Subdir {
            remote: redacted(&fetch.source.url),
            subdir: subdir.to_owned(),
            reason,
        })?;
    }
    Ok(out)
}

impl Checkout<'_> {
    fn git(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        self.fetch.program.local(args, self.place)
    }

    fn repository(&self, resolved: &Resolved, commit: &str) -> Result<(), GitError> {
        let format = format!("--object-format={}", resolved.format());
        self.git(&["init", "--quiet", "--template=", &format])?;
        if self.keep {
            let url = format!("file://{}", self.mirror.display().to_string().replace('%', "%25"));
            let refspec = match &resolved.reference {
                Some(reference) => format!("{}:{reference}", resolved.object),
                None => resolved.object.clone(),
            };
            self.git(&["fetch", "--quiet", "--update-head-ok", "--no-tags", "--depth=1", "--", &url, &refspec])?;
        } else {
            let objects = self.mirror.join("objects");
            self.write("objects/info/alternates", format!("{}\n", objects.display()).as_bytes())?;
            if let Ok(shallow) = fs::read(self.mirror.join("shallow")) {
                self.write("shallow", &shallow)?;
            }
        }
        self.git(&["checkout", "--quiet", "--force", "--detach", commit]).map(drop)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), GitError> {
        let path = self.place.git_dir.join(name);
        let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
        parent.and_then(|()| fs::write(&path, bytes)).map_err(|source| GitError::Io { action: "write", path, source })
    }

    fn submodules(&self) -> Result<(), GitError> {
        let listed = fs::symlink_metadata(self.work_tree.join(".gitmodules")).is_ok_and(|meta| meta.is_file());
        if self.fetch.source.skip_submodules || !listed {
            return Ok(());
        }
        // What they are named relative to.
        self.git(&["config", "remote.origin.url", &self.fetch.source.url])?;
        let update = ["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"];
        match self.fetch.program.remote(&update, Some(self.place)) {
            Err(error) if error.says(&["--depth", "shallow", "not our ref", "unadvertised object"]) => {
                self.fetch.program.remote(&update[..5], Some(self.place)).map(drop)
            }
            other => other.map(drop),
        }
    }

    fn finish(&self, commit: &str) -> Result<(), GitError> {
        let object = self.git(&["cat-file", "commit", commit])?;
        let time = committed(&String::from_utf8_lossy(&object));
        if self.keep {
            self.git(&["config", "remote.origin.url", &redacted(&self.fetch.source.url)])?;
            self.git(&["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"])?;
            // An index without what `stat` says of this machine's files.
            self.git(&["read-tree", "HEAD"])?;
            for name in ["FETCH_HEAD", "ORIG_HEAD"] {
                let _ = fs::remove_file(self.place.git_dir.join(name)); // it may not be there
            }
        }
        settle(self.work_tree, time, self.keep)
    }
}

/// When a commit was made, by its text.
pub(super) fn committed(object: &str) -> i64 {
    let line = object.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix("committer "));
    line.and_then(|line| line.rsplit(' ').nth(1)).and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
}

/// Gives everything below `top` its mode and `time`. Unless they are kept, the files by which submodules name their
/// repositories go: they tell of places here.
fn settle(top: &Path, time: i64, keep: bool) -> Result<(), GitError> {
    let mut left = vec![top.to_owned()];
    while let Some(dir) = left.pop() {
        let listed = |source| GitError::Io { action: "read the directory", path: dir.clone(), source };
        for entry in fs::read_dir(&dir).map_err(listed)? {
            let entry = entry.map_err(listed)?;
            let path = entry.path();
            let failed = |source| GitError::Io { action: "settle", path: path.clone(), source };
            let meta = entry.metadata().map_err(failed)?;
            if meta.is_dir() {
                left.push(path);
            } else if meta.is_file() && entry.file_name() == ".git" && !keep {
                fs::remove_file(&path).map_err(failed)?;
            } else {
                let mode = meta.permissions().mode();
                let write = if mode & 0o200 == 0 { 0 } else { 0o200 };
                let execute = if mode & 0o100 == 0 { 0 } else { 0o111 };
                set(&path, (!meta.is_symlink()).then_some(0o444 | write | execute), time).map_err(failed)?;
            }
        }
        set(&dir, Some(0o755), time).map_err(|source| GitError::Io { action: "settle", path: dir.clone(), source })?;
    }
    Ok(())
}

fn set(path: &Path, mode: Option<u32>, time: i64) -> io::Result<()> {
    if let Some(mode) = mode {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    let time = Timespec { tv_sec: time, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Makes `subdir` of `tree` the directory `out`, which is empty.
fn take_subdir(tree: &Path, subdir: &str, out: &Path) -> Result<(), String> {
    if !Path::new(subdir).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err("it leads out of the repository".to_owned());
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(tree, flags, Mode::empty()).and_then(|root| {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        rustix::fs::openat2(root, subdir, flags, Mode::empty(), resolve)
    });
    opened.map_err(|error| match error {
        rustix::io::Errno::NOENT => "there is no such directory".to_owned(),
        rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => {
            "a part of it is a link or a file, not a directory".to_owned()
        }
        other => other.to_string(),
    })?;
    // Nobody else is at work in there.
    fs::rename(tree.join(subdir), out).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_a_commit_was_made() {
        let object = "tree x\nauthor A <a@b> 1 +0000\ncommitter A B <a@b> 1700000000 +0200\n\ncommitter X 5 +0000\n";
        assert_eq!(committed(object), 1_700_000_000);
        assert_eq!(committed("tree x\n\n"), 0);
    }

    #[test]
    fn no_link_is_on_the_way_to_a_subdirectory() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, out) = (dir.path().join("tree"), dir.path().join("out"));
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir(&out).unwrap();
        fs::write(tree.join("a/b/f"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", tree.join("etc")).unwrap();
        std::os::unix::fs::symlink("a", tree.join("link")).unwrap();
        for subdir in ["etc", "link/b", "../x", "a/../..", "a/b/f", "none", "/etc"] {
            assert!(take_subdir(&tree, subdir, &out).is_err(), "{subdir}");
        }
        take_subdir(&tree, "a/b", &out).unwrap();
        assert_eq!(fs::read_to_string(out.join("f")).unwrap(), "x");
    }
}

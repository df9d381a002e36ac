//! What a build reads: the Dockerfile's bytes, the ignore file's, and the directory that is the context. Knows not what
//! they mean.
//!
//! Standard input may hold a Dockerfile or a tar of a context; which one is told by its first bytes. A tar is unpacked
//! into a directory of the store, which goes away with the [`Input`]. What is elsewhere is fetched ([`super::remote`]).
//!
//! An ignore file counts for a directory of this machine alone. What comes as a tar or from a repository has been sent
//! already: there it is a file like others, as in BuildKit.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cache::{Ingest, Store};
use graph::SourceOp;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::remote::{Fetched, Fetcher};
use super::request::{ContextFrom, DockerfileFrom, Request};
use crate::report::{self, Kind, Problem, reason};
use parser::nearest::nearest;

const DEFAULT_NAME: &str = "Dockerfile";

/// Everything there is to read.
pub struct Input {
    pub dockerfile: Text,
    pub ignore: Option<Text>,
    /// `None`: there is no context, only a Dockerfile.
    pub context: Option<PathBuf>,
    /// What the context was fetched as.
    pub source: Option<SourceOp>,
    /// What keeps an unpacked context.
    _unpacked: Option<Ingest>,
}

/// A file's bytes, and what to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Input {
    /// Reads it. The fetcher's store is where a context that comes as a tar is unpacked.
    pub fn read(request: &Request, fetcher: &Fetcher<'_>) -> Result<Self, Problem> {
        match &request.context {
            ContextFrom::Dir(dir) => Self::of_dir(request, dir),
            ContextFrom::Stdin => Self::of_stdin(request, fetcher.store),
            ContextFrom::Git { url, text } if url.may_be_path && Path::new(text).is_dir() => {
                Self::of_dir(request, Path::new(text))
            }
            ContextFrom::Git { url, .. } => Self::of_fetched(request, fetcher.git(url, request)?, None),
            ContextFrom::Http(url) => Self::of_fetched(request, fetcher.http(url)?, None),
        }
    }

    fn of_dir(request: &Request, dir: &Path) -> Result<Self, Problem> {
        match std::fs::metadata(dir) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                let problem = Problem::build(format!("unable to prepare context: {} is no directory", dir.display()));
                return Err(
                    problem.hint("the context is the directory that COPY takes from; `-f FILE` names a Dockerfile")
                );
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Problem::build(format!("unable to prepare context: path \"{}\" not found", dir.display())));
            }
            Err(error) => return Err(report::io(Kind::Build, "unable to prepare context: open", dir, &error)),
        }
        let (dockerfile, path) = match &request.dockerfile {
            DockerfileFrom::Stdin => (stdin_text(Vec::new())?, None),
            DockerfileFrom::Context => {
                let path = dir.join(DEFAULT_NAME);
                (dockerfile(&path, DEFAULT_NAME).map_err(|problem| problem.hint_if(other_name(dir)))?, Some(path))
            }
            DockerfileFrom::File(path) => (dockerfile(path, &path.display().to_string())?, Some(path.clone())),
        };
        let ignore = match path.map(|path| beside(&path)).map(|path| ignore(&path)).transpose()?.flatten() {
            Some(beside) => Some(beside),
            None => ignore(&dir.join(".dockerignore"))?,
        };
        Ok(Self { dockerfile, ignore, context: Some(dir.to_owned()), source: None, _unpacked: None })
    }

    fn of_stdin(request: &Request, store: &Store) -> Result<Self, Problem> {
        let mut start = Vec::new();
        io::stdin().lock().take(512).read_to_end(&mut start).map_err(|error| stdin_failed(&error))?;
        if !is_archive(&start) {
            if request.dockerfile != DockerfileFrom::Context {
                return Err(Problem::usage("standard input holds no tar, so there is no context to find `-f` in")
                    .hint("`kiln build -` reads a Dockerfile; `kiln build -f FILE DIR` has a context"));
            }
            return Ok(Self {
                dockerfile: stdin_text(start)?,
                ignore: None,
                context: None,
                source: None,
                _unpacked: None,
            });
        }
        let unpacked = store.ingest().map_err(|error| Problem::of(Kind::Build, &error))?;
        super::context::unpack(start.as_slice().chain(io::stdin()), unpacked.fs())?;
        let fetched = Fetched { dir: unpacked.fs().to_owned(), dockerfile: None, source: None };
        Self::of_fetched(request, fetched, Some(unpacked))
    }

    /// Of a directory that others have filled. `-f` names a file in it, unless it is an absolute path.
    fn of_fetched(request: &Request, fetched: Fetched, unpacked: Option<Ingest>) -> Result<Self, Problem> {
        let inside = |name: &str| read_inside(&fetched.dir, name);
        let read = |name: &str| match inside(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && name == DEFAULT_NAME => {
                inside(&DEFAULT_NAME.to_lowercase()).map_err(|_| error)
            }
            done => done,
        };
        let text = |name: String| match read(&name) {
            Ok(bytes) => Ok(Text { name, bytes }),
            Err(error) => Err(unreadable(&name, &error)),
        };
        let dockerfile = match (&request.dockerfile, fetched.dockerfile) {
            (DockerfileFrom::Stdin, _) => stdin_text(Vec::new())?,
            (DockerfileFrom::File(path), _) if path.is_absolute() && unpacked.is_none() => {
                dockerfile(path, &path.display().to_string())?
            }
            (DockerfileFrom::File(path), None) => text(path.display().to_string())?,
            (_, Some(only)) => Text { name: DEFAULT_NAME.to_owned(), ..text(only.to_owned())? },
            (DockerfileFrom::Context, None) => text(DEFAULT_NAME.to_owned())?,
        };
        Ok(Self { dockerfile, ignore: None, context: Some(fetched.dir), source: fetched.source, _unpacked: unpacked })
    }
}

fn dockerfile(path: &Path, name: &str) -> Result<Text, Problem> {
    let bytes = File::open(path).and_then(read_limited).map_err(|error| unreadable(name, &error))?;
    Ok(Text { name: name.to_owned(), bytes })
}

fn unreadable(name: &str, error: &io::Error) -> Problem {
    let problem = Problem::build(format!("failed to solve: failed to read dockerfile: open {name}: {}", reason(error)));
    if error.kind() == io::ErrorKind::NotFound {
        return problem.hint("name the Dockerfile with `-f FILE`; the last argument is the context");
    }
    problem
}

/// A file in `dir` that may have been meant for its Dockerfile.
fn other_name(dir: &Path) -> Option<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let is_meant = |name: &&String| {
        let lower = name.to_lowercase();
        lower == "containerfile" || lower.ends_with(".dockerfile") || lower.starts_with("dockerfile.")
    };
    let near = nearest(DEFAULT_NAME, names.iter().map(String::as_str));
    let name = near
        .or_else(|| names.iter().filter(|name| !name.ends_with(".dockerignore")).find(is_meant).map(String::as_str))?;
    Some(format!("there is a `{name}`: `-f {}`", dir.join(name).display()))
}

/// `<Dockerfile>.dockerignore`
fn beside(dockerfile: &Path) -> PathBuf {
    let mut name = dockerfile.as_os_str().to_owned();
    name.push(".dockerignore");
    PathBuf::from(name)
}

/// An ignore file, if there is one.
pub fn ignore(path: &Path) -> Result<Option<Text>, Problem> {
    match File::open(path).and_then(read_limited) {
        Ok(bytes) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(Some(Text { name, bytes }))
        }
        Err(error) if is_no_file(error.kind()) => Ok(None),
        Err(error) => Err(report::io(Kind::Build, "failed to read the ignore file: open", path, &error)),
    }
}

/// A directory of that name is no ignore file either.
fn is_no_file(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

/// The whole of it, or one byte more than the parser takes.
fn read_limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(parser::MAX_FILE_SIZE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn stdin_text(start: Vec<u8>) -> Result<Text, Problem> {
    let bytes = read_limited(start.as_slice().chain(io::stdin().lock())).map_err(|error| stdin_failed(&error))?;
    Ok(Text { name: DEFAULT_NAME.to_owned(), bytes })
}

fn stdin_failed(error: &io::Error) -> Problem {
    Problem::build(format!("read standard input: {}", reason(error)))
}

/// Reads a file of a hostile directory: no link in it leads out.
fn read_inside(root: &Path, name: &str) -> io::Result<Vec<u8>> {
    let dir = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file: OwnedFd = rustix::fs::openat2(dir, name, flags, Mode::empty(), ResolveFlags::IN_ROOT)?;
    read_limited(File::from(file))
}

/// Whether these first bytes are those of a tar, plain or compressed.
pub fn is_archive(start: &[u8]) -> bool {
    const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    start.get(257..262) == Some(b"ustar") || COMPRESSED.iter().any(|magic| start.starts_with(magic))
}

//! The program that is compared: its command line, and a store of its own. Knows no verdict.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parser::lower::{self, Request};
use serde_json::Value;
use tempfile::TempDir;

use super::BuildsError;

/// Seconds that one command may take.
const TIME_LIMIT: &str = "600";

/// A store that goes with this, and the images in it.
pub(super) struct Program {
    kiln: PathBuf,
    dir: TempDir,
    /// Ids by name: what the corpus brings.
    images: BTreeMap<String, String>,
}

/// How a command ended; without a status, it never began or was killed.
pub(super) struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
        write!(f, "{status}\n{}{}", self.stdout, self.stderr)
    }
}

/// What a case asks for.
pub(super) struct Build<'a> {
    row: &'a Value,
    context: &'a Path,
}

impl<'a> Build<'a> {
    pub fn new(row: &'a Value, context: &'a Path) -> Self {
        Self { row, context }
    }

    fn dockerfile(&self) -> PathBuf {
        self.context.join(self.row["dockerfile"].as_str().unwrap_or("Dockerfile"))
    }

    fn build_args(&self) -> impl Iterator<Item = (&String, &str)> {
        let args = self.row["build_args"].as_object().into_iter().flatten();
        args.map(|(name, value)| (name, value.as_str().unwrap_or_default()))
    }

    fn target(&self) -> Option<&str> {
        self.row["target"].as_str().filter(|target| !target.is_empty())
    }

    pub fn args(&self, output: &[&str]) -> Vec<String> {
        let mut args = vec!["build".to_owned(), "--progress=plain".to_owned()];
        args.extend(["-f".to_owned(), self.dockerfile().display().to_string()]);
        for (name, value) in self.build_args() {
            args.extend(["--build-arg".to_owned(), format!("{name}={value}")]);
        }
        if let Some(target) = self.target() {
            args.extend(["--target".to_owned(), target.to_owned()]);
        }
        args.extend(output.iter().map(ToString::to_string));
        args.push(self.context.display().to_string());
        args
    }
}

impl Program {
    pub fn new(kiln: &Path) -> Result<Self, BuildsError> {
        let dir = tempfile::Builder::new().prefix("kiln-corpus-").tempdir().map_err(BuildsError::Scratch)?;
        Ok(Self { kiln: kiln.to_owned(), dir, images: BTreeMap::new() })
    }

    pub fn scratch(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix("case-").tempdir_in(self.dir.path())
    }

    /// Runs the program with its own store and nothing of the environment that matters.
    pub fn run(&self, args: &[String]) -> Ended {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", TIME_LIMIT]).arg(&self.kiln).args(args);
        command.env("KILN_ROOT", self.dir.path().join("store")).env_remove("SOURCE_DATE_EPOCH").stdin(Stdio::null());
        match command.output() {
            Ok(output) => Ended {
                status: output.status.code(),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            },
            Err(error) => Ended { status: None, stdout: String::new(), stderr: error.to_string() },
        }
    }

    /// Loads each archive of `dir`, `NAME.oci.tar` being the image `NAME`.
    pub fn load_images(&mut self, dir: &Path) -> Result<(), BuildsError> {
        let mut archives: Vec<PathBuf> =
            fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        archives.sort();
        for archive in archives.into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "tar")) {
            let name = archive.file_name().and_then(|name| name.to_str()?.split('.').next());
            let ended = self.run(&["load".to_owned(), "-i".to_owned(), archive.display().to_string()]);
            let id = ended.stdout.split(": ").nth(1).map(str::trim).filter(|id| !id.is_empty());
            match (name, id, ended.status) {
                (Some(name), Some(id), Some(0)) => {
                    self.tag(id, &format!("{name}:latest"));
                    self.images.insert(name.to_owned(), id.to_owned());
                }
                _ => return Err(BuildsError::Image { why: ended.to_string(), image: archive }),
            }
        }
        Ok(())
    }

    /// Gives the corpus' images the names, whatever their tags, by which `build` asks for them.
    pub fn name_images(&self, build: &Build) {
        let Ok(text) = fs::read(build.dockerfile()) else { return };
        let build_args = build.build_args().map(|(name, value)| (name.clone(), value.to_owned())).collect();
        let request = Request { target: build.target().map(str::to_owned), build_args, ..Request::default() };
        for (reference, _) in lower::bases(&parser::parse(&text), &request) {
            let name = reference.to_string();
            let short = name.strip_prefix("docker.io/library/").and_then(|name| name.split([':', '@']).next());
            if let (Some(id), None) = (short.and_then(|short| self.images.get(short)), reference.digest()) {
                self.tag(id, &name);
            }
        }
    }

    fn tag(&self, id: &str, name: &str) {
        self.run(&["tag".to_owned(), id.to_owned(), name.to_owned()]);
    }

    /// The image `name` as `inspect` tells it.
    pub fn inspect(&self, name: &str) -> Result<Value, String> {
        let ended = self.run(&["inspect".to_owned(), name.to_owned()]);
        let images: Value = serde_json::from_str(&ended.stdout).map_err(|_| ended.to_string())?;
        images.get(0).cloned().ok_or_else(|| ended.to_string())
    }
}

/// Unpacks a context with modes, owners, links and attributes.
pub(super) fn unpack(archive: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir(to).map_err(|error| format!("`{}`: {error}", to.display()))?;
    let mut tar = Command::new("tar");
    tar.args(["--zstd", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf"]).arg(archive).arg("-C").arg(to);
    match tar.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("`{}`: {}", archive.display(), String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("cannot start `tar`: {error}")),
    }
}

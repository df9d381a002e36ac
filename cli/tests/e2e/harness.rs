//! What the end-to-end tests share: a store of their own, contexts, runs of the binary, and roots to look at.
//! Knows no test.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

pub use corpus::root::Root;
use tempfile::TempDir;

/// A store in a directory that goes with it.
pub struct Kiln {
    dir: TempDir,
}

/// How a run of the binary ended.
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Kiln {
    /// An empty store.
    pub fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("kiln-e2e-").tempdir().expect("a temporary directory can be made") }
    }

    /// A store with the image `busybox`: one static program under all its names.
    pub fn with_busybox() -> Self {
        let kiln = Self::new();
        let context = kiln.path("busybox");
        let bin = context.join("root/bin");
        fs::create_dir_all(&bin).expect("the directory is ours");
        fs::copy("/bin/busybox", bin.join("busybox")).expect("busybox-static is installed by `make test`");
        let list = Command::new("/bin/busybox").arg("--list").output().expect("busybox runs");
        for applet in String::from_utf8_lossy(&list.stdout).lines().filter(|applet| *applet != "busybox") {
            std::os::unix::fs::symlink("busybox", bin.join(applet)).expect("the directory is ours");
        }
        for dir in ["dev", "etc", "proc", "root", "sys", "tmp"] {
            fs::create_dir(context.join("root").join(dir)).expect("the directory is ours");
        }
        fs::write(context.join("root/etc/passwd"), "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")
            .expect("the directory is ours");
        fs::write(context.join("root/etc/group"), "root:x:0:\nuser:x:1000:\nstaff:x:50:user\n")
            .expect("the directory is ours");
        fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY root /\nENV PATH=/bin\nCMD [\"sh\"]\n")
            .expect("the directory is ours");
        kiln.run(["build", "-q", "-t", "busybox", &context.to_string_lossy()]).ok();
        kiln
    }

    /// A path beside the store.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// The binary with this store, nothing of the machine's environment that matters, and no input.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command.args(args).env("KILN_ROOT", self.store()).env_remove("SOURCE_DATE_EPOCH").stdin(Stdio::null());
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::from(self.command(args).output().expect("the binary starts"))
    }

    /// Runs a shell command on a terminal of its own, which `script` gives it; how it ended, and what was shown.
    pub fn on_a_terminal(&self, command: &str) -> (ExitStatus, String) {
        let out = Command::new("script")
            .args(["-qec", command, "/dev/null"])
            .env("KILN_ROOT", self.store())
            .stdin(Stdio::null())
            .output()
            .expect("`script` is part of every Debian");
        (out.status, String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// A context with `files` (path, contents) beside the store. A path that ends in `/` is a directory.
    pub fn context(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let dir = self.path(name);
        fs::create_dir_all(&dir).expect("the directory is ours");
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("the directory is ours");
        for (path, contents) in files {
            let file = dir.join(path);
            if path.ends_with('/') {
                fs::create_dir_all(file).expect("the directory is ours");
                continue;
            }
            fs::create_dir_all(file.parent().expect("a file has a parent")).expect("the directory is ours");
            fs::write(&file, contents).expect("the directory is ours");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("the file is ours");
        }
        dir
    }

    /// Builds a context of `files` and tags it `name`.
    pub fn build(&self, name: &str, files: &[(&str, &str)]) -> Ran {
        let context = self.context(&format!("context-{name}"), files);
        self.run([
            OsStr::new("build"),
            OsStr::new("--progress=plain"),
            OsStr::new("-t"),
            name.as_ref(),
            context.as_ref(),
        ])
    }

    /// The root of an image.
    pub fn root(&self, image: &str) -> Root {
        let name = format!("root-{}", image.replace(['/', ':'], "-"));
        let context = self.context(&name, &[("Dockerfile", &format!("FROM {image}\n"))]);
        self.build_root(&context, &[])
    }

    /// The root of the image that a name or an id tells; it gets a name of its own.
    pub fn root_of(&self, name_or_id: &str) -> Root {
        self.run(["tag", name_or_id, "root-of"]).ok();
        self.root("root-of")
    }

    /// The root that a build of `context` comes to.
    pub fn build_root(&self, context: &Path, args: &[&str]) -> Root {
        let tar = self.path("root.tar");
        let output = format!("type=tar,dest={}", tar.display());
        let mut all = vec!["build", "--progress=plain", "-o", &output];
        all.extend(args);
        let context = context.to_string_lossy();
        all.push(&context);
        self.run(all).ok();
        read_tar(&tar)
    }

    /// An image's config.
    pub fn config(&self, image: &str) -> serde_json::Value {
        let out = self.run(["inspect", image]).ok().stdout;
        let inspected: serde_json::Value = serde_json::from_str(&out).expect("inspect prints JSON");
        inspected[0].clone()
    }
}

impl Ran {
    /// It succeeded; else the test fails with what it printed.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 0, "{self}");
        self
    }

    /// It failed with `status`, saying `words`.
    #[track_caller]
    pub fn fails(self, status: i32, words: &[&str]) -> Self {
        assert_eq!(self.status, status, "{self}");
        for words in words {
            assert!(self.stderr.contains(words), "`{words}` is not said:\n{self}");
        }
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let status = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default());
        Self { status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}\n--- stdout\n{}--- stderr\n{}", self.status, self.stdout, self.stderr)
    }
}

/// A root as text, a line an entry.
pub fn listing(root: &Root) -> String {
    root.iter().map(|(path, entry)| format!("{path} {entry}\n")).collect()
}

/// The entries of a tar of a whole root.
pub fn read_tar(path: &Path) -> Root {
    corpus::root::read_tar(path).expect("the archive was written, and is whole")
}

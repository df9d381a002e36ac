//! The ops: what one vertex does, as plain data. Knows nothing of how they are done.
//!
//! An op names its inputs by [`Slot`]: the position among its vertex's inputs. A base that is absent (`None`) is
//! scratch.

use oci::digest::Digest;
use oci::platform::Platform;

use crate::dag::Slot;
use crate::environment::Environment;

/// What a vertex does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Op {
    Source(SourceOp),
    Exec(ExecOp),
    File(FileOp),
    /// Stacks its inputs, first at the bottom.
    Merge,
    /// What the second input has that the first has not.
    Diff,
}

/// Where contents come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SourceOp {
    /// An image, pinned to the manifest it was resolved to.
    Image {
        /// The name it was asked by, normalised. Says where to pull from; not part of any key.
        reference: String,
        /// The manifest's digest.
        digest: Digest,
        platform: Platform,
    },
    /// A directory of the machine, known to the executor by `name` (`context`, or a named context). What is
    /// ignored in it is the executor's to know.
    Local {
        name: String,
    },
    Git(Box<Git>),
    /// A file, alone in a filesystem.
    Http {
        url: String,
        /// What its bytes must be.
        checksum: Option<Digest>,
        /// Its name in the filesystem; the server or the URL says it when absent.
        filename: Option<String>,
        /// 0600 when absent.
        mode: Option<u32>,
        owner: Option<Owner>,
    },
}

/// The tree of a Git repository at one commit, alone in a filesystem (LLB's source `git`).
// Each flag is an attribute of LLB's of the same name.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Git {
    /// What is fetched from, without query and fragment: a URL, or `user@host:path`.
    pub url: String,
    /// A branch, a tag, a full reference or a commit; the remote's `HEAD` when absent.
    pub reference: Option<String>,
    /// The directory of the tree that becomes the root.
    pub subdir: Option<String>,
    /// The id of the commit that it must be, or how that id begins.
    pub checksum: Option<String>,
    pub keep_git_dir: bool,
    pub skip_submodules: bool,
    /// Files get the time of the commit.
    pub commit_times: bool,
    /// `checksum` is fetched, whatever the remote's `reference` has become.
    pub fetch_by_commit: bool,
    /// The names of the secrets that hold a token, and a whole header, for `https`.
    pub auth_token_secret: String,
    pub auth_header_secret: String,
    /// The id of the agent that speaks for `ssh`; absent for other schemes.
    pub ssh: Option<String>,
    /// Lines as in `known_hosts`; what the machine knows when absent.
    pub known_hosts: Option<String>,
}

impl Git {
    /// The remote's `HEAD`, with what LLB gives where nothing is said.
    pub fn new(url: &str, ssh: Option<&str>) -> Self {
        Self {
            url: url.to_owned(),
            reference: None,
            subdir: None,
            checksum: None,
            keep_git_dir: false,
            skip_submodules: false,
            commit_times: false,
            fetch_by_commit: false,
            auth_token_secret: "GIT_AUTH_TOKEN".to_owned(),
            auth_header_secret: "GIT_AUTH_HEADER".to_owned(),
            ssh: ssh.map(str::to_owned),
            known_hosts: None,
        }
    }
}

/// Runs a process on a root filesystem; the result is the root with what the process changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExecOp {
    pub root: Option<Slot>,
    pub args: Vec<String>,
    /// `NAME=value`, in the order of the image.
    pub env: Environment,
    /// Absolute.
    pub cwd: String,
    /// As in the Dockerfile: `name`, `uid`, `name:group`; empty for root.
    pub user: String,
    pub hostname: Option<String>,
    pub network: Network,
    pub security: Security,
    pub mounts: Vec<Mount>,
    pub devices: Vec<Device>,
    /// By name.
    pub limits: Vec<Limit>,
    /// Proxy variables: given to the process, part of no key and of no image.
    pub proxy_env: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Network {
    #[default]
    Default,
    Host,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Security {
    #[default]
    Sandbox,
    Insecure,
}

/// What a process may use of a resource (`setrlimit(2)`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limit {
    /// As `ulimit` of Docker calls it: `nofile`.
    pub name: String,
    /// `None` is without limit.
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// A device by its CDI name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Device {
    pub name: String,
    pub required: bool,
}

/// A mount beside the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mount {
    /// Absolute path in the root; empty for a secret that is a variable alone.
    pub target: String,
    pub kind: MountKind,
    pub readonly: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MountKind {
    /// `source` of the input at `from` (scratch when absent). What is written to it is thrown away.
    Bind {
        from: Option<Slot>,
        source: String,
    },
    Cache {
        id: String,
        sharing: Sharing,
        from: Option<Slot>,
        source: String,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    Tmpfs {
        size: Option<u64>,
    },
    Secret {
        id: String,
        required: bool,
        mode: u32,
        uid: u32,
        gid: u32,
        /// The variable that holds it.
        env: Option<String>,
    },
    /// The socket of an agent. `SSH_AUTH_SOCK` is in the op's environment already.
    Ssh {
        id: String,
        required: bool,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    /// A file with these bytes, as here-document scripts with an interpreter of their own are run.
    File {
        contents: Vec<u8>,
        mode: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sharing {
    #[default]
    Shared,
    Private,
    Locked,
}

/// Changes files without a process. The actions are applied in order to the base, and together make one layer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileOp {
    pub base: Option<Slot>,
    pub actions: Vec<FileAction>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FileAction {
    Copy(Box<Copy>),
    Mkdir { path: String, mode: u32, make_parents: bool, owner: Option<Owner>, mtime: Option<i64> },
    Mkfile { path: String, mode: u32, contents: Vec<u8>, owner: Option<Owner>, mtime: Option<i64> },
    Symlink { target: String, link: String, owner: Option<Owner>, mtime: Option<i64> },
    Rm { path: String, allow_not_found: bool, allow_wildcard: bool },
}

/// Copies from another filesystem (LLB's `FileActionCopy`; the semantics are those of `tonistiigi/fsutil/copy`).
// Each flag is a field of LLB's message of the same name.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Copy {
    /// `None`: the base itself, LLB's copy within one filesystem.
    pub from: Option<Slot>,
    /// Absolute in the source, cleaned; may hold wildcards when `allow_wildcard`.
    pub src: String,
    /// Absolute in the base; a trailing `/` says that it is a directory.
    pub dest: String,
    pub owner: Option<Owner>,
    pub mode: Option<Mode>,
    pub follow_symlinks: bool,
    /// A directory's contents are copied, not the directory itself.
    pub dir_contents_only: bool,
    /// ADD: a local archive is unpacked.
    pub unpack_archives: bool,
    pub create_dest_path: bool,
    pub allow_wildcard: bool,
    pub allow_empty_wildcard: bool,
    pub include_patterns: Vec<String>,
    pub exclude_patterns: Vec<String>,
    /// Paths of the source that must be there, whatever the patterns select.
    pub required_paths: Vec<String>,
    /// An entry of another kind at the destination is replaced, not an error.
    pub replace_existing: bool,
    /// Seconds since 1970 that every copied entry gets instead of its own time.
    pub mtime: Option<i64>,
}

impl Op {
    /// The slots by which it names its inputs. Of other ops, the order of the inputs tells which is which.
    pub(crate) fn slots_mut(&mut self) -> Vec<&mut Slot> {
        match self {
            Op::Exec(op) => {
                let mounts = op.mounts.iter_mut().filter_map(|mount| match &mut mount.kind {
                    MountKind::Bind { from, .. } | MountKind::Cache { from, .. } => from.as_mut(),
                    MountKind::Tmpfs { .. }
                    | MountKind::Secret { .. }
                    | MountKind::Ssh { .. }
                    | MountKind::File { .. } => None,
                });
                op.root.iter_mut().chain(mounts).collect()
            }
            Op::File(op) => {
                let copies = op.actions.iter_mut().filter_map(|action| match action {
                    FileAction::Copy(copy) => copy.from.as_mut(),
                    FileAction::Mkdir { .. }
                    | FileAction::Mkfile { .. }
                    | FileAction::Symlink { .. }
                    | FileAction::Rm { .. } => None,
                });
                op.base.iter_mut().chain(copies).collect()
            }
            Op::Source(_) | Op::Merge | Op::Diff => Vec::new(),
        }
    }
}

impl Copy {
    /// As a COPY without flags has it.
    pub fn new(from: Slot, src: &str, dest: &str) -> Self {
        Self {
            from: Some(from),
            src: src.to_owned(),
            dest: dest.to_owned(),
            owner: None,
            mode: None,
            follow_symlinks: true,
            dir_contents_only: true,
            unpack_archives: false,
            create_dest_path: true,
            allow_wildcard: true,
            allow_empty_wildcard: false,
            include_patterns: Vec::new(),
            exclude_patterns: Vec::new(),
            required_paths: Vec::new(),
            replace_existing: false,
            mtime: None,
        }
    }
}

/// Who owns what an action makes. A name is looked up in the base's `/etc/passwd` or `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    pub user: Option<UserRef>,
    pub group: Option<UserRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UserRef {
    Id(u32),
    Name(String),
}

/// What `--chmod` says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mode {
    Octal(u32),
    /// `u=rwX,go=rX`, as `chmod(1)` reads it.
    Symbolic(String),
}

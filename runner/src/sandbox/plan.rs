//! The steps between clone and exec, as a list. Knows what has to be done and in which order; does nothing.
//!
//! A plan has two lists: what the init does to the world (`Step`), and what the process then does to itself
//! (`ProcessStep`). Everything that needs the host's paths comes before `Pivot`, all that is looked up in the root is
//! looked up inside of it by `openat2`, and what takes rights away comes last.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::machine::{Cgroup, Machine, Places, Rung};
use super::spec::{Limit, MountKind, Network, Root, RunSpec, Stdio};
use super::stub::{self, Kind};

mod standard;

/// Everything an init is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub places: Places,
    pub setup: Vec<Step>,
    pub streams: Streams,
    pub process: Vec<ProcessStep>,
    pub args: Vec<String>,
    pub env: Vec<String>,
}

/// Which descriptors come with the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Streams {
    /// Output and error.
    Outputs,
    /// Input, output and error.
    All,
    /// None: a terminal is made.
    Terminal { rows: u16, columns: u16 },
}

/// One thing the init does before there is a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    NewNetwork,
    Hostname(String),
    /// Layers, bottom first.
    Overlay {
        lowers: Vec<PathBuf>,
        upper: PathBuf,
        work: PathBuf,
        user_xattrs: bool,
    },
    /// A directory as the root.
    RootDirectory(PathBuf),
    /// A kernel's filesystem at a place of ours: no link is followed.
    Filesystem {
        name: String,
        target: String,
        options: Vec<(String, String)>,
        attributes: Vec<Attribute>,
    },
    /// A device node in `/dev`.
    Device {
        name: String,
        block: bool,
        major: u32,
        minor: u32,
    },
    /// The host's device, where nodes cannot be made.
    HostDevice {
        name: String,
    },
    Link {
        path: String,
        to: String,
    },
    /// The host's `/sys`, where a new one cannot be mounted.
    HostSys,
    Bind {
        source: PathBuf,
        target: String,
        file: bool,
        attributes: Vec<Attribute>,
    },
    Tmpfs {
        target: String,
        options: Vec<(String, String)>,
        attributes: Vec<Attribute>,
    },
    File {
        target: String,
        contents: Vec<u8>,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    /// An empty directory, or `/dev/null`, over a path; nothing where there is no such path.
    Mask {
        path: String,
        empty: PathBuf,
    },
    ReadOnly {
        path: String,
    },
    WorkingDirectory(String),
    ReadOnlyRoot,
    Pivot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attribute {
    ReadOnly,
    NoSuid,
    NoDev,
    NoExec,
}

/// One thing the process does before it executes its program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessStep {
    Session,
    ControllingTerminal,
    /// Pipes belong to the process's user, so that it can open `/dev/stderr`.
    Streams {
        uid: u32,
        gid: u32,
    },
    CloseDescriptors,
    WorkingDirectory(String),
    Limit(Limit),
    /// The filter comes while we may still load one; all that follows is allowed by it.
    Seccomp,
    BoundingSet(u64),
    Groups(Vec<u32>),
    Group(u32),
    User(u32),
    /// Permitted and effective; inheritable and ambient are empty.
    Capabilities(u64),
    NoNewPrivileges,
    Umask(u32),
    Signals,
}

/// What is to be done for `spec` on `machine`, with `stub` as the bottom layer.
pub fn plan(spec: &RunSpec, stdio: &Stdio, machine: &Machine, stub: &Path) -> Plan {
    let mut setup = Vec::new();
    if spec.network == Network::None {
        setup.push(Step::NewNetwork);
    }
    setup.push(Step::Hostname(spec.hostname.clone()));
    setup.push(root(&spec.root, machine, stub));
    setup.extend(standard::mounts(spec, machine));
    setup.extend(spec.files.iter().map(|file| Step::File {
        target: file.target.clone(),
        contents: file.contents.clone(),
        mode: file.mode,
        uid: 0,
        gid: 0,
    }));
    setup.extend(spec.mounts.iter().map(mount));
    if !spec.privileged {
        setup.extend(standard::hidden(machine));
    }
    setup.push(Step::WorkingDirectory(spec.cwd.clone()));
    if spec.readonly_root {
        setup.push(Step::ReadOnlyRoot);
    }
    setup.push(Step::Pivot);
    Plan {
        places: machine.places.clone(),
        setup,
        streams: streams(stdio),
        process: process(spec, stdio, machine),
        args: spec.args.clone(),
        env: spec.env.clone(),
    }
}

/// An overlay has no more layers than that.
const MOST_LAYERS: usize = 500;

/// The bottom layer is left out rather than one too many: then mountpoints are made in the root.
fn root(root: &Root, machine: &Machine, stub: &Path) -> Step {
    match root {
        Root::Overlay { lowers, upper, work } => {
            let lowers = distinct(lowers);
            let bottom = (lowers.len() < MOST_LAYERS).then(|| stub.to_owned());
            Step::Overlay {
                lowers: bottom.into_iter().chain(lowers).collect(),
                upper: upper.clone(),
                work: work.clone(),
                user_xattrs: machine.rung == Rung::SingleId,
            }
        }
        Root::Dir(path) => Step::RootDirectory(path.clone()),
    }
}

/// Overlayfs refuses a directory that is there twice. Only the upper one is ever seen: of all that is in it, it says
/// the same as the lower one, and it says it later.
fn distinct(lowers: &[PathBuf]) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let mut distinct: Vec<PathBuf> = lowers.iter().rev().filter(|lower| seen.insert(*lower)).cloned().collect();
    distinct.reverse();
    distinct
}

fn mount(mount: &super::spec::Mount) -> Step {
    let mut attributes = vec![Attribute::NoSuid];
    if mount.readonly {
        attributes.push(Attribute::ReadOnly);
    }
    match &mount.kind {
        MountKind::Bind { source } => Step::Bind {
            source: source.clone(),
            target: mount.target.clone(),
            file: stub::kind_of(&mount.kind) == Kind::File,
            // A bind mount keeps what its source has: a stage's files may be setuid.
            attributes: attributes.into_iter().filter(|a| *a == Attribute::ReadOnly).collect(),
        },
        MountKind::Tmpfs { size, mode } => {
            let mut options = vec![("mode".to_owned(), format!("{mode:o}"))];
            options.extend(size.map(|size| ("size".to_owned(), size.to_string())));
            Step::Tmpfs { target: mount.target.clone(), options, attributes }
        }
        MountKind::File { contents, mode, uid, gid } => {
            Step::File { target: mount.target.clone(), contents: contents.clone(), mode: *mode, uid: *uid, gid: *gid }
        }
    }
}

fn streams(stdio: &Stdio) -> Streams {
    match stdio {
        Stdio::Pipes { stdin: None, .. } => Streams::Outputs,
        Stdio::Pipes { stdin: Some(_), .. } => Streams::All,
        Stdio::Terminal { rows, columns } => Streams::Terminal { rows: *rows, columns: *columns },
    }
}

fn process(spec: &RunSpec, stdio: &Stdio, machine: &Machine) -> Vec<ProcessStep> {
    let user = &spec.user;
    let mut steps = vec![ProcessStep::Session, ProcessStep::Streams { uid: user.uid, gid: user.gid }];
    if matches!(stdio, Stdio::Terminal { .. }) {
        steps.push(ProcessStep::ControllingTerminal);
    }
    steps.extend([ProcessStep::CloseDescriptors, ProcessStep::WorkingDirectory(spec.cwd.clone())]);
    // Raising one is a privilege, which is still there.
    steps.extend(spec.limits.iter().copied().map(ProcessStep::Limit));
    let capabilities = if spec.privileged { u64::MAX } else { standard::capabilities() };
    if !spec.privileged {
        steps.push(ProcessStep::Seccomp);
    }
    steps.push(ProcessStep::BoundingSet(capabilities));
    match machine.rung {
        Rung::Root => steps.push(ProcessStep::Groups(user.groups.clone())),
        // Forbidden in such a user namespace; those we have stay.
        Rung::SingleId => {}
    }
    steps.extend([ProcessStep::Group(user.gid), ProcessStep::User(user.uid)]);
    steps.push(ProcessStep::Capabilities(if user.uid == 0 { capabilities } else { 0 }));
    if spec.no_new_privileges {
        steps.push(ProcessStep::NoNewPrivileges);
    }
    steps.extend([ProcessStep::Umask(0o022), ProcessStep::Signals]);
    steps
}

/// How an error names the step.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::NewNetwork => write!(f, "make a network namespace"),
            Step::Hostname(name) => write!(f, "set the host name to `{name}`"),
            Step::Overlay { lowers, upper, .. } => {
                write!(f, "mount an overlay of {} layers on `{}`", lowers.len(), upper.display())
            }
            Step::RootDirectory(path) => write!(f, "take `{}` as the root", path.display()),
            Step::Filesystem { name, target, .. } => write!(f, "mount {name} at `{target}`"),
            Step::Device { name, .. } => write!(f, "make the device `/dev/{name}`"),
            Step::HostDevice { name } => write!(f, "bind the host's device `/dev/{name}`"),
            Step::Link { path, .. } => write!(f, "make the link `{path}`"),
            Step::HostSys => write!(f, "bind the host's `/sys`"),
            Step::Bind { source, target, .. } => write!(f, "bind `{}` at `{target}`", source.display()),
            Step::Tmpfs { target, .. } => write!(f, "mount tmpfs at `{target}`"),
            Step::File { target, .. } => write!(f, "mount a file at `{target}`"),
            Step::Mask { path, .. } => write!(f, "mask `{path}`"),
            Step::ReadOnly { path } => write!(f, "make `{path}` read-only"),
            Step::WorkingDirectory(path) => write!(f, "make the working directory `{path}`"),
            Step::ReadOnlyRoot => write!(f, "make the root read-only"),
            Step::Pivot => write!(f, "change into the root"),
        }
    }
}

impl fmt::Display for ProcessStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessStep::Session => write!(f, "begin a session"),
            ProcessStep::ControllingTerminal => write!(f, "take the terminal"),
            ProcessStep::Streams { .. } => write!(f, "connect the standard streams"),
            ProcessStep::CloseDescriptors => write!(f, "close all other descriptors"),
            ProcessStep::WorkingDirectory(path) => write!(f, "change to the working directory `{path}`"),
            ProcessStep::Limit(limit) => write!(f, "set the resource limit {}", limit.resource),
            ProcessStep::Seccomp => write!(f, "load the seccomp filter"),
            ProcessStep::BoundingSet(_) => write!(f, "bound the capabilities"),
            ProcessStep::Groups(_) => write!(f, "set the supplementary groups"),
            ProcessStep::Group(gid) => write!(f, "become group {gid}"),
            ProcessStep::User(uid) => write!(f, "become user {uid}"),
            ProcessStep::Capabilities(_) => write!(f, "set the capabilities"),
            ProcessStep::NoNewPrivileges => write!(f, "renounce new privileges"),
            ProcessStep::Umask(_) => write!(f, "set the umask"),
            ProcessStep::Signals => write!(f, "reset the signals"),
        }
    }
}

#[cfg(test)]
mod tests;

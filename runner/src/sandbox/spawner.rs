//! The caller's side: has sandboxes started by the zygote. Knows plans and messages, but not how either is carried out.
//!
//! For each run: the bottom layer of mountpoints is made sure of, the plan is made and put into a file in memory, a
//! socket pair of the run's own and the streams go with it to the zygote, and then the init's word is waited for.
//! Runs share nothing but the zygote's socket, whose messages arrive whole: so any number of threads may spawn at once.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::MemfdFlags;

use super::error::SandboxError;
use super::kernel::{self, Forked};
use super::machine::Machine;
use super::plan::{Plan, plan};
use super::running::{self, Made, Process};
use super::spec::{Root, RunSpec, Stdio};
use super::stub;
use super::wire::{self, Failed, Reply};
use super::zygote::{self, Request};

/// Starts sandboxes. Cheap to share: `spawn` may be called from many threads at once. The zygote ends with it.
#[derive(Debug)]
pub struct Spawner {
    control: OwnedFd,
    zygote: libc::pid_t,
    machine: Machine,
    /// Bottom layers known to be there.
    stubs: Mutex<BTreeSet<PathBuf>>,
}

impl Spawner {
    /// Forks the zygote; best done before much memory is used, as all of it is mapped by the zygote too.
    /// `scratch` is a directory on the filesystem of the layers, kept from run to run; it is made when missing.
    pub fn start(scratch: &Path) -> Result<Spawner, SandboxError> {
        let machine = Machine::probe(scratch)?;
        let failed = |what: &str| {
            let what = what.to_owned();
            move |source| SandboxError::Start { what, source }
        };
        let (ours, theirs) = wire::pair().map_err(failed("make a socket pair"))?;
        let zygote = match kernel::fork().map_err(failed("fork"))? {
            Forked::Child => zygote::main(theirs, machine.rung),
            Forked::Parent(pid) => pid,
        };
        drop(theirs);
        let spawner = Spawner { control: ours, zygote, machine, stubs: Mutex::default() };
        match wire::recv(spawner.control.as_fd()).map_err(failed("hear from it"))? {
            Some((Reply::Ready, _)) => Ok(spawner),
            Some((Reply::NotReady { what, errno }, _)) => {
                Err(SandboxError::Start { what, source: io::Error::from_raw_os_error(errno) })
            }
            Some(_) | None => Err(failed("hear from it")(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Returns when the program has been executed, or with the step that failed.
    /// A program that cannot be executed is no error: a line on its standard error, and the outcome 126 or 127.
    pub fn spawn(&self, spec: &RunSpec, stdio: Stdio) -> Result<Process, SandboxError> {
        validate(spec)?;
        let plan = plan(spec, &stdio, &self.machine, &self.stub(spec)?);
        let (ours, theirs) = wire::pair().map_err(unreachable("make a socket pair"))?;
        self.request(&plan, theirs, stdio)?;
        self.started(spec, &plan, ours)
    }

    /// What this machine does not grant, one sentence each: for a `doctor` or a debug log.
    pub fn notes(&self) -> &[String] {
        &self.machine.notes
    }

    fn stub(&self, spec: &RunSpec) -> Result<PathBuf, SandboxError> {
        let mountpoints = stub::mountpoints(spec);
        let path = self.machine.stubs.join(stub::name(&mountpoints));
        let mut known = self.stubs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !known.contains(&path) {
            stub::prepare(&path, &mountpoints)?;
            known.insert(path.clone());
        }
        Ok(path)
    }

    fn request(&self, plan: &Plan, run: OwnedFd, stdio: Stdio) -> Result<(), SandboxError> {
        let plan = in_memory(plan).map_err(unreachable("write the plan"))?;
        let mut descriptors = vec![run, plan];
        match stdio {
            Stdio::Pipes { stdin, stdout, stderr } => {
                descriptors.extend(stdin);
                descriptors.extend([stdout, stderr]);
            }
            Stdio::Terminal { .. } => {}
        }
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        wire::send(self.control.as_fd(), &Request, &descriptors).map_err(unreachable("send a request"))
    }

    fn started(&self, spec: &RunSpec, plan: &Plan, run: OwnedFd) -> Result<Process, SandboxError> {
        let program = spec.args.first().cloned().unwrap_or_default();
        let (pidfd, word) = first_words(&run)?;
        let made = |paths| Made { base: base(&spec.root).to_owned(), paths };
        match word {
            Word::Started { made: paths, terminal } => Ok(Process::new(program, run, pidfd, terminal, made(paths))),
            Word::Failed { step, errno, detail, made: paths } => {
                running::wait_for_init(&pidfd).map_err(unreachable("wait for the init"))?;
                made(paths).remove();
                Err(failure(plan, step, errno, detail))
            }
            Word::Nothing => Err(SandboxError::Killed { program }),
        }
    }
}

/// What an init says first.
enum Word {
    Started { made: Vec<String>, terminal: Option<OwnedFd> },
    Failed { step: Failed, errno: i32, detail: String, made: Vec<String> },
    Nothing,
}

/// The zygote tells of the clone, and the init how it went; which comes first is not certain.
fn first_words(run: &OwnedFd) -> Result<(OwnedFd, Word), SandboxError> {
    let mut pidfd = None;
    let mut word = None;
    loop {
        let message = wire::recv(run.as_fd()).map_err(unreachable("hear from the init"))?;
        match message {
            Some((Reply::Cloned, descriptors)) => pidfd = descriptors.into_iter().next(),
            Some((Reply::NotCloned { errno }, _)) => {
                return Err(SandboxError::Clone { source: io::Error::from_raw_os_error(errno) });
            }
            Some((Reply::Started { made }, descriptors)) => {
                word = Some(Word::Started { made, terminal: descriptors.into_iter().next() });
            }
            Some((Reply::Failed { step, errno, detail, made }, _)) => {
                word = Some(Word::Failed { step, errno, detail, made });
            }
            // Nobody is left to say more: the init was killed, or the zygote.
            None if pidfd.is_some() => word = Some(Word::Nothing),
            None => return Err(unreachable("hear from it")(io::ErrorKind::UnexpectedEof.into())),
            Some((Reply::Ended(_) | Reply::Ready | Reply::NotReady { .. }, _)) => {}
        }
        match (pidfd, word) {
            (Some(pidfd), Some(word)) => return Ok((pidfd, word)),
            (had, said) => (pidfd, word) = (had, said),
        }
    }
}

/// Where on the host something is that the root has at its top.
fn base(root: &Root) -> &Path {
    match root {
        Root::Overlay { upper, .. } => upper,
        Root::Dir(path) => path,
    }
}

impl Drop for Spawner {
    /// The zygote sees that its socket has no other end. Waited for, so that no dead process is left behind.
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&self.control, rustix::net::Shutdown::Both);
        kernel::reap_pid(self.zygote);
    }
}

fn unreachable(what: &'static str) -> impl FnOnce(io::Error) -> SandboxError {
    move |source| SandboxError::Zygote { what, source }
}

fn failure(plan: &Plan, step: Failed, errno: i32, detail: String) -> SandboxError {
    let named = match step {
        Failed::Setup(at) => plan.setup.get(at).map(ToString::to_string),
        Failed::Process(at) => plan.process.get(at).map(ToString::to_string),
        Failed::Init => None,
    };
    let step = named.unwrap_or_else(|| "prepare the process".to_owned());
    SandboxError::Step { step, detail, source: io::Error::from_raw_os_error(errno) }
}

/// What no kernel could be told.
fn validate(spec: &RunSpec) -> Result<(), SandboxError> {
    let program = spec.args.first().cloned().unwrap_or_default();
    let invalid = |what: String| Err(SandboxError::Invalid { program: program.clone(), what });
    let strings = spec.args.iter().chain(&spec.env).chain([&spec.cwd, &spec.hostname]);
    let targets = spec.mounts.iter().map(|mount| &mount.target).chain(spec.files.iter().map(|file| &file.target));
    if let Some(bad) = strings.chain(targets.clone()).find(|string| string.contains('\0')) {
        return invalid(format!("a zero byte in {bad:?}"));
    }
    if let Some(bad) = targets.chain([&spec.cwd]).find(|path| !path.starts_with('/')) {
        return invalid(format!("`{bad}` is not an absolute path"));
    }
    if spec.args.is_empty() {
        return invalid("no program to run".to_owned());
    }
    Ok(())
}

fn in_memory(plan: &Plan) -> io::Result<OwnedFd> {
    let file = fs::File::from(rustix::fs::memfd_create("plan", MemfdFlags::CLOEXEC)?);
    let mut writer = io::BufWriter::with_capacity(64 * 1024, file);
    serde_json::to_writer(&mut writer, plan)?;
    Ok(writer.into_inner()?.into())
}

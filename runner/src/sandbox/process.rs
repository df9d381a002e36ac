//! Does the steps of a plan that the process does to itself, and executes its program. Decides nothing.
//!
//! It runs in a child that shares the init's memory while the init stands still, so the outcome is simply left there.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr;

use libc::{c_char, sock_filter};
use rustix::fs::{FileType, Gid, Mode, Uid, fchown, fstat};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_gid, set_thread_groups,
    set_thread_uid,
};

use super::kernel;
use super::plan::ProcessStep;

/// The descriptors that become 0, 1 and 2.
pub struct Streams {
    pub input: OwnedFd,
    pub output: OwnedFd,
    pub error: OwnedFd,
}

pub fn apply(step: &ProcessStep, streams: &Streams, filter: &[sock_filter]) -> io::Result<()> {
    match step {
        ProcessStep::Session => drop(rustix::process::setsid()?),
        ProcessStep::Streams { uid, gid } => connect(streams, *uid, *gid)?,
        ProcessStep::ControllingTerminal => rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?,
        ProcessStep::CloseDescriptors => kernel::close_from(3)?,
        ProcessStep::WorkingDirectory(path) => enter(path)?,
        ProcessStep::Limit(limit) => kernel::set_limit(*limit)?,
        ProcessStep::Seccomp => kernel::load_filter(filter)?,
        ProcessStep::BoundingSet(set) => bound(*set)?,
        ProcessStep::Groups(groups) => {
            let groups: Vec<Gid> = groups.iter().map(|group| Gid::from_raw(*group)).collect();
            set_thread_groups(&groups)?;
        }
        ProcessStep::Group(gid) => set_thread_gid(Gid::from_raw(*gid))?,
        ProcessStep::User(uid) => set_thread_uid(Uid::from_raw(*uid))?,
        ProcessStep::Capabilities(set) => have(*set)?,
        ProcessStep::NoNewPrivileges => set_no_new_privs(true)?,
        ProcessStep::Umask(mask) => drop(rustix::process::umask(Mode::from_raw_mode(*mask))),
        ProcessStep::Signals => kernel::reset_signals(),
    }
    Ok(())
}

fn connect(streams: &Streams, uid: u32, gid: u32) -> io::Result<()> {
    for (at, stream) in [&streams.input, &streams.output, &streams.error].into_iter().enumerate() {
        own(stream.as_fd(), uid, gid);
        kernel::put_at(stream.as_fd(), at as i32)?;
    }
    Ok(())
}

/// Best effort: what cannot be given away can still be written to through the descriptor.
fn own(stream: BorrowedFd<'_>, uid: u32, gid: u32) {
    let Ok(found) = fstat(stream) else { return };
    let terminal = rustix::termios::isatty(stream);
    if FileType::from_raw_mode(found.st_mode) == FileType::Fifo {
        let _ = fchown(stream, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    } else if terminal {
        // The group stays `tty`.
        let _ = fchown(stream, Some(Uid::from_raw(uid)), None);
    }
}

/// Changes into the directory, and makes sure that it is one in our root: the kernel names others `(unreachable)…`.
fn enter(path: &str) -> io::Result<()> {
    rustix::process::chdir(path)?;
    let here = rustix::process::getcwd(Vec::new())?;
    if here.as_bytes().starts_with(b"/") { Ok(()) } else { Err(Errno::XDEV.into()) }
}

/// Takes from the bounding set all that is not in `set`. Up to the last one that the kernel knows.
fn bound(set: u64) -> io::Result<()> {
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if set & (1 << number) != 0 {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Keeps what is in `set` and permitted already.
fn have(set: u64) -> io::Result<()> {
    let now = rustix::thread::capabilities(None)?;
    let kept = now.permitted & CapabilitySet::from_bits_retain(set);
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    Ok(set_capabilities(None, sets)?)
}

/// A program's arguments and environment as the kernel wants them, made before the fork.
pub struct Program {
    args: Vec<CString>,
    env: Vec<CString>,
    /// Where the program may be, in order of search.
    candidates: Vec<CString>,
    searched: bool,
}

/// Why a program could not be executed: what a shell would say and exit with.
#[derive(Debug, PartialEq, Eq)]
pub struct NotExecuted {
    pub status: u8,
    pub message: String,
}

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Program {
    pub fn new(args: &[String], env: &[String]) -> io::Result<Program> {
        let strings =
            |list: &[String]| list.iter().map(|s| Ok(CString::new(s.as_str())?)).collect::<io::Result<Vec<_>>>();
        let name = args.first().map_or("", String::as_str);
        let searched = !name.contains('/');
        let path = env.iter().rev().find_map(|pair| pair.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
        let candidates = match (searched, name) {
            (_, "") => Vec::new(),
            (true, _) => path.split(':').filter(|d| !d.is_empty()).map(|d| format!("{d}/{name}")).collect(),
            (false, _) => vec![name.to_owned()],
        };
        Ok(Program { args: strings(args)?, env: strings(env)?, candidates: strings(&candidates)?, searched })
    }

    /// Returns only when there is nothing to execute.
    pub fn execute(&self) -> NotExecuted {
        let (args, env) = (pointers(&self.args), pointers(&self.env));
        let mut error = io::Error::from_raw_os_error(libc::ENOENT);
        for candidate in &self.candidates {
            let found = kernel::execve(candidate, &args, &env);
            match found.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) if self.searched => {}
                Some(libc::EACCES) if self.searched => error = found,
                _ => return self.explain(&found),
            }
        }
        self.explain(&error)
    }

    fn explain(&self, error: &io::Error) -> NotExecuted {
        let name = self.args.first().map_or(c"", CString::as_c_str).to_string_lossy().into_owned();
        let (status, reason) = match error.raw_os_error() {
            Some(libc::ENOENT) if self.searched => (127, "executable file not found in $PATH".to_owned()),
            Some(libc::ENOENT) => (127, "no such file or directory".to_owned()),
            Some(libc::ENOTDIR) => (127, "not a directory".to_owned()),
            Some(libc::EACCES) => (126, "permission denied".to_owned()),
            Some(libc::ENOEXEC) => (126, "exec format error".to_owned()),
            _ => (126, error.to_string()),
        };
        NotExecuted { status, message: format!("exec: {name:?}: {reason}") }
    }
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| CStr::as_ptr(string)).chain([ptr::null()]).collect()
}

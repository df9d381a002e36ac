//! Pid 1 of a sandbox: builds its world, starts its process, reaps orphans, and ends when the process does, which is
//! the end of everything else in there. Knows nothing of what the caller wants it for.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use libc::{pid_t, sock_filter};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;

use super::apply::{self, World};
use super::kernel;
use super::overlay::Refusal;
use super::plan::{self, Plan};
use super::process::{self, NotExecuted, Program, Streams};
use super::spec::Outcome;
use super::wire::{self, Failed, Reply};

/// What an init has of the zygote it was cloned from.
pub struct Inherited<'a> {
    /// Readable when the zygote has died.
    pub zygote: BorrowedFd<'a>,
    pub filter: &'a [sock_filter],
}

/// A descriptor of the caller, the plan, then the streams it speaks of.
pub fn main(descriptors: Vec<OwnedFd>, inherited: &Inherited<'_>) -> ! {
    let mut descriptors = descriptors.into_iter();
    let (Some(caller), Some(plan)) = (descriptors.next(), descriptors.next()) else { kernel::exit(70) };
    match start(plan, descriptors.collect(), &caller, inherited) {
        Ok(Started::Running(pid, signals)) => follow(pid, &signals, &caller),
        Ok(Started::NotExecuted(why)) => reply(&caller, &Reply::Ended(Outcome::Exited(why.status))),
        Err((failure, made)) => {
            let Failure { step, refusal } = failure;
            let errno = refusal.error.raw_os_error().unwrap_or(libc::EIO);
            reply(&caller, &Reply::Failed { step, errno, detail: refusal.detail, made });
        }
    }
    kernel::exit(0)
}

enum Started {
    Running(pid_t, OwnedFd),
    NotExecuted(NotExecuted),
}

struct Failure {
    step: Failed,
    refusal: Refusal,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure { step: Failed::Init, refusal: Refusal { error, detail: String::new() } }
    }
}

type Made = Vec<String>;

fn start(
    plan: OwnedFd,
    streams: Vec<OwnedFd>,
    caller: &OwnedFd,
    inherited: &Inherited<'_>,
) -> Result<Started, (Failure, Made)> {
    let early = |error: io::Error| (Failure::from(error), Made::new());
    stay_bound(inherited.zygote).map_err(early)?;
    let signals = kernel::child_signals().map_err(early)?;
    let plan = read(plan).map_err(early)?;
    let mut world = World::new(plan.places.clone());
    for (at, step) in plan.setup.iter().enumerate() {
        if let Err(refusal) = apply::apply(step, &mut world) {
            return Err((Failure { step: Failed::Setup(at), refusal }, made(&world)));
        }
    }
    match run(&plan, streams, inherited.filter) {
        Ok((started, terminal)) => {
            let terminal: Vec<BorrowedFd<'_>> = terminal.iter().map(AsFd::as_fd).collect();
            let made = made(&world);
            wire::send(caller.as_fd(), &Reply::Started { made }, &terminal).map_err(early)?;
            Ok(match started {
                Ok(pid) => Started::Running(pid, signals),
                Err(why) => Started::NotExecuted(why),
            })
        }
        Err(failure) => Err((failure, made(&world))),
    }
}

/// Dies with the zygote, also when that has happened already.
fn stay_bound(zygote: BorrowedFd<'_>) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let mut dead = [PollFd::from_borrowed_fd(zygote, PollFlags::IN)];
    if poll(&mut dead, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }))? > 0 {
        kernel::exit(70);
    }
    Ok(())
}

fn read(plan: OwnedFd) -> io::Result<Plan> {
    let mut bytes = Vec::new();
    let mut file = File::from(plan);
    io::Seek::rewind(&mut file)?;
    io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn made(world: &World) -> Made {
    world.made.iter().filter_map(|path| Some(path.to_str()?.to_owned())).collect()
}

type Execution = Result<pid_t, NotExecuted>;

/// Starts the process; gives the terminal's master side, when there is one.
fn run(plan: &Plan, streams: Vec<OwnedFd>, filter: &[sock_filter]) -> Result<(Execution, Option<OwnedFd>), Failure> {
    let (streams, terminal) = connect(plan.streams, streams)?;
    let program = Program::new(&plan.args, &plan.env)?;
    let mut failure = None;
    let mut not_executed = None;
    let pid = kernel::vfork(&mut || {
        for (at, step) in plan.process.iter().enumerate() {
            if let Err(error) = process::apply(step, &streams, filter) {
                failure =
                    Some(Failure { step: Failed::Process(at), refusal: Refusal { error, detail: String::new() } });
                return;
            }
        }
        not_executed = Some(program.execute());
    })?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let Some(why) = not_executed else { return Ok((Ok(pid), terminal)) };
    kernel::reap_pid(pid);
    let _ = rustix::io::write(&streams.error, format!("{}\n", why.message).as_bytes());
    Ok((Err(why), terminal))
}

fn connect(streams: plan::Streams, given: Vec<OwnedFd>) -> io::Result<(Streams, Option<OwnedFd>)> {
    let mut given = given.into_iter();
    let mut next = || given.next().ok_or_else(|| io::Error::from(Errno::BADF));
    let streams = match streams {
        plan::Streams::Outputs => Streams {
            input: open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?,
            output: next()?,
            error: next()?,
        },
        plan::Streams::All => Streams { input: next()?, output: next()?, error: next()? },
        plan::Streams::Terminal { rows, columns } => return terminal(rows, columns),
    };
    Ok((streams, None))
}

fn terminal(rows: u16, columns: u16) -> io::Result<(Streams, Option<OwnedFd>)> {
    let master = open("/dev/pts/ptmx", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::pty::unlockpt(&master)?;
    let side = rustix::pty::ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&master, size)?;
    let streams = Streams { input: side.try_clone()?, output: side.try_clone()?, error: side };
    Ok((streams, Some(master)))
}

/// Until the process has ended, or the caller has no more interest in it.
fn follow(pid: pid_t, signals: &OwnedFd, caller: &OwnedFd) {
    loop {
        let mut ready = [PollFd::new(signals, PollFlags::IN), PollFd::new(caller, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        let [child, message] = ready.map(|fd| !fd.revents().is_empty());
        if child && let Some(outcome) = reap(pid, signals) {
            return reply(caller, &Reply::Ended(outcome));
        }
        if message {
            match wire::recv::<wire::Signal>(caller.as_fd()) {
                Ok(Some((wire::Signal(signal), _))) => kernel::kill(pid, signal),
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// Reaps all that has ended; how the process did, if it was among them.
fn reap(main: pid_t, signals: &OwnedFd) -> Option<Outcome> {
    let mut taken = [0; 1024];
    let _ = rustix::io::read(signals, &mut taken);
    let mut outcome = None;
    while let Some((pid, status)) = kernel::reap() {
        if pid == main {
            outcome = Some(if libc::WIFSIGNALED(status) {
                Outcome::Signaled(libc::WTERMSIG(status))
            } else {
                Outcome::Exited(libc::WEXITSTATUS(status) as u8)
            });
        }
    }
    outcome
}

/// A caller who does not listen any more needs no reply.
fn reply(caller: &OwnedFd, reply: &Reply) {
    let _ = wire::send(caller.as_fd(), reply, &[]);
}

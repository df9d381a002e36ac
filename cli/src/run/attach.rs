//! The container's standard streams, terminal and signals are this program's own. Knows nothing of images.
//!
//! Without a terminal the container simply gets our streams. With one, two threads carry bytes between it and ours,
//! which is in raw mode meanwhile, so that Ctrl-C is a byte for the container and no signal for us.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use runner::sandbox::{Outcome, Process, RunSpec, Spawner, Stdio};
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;

use super::NOT_STARTED;
use crate::args::run::RunArgs;
use crate::report::{Problem, reason};
use crate::terminal::{Raw, Size, size_of};

/// What can be told to be wrong before anything is started.
pub fn check(args: &RunArgs) -> Result<(), Problem> {
    if args.interactive && args.tty && !io::stdin().is_terminal() {
        return Err(Problem::new(NOT_STARTED, "the input device is not a TTY").hint("leave out `-t`, or `-i`"));
    }
    Ok(())
}

/// Runs it to its end.
pub fn run(args: &RunArgs, spec: &RunSpec, spawner: &Spawner) -> Result<Outcome, Problem> {
    // The handlers come first: a signal that arrives early is passed on late, and not lost.
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH])
        .map_err(|error| Problem::new(NOT_STARTED, format!("signals cannot be handled: {error}")))?;
    let process = spawner.spawn(spec, stdio(args)?).map_err(|error| Problem::of(NOT_STARTED, &error))?;
    let handle = signals.handle();
    thread::scope(|scope| {
        scope.spawn(|| pass_on(signals, &process));
        let outcome = match process.terminal() {
            Some(terminal) => in_terminal(args, terminal, &process),
            None => wait(&process),
        };
        handle.close();
        outcome
    })
}

fn wait(process: &Process) -> Result<Outcome, Problem> {
    process.wait().map_err(|error| Problem::of(NOT_STARTED, &error))
}

fn stdio(args: &RunArgs) -> Result<Stdio, Problem> {
    if args.tty {
        let Size { rows, columns } = size_of(io::stdout()).unwrap_or(Size { rows: 24, columns: 80 });
        return Ok(Stdio::Terminal { rows, columns });
    }
    let own = |fd: BorrowedFd<'_>| {
        fd.try_clone_to_owned()
            .map_err(|error| Problem::new(NOT_STARTED, format!("duplicate a standard stream: {}", reason(&error))))
    };
    Ok(Stdio::Pipes {
        stdin: args.interactive.then(|| own(io::stdin().as_fd())).transpose()?,
        stdout: own(io::stdout().as_fd())?,
        stderr: own(io::stderr().as_fd())?,
    })
}

fn pass_on(mut signals: Signals, process: &Process) {
    for signal in signals.forever() {
        match signal {
            SIGWINCH => {
                if let Some(Size { rows, columns }) = size_of(io::stdout()) {
                    process.resize(rows, columns);
                }
            }
            signal => process.signal(signal),
        }
    }
}

/// Carries bytes until the container has ended and all that it wrote is written.
fn in_terminal(args: &RunArgs, terminal: BorrowedFd<'_>, process: &Process) -> Result<Outcome, Problem> {
    let raw = (args.interactive && io::stdin().is_terminal()).then(|| Raw::enter(io::stdin())).transpose().map_err(
        |error| Problem::new(NOT_STARTED, format!("the terminal cannot be set to raw mode: {}", reason(&error))),
    )?;
    let failed = |error: io::Error| Problem::new(NOT_STARTED, format!("the container's terminal: {}", reason(&error)));
    let output = File::from(terminal.try_clone_to_owned().map_err(failed)?);
    let input = File::from(terminal.try_clone_to_owned().map_err(failed)?);
    let (ended, end) = rustix::pipe::pipe().map_err(|error| failed(error.into()))?;
    let outcome = thread::scope(|scope| {
        let writer = scope.spawn(|| carry_output(output));
        if args.interactive {
            scope.spawn(|| carry_input(input, &ended));
        }
        let outcome = wait(process);
        drop(end);
        // A terminal's output ends when nobody has its other side open any more, which is when all are dead.
        let _ = writer.join();
        outcome
    });
    drop(raw);
    outcome
}

fn carry_output(mut from: File) {
    let mut buffer = vec![0; 16 << 10];
    let mut out = io::stdout().lock();
    // Reading the master of a terminal that was hung up fails with EIO, which is its end.
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if out.write_all(&buffer[..count]).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// Carries what is typed, until there is no more or the container has `ended`.
fn carry_input(mut to: File, ended: &OwnedFd) {
    let stdin = io::stdin();
    let mut buffer = [0; 4 << 10];
    loop {
        let mut ready = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        if !ready[1].revents().is_empty() {
            return;
        }
        let count = match rustix::io::read(&stdin, &mut buffer) {
            Ok(count @ 1..) => count,
            Err(rustix::io::Errno::INTR) => continue,
            Ok(_) | Err(_) => return,
        };
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

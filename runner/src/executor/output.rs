//! What a process writes, passed on while it runs. One thread, which never waits for a pipe alone: a process that has
//! left its output to another cannot hold the build up.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use solver::port::{Cancel, Failure, Progress, Stream, TaskId, Update};

use super::fail;
use crate::sandbox::spec::Outcome;
use crate::sandbox::{Process, SandboxError};

/// How long it may take until a cancellation is seen.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
const BUFFER: usize = 64 << 10;

/// The reading ends of a process's output.
pub(super) struct Output {
    streams: Vec<(Stream, OwnedFd)>,
}

/// The writing ends: standard output, standard error.
pub(super) fn pipes() -> Result<(Output, OwnedFd, OwnedFd), Failure> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|errno| Failure::other(format!("cannot make a pipe: {errno}")));
    let ((out, out_end), (err, err_end)) = (pipe()?, pipe()?);
    for fd in [&out, &err] {
        rustix::fs::fcntl_setfl(fd, OFlags::NONBLOCK)
            .map_err(|errno| Failure::other(format!("cannot set up a pipe: {errno}")))?;
    }
    Ok((Output { streams: vec![(Stream::Stdout, out), (Stream::Stderr, err)] }, out_end, err_end))
}

impl Output {
    /// Passes on what `process` writes until it has ended; kills it when `cancel` says so.
    pub fn follow(
        mut self,
        process: &Process,
        progress: &dyn Progress,
        task: TaskId,
        cancel: &Cancel,
    ) -> Result<Outcome, Failure> {
        let mut buffer = vec![0; BUFFER];
        let mut killed = false;
        loop {
            if !killed && cancel.is_canceled() {
                process.kill();
                killed = true;
            }
            let mut ready: Vec<PollFd<'_>> =
                self.streams.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)).collect();
            let pidfd = process.pidfd();
            ready.push(PollFd::new(&pidfd, PollFlags::IN));
            match poll(&mut ready, Some(&TICK)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Failure::other(format!("cannot wait for a process: {errno}"))),
            }
            let ended = ready.last().is_some_and(|fd| !fd.revents().is_empty());
            drop(ready);
            self.streams.retain(|(stream, fd)| {
                pass_on(fd, &mut buffer, |bytes| {
                    progress.update(task, Update::Output { stream: *stream, bytes });
                })
            });
            if ended {
                break;
            }
        }
        match process.wait() {
            _ if killed => Err(Failure::Canceled),
            Ok(outcome) => Ok(outcome),
            Err(SandboxError::Killed { .. }) if cancel.is_canceled() => Err(Failure::Canceled),
            Err(error) => Err(fail(error)),
        }
    }
}

/// Reads all that is there; says whether more may come.
fn pass_on(fd: &OwnedFd, buffer: &mut [u8], mut pass: impl FnMut(&[u8])) -> bool {
    loop {
        match rustix::io::read(fd.as_fd(), &mut *buffer) {
            Ok(0) => return false,
            Ok(length) => pass(&buffer[..length]),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return true,
            Err(_) => return false,
        }
    }
}

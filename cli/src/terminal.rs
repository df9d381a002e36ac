//! The terminal this program runs on: its size, its colours, and raw mode for as long as a value lives. Knows nothing of
//! what is shown on it.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{self, OptionalActions, Termios};

use crate::report::{Problem, reason};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub rows: u16,
    pub columns: u16,
}

/// The size of the terminal at standard error, or what a terminal always had.
pub fn size() -> Size {
    size_of(io::stderr()).unwrap_or(Size { rows: 24, columns: 80 })
}

/// The size of the terminal at `fd`, if it is one and knows.
pub fn size_of(fd: impl AsFd) -> Option<Size> {
    let size = termios::tcgetwinsize(fd).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some(Size { rows: size.ws_row, columns: size.ws_col })
}

/// Whether standard error may be coloured: a terminal, and nobody asked for none (<https://no-color.org>).
pub fn has_colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A terminal in raw mode; as it was before when this is dropped.
#[derive(Debug)]
pub struct Raw {
    fd: OwnedFd,
    before: Termios,
}

impl Raw {
    pub fn enter(fd: impl AsFd) -> io::Result<Self> {
        let fd = fd.as_fd().try_clone_to_owned()?;
        let before = termios::tcgetattr(&fd)?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(&fd, OptionalActions::Now, &raw)?;
        Ok(Self { fd, before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing can be done for a terminal that is gone.
        let _ = termios::tcsetattr(&self.fd, OptionalActions::Now, &self.before);
    }
}

/// Writes a result to standard output.
pub fn say(text: &str) -> Result<(), Problem> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Problem::image(format!("write standard output: {}", reason(&error))))
}

/// Writes to standard error, where nobody minds if it is gone.
pub fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

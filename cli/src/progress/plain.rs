//! Progress as text, line by line, complete and unclipped. Knows no terminal.
//!
//! The form is BuildKit's `--progress=plain`: every line bears its task's number; a task's name is written above its
//! first line, and again whenever another task has written in between.

use std::fmt::Write as _;
use std::time::Duration;

use super::task::{Change, State, Task};
use super::{bytes, elapsed, seconds};

/// What rounds to 0.1 seconds.
const WORTH_TELLING: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub struct Plain {
    /// The task whose lines are being written.
    current: Option<u32>,
    wrote: bool,
}

impl Plain {
    /// The lines to write for `change`.
    pub fn change(&mut self, task: &Task, change: &Change, now: Duration) -> String {
        let line = match change {
            Change::Output { .. } => return String::new(),
            Change::Started => None,
            Change::Line(line) => Some(format!("{} {line}", stamp(elapsed(task, now)))),
            Change::Part(at) => task.parts.get(*at).map(|part| {
                let mut line = format!("{} {}", part.what, bytes(part.current));
                if let Some(total) = part.total {
                    let _ = write!(line, " / {}", bytes(total));
                }
                let took = now.saturating_sub(part.since);
                if took >= WORTH_TELLING {
                    let _ = write!(line, " {}", seconds(took));
                }
                line + if part.complete { " done" } else { "" }
            }),
            Change::Warning(message) => Some(format!("WARN: {message}")),
            Change::Note(line) => Some(line.clone()),
            Change::Ended => Some(match &task.state {
                State::Cached => "CACHED".to_owned(),
                State::Failed(message) => format!("ERROR: {message}"),
                State::Canceled => "CANCELED".to_owned(),
                State::Done | State::Waiting | State::Running => format!("DONE {}", seconds(elapsed(task, now))),
            }),
        };
        let mut text = self.header(task);
        if let Some(line) = line {
            for line in line.split('\n') {
                let _ = writeln!(text, "#{} {line}", task.number);
            }
        }
        if *change == Change::Ended {
            self.current = None;
        }
        text
    }

    fn header(&mut self, task: &Task) -> String {
        let mut text = String::new();
        if self.current == Some(task.number) {
            return text;
        }
        if let Some(other) = self.current {
            let _ = writeln!(text, "#{other} ...");
        }
        if std::mem::replace(&mut self.wrote, true) {
            text.push('\n');
        }
        let _ = writeln!(text, "#{} {}", task.number, one_line(&task.name));
        self.current = Some(task.number);
        text
    }
}

/// A here-document's step has a name of many lines.
fn one_line(name: &str) -> String {
    name.replace('\n', "\\n")
}

/// Five characters of seconds: `0.123`, `12.34`, `123.4`.
fn stamp(duration: Duration) -> String {
    let text = format!("{:.3}", duration.as_secs_f64());
    let end = text.find('.').map_or(text.len(), |point| point.max(5));
    text[..end.min(text.len())].trim_end_matches('.').to_owned()
}

//! What became of every task. Knows not how it is shown.
//!
//! Output comes in pieces; here it becomes lines. A carriage return ends a line as well, so that what draws over
//! itself (progress bars) is told in full, and a line has a greatest length, so that an endless one does not fill
//! the memory.

use std::collections::VecDeque;
use std::time::Duration;

use solver::port::{Stream, TaskId, Update};

/// How many lines of output a task is remembered by.
const TAIL: usize = 24;
const LONGEST_LINE: usize = 16 << 10;

#[derive(Debug, Default)]
pub struct Tasks {
    tasks: Vec<Task>,
    /// How many have a number.
    numbered: u32,
}

#[derive(Debug)]
pub struct Task {
    pub id: TaskId,
    pub name: String,
    /// Given when it is first heard of, from 1; what `#5` says.
    pub number: u32,
    pub state: State,
    /// Since the view began.
    pub started: Option<Duration>,
    pub ended: Option<Duration>,
    pub parts: Vec<Part>,
    pub notes: Vec<String>,
    tail: VecDeque<String>,
    partial: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Waiting,
    Running,
    Cached,
    Done,
    Failed(String),
    Canceled,
}

/// A blob or a file on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub what: String,
    pub current: u64,
    pub total: Option<u64>,
    pub since: Duration,
    /// When it was last shown, and whether its end was.
    pub shown: Option<Duration>,
    pub complete: bool,
}

/// What there is to show after an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Started,
    /// The bytes as they came.
    Output {
        stream: Stream,
        bytes: Vec<u8>,
    },
    Line(String),
    /// The part at this place has moved on, and it is time to say so.
    Part(usize),
    Warning(String),
    Note(String),
    Ended,
}

impl Tasks {
    pub fn begin(&mut self, name: &str) -> TaskId {
        let id = TaskId(u32::try_from(self.tasks.len()).unwrap_or(u32::MAX));
        self.tasks.push(Task::new(id, name));
        id
    }

    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(id.0 as usize)
    }

    /// In the order in which they began.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Task> {
        self.tasks.iter()
    }

    pub fn note(&mut self, id: TaskId, change: &Change, now: Duration) {
        let Some(task) = self.heard_of(id, now) else { return };
        if let Change::Note(note) = change {
            task.notes.push(note.clone());
        }
    }

    /// Takes the update in; says what there is to show.
    pub fn apply(&mut self, id: TaskId, update: Update<'_>, now: Duration) -> Vec<Change> {
        let Some(task) = self.heard_of(id, now) else { return Vec::new() };
        match update {
            Update::Started => task.start(now),
            Update::Cached => task.end(State::Cached, now),
            Update::Output { stream, bytes } => task.output(stream, bytes),
            Update::Bytes { what, current, total } => task.bytes(what, current, total, now),
            Update::Warning { message } => vec![Change::Warning(message.to_owned())],
            Update::Done => task.end(State::Done, now),
            Update::Failed { message } => task.end(State::Failed(message.to_owned()), now),
            Update::Canceled => task.end(State::Canceled, now),
        }
    }

    /// The task, with a number and a time.
    fn heard_of(&mut self, id: TaskId, now: Duration) -> Option<&mut Task> {
        let task = self.tasks.get_mut(id.0 as usize)?;
        if task.number == 0 {
            self.numbered += 1;
            task.number = self.numbered;
        }
        task.started.get_or_insert(now);
        Some(task)
    }
}

impl Task {
    fn new(id: TaskId, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            number: 0,
            state: State::Waiting,
            started: None,
            ended: None,
            parts: Vec::new(),
            notes: Vec::new(),
            tail: VecDeque::new(),
            partial: Vec::new(),
        }
    }

    /// The last lines of its output.
    pub fn tail(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.tail.iter().map(String::as_str)
    }

    pub fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed(_))
    }

    fn start(&mut self, now: Duration) -> Vec<Change> {
        if self.state != State::Waiting {
            return Vec::new();
        }
        self.state = State::Running;
        self.started = Some(now);
        vec![Change::Started]
    }

    fn end(&mut self, state: State, now: Duration) -> Vec<Change> {
        if self.ended.is_some() {
            return Vec::new();
        }
        self.state = state;
        self.ended = Some(now);
        let mut changes: Vec<_> = self.rest_of_line().map(Change::Line).into_iter().collect();
        for (at, part) in self.parts.iter_mut().enumerate() {
            if !part.complete && self.state == State::Done {
                part.complete = true;
                changes.push(Change::Part(at));
            }
        }
        changes.push(Change::Ended);
        changes
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) -> Vec<Change> {
        let mut changes = vec![Change::Output { stream, bytes: bytes.to_vec() }];
        for &byte in bytes {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.partial);
                    changes.push(Change::Line(self.remember(&line)));
                }
                // "\r\n" is one end; a lone "\r" is one as soon as something follows.
                b'\r' => self.partial.push(byte),
                _ => {
                    if self.partial.last() == Some(&b'\r') || self.partial.len() >= LONGEST_LINE {
                        changes.extend(self.rest_of_line().map(Change::Line));
                    }
                    self.partial.push(byte);
                }
            }
        }
        changes
    }

    fn rest_of_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.partial);
        let has_text = line.iter().any(|byte| *byte != b'\r');
        has_text.then(|| self.remember(&line))
    }

    fn remember(&mut self, line: &[u8]) -> String {
        let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        let line = String::from_utf8_lossy(&line[..end]).into_owned();
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.clone());
        line
    }

    fn bytes(&mut self, what: &str, current: u64, total: Option<u64>, now: Duration) -> Vec<Change> {
        const AGAIN: Duration = Duration::from_secs(2);
        let at = self.parts.iter().position(|part| part.what == what).unwrap_or_else(|| {
            self.parts.push(Part { what: what.to_owned(), current, total, since: now, shown: None, complete: false });
            self.parts.len() - 1
        });
        let part = &mut self.parts[at];
        if part.complete {
            return Vec::new();
        }
        (part.current, part.total) = (current, total);
        part.complete = total == Some(current);
        let due = part.shown.unwrap_or(part.since) + AGAIN;
        if part.complete || now >= due {
            part.shown = Some(now);
            return vec![Change::Part(at)];
        }
        Vec::new()
    }
}

//! Progress as a live view on a terminal, drawn again in place. Knows no terminal itself: it is told the size, and
//! gives back what to write.
//!
//! One line a task, with its time at the right edge; below a running one, its parts and the last lines of its
//! output. When that is more than fits, the tasks that ended first are left out; the last frame shows all.

use std::fmt::Write as _;
use std::time::Duration;

use unicode_width::UnicodeWidthChar;

use super::task::{Part, State, Task, Tasks};
use super::{End, bytes, elapsed, seconds};
use crate::terminal::Size;

/// How many lines of a running task's output are shown.
const OUTPUT: usize = 6;

const BLUE: &str = "\x1b[34m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const FAINT: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

#[derive(Debug)]
pub struct Tty {
    colours: bool,
    /// Lines of the frame that is on the screen.
    drawn: usize,
}

/// One line of a frame.
struct Line {
    colour: Option<&'static str>,
    left: String,
    right: String,
    worth: Worth,
}

/// What is left out first where room is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// Of a task that has ended.
    Old,
    /// Of the output of one that runs.
    Output,
    Current,
}

impl Tty {
    pub fn new(colours: bool) -> Self {
        Self { colours, drawn: 0 }
    }

    /// What to write to bring the screen up to date.
    pub fn frame(&mut self, tasks: &Tasks, now: Duration, size: Size) -> String {
        let mut lines = lines(tasks, now);
        // One line for the heading, one for the cursor.
        let room = usize::from(size.rows).saturating_sub(2).max(1);
        while lines.len() > room {
            let least = lines.iter().enumerate().min_by_key(|(at, line)| (line.worth, *at)).map_or(0, |(at, _)| at);
            lines.remove(least);
        }
        self.draw(&heading(tasks, None, now), &lines, size)
    }

    /// The same for the frame that stays.
    pub fn last_frame(&mut self, tasks: &Tasks, end: End, now: Duration, size: Size) -> String {
        let text = self.draw(&heading(tasks, Some(end), now), &lines(tasks, now), size);
        self.drawn = 0;
        text
    }

    fn draw(&mut self, heading: &str, lines: &[Line], size: Size) -> String {
        let width = usize::from(size.columns).max(20);
        // The frame is written over the last one, in one piece, and without a cursor in the way.
        let mut text = String::from("\x1b[?25l");
        if self.drawn > 0 {
            let _ = write!(text, "\x1b[{}A\r", self.drawn);
        }
        let _ = writeln!(text, "{}\x1b[K", clip(heading, width));
        for line in lines {
            let line = self.paint(line, width);
            let _ = writeln!(text, "{line}\x1b[K");
        }
        text.push_str("\x1b[J\x1b[?25h");
        self.drawn = lines.len() + 1;
        text
    }

    fn paint(&self, line: &Line, width: usize) -> String {
        let room = width.saturating_sub(line.right.len() + 1);
        let left = clip(&line.left, room);
        let gap = if line.right.is_empty() { 0 } else { width.saturating_sub(columns(&left) + line.right.len()) };
        let text = format!("{left}{:gap$}{}", "", line.right);
        match line.colour {
            Some(colour) if self.colours => format!("{colour}{text}{PLAIN}"),
            _ => text,
        }
    }
}

fn heading(tasks: &Tasks, end: Option<End>, now: Duration) -> String {
    let heard_of = tasks.iter().filter(|task| task.number > 0).count();
    let ended = tasks.iter().filter(|task| task.ended.is_some()).count();
    let word = match end {
        None => "",
        Some(End::Finished) => " FINISHED",
        Some(End::Failed) => " FAILED",
        Some(End::Canceled) => " CANCELED",
    };
    format!("[+] Building {} ({ended}/{heard_of}){word}", seconds(now))
}

fn lines(tasks: &Tasks, now: Duration) -> Vec<Line> {
    let mut shown: Vec<_> = tasks.iter().filter(|task| task.number > 0).collect();
    shown.sort_by_key(|task| task.number);
    shown.into_iter().flat_map(|task| task_lines(task, now)).collect()
}

fn task_lines(task: &Task, now: Duration) -> Vec<Line> {
    let (word, colour) = match &task.state {
        State::Waiting | State::Running => ("", None),
        State::Done => ("", Some(BLUE)),
        State::Cached => ("CACHED ", Some(BLUE)),
        State::Failed(_) => ("ERROR ", Some(RED)),
        State::Canceled => ("CANCELED ", Some(YELLOW)),
    };
    let worth = if task.ended.is_some() { Worth::Old } else { Worth::Current };
    let name = readable(&task.name);
    let mut lines = vec![Line { colour, left: format!(" => {word}{name}"), right: seconds(elapsed(task, now)), worth }];
    lines.extend(
        task.parts
            .iter()
            .filter(|part| worth == Worth::Current || part.complete)
            .map(|part| part_line(part, colour, worth)),
    );
    let notes = task.notes.iter().map(|note| Line {
        colour,
        left: format!(" => => {}", readable(note)),
        right: String::new(),
        worth,
    });
    lines.extend(notes);
    if task.state == State::Running {
        let skipped = task.tail().len().saturating_sub(OUTPUT);
        lines.extend(task.tail().skip(skipped).map(|line| Line {
            colour: Some(FAINT),
            left: format!(" => => # {}", readable(line)),
            right: String::new(),
            worth: Worth::Output,
        }));
    }
    lines
}

fn part_line(part: &Part, colour: Option<&'static str>, worth: Worth) -> Line {
    let total = part.total.map(|total| format!(" / {}", bytes(total))).unwrap_or_default();
    Line {
        colour,
        left: format!(" => => {}", readable(&part.what)),
        right: format!("{}{total}", bytes(part.current)),
        worth,
    }
}

/// Without what would move the cursor or colour the rest: escape sequences are taken out, tabs become spaces.
fn readable(text: &str) -> String {
    let mut readable = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' if chars.next_if_eq(&'[').is_some() => {
                // A control sequence ends with a letter (ECMA-48, 5.4).
                while chars.next_if(|c| !('\x40'..='\x7e').contains(c)).is_some() {}
                chars.next();
            }
            '\t' => readable.push(' '),
            '\n' => readable.push_str("\\n"),
            c if c.is_control() => {}
            c => readable.push(c),
        }
    }
    readable
}

fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// At most `width` columns of it, an ellipsis where more was left.
fn clip(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut clipped = String::new();
    let mut left = width.saturating_sub(1);
    for c in text.chars() {
        let Some(rest) = left.checked_sub(c.width().unwrap_or(0)) else { break };
        left = rest;
        clipped.push(c);
    }
    clipped + "…"
}

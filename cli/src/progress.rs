//! The progress view: hears what the solver and its helpers report, keeps what every task came to, and shows it in one
//! of four ways. Knows no graph and no store.
//!
//! What happened is kept once, by [`task::Tasks`]; how it looks is a [`Renderer`]'s affair. A renderer turns a change
//! into text and nothing else, so each is tested without a terminal and with times written down.

mod plain;
mod rawjson;
mod task;
mod tty;

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use solver::port::{Progress, TaskId, Update};

use crate::terminal;
use task::{Change, Task, Tasks};

/// How often a terminal is drawn again.
const FRAME: Duration = Duration::from_millis(100);

/// How what happens is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Tty,
    Plain,
    RawJson,
    Quiet,
}

/// How the whole came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Finished,
    Failed,
    Canceled,
}

/// What a failed task said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWords {
    pub name: String,
    pub lines: Vec<String>,
}

/// The view of one command's work, on standard error.
pub struct View {
    shared: Arc<Shared>,
    drawer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    inner: Mutex<Inner>,
    closed: Condvar,
    began: Instant,
}

struct Inner {
    tasks: Tasks,
    renderer: Renderer,
    out: Box<dyn Write + Send>,
    open: bool,
    /// What is said below the last of it, for people only.
    last: String,
}

enum Renderer {
    Tty(tty::Tty),
    Plain(plain::Plain),
    RawJson(rawjson::RawJson),
    Quiet,
}

impl View {
    /// Shows what happens on standard error.
    pub fn on_stderr(mode: Mode) -> Self {
        Self::new(mode, Box::new(std::io::stderr()))
    }

    fn new(mode: Mode, out: Box<dyn Write + Send>) -> Self {
        let renderer = match mode {
            Mode::Tty => Renderer::Tty(tty::Tty::new(terminal::has_colours())),
            Mode::Plain => Renderer::Plain(plain::Plain::default()),
            Mode::RawJson => Renderer::RawJson(rawjson::RawJson::new(SystemTime::now())),
            Mode::Quiet => Renderer::Quiet,
        };
        let inner = Inner { tasks: Tasks::default(), renderer, out, open: true, last: String::new() };
        let shared = Arc::new(Shared { inner: Mutex::new(inner), closed: Condvar::new(), began: Instant::now() });
        let drawer = (mode == Mode::Tty).then(|| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.draw_until_closed())
        });
        Self { shared, drawer: Mutex::new(drawer) }
    }

    /// Shows the last of it. Nothing that is reported afterwards is shown.
    pub fn close(&self, end: End) {
        let now = self.shared.began.elapsed();
        let mut inner = self.shared.lock();
        if !inner.open {
            return;
        }
        inner.open = false;
        inner.finish(end, now);
        drop(inner);
        self.shared.closed.notify_all();
        let drawer = self.drawer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(drawer) = drawer {
            // It only draws; there is nothing to learn from how it ended.
            let _ = drawer.join();
        }
    }

    /// What the task of this name said before it failed.
    pub fn last_words(&self, name: &str) -> Option<LastWords> {
        let inner = self.shared.lock();
        let task = inner.tasks.iter().rev().find(|task| task.name == name && task.has_failed())?;
        Some(LastWords { name: task.name.clone(), lines: task.tail().map(str::to_owned).collect() })
    }

    /// Does `work` as a task of its own, shown under `name`.
    pub fn task<T, E: std::fmt::Display>(&self, name: &str, work: impl FnOnce(TaskId) -> Result<T, E>) -> Result<T, E> {
        let task = self.begin(name);
        self.update(task, Update::Started);
        let result = work(task);
        match &result {
            Ok(_) => self.update(task, Update::Done),
            Err(error) => self.update(task, Update::Failed { message: &error.to_string() }),
        }
        result
    }

    /// Says `text` when the view is closed, to people.
    pub fn say_at_end(&self, text: String) {
        self.shared.lock().last = text;
    }

    /// A line of a task that is no output of a process: `writing image sha256:… done`.
    pub fn note(&self, task: TaskId, line: &str) {
        self.shared.change(task, &Change::Note(line.to_owned()));
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.close(End::Failed);
    }
}

impl Progress for View {
    fn begin(&self, name: &str) -> TaskId {
        self.shared.lock().tasks.begin(name)
    }

    fn update(&self, task: TaskId, update: Update<'_>) {
        let now = self.shared.began.elapsed();
        let mut inner = self.shared.lock();
        for change in inner.tasks.apply(task, update, now) {
            inner.show(task, &change, now);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, task: TaskId, change: &Change) {
        let now = self.began.elapsed();
        let mut inner = self.lock();
        inner.tasks.note(task, change, now);
        inner.show(task, change, now);
    }

    fn draw_until_closed(&self) {
        let mut inner = self.lock();
        while inner.open {
            inner.draw(self.began.elapsed());
            inner = self.closed.wait_timeout(inner, FRAME).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Inner {
    fn show(&mut self, task: TaskId, change: &Change, now: Duration) {
        if !self.open {
            return;
        }
        let Some(task) = self.tasks.task(task) else { return };
        let text = match &mut self.renderer {
            Renderer::Plain(plain) => plain.change(task, change, now),
            Renderer::RawJson(rawjson) => rawjson.change(task, change, now),
            Renderer::Tty(_) | Renderer::Quiet => return,
        };
        self.write(&text);
    }

    fn draw(&mut self, now: Duration) {
        let Renderer::Tty(tty) = &mut self.renderer else { return };
        let text = tty.frame(&self.tasks, now, terminal::size());
        self.write(&text);
    }

    fn finish(&mut self, end: End, now: Duration) {
        let frame = match &mut self.renderer {
            Renderer::Tty(tty) => tty.last_frame(&self.tasks, end, now, terminal::size()),
            Renderer::Plain(_) => String::new(),
            Renderer::RawJson(_) | Renderer::Quiet => return,
        };
        let last = std::mem::take(&mut self.last);
        self.write(&(frame + &last));
    }

    /// A view that nobody can read any more (a closed pipe) is no reason to stop the work.
    fn write(&mut self, text: &str) {
        if !text.is_empty() {
            let _ = self.out.write_all(text.as_bytes());
            let _ = self.out.flush();
        }
    }
}

/// What `auto` means here and now.
pub fn auto() -> Mode {
    if std::io::stderr().is_terminal() { Mode::Tty } else { Mode::Plain }
}

/// Seconds with one digit, as BuildKit shows how long a task took.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1}s", duration.as_secs_f64())
}

/// Bytes in powers of 1,000, three digits: `3.62MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count}B");
    }
    // Three digits are shown, so the rounding of the cast cannot be seen.
    #[allow(clippy::cast_precision_loss)]
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    let text = format!("{value:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", UNITS[unit])
}

/// How long a task has been at work.
fn elapsed(task: &Task, now: Duration) -> Duration {
    let Some(started) = task.started else { return Duration::ZERO };
    task.ended.unwrap_or(now).saturating_sub(started)
}

#[cfg(test)]
mod tests;

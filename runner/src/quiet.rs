//! A progress that nobody watches, for tests. Knows nothing of what it hears.

use solver::port::{Progress, TaskId, Update};

pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _name: &str) -> TaskId {
        TaskId(0)
    }

    fn update(&self, _task: TaskId, _update: Update<'_>) {}
}

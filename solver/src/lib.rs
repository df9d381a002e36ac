//! Walks a graph: keys, hits and misses, schedule, outcome. Knows no Dockerfile and starts no process; what it needs
//! done comes in through ports.
//!
//! Two parts, kept apart as *Build Systems à la Carte* has them: the scheduler ([`schedule`]) decides which vertex is
//! next; the rebuilder ([`rebuild`]) decides whether it must run at all. Keys are made of contents ([`key`]), from the
//! leaves up, so a step that ran again with the same result lets everything after it hit. [`look`] tells beforehand what
//! would hit, and runs nothing.

mod key;
pub mod port;

mod look;
mod lookup;
mod rebuild;
mod schedule;
mod solve;
mod stack;

pub use look::{Eyes, Look, look};
pub use rebuild::{Found, Step};
pub use solve::{OnFailure, Options, Ports, SolveError, Solved, solve};

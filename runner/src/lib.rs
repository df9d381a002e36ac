//! Processes in isolation, and the ops of a graph done on this machine. Knows no Dockerfile and prints nothing.

pub mod binfmt;
pub mod capture;
pub mod container;
pub mod context;
pub mod copy;
pub mod executor;
pub mod passwd;
pub mod remote;
pub mod sandbox;
pub mod source;

mod owner;
mod xattr;

#[cfg(test)]
mod quiet;
#[cfg(test)]
#[path = "../../testdata/server.rs"]
mod server;

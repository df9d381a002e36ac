//! A language server for Dockerfiles: what an editor asks about a text, answered from the text alone. Does no I/O but on
//! the two streams it is given; fetches nothing, keeps nothing.
//!
//! Every feature is a function of a [`Document`] and a place in it (`completion`, `hover`, `navigation`, …). They stand on
//! two views of the text. [`cursor`] looks at what is being typed, which need not be right yet: the logical line around
//! a place, cut into words. [`index`] looks at the tree of what parses: stages, variables, and who refers to them.
//! [`server`] alone knows the protocol's messages, and [`connection`] how they travel.

pub mod actions;
pub mod completion;
pub mod connection;
pub mod cursor;
pub mod diagnostics;
pub mod document;
pub mod format;
pub mod hover;
pub mod index;
pub mod logical;
pub mod navigation;
pub mod outline;
pub mod pages;
pub mod position;
pub mod rename;

mod server;

#[cfg(test)]
mod marker;

pub use connection::{Ending, serve};
pub use document::Document;
pub use position::Encoding;

//! Shows what the libraries warn of, a line each on standard error. Knows none of them.
//!
//! Libraries print nothing: what is worth a person's while they send as an event of `tracing`, and here it is heard. An
//! event is heard at once and nothing is kept of it, so this is a subscriber without spans.

use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::terminal;

struct Warnings;

/// Shows warnings from now on.
pub fn show() {
    // It fails only where there is a subscriber already, and this is called once.
    let _ = tracing::subscriber::set_global_default(Warnings);
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && is_ours(metadata.target())
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        terminal::complain(&format!("WARNING: {}{}\n", text.message, text.fields));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// What others' crates say is for their developers.
fn is_ours(target: &str) -> bool {
    let krate = target.split("::").next().unwrap_or_default();
    ["oci", "cache", "parser", "solver", "runner", "kiln"].contains(&krate)
}

/// An event as words: its message, then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, "; {name}: {value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, "; {name}: {value}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_crates_are_heard() {
        assert!(is_ours("cache::db") && is_ours("oci"));
        assert!(!is_ours("hyper::client") && !is_ours("cachet"));
    }
}

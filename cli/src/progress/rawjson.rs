//! Progress as JSON, an object a line, with the fields of BuildKit's `client.SolveStatus`. Knows no terminal.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use oci::Digest;
use serde_json::{Map, Value, json};
use solver::port::Stream;

use super::task::{Change, State, Task};
use crate::time::rfc3339;

#[derive(Debug)]
pub struct RawJson {
    began: SystemTime,
}

impl RawJson {
    pub fn new(began: SystemTime) -> Self {
        Self { began }
    }

    /// The line to write for `change`; empty for what says nothing new.
    pub fn change(&self, task: &Task, change: &Change, now: Duration) -> String {
        let vertex = Digest::of(format!("{} {}", task.id.0, task.name).as_bytes()).to_string();
        let time = |at: Duration| rfc3339(self.began + at);
        let status = match change {
            // Their bytes were told as they came.
            Change::Line(_) => return String::new(),
            Change::Started | Change::Ended => json!({ "vertexes": [vertex_object(task, &vertex, time)] }),
            Change::Output { stream, bytes } => {
                let stream = match stream {
                    Stream::Stdout => 1,
                    Stream::Stderr => 2,
                };
                json!({ "logs": [{ "vertex": vertex, "stream": stream, "data": base64(bytes), "timestamp": time(now) }] })
            }
            Change::Part(at) => {
                let Some(part) = task.parts.get(*at) else { return String::new() };
                let mut status = json!({
                    "id": part.what, "vertex": vertex, "total": part.total.unwrap_or(0), "current": part.current,
                    "timestamp": time(now), "started": time(part.since),
                });
                if part.complete {
                    status["completed"] = time(now).into();
                }
                json!({ "statuses": [status] })
            }
            Change::Note(line) => json!({ "statuses": [{
                "id": line, "vertex": vertex, "total": 0, "current": 0,
                "timestamp": time(now), "started": time(now), "completed": time(now),
            }] }),
            Change::Warning(message) => {
                json!({ "warnings": [{ "vertex": vertex, "level": 1, "short": base64(message.as_bytes()) }] })
            }
        };
        format!("{status}\n")
    }
}

fn vertex_object(task: &Task, digest: &str, time: impl Fn(Duration) -> String) -> Value {
    let mut vertex = Map::new();
    vertex.insert("digest".to_owned(), digest.into());
    vertex.insert("name".to_owned(), task.name.clone().into());
    if let Some(started) = task.started {
        vertex.insert("started".to_owned(), time(started).into());
    }
    if let Some(ended) = task.ended {
        vertex.insert("completed".to_owned(), time(ended).into());
    }
    match &task.state {
        State::Cached => vertex.insert("cached".to_owned(), true.into()),
        State::Failed(message) => vertex.insert("error".to_owned(), message.clone().into()),
        State::Canceled => vertex.insert("error".to_owned(), "context canceled".into()),
        State::Waiting | State::Running | State::Done => None,
    };
    Value::Object(vertex)
}

/// Go writes bytes in JSON as base64 (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

//! Places as BuildKit writes them in JSON: `{"ranges":[{"start":{"line":2},"end":{"line":2}}]}`, a range for each line.

use parser::Span;
use serde_json::{Value, json};

/// The lines of `span`.
pub fn location(span: Span) -> Value {
    let ranges: Vec<Value> = (span.first_line..=span.last_line)
        .map(|line| json!({ "start": { "line": line }, "end": { "line": line } }))
        .collect();
    json!({ "ranges": ranges })
}

/// As Go writes bytes.
pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

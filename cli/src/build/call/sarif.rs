//! What a check found as SARIF 2.1.0, which code-scanning services and editors read. Finds nothing.
//!
//! Each rule carries its page with it, since a page has no public address. Columns count characters from 1.
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use parser::lint::{Linted, Rule};
use parser::{Diagnostic, Severity, Span};
use serde_json::{Value, json};

use crate::build::mistakes::Source;
use crate::checks;

/// The whole log: one run of one tool.
pub fn log(linted: &Linted, source: Source<'_>) -> Value {
    let results: Vec<Value> = linted.errors.iter().chain(&linted.warnings).map(|found| result(found, source)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "kiln",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": Rule::ALL.iter().map(|rule| of_rule(*rule)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn of_rule(rule: Rule) -> Value {
    json!({
        "id": rule.name(),
        "shortDescription": { "text": rule.description() },
        "help": { "text": rule.description(), "markdown": checks::page(rule) },
        "defaultConfiguration": { "level": "warning", "enabled": !rule.experimental() },
    })
}

fn result(found: &Diagnostic, source: Source<'_>) -> Value {
    let hint = found.hint.as_deref().map(|hint| format!("\n{hint}")).unwrap_or_default();
    let place = found.focus.unwrap_or(found.span);
    let mut result = json!({
        "ruleId": found.code.0,
        "level": match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": { "text": format!("{}{hint}", found.message) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(source.name) },
            "region": region(place, source.text),
        } }],
    });
    if let Some(index) = Rule::ALL.iter().position(|rule| rule.name() == found.code.0) {
        result["ruleIndex"] = index.into();
    }
    result
}

/// The first column of what is meant and the one behind its last, where the place is in the text.
fn region(place: Span, text: &str) -> Value {
    let mut region = json!({ "startLine": place.first_line.max(1) });
    let (start, end) = (place.start as usize, place.end as usize);
    let column = |at: usize| {
        let before = text.get(..at)?;
        Some(before.chars().rev().take_while(|c| *c != '\n').count() + 1)
    };
    if let (Some(first), Some(last), Some(words)) = (column(start), column(end), text.get(start..end)) {
        region["startColumn"] = first.into();
        let lines = words.matches('\n').count();
        region["endLine"] = (place.first_line.max(1) as usize + lines).into();
        region["endColumn"] = last.into();
    }
    region
}

/// A path as a reference of RFC 3986: what is neither unreserved nor a slash is escaped.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(byte.into()),
            byte => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_references() {
        assert_eq!(uri("deploy/my Dockerfile"), "deploy/my%20Dockerfile");
        assert_eq!(uri("/src/Dockerfile"), "file:///src/Dockerfile");
        assert_eq!(uri("C:é"), "C%3A%C3%A9");
    }

    #[test]
    fn columns_count_characters() {
        let text = "é\nä b\nc\n";
        let span = |start, end, first_line, last_line| Span { start, end, first_line, last_line };
        let told = |place| region(place, text).to_string();
        assert_eq!(told(span(6, 7, 2, 2)), r#"{"startLine":2,"startColumn":3,"endLine":2,"endColumn":4}"#);
        assert_eq!(told(span(3, 9, 2, 3)), r#"{"startLine":2,"startColumn":1,"endLine":3,"endColumn":2}"#);
        assert_eq!(told(span(4, 99, 2, 2)), r#"{"startLine":2}"#);
        assert_eq!(told(Span::default()), r#"{"startLine":1,"startColumn":1,"endLine":1,"endColumn":1}"#);
    }
}

//! What a check found, in the words of `docker build --check` and in the JSON of BuildKit's `frontend.lint`. Finds nothing.

use std::fmt::Write as _;

use parser::Diagnostic;
use parser::lint::{Linted, Rule};
use serde_json::{Map, Value, json};

use super::location::{base64, location};
use super::{Format, sarif};
use crate::build::mistakes::{self, Source};

/// Everything in the format that was asked for. Mistakes are not in the text: they are reported as failures are.
pub fn written(linted: &Linted, source: Source<'_>, format: Format) -> String {
    match format {
        Format::Text => as_text(linted, source),
        Format::Json => format!("{:#}\n", as_json(linted, source)),
        Format::Sarif => format!("{:#}\n", sarif::log(linted, source)),
    }
}

fn as_text(linted: &Linted, source: Source<'_>) -> String {
    let mut text = match linted.warnings.len() {
        0 if linted.errors.is_empty() => "Check complete, no warnings found.\n".to_owned(),
        0 => String::new(),
        1 => "Check complete, 1 warning has been found!\n".to_owned(),
        count => format!("Check complete, {count} warnings have been found!\n"),
    };
    let mut warnings: Vec<&Diagnostic> = linted.warnings.iter().collect();
    warnings.sort_by_key(|warning| warning.span.first_line);
    for warning in warnings {
        let page = mistakes::page(warning).map(|page| format!(" - {page}")).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\nWARNING: {}{page}\n{}", warning.code.0, warning.message);
        text += &mistakes::lines(warning, source);
    }
    text
}

fn as_json(linted: &Linted, source: Source<'_>) -> Value {
    let error = |error: &Diagnostic| json!({ "message": error.message, "location": location(error.span) });
    let mut object = Map::new();
    object.insert("warnings".to_owned(), linted.warnings.iter().map(warning).collect());
    let file = json!({ "filename": source.name, "data": base64(source.text.as_bytes()), "language": "Dockerfile" });
    object.insert("sources".to_owned(), json!([file]));
    if let Some(first) = linted.errors.first() {
        object.insert("buildError".to_owned(), error(first));
        // BuildKit knows of one.
        object.insert("buildErrors".to_owned(), linted.errors.iter().map(error).collect());
    }
    Value::Object(object)
}

fn warning(warning: &Diagnostic) -> Value {
    let mut object = Map::new();
    object.insert("ruleName".to_owned(), warning.code.0.into());
    if let Some(rule) = Rule::parse(warning.code.0) {
        object.insert("description".to_owned(), rule.description().into());
    }
    if let Some(page) = mistakes::page(warning) {
        object.insert("url".to_owned(), page.into());
    }
    object.insert("detail".to_owned(), warning.message.clone().into());
    object.insert("location".to_owned(), location(warning.span));
    Value::Object(object)
}

#[cfg(test)]
mod tests;

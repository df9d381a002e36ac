//! `--format`: what a list or an object is printed as. Of Go's templates, which Docker takes here, the part that people
//! use: `{{.Field}}`, `{{.Field.Inner}}`, `{{json .Field}}`, and text around them. Anything else is refused.

use serde_json::Value;

use crate::report::{Problem, did_you_mean};

/// A template, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field { path: Vec<String>, as_json: bool },
}

impl Template {
    /// Reads what was typed: `json` alone is all of it.
    pub fn parse(typed: &str) -> Result<Self, Problem> {
        if typed == "json" {
            return Ok(Self(vec![Piece::Field { path: Vec::new(), as_json: true }]));
        }
        let mut pieces = Vec::new();
        let mut rest = typed;
        while let Some((text, after)) = rest.split_once("{{") {
            let (action, after) = after.split_once("}}").ok_or_else(|| refused(typed, "a `{{` is not closed"))?;
            pieces.push(Piece::Text(unescaped(text)));
            pieces.push(field(action).ok_or_else(|| refused(typed, &format!("`{{{{{action}}}}}` is not understood")))?);
            rest = after;
        }
        pieces.push(Piece::Text(unescaped(rest)));
        Ok(Self(pieces))
    }

    /// What it comes to for `object`.
    pub fn apply(&self, object: &Value) -> Result<String, Problem> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(literal) => text += literal,
                Piece::Field { path, as_json } => text += &shown(find(object, path)?, *as_json),
            }
        }
        Ok(text)
    }
}

fn refused(typed: &str, what: &str) -> Problem {
    Problem::usage(format!("invalid format `{typed}`: {what}"))
        .hint("`table`, `json`, or fields: `{{.Field}}`, `{{json .Field}}`")
}

fn unescaped(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n")
}

fn field(action: &str) -> Option<Piece> {
    let action = action.trim();
    let (path, as_json) = match action.strip_prefix("json ") {
        Some(path) => (path.trim(), true),
        None => (action, false),
    };
    let path = path.strip_prefix('.')?;
    let names: Vec<String> = path.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let sound = names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    sound.then_some(Piece::Field { path: names, as_json })
}

fn find<'v>(object: &'v Value, path: &[String]) -> Result<&'v Value, Problem> {
    let mut at = object;
    for name in path {
        at = match at {
            Value::Object(fields) => fields.get(name).ok_or_else(|| {
                Problem::usage(format!("there is no field `{name}`"))
                    .hint_if(did_you_mean(name, fields.keys().map(String::as_str)))
            })?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => &Value::Null,
        };
    }
    Ok(at)
}

/// As Go prints a value.
fn shown(value: &Value, as_json: bool) -> String {
    match value {
        _ if as_json => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Null => "<no value>".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| shown(item, false)).collect();
            format!("[{}]", items.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(format: &str) -> String {
        let object = json!({ "Id": "sha256:1", "Config": { "Env": ["A=1", "B=2"], "User": null } });
        match Template::parse(format).and_then(|template| template.apply(&object)) {
            Ok(text) => text,
            Err(problem) => problem.message,
        }
    }

    #[test]
    fn fields_and_text() {
        for (format, text) in [
            ("{{.Id}}", "sha256:1"),
            ("{{ .Id }}\\t{{.Config.Env}}", "sha256:1\t[A=1 B=2]"),
            ("{{json .Config.Env}}", r#"["A=1","B=2"]"#),
            ("{{.Config.User}}", "<no value>"),
            ("plain", "plain"),
            ("{{.Nothing}}", "there is no field `Nothing`"),
            ("{{range .X}}", "invalid format `{{range .X}}`: `{{range .X}}` is not understood"),
            ("{{.Id", "invalid format `{{.Id`: a `{{` is not closed"),
        ] {
            assert_eq!(told(format), text, "{format}");
        }
        assert!(told("json").starts_with(r#"{"Id":"#));
    }
}

//! Outlines and targets in words and in JSON, as BuildKit's `frontend.outline` and `frontend.targets` give them. Knows no
//! Dockerfile.

use parser::outline::{Access, Argument, Outline, Target, Targets};
use serde_json::{Map, Value, json};

use super::location::{base64, location};
use crate::table::columns;

pub fn outline_as_text(outline: &Outline) -> String {
    let mut text = String::new();
    if outline.name.is_some() || outline.description.is_some() {
        let name = shown(outline.name.as_deref().unwrap_or("(default)"));
        let description: Vec<[String; 2]> =
            outline.description.iter().map(|text| ["DESCRIPTION:".to_owned(), shown(text)]).collect();
        text += &columns(["TARGET:", &name], &description, 0, 1);
        text.push('\n');
    }
    let args = outline.args.iter().map(|arg| {
        [&*arg.name, arg.value.as_deref().unwrap_or_default(), arg.description.as_deref().unwrap_or_default()]
            .map(shown)
    });
    text += &list(["BUILD ARG", "VALUE", "DESCRIPTION"], args.collect());
    for (heading, accesses) in [("SECRET", &outline.secrets), ("SSH", &outline.ssh)] {
        let rows = accesses
            .iter()
            .map(|access| [shown(&access.name), if access.required { "true" } else { "" }.to_owned()])
            .collect();
        text += &list([heading, "REQUIRED"], rows);
    }
    text
}

pub fn outline_as_json(outline: &Outline, source: &[u8]) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Option<Value>| value.map(|value| object.insert(name.to_owned(), value));
    let list = |list: Vec<Value>| (!list.is_empty()).then(|| Value::from(list));
    put("name", outline.name.as_deref().map(Value::from));
    put("description", outline.description.as_deref().map(Value::from));
    put("args", list(outline.args.iter().map(argument).collect()));
    put("secrets", list(outline.secrets.iter().map(access).collect()));
    put("ssh", list(outline.ssh.iter().map(access).collect()));
    let caches = outline.caches.iter().map(|cache| json!({ "ID": cache.name, "location": location(cache.span) }));
    put("cache", list(caches.collect()));
    put("sources", Some(json!([base64(source)])));
    Value::Object(object)
}

pub fn targets_as_text(targets: &Targets) -> String {
    let row = |target: &Target| {
        let name = match (target.name.as_deref(), target.is_default) {
            (None, true) => "(default)".to_owned(),
            (Some(name), true) => format!("{name} (default)"),
            (name, false) => name.unwrap_or_default().to_owned(),
        };
        [shown(&name), shown(target.description.as_deref().unwrap_or_default())]
    };
    let rows: Vec<[String; 2]> = targets.0.iter().map(row).collect();
    columns(["TARGET", "DESCRIPTION"], &rows, 0, 1)
}

pub fn targets_as_json(targets: &Targets, source: &[u8]) -> Value {
    let target = |target: &Target| {
        let mut object = Map::new();
        let mut put = |name: &str, value: Option<Value>| value.map(|value| object.insert(name.to_owned(), value));
        put("name", target.name.as_deref().map(Value::from));
        put("default", target.is_default.then_some(Value::Bool(true)));
        put("description", target.description.as_deref().map(Value::from));
        put("base", Some((&*target.base).into()));
        put("platform", target.platform.as_deref().map(Value::from));
        put("location", Some(location(target.span)));
        Value::Object(object)
    };
    json!({ "targets": targets.0.iter().map(target).collect::<Vec<_>>(), "sources": [base64(source)] })
}

fn argument(argument: &Argument) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), (&*argument.name).into());
    for (name, text) in [("description", argument.description.as_deref()), ("value", argument.value.as_deref())] {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            object.insert(name.to_owned(), text.into());
        }
    }
    object.insert("location".to_owned(), location(argument.span));
    Value::Object(object)
}

fn access(access: &Access) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), access.name.clone().into());
    if access.required {
        object.insert("required".to_owned(), true.into());
    }
    object.insert("location".to_owned(), location(access.span));
    Value::Object(object)
}

/// A list with an empty line behind it; nothing where there is none.
fn list<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    columns(headings, &rows, 0, 3) + "\n"
}

/// A Dockerfile of others' must not draw on the terminal, nor break the columns.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use parser::Span;

    fn on(line: u32) -> Span {
        Span { start: 0, end: 1, first_line: line, last_line: line }
    }

    fn sample() -> Outline {
        let argument = |name: &str, value: Option<&str>, description: Option<&str>, line| Argument {
            name: name.into(),
            value: value.map(str::to_owned),
            description: description.map(Into::into),
            span: on(line),
        };
        let access = |name: &str, required, line| Access { name: name.to_owned(), required, span: on(line) };
        Outline {
            name: Some("app".into()),
            description: Some("is what runs".into()),
            args: vec![argument("VERSION", Some("1.2"), Some("of node"), 2), argument("DEBUG", None, None, 5)],
            secrets: vec![access("token", true, 6), access("npmrc", false, 6)],
            ssh: vec![access("default", false, 7)],
            caches: vec![access("/root/.npm", false, 7)],
        }
    }

    #[test]
    fn an_outline() {
        expect![[r#"
            TARGET:      app
            DESCRIPTION: is what runs

            BUILD ARG   VALUE   DESCRIPTION
            VERSION     1.2     of node
            DEBUG

            SECRET   REQUIRED
            token    true
            npmrc

            SSH       REQUIRED
            default

        "#]]
        .assert_eq(&outline_as_text(&sample()));
        assert_eq!(outline_as_text(&Outline::default()), "");
        expect![[r#"
            {"name":"app","description":"is what runs","args":[{"name":"VERSION","description":"of node","value":"1.2","location":{"ranges":[{"start":{"line":2},"end":{"line":2}}]}},{"name":"DEBUG","location":{"ranges":[{"start":{"line":5},"end":{"line":5}}]}}],"secrets":[{"name":"token","required":true,"location":{"ranges":[{"start":{"line":6},"end":{"line":6}}]}},{"name":"npmrc","location":{"ranges":[{"start":{"line":6},"end":{"line":6}}]}}],"ssh":[{"name":"default","location":{"ranges":[{"start":{"line":7},"end":{"line":7}}]}}],"cache":[{"ID":"/root/.npm","location":{"ranges":[{"start":{"line":7},"end":{"line":7}}]}}],"sources":["RlJPTSBhCg=="]}"#]]
        .assert_eq(&outline_as_json(&sample(), b"FROM a\n").to_string());
    }

    #[test]
    fn targets() {
        let targets = Targets::of(&parser::parse(b"FROM a\n# b is\x1b odd\nFROM --platform=$BUILDPLATFORM a AS b\n"));
        expect![[r#"
            TARGET      DESCRIPTION

            b (default) is� odd
        "#]]
        .assert_eq(&targets_as_text(&targets));
        expect![[r#"
            {"targets":[{"base":"a","location":{"ranges":[{"start":{"line":1},"end":{"line":1}}]}},{"name":"b","default":true,"description":"is\u001b odd","base":"a","platform":"$BUILDPLATFORM","location":{"ranges":[{"start":{"line":3},"end":{"line":3}}]}}],"sources":["Lw=="]}"#]]
        .assert_eq(&targets_as_json(&targets, b"/").to_string());
    }
}

//! What there is to say of the word at a place, in Markdown: an instruction's page, a flag's line of it, a variable's
//! value and where it comes from, a stage.

use std::ops::Range;

use parser::Keyword;
use parser::lint::Rule;

use crate::cursor::{self, Line, Part, Site};
use crate::document::Document;
use crate::index::{Definition, Kind};
use crate::pages;

/// What to say, and of which words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    pub text: String,
    pub place: Range<usize>,
}

pub fn hover(document: &Document, offset: usize) -> Option<Hover> {
    variable(document, offset).or_else(|| stage(document, offset)).or_else(|| match cursor::site(document, offset) {
        Site::Instruction(line) => instruction(&line),
        Site::Comment | Site::Directive => rule(document, offset),
        Site::Blank | Site::Heredoc => None,
    })
}

fn variable(document: &Document, offset: usize) -> Option<Hover> {
    let index = document.index();
    let (place, definition) = index.variable_at(offset)?;
    let name = document.slice(place.clone()).to_owned();
    let predefined = || pages::item(Keyword::Arg, &name);
    let Some(definition) = definition.map(|at| &index.definitions[at]) else {
        return Some(Hover { text: predefined()?, place });
    };
    let mut text = told(document, definition);
    let first = &index.definitions[definition.group];
    match (&definition.value, first.value.is_some() && first.place != definition.place) {
        (None, true) => text += &format!("\n\nIts value is that of {}", told(document, first)),
        (None, false) => text.extend(predefined().map(|item| format!("\n\n{item}"))),
        (Some(_), _) => {}
    }
    text.extend(definition.doc.as_ref().or(first.doc.as_ref()).map(|doc| format!("\n\n{name} {doc}")));
    Some(Hover { text, place })
}

/// `` `ARG V=1` (line 3)``
fn told(document: &Document, definition: &Definition) -> String {
    let keyword = match definition.kind {
        Kind::Arg => Keyword::Arg,
        Kind::Env => Keyword::Env,
    };
    let value = definition.value.as_ref().map(|value| format!("={value}")).unwrap_or_default();
    let line = document.lines().line(definition.place.start) + 1;
    format!("`{} {}{value}` (line {line})", keyword.as_str(), definition.name)
}

fn stage(document: &Document, offset: usize) -> Option<Hover> {
    let (place, at) = document.index().stage_use_at(offset)?;
    let stage = &document.dockerfile().stages[at];
    let line = document.lines().line(document.index().stages[at].head.start) + 1;
    let name = stage.name.as_deref().map_or_else(|| format!("Stage {at}"), |name| format!("Stage `{name}`"));
    let count = match stage.commands.len() {
        1 => "1 instruction".to_owned(),
        count => format!("{count} instructions"),
    };
    let mut text = format!("{name} (line {line}), {count}\n\n```dockerfile\n{}\n```", stage.head.source);
    let doc = stage.name.as_ref().zip(stage.doc.as_ref());
    text.extend(doc.map(|(name, doc)| format!("\n\n{name} {doc}")));
    Some(Hover { text, place })
}

fn instruction(line: &Line) -> Option<Hover> {
    let keyword = line.keyword?;
    let written = |part: &Range<usize>| &line.logical.text[part.clone()];
    let (text, part) = match &line.part {
        Part::Keyword(word) => (pages::page(keyword).to_owned(), word),
        Part::Flag(word) => (pages::item(keyword, written(word))?, word),
        Part::FlagValue { flag, .. } => (pages::item(keyword, written(flag))?, flag),
        Part::MountOption { name, .. } => (pages::item(keyword, &written(name).to_lowercase())?, name),
        Part::MountValue { name, value, .. } if written(name).eq_ignore_ascii_case("type") => {
            (pages::item(keyword, &format!("type={}", written(value).to_lowercase()))?, value)
        }
        Part::MountValue { name, .. } => (pages::item(keyword, &written(name).to_lowercase())?, name),
        Part::Argument { .. } | Part::Nothing => return None,
    };
    Some(Hover { text, place: line.logical.range(part.clone()) })
}

/// The name of a rule in a `check` directive.
fn rule(document: &Document, offset: usize) -> Option<Hover> {
    let text = document.text();
    let is_name = |c: char| c.is_ascii_alphanumeric();
    let start = text[..offset].trim_end_matches(is_name).len();
    let end = text.len() - text[offset..].trim_start_matches(is_name).len();
    let rule = Rule::parse(&text[start..end])?;
    Some(Hover { text: format!("**{}**\n\n{}", rule.name(), rule.description()), place: start..end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::at_cursor;
    use expect_test::{Expect, expect};

    fn check(marked: &str, expected: &Expect) {
        let (document, at) = at_cursor(marked);
        let shown = match hover(&document, at) {
            Some(hover) => {
                let text: Vec<&str> = hover.text.lines().take(4).collect();
                format!("{:?}: {}", document.slice(hover.place), text.join(" / "))
            }
            None => "nothing".to_owned(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn pages_and_their_lines() {
        check(
            "FROM a\nSTOP‸SIGNAL 3\n",
            &expect![[
                r#""STOPSIGNAL": # STOPSIGNAL /  / Says which signal asks the container's first process to end. / "#
            ]],
        );
        check(
            "FROM a\nCOPY --lin‸k a b\n",
            &expect![[
                r#""--link": `--link[=true]` — the copy does not depend on what is there before it. Kiln looks for that by itself, flag or not."#
            ]],
        );
        check(
            "FROM a\nCOPY --chmod=07‸55 a b\n",
            &expect![[
                r#""--chmod": `--chmod=0755` — permissions, in octal or as in `u=rwX,go=rX`; without it, those of the source."#
            ]],
        );
        check(
            "FROM a\nRUN --mount=type=cac‸he,target=/x y\n",
            &expect![[
                r#""cache": `type=cache` — a directory that later builds find again: of a compiler, of a package manager. It may be empty any time."#
            ]],
        );
        check(
            "FROM a\nRUN --mount=type=cache,ds‸t=/x y\n",
            &expect![[
                r#""dst": `target`, `dst`, `destination` — where it is in the command's files. A relative path is below the working directory."#
            ]],
        );
        check("FROM a\nNONE‸ x\n", &expect!["nothing"]);
        check(
            "# check=skip=FromAs‸Casing\nFROM a\n",
            &expect![[
                r#""FromAsCasing": **FromAsCasing** /  / `AS` should be written in the same case as its `FROM`"#
            ]],
        );
    }

    #[test]
    fn stages() {
        check(
            "# b builds\nFROM a AS b\nRUN x\nCOPY --from=‸b x y\n",
            &expect![[r#""b": Stage `b` (line 2), 2 instructions /  / ```dockerfile / FROM a AS b"#]],
        );
    }

    #[test]
    fn variables() {
        check(
            "# V is the version\nARG V=1\nFROM a:$‸V\n",
            &expect![[r#""V": `ARG V=1` (line 2) /  / V is the version"#]],
        );
        check(
            "ARG V=1\nFROM a\nARG V\nRUN $‸V\n",
            &expect![[r#""V": `ARG V` (line 3) /  / Its value is that of `ARG V=1` (line 1)"#]],
        );
        check(
            "FROM a:$TARGET‸ARCH\n",
            &expect![[r#""TARGETARCH": `TARGETARCH` — the architecture that the image is for: `arm64`."#]],
        );
        check(
            "FROM a\nARG TARGET‸ARCH\n",
            &expect![[
                r#""TARGETARCH": `ARG TARGETARCH` (line 2) /  / `TARGETARCH` — the architecture that the image is for: `arm64`."#
            ]],
        );
        check("FROM a\nRUN $‸HOME\n", &expect!["nothing"]);
    }
}

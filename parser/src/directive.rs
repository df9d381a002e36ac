//! Parser directives: `# name=value` before anything else. Does not know what a directive's value does, but for `escape`.
//!
//! The first line that is not a known directive, be it empty, a comment or an instruction, ends them.

use crate::ast::{Directive, DirectiveName, Escape};
use crate::diagnostic::{Diagnostic, Span};
use crate::lines::{Line, Lines};
use crate::text::Text;

/// Reads directives off the first lines.
#[derive(Debug, Default)]
pub(crate) struct Directives {
    pub found: Vec<Directive>,
    pub escape: Escape,
    done: bool,
}

impl Directives {
    /// Whether there can be no more.
    pub fn done(&self) -> bool {
        self.done
    }

    /// Looks at the next line, trimmed; true if it is a good directive.
    pub fn take(&mut self, line: &Text, span: Span, diagnostics: &mut Vec<Diagnostic>) -> bool {
        let Some((name, value)) = split(line, "#") else {
            self.done = true;
            return false;
        };
        if let Some(first) = self.found.iter().find(|d| d.name == name) {
            diagnostics.push(
                Diagnostic::error("DuplicateDirective", span, format!("a second `{}` directive", name.as_str()))
                    .with_label(first.span, "the first one is here")
                    .with_hint("remove one of the two"),
            );
            return false;
        }
        let value = line.part(value);
        if name == DirectiveName::Escape && !self.set_escape(&value) {
            diagnostics.push(
                Diagnostic::error("InvalidEscape", span, format!("`{value}` cannot be the escape character"))
                    .with_expected("`\\` or a backtick"),
            );
            return false;
        }
        self.found.push(Directive { name, value, span });
        true
    }

    fn set_escape(&mut self, value: &str) -> bool {
        self.escape = match value {
            "\\" => Escape::Backslash,
            "`" => Escape::Backtick,
            _ => return false,
        };
        true
    }
}

impl DirectiveName {
    pub fn as_str(self) -> &'static str {
        match self {
            DirectiveName::Syntax => "syntax",
            DirectiveName::Escape => "escape",
            DirectiveName::Check => "check",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [DirectiveName::Syntax, DirectiveName::Escape, DirectiveName::Check]
            .into_iter()
            .find(|known| name.eq_ignore_ascii_case(known.as_str()))
    }
}

/// The front end a file asks for, and the line (from 1) where it does.
///
/// Looked for as `# syntax=`, as `// syntax=`, and as the member of a JSON object, since the file may be in any
/// language; a shebang line is passed over. The value ends at its first space.
pub fn detect_syntax(file: &[u8]) -> Option<(String, u32)> {
    let text = String::from_utf8_lossy(file);
    let mut text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut skipped = 0;
    if text.starts_with("#!") {
        text = text.split_once('\n').map_or("", |(_, rest)| rest);
        skipped = 1;
    }
    ["#", "//"].into_iter().find_map(|comment| in_comments(text, comment, skipped)).or_else(|| {
        let object: serde_json::Value = serde_json::from_str(text).ok()?;
        Some((object.get("syntax")?.as_str()?.to_owned(), skipped + 1))
    })
}

/// The front end that a build asks for, if it is another than that of Dockerfiles: ours does its work all the same.
///
/// `build_arg` is `BUILDKIT_SYNTAX`, which goes before what the file says. The front end of Dockerfiles may come from any
/// registry, in any version and channel: `docker/dockerfile:1`, `mirror.example/dockerfile-upstream:master`.
pub fn other_front_end(file: &[u8], build_arg: Option<&str>) -> Option<String> {
    let asked = match build_arg.map(str::trim).filter(|asked| !asked.is_empty()) {
        Some(asked) => asked.split(' ').next().unwrap_or_default().to_owned(),
        None => detect_syntax(file)?.0,
    };
    let known = asked.parse::<oci::Reference>().is_ok_and(|image| {
        let name = image.repository().rsplit('/').next().unwrap_or_default();
        name == "dockerfile" || name.starts_with("dockerfile-")
    });
    (!known).then_some(asked)
}

fn in_comments(text: &str, comment: &str, skipped: u32) -> Option<(String, u32)> {
    let (value, line) = first(text, comment, DirectiveName::Syntax)?;
    Some((value.to_owned(), line.number + skipped))
}

/// The value of the directive `name`, up to its first space, and its line. What stands on a shebang line is passed over,
/// though it ends the directives of the text itself.
pub(crate) fn find(source: &str, name: DirectiveName) -> Option<(&str, Span)> {
    let text = source.strip_prefix('\u{feff}').unwrap_or(source);
    let (text, skipped) = match text.strip_prefix("#!") {
        Some(rest) => (rest.split_once('\n').map_or("", |(_, rest)| rest), 1),
        None => (text, 0),
    };
    let (value, line) = first(text, "#", name)?;
    let start = source.len() - text.len() + line.start;
    let number = line.number + skipped;
    let end = start + line.text().len();
    Some((value, Span { start: start as u32, end: end as u32, first_line: number, last_line: number }))
}

/// The value of the directive `name`, up to its first space, if `comment` is one.
pub(crate) fn value(comment: &str, name: DirectiveName) -> Option<&str> {
    let (found, value) = split(comment, "")?;
    (found == name).then(|| value.split(' ').next().unwrap_or(value))
}

fn first<'t>(text: &'t str, comment: &str, wanted: DirectiveName) -> Option<(&'t str, Line<'t>)> {
    let mut seen = Vec::new();
    for line in Lines::new(text) {
        let (name, value) = split(line.text(), comment)?;
        if seen.contains(&name) {
            return None;
        }
        if name == wanted {
            return Some((value.split(' ').next().unwrap_or(value), line));
        }
        seen.push(name);
    }
    None
}

/// `# name = value`, if the name is known.
fn split<'l>(line: &'l str, comment: &str) -> Option<(DirectiveName, &'l str)> {
    let (name, value) = line.strip_prefix(comment)?.trim_start().split_once('=')?;
    let name = DirectiveName::parse(name.trim_end_matches(BLANK))?;
    let trimmed = value.trim_matches(BLANK);
    if !trimmed.is_empty() {
        return Some((name, trimmed));
    }
    // A value of blanks alone is its last blank; no value at all is no directive.
    let last = value.char_indices().next_back()?.0;
    Some((name, &value[last..]))
}

const BLANK: [char; 5] = [' ', '\t', '\n', '\u{c}', '\r'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        assert_eq!(split("# escape=`", "#"), Some((DirectiveName::Escape, "`")));
        assert_eq!(split("#SYNTAX = a/b:c  ", "#"), Some((DirectiveName::Syntax, "a/b:c")));
        assert_eq!(split("# check=skip=all;error=true", "#"), Some((DirectiveName::Check, "skip=all;error=true")));
        assert_eq!(split("# other=x", "#"), None);
        assert_eq!(split("# escape=", "#"), None);
        assert_eq!(split("# escape=  ", "#"), Some((DirectiveName::Escape, " ")));
    }

    #[test]
    fn syntax_in_any_language() {
        let found = |text: &str| detect_syntax(text.as_bytes());
        assert_eq!(found("# syntax=a:1 b\nFROM x"), Some(("a:1".into(), 1)));
        assert_eq!(found("#!/usr/bin/x\n# syntax=a:1"), Some(("a:1".into(), 2)));
        assert_eq!(found("# escape=`\n# syntax = a"), Some(("a".into(), 2)));
        assert_eq!(found("// syntax=a"), Some(("a".into(), 1)));
        assert_eq!(found("{\"syntax\": \"a\", \"x\": 1}"), Some(("a".into(), 1)));
        assert_eq!(found("FROM x\n# syntax=a"), None);
        assert_eq!(found("\u{feff}# syntax=a"), Some(("a".into(), 1)));
    }

    #[test]
    fn front_ends_that_are_not_ours() {
        let asked = |file: &str, build_arg| other_front_end(file.as_bytes(), build_arg);
        for ours in ["docker/dockerfile", "docker/dockerfile:1.7-labs", "docker.io/docker/dockerfile-upstream:master"] {
            assert_eq!(asked(&format!("# syntax={ours}\nFROM a\n"), None), None, "{ours}");
        }
        assert_eq!(asked("FROM a\n", None), None);
        assert_eq!(asked("# syntax=team/mockerfile:1 x\n", None).as_deref(), Some("team/mockerfile:1"));
        assert_eq!(asked("# syntax=docker/dockerfile\n", Some("other x")).as_deref(), Some("other"));
        assert_eq!(asked("# syntax=other\n", Some("docker/dockerfile:1")), None);
    }
}

//! What stands at a place in a text, be the text right or not. Knows no stage and no variable's value.
//!
//! The instruction around the place is the tree's, if it parsed; else the lines behind the last instruction that did are
//! read until the place is reached. Its logical line is then cut into name, flags and words, as far as they are there.

use std::ops::Range;

use parser::Keyword;
use parser::instruction::MountKind;

use crate::document::{Document, bytes};
use crate::logical::Logical;

/// What kind of line a place is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// An empty line between instructions.
    Blank,
    Comment,
    /// A comment where directives may still stand.
    Directive,
    Heredoc,
    Instruction(Box<Line>),
}

/// An instruction, and where the place is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub logical: Logical,
    /// The place; all ranges here are of the logical line.
    pub at: usize,
    /// Of an `ONBUILD`, the instruction that it holds once the place is in that.
    pub keyword: Option<Keyword>,
    pub part: Part,
}

/// The part of an instruction that a place is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Keyword(Range<usize>),
    /// `--name`, as far as it is written.
    Flag(Range<usize>),
    FlagValue {
        flag: Range<usize>,
        value: Range<usize>,
    },
    /// A name among the options of a `--mount`.
    MountOption {
        kind: MountKind,
        name: Range<usize>,
    },
    MountValue {
        kind: MountKind,
        name: Range<usize>,
        value: Range<usize>,
    },
    /// A word behind the flags, and how many come before it.
    Argument {
        index: usize,
        word: Range<usize>,
    },
    /// The place is in a comment, or behind the line's text.
    Nothing,
}

const BLANK: [char; 5] = [' ', '\t', '\r', '\u{b}', '\u{c}'];

/// What stands at `offset`.
pub fn site(document: &Document, offset: usize) -> Site {
    let text = document.text();
    let offset = crate::position::floor(text, offset);
    let line_start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[offset..].find('\n').map_or(text.len(), |newline| offset + newline);
    let tree = &document.dockerfile().tree;
    let before = tree.nodes.partition_point(|node| bytes(node.span).start <= line_end);
    let node = tree.nodes[..before].last().map(|node| bytes(node.span));
    match node {
        Some(node) if node.end >= line_start => instruction(text, node.start, offset, tree.escape),
        _ => search(document, node.map_or(0, |node| node.end), offset),
    }
}

/// Reads lines from behind `from`, which ends an instruction, up to the one with `offset`.
fn search(document: &Document, from: usize, offset: usize) -> Site {
    let text = document.text();
    let mut at = if from == 0 { 0 } else { after_line(text, from) };
    while at <= offset {
        let line = &text[at..text[at..].find('\n').map_or(text.len(), |newline| at + newline)];
        let content = line.trim_start_matches('\u{feff}').trim_start();
        let end = at + line.len();
        if content.is_empty() || content.starts_with('#') {
            if offset <= end {
                return comment(document, content, at);
            }
            at = end + 1;
            continue;
        }
        let escape = document.dockerfile().tree.escape;
        let start = end - content.len();
        let logical = Logical::read(text, start, escape);
        if offset <= logical.end {
            return instruction(text, start, offset, escape);
        }
        at = after_line(text, logical.end);
    }
    Site::Blank
}

fn after_line(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len() + 1, |newline| from + newline + 1)
}

fn comment(document: &Document, content: &str, line_start: usize) -> Site {
    if content.is_empty() {
        return Site::Blank;
    }
    // Only directives may stand above a directive.
    let directives = &document.dockerfile().tree.directives;
    let above = document.lines().line(line_start);
    if above <= directives.len() { Site::Directive } else { Site::Comment }
}

fn instruction(text: &str, start: usize, offset: usize, escape: parser::ast::Escape) -> Site {
    let logical = Logical::read(text, start, escape);
    if offset > logical.end {
        return Site::Heredoc;
    }
    // In front of the name is as good as at its beginning.
    let Some(at) = logical.place(offset.max(start)) else {
        let line = Line { logical, at: 0, keyword: None, part: Part::Nothing };
        return Site::Instruction(Box::new(line));
    };
    let (keyword, part) = part_of(&logical.text, 0, at);
    Site::Instruction(Box::new(Line { logical, at, keyword, part }))
}

/// The instruction that begins at `from`, and the part of it with `at`.
fn part_of(text: &str, from: usize, at: usize) -> (Option<Keyword>, Part) {
    let name = from..word_end(text, from);
    let keyword = Keyword::parse(&text[name.clone()]);
    if at <= name.end {
        return (keyword, Part::Keyword(name));
    }
    let mut next = skip_blanks(text, name.end);
    if keyword == Some(Keyword::Onbuild) {
        return part_of(text, next.min(at), at);
    }
    for flag in flags(text, next) {
        if (flag.start..=flag.end).contains(&at) {
            return (keyword, flag_part(text, flag, at));
        }
        next = skip_blanks(text, flag.end);
    }
    (keyword, argument(text, next, at))
}

/// The words from `from` on that begin with `--`.
pub fn flags(text: &str, from: usize) -> Vec<Range<usize>> {
    let mut flags = Vec::new();
    let mut at = skip_blanks(text, from);
    while text[at..].starts_with("--") {
        let end = flag_end(text, at);
        if end - at == 2 {
            break;
        }
        flags.push(at..end);
        at = skip_blanks(text, end);
    }
    flags
}

/// A blank within quotes ends no flag.
fn flag_end(text: &str, from: usize) -> usize {
    let mut quote = None;
    for (at, c) in text[from..].char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if BLANK.contains(&c) => return from + at,
            Some(_) | None => {}
        }
    }
    text.len()
}

fn flag_part(text: &str, flag: Range<usize>, at: usize) -> Part {
    let Some(equals) = text[flag.clone()].find('=').map(|equals| flag.start + equals) else { return Part::Flag(flag) };
    let name = flag.start..equals;
    if at <= equals {
        return Part::Flag(name);
    }
    let value = equals + 1..flag.end;
    if &text[name.clone()] == "--mount" { mount_part(text, value, at) } else { Part::FlagValue { flag: name, value } }
}

fn mount_part(text: &str, value: Range<usize>, at: usize) -> Part {
    let fields = fields(text, value.clone());
    let kind = fields.iter().find_map(|field| {
        let (name, value) = text[field.clone()].split_once('=')?;
        MountKind::ALL.into_iter().find(|kind| name.eq_ignore_ascii_case("type") && value == kind.as_str())
    });
    let kind = kind.unwrap_or_default();
    let field = fields.into_iter().find(|field| at <= field.end).unwrap_or(value.end..value.end);
    match text[field.clone()].find('=').map(|equals| field.start + equals) {
        Some(equals) if at > equals => {
            Part::MountValue { kind, name: field.start..equals, value: equals + 1..field.end }
        }
        Some(equals) => Part::MountOption { kind, name: field.start..equals },
        None => Part::MountOption { kind, name: field },
    }
}

/// What commas separate.
pub fn fields(text: &str, value: Range<usize>) -> Vec<Range<usize>> {
    let mut fields = Vec::new();
    let mut start = value.start;
    for (comma, _) in text[value.clone()].match_indices(',') {
        fields.push(start..value.start + comma);
        start = value.start + comma + 1;
    }
    fields.push(start..value.end);
    fields
}

fn argument(text: &str, from: usize, at: usize) -> Part {
    let words = words(text, from);
    let index = words.iter().take_while(|word| word.end < at).count();
    let word = words.get(index).filter(|word| word.start <= at).cloned().unwrap_or(at..at);
    if index == 0 && text[word.clone()].starts_with('-') && word.len() < 3 {
        return Part::Flag(word);
    }
    Part::Argument { index, word }
}

/// The words from `from` on, quotes meaning nothing.
pub fn words(text: &str, from: usize) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut at = skip_blanks(text, from);
    while at < text.len() {
        let end = word_end(text, at);
        words.push(at..end);
        at = skip_blanks(text, end);
    }
    words
}

fn word_end(text: &str, from: usize) -> usize {
    text[from..].find(BLANK).map_or(text.len(), |blank| from + blank)
}

fn skip_blanks(text: &str, from: usize) -> usize {
    text.len() - text[from..].trim_start_matches(BLANK).len()
}

/// The name of the variable that `at` is in or behind: of `$name` and of `${name…`, as far as it is written.
pub fn variable(text: &str, at: usize) -> Option<Range<usize>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let start = text[..at].trim_end_matches(is_name).len();
    let before = &text[..start];
    let dollar = before.strip_suffix('{').unwrap_or(before).strip_suffix('$')?;
    // `\$` is no reference; `$$` is one to something else.
    if dollar.ends_with(['\\', '`', '$']) {
        return None;
    }
    let behind = &text[at..];
    Some(start..at + behind.len() - behind.trim_start_matches(is_name).len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::at_cursor;
    use expect_test::{Expect, expect};

    fn check(marked: &str, expected: &Expect) {
        let (document, at) = at_cursor(marked);
        let shown = match site(&document, at) {
            Site::Instruction(line) => {
                let text = &line.logical.text;
                let keyword = line.keyword.map_or("?", Keyword::as_str);
                let part = match &line.part {
                    Part::Keyword(range) => format!("name {:?}", &text[range.clone()]),
                    Part::Flag(range) => format!("flag {:?}", &text[range.clone()]),
                    Part::FlagValue { flag, value } => {
                        format!("value {:?} of {:?}", &text[value.clone()], &text[flag.clone()])
                    }
                    Part::MountOption { kind, name } => {
                        format!("option {:?} of a {}", &text[name.clone()], kind.as_str())
                    }
                    Part::MountValue { kind, name, value } => {
                        format!("value {:?} of {:?} of a {}", &text[value.clone()], &text[name.clone()], kind.as_str())
                    }
                    Part::Argument { index, word } => format!("argument {index} {:?}", &text[word.clone()]),
                    Part::Nothing => "nothing".to_owned(),
                };
                format!("{keyword}: {part}")
            }
            other => format!("{other:?}"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn parts() {
        check("FRO‸", &expect!["?: name \"FRO\""]);
        check("  ‸FROM a", &expect!["FROM: name \"FROM\""]);
        check("FROM a\nCOPY --fr‸", &expect!["COPY: flag \"--fr\""]);
        check("FROM a\nCOPY -‸", &expect!["COPY: flag \"-\""]);
        check("FROM a\nCOPY --‸", &expect!["COPY: flag \"--\""]);
        check("FROM a\nCOPY --from=b‸c --link x y", &expect!["COPY: value \"bc\" of \"--from\""]);
        check("FROM a\nCOPY \\\n  --from=‸ \\\n x y", &expect!["COPY: value \"\" of \"--from\""]);
        check("FROM a\nCOPY --from=b x ‸", &expect!["COPY: argument 1 \"\""]);
        check("FROM a A‸", &expect!["FROM: argument 1 \"A\""]);
        check("FROM a\nRUN --mount=‸", &expect!["RUN: option \"\" of a bind"]);
        check("FROM a\nRUN --mount=type=ca‸", &expect!["RUN: value \"ca\" of \"type\" of a bind"]);
        check("FROM a\nRUN --mount=type=cache,ta‸", &expect!["RUN: option \"ta\" of a cache"]);
        check("FROM a\nRUN --mount=sharing=‸,type=cache", &expect!["RUN: value \"\" of \"sharing\" of a cache"]);
        check("FROM a\nONBUILD COP‸", &expect!["?: name \"COP\""]);
        check("FROM a\nONBUILD COPY --fr‸", &expect!["COPY: flag \"--fr\""]);
        check("FROM a\nONBUILD ‸", &expect!["?: name \"\""]);
        check("FROM a\nRUN a \\\n# no‸\n b", &expect!["?: nothing"]);
    }

    #[test]
    fn lines() {
        check("# syn‸", &expect!["Directive"]);
        check("# escape=`\n# che‸\nFROM a", &expect!["Directive"]);
        check("# hello\n# che‸\nFROM a", &expect!["Comment"]);
        check("FROM a\n# x‸", &expect!["Comment"]);
        check("FROM a\n‸", &expect!["Blank"]);
        check("‸", &expect!["Blank"]);
        check("FROM a\nRUN <<E\nx‸\nE\n", &expect!["Heredoc"]);
        check("FROM a\nENV x\nENV y\nUSE‸R\n", &expect!["USER: name \"USER\""]);
    }

    #[test]
    fn variables() {
        let name = |marked: &str| {
            let at = marked.find('‸').expect("the text has a cursor");
            let text = marked.replacen('‸', "", 1);
            variable(&text, at).map(|range| text[range].to_owned())
        };
        assert_eq!(name("a $‸"), Some(String::new()));
        assert_eq!(name("a ${FO‸O:-x}"), Some("FOO".into()));
        assert_eq!(name("a $FOO‸/x"), Some("FOO".into()));
        assert_eq!(name("a \\$FOO‸"), None);
        assert_eq!(name("a FOO‸"), None);
    }
}

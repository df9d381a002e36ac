//! What a document consists of, for outlines and for folding: stages, their instructions, here-documents.

use std::ops::Range;

use parser::Keyword;
use parser::instruction::{Command, Instruction};

use crate::document::{Document, bytes};

/// An entry of the outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: EntryKind,
    pub name: String,
    /// What follows the name in its line.
    pub detail: String,
    pub whole: Range<usize>,
    /// What to select.
    pub head: Range<usize>,
    pub children: Vec<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    Stage,
    Variable,
    Instruction,
}

const MAX_DETAIL: usize = 80;

/// A list of more is of no use to anybody, and costs an editor a lot.
const MAX_ENTRIES: usize = 20_000;

/// The global `ARG`s and the stages, with their instructions below them.
pub fn outline(document: &Document) -> Vec<Entry> {
    let file = document.dockerfile();
    let globals = file.meta_args.iter().map(|arg| entry(Keyword::Arg, &arg.head));
    let stages = file.stages.iter().zip(&document.index().stages).enumerate().map(|(at, (stage, place))| Entry {
        kind: EntryKind::Stage,
        name: stage.name.as_deref().map_or_else(|| format!("stage {at}"), str::to_owned),
        detail: shortened(&stage.head.source),
        whole: place.whole.clone(),
        head: place.head.clone(),
        children: stage.commands.iter().take(MAX_ENTRIES / file.stages.len().max(1)).map(instruction).collect(),
    });
    globals.chain(stages).take(MAX_ENTRIES).collect()
}

fn instruction(command: &Command) -> Entry {
    entry(command.instruction.keyword(), &command.head)
}

fn entry(keyword: Keyword, head: &parser::instruction::Head) -> Entry {
    let rest = head.source.get(head.keyword.len()..).unwrap_or_default();
    let place = bytes(head.span);
    Entry {
        kind: if matches!(keyword, Keyword::Arg | Keyword::Env) { EntryKind::Variable } else { EntryKind::Instruction },
        name: keyword.as_str().to_owned(),
        detail: shortened(rest),
        head: place.start..(place.start + head.keyword.len()).min(place.end),
        whole: place,
        children: Vec::new(),
    }
}

fn shortened(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    match text.char_indices().nth(MAX_DETAIL) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What can be folded away: from a line to a later one.
pub fn folds(document: &Document) -> Vec<Range<usize>> {
    let file = document.dockerfile();
    let stages = document.index().stages.iter().map(|stage| stage.whole.clone());
    let nodes = file.tree.nodes.iter().map(|node| bytes(node.span));
    // A here-document's text begins behind the line, or lines, that it is named in.
    let documents =
        file.stages.iter().flat_map(|stage| &stage.commands).filter_map(|command| heredocs(document, command));
    let spans_lines = |fold: &Range<usize>| document.lines().line(fold.start) < document.lines().line(fold.end);
    let mut folds: Vec<Range<usize>> = stages.chain(nodes).chain(documents).filter(spans_lines).collect();
    folds.sort_by_key(|fold| (fold.start, std::cmp::Reverse(fold.end)));
    // One fold for each line that one begins on is all that editors show.
    folds.dedup_by_key(|fold| document.lines().line(fold.start));
    folds.truncate(MAX_ENTRIES);
    folds
}

fn heredocs(document: &Document, command: &Command) -> Option<Range<usize>> {
    let node = &document.dockerfile().tree.nodes[command.head.node];
    let is_script = matches!(command.instruction, Instruction::Run(_) | Instruction::Copy(_) | Instruction::Add(_));
    if node.heredocs.is_empty() || !is_script {
        return None;
    }
    let place = bytes(node.span);
    let logical = crate::logical::Logical::read(document.text(), place.start, document.dockerfile().tree.escape);
    Some(logical.end..place.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encoding;
    use expect_test::expect;

    const TEXT: &str =
        "ARG V=1\n# a comment\nFROM a:$V AS b\nRUN x \\\n  y\n\nFROM c\nCOPY \\\n <<E /x\nhello\nE\nCMD z\n";

    #[test]
    fn stages_and_instructions() {
        let document = Document::new(TEXT, Encoding::Utf16);
        let mut shown = String::new();
        for entry in outline(&document) {
            shown +=
                &format!("{:?} {} | {} | {:?}\n", entry.kind, entry.name, entry.detail, document.slice(entry.head));
            for child in entry.children {
                shown += &format!("  {:?} {} | {}\n", child.kind, child.name, child.detail);
            }
        }
        expect![[r#"
            Variable ARG | V=1 | "ARG"
            Stage b | FROM a:$V AS b | "FROM a:$V AS b"
              Instruction RUN | x y
            Stage stage 1 | FROM c | "FROM c"
              Instruction COPY | <<E /x
              Instruction CMD | z
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn what_spans_lines_can_be_folded() {
        let document = Document::new(TEXT, Encoding::Utf16);
        let lines = |fold: &Range<usize>| (document.lines().line(fold.start) + 1, document.lines().line(fold.end) + 1);
        let folds: Vec<_> = folds(&document).iter().map(lines).collect();
        assert_eq!(folds, [(3, 5), (4, 5), (7, 12), (8, 11), (9, 11)]);
    }
}

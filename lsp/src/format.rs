//! A document in its usual form: instructions in capitals and without a margin, no blanks at the ends of lines, one newline
//! at the end. Continuation lines keep their indent, here-documents their text.
//!
//! The edits are made on the text, and then judged: if the result does not parse to the same tree and the same instructions,
//! there are none. So a case that was not thought of leaves the file as it is.

use std::ops::Range;

use parser::instruction::{Command, Head};
use parser::{Dockerfile, Keyword, Node, Text};

use crate::cursor;
use crate::document::{Document, bytes};
use crate::logical::Logical;

/// What to put in the place of what.
pub type Edit = (Range<usize>, String);

/// The edits that bring a document into form; none if it has errors. In the order of their places.
pub fn format(document: &Document) -> Vec<Edit> {
    let file = document.dockerfile();
    if file.has_errors() {
        return Vec::new();
    }
    let mut edits = blanks(document);
    for node in &file.tree.nodes {
        margin(document, node, &mut edits);
        names(document, node, &mut edits);
    }
    if let Some(end) = end(document) {
        edits.retain(|(place, _)| place.start < end.0.start);
        edits.push(end);
    }
    edits.sort_by_key(|(place, _)| place.start);
    edits.retain(|(place, text)| document.slice(place.clone()) != text);
    if means_the_same(file, &parser::parse(applied(document, &edits).as_bytes())) { edits } else { Vec::new() }
}

/// The text with `edits`, which are in order and do not overlap.
pub fn applied(document: &Document, edits: &[Edit]) -> String {
    let mut text = String::with_capacity(document.text().len());
    let mut at = 0;
    for (place, new) in edits {
        text += document.slice(at..place.start);
        text += new;
        at = place.end;
    }
    text + document.slice(at..document.text().len())
}

/// Blanks at the ends of lines, except in here-documents and directives.
fn blanks(document: &Document) -> Vec<Edit> {
    let file = document.dockerfile();
    let mut kept: Vec<Range<usize>> = file.tree.directives.iter().map(|directive| bytes(directive.span)).collect();
    let escape = file.tree.escape;
    for node in file.tree.nodes.iter().filter(|node| !node.heredocs.is_empty()) {
        let place = bytes(node.span);
        kept.push(Logical::read(document.text(), place.start, escape).end + 1..place.end);
    }
    let mut kept = kept.into_iter().peekable();
    let mut edits = Vec::new();
    let mut at = 0;
    for line in document.text().split_inclusive('\n') {
        let content = line.trim_end_matches(['\r', '\n']);
        let range = at..at + content.len();
        at += line.len();
        while kept.next_if(|kept| kept.end < range.start).is_some() {}
        if kept.peek().is_some_and(|kept| kept.start <= range.end) {
            continue;
        }
        let trimmed = content.trim_end_matches([' ', '\t']).len();
        if trimmed < content.len() {
            edits.push((range.start + trimmed..range.end, String::new()));
        }
    }
    edits
}

/// What stands in front of an instruction's name.
fn margin(document: &Document, node: &Node, edits: &mut Vec<Edit>) {
    let start = bytes(node.span).start;
    let before = &document.text()[..start];
    let margin = before.len() - before.trim_end_matches([' ', '\t']).len();
    if margin > 0 {
        edits.push((start - margin..start, String::new()));
    }
}

/// The names of an instruction, of what its `ONBUILD` holds, and the `AS` of a `FROM`.
fn names(document: &Document, node: &Node, edits: &mut Vec<Edit>) {
    let logical = Logical::read(document.text(), bytes(node.span).start, document.dockerfile().tree.escape);
    let mut words = cursor::words(&logical.text, 0).into_iter();
    let mut put = |word: Range<usize>| {
        let place = logical.range(word.clone());
        // A name that is continued on the next line stays.
        if document.slice(place.clone()) == &logical.text[word.clone()] {
            edits.push((place, logical.text[word].to_ascii_uppercase()));
        }
    };
    let mut keyword = None;
    for word in words.by_ref() {
        keyword = Keyword::parse(&logical.text[word.clone()]);
        put(word);
        if keyword != Some(Keyword::Onbuild) {
            break;
        }
    }
    if keyword == Some(Keyword::From)
        && let Some(word) = words.rev().nth(1).filter(|word| logical.text[word.clone()].eq_ignore_ascii_case("as"))
    {
        put(word);
    }
}

/// One newline at the end, of the kind that the file has.
fn end(document: &Document) -> Option<Edit> {
    let text = document.text();
    let content = text.trim_end_matches([' ', '\t', '\r', '\n']).len();
    if content == 0 {
        return None;
    }
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    Some((content..text.len(), newline.to_owned()))
}

/// Whether two files are the same tree, and the same instructions but for the case of their names.
pub fn means_the_same(a: &Dockerfile, b: &Dockerfile) -> bool {
    let same_doc = |a: &Node, b: &Node| a.comments == b.comments && same(a, b);
    a.tree.escape == b.tree.escape
        && a.tree.directives.len() == b.tree.directives.len()
        && a.tree.directives.iter().zip(&b.tree.directives).all(|(a, b)| (a.name, &a.value) == (b.name, &b.value))
        && a.tree.nodes.len() == b.tree.nodes.len()
        && a.tree.nodes.iter().zip(&b.tree.nodes).all(|(a, b)| same_doc(a, b))
        && bare(a) == bare(b)
}

/// Whether two nodes differ in nothing but the case of names and the blanks around.
fn same(a: &Node, b: &Node) -> bool {
    let args = match (&a.args, &b.args) {
        (parser::ast::Args::Trigger(a), parser::ast::Args::Trigger(b)) => same(a, b),
        (a, b) => a == b || a_from(a, b),
    };
    a.keyword.eq_ignore_ascii_case(&b.keyword)
        && a.flags == b.flags
        && args
        && a.heredocs == b.heredocs
        && a.original.trim().eq_ignore_ascii_case(b.original.trim())
}

/// Whether two lists of words differ in the case of an `AS` alone.
fn a_from(a: &parser::ast::Args, b: &parser::ast::Args) -> bool {
    let (parser::ast::Args::Words(a), parser::ast::Args::Words(b)) = (a, b) else { return false };
    let is_as = |a: &Text, b: &Text| a.eq_ignore_ascii_case("as") && b.eq_ignore_ascii_case("as");
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || is_as(a, b))
}

/// The instructions without what tells how and where they are written.
fn bare(file: &Dockerfile) -> (Vec<Command<parser::instruction::Arg>>, Vec<parser::Stage>) {
    let head = |node: usize| Head { keyword: Text::default(), source: Text::default(), span: Default::default(), node };
    let mut args = file.meta_args.clone();
    args.iter_mut().for_each(|arg| arg.head = head(arg.head.node));
    let mut stages = file.stages.clone();
    for stage in &mut stages {
        stage.head = head(stage.head.node);
        for command in &mut stage.commands {
            command.head = head(command.head.node);
            // The text of a trigger is compared as a node.
            if let parser::Instruction::Onbuild(onbuild) = &mut command.instruction {
                onbuild.expression = onbuild.expression.to_ascii_uppercase().into();
            }
        }
    }
    (args, stages)
}

#[cfg(test)]
mod tests;

//! The syntax tree: node by node, and in the text form of BuildKit's dump.

use parser::ast::{Args, Heredoc, Node, Tree};
use parser::{Diagnostic, Dockerfile, Text};
use serde_json::{Map, Value, json};

use crate::verdict::Case;

/// Errors that leave no tree in BuildKit; all others leave no instructions.
const NO_TREE: [&str; 10] = [
    "DuplicateDirective",
    "InvalidEscape",
    "NoValue",
    "NoEquals",
    "NotStrings",
    "InvalidHeredoc",
    "UnterminatedHeredoc",
    "NoInstructions",
    "LineTooLong",
    "FileTooLarge",
];

/// Whether what is wrong leaves no tree.
pub(super) fn leaves_none(error: &Diagnostic) -> bool {
    NO_TREE.contains(&error.code.0)
}

pub(super) fn compare(case: &mut Case, row: &Value, text: &[u8], file: &Dockerfile) {
    let Some(verdict) = row.get("parse") else { return };
    let errors: Vec<&Diagnostic> = super::errors(file).filter(|error| leaves_none(error)).collect();
    if !super::accepted(case, ["parse.ok", "parse.err_lines"], verdict, &errors) {
        return;
    }
    if let Some(escape) = verdict.get("escape") {
        case.values("parse.escape", escape, &json!(file.tree.escape.char().to_string()));
    }
    let syntax = parser::detect_syntax(text).map(|(syntax, _)| syntax);
    case.values("parse.syntax", &verdict["syntax"], &json!(syntax));
    if let Some(dump) = row.get("dump") {
        case.values("dump", dump, &json!(file.tree.dump()));
    }
    if let Some(nodes) = row.get("ast") {
        let ours = tree(&file.tree);
        let differs = |pair: &(&Value, &Value)| pair.0 != pair.1;
        let first = nodes.as_array().into_iter().flatten().zip(ours.as_array().into_iter().flatten()).find(differs);
        case.line = first.map_or(1, |(_, ours)| ours["start"].as_u64().unwrap_or(1));
        case.values("ast", nodes, &ours);
        case.line = 1;
    }
}

fn tree(tree: &Tree) -> Value {
    let nodes = tree.nodes.iter().map(|node| {
        let mut value = self::node(node);
        value.insert("start".into(), json!(node.span.first_line));
        value.insert("end".into(), json!(node.span.last_line));
        value
    });
    json!(nodes.collect::<Vec<_>>())
}

fn node(node: &Node) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("value".into(), json!(&*node.keyword));
    out.insert("original".into(), json!(&*node.original));
    let words = node.words();
    if !words.is_empty() {
        out.insert("args".into(), json!(words));
    }
    if node.is_json() {
        out.insert("attrs".into(), json!({"json": true}));
    }
    if !node.flags.is_empty() {
        out.insert("flags".into(), texts(&node.flags));
    }
    if !node.comments.is_empty() {
        out.insert("prev_comment".into(), texts(&node.comments));
    }
    if let Args::Trigger(inner) = &node.args {
        out.insert("children".into(), json!([self::node(inner)]));
    }
    if !node.heredocs.is_empty() {
        let heredoc = |h: &Heredoc| {
            json!({"Name": &*h.name, "FileDescriptor": h.file_descriptor, "Expand": h.expand, "Chomp": h.chomp,
                "Content": &*h.content})
        };
        out.insert("heredocs".into(), node.heredocs.iter().map(heredoc).collect());
    }
    out
}

fn texts(texts: &[Text]) -> Value {
    texts.iter().map(|text| json!(&**text)).collect()
}

//! A drawing in Graphviz' language (<https://graphviz.org/doc/info/lang.html>): stages as clusters.

use std::fmt::Write as _;

use super::drawing::{Drawing, Edge, EdgeKind, Node, NodeId, State};
use super::summary::Summary;
use super::words::{fitted, lines, one_line};
use crate::progress::{bytes, seconds};

/// As wide as a box may be, in letters.
const TITLE: usize = 48;

pub fn dot(drawing: &Drawing) -> String {
    let summary = Summary::of(drawing);
    let mut out = String::from(
        "digraph build {\n  rankdir=LR\n  node [shape=box style=\"rounded,filled\" fontname=monospace fontsize=10]\n  \
         edge [fontname=monospace fontsize=9]\n",
    );
    let _ = writeln!(out, "  label={}", quoted(&one_line(&format!("{} · {}", drawing.dockerfile, summary.counts()))));
    let (groups, others) = drawing.by_group();
    for id in others {
        let _ = writeln!(out, "  {}", node(drawing, id));
    }
    for (at, (group, nodes)) in drawing.groups.iter().zip(&groups).enumerate() {
        let _ = writeln!(out, "  subgraph cluster_{at} {{\n    label={}", quoted(&one_line(&group.name)));
        for id in nodes {
            let _ = writeln!(out, "    {}", node(drawing, *id));
        }
        out += "  }\n";
    }
    for each in &drawing.edges {
        let _ = writeln!(out, "  {}", edge(each, summary.runs_along(each)));
    }
    out + "}\n"
}

fn node(drawing: &Drawing, id: NodeId) -> String {
    let node = drawing.node(id);
    let tip = if node.instruction.is_empty() { &node.name } else { &node.instruction };
    let label = format!("{}\n{}", fitted(&node.title, TITLE), facts(node));
    let tip = quoted(&lines(tip));
    format!("n{} [label={} tooltip={tip} {}]", id.0, quoted(&label), colours(&node.state))
}

/// `2/5 · cached · 1.2s · 30kB`
fn facts(node: &Node) -> String {
    let step = node.step.clone();
    let state = Some(node.state.label().to_owned());
    let facts = [step, state, node.took.map(seconds), node.size.map(bytes)];
    facts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn colours(state: &State) -> &'static str {
    match state {
        State::Here => "fillcolor=\"#f6f8fa\"",
        State::Absent => "fillcolor=\"#f6f8fa\" style=\"rounded,filled,dashed\"",
        State::Cached => "fillcolor=\"#dafbe1\"",
        State::WillRun => "fillcolor=\"#ddf4ff\"",
        State::Unknown => "fillcolor=\"#eaeef2\" style=\"rounded,filled,dashed\"",
        State::Fails(_) => "fillcolor=\"#ffebe9\"",
    }
}

fn edge(edge: &Edge, is_slowest: bool) -> String {
    let style = match edge.kind {
        EdgeKind::Base => "style=solid",
        EdgeKind::Copy => "style=solid label=copy arrowhead=empty",
        EdgeKind::Mount => "style=dashed label=mount",
    };
    let hot = if is_slowest { " color=\"#bc4c00\" penwidth=2" } else { "" };
    format!("n{} -> n{} [{style}{hot}]", edge.from.0, edge.to.0)
}

/// A string of the language. Line ends are its `\n`; nothing else is special in one but quotes and backslashes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

//! A drawing as text: its stages, step after step, in a hundred columns.
//!
//! A step stands on the one above it. What else goes into it follows on lines of their own, so that every edge is told
//! once: by the order, or by such a line.

use std::fmt::Write as _;

use super::drawing::{Drawing, Edge, EdgeKind, Node, NodeId, State};
use super::summary::Summary;
use super::words::{fitted, one_line, padded, shortened, width};
use crate::progress::{bytes, seconds};

const COLUMNS: usize = 100;
/// What stands after a name: state, time and size, with blanks between.
const FIGURES: usize = 10 + 9 + 8;
const NAME: usize = COLUMNS - FIGURES - 2;

/// `drawing` for a terminal or a log.
pub fn text(drawing: &Drawing) -> String {
    let summary = Summary::of(drawing);
    let (groups, others) = drawing.by_group();
    let inputs = drawing.inputs();
    let writer = Writer { drawing, inputs: &inputs, summary: &summary };
    let mut text = String::new();
    if !others.is_empty() {
        writer.group(&mut text, "sources", &others);
    }
    for (group, nodes) in drawing.groups.iter().zip(&groups) {
        let name = if group.name.is_empty() { "stage" } else { &group.name };
        writer.group(&mut text, name, nodes);
    }
    let _ = writeln!(text, "{}", summary.counts());
    if let Some(times) = summary.times() {
        let _ = writeln!(text, "{times} (* marks it)");
    }
    if summary.absent > 0 {
        let _ = writeln!(text, "a build asks registries for images that are not here; with `--pull` this command does");
    }
    text
}

struct Writer<'a> {
    drawing: &'a Drawing,
    inputs: &'a [Vec<Edge>],
    summary: &'a Summary,
}

impl Writer<'_> {
    fn group(&self, text: &mut String, name: &str, nodes: &[NodeId]) {
        let _ = writeln!(text, "{name}");
        let mut above = None;
        for id in nodes {
            self.node(text, *id, above);
            above = Some(*id);
        }
        text.push('\n');
    }

    fn node(&self, text: &mut String, id: NodeId, above: Option<NodeId>) {
        let node = self.drawing.node(id);
        let mark = if self.summary.is_slow(id) { '*' } else { ' ' };
        let figures = figures(node);
        // A name may reach as far as there are no figures.
        let room = if figures.is_empty() { COLUMNS - 2 } else { NAME };
        let line = format!("{mark} {}{figures}", padded(&name(node, room), NAME));
        let _ = writeln!(text, "{}", line.trim_end());
        if let State::Fails(message) = &node.state {
            let _ = writeln!(text, "      {}", shortened(&one_line(message), COLUMNS - 6));
        }
        for edge in &self.inputs[id.0] {
            let is_told = edge.kind == EdgeKind::Base && Some(edge.from) == above;
            if !is_told {
                let from = name(self.drawing.node(edge.from), NAME - 14);
                let _ = writeln!(text, "      ← {:<5} {from}", edge.kind.word());
            }
        }
    }
}

/// `[build 2/5] RUN npm ci`, on as many columns.
fn name(node: &Node, columns: usize) -> String {
    match &node.step {
        Some(step) => {
            let step = format!("[{}] ", shortened(step, columns / 2));
            format!("{step}{}", fitted(&node.title, columns - width(&step)))
        }
        None => fitted(&node.title, columns),
    }
}

fn figures(node: &Node) -> String {
    let took = node.took.map(seconds).unwrap_or_default();
    let size = node.size.map(bytes).unwrap_or_default();
    format!("  {:<8}{took:>9}{size:>8}", node.state.label()).trim_end().to_owned()
}

//! A drawing as a picture: SVG that stands alone, in a reader's light or dark colours. Knows not where things stand
//! ([`super::layout`]).
//!
//! Whatever a Dockerfile says is text of others: [`escaped`] is the only way in.

use std::fmt::Write as _;
use std::time::Duration;

use super::drawing::{Drawing, Edge, EdgeKind, Node, NodeId, State};
use super::layout::{CARD, Frame, Layout, Route, layout};
use super::summary::Summary;
use super::words::{fitted, lines, one_line, shortened};
use crate::progress::{bytes, seconds};

const STYLE: &str = include_str!("svg/style.css");
const MARGIN: i32 = 28;
/// What stands above the picture.
const HEAD: i32 = 84;
const LEGEND: i32 = 44;
/// Room for the head and the legend.
const LEAST_WIDTH: i32 = 640;
/// How many letters a card has room for.
const TITLE: usize = 44;

/// `drawing` as a file of its own.
pub fn svg(drawing: &Drawing) -> String {
    let (layout, summary) = (layout(drawing), Summary::of(drawing));
    let longest = drawing.nodes.iter().filter_map(|node| node.took).max().unwrap_or_default();
    let picture = Picture { drawing, layout: &layout, summary: &summary, longest };
    let width = layout.size.0.max(LEAST_WIDTH) + 2 * MARGIN;
    let height = HEAD + layout.size.1 + LEGEND + MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"group\" aria-labelledby=\"head\">\n<style>\n{STYLE}</style>\n"
    );
    picture.arrows(&mut out);
    let _ = writeln!(out, "<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>");
    picture.head(&mut out);
    let _ = writeln!(out, "<g transform=\"translate({MARGIN} {HEAD})\">");
    layout.frames.iter().for_each(|frame| picture.frame(&mut out, frame));
    // The slowest path is drawn over the others.
    let routes = || drawing.edges.iter().zip(&layout.routes);
    routes().filter(|(edge, _)| !picture.is_slow(edge)).for_each(|(edge, route)| picture.edge(&mut out, edge, route));
    routes().filter(|(edge, _)| picture.is_slow(edge)).for_each(|(edge, route)| picture.edge(&mut out, edge, route));
    out += "<g role=\"list\" aria-label=\"steps\">\n";
    drawing.ids().for_each(|id| picture.card(&mut out, id));
    out += "</g>\n</g>\n";
    picture.legend(&mut out, HEAD + layout.size.1 + LEGEND);
    out + "</svg>\n"
}

/// `text` as it may stand in XML, between tags and in attributes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for char in lines(text).chars() {
        match char {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            char => out.push(char),
        }
    }
    out
}

struct Picture<'a> {
    drawing: &'a Drawing,
    layout: &'a Layout,
    summary: &'a Summary,
    /// Of the times of all nodes.
    longest: Duration,
}

impl Picture<'_> {
    fn is_slow(&self, edge: &Edge) -> bool {
        self.summary.runs_along(edge)
    }

    fn arrows(&self, out: &mut String) {
        *out += "<defs>\n";
        for name in ["arrow", "slow-arrow"] {
            let _ = writeln!(
                out,
                "<marker id=\"{name}\" class=\"{name}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" \
                 markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z\"/></marker>"
            );
        }
        *out += "</defs>\n";
    }

    fn head(&self, out: &mut String) {
        let name = escaped(&shortened(&one_line(&self.drawing.dockerfile), 70));
        let _ = writeln!(out, "<text class=\"head\" id=\"head\" x=\"{MARGIN}\" y=\"38\">{name}</text>");
        let counts = escaped(&self.summary.counts());
        let _ = write!(out, "<text class=\"facts\" x=\"{MARGIN}\" y=\"60\">{counts}");
        if let Some(times) = self.summary.times() {
            let _ = write!(out, " · <tspan class=\"slow\">{}</tspan>", escaped(&times));
        }
        *out += "</text>\n";
    }

    fn frame(&self, out: &mut String, frame: &Frame) {
        let name = match self.drawing.groups.get(frame.group.0) {
            Some(group) if !group.name.is_empty() => shortened(&group.name, TITLE),
            Some(_) | None => "stage".to_owned(),
        };
        let ((x, y), (width, height)) = (frame.corner, frame.size);
        let _ = writeln!(
            out,
            "<rect class=\"stage\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"10\"/>\
             <text class=\"name\" x=\"{}\" y=\"{}\">{}</text>",
            x + 16,
            y + 21,
            escaped(&name)
        );
    }

    fn edge(&self, out: &mut String, edge: &Edge, route: &Route) {
        let kind = edge.kind.word();
        let (slow, arrow) = if self.is_slow(edge) { (" slow", "slow-arrow") } else { ("", "arrow") };
        let _ = writeln!(
            out,
            "<path class=\"edge {kind}{slow}\" data-from=\"{}\" data-to=\"{}\" d=\"{}\" marker-end=\"url(#{arrow})\"/>",
            edge.from.0,
            edge.to.0,
            path(route)
        );
    }

    fn card(&self, out: &mut String, id: NodeId) {
        let node = self.drawing.node(id);
        let (x, y) = self.layout.cards[id.0];
        let slow = if self.summary.is_slow(id) { " slow" } else { "" };
        let target = if node.is_target { " target" } else { "" };
        let title = escaped(&told(node));
        let _ = write!(
            out,
            "<g class=\"card {}{slow}{target}\" data-node=\"{}\" transform=\"translate({x} {y})\" tabindex=\"0\" \
             role=\"listitem\" aria-label=\"{title}\"><title>{title}</title>\
             <rect class=\"face\" width=\"{}\" height=\"{}\" rx=\"7\"/>",
            node.state.word(),
            id.0,
            CARD.0,
            CARD.1
        );
        if let Some(width) = node.took.and_then(|took| self.bar(took)) {
            let _ = write!(out, "<rect class=\"bar\" x=\"12\" y=\"{}\" width=\"{width}\" height=\"3\"/>", CARD.1 - 5);
        }
        let _ = writeln!(
            out,
            "<text class=\"title\" x=\"12\" y=\"19\">{}</text><circle class=\"dot\" cx=\"16\" cy=\"33.5\" r=\"4\"/>\
             <text class=\"facts\" x=\"26\" y=\"37\">{}</text></g>",
            escaped(&fitted(&node.title, TITLE)),
            escaped(&facts(node))
        );
    }

    /// How long a bar stands for a time: the slowest step has the whole width.
    fn bar(&self, took: Duration) -> Option<u128> {
        let room = u128::from(CARD.0.unsigned_abs()) - 24;
        let width = room * took.as_millis() / self.longest.as_millis().max(1);
        (width > 0).then_some(width)
    }

    /// Tells what the marks mean that are there.
    fn legend(&self, out: &mut String, y: i32) {
        let mut x = MARGIN;
        let states = [
            (State::Here, "a source, here"),
            (State::Cached, "cached"),
            (State::WillRun, "will run"),
            (State::Unknown, "not known before its inputs"),
            (State::Absent, "not here"),
            (State::Fails(String::new()), "will fail"),
        ];
        for (state, label) in states {
            let word = state.word();
            if self.drawing.nodes.iter().any(|node| node.state.word() == word) {
                let (at, height) = (x + 4, y - 4);
                let text = label_at(&mut x, y, 14, label);
                let dot = format!("<circle class=\"dot\" cx=\"{at}\" cy=\"{height}\" r=\"4\"/>");
                let _ = writeln!(out, "<g class=\"{word}\">{dot}</g>{text}");
            }
        }
        let kinds = [(EdgeKind::Base, "built on"), (EdgeKind::Copy, "copied from"), (EdgeKind::Mount, "mounted")];
        for (kind, label) in kinds {
            if self.drawing.edges.iter().any(|edge| edge.kind == kind) {
                let line = format!("M{x} {}h22", y - 4);
                let text = label_at(&mut x, y, 28, label);
                let kind = kind.word();
                let _ = writeln!(out, "<path class=\"edge {kind}\" d=\"{line}\" marker-end=\"url(#arrow)\"/>{text}");
            }
        }
    }
}

/// A word of the legend, so far right of its mark at `x`; the next mark's `x` comes after it.
fn label_at(x: &mut i32, y: i32, indent: i32, label: &str) -> String {
    let text = format!("<text class=\"facts\" x=\"{}\" y=\"{y}\">{label}</text>", *x + indent);
    *x += indent + 20 + 7 * i32::try_from(label.len()).unwrap_or(0);
    text
}

/// `2/5 · cached · 1.2s · 30kB`
fn facts(node: &Node) -> String {
    let number = node.step.as_deref().map(|step| step.rsplit(' ').next().unwrap_or(step).to_owned());
    let target = node.is_target.then(|| "target".to_owned());
    let facts = [number, Some(node.state.label().to_owned()), node.took.map(seconds), node.size.map(bytes), target];
    facts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Everything about a node, in lines.
fn told(node: &Node) -> String {
    let mut text = format!("{}\n{}", node.name, facts(node));
    if let State::Fails(message) = &node.state {
        let _ = write!(text, "\n{message}");
    }
    if let Some((first, last)) = node.lines {
        let lines = if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
        let _ = write!(text, "\n\n{lines}:\n{}", node.instruction);
    }
    text
}

/// What a path's `d` says of a route.
fn path(route: &Route) -> String {
    match route {
        Route::Down { x, from, to } => format!("M{x} {from}V{to}"),
        Route::Beside { x, from, to } => format!("M{x} {from}C{0} {from} {0} {to} {x} {to}", x + 22),
        Route::Across(points) => {
            let mut d = String::new();
            let mut before: Option<(i32, i32)> = None;
            for ((x, y), (right, _)) in points {
                let _ = match before {
                    None => write!(d, "M{x} {y}"),
                    Some((from, height)) => {
                        let middle = i32::midpoint(from, *x);
                        write!(d, "C{middle} {height} {middle} {y} {x} {y}")
                    }
                };
                if right != x {
                    let _ = write!(d, "H{right}");
                }
                before = Some((*right, *y));
            }
            d
        }
    }
}

//! A drawing as JSON, for programs: everything there is, names in full.

use serde_json::{Value, json};

use super::drawing::{Drawing, Node, NodeId, State};
use super::summary::Summary;

pub fn json(drawing: &Drawing) -> String {
    let summary = Summary::of(drawing);
    let (groups, _) = drawing.by_group();
    let groups: Vec<Value> = drawing
        .groups
        .iter()
        .zip(&groups)
        .map(|(group, nodes)| json!({ "name": group.name, "nodes": nodes.iter().map(|id| id.0).collect::<Vec<_>>() }))
        .collect();
    let nodes: Vec<Value> = drawing.ids().map(|id| node(id, drawing.node(id), summary.is_slow(id))).collect();
    let edges: Vec<Value> = drawing
        .edges
        .iter()
        .map(|edge| json!({ "from": edge.from.0, "to": edge.to.0, "kind": edge.kind.word() }))
        .collect();
    let whole = json!({
        "dockerfile": drawing.dockerfile,
        "groups": groups,
        "nodes": nodes,
        "edges": edges,
        "summary": {
            "steps": summary.steps,
            "cached": summary.cached,
            "run": summary.will_run,
            "unknown": summary.unknown,
            "fail": summary.fails,
            "absent": summary.absent,
            "untimed": summary.untimed,
            "seconds": summary.total.as_secs_f64(),
            "slowest_path_seconds": summary.slowest.as_secs_f64(),
        },
    });
    format!("{whole:#}\n")
}

fn node(id: NodeId, node: &Node, is_slowest: bool) -> Value {
    let message = match &node.state {
        State::Fails(message) => Some(message),
        State::Here | State::Absent | State::Cached | State::WillRun | State::Unknown => None,
    };
    json!({
        "id": id.0,
        "name": node.name,
        "step": node.step,
        "group": node.group.map(|group| group.0),
        "kind": node.kind.word(),
        "lines": node.lines.map(|(first, last)| [first, last]),
        "instruction": node.instruction,
        "state": node.state.word(),
        "message": message,
        "seconds": node.took.map(|took| took.as_secs_f64()),
        "size": node.size,
        "target": node.is_target,
        "slowest_path": is_slowest,
    })
}

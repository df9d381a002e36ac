//! Order, what takes part, and what a failure stops.

use graph::{Meta, Op, SourceOp, Vertex};
use proptest::prelude::*;

use super::*;

fn vertex() -> Vertex {
    Vertex { op: Op::Source(SourceOp::Local { name: String::new() }), meta: Meta::default() }
}

fn value() -> Value {
    Value::Snapshot(Vec::new())
}

/// `inputs[i]` are the inputs of vertex `i`, all of them smaller than `i`.
fn graph(inputs: &[&[usize]]) -> (Graph, Vec<VertexId>) {
    let mut graph = Graph::new();
    let mut ids: Vec<VertexId> = Vec::new();
    for inputs in inputs {
        let inputs: Vec<VertexId> = inputs.iter().map(|input| ids[*input]).collect();
        ids.push(graph.add(vertex(), &inputs));
    }
    (graph, ids)
}

#[test]
fn what_no_target_needs_is_never_started() {
    let (graph, ids) = graph(&[&[], &[0], &[], &[2]]);
    let mut schedule = Schedule::new(&graph, &[ids[1]]);
    assert_eq!(schedule.needed().collect::<Vec<_>>(), [ids[0], ids[1]]);
    assert_eq!(schedule.start_next(), Some(ids[0]));
    assert_eq!(schedule.start_next(), None);
    schedule.finish(ids[0], value());
    assert_eq!(schedule.start_next(), Some(ids[1]));
    schedule.finish(ids[1], value());
    assert!(schedule.is_over());
}

#[test]
fn one_vertex_used_twice_by_another_counts_once() {
    let (graph, ids) = graph(&[&[], &[0, 0]]);
    let mut schedule = Schedule::new(&graph, &[ids[1]]);
    assert_eq!(schedule.start_next(), Some(ids[0]));
    schedule.finish(ids[0], value());
    assert_eq!(schedule.start_next(), Some(ids[1]));
}

#[test]
fn a_failure_skips_what_depends_on_it_and_nothing_else() {
    let (graph, ids) = graph(&[&[], &[], &[0], &[1], &[2, 3]]);
    let mut schedule = Schedule::new(&graph, &[ids[4]]);
    assert_eq!(schedule.start_next(), Some(ids[0]));
    schedule.fail(ids[0]);
    assert_eq!(schedule.start_next(), Some(ids[1]));
    schedule.finish(ids[1], value());
    assert_eq!(schedule.start_next(), Some(ids[3]));
    schedule.finish(ids[3], value());
    assert!(schedule.is_over());
    assert_eq!(schedule.value(ids[4]), None);
}

proptest! {
    /// Any graph, any number at once, any failures: inputs come first, each vertex starts at most once, and it ends.
    #[test]
    fn any_graph_keeps_its_order(
        edges in proptest::collection::vec(proptest::collection::vec(0..20_usize, 0..4), 1..20),
        at_once in 1..5_usize,
        failing in proptest::collection::btree_set(0..20_usize, 0..4),
    ) {
        let inputs: Vec<Vec<usize>> =
            edges.iter().enumerate().map(|(id, inputs)| inputs.iter().copied().filter(|input| *input < id).collect()).collect();
        let inputs: Vec<&[usize]> = inputs.iter().map(Vec::as_slice).collect();
        let (graph, ids) = graph(&inputs);
        let target = *ids.last().expect("at least one");
        let mut schedule = Schedule::new(&graph, &[target]);
        let (mut started, mut done, mut running) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        loop {
            while running.len() < at_once && let Some(id) = schedule.start_next() {
                prop_assert!(started.insert(id), "started twice");
                prop_assert!(graph.inputs(id).iter().all(|input| done.contains(input)), "an input is not done");
                running.push(id);
            }
            prop_assert_eq!(running.is_empty(), schedule.is_over());
            let Some(id) = running.pop() else { break };
            if failing.contains(&id.index()) {
                schedule.fail(id);
            } else {
                done.insert(id);
                schedule.finish(id, value());
            }
        }
        let failed = started.iter().any(|id| failing.contains(&id.index()));
        prop_assert_eq!(schedule.value(target).is_none(), failed);
    }
}

//! Makes one vertex of those that do the same with the same inputs, as LLB does by naming each op with its digest. Knows
//! no names but which of several is kept.
//!
//! 1. What no target leads to is left out.
//! 2. In the order of the graph, inputs first, a vertex is looked for among those that are kept already: same op, same
//!    inputs once those are replaced by what stands for them. Inputs that have become one get one slot.
//! 3. A vertex that stands for several is shown as the last of them that a walk from the target comes to: each input by
//!    slot before what uses it, each vertex once. So LLB's metadata come out. Of several targets, the first that leads
//!    there names it. If one of them is not to be looked up, none is.

use std::hash::BuildHasher;

use foldhash::HashMap;
use foldhash::fast::RandomState;

use crate::dag::{Graph, InputLists, Slot, Vertex, VertexId};
use crate::op::Op;

/// The vertices that `targets` need, each once, and the targets among them.
pub fn unify(graph: Graph, targets: &[Option<VertexId>]) -> (Graph, Vec<Option<VertexId>>) {
    let lists = graph.all_inputs();
    let standing = Standing::find(&graph, &lists, targets);
    if standing.is_everything(graph.len()) {
        return (graph, targets.to_vec());
    }
    let shown = standing.shown(&lists, targets);
    let mut no_cache = vec![false; standing.kept.len()];
    for id in graph.ids() {
        if let Some(place) = standing.place[id.index()] {
            no_cache[place] |= graph.vertex(id).meta.no_cache;
        }
    }
    let mut unified = Graph::new();
    let mut ids: Vec<VertexId> = Vec::with_capacity(standing.kept.len());
    let places = |id: VertexId| standing.place[id.index()].expect("inputs of what is needed are needed");
    for (place, kept) in standing.kept.iter().enumerate() {
        let inputs: Vec<VertexId> = kept.inputs.iter().map(|input| ids[*input]).collect();
        let mut meta = graph.vertex(shown[place]).meta.clone();
        meta.no_cache = no_cache[place];
        ids.push(unified.add(Vertex { op: kept.op(&graph).clone(), meta }, &inputs));
    }
    let targets = targets.iter().map(|target| target.map(|target| ids[places(target)])).collect();
    (unified, targets)
}

/// Which vertex stands for which.
struct Standing {
    /// By vertex: the position in `kept` of what stands for it; `None` for what is not needed.
    place: Vec<Option<usize>>,
    kept: Vec<Kept>,
}

struct Kept {
    id: VertexId,
    /// Its op, where that is not as it was.
    merged: Option<Box<Op>>,
    /// Positions in `kept`.
    inputs: Vec<usize>,
}

impl Kept {
    fn op<'g>(&'g self, graph: &'g Graph) -> &'g Op {
        self.merged.as_deref().unwrap_or(&graph.vertex(self.id).op)
    }
}

impl Standing {
    fn find(graph: &Graph, lists: &InputLists, targets: &[Option<VertexId>]) -> Self {
        let needed = needed(graph, lists, targets);
        let mut standing = Self { place: vec![None; graph.len()], kept: Vec::with_capacity(graph.len()) };
        let hasher = RandomState::default();
        // By hash the last that was kept, and for each of those the one before it.
        let mut last: HashMap<u64, usize> = HashMap::default();
        let mut before: Vec<Option<usize>> = Vec::with_capacity(graph.len());
        for id in graph.ids().filter(|id| needed[id.index()]) {
            let place = |input: &VertexId| standing.place[input.index()].expect("inputs come before what uses them");
            let mut inputs: Vec<usize> = lists.of(id).iter().map(place).collect();
            let merged = merge_inputs(&graph.vertex(id).op, &mut inputs);
            let kept = Kept { id, merged, inputs };
            let hash = hasher.hash_one((kept.op(graph), &kept.inputs));
            let head = last.entry(hash).or_insert(usize::MAX);
            let mut candidate = Some(*head).filter(|at| *at != usize::MAX);
            while let Some(at) = candidate
                && !(standing.kept[at].inputs == kept.inputs && standing.kept[at].op(graph) == kept.op(graph))
            {
                candidate = before[at];
            }
            let place = candidate.unwrap_or_else(|| {
                before.push(Some(*head).filter(|at| *at != usize::MAX));
                *head = standing.kept.len();
                standing.kept.push(kept);
                *head
            });
            standing.place[id.index()] = Some(place);
        }
        standing
    }

    /// Whether each of so many vertices is kept as it is.
    fn is_everything(&self, vertices: usize) -> bool {
        self.kept.len() == vertices && self.kept.iter().all(|kept| kept.merged.is_none())
    }

    /// For each that is kept, whose name it gets.
    fn shown(&self, lists: &InputLists, targets: &[Option<VertexId>]) -> Vec<VertexId> {
        let mut shown: Vec<Option<(usize, VertexId)>> = vec![None; self.kept.len()];
        for (target, id) in targets.iter().enumerate().filter_map(|(target, id)| Some((target, (*id)?))) {
            for id in walk(lists, self.place.len(), id) {
                let Some(place) = self.place[id.index()] else { continue };
                match &mut shown[place] {
                    Some((first, _)) if *first != target => {}
                    name => *name = Some((target, id)),
                }
            }
        }
        let named = |(name, kept): (Option<(usize, VertexId)>, &Kept)| name.map_or(kept.id, |(_, id)| id);
        shown.into_iter().zip(&self.kept).map(named).collect()
    }
}

/// Where some of the `inputs` are one: each once, and `op` with the slots that it has then.
fn merge_inputs(op: &Op, inputs: &mut Vec<usize>) -> Option<Box<Op>> {
    let by_slot = matches!(op, Op::Exec(_) | Op::File(_));
    if !by_slot || inputs.len() < 2 {
        return None;
    }
    let mut unique = Vec::with_capacity(inputs.len());
    let mut next = 0..=u16::MAX;
    let mut slot_of: HashMap<usize, Slot> = HashMap::default();
    let mut slots = Vec::with_capacity(inputs.len());
    for input in inputs.iter() {
        let slot = slot_of.entry(*input).or_insert_with(|| {
            unique.push(*input);
            Slot(next.next().expect("a graph takes no op with more inputs than slots"))
        });
        slots.push(*slot);
    }
    if unique.len() == inputs.len() {
        return None;
    }
    let mut op = Box::new(op.clone());
    for slot in op.slots_mut() {
        *slot = slots[usize::from(slot.0)];
    }
    *inputs = unique;
    Some(op)
}

fn needed(graph: &Graph, lists: &InputLists, targets: &[Option<VertexId>]) -> Vec<bool> {
    let mut needed = vec![false; graph.len()];
    targets.iter().flatten().for_each(|target| needed[target.index()] = true);
    for id in graph.ids().rev() {
        if needed[id.index()] {
            lists.of(id).iter().for_each(|input| needed[input.index()] = true);
        }
    }
    needed
}

/// Everything that `target` needs, by slot, inputs first.
fn walk(lists: &InputLists, vertices: usize, target: VertexId) -> Vec<VertexId> {
    let mut order = Vec::new();
    let mut met = vec![false; vertices];
    met[target.index()] = true;
    let mut open = vec![(target, lists.of(target).iter())];
    while let Some((id, rest)) = open.last_mut() {
        match rest.next() {
            Some(input) if std::mem::replace(&mut met[input.index()], true) => {}
            Some(input) => open.push((*input, lists.of(*input).iter())),
            None => {
                order.push(*id);
                open.pop();
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use std::hash::{Hash, Hasher};

    use proptest::prelude::*;

    use super::*;
    use crate::op::Copy;
    use crate::{FileAction, FileOp, Meta, SourceOp};

    fn vertex(op: Op, name: &str) -> Vertex {
        Vertex { op, meta: Meta { name: name.to_owned(), ..Meta::default() } }
    }

    fn local(name: &str) -> Op {
        Op::Source(SourceOp::Local { name: name.to_owned() })
    }

    fn describe(graph: &Graph) -> Vec<String> {
        let inputs = |id| graph.inputs(id).iter().map(|input| input.index()).collect::<Vec<_>>();
        graph.ids().map(|id| format!("{} {:?}", graph.vertex(id).meta.name, inputs(id))).collect()
    }

    #[test]
    fn what_is_the_same_is_one_and_has_the_last_name() {
        let mut graph = Graph::new();
        let one = graph.add(vertex(local("x"), "one"), &[]);
        let other = graph.add(vertex(local("y"), "other"), &[]);
        let twin = graph.add(vertex(local("x"), "twin"), &[]);
        graph.add(vertex(Op::Diff, "unneeded"), &[one, other]);
        let first = graph.add(vertex(Op::Merge, "first"), &[one, other]);
        let second = graph.add(vertex(Op::Merge, "second"), &[twin, other]);
        let target = graph.add(vertex(Op::Merge, "target"), &[second, first]);
        let (unified, targets) = unify(graph, &[Some(target), None]);
        assert_eq!(describe(&unified), ["one []", "other []", "first [0, 1]", "target [2, 2]"]);
        assert_eq!(targets.iter().map(|id| id.map(VertexId::index)).collect::<Vec<_>>(), [Some(3), None]);
    }

    #[test]
    fn inputs_that_become_one_get_one_slot() {
        let copies = |slots: &[u16]| {
            let copy = |slot: &u16| FileAction::Copy(Box::new(Copy::new(Slot(*slot), "/a", "/b")));
            Op::File(FileOp { base: None, actions: slots.iter().map(copy).collect() })
        };
        let mut graph = Graph::new();
        let one = graph.add(vertex(local("x"), "one"), &[]);
        let twin = graph.add(vertex(local("x"), "twin"), &[]);
        let other = graph.add(vertex(local("y"), "other"), &[]);
        let apart = graph.add(vertex(copies(&[0, 1, 2]), "apart"), &[one, twin, other]);
        let joined = graph.add(vertex(copies(&[0, 0, 1]), "joined"), &[one, other]);
        let target = graph.add(vertex(Op::Merge, "target"), &[apart, joined]);
        let (unified, _) = unify(graph, &[Some(target)]);
        assert_eq!(describe(&unified), ["twin []", "other []", "joined [0, 1]", "target [2, 2]"]);
        let ops: Vec<&Op> = unified.ids().map(|id| &unified.vertex(id).op).collect();
        assert_eq!(*ops[2], copies(&[0, 0, 1]));
    }

    #[test]
    fn of_several_targets_the_first_gives_the_name() {
        let mut graph = Graph::new();
        let one = graph.add(vertex(local("x"), "one"), &[]);
        let two = graph.add(vertex(local("x"), "two"), &[]);
        let (unified, targets) = unify(graph, &[Some(one), Some(two)]);
        assert_eq!(describe(&unified), ["one []"]);
        assert_eq!(targets[0], targets[1]);
    }

    #[test]
    fn one_that_is_not_looked_up_makes_all_so() {
        let mut graph = Graph::new();
        let one = graph.add(vertex(local("x"), "one"), &[]);
        let mut fresh = vertex(local("x"), "fresh");
        fresh.meta.no_cache = true;
        let fresh = graph.add(fresh, &[]);
        let target = graph.add(vertex(Op::Merge, "target"), &[fresh, one]);
        let (unified, _) = unify(graph, &[Some(target)]);
        let kept: Vec<_> = unified.ids().map(|id| &unified.vertex(id).meta).collect();
        assert_eq!((kept[0].name.as_str(), kept[0].no_cache, kept[1].no_cache), ("one", true, false));
    }

    proptest! {
        /// The same work is done, and no two vertices of the outcome are the same.
        #[test]
        fn nothing_is_lost_and_nothing_is_there_twice(
            spec in proptest::collection::vec((0..3_usize, proptest::collection::vec(any::<usize>(), 0..3)), 1..20),
        ) {
            let mut graph = Graph::new();
            let mut ids = Vec::new();
            for (kind, inputs) in &spec {
                let inputs: Vec<VertexId> = inputs.iter().filter(|_| !ids.is_empty()).map(|at| ids[at % ids.len()]).collect();
                let op = if inputs.is_empty() { local(&kind.to_string()) } else if *kind == 0 { Op::Diff } else { Op::Merge };
                ids.push(graph.add(vertex(op, ""), &inputs));
            }
            let target = ids.last().copied();
            let whole = tell(&graph, target.unwrap());
            let (unified, targets) = unify(graph, &[target]);
            prop_assert_eq!(tell(&unified, targets[0].unwrap()), whole);
            let mut seen = std::collections::BTreeSet::new();
            for id in unified.ids() {
                let new = seen.insert(format!("{:?} {:?}", unified.vertex(id).op, unified.inputs(id)));
                prop_assert!(new);
            }
        }
    }

    /// All that leads to `id`, as a hash of a tree.
    fn tell(graph: &Graph, id: VertexId) -> u64 {
        let mut hashes: Vec<u64> = Vec::new();
        for at in graph.ids() {
            let inputs: Vec<u64> = graph.inputs(at).iter().map(|input| hashes[input.index()]).collect();
            let mut state = std::collections::hash_map::DefaultHasher::new();
            (&graph.vertex(at).op, inputs).hash(&mut state);
            hashes.push(state.finish());
        }
        hashes[id.index()]
    }
}

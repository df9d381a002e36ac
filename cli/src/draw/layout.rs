//! Where everything stands in a picture: a layered drawing, worked out in whole pixels. Knows no colours and no words.
//!
//! 1. A stage is a block of cards, one below the other. A source of no stage is a block of its own.
//! 2. A block's column is one to the right of the last one it needs. Sources move right, to their first user.
//! 3. An edge that passes by columns gets a *lane* in each: a thin strip that nothing else stands on. All edges of one
//!    source share it. In a drawing with too many, edges run behind the blocks instead.
//! 4. In a column, blocks and lanes are sorted by the height of what leads to them, and stacked.

use std::collections::{BTreeMap, BTreeSet};

use super::drawing::{Drawing, Edge, GroupId, NodeId};

pub const CARD: (i32, i32) = (344, 48);
/// Between the cards of a block.
const GAP: i32 = 18;
/// Round the cards of a stage, and above them for its name.
const PADDING: i32 = 16;
const HEAD: i32 = 32;
const COLUMN: i32 = CARD.0 + 2 * PADDING;
const COLUMN_GAP: i32 = 72;
const BLOCK_GAP: i32 = 28;
const LANE: i32 = 16;
/// More lanes than this make no picture.
const MAX_LANES: usize = 4000;

/// Where everything stands, from the corner at the top left.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub size: (i32, i32),
    /// The frames of stages.
    pub frames: Vec<Frame>,
    /// By node: the corner of its card.
    pub cards: Vec<(i32, i32)>,
    /// By edge.
    pub routes: Vec<Route>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub group: GroupId,
    pub corner: (i32, i32),
    pub size: (i32, i32),
}

/// How an edge runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To the card below.
    Down { x: i32, from: i32, to: i32 },
    /// To another card of the same block, along its side.
    Beside { x: i32, from: i32, to: i32 },
    /// From column to column: straight along each pair of points, and in a curve from one pair to the next.
    Across(Vec<((i32, i32), (i32, i32))>),
}

/// What stands together.
struct Block {
    group: Option<GroupId>,
    nodes: Vec<NodeId>,
}

/// What a column is stacked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Lane(NodeId),
    Block(usize),
}

pub fn layout(drawing: &Drawing) -> Layout {
    let blocks = blocks(drawing);
    let mut block_of = vec![0; drawing.nodes.len()];
    for (at, block) in blocks.iter().enumerate() {
        block.nodes.iter().for_each(|node| block_of[node.0] = at);
    }
    let columns = columns(drawing, &blocks, &block_of);
    let plan = Plan { drawing, blocks, block_of, columns };
    let lanes = plan.lanes();
    let mut placed = Placed { cards: vec![(0, 0); drawing.nodes.len()], ..Placed::default() };
    let items = plan.items(&lanes);
    for (column, items) in items.into_iter().enumerate() {
        plan.stack(column, items, &mut placed);
    }
    let routes = plan.routes(&placed);
    let count = plan.columns.iter().max().map_or(0, |last| last + 1);
    let width = edge_of(count) - COLUMN_GAP;
    Layout { size: (width.max(0), placed.height), frames: placed.frames, cards: placed.cards, routes }
}

/// Sources of no stage first, then the stages.
fn blocks(drawing: &Drawing) -> Vec<Block> {
    let (groups, others) = drawing.by_group();
    let alone = others.into_iter().map(|node| Block { group: None, nodes: vec![node] });
    let stages = groups.into_iter().enumerate().map(|(at, nodes)| Block { group: Some(GroupId(at)), nodes });
    alone.chain(stages).filter(|block| !block.nodes.is_empty()).collect()
}

/// By block: its column.
fn columns(drawing: &Drawing, blocks: &[Block], block_of: &[usize]) -> Vec<usize> {
    let mut users = vec![BTreeSet::new(); blocks.len()];
    let mut waits = vec![0_usize; blocks.len()];
    for edge in &drawing.edges {
        let (from, to) = (block_of[edge.from.0], block_of[edge.to.0]);
        if from != to && users[from].insert(to) {
            waits[to] += 1;
        }
    }
    let is_source: Vec<bool> = waits.iter().map(|waits| *waits == 0).collect();
    let mut columns = vec![0_usize; blocks.len()];
    let mut waiting: BTreeSet<(usize, usize)> = waits.iter().enumerate().map(|(at, waits)| (*waits, at)).collect();
    // Should blocks ever need each other in a ring, the one that waits for the fewest goes first.
    while let Some((_, at)) = waiting.pop_first() {
        for user in &users[at] {
            if waiting.remove(&(waits[*user], *user)) {
                waits[*user] -= 1;
                waiting.insert((waits[*user], *user));
                columns[*user] = columns[*user].max(columns[at] + 1);
            }
        }
    }
    for at in (0..blocks.len()).filter(|at| is_source[*at]) {
        columns[at] = users[at].iter().map(|user| columns[*user]).min().map_or(0, |first| first.saturating_sub(1));
    }
    columns
}

/// The left edge of a column.
fn edge_of(column: usize) -> i32 {
    i32::try_from(column).unwrap_or(i32::MAX).saturating_mul(COLUMN + COLUMN_GAP)
}

struct Plan<'a> {
    drawing: &'a Drawing,
    blocks: Vec<Block>,
    block_of: Vec<usize>,
    /// By block.
    columns: Vec<usize>,
}

#[derive(Default)]
struct Placed {
    cards: Vec<(i32, i32)>,
    frames: Vec<Frame>,
    /// The heights of lanes, by column and source.
    lanes: BTreeMap<(usize, NodeId), i32>,
    height: i32,
}

impl Plan<'_> {
    fn column(&self, node: NodeId) -> usize {
        self.columns[self.block_of[node.0]]
    }

    /// The lanes there are to be: by source, how far they go.
    fn lanes(&self) -> BTreeMap<NodeId, usize> {
        let mut ends: BTreeMap<NodeId, usize> = BTreeMap::new();
        for edge in &self.drawing.edges {
            if self.column(edge.to) > self.column(edge.from) + 1 {
                let end = ends.entry(edge.from).or_default();
                *end = (*end).max(self.column(edge.to));
            }
        }
        let count: usize = ends.iter().map(|(from, end)| end - self.column(*from)).sum();
        if count > MAX_LANES { BTreeMap::new() } else { ends }
    }

    /// By column, what stands in it.
    fn items(&self, lanes: &BTreeMap<NodeId, usize>) -> Vec<Vec<Item>> {
        let count = self.columns.iter().max().map_or(0, |last| last + 1);
        let mut items = vec![Vec::new(); count];
        for (at, column) in self.columns.iter().enumerate() {
            items[*column].push(Item::Block(at));
        }
        for (from, end) in lanes {
            let between = items.iter_mut().take(*end).skip(self.column(*from) + 1);
            between.for_each(|items| items.push(Item::Lane(*from)));
        }
        items
    }

    /// Stacks what stands in a column.
    fn stack(&self, column: usize, items: Vec<Item>, placed: &mut Placed) {
        let before = column.checked_sub(1);
        let height_of = |node: NodeId, placed: &Placed| {
            let lane = before.and_then(|before| placed.lanes.get(&(before, node)).copied());
            lane.unwrap_or(placed.cards[node.0].1 + CARD.1 / 2)
        };
        let mut sources: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
        if let Some(inputs) = before.map(|_| self.inputs_of(&items)) {
            for (block, node) in inputs {
                sources.entry(block).or_default().push(height_of(node, placed));
            }
        }
        let mut sorted: Vec<(i32, Item)> = items
            .into_iter()
            .map(|item| match item {
                Item::Lane(node) => (height_of(node, placed), item),
                Item::Block(block) => (sources.get(&block).map_or(i32::MAX, |heights| mean(heights)), item),
            })
            .collect();
        sorted.sort_unstable();
        let mut y = 0;
        for (_, item) in sorted {
            match item {
                Item::Lane(node) => {
                    placed.lanes.insert((column, node), y + LANE / 2);
                    y += LANE;
                }
                Item::Block(block) => y = self.place(&self.blocks[block], (edge_of(column), y), placed) + BLOCK_GAP,
            }
        }
        placed.height = placed.height.max(y - BLOCK_GAP).max(y.min(LANE));
    }

    /// The nodes outside the blocks of a column that lead to them.
    fn inputs_of(&self, items: &[Item]) -> Vec<(usize, NodeId)> {
        let blocks: BTreeSet<usize> = items
            .iter()
            .filter_map(|item| match item {
                Item::Block(block) => Some(*block),
                Item::Lane(_) => None,
            })
            .collect();
        let nodes = blocks.iter().flat_map(|block| &self.blocks[*block].nodes);
        nodes
            .flat_map(|node| self.edges_to(*node))
            .map(|edge| (self.block_of[edge.to.0], edge.from))
            .filter(|(block, from)| self.block_of[from.0] != *block)
            .collect()
    }

    /// Edges are sorted by the node they lead to.
    fn edges_to(&self, node: NodeId) -> &[Edge] {
        let edges = &self.drawing.edges;
        let first = edges.partition_point(|edge| edge.to < node);
        let count = edges[first..].partition_point(|edge| edge.to == node);
        &edges[first..first + count]
    }

    /// Puts a block's cards at a corner; gives the height at which it ends.
    fn place(&self, block: &Block, (x, top): (i32, i32), placed: &mut Placed) -> i32 {
        let mut y = top + if block.group.is_some() { HEAD } else { 0 };
        for node in &block.nodes {
            placed.cards[node.0] = (x + PADDING, y);
            y += CARD.1 + GAP;
        }
        y -= GAP;
        if let Some(group) = block.group {
            y += PADDING;
            placed.frames.push(Frame { group, corner: (x, top), size: (COLUMN, y - top) });
        }
        y
    }

    fn routes(&self, placed: &Placed) -> Vec<Route> {
        let mut routes = Vec::with_capacity(self.drawing.edges.len());
        for id in self.drawing.ids() {
            let edges = self.edges_to(id);
            let comes_across = |edge: &Edge| self.block_of[edge.from.0] != self.block_of[id.0];
            let (mut arrived, coming) = (0, edges.iter().filter(|edge| comes_across(edge)).count());
            for edge in edges {
                let (from, to) = (placed.cards[edge.from.0], placed.cards[id.0]);
                routes.push(if comes_across(edge) {
                    // Edges that arrive from elsewhere share the side of the card.
                    arrived += 1;
                    self.across(edge, to.1 + share(arrived - 1, coming), placed)
                } else if to.1 - from.1 == CARD.1 + GAP {
                    Route::Down { x: to.0 + CARD.0 / 2, from: from.1 + CARD.1, to: to.1 }
                } else {
                    Route::Beside { x: to.0 + CARD.0, from: from.1 + CARD.1 / 2, to: to.1 + CARD.1 / 2 }
                });
            }
        }
        routes
    }

    fn across(&self, edge: &Edge, height: i32, placed: &Placed) -> Route {
        let (from, to) = (placed.cards[edge.from.0], placed.cards[edge.to.0]);
        let start = (from.0 + CARD.0, from.1 + CARD.1 / 2);
        let mut points = vec![(start, start)];
        for column in self.column(edge.from) + 1..self.column(edge.to) {
            let Some(y) = placed.lanes.get(&(column, edge.from)) else { continue };
            points.push(((edge_of(column), *y), (edge_of(column) + COLUMN, *y)));
        }
        let end = (to.0, height);
        points.push((end, end));
        Route::Across(points)
    }
}

fn mean(heights: &[i32]) -> i32 {
    let sum: i64 = heights.iter().map(|height| i64::from(*height)).sum();
    let count = i64::try_from(heights.len()).unwrap_or(i64::MAX).max(1);
    i32::try_from(sum / count).unwrap_or(i32::MAX)
}

/// The place of the one at `at` among so many on the side of a card.
fn share(at: usize, of: usize) -> i32 {
    let part = |count: usize| i32::try_from(count).unwrap_or(i32::MAX - 1);
    CARD.1 / 2 + (2 * part(at) + 1 - part(of)) * (CARD.1 - 12) / (2 * part(of).max(1))
}

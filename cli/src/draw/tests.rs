//! Drawings of small Dockerfiles beside them in `testdata/drawing`, in each form that is text (`UPDATE_EXPECT=1` writes
//! them anew); and for any graph, that each form shows each vertex and each edge once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use expect_test::expect_file;
use graph::{Graph, Meta, Op, SourceOp, Vertex, VertexId};
use oci::{DiffId, Digest, ImageConfig, Platform, Reference};
use parser::lower::{BaseImage, ImageError, Images, Request, lower};
use proptest::prelude::*;

use super::drawing::{Drawing, State};
use super::layout::{CARD, Frame, Layout, layout};
use super::trace::{Known, trace};
use super::{dot, json, page, svg, text};

/// Every image is there.
struct Hub;

impl Images for Hub {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let mut config = ImageConfig::scratch(platform);
        config.rootfs.diff_ids.push(DiffId(Digest::of(b"layer")));
        Ok(BaseImage { reference: name.clone(), digest: Digest::of(name.to_string().as_bytes()), config })
    }
}

/// Steps before the first that copies `server` or all of the context are cached; that one will run; what comes later is
/// unknown. Processes take long.
fn known(graph: &Graph) -> BTreeMap<VertexId, Known> {
    let mut changed = false;
    let mut known = BTreeMap::new();
    for id in graph.ids() {
        let (vertex, at) = (graph.vertex(id), id.index() as u64);
        let changes = vertex.meta.name.ends_with("server server") || vertex.meta.name.ends_with("COPY . .");
        let state = match &vertex.op {
            Op::Source(_) => State::Here,
            _ if changes => State::WillRun,
            _ if changed => State::Unknown,
            _ => State::Cached,
        };
        changed |= changes;
        let took = match &vertex.op {
            Op::Exec(_) => Some(Duration::from_millis(1500 * at)),
            Op::File(_) => Some(Duration::from_millis(70)),
            Op::Source(_) | Op::Merge | Op::Diff => None,
        };
        let size = match &vertex.op {
            Op::Source(SourceOp::Image { .. }) => Some(74_800_000 + 9_100_000 * at),
            Op::Exec(_) => Some(3_140_000 * at),
            Op::File(_) => Some(1234 * at),
            Op::Source(_) | Op::Merge | Op::Diff => None,
        };
        known.insert(id, Known { size: size.filter(|_| state != State::WillRun), state, took });
    }
    known
}

fn drawing(dockerfile: &[u8]) -> Drawing {
    let parsed = parser::parse(dockerfile);
    let platform: Platform = "linux/amd64".parse().expect("valid");
    let mut platforms = vec![platform.clone()];
    if parsed.source.contains("$BUILDPLATFORM") {
        platforms.push("linux/arm64".parse().expect("valid"));
    }
    let request = Request { platforms, build_platform: Some(platform), ..Request::default() };
    let lowered = lower(&parsed, &request, &Hub).expect("it can be built");
    let targets: Vec<VertexId> = lowered.images.iter().filter_map(|built| built.target).collect();
    trace(&lowered.graph, &targets, &known(&lowered.graph), ("Dockerfile", &parsed.source))
}

#[test]
fn small_dockerfiles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/drawing");
    for name in ["single", "stages", "platforms", "hostile"] {
        let path = folder.join(name);
        let drawing = drawing(&fs::read(path.with_extension("dockerfile")).expect("it is there"));
        expect_file![path.with_extension("text")].assert_eq(&text::text(&drawing));
        expect_file![path.with_extension("dot")].assert_eq(&dot::dot(&drawing));
        expect_file![path.with_extension("json")].assert_eq(&json::json(&drawing));
        is_whole(&drawing);
    }
}

#[test]
fn the_picture_in_the_documentation_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let drawing = drawing(&fs::read(root.join("testdata/drawing/stages.dockerfile")).expect("it is there"));
    expect_file![root.join("docs/graph.svg")].assert_eq(&svg::svg(&drawing));
}

/// Each form of the drawing shows each vertex and each edge once, and can be read.
fn is_whole(drawing: &Drawing) {
    let picture = svg::svg(drawing);
    let picture = roxmltree::Document::parse(&picture).expect("well-formed");
    let attributes = |names: &[&str]| -> Vec<Vec<usize>> {
        let elements = picture.descendants().filter(|element| element.has_attribute(names[0]));
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).expect("a number");
        let mut found: Vec<Vec<usize>> =
            elements.map(|element| names.iter().map(|name| number(element.attribute(*name))).collect()).collect();
        found.sort();
        found
    };
    let nodes: Vec<Vec<usize>> = drawing.ids().map(|id| vec![id.0]).collect();
    let mut edges: Vec<Vec<usize>> = drawing.edges.iter().map(|edge| vec![edge.from.0, edge.to.0]).collect();
    edges.sort();
    assert_eq!(attributes(&["data-node"]), nodes);
    assert_eq!(attributes(&["data-from", "data-to"]), edges);

    let page = page::page(drawing);
    assert_eq!(page.matches("<script").count(), 1, "its own");

    let dot = dot::dot(drawing);
    let lines: Vec<&str> = dot.lines().map(str::trim).collect();
    for at in 0..nodes.len() {
        assert_eq!(lines.iter().filter(|line| line.starts_with(&format!("n{at} ["))).count(), 1, "{dot}");
    }
    assert_eq!(lines.iter().filter(|line| line.starts_with('n') && line.contains(" -> n")).count(), edges.len());

    let json: serde_json::Value = serde_json::from_str(&json::json(drawing)).expect("JSON");
    assert_eq!(json["nodes"].as_array().map(Vec::len), Some(nodes.len()));
    assert_eq!(json["edges"].as_array().map(Vec::len), Some(edges.len()));

    let text = text::text(drawing);
    let is_node = |line: &&str| {
        let rest = line.strip_prefix("* ").or_else(|| line.strip_prefix("  "));
        rest.is_some_and(|rest| !rest.starts_with(' '))
    };
    assert_eq!(text.lines().filter(is_node).count(), nodes.len(), "{text}");
    assert!(!text.chars().any(|char| char.is_control() && char != '\n'), "{text}");
    assert!(text.lines().all(|line| super::words::width(line) <= 100), "{text}");
}

fn nothing_overlaps(drawing: &Drawing) {
    let Layout { size, cards, frames, .. } = layout(drawing);
    let overlap = |one: (i32, i32), other: (i32, i32), (width, height): (i32, i32)| {
        (one.0 - other.0).abs() < width && (one.1 - other.1).abs() < height
    };
    for (at, card) in cards.iter().enumerate() {
        assert!(
            card.0 >= 0 && card.1 >= 0 && card.0 + CARD.0 <= size.0 && card.1 + CARD.1 <= size.1,
            "{card:?} {size:?}"
        );
        assert!(cards[..at].iter().all(|other| !overlap(*card, *other, CARD)), "{cards:?}");
    }
    for (at, frame) in frames.iter().enumerate() {
        let is_clear = |other: &Frame| {
            frame.corner.0 != other.corner.0
                || frame.corner.1 >= other.corner.1 + other.size.1
                || other.corner.1 >= frame.corner.1 + frame.size.1
        };
        assert!(frames[..at].iter().all(is_clear), "{frames:?}");
    }
}

/// A vertex with two inputs at most; what it is called comes from anybody.
type Made = (String, String, Option<(usize, usize)>, Option<u64>);

fn graph_of(vertices: &[Made]) -> (Graph, BTreeMap<VertexId, Known>) {
    let (mut graph, mut ids, mut known) = (Graph::new(), Vec::new(), BTreeMap::new());
    for (name, stage, inputs, took) in vertices {
        let inputs: Vec<VertexId> = match inputs {
            Some((one, other)) if !ids.is_empty() => vec![ids[one % ids.len()], ids[other % ids.len()]],
            Some(_) | None => Vec::new(),
        };
        let op = match inputs.len() {
            0 => Op::Source(SourceOp::Local { name: name.clone() }),
            _ => Op::Merge,
        };
        let meta = Meta { name: format!("x{name}"), stage: Some(stage.clone()), ..Meta::default() };
        let id = graph.add(Vertex { op, meta }, &inputs);
        known.insert(id, Known { state: State::Cached, took: took.map(Duration::from_millis), size: *took });
        ids.push(id);
    }
    (graph, known)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_vertex_and_edge_is_shown_once(
        vertices in proptest::collection::vec(
            ("\\PC{0,40}|[<>&\"'\\]\\[\u{0}-\u{1f}]{0,9}", "[a-c<&\u{1b}]", any::<Option<(usize, usize)>>(), proptest::option::of(0..100_000_000_u64)),
            1..40,
        )
    ) {
        let (graph, known) = graph_of(&vertices);
        let targets: Vec<VertexId> = graph.ids().collect();
        let drawing = trace(&graph, &targets, &known, ("<Dockerfile>\u{7}", ""));
        is_whole(&drawing);
        nothing_overlaps(&drawing);
    }
}

/// A thousand stages with ten steps, each of which copies from the one before and from the context.
#[test]
fn a_big_graph_is_drawn_in_no_time() {
    let mut graph = Graph::new();
    let meta = |name: &str, stage: usize| Meta {
        name: format!("[s{stage} 1/9] {name}"),
        stage: Some(format!("s{stage}")),
        ..Meta::default()
    };
    let op = Op::Source(SourceOp::Local { name: "context".to_owned() });
    let context = graph.add(Vertex { op, meta: Meta::default() }, &[]);
    let mut last = context;
    for stage in 0..1000 {
        let mut step = graph.add(Vertex { op: Op::Merge, meta: meta("COPY", stage) }, &[last, context]);
        for _ in 0..9 {
            step = graph.add(Vertex { op: Op::Merge, meta: meta("RUN", stage) }, &[step]);
        }
        last = step;
    }
    let begun = Instant::now();
    let drawing = trace(&graph, &[last], &BTreeMap::new(), ("Dockerfile", ""));
    assert_eq!((drawing.nodes.len(), drawing.groups.len()), (10_001, 1000));
    let sizes = [text::text, dot::dot, json::json, svg::svg, page::page].map(|form| form(&drawing).len());
    assert!(sizes.iter().all(|size| *size > 100_000));
    // A fiftieth of it is usual.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

//! What a build comes to: its layers and its config become an image. Writes no archive and shows no progress.
//!
//! The config is a function of contents alone. `created` is the build's `SOURCE_DATE_EPOCH` if there is one, else the
//! newest of the times in the layers that were made here and the base image's own `created`; never the clock. A diff
//! id is computed once for each layer, several at once, and remembered by the store.

use std::collections::BTreeMap;

use cache::Store;
use graph::{Graph, Op, Slot, VertexId};
use oci::image::History;
use oci::time::{parse_rfc3339, rfc3339};
use oci::tree::Mtime;
use oci::{DiffId, ImageConfig, LayerId};
use rayon::prelude::*;
use solver::Step;

use crate::layers;
use crate::report::Problem;

/// What a build came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Made {
    Image(Box<Assembled>),
    /// One image for each platform, in the order they were asked for.
    Index(Vec<Assembled>),
}

/// An image that is not yet stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Assembled {
    pub config: ImageConfig,
    /// As it is stored and hashed.
    pub json: Vec<u8>,
    /// Bottom first.
    pub layers: Vec<LayerId>,
}

impl Made {
    pub fn images(&self) -> &[Assembled] {
        match self {
            Self::Image(image) => std::slice::from_ref(image),
            Self::Index(images) => images,
        }
    }
}

/// What an image is made of.
pub struct Parts<'a> {
    pub config: ImageConfig,
    pub layers: Vec<LayerId>,
    /// How many layers each step added, bottom first.
    pub added: Vec<usize>,
    pub epoch: Option<i64>,
    pub store: &'a Store,
}

pub fn assemble(parts: Parts<'_>) -> Result<Assembled, Problem> {
    let Parts { mut config, layers, added, epoch, store } = parts;
    let diff_ids = diff_ids(store, &layers)?;
    let base = config.rootfs.diff_ids.len().min(layers.len());
    let created = match epoch {
        Some(secs) => Mtime { secs, nanos: 0 },
        None => newest(store, &layers[base..], config.created.as_deref())?,
    };
    let created = rfc3339(written(created));
    settle_history(&mut config.history, base, diff_ids.len(), &added);
    for entry in &mut config.history {
        entry.created.get_or_insert_with(|| created.clone());
    }
    config.created = Some(created);
    config.rootfs.diff_ids = diff_ids;
    let json = config.to_json();
    Ok(Assembled { config, json, layers })
}

/// The digests of the layers' tars. Those that nobody has asked for before are made, several at once.
pub fn diff_ids(store: &Store, layers: &[LayerId]) -> Result<Vec<DiffId>, Problem> {
    let known = layers.iter().map(|layer| known_diff_id(store, layer)).collect::<Result<Vec<_>, _>>()?;
    if let Some(known) = known.iter().copied().collect() {
        return Ok(known);
    }
    let make =
        |(layer, known): (&LayerId, Option<DiffId>)| known.map_or_else(|| layers::make_diff_id(store, layer), Ok);
    layers.par_iter().zip(known).map(make).collect()
}

fn known_diff_id(store: &Store, layer: &LayerId) -> Result<Option<DiffId>, Problem> {
    match layer {
        LayerId::Pulled(diff_id) => Ok(Some(*diff_id)),
        LayerId::Built(_) => Ok(store.layer_row(layer)?.and_then(|row| row.diff_id)),
    }
}

/// The newest time in `layers`, and in `base`, what the base image says of itself.
fn newest(store: &Store, layers: &[LayerId], base: Option<&str>) -> Result<Mtime, Problem> {
    let mut newest = base.and_then(parse_rfc3339).unwrap_or_default();
    for layer in layers {
        if let Some(row) = store.layer_row(layer)? {
            newest = newest.max(row.newest);
        }
    }
    Ok(newest)
}

/// A time that RFC 3339 can say.
fn written(time: Mtime) -> Mtime {
    const LAST: i64 = 253_402_300_799;
    if (0..=LAST).contains(&time.secs) { time } else { Mtime { secs: time.secs.clamp(0, LAST), nanos: 0 } }
}

/// Makes the history speak of as many layers as there are: a step that changed nothing has added none.
fn settle_history(history: &mut Vec<History>, base: usize, layers: usize, added: &[usize]) {
    let of_steps = history.iter_mut().filter(|entry| !entry.empty_layer).skip(base);
    for (entry, added) in of_steps.zip(added) {
        entry.empty_layer = *added == 0;
    }
    let told = history.iter().filter(|entry| !entry.empty_layer).count();
    for entry in history.iter_mut().rev().filter(|entry| !entry.empty_layer).take(told.saturating_sub(layers)) {
        entry.empty_layer = true;
    }
    let untold = layers.saturating_sub(told);
    history.extend((0..untold).map(|_| History { comment: Some("kiln".to_owned()), ..History::default() }));
}

/// How many layers each step on the way to `target` added, bottom first.
pub fn added_layers(
    graph: &Graph,
    target: VertexId,
    steps: &BTreeMap<VertexId, Step>,
    store: &Store,
) -> Result<Vec<usize>, Problem> {
    let mut added = Vec::new();
    let mut next = Some(target);
    while let Some(id) = next {
        let below = match &graph.vertex(id).op {
            Op::Exec(exec) => exec.root,
            Op::File(file) => file.base,
            Op::Merge => Some(Slot(0)),
            Op::Source(_) | Op::Diff => break,
        };
        // Of a merge, the last input is what was put on the others.
        let of = |id: VertexId| if graph.vertex(id).op == Op::Merge { graph.inputs(id).last().copied() } else { None };
        let key = steps.get(&of(id).unwrap_or(id)).and_then(|step| step.key);
        let record = key.map(|key| store.record(&key)).transpose()?.flatten();
        added.push(record.map_or(1, |record| record.layers.len()));
        next = below.and_then(|slot| graph.inputs(id).get(usize::from(slot.0)).copied());
    }
    added.reverse();
    Ok(added)
}

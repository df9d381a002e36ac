//! What is known of a graph's vertices on this machine: looked up, never run or fetched. Knows no form.
//!
//! An image that the store does not know is stood in for by one without a config. Whatever is built on it is unknown: its
//! keys hold the image's variables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use cache::Store;
use graph::{Graph, Op, SourceOp, VertexId};
use oci::{DiffId, Digest, ImageConfig, LayerId, Platform, Reference};
use parser::lower::{BaseImage, ImageError, Layout};
use runner::executor::LocalExecutor;
use runner::source::{Images, Pull};
use solver::port::{Progress as _, Resolver as _, Value};
use solver::{Eyes, Look};

use super::drawing::State;
use super::trace::Known;
use crate::build::Build;
use crate::build::bases::{base_of, in_layout};
use crate::report::Problem;

/// Stands for the digest of an image that is not known here.
const NOBODY: [u8; 32] = [0; 32];

/// The images of the store and of layouts, and stand-ins for all others.
pub struct Here<'a> {
    images: &'a Images,
    /// The layers of images of layouts, by their manifests.
    layouts: Mutex<BTreeMap<Digest, Vec<LayerId>>>,
}

impl<'a> Here<'a> {
    pub fn new(images: &'a Images) -> Self {
        Self { images, layouts: Mutex::default() }
    }

    fn in_layout(&self, source: &SourceOp) -> Option<Value> {
        let SourceOp::Image { digest, platform, reference } = source else { return None };
        let layers = self.layouts.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()?;
        // A build may have taken it in, and found layers there that it knew under another name.
        let name: Reference = reference.parse().ok()?;
        let here = self.images.find(&name.with_digest(*digest), platform, Pull::Never).map(|found| found.layers);
        Some(Value::Snapshot(here.unwrap_or(layers)))
    }
}

impl parser::lower::Images for Here<'_> {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let reference = name.clone();
        Ok(match self.images.find(name, platform, Pull::Never) {
            Ok(found) => BaseImage { reference, digest: found.digest, config: found.config },
            Err(_) => {
                let mut config = ImageConfig::scratch(platform);
                let digest = Digest::from_bytes(NOBODY);
                // Without a layer it would not be in the graph.
                config.rootfs.diff_ids.push(DiffId(digest));
                BaseImage { reference, digest, config }
            }
        })
    }

    /// Nothing of it is taken into the store.
    fn resolve_layout(&self, layout: &Layout, platform: &Platform) -> Result<BaseImage, ImageError> {
        let base = in_layout(layout, platform).and_then(|(_, image)| base_of(&image)).map_err(ImageError::from)?;
        let layers = base.config.rootfs.diff_ids.iter().copied().map(LayerId::Pulled).collect();
        self.layouts.lock().unwrap_or_else(PoisonError::into_inner).insert(base.digest, layers);
        Ok(base)
    }
}

/// What is known of the vertices that `targets` need.
pub fn known(
    graph: &Graph,
    targets: &[VertexId],
    build: &Build<'_>,
    (executor, here): (&LocalExecutor, &Here<'_>),
) -> Result<BTreeMap<VertexId, Known>, Problem> {
    let task = build.view.begin("look for sources");
    let source = |source: &SourceOp| match source {
        SourceOp::Image { .. } if is_stand_in(source) => None,
        SourceOp::Image { .. } => here.in_layout(source).or_else(|| executor.resolve(source, task).ok()),
        SourceOp::Local { .. } => executor.resolve(source, task).ok(),
        SourceOp::Git { .. } | SourceOp::Http { .. } => {
            build.remotes.remembered(source).ok().flatten().map(|layer| Value::Snapshot(vec![layer]))
        }
    };
    let eyes = Eyes { executor, source: &source, progress: &*build.view };
    let looks = solver::look(graph, targets, &build.store, eyes)?;
    let mut known = BTreeMap::new();
    let mut unsure = BTreeSet::new();
    for (id, look) in looks {
        let op = &graph.vertex(id).op;
        let image_unknown = matches!(op, Op::Source(source) if is_stand_in(source));
        if image_unknown || graph.inputs(id).iter().any(|input| unsure.contains(input)) {
            unsure.insert(id);
        }
        let layers = match &look {
            Look::Here => snapshot(op, &source),
            Look::Hit { layers, .. } => Some(layers.clone()),
            Look::Absent | Look::Miss { .. } | Look::Open { .. } | Look::Fails { .. } => None,
        };
        let size = layers.map(|layers| size(&build.store, &layers)).transpose()?.flatten();
        let (state, took) = told(look, unsure.contains(&id));
        known.insert(id, Known { state, took, size });
    }
    Ok(known)
}

/// The layers of an image that is here.
fn snapshot(op: &Op, source: &dyn Fn(&SourceOp) -> Option<Value>) -> Option<Vec<LayerId>> {
    match op {
        Op::Source(op) => match source(op)? {
            Value::Snapshot(layers) => Some(layers),
            Value::Local(_) => None,
        },
        Op::Exec(_) | Op::File(_) | Op::Merge | Op::Diff => None,
    }
}

fn told(look: Look, is_unsure: bool) -> (State, Option<std::time::Duration>) {
    match look {
        Look::Here => (State::Here, None),
        Look::Absent => (State::Absent, None),
        Look::Hit { took, .. } => (State::Cached, took),
        Look::Miss { last } if is_unsure => (State::Unknown, last),
        Look::Miss { last } => (State::WillRun, last),
        Look::Open { last } => (State::Unknown, last),
        Look::Fails { message } => (State::Fails(message), None),
    }
}

fn is_stand_in(source: &SourceOp) -> bool {
    matches!(source, SourceOp::Image { digest, .. } if *digest == Digest::from_bytes(NOBODY))
}

/// The bytes of the files of `layers`, if all are here.
fn size(store: &Store, layers: &[LayerId]) -> Result<Option<u64>, Problem> {
    let mut size = 0;
    for layer in layers {
        let Some(row) = store.layer_row(layer)? else { return Ok(None) };
        size += row.size;
    }
    Ok(Some(size))
}

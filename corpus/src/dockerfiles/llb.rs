//! What the solver is asked to do, and the image's config: the file lowered for linux/amd64 on a stand-in for every
//! base image.
//!
//! Both sides are brought to one form: what each vertex does, with its inputs by their names, under its own name. A
//! file that is made for one command counts as part of it.

mod ours;
mod theirs;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use oci::{Digest, ImageConfig, Platform, Reference};
use parser::lower::{BaseImage, Entitlement, ImageError, Images, Lowered, Request, lower};
use parser::{Diagnostic, Dockerfile};
use serde_json::{Value, json};

use crate::difference;
use crate::verdict::Case;

/// What the digest of an image is made of whose name has none.
const STAND_IN: &[u8] = b"stand-in";

/// Every base image, and which were asked for.
#[derive(Default)]
pub(super) struct StandIn(Mutex<Vec<String>>);

impl Images for StandIn {
    fn resolve(&self, name: &Reference, _: &Platform) -> Result<BaseImage, ImageError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_string());
        let mut config = ImageConfig::scratch(&platform());
        config.config.env = Some(vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()]);
        config.config.cmd = Some(vec!["/bin/sh".to_owned()]);
        config.history.push(oci::image::History { created_by: Some("fake base".to_owned()), ..Default::default() });
        Ok(BaseImage { reference: name.clone(), digest: name.digest().unwrap_or(Digest::of(STAND_IN)), config })
    }
}

impl StandIn {
    fn asked_for(self) -> Vec<String> {
        let mut names = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        names.sort();
        names.dedup();
        names
    }
}

fn platform() -> Platform {
    Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None, os_version: None }
}

/// As the corpus was made: for one platform, without build arguments.
pub(super) fn request() -> Request {
    Request {
        platforms: vec![platform()],
        build_platform: Some(platform()),
        // BuildKit asks for these only when it runs what was lowered.
        entitlements: Entitlement::ALL.into_iter().collect(),
        ..Request::default()
    }
}

pub(super) fn compare(case: &mut Case, row: &Value, file: &Dockerfile) {
    let Some(theirs) = row.get("llb") else { return };
    let images = StandIn::default();
    let lowered = lower(file, &request(), &images);
    let errors: Vec<&Diagnostic> = lowered.as_ref().err().into_iter().flatten().collect();
    let both = super::accepted(case, ["llb.ok", "llb.err_lines"], theirs, &errors);
    if let (true, Ok(lowered)) = (both, lowered) {
        graphs(case, theirs, &lowered, images);
    }
}

fn graphs(case: &mut Case, theirs: &Value, lowered: &Lowered, images: StandIn) {
    let mut asked_for = theirs["images"].as_array().cloned().unwrap_or_default();
    asked_for.sort_by_key(Value::to_string);
    case.values("llb.images", &json!(asked_for), &json!(images.asked_for()));
    if theirs.get("image").is_some() {
        let ours = serde_json::to_value(lowered.images.first().map(|image| &image.config)).unwrap_or_default();
        case.values("llb.image", &without_layers(&theirs["image"]), &without_layers(&ours));
    }
    let (theirs, ours) = (theirs::ops(theirs), ours::ops(lowered));
    let found = difference::first(&theirs, &ours).map(|(at, what)| (ours::line(lowered, &at), at, what));
    case.differences("llb.ops", found.into_iter().collect());
}

/// A stand-in has no layers that could be compared.
fn without_layers(image: &Value) -> Value {
    let mut image = image.clone();
    if let Value::Object(image) = &mut image {
        image.remove("rootfs");
    }
    image
}

/// Names need not be unique, and what has the same name stands in no order. LLB knows vertices by their contents: what is
/// the same is there once.
fn insert(ops: &mut BTreeMap<String, BTreeMap<String, Value>>, name: String, op: Value) {
    ops.entry(name).or_default().insert(op.to_string(), op);
}

fn inserted(ops: BTreeMap<String, BTreeMap<String, Value>>) -> Value {
    ops.into_iter().map(|(name, same)| (name, same.into_values().collect::<Value>())).collect()
}

//! Keys: what a step depends on, as one list of named fields. Knows no store and no schedule.
//!
//! A key is blake3 over the canonical bytes of a [`Manifest`]: the fields of the op ([`graph::fields`]), then what stands for
//! its inputs: each of them whole, or what the op sees of them.

use graph::Manifest;

use crate::port::Value;

/// The key that takes every input whole: one look-up, no tree opened. `None` where an input has no digest as a whole.
pub fn whole(op: &Manifest, inputs: &[Value]) -> Option<Manifest> {
    let mut manifest = op.clone();
    for (slot, input) in inputs.iter().enumerate() {
        let Value::Snapshot(layers) = input else { return None };
        let layers: Vec<String> = layers.iter().map(ToString::to_string).collect();
        manifest.push(format!("input.{slot}"), layers.join("\n"));
    }
    Some(manifest)
}

/// The key that takes of the inputs only what the op can see.
pub fn seen(op: &Manifest, sight: &Manifest) -> Manifest {
    let mut manifest = op.clone();
    manifest.extend(sight.clone());
    manifest
}

#[cfg(test)]
mod tests;

//! Stacks: what is put on what. Knows no keys and no store, and runs nothing.

use graph::Slot;
use oci::LayerId;

use crate::port::{Failure, Job, Value};

/// The layers that a step's own are put on: those of its input at `root`, or none.
pub fn below(job: Job<'_>, root: Option<Slot>) -> Result<Vec<LayerId>, Failure> {
    root.map_or_else(|| Ok(Vec::new()), |slot| Ok(layers(job, usize::from(slot.0))?.to_vec()))
}

/// All inputs, the first at the bottom.
pub fn merged(job: Job<'_>) -> Result<Vec<LayerId>, Failure> {
    let mut stack = Vec::new();
    for slot in 0..job.inputs.len() {
        stack.extend_from_slice(layers(job, slot)?);
    }
    Ok(stack)
}

/// What the second input has that the first has not.
pub fn difference(job: Job<'_>) -> Result<Vec<LayerId>, Failure> {
    let (lower, upper) = (layers(job, 0)?, layers(job, 1)?);
    let above = upper.strip_prefix(lower).ok_or_else(|| {
        Failure::other("a difference of two filesystems, neither of which is built on the other, is not supported")
    })?;
    Ok(above.to_vec())
}

fn layers(job: Job<'_>, slot: usize) -> Result<&[LayerId], Failure> {
    match job.inputs.get(slot) {
        Some(Value::Snapshot(layers)) => Ok(layers),
        Some(Value::Local(name)) => {
            Err(Failure::other(format!("the local directory `{name}` cannot be a root filesystem")))
        }
        None => Err(Failure::other(format!("`{}` has no input {slot}", job.vertex.meta.name))),
    }
}

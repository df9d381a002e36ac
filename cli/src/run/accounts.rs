//! The users and groups that an image knows. Mounts nothing: the files are found in the layers' trees, as overlayfs would
//! show them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use cache::Store;
use oci::LayerId;
use oci::tree::Kind;
use oci::view::{Last, Place, View};
use runner::passwd::Accounts;

use super::NOT_STARTED;
use crate::report::{self, Problem};

/// Larger files are read this far.
const MAX_FILE: u64 = 4 << 20;

pub fn of(store: &Store, layers: &[LayerId]) -> Result<Accounts, Problem> {
    let trees = layers.iter().map(|layer| store.tree(layer)).collect::<Result<Vec<_>, _>>()?;
    let view = View::new(trees);
    let read = |path: &[u8]| read(store, layers, &view, path);
    Ok(Accounts::parse(&read(b"etc/passwd")?, &read(b"etc/group")?))
}

/// The bytes of a file; none where there is no file.
fn read(store: &Store, layers: &[LayerId], view: &View, path: &[u8]) -> Result<Vec<u8>, Problem> {
    let Ok(resolved) = view.resolve(path, Last::Follow) else { return Ok(Vec::new()) };
    let Place::Entry(found) = resolved.place else { return Ok(Vec::new()) };
    if !matches!(found.node.kind, Kind::File { .. }) {
        return Ok(Vec::new());
    }
    let path = store.layer_fs(&layers[found.layer])?.join(OsStr::from_bytes(&found.node.path));
    let mut bytes = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes))
        .map_err(|error| report::io(NOT_STARTED, "read", &path, &error))?;
    Ok(bytes)
}

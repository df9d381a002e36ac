//! Whose the files of layers are on this disk. Knows no layer and no sandbox.
//!
//! Root keeps owners as they are. Anybody else has one id that counts, and in the sandbox's user namespace that id is
//! root's: so what is ours stands for root's, and an owner that cannot be set on disk lives in the layer's tree alone.

use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Gid, Uid};
use rustix::process::{getegid, geteuid};

/// The owner and group in a layer of what `uid` and `gid` own on disk.
pub fn recorded(uid: u32, gid: u32) -> (u32, u32) {
    let stands_for = |id: u32, ours: u32| if id == ours { 0 } else { id };
    if geteuid().is_root() {
        return (uid, gid);
    }
    (stands_for(uid, geteuid().as_raw()), stands_for(gid, getegid().as_raw()))
}

/// Gives `name` in `dir` the owner and group that it has in its layer, as far as this process may.
pub fn set(dir: impl AsFd, name: &[u8], uid: u32, gid: u32) -> rustix::io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    rustix::fs::chownat(dir, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)
}

/// The same for the open `file`.
pub fn set_open(file: impl AsFd, uid: u32, gid: u32) -> rustix::io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

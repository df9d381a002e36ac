//! Does the steps of a plan that change the world around the process. Decides nothing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Uid, fchmod, fchown, makedev, mknodat, open, openat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
};
use rustix::thread::UnshareFlags;

use super::kernel;
use super::machine::Places;
use super::overlay::{Overlay, Refusal};
use super::plan::{Attribute, Step};
use super::resolve;
use super::stub::Kind;

/// What the steps so far have made.
pub struct World {
    places: Places,
    root: Option<OwnedFd>,
    device_directory: Option<OwnedFd>,
    /// A tmpfs for the contents of files, and how many it has.
    files: Option<(OwnedFd, u32)>,
    /// Mountpoints that no layer had, relative to the root, outermost first.
    pub made: Vec<PathBuf>,
}

impl World {
    pub fn new(places: Places) -> World {
        World { places, root: None, device_directory: None, files: None, made: Vec::new() }
    }

    fn root(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.root.as_ref().ok_or(Errno::BADF)?.as_fd())
    }

    /// The mountpoint for what the spec wants mounted, made when there is none.
    fn target(&mut self, path: &str, kind: Kind) -> io::Result<OwnedFd> {
        let root = self.root.as_ref().ok_or(Errno::BADF)?;
        resolve::ensure(root.as_fd(), path, kind, &mut self.made)
    }
}

pub fn apply(step: &Step, world: &mut World) -> Result<(), Refusal> {
    match step {
        Step::Overlay { lowers, upper, work, user_xattrs } => {
            let overlay = Overlay { lowers, upper, work, user_xattrs: *user_xattrs };
            overlay.mount_at(&world.places.root)?;
            Ok(enter_root(world)?)
        }
        other => Ok(apply_plain(other, world)?),
    }
}

fn apply_plain(step: &Step, world: &mut World) -> io::Result<()> {
    match step {
        Step::Overlay { .. } => Err(Errno::INVAL.into()),
        Step::NewNetwork => new_network(),
        Step::Hostname(name) => Ok(rustix::system::sethostname(name.as_bytes())?),
        Step::RootDirectory(path) => root_directory(path, world),
        Step::Filesystem { name, target, options, attributes } => {
            let target = standard_target(target, world)?;
            attach(&filesystem(name, options, attributes)?, &target)
        }
        Step::Device { name, block, major, minor } => device(name, *block, (*major, *minor), world),
        Step::HostDevice { name } => host_device(name, world),
        Step::Link { path, to } => link(path, to, world),
        Step::HostSys => host_sys(world),
        Step::Bind { source, target, file, attributes } => {
            let tree = bound(source, attributes)?;
            let kind = if *file { Kind::File } else { Kind::Directory };
            attach(&tree, &world.target(target, kind)?)
        }
        Step::Tmpfs { target, options, attributes } => {
            let mounted = filesystem("tmpfs", options, attributes)?;
            attach(&mounted, &world.target(target, Kind::Directory)?)
        }
        Step::File { target, contents, mode, uid, gid } => {
            let file = file(contents, *mode, (*uid, *gid), world)?;
            attach(&file, &world.target(target, Kind::File)?)
        }
        Step::Mask { path, empty } => mask(path, empty, world),
        Step::ReadOnly { path } => read_only(path, world),
        Step::WorkingDirectory(path) => working_directory(path, world),
        Step::ReadOnlyRoot => kernel::mount_setattr(world.root()?, MountAttrFlags::MOUNT_ATTR_RDONLY.bits().into(), 0),
        Step::Pivot => pivot(world),
    }
}

fn new_network() -> io::Result<()> {
    // SAFETY: descriptors stay shared; a network namespace concerns no memory or thread of ours.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)? };
    kernel::loopback_up()
}

fn root_directory(path: &Path, world: &mut World) -> io::Result<()> {
    let tree = bound(path, &[])?;
    move_mount(&tree, "", CWD, &world.places.root, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    enter_root(world)
}

fn enter_root(world: &mut World) -> io::Result<()> {
    world.root = Some(open(&world.places.root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?);
    Ok(())
}

/// The mountpoint of a standard filesystem. A link in its place would put it where the image's author wants it.
fn standard_target(path: &str, world: &mut World) -> io::Result<OwnedFd> {
    if let Some(name) = path.strip_prefix("/dev/") {
        return device_subdirectory(name, world);
    }
    match resolve::plainly(world.root()?, path) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
            world.target(path, Kind::Directory)?;
            resolve::plainly(world.root()?, path)
        }
        found => found,
    }
}

/// In the tmpfs that we have just mounted there, so nothing is in the way.
fn device_subdirectory(name: &str, world: &mut World) -> io::Result<OwnedFd> {
    let devices = device_directory(world)?;
    rustix::fs::mkdirat(devices, name, Mode::from_raw_mode(0o755))?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(devices, name, flags, Mode::empty())?)
}

fn filesystem(name: &str, options: &[(String, String)], attributes: &[Attribute]) -> io::Result<OwnedFd> {
    let context = fsopen(name, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(&context, key.as_str(), value.as_str())?;
    }
    fsconfig_create(&context)?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags(attributes))?)
}

fn flags(attributes: &[Attribute]) -> MountAttrFlags {
    attributes.iter().fold(MountAttrFlags::empty(), |flags, attribute| {
        flags
            | match attribute {
                Attribute::ReadOnly => MountAttrFlags::MOUNT_ATTR_RDONLY,
                Attribute::NoSuid => MountAttrFlags::MOUNT_ATTR_NOSUID,
                Attribute::NoDev => MountAttrFlags::MOUNT_ATTR_NODEV,
                Attribute::NoExec => MountAttrFlags::MOUNT_ATTR_NOEXEC,
            }
    })
}

fn attach(mount: &OwnedFd, target: &OwnedFd) -> io::Result<()> {
    let both_by_descriptor = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", target, "", both_by_descriptor)?)
}

/// A copy of a tree of mounts, not yet anywhere.
fn copied(at: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(at, path, flags)?)
}

fn bound(source: &Path, attributes: &[Attribute]) -> io::Result<OwnedFd> {
    let tree = copied(CWD, source)?;
    let flags = flags(attributes);
    if !flags.is_empty() {
        kernel::mount_setattr(tree.as_fd(), flags.bits().into(), libc::AT_RECURSIVE)?;
    }
    Ok(tree)
}

fn device_directory(world: &mut World) -> io::Result<BorrowedFd<'_>> {
    if world.device_directory.is_none() {
        world.device_directory = Some(resolve::plainly(world.root()?, "/dev")?);
    }
    Ok(world.device_directory.as_ref().ok_or(Errno::BADF)?.as_fd())
}

fn device(name: &str, block: bool, (major, minor): (u32, u32), world: &mut World) -> io::Result<()> {
    let directory = device_directory(world)?;
    if let Some((parent, _)) = name.split_once('/') {
        rustix::fs::mkdirat(directory, parent, Mode::from_raw_mode(0o755))?;
    }
    let kind = if block { FileType::BlockDevice } else { FileType::CharacterDevice };
    Ok(mknodat(directory, name, kind, Mode::from_raw_mode(0o666), makedev(major, minor))?)
}

fn host_device(name: &str, world: &mut World) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let directory = device_directory(world)?;
    drop(openat(directory, name, flags, Mode::from_raw_mode(0o666))?);
    let target = openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    attach(&copied(CWD, &Path::new("/dev").join(name))?, &target)
}

fn link(path: &str, to: &str, world: &mut World) -> io::Result<()> {
    let name = path.strip_prefix("/dev/").ok_or(Errno::INVAL)?;
    Ok(symlinkat(to, device_directory(world)?, name)?)
}

fn host_sys(world: &mut World) -> io::Result<()> {
    let tree =
        bound(Path::new("/sys"), &[Attribute::ReadOnly, Attribute::NoSuid, Attribute::NoExec, Attribute::NoDev])?;
    attach(&tree, &standard_target("/sys", world)?)
}

/// A file with these contents, as a mount of its own that cannot be written.
fn file(contents: &[u8], mode: u32, (uid, gid): (u32, u32), world: &mut World) -> io::Result<OwnedFd> {
    let (directory, count) = match world.files.take() {
        Some((directory, count)) => (directory, count + 1),
        None => (files_directory(world)?, 0),
    };
    let name = count.to_string();
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat(&directory, name.as_str(), flags, Mode::from_raw_mode(mode))?;
    let mut left = contents;
    while !left.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, left))?;
        left = left.get(written..).unwrap_or_default();
    }
    if (uid, gid) != (0, 0) {
        fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    fchmod(&file, Mode::from_raw_mode(mode))?;
    let tree = copied(directory.as_fd(), Path::new(&name))?;
    let attributes = flags_of_a_file(mode);
    kernel::mount_setattr(tree.as_fd(), attributes, 0)?;
    world.files = Some((directory, count));
    Ok(tree)
}

fn flags_of_a_file(mode: u32) -> u64 {
    let always = flags(&[Attribute::ReadOnly, Attribute::NoSuid, Attribute::NoDev]);
    let executable = if mode & 0o111 == 0 { flags(&[Attribute::NoExec]) } else { MountAttrFlags::empty() };
    (always | executable).bits().into()
}

/// Mounted in the host's tree, as only what is mounted can be copied; the pivot takes it out of sight.
fn files_directory(world: &World) -> io::Result<OwnedFd> {
    let mounted = filesystem("tmpfs", &[("mode".to_owned(), "755".to_owned())], &[])?;
    move_mount(&mounted, "", CWD, &world.places.files, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    Ok(mounted)
}

fn mask(path: &str, empty: &Path, world: &World) -> io::Result<()> {
    let Some(target) = existing(path, world)? else { return Ok(()) };
    let cover = match resolve::file_type(target.as_fd())? {
        FileType::Directory => bound(empty, &[Attribute::ReadOnly])?,
        _ => copied(CWD, Path::new("/dev/null"))?,
    };
    attach(&cover, &target)
}

fn read_only(path: &str, world: &World) -> io::Result<()> {
    let Some(target) = existing(path, world)? else { return Ok(()) };
    let tree = copied(target.as_fd(), Path::new(""))?;
    kernel::mount_setattr(tree.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY.bits().into(), libc::AT_RECURSIVE)?;
    attach(&tree, &target)
}

fn existing(path: &str, world: &World) -> io::Result<Option<OwnedFd>> {
    match resolve::plainly(world.root()?, path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is made for a working directory is there to stay.
fn working_directory(path: &str, world: &World) -> io::Result<()> {
    let found = resolve::ensure(world.root()?, path, Kind::Directory, &mut Vec::new())?;
    match resolve::file_type(found.as_fd())? {
        FileType::Directory => Ok(()),
        _ => Err(Errno::NOTDIR.into()),
    }
}

/// The root becomes the root, the host's tree is put on top of it for a moment, and taken away.
fn pivot(world: &mut World) -> io::Result<()> {
    rustix::process::fchdir(world.root()?)?;
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    world.device_directory = None;
    world.files = None;
    Ok(())
}

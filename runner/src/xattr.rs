//! Extended attributes of open files. Overlay's own are never among them.

use std::os::fd::BorrowedFd;

use oci::tree::Xattr;
use oci::tree::build::is_overlays_own;
use rustix::io::Errno;

/// As much as the kernel gives for a list of names, or for a value.
const MAX: usize = 64 << 10;
/// Enough for nearly all lists.
const USUAL: usize = 256;

/// The attributes of the file or directory `fd`, by name. None where the file system has none.
pub fn of(fd: BorrowedFd<'_>) -> rustix::io::Result<Vec<Xattr>> {
    let mut small = [0; USUAL];
    let mut large = Vec::new();
    let names = match rustix::fs::flistxattr(fd, &mut small) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Ok(length) => &small[..length],
        Err(Errno::RANGE) => {
            large.resize(MAX, 0);
            let length = rustix::fs::flistxattr(fd, &mut large)?;
            &large[..length]
        }
        Err(errno) => return Err(errno),
    };
    let mut value = vec![0; MAX];
    let mut xattrs: Vec<Xattr> = Vec::new();
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty() && !is_overlays_own(name)) {
        match rustix::fs::fgetxattr(fd, name, &mut value) {
            Ok(length) => xattrs.push((name.into(), value[..length].into())),
            // Removed in between, or not for us to see.
            Err(Errno::NODATA | Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => {}
            Err(errno) => return Err(errno),
        }
    }
    xattrs.sort_unstable();
    Ok(xattrs)
}

/// Gives `fd` the attributes. One that the file system or the kernel refuses is left out, as BuildKit does.
pub fn set(fd: BorrowedFd<'_>, xattrs: &[Xattr]) -> rustix::io::Result<()> {
    for (name, value) in xattrs {
        match rustix::fs::fsetxattr(fd, &**name, value, rustix::fs::XattrFlags::empty()) {
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Marks the directory `fd` as hiding what layers below have in it.
pub fn set_opaque(fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let set = |name: &str| rustix::fs::fsetxattr(fd, name, b"y", rustix::fs::XattrFlags::empty());
    match set("trusted.overlay.opaque") {
        Err(Errno::PERM) => set("user.overlay.opaque"),
        result => result,
    }
}

/// Whether the directory `fd` is marked so.
pub fn is_opaque(fd: BorrowedFd<'_>) -> bool {
    ["trusted.overlay.opaque", "user.overlay.opaque"].into_iter().any(|name| {
        let mut value = [0; 4];
        matches!(rustix::fs::fgetxattr(fd, name, &mut value), Ok(1) if value[0] == b'y')
    })
}

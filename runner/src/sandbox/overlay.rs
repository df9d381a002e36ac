//! Mounts an overlay, with as many layers as there are. Knows not what is in them.
//!
//! One option per layer through the mount API of descriptors; a path too long for an option goes as a descriptor's
//! name. Kernels before 6.7 have no `lowerdir+`: there all is one string of at most a page, so its paths are made
//! short by changing into the directory that they share.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, mount, move_mount,
};

/// Longest value of an option, without the zero byte.
const LONGEST_OPTION: usize = 255;
/// The options of the old call are a page, with a zero byte.
const LONGEST_OPTIONS: usize = 4095;

pub struct Overlay<'a> {
    /// Bottom first.
    pub lowers: &'a [PathBuf],
    pub upper: &'a Path,
    pub work: &'a Path,
    pub user_xattrs: bool,
}

/// What the kernel said, besides the error.
pub struct Refusal {
    pub error: io::Error,
    pub detail: String,
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal { error, detail: String::new() }
    }
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Refusal {
        io::Error::from(error).into()
    }
}

impl Overlay<'_> {
    pub fn mount_at(&self, at: &Path) -> Result<(), Refusal> {
        let context = match fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC) {
            Err(Errno::NOSYS) => return self.mount_by_string(at),
            context => context?,
        };
        match self.configure(&context) {
            Ok(()) => self.create(&context, at),
            Err(error) => {
                let detail = log(&context);
                // This kernel does not take layers one by one.
                if detail.contains("Unknown parameter 'lowerdir+'") {
                    return self.mount_by_string(at);
                }
                Err(Refusal { detail, error: error.into() })
            }
        }
    }

    fn configure(&self, context: &OwnedFd) -> Result<(), Errno> {
        for lower in self.lowers.iter().rev() {
            set_path(context, "lowerdir+", lower)?;
        }
        set_path(context, "upperdir", self.upper)?;
        set_path(context, "workdir", self.work)?;
        fsconfig_set_flag(context, "volatile")?;
        // An upper layer is to be plain files that mean the same in any stack: no redirects, no metadata-only copies.
        for (option, value) in [("redirect_dir", "nofollow"), ("metacopy", "off"), ("index", "off")] {
            fsconfig_set_string(context, option, value)?;
        }
        if self.user_xattrs {
            fsconfig_set_flag(context, "userxattr")?;
        }
        Ok(())
    }

    fn create(&self, context: &OwnedFd, at: &Path) -> Result<(), Refusal> {
        let refused = |error: Errno| Refusal { detail: log(context), error: error.into() };
        fsconfig_create(context).map_err(refused)?;
        let mounted = fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).map_err(refused)?;
        move_mount(&mounted, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).map_err(refused)
    }

    fn mount_by_string(&self, at: &Path) -> Result<(), Refusal> {
        let base = shared_parent(self.lowers);
        rustix::process::chdir(&base)?;
        let options = self.options(&base);
        if options.len() > LONGEST_OPTIONS {
            let detail =
                format!("{} layers are too many for this kernel: `lowerdir+` came with Linux 6.7", self.lowers.len());
            return Err(Refusal { error: Errno::TOOBIG.into(), detail });
        }
        let options = CString::new(options).map_err(|_| Errno::INVAL)?;
        mount("overlay", at, "overlay", MountFlags::empty(), options.as_c_str())?;
        Ok(rustix::process::chdir("/")?)
    }

    fn options(&self, base: &Path) -> Vec<u8> {
        let mut options = b"lowerdir=".to_vec();
        for (at, lower) in self.lowers.iter().rev().enumerate() {
            if at > 0 {
                options.push(b':');
            }
            escape(lower.strip_prefix(base).unwrap_or(lower), &mut options);
        }
        for (name, path) in [(&b",upperdir="[..], self.upper), (b",workdir=", self.work)] {
            options.extend(name);
            escape(path, &mut options);
        }
        options.extend(b",volatile,redirect_dir=nofollow,metacopy=off,index=off");
        if self.user_xattrs {
            options.extend(b",userxattr");
        }
        options
    }
}

fn set_path(context: &OwnedFd, option: &str, path: &Path) -> Result<(), Errno> {
    if path.as_os_str().len() <= LONGEST_OPTION {
        return fsconfig_set_string(context, option, path);
    }
    let directory = open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    fsconfig_set_string(context, option, format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

/// The kernel's own words are read from the context, one message a read.
fn log(context: &OwnedFd) -> String {
    let mut lines = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = rustix::io::read(context.as_fd(), &mut buffer) {
        lines.push(String::from_utf8_lossy(&buffer[..length]).trim().to_owned());
    }
    lines.join("; ")
}

fn shared_parent(paths: &[PathBuf]) -> PathBuf {
    let mut shared = paths.first().and_then(|path| path.parent()).unwrap_or(Path::new("/"));
    while !paths.iter().all(|path| path.starts_with(shared) && path != shared) {
        match shared.parent() {
            Some(parent) => shared = parent,
            None => break,
        }
    }
    shared.to_owned()
}

/// Commas end options and colons end layers.
fn escape(path: &Path, options: &mut Vec<u8>) {
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b'\\' | b',' | b':') {
            options.push(b'\\');
        }
        options.push(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_short_and_escaped() {
        let lowers = ["/s/l/1/fs", "/s/l/2:,/fs", "/s/stub"].map(PathBuf::from);
        let overlay = Overlay { lowers: &lowers, upper: Path::new("/s/u"), work: Path::new("/s/w"), user_xattrs: true };
        assert_eq!(shared_parent(&lowers), Path::new("/s"));
        assert_eq!(
            String::from_utf8(overlay.options(Path::new("/s"))).unwrap(),
            "lowerdir=stub:l/2\\:\\,/fs:l/1/fs,upperdir=/s/u,workdir=/s/w,\
             volatile,redirect_dir=nofollow,metacopy=off,index=off,userxattr"
        );
    }
}

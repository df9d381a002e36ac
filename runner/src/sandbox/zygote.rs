//! The small process that clones the init of each sandbox. Knows nothing of plans: it passes them on.
//!
//! Cloning copies the page tables and the mount namespace of the process that does it, so that is done by one that has
//! little of both, and of threads one. It lives in a mount namespace of its own, where mounts of the host still arrive
//! and from where none get out, and it ends when its caller does: then there is nobody at the other end of its socket.
//! Each init dies with it, and with the init all in its pid namespace.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::Mode;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::PidfdFlags;
use rustix::thread::UnshareFlags;

use super::init::{self, Inherited};
use super::kernel::{self, Forked};
use super::machine::Rung;
use super::seccomp;
use super::wire::{self, Reply};

/// A step of getting ready failed.
struct NotReady(&'static str, io::Error);

pub fn main(control: OwnedFd, rung: Rung) -> ! {
    let served = std::panic::catch_unwind(|| match prepare(control.as_fd(), rung) {
        Ok(own) => serve(control, &own),
        Err(NotReady(what, error)) => {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            wire::send(control.as_fd(), &Reply::NotReady { what: what.to_owned(), errno }, &[])
        }
    });
    kernel::exit(if matches!(served, Ok(Ok(()))) { 0 } else { 70 })
}

/// Gives a descriptor that is readable when we are dead, for those we clone.
fn prepare(control: BorrowedFd<'_>, rung: Rung) -> Result<OwnedFd, NotReady> {
    kernel::keep_only(control).map_err(|error| NotReady("close what the caller has open", error))?;
    let failed = |what| move |error: rustix::io::Errno| NotReady(what, error.into());
    kernel::reset_signals();
    kernel::ignore_children();
    // Ctrl-C at the caller's terminal is the caller's business.
    rustix::process::setsid().map_err(failed("leave the caller's session"))?;
    let _ = rustix::thread::set_name(c"kiln-zygote");
    match rung {
        Rung::Root => {}
        Rung::SingleId => user_namespace().map_err(|error| NotReady("make a user namespace", error))?,
    }
    // SAFETY: one thread, which keeps all its descriptors.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.map_err(failed("make a mount namespace"))?;
    let downstream = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", downstream).map_err(failed("keep mounts from getting out"))?;
    rustix::process::umask(Mode::empty());
    rustix::process::chdir("/").map_err(failed("change to `/`"))?;
    rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).map_err(failed("open a pidfd"))
}

/// Our user and group become 0 in it.
fn user_namespace() -> io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    // SAFETY: one thread, which keeps all its descriptors.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER)? };
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

fn serve(control: OwnedFd, own: &OwnedFd) -> io::Result<()> {
    let filter = seccomp::filter();
    wire::send(control.as_fd(), &Reply::Ready, &[])?;
    while let Some((Request, descriptors)) = wire::recv::<Request>(control.as_fd())? {
        match kernel::clone_init(kernel::SANDBOX_NAMESPACES) {
            Ok(Forked::Child) => {
                // Else the caller would not see that the zygote is dead.
                drop(control);
                init::main(descriptors, &Inherited { zygote: own.as_fd(), filter: &filter })
            }
            Ok(Forked::Parent(pidfd)) => tell(&descriptors, &Reply::Cloned, &[pidfd.as_fd()]),
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                tell(&descriptors, &Reply::NotCloned { errno }, &[]);
            }
        }
    }
    Ok(())
}

/// Start a sandbox, with the descriptors that come along.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Request;

/// A caller who has gone away needs no answer.
fn tell(descriptors: &[OwnedFd], reply: &Reply, along: &[BorrowedFd<'_>]) {
    if let Some(caller) = descriptors.first() {
        let _ = wire::send(caller.as_fd(), reply, along);
    }
}

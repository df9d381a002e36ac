//! The system calls that `rustix` has no safe form of, one function each. Knows nothing of sandboxes.

use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use libc::{c_char, pid_t, sock_filter};

use super::spec::Limit;

/// What `clone` is told to make anew for the init of a sandbox.
pub const SANDBOX_NAMESPACES: c_int =
    libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP;

/// Limits what this process and its children may use.
pub fn set_limit(limit: Limit) -> io::Result<()> {
    let value = |value: Option<u64>| value.unwrap_or(libc::RLIM_INFINITY);
    let limits = libc::rlimit { rlim_cur: value(limit.soft), rlim_max: value(limit.hard) };
    // SAFETY: the kernel reads `limits`, which lives until the call is over, and refuses a resource it does not know.
    match unsafe { libc::setrlimit(limit.resource, &limits) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Which side of a fork we are on.
pub enum Forked<T> {
    Child,
    Parent(T),
}

/// The plain fork of libc, which leaves its allocator usable in the child even when other threads were running.
pub fn fork() -> io::Result<Forked<pid_t>> {
    // SAFETY: the child, being the only thread left, calls nothing but the zygote's loop, which waits for no lock that
    // another thread could have held but the allocator's, and libc resets that one in its own fork.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(pid)),
    }
}

/// Forks a child in new namespaces, as their pid 1. Only for a process of one thread.
pub fn clone_init(namespaces: c_int) -> io::Result<Forked<OwnedFd>> {
    let mut pidfd: c_int = -1;
    // SAFETY: all zeroes is a valid `clone_args`, whose fields are plain integers.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces as u64 | libc::CLONE_PIDFD as u64;
    args.pidfd = ptr::from_mut(&mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM this is a fork: the child runs on a copy of our memory. The caller has one thread, so no
    // lock is held by anyone who does not exist in the child.
    match unsafe { libc::syscall(libc::SYS_clone3, &mut args, size_of::<libc::clone_args>()) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        // SAFETY: the kernel has just made this descriptor for us alone.
        _ => Ok(Forked::Parent(unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

/// Runs `body` in a child that shares our memory, while we stand still, until it has executed a program or returned.
/// What `body` leaves in its captures is there for us to read. Only for a process of one thread.
pub fn vfork(body: &mut dyn FnMut()) -> io::Result<pid_t> {
    const STACK: usize = 256 * 1024;
    extern "C" fn run(body: *mut c_void) -> c_int {
        // SAFETY: this is the pointer to the reference that `vfork` below passed, whose frame stands still.
        let body = unsafe { &mut *body.cast::<&mut dyn FnMut()>() };
        body();
        127
    }
    let mut stack = Vec::<u128>::with_capacity(STACK / size_of::<u128>());
    let mut body = body;
    // SAFETY: the stack is ours, aligned, and outlives the child's use of our memory, since CLONE_VFORK keeps us from
    // going on before. The child ends by `exec` or by returning to libc's clone, which calls `_exit`.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.capacity()).cast::<c_void>();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        libc::clone(run, top, flags, ptr::from_mut(&mut body).cast())
    };
    if pid == -1 { Err(io::Error::last_os_error()) } else { Ok(pid) }
}

/// Ends the process without running anything of ours.
pub fn exit(status: i32) -> ! {
    // SAFETY: always sound; that is its purpose.
    unsafe { libc::_exit(status) }
}

/// Replaces the program; returns only what kept it from doing so.
pub fn execve(path: &CStr, args: &[*const c_char], env: &[*const c_char]) -> io::Error {
    debug_assert!(args.last().is_some_and(|p| p.is_null()) && env.last().is_some_and(|p| p.is_null()));
    // SAFETY: both lists end with a null, and their strings outlive the call.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Sets attributes (`MOUNT_ATTR_…`) on a mount, and on all below it if `recursive`.
pub fn mount_setattr(mount: BorrowedFd<'_>, set: u64, recursive: c_int) -> io::Result<()> {
    let attr = libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | recursive;
    // SAFETY: the path is a C string and `attr` a valid structure of the size told.
    let done = unsafe {
        libc::syscall(libc::SYS_mount_setattr, mount.as_raw_fd(), c"".as_ptr(), flags, &attr, size_of_val(&attr))
    };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Loads a seccomp filter for this process and its descendants.
pub fn load_filter(program: &[sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions from a slice that has as many, and writes to none.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Brings up the loopback interface of the current network namespace.
pub fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: all zeroes is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as c_char;
    request.ifr_name[1] = b'o' as c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: SIOCSIFFLAGS reads one `ifreq`, and that is what it is given.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Closes every descriptor from `first` on.
pub fn close_from(first: u32) -> io::Result<()> {
    close_range(first, u32::MAX)
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: only called in children that are about to forget all their descriptors, or, in the zygote, before it owns any.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Closes every descriptor but `kept` and the standard ones, which become `/dev/null`.
pub fn keep_only(kept: BorrowedFd<'_>) -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty())?;
    for standard in 0..=2 {
        put_at(null.as_fd(), standard)?;
    }
    let kept = kept.as_raw_fd() as u32;
    std::mem::forget(null); // closed with the others
    if kept > 3 {
        close_range(3, kept - 1)?;
    }
    close_from(kept.max(2) + 1)
}

/// `dup2`: makes the number `at` mean what `fd` means, for programs executed from here too.
pub fn put_at(fd: BorrowedFd<'_>, at: c_int) -> io::Result<()> {
    if fd.as_raw_fd() == at {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?;
        return Ok(());
    }
    // SAFETY: nothing of ours owns the standard numbers, and this is called for no others.
    if unsafe { libc::dup2(fd.as_raw_fd(), at) } == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Every signal gets its default disposition and none is blocked: what a fresh program expects.
pub fn reset_signals() {
    // Not through libc, which keeps two signals for itself and would leave them as the caller got them. All zeroes is
    // SIG_DFL, no flags, no restorer, an empty mask.
    let default = [0_u64; 4];
    // SAFETY: `default` is as large as the kernel's `sigaction`, the size of a set is 8 bytes, and errors (SIGKILL,
    // SIGSTOP) are of no account.
    unsafe {
        for signal in 1..=64 {
            libc::syscall(libc::SYS_rt_sigaction, signal, &default, ptr::null_mut::<c_void>(), 8_usize);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
    }
}

/// Children are reaped by the kernel.
pub fn ignore_children() {
    // SAFETY: SIG_IGN is a valid disposition for SIGCHLD.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Blocks every signal, and gives a descriptor that is readable when a child has ended.
pub fn child_signals() -> io::Result<OwnedFd> {
    // SAFETY: the sets are initialised by sigfillset and sigemptyset before use; the descriptor is new and ours.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        libc::sigprocmask(libc::SIG_BLOCK, &set, ptr::null_mut());
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        match libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// Reaps one child that has ended, if there is one: its pid and raw status.
pub fn reap() -> Option<(pid_t, c_int)> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for an int.
    match unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) } {
        pid if pid > 0 => Some((pid, status)),
        _ => None,
    }
}

/// Waits for that child to be gone.
pub fn reap_pid(pid: pid_t) {
    // SAFETY: a null status is allowed.
    unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
}

/// Sends a signal; who is gone already needs none.
pub fn kill(pid: pid_t, signal: c_int) {
    // SAFETY: always sound.
    unsafe { libc::kill(pid, signal) };
}

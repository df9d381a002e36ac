//! What every sandbox has: the mounts of the OCI runtime spec, what Docker hides of them, and its capabilities.

use super::{Attribute, Cgroup, Machine, Network, RunSpec, Rung, Step};

const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
/// What a privileged process has besides, as BuildKit's insecure mode has it.
const PRIVILEGED: [(&str, u32, u32); 6] = [
    ("kmsg", 1, 11),
    ("cuse", 10, 203),
    ("fuse", 10, 229),
    ("kvm", 10, 232),
    ("net/tun", 10, 200),
    ("loop-control", 10, 237),
];
const LOOPS: u32 = 8;
const LINKS: [(&str, &str); 6] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
    ("/dev/core", "/proc/kcore"),
];

/// By their numbers in `linux/capability.h`: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
/// net_bind_service, net_raw, sys_chroot, mknod, audit_write, setfcap.
const CAPABILITIES: [u32; 14] = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31];

use Attribute::{NoDev, NoExec, NoSuid, ReadOnly};

pub fn capabilities() -> u64 {
    CAPABILITIES.iter().fold(0, |set, number| set | 1 << number)
}

pub fn mounts(spec: &RunSpec, machine: &Machine) -> Vec<Step> {
    let mut steps = vec![
        filesystem("proc", "/proc", &[], &[NoSuid, NoExec, NoDev]),
        filesystem("tmpfs", "/dev", &[("mode", "755"), ("size", "65536k")], &[NoSuid]),
        filesystem("devpts", "/dev/pts", pts_options(machine), &[NoSuid, NoExec]),
        filesystem("tmpfs", "/dev/shm", &[("mode", "1777"), ("size", "65536k")], &[NoSuid, NoExec, NoDev]),
        filesystem("mqueue", "/dev/mqueue", &[], &[NoSuid, NoExec, NoDev]),
    ];
    steps.extend(DEVICES.iter().map(|(name, major, minor)| match machine.rung {
        Rung::Root => Step::Device { name: (*name).to_owned(), block: false, major: *major, minor: *minor },
        Rung::SingleId => Step::HostDevice { name: (*name).to_owned() },
    }));
    if spec.privileged && machine.rung == Rung::Root {
        let nodes = PRIVILEGED.iter().map(|(name, major, minor)| ((*name).to_owned(), false, *major, *minor));
        let loops = (0..LOOPS).map(|number| (format!("loop{number}"), true, 7, number));
        steps.extend(nodes.chain(loops).map(|(name, block, major, minor)| Step::Device { name, block, major, minor }));
    }
    steps.extend(LINKS.iter().map(|(path, to)| Step::Link { path: (*path).to_owned(), to: (*to).to_owned() }));
    steps.extend(sys(spec, machine));
    steps
}

fn sys(spec: &RunSpec, machine: &Machine) -> Vec<Step> {
    let mut attributes = vec![NoSuid, NoExec, NoDev];
    if !spec.privileged {
        attributes.push(ReadOnly);
    }
    if machine.rung == Rung::SingleId && spec.network == Network::Host {
        // A sysfs belongs to a network namespace, and this one is not ours. Its cgroups come along.
        return vec![Step::HostSys];
    }
    let mut steps = vec![filesystem("sysfs", "/sys", &[], &attributes)];
    if machine.cgroup == Cgroup::Unified {
        steps.push(filesystem("cgroup2", "/sys/fs/cgroup", &[], &attributes));
    }
    steps
}

fn pts_options(machine: &Machine) -> &'static [(&'static str, &'static str)] {
    match machine.rung {
        Rung::Root => &[("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")],
        Rung::SingleId => &[("ptmxmode", "0666"), ("mode", "0620")],
    }
}

/// What a process is not to see or change of the host.
pub fn hidden(machine: &Machine) -> Vec<Step> {
    let masked = MASKED.iter().map(|path| Step::Mask { path: (*path).to_owned(), empty: machine.places.empty.clone() });
    let read_only = READ_ONLY.iter().map(|path| Step::ReadOnly { path: (*path).to_owned() });
    masked.chain(read_only).collect()
}

fn filesystem(name: &str, target: &str, options: &[(&str, &str)], attributes: &[Attribute]) -> Step {
    Step::Filesystem {
        name: name.to_owned(),
        target: target.to_owned(),
        options: options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        attributes: attributes.to_vec(),
    }
}

//! Sandboxes and the steps they are made by.

use expect_test::{Expect, expect};

use super::*;
use crate::sandbox::spec::{Credentials, File, Mount};

fn spec() -> RunSpec {
    RunSpec {
        root: Root::Overlay { lowers: vec!["/l/1".into(), "/l/2".into()], upper: "/u".into(), work: "/w".into() },
        readonly_root: false,
        args: vec!["true".into()],
        env: vec![],
        cwd: "/src".into(),
        user: Credentials::default(),
        hostname: "sandbox".into(),
        network: Network::Host,
        mounts: vec![],
        files: vec![],
        limits: vec![],
        privileged: false,
        no_new_privileges: false,
    }
}

fn machine(rung: Rung, cgroup: Cgroup) -> Machine {
    Machine {
        rung,
        cgroup,
        places: Places { root: "/s/root".into(), files: "/s/files".into(), empty: "/s/empty".into() },
        stubs: "/s/stubs".into(),
        notes: vec![],
    }
}

fn check(spec: &RunSpec, machine: &Machine, expected: Expect) {
    let plan = plan(spec, &Stdio::Terminal { rows: 24, columns: 80 }, machine, Path::new("/s/stubs/1"));
    let mut lines: Vec<String> = plan.setup.iter().map(ToString::to_string).collect();
    lines.push("--".into());
    lines.extend(plan.process.iter().map(ToString::to_string));
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn a_step_as_root() {
    check(
        &spec(),
        &machine(Rung::Root, Cgroup::Unified),
        expect![[r#"
        set the host name to `sandbox`
        mount an overlay of 3 layers on `/u`
        mount proc at `/proc`
        mount tmpfs at `/dev`
        mount devpts at `/dev/pts`
        mount tmpfs at `/dev/shm`
        mount mqueue at `/dev/mqueue`
        make the device `/dev/null`
        make the device `/dev/zero`
        make the device `/dev/full`
        make the device `/dev/random`
        make the device `/dev/urandom`
        make the device `/dev/tty`
        make the link `/dev/fd`
        make the link `/dev/stdin`
        make the link `/dev/stdout`
        make the link `/dev/stderr`
        make the link `/dev/ptmx`
        make the link `/dev/core`
        mount sysfs at `/sys`
        mount cgroup2 at `/sys/fs/cgroup`
        mask `/proc/acpi`
        mask `/proc/asound`
        mask `/proc/interrupts`
        mask `/proc/kcore`
        mask `/proc/keys`
        mask `/proc/latency_stats`
        mask `/proc/sched_debug`
        mask `/proc/scsi`
        mask `/proc/timer_list`
        mask `/proc/timer_stats`
        mask `/sys/devices/virtual/powercap`
        mask `/sys/firmware`
        make `/proc/bus` read-only
        make `/proc/fs` read-only
        make `/proc/irq` read-only
        make `/proc/sys` read-only
        make `/proc/sysrq-trigger` read-only
        make the working directory `/src`
        change into the root
        --
        begin a session
        connect the standard streams
        take the terminal
        close all other descriptors
        change to the working directory `/src`
        load the seccomp filter
        bound the capabilities
        set the supplementary groups
        become group 0
        become user 0
        set the capabilities
        set the umask
        reset the signals
    "#]],
    );
}

#[test]
fn everything_asked_for() {
    let spec = RunSpec {
        readonly_root: true,
        user: Credentials { uid: 1000, gid: 1001, groups: vec![5] },
        network: Network::None,
        mounts: vec![
            Mount { target: "/root/.cache".into(), kind: MountKind::Bind { source: "/".into() }, readonly: true },
            Mount { target: "/tmp".into(), kind: MountKind::Tmpfs { size: Some(4096), mode: 0o1777 }, readonly: false },
        ],
        files: vec![File { target: "/etc/hosts".into(), contents: b"127.0.0.1 localhost\n".to_vec(), mode: 0o644 }],
        privileged: true,
        no_new_privileges: true,
        ..spec()
    };
    check(
        &spec,
        &machine(Rung::Root, Cgroup::Hidden),
        expect![[r#"
        make a network namespace
        set the host name to `sandbox`
        mount an overlay of 3 layers on `/u`
        mount proc at `/proc`
        mount tmpfs at `/dev`
        mount devpts at `/dev/pts`
        mount tmpfs at `/dev/shm`
        mount mqueue at `/dev/mqueue`
        make the device `/dev/null`
        make the device `/dev/zero`
        make the device `/dev/full`
        make the device `/dev/random`
        make the device `/dev/urandom`
        make the device `/dev/tty`
        make the device `/dev/kmsg`
        make the device `/dev/cuse`
        make the device `/dev/fuse`
        make the device `/dev/kvm`
        make the device `/dev/net/tun`
        make the device `/dev/loop-control`
        make the device `/dev/loop0`
        make the device `/dev/loop1`
        make the device `/dev/loop2`
        make the device `/dev/loop3`
        make the device `/dev/loop4`
        make the device `/dev/loop5`
        make the device `/dev/loop6`
        make the device `/dev/loop7`
        make the link `/dev/fd`
        make the link `/dev/stdin`
        make the link `/dev/stdout`
        make the link `/dev/stderr`
        make the link `/dev/ptmx`
        make the link `/dev/core`
        mount sysfs at `/sys`
        mount a file at `/etc/hosts`
        bind `/` at `/root/.cache`
        mount tmpfs at `/tmp`
        make the working directory `/src`
        make the root read-only
        change into the root
        --
        begin a session
        connect the standard streams
        take the terminal
        close all other descriptors
        change to the working directory `/src`
        bound the capabilities
        set the supplementary groups
        become group 1001
        become user 1000
        set the capabilities
        renounce new privileges
        set the umask
        reset the signals
    "#]],
    );
}

#[test]
fn a_step_in_a_user_namespace_of_one_id() {
    check(
        &spec(),
        &machine(Rung::SingleId, Cgroup::Unified),
        expect![[r#"
        set the host name to `sandbox`
        mount an overlay of 3 layers on `/u`
        mount proc at `/proc`
        mount tmpfs at `/dev`
        mount devpts at `/dev/pts`
        mount tmpfs at `/dev/shm`
        mount mqueue at `/dev/mqueue`
        bind the host's device `/dev/null`
        bind the host's device `/dev/zero`
        bind the host's device `/dev/full`
        bind the host's device `/dev/random`
        bind the host's device `/dev/urandom`
        bind the host's device `/dev/tty`
        make the link `/dev/fd`
        make the link `/dev/stdin`
        make the link `/dev/stdout`
        make the link `/dev/stderr`
        make the link `/dev/ptmx`
        make the link `/dev/core`
        bind the host's `/sys`
        mask `/proc/acpi`
        mask `/proc/asound`
        mask `/proc/interrupts`
        mask `/proc/kcore`
        mask `/proc/keys`
        mask `/proc/latency_stats`
        mask `/proc/sched_debug`
        mask `/proc/scsi`
        mask `/proc/timer_list`
        mask `/proc/timer_stats`
        mask `/sys/devices/virtual/powercap`
        mask `/sys/firmware`
        make `/proc/bus` read-only
        make `/proc/fs` read-only
        make `/proc/irq` read-only
        make `/proc/sys` read-only
        make `/proc/sysrq-trigger` read-only
        make the working directory `/src`
        change into the root
        --
        begin a session
        connect the standard streams
        take the terminal
        close all other descriptors
        change to the working directory `/src`
        load the seccomp filter
        bound the capabilities
        become group 0
        become user 0
        set the capabilities
        set the umask
        reset the signals
    "#]],
    );
}

/// Rights are taken away last, the filter while one may still be loaded, and nothing of the host is open by then.
#[test]
fn order_of_the_process() {
    let plan =
        plan(&spec(), &Stdio::Terminal { rows: 1, columns: 1 }, &machine(Rung::Root, Cgroup::Hidden), Path::new("/"));
    let at = |wanted: &dyn Fn(&ProcessStep) -> bool| plan.process.iter().position(wanted).unwrap();
    let closed = at(&|s| matches!(s, ProcessStep::CloseDescriptors));
    let entered = at(&|s| matches!(s, ProcessStep::WorkingDirectory(_)));
    let filtered = at(&|s| matches!(s, ProcessStep::Seccomp));
    let user = at(&|s| matches!(s, ProcessStep::User(_)));
    let bounded = at(&|s| matches!(s, ProcessStep::BoundingSet(_)));
    assert!(closed < entered && entered < filtered && filtered < bounded && bounded < user);
    assert_eq!(plan.setup.last(), Some(&Step::Pivot));
}

#[test]
fn a_layer_that_is_there_twice_is_mounted_once() {
    let lowers = ["/l/1", "/l/2", "/l/1", "/l/3", "/l/1"].map(PathBuf::from);
    assert_eq!(distinct(&lowers), [Path::new("/l/2"), Path::new("/l/3"), Path::new("/l/1")]);
}

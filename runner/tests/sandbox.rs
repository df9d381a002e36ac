//! Sandboxes for real, as root: what is isolated, how they end, what they leave behind, and what traps do not work.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, pipe};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use runner::sandbox::spec::{Credentials, File, Mount, MountKind, Network, Root};
use runner::sandbox::{Outcome, Process, RunSpec, SandboxError, Spawner, Stdio};
use tempfile::TempDir;

/// A root with busybox, a spawner, and directories for what steps change.
struct Lab {
    dir: TempDir,
    spawner: Spawner,
}

impl Lab {
    fn new() -> Lab {
        let dir = tempfile::tempdir().unwrap();
        busybox(&dir.path().join("base"));
        let spawner = Spawner::start(&dir.path().join("scratch")).unwrap();
        Lab { dir, spawner }
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// A shell script on the base image, with fresh upper and work directories of that name.
    fn spec(&self, name: &str, script: &str) -> RunSpec {
        spec_on(vec![self.path("base")], &self.path(name), script)
    }

    fn run(&self, spec: &RunSpec) -> Ran {
        run(&self.spawner, spec)
    }

    /// What the script prints.
    fn print(&self, script: &str) -> String {
        let ran = self.run(&self.spec("print", script));
        assert_eq!(ran.outcome, Outcome::Exited(0), "{script}: {}{}", ran.out, ran.err);
        fs::remove_dir_all(self.dir.path().join("print")).unwrap();
        ran.out
    }
}

fn spec_on(lowers: Vec<PathBuf>, step: &Path, script: &str) -> RunSpec {
    for sub in ["upper", "work"] {
        fs::create_dir_all(step.join(sub)).unwrap();
        fs::set_permissions(step.join(sub), fs::Permissions::from_mode(0o755)).unwrap();
    }
    RunSpec {
        root: Root::Overlay { lowers, upper: step.join("upper"), work: step.join("work") },
        readonly_root: false,
        args: ["/bin/sh", "-c", script].map(String::from).to_vec(),
        env: vec!["PATH=/usr/bin:/bin".into(), "HOME=/root".into()],
        cwd: "/".into(),
        user: Credentials::default(),
        hostname: "buildkitsandbox".into(),
        network: Network::Host,
        mounts: vec![],
        files: vec![],
        limits: vec![],
        privileged: false,
        no_new_privileges: false,
    }
}

fn busybox(root: &Path) {
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    let names = "sh cat ls id hostname true false sleep mount umount ps kill touch mkdir rm stat grep echo mknod ip pwd \
                 unshare chroot ln tty stty test readlink head wc sort dd find env nohup ping su cp chmod";
    for name in names.split_whitespace() {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
}

struct Ran {
    outcome: Outcome,
    out: String,
    err: String,
}

fn spawn(
    spawner: &Spawner,
    spec: &RunSpec,
) -> Result<(Process, std::io::PipeReader, std::io::PipeReader), SandboxError> {
    let (out, stdout) = pipe().unwrap();
    let (err, stderr) = pipe().unwrap();
    let stdio = Stdio::Pipes { stdin: None, stdout: OwnedFd::from(stdout), stderr: OwnedFd::from(stderr) };
    Ok((spawner.spawn(spec, stdio)?, out, err))
}

fn run(spawner: &Spawner, spec: &RunSpec) -> Ran {
    let (process, mut out, mut err) = spawn(spawner, spec).unwrap_or_else(|error| panic!("{}", chain(&error)));
    let reader = std::thread::spawn(move || text(&mut err));
    let out = text(&mut out);
    let err = reader.join().unwrap();
    Ran { outcome: process.wait().unwrap(), out, err }
}

fn text(from: &mut impl Read) -> String {
    let mut text = Vec::new();
    from.read_to_end(&mut text).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn process_lives(marker: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(marker))
    })
}

#[test]
fn outcomes_and_output() {
    let lab = Lab::new();
    let ran = lab.run(&lab.spec("a", "echo out; echo err >&2; exit 3"));
    assert_eq!((ran.outcome, ran.out.as_str(), ran.err.as_str()), (Outcome::Exited(3), "out\n", "err\n"));
    let ran = lab.run(&lab.spec("b", "kill -TERM $$"));
    assert_eq!(ran.outcome, Outcome::Signaled(15));
}

#[test]
fn programs_that_cannot_be_executed() {
    let lab = Lab::new();
    fs::write(lab.path("base").join("data"), "no program").unwrap();
    let cases = [
        ("nonsense", 127, "exec: \"nonsense\": executable file not found in $PATH\n"),
        ("/no/such", 127, "exec: \"/no/such\": no such file or directory\n"),
        ("/data", 126, "exec: \"/data\": permission denied\n"),
        ("/etc", 126, "exec: \"/etc\": permission denied\n"),
    ];
    for (program, status, message) in cases {
        let spec = RunSpec { args: vec![program.into()], ..lab.spec("x", "") };
        let ran = lab.run(&spec);
        assert_eq!((ran.outcome, ran.err.as_str()), (Outcome::Exited(status), message));
        fs::remove_dir_all(lab.dir.path().join("x")).unwrap();
    }
    let spec = RunSpec { args: vec!["echo".into(), "found".into()], ..lab.spec("y", "") };
    assert_eq!(lab.run(&spec).out, "found\n");
}

#[test]
fn the_process_sees_only_its_own() {
    let lab = Lab::new();
    assert_eq!(lab.print("echo $$; hostname"), "2\nbuildkitsandbox\n");
    assert_eq!(lab.print("set -- /proc/[0-9]*; echo $#"), "2\n", "init and sh");
    assert_eq!(lab.print("ls /proc/self/fd"), "0\n1\n2\n3\n", "3 is the directory itself");
    let bare = RunSpec { args: vec!["cat".into(), "/proc/self/status".into()], ..lab.spec("status", "") };
    let status = lab.run(&bare).out;
    for line in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t00000000a80425fb",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapAmb:\t0000000000000000",
        "Seccomp:\t2",
        "NoNewPrivs:\t0",
        "Umask:\t0022",
        "SigBlk:\t0000000000000000",
        "SigIgn:\t0000000000000000",
        "Groups:\t ",
    ] {
        assert!(status.lines().any(|found| found == line), "{line} in\n{status}");
    }
    let mounts = lab.print("cat /proc/self/mountinfo");
    for line in mounts.lines() {
        let at = line.split(' ').nth(4).unwrap();
        assert!(at == "/" || ["/proc", "/sys", "/dev"].iter().any(|top| at.starts_with(top)), "{line}");
    }
}

#[test]
fn a_user_has_no_capabilities_and_no_new_privileges_when_asked() {
    let lab = Lab::new();
    let spec = RunSpec {
        user: Credentials { uid: 1000, gid: 1001, groups: vec![7, 8] },
        no_new_privileges: true,
        ..lab.spec("u", "id -u; id -g; id -G; grep -E 'CapEff|CapPrm|NoNew' /proc/self/status; echo x > /dev/stderr")
    };
    let ran = lab.run(&spec);
    assert_eq!(ran.out, "1000\n1001\n1001 7 8\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
    assert_eq!(ran.err, "x\n", "a user may open its own streams");
}

#[test]
fn privileged_means_it() {
    let lab = Lab::new();
    let script = "grep Seccomp: /proc/self/status; mount -t tmpfs none /bin && echo mounted; cat /proc/keys > /dev/null; echo $?";
    let spec = RunSpec { privileged: true, ..lab.spec("p", "") };
    let spec = RunSpec { args: ["/bin/busybox", "sh", "-c", script].map(String::from).to_vec(), ..spec };
    assert!(lab.run(&spec).out.starts_with("Seccomp:\t0\nmounted\n"));
}

#[test]
fn what_is_hidden_of_the_host() {
    let lab = Lab::new();
    for path in ["/proc/keys", "/proc/timer_list", "/proc/interrupts"] {
        assert_eq!(lab.print(&format!("cat {path}")), "", "{path}");
    }
    assert_eq!(lab.print("ls /proc/acpi /sys/firmware | grep -v :"), "\n");
    let refused = "for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/x /etc/hosts; do \
                   (echo x > $f) 2>/dev/null && echo written; done; mount -t tmpfs none /bin 2>/dev/null && echo mounted; \
                   unshare -m true 2>/dev/null && echo unshared; mknod /x c 1 3 && echo node; true";
    let mut spec = lab.spec("h", refused);
    spec.files = vec![File { target: "/etc/hosts".into(), contents: b"1.2.3.4 me\n".to_vec(), mode: 0o644 }];
    assert_eq!(lab.run(&spec).out, "node\n");
}

#[test]
fn devices_and_their_links() {
    let lab = Lab::new();
    assert_eq!(
        lab.print("ls /dev; head -c 3 /dev/zero | wc -c; echo x > /dev/null; touch /dev/shm/x; readlink /dev/fd"),
        "core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n3\n/proc/self/fd\n"
    );
}

#[test]
fn the_upper_layer_has_only_what_the_step_changed() {
    let lab = Lab::new();
    let mut spec = lab.spec("s", "cat /etc/hosts; echo new > /new; mkdir /etc/d; ls /root/.cache/deep");
    fs::write(lab.path("cache").join("cached"), "").unwrap();
    spec.files = vec![File { target: "/etc/hosts".into(), contents: b"1.2.3.4 me\n".to_vec(), mode: 0o644 }];
    spec.mounts = vec![Mount {
        target: "/root/.cache/deep".into(),
        kind: MountKind::Bind { source: lab.path("cache") },
        readonly: true,
    }];
    let ran = lab.run(&spec);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("1.2.3.4 me\ncached\n", ""));
    let upper = lab.path("s/upper");
    assert_eq!(names(&upper), ["etc", "new"]);
    assert_eq!(names(&upper.join("etc")), ["d"]);
}

#[test]
fn mountpoints_behind_links_are_made_and_taken_away() {
    let lab = Lab::new();
    symlink("/run", lab.path("base/var").join("run")).unwrap();
    let mut spec = lab.spec("m", "echo x > /var/run/cache/deep/file; ls /run/cache");
    spec.mounts = vec![Mount {
        target: "/var/run/cache/deep".into(),
        kind: MountKind::Bind { source: lab.path("cache") },
        readonly: false,
    }];
    assert_eq!(lab.run(&spec).out, "deep\n");
    assert_eq!(names(&lab.path("cache")), ["file"]);
    assert_eq!(names(&lab.path("m/upper")), Vec::<String>::new());
}

#[test]
fn mounts_read_only_and_tmpfs() {
    let lab = Lab::new();
    let mut spec = lab.spec("t", "touch /ro/x 2>/dev/null || echo refused; touch /t/x && stat -c %a /t; cat /secret; (touch /x) 2>/dev/null || echo too");
    fs::write(lab.path("sources").join("secret"), "s3cret\n").unwrap();
    let bind = |source| MountKind::Bind { source };
    spec.readonly_root = true;
    spec.mounts = vec![
        Mount { target: "/ro".into(), kind: bind(lab.path("sources")), readonly: true },
        Mount { target: "/t".into(), kind: MountKind::Tmpfs { size: Some(1 << 20), mode: 0o1777 }, readonly: false },
        Mount { target: "/secret".into(), kind: bind(lab.path("sources").join("secret")), readonly: true },
    ];
    assert_eq!(lab.run(&spec).out, "refused\n1777\ns3cret\ntoo\n");
}

#[test]
fn working_directory_is_made_and_stays() {
    let lab = Lab::new();
    let spec = RunSpec { cwd: "/a/b".into(), ..lab.spec("w", "pwd") };
    assert_eq!(lab.run(&spec).out, "/a/b\n");
    assert!(lab.path("w/upper").join("a/b").is_dir());
}

#[test]
fn five_hundred_layers() {
    let lab = Lab::new();
    let mut lowers = vec![lab.path("base")];
    for at in 0..499 {
        let lower = lab.path(&format!("layers-with-a-name-that-is-rather-long/{at:0>64}"));
        fs::write(lower.join(format!("file-{at}")), "").unwrap();
        fs::write(lower.join("top"), at.to_string()).unwrap();
        lowers.push(lower);
    }
    let spec = spec_on(lowers, &lab.path("deep"), "ls -d /file-* | wc -l; cat /top");
    let ran = lab.run(&spec);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("499\n498", ""));
    assert_eq!(names(&lab.path("deep/upper")), Vec::<String>::new(), "mountpoints are taken away");
}

#[test]
fn long_paths_of_layers() {
    let lab = Lab::new();
    let lower = lab.path(&format!("{}/{}", "x".repeat(200), "y:,\\".repeat(40)));
    fs::write(lower.join("far"), "away").unwrap();
    let spec = spec_on(vec![lab.path("base"), lower], &lab.path("long"), "cat /far");
    assert_eq!(lab.run(&spec).out, "away");
}

#[test]
fn a_directory_as_the_root() {
    let lab = Lab::new();
    let root = lab.path("base");
    let before = names(&root);
    let spec = RunSpec { root: Root::Dir(root.clone()), ..lab.spec("d", "echo hi > /hello; ls /proc/self/status") };
    assert_eq!(lab.run(&spec).out, "/proc/self/status\n");
    let after = names(&root);
    assert_eq!(after.iter().filter(|name| !before.contains(name)).collect::<Vec<_>>(), ["hello"]);
}

#[test]
fn no_network_is_a_loopback_only() {
    let lab = Lab::new();
    let spec =
        RunSpec { network: Network::None, ..lab.spec("n", "ls /sys/class/net; ip addr show lo | grep -c LOOPBACK,UP") };
    assert_eq!(lab.run(&spec).out, "lo\n1\n");
}

#[test]
fn killing_leaves_nothing() {
    let lab = Lab::new();
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let marker = format!("{}001", std::process::id());
    let (process, out, _err) =
        spawn(&lab.spawner, &lab.spec("k", &format!("nohup sleep {marker} & sleep {marker}"))).unwrap();
    while !process_lives(&marker) {
        std::thread::yield_now();
    }
    process.kill();
    assert_eq!(process.wait().unwrap(), Outcome::Signaled(9));
    assert_eq!(process.wait().unwrap(), Outcome::Signaled(9), "and says so again");
    assert!(!process_lives(&marker));
    assert_eq!(mounts(), before);
    drop(out);
    fs::remove_dir_all(lab.dir.path().join("k")).unwrap();
}

#[test]
fn dropping_kills() {
    let lab = Lab::new();
    let marker = format!("{}002", std::process::id());
    drop(spawn(&lab.spawner, &lab.spec("k", &format!("sleep {marker}"))).unwrap());
    assert!(!process_lives(&marker));
}

#[test]
fn an_orphan_that_holds_the_output_holds_up_nobody() {
    let lab = Lab::new();
    let begun = Instant::now();
    let ran = lab.run(&lab.spec("o", "nohup sleep 1000 & echo done"));
    assert_eq!((ran.outcome, ran.out.as_str()), (Outcome::Exited(0), "done\n"));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn orphans_are_reaped_while_the_process_lives() {
    let lab = Lab::new();
    let script = "(true &); (true &); i=0; while grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | grep -q . && [ $i -lt 1000 ]; do i=$((i+1)); done; [ $i -lt 1000 ] && echo reaped";
    assert_eq!(lab.print(script), "reaped\n");
}

#[test]
fn signals_are_passed_on() {
    let lab = Lab::new();
    let (process, mut out, _err) = spawn(
        &lab.spawner,
        &lab.spec("g", "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.01; done"),
    )
    .unwrap();
    let mut ready = [0; 6];
    out.read_exact(&mut ready).unwrap();
    process.signal(15);
    assert_eq!(text(&mut out), "caught\n");
    assert_eq!(process.wait().unwrap(), Outcome::Exited(7));
}

#[test]
fn a_terminal() {
    let lab = Lab::new();
    let process = lab
        .spawner
        .spawn(&lab.spec("tty", "tty; stty size; read go; stty size"), Stdio::Terminal { rows: 30, columns: 90 })
        .unwrap();
    let mut master = fs::File::from(process.terminal().unwrap().try_clone_to_owned().unwrap());
    let mut seen = String::new();
    let mut read_until = |wanted: &str, master: &mut fs::File| {
        let mut buffer = [0; 256];
        while !seen.contains(wanted) {
            let length = master.read(&mut buffer).unwrap();
            seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    };
    read_until("/dev/pts/0\r\n30 90\r\n", &mut master);
    process.resize(40, 100);
    std::io::Write::write_all(&mut master, b"go\n").unwrap();
    read_until("40 100\r\n", &mut master);
    assert_eq!(process.wait().unwrap(), Outcome::Exited(0));
}

/// The working directory must not be one of the host's through a leaked descriptor (CVE-2024-21626).
#[test]
fn no_way_out_through_a_descriptor() {
    let lab = Lab::new();
    let host = fs::File::open("/").unwrap();
    for at in [host.as_raw_fd(), 3, 4, 5, 6, 7, 8, 9] {
        for cwd in [format!("/proc/self/fd/{at}"), format!("/proc/1/fd/{at}")] {
            let spec = RunSpec { cwd, ..lab.spec("cve", "ls ..") };
            if let Ok((process, mut out, _)) = spawn(&lab.spawner, &spec) {
                let out = text(&mut out);
                assert!(!out.contains("work") && !out.contains("home"), "{out}");
                drop(process);
            }
            fs::remove_dir_all(lab.dir.path().join("cve")).unwrap();
        }
    }
}

#[test]
fn roots_full_of_traps() {
    let lab = Lab::new();
    let outside = lab.path("outside");
    fs::write(outside.join("resolv.conf"), "host's").unwrap();
    let trap = |name: &str, link: &str| {
        let lower = lab.path(&format!("trap-{name}"));
        let at = lower.join(link);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(&outside, at).unwrap();
        lower
    };
    for standard in ["proc", "dev", "sys"] {
        let spec =
            spec_on(vec![lab.path("base"), trap(standard, standard)], &lab.path(&format!("step-{standard}")), "true");
        let Err(error) = spawn(&lab.spawner, &spec) else { panic!("/{standard} is a link") };
        assert!(
            chain(&error).contains(&format!("at `/{standard}`: Too many levels of symbolic links")),
            "{}",
            chain(&error)
        );
    }
    let mut spec =
        spec_on(vec![lab.path("base"), trap("etc", "etc")], &lab.path("step-etc"), "cat /etc/resolv.conf; pwd");
    spec.files = vec![File { target: "/etc/resolv.conf".into(), contents: b"ours\n".to_vec(), mode: 0o644 }];
    spec.cwd = "/etc/cwd".into();
    spec.mounts =
        vec![Mount { target: "/etc/mnt".into(), kind: MountKind::Tmpfs { size: None, mode: 0o755 }, readonly: false }];
    let ran = lab.run(&spec);
    assert!(ran.out.starts_with("ours\n") && ran.out.ends_with("outside/cwd\n"), "{}{}", ran.out, ran.err);
    assert_eq!(names(&outside), ["resolv.conf"]);
    assert_eq!(fs::read_to_string(outside.join("resolv.conf")).unwrap(), "host's");
}

#[test]
fn errors_name_the_step() {
    let lab = Lab::new();
    let mut spec = lab.spec("e", "true");
    spec.mounts =
        vec![Mount { target: "/x".into(), kind: MountKind::Bind { source: "/no/such".into() }, readonly: false }];
    let Err(error) = spawn(&lab.spawner, &spec) else { panic!("there is no such source") };
    assert_eq!(chain(&error), "bind `/no/such` at `/x`: No such file or directory (os error 2)");
    let spec = RunSpec { root: Root::Dir("/no/root".into()), ..lab.spec("f", "true") };
    let Err(error) = spawn(&lab.spawner, &spec) else { panic!("there is no such root") };
    assert_eq!(chain(&error), "take `/no/root` as the root: No such file or directory (os error 2)");
}

/// Ctrl-C, or worse: the caller is gone, and so is all it started.
#[test]
fn the_callers_death_is_the_end_of_all() {
    const CHILD: &str = "KILN_TEST_SANDBOX_CALLER";
    let marker = format!("{}003", std::env::var(CHILD).unwrap_or_else(|_| std::process::id().to_string()));
    if std::env::var_os(CHILD).is_some() {
        let lab = Lab::new();
        let (process, _out, _err) =
            spawn(&lab.spawner, &lab.spec("c", &format!("nohup sleep {marker} & sleep {marker}"))).unwrap();
        let _ = process.wait();
        return;
    }
    // It is killed, so it cannot clean up after itself.
    let dir = tempfile::tempdir().unwrap();
    let mut caller = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_callers_death_is_the_end_of_all"])
        .env(CHILD, std::process::id().to_string())
        .env("TMPDIR", dir.path())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !process_lives(&marker) {
        assert!(Instant::now() < deadline, "never began");
        std::thread::yield_now();
    }
    caller.kill().unwrap();
    caller.wait().unwrap();
    while process_lives(&marker) {
        assert!(Instant::now() < deadline, "outlives its caller");
        std::thread::yield_now();
    }
}

/// A user namespace of one id: the same, but for other users and groups.
#[test]
fn without_root() {
    const CHILD: &str = "KILN_TEST_SANDBOX_USER";
    if std::env::var_os(CHILD).is_some() {
        let lab = Lab::new();
        assert!(!lab.spawner.notes().is_empty());
        for network in [Network::Host, Network::None] {
            let script = "id -u; echo x > /dev/null && echo x > /new && touch /dev/shm/x; set -- /proc/[0-9]*; echo $#; grep Seccomp: /proc/self/status";
            let ran = lab.run(&RunSpec { network, ..lab.spec(&format!("{network:?}"), script) });
            assert_eq!((ran.out.as_str(), ran.err.as_str()), ("0\n2\nSeccomp:\t2\n", ""));
        }
        let other = RunSpec { user: Credentials { uid: 1, gid: 0, groups: vec![] }, ..lab.spec("other", "true") };
        let Err(error) = spawn(&lab.spawner, &other) else { panic!("there is no such user here") };
        assert_eq!(chain(&error), "become user 1: Invalid argument (os error 22)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let program = dir.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let ended = Command::new(&program)
        .args(["--exact", "without_root"])
        .env(CHILD, "1")
        .env("TMPDIR", dir.path())
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
}

#[test]
fn many_at_once() {
    let lab = Lab::new();
    let lab = &lab;
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for at in 0..25 {
                    let status = (thread * 25 + at) as u8;
                    let spec =
                        lab.spec(&format!("many-{thread}-{at}"), &format!("echo {status} > /x; cat /x; exit {status}"));
                    let ran = lab.run(&spec);
                    assert_eq!((ran.outcome, ran.out), (Outcome::Exited(status), format!("{status}\n")), "{}", ran.err);
                }
            });
        }
    });
}

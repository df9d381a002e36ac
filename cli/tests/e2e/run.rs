//! `kiln run`: an image's process in the foreground, its streams, its signals and its exit code.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::harness::Kiln;

fn built(dockerfile: &str) -> Kiln {
    let kiln = Kiln::with_busybox();
    kiln.build("app", &[("Dockerfile", dockerfile)]).ok();
    kiln
}

#[test]
fn it_starts_as_the_image_says() {
    let kiln = built(
        "FROM busybox\nENV A=1 B=2\nWORKDIR /w\nUSER user\nENTRYPOINT [\"sh\", \"-c\", \"echo $A $B $PWD $(id -u) $0 $1\"]\nCMD [\"x\", \"y\"]\n",
    );
    let out = |args: &[&str]| kiln.run([&["run", "--rm"], args].concat()).ok().stdout;
    assert_eq!(out(&["app"]), "1 2 /w 1000 x y\n");
    assert_eq!(out(&["app", "z"]), "1 2 /w 1000 z\n");
    assert_eq!(out(&["-e", "B=3", "-w", "/tmp", "-u", "0:0", "app"]), "1 3 /tmp 0 x y\n");
    assert_eq!(out(&["--entrypoint", "echo", "app", "hi"]), "hi\n");
}

#[test]
fn its_exit_code_is_the_process_s() {
    let kiln = built("FROM busybox\n");
    let status = |args: &[&str]| kiln.run([&["run", "--rm", "app"], args].concat()).status;
    assert_eq!(status(&["true"]), 0);
    assert_eq!(status(&["sh", "-c", "exit 42"]), 42);
    assert_eq!(status(&["sh", "-c", "kill -9 $$"]), 137);
    assert_eq!(status(&["/etc/passwd"]), 126);
    assert_eq!(status(&["nothing-of-that-name"]), 127);
    assert_eq!(kiln.run(["run", "--rm", "no-such-image-here:1"]).status, 125);
}

#[test]
fn streams_are_passed_on() {
    let kiln = built("FROM busybox\n");
    let ran = kiln.run(["run", "--rm", "app", "sh", "-c", "echo out; echo err >&2"]).ok();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", "err\n"));
    let mut child = kiln
        .command(["run", "--rm", "-i", "app", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("it is piped").write_all(b"through").expect("the process reads");
    let mut text = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut text).expect("the process writes text");
    assert_eq!(text, "through");
    assert!(child.wait().expect("a child can be waited for").success());
}

#[test]
fn signals_are_passed_on() {
    let kiln = built("FROM busybox\n");
    let script = "trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = kiln
        .command(["run", "--rm", "app", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut out = child.stdout.take().expect("it is piped");
    let mut ready = [0; 6];
    out.read_exact(&mut ready).expect("the process writes");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM)
        .expect("a child can be signalled");
    let mut text = String::new();
    out.read_to_string(&mut text).expect("the process writes text");
    assert_eq!(text, "got it\n");
    assert_eq!(child.wait().expect("a child can be waited for").code(), Some(7));
}

#[test]
fn volumes_and_networks() {
    let kiln = built("FROM busybox\n");
    let shared = kiln.context("shared", &[("in", "from the host")]);
    let volume = format!("{}:/v", shared.display());
    let ran = kiln.run(["run", "--rm", "-v", &volume, "app", "sh", "-c", "cat /v/in; echo back > /v/out"]).ok();
    assert_eq!(ran.stdout, "from the host");
    assert_eq!(std::fs::read_to_string(shared.join("out")).expect("the volume is shared"), "back\n");
    let ran = kiln.run(["run", "--rm", "-v", &format!("{volume}:ro"), "app", "touch", "/v/no"]);
    assert_ne!(ran.status, 0);
    let ran = kiln.run(["run", "--rm", "--network", "none", "app", "ls", "/sys/class/net"]).ok();
    assert_eq!(ran.stdout.trim(), "lo");
}

#[test]
fn a_terminal_is_a_terminal() {
    let kiln = built("FROM busybox\n");
    let command = format!("{} run --rm -it app sh -c 'test -t 0 && tty && stty size'", env!("CARGO_BIN_EXE_kiln"));
    let (status, text) = kiln.on_a_terminal(&command);
    assert!(status.success() && text.contains("/dev/"), "{text}");
}

#[test]
fn nothing_is_left_of_it() {
    let kiln = built("FROM busybox\n");
    let before = std::fs::read_to_string("/proc/self/mountinfo").expect("the kernel lists mounts").lines().count();
    let begun = Instant::now();
    kiln.run(["run", "--rm", "app", "sh", "-c", "sleep 4999 & echo changed > /file"]).ok();
    assert!(begun.elapsed() < Duration::from_secs(5), "a process it left behind holds it up");
    let after = std::fs::read_to_string("/proc/self/mountinfo").expect("the kernel lists mounts").lines().count();
    assert_eq!(before, after);
    let ran = kiln.run(["run", "--rm", "app", "cat", "/file"]);
    assert_ne!(ran.status, 0, "{ran}");
    kiln.run(["cache", "fsck"]).ok();
}

/// As an ordinary user: one id, in a user namespace, that is root inside.
#[test]
fn without_root() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65534;
    let kiln = Kiln::new();
    let files = [
        (
            "Dockerfile",
            "FROM scratch\nCOPY bin /bin\nENV PATH=/bin\nRUN mkdir /d && echo f > /d/f && rm -r /bin/gone && id -u > /id\n",
        ),
        ("bin/gone/x", ""),
    ];
    let context = kiln.context("context", &files);
    std::fs::copy("/bin/busybox", context.join("bin/busybox")).expect("busybox-static is installed by `make test`");
    for applet in ["sh", "mkdir", "rm", "id", "cat"] {
        std::os::unix::fs::symlink("busybox", context.join("bin").join(applet)).expect("the directory is ours");
    }
    // The store's directory and the way to it, and a binary that anybody may start.
    let top = kiln.path("");
    std::fs::set_permissions(&top, std::fs::Permissions::from_mode(0o755)).expect("the directory is ours");
    chown(&top, Some(NOBODY), Some(NOBODY)).expect("we are root");
    let binary = kiln.path("kiln");
    std::fs::copy(env!("CARGO_BIN_EXE_kiln"), &binary).expect("the directory is ours");
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(&binary);
        command
            .args(args)
            .env("KILN_ROOT", kiln.store())
            .env("HOME", &top)
            .stdin(Stdio::null())
            .uid(NOBODY)
            .gid(NOBODY);
        super::harness::Ran::from(command.output().expect("the binary starts")).ok()
    };
    run(&["build", "--progress=plain", "-t", "own", &context.to_string_lossy()]);
    assert_eq!(
        run(&["run", "--rm", "own", "sh", "-c", "cat /id /d/f; test -e /bin/gone || id -u"]).stdout,
        "0\nf\n0\n"
    );
    run(&["cache", "fsck"]);
    let tar = kiln.path("root.tar");
    run(&["build", "-q", "-o", &format!("type=tar,dest={}", tar.display()), &context.to_string_lossy()]);
    let root = super::harness::read_tar(&tar);
    assert!(root.values().all(|entry| (entry.uid, entry.gid) == (0, 0)) && !root.contains_key("/bin/gone"));
}

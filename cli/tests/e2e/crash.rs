//! Builds that are killed at any moment, and builds that run side by side, on one store: it stays sound, the next build
//! gives the right image, and each step runs once.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::harness::{Kiln, Root, listing};

const KILLS: usize = 200;

/// Numbers that look random and are the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn spawn(kiln: &Kiln, args: &[&str]) -> Child {
    kiln.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
}

fn contents(root: &Root, path: &str) -> String {
    root.get(path).map(|entry| String::from_utf8_lossy(&entry.contents).into_owned()).unwrap_or_default()
}

#[test]
fn a_store_survives_two_hundred_kills() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("killed", &[("seed", "0"), ("tree/a/b", "b"), ("tree/c", "c")]);
    let dockerfile = "FROM busybox\nWORKDIR /w\nCOPY . .\nRUN cp seed first && mkdir d && cp -r tree d/\n\
                      RUN for i in 1 2 3 4 5 6 7 8; do cat seed > d/$i; done\nRUN rm d/1 && ln -s first link\n";
    std::fs::write(context.join("Dockerfile"), dockerfile).expect("the directory is ours");
    let path = context.to_string_lossy().into_owned();
    let begun = Instant::now();
    kiln.run(["build", "-q", "-t", "killed", &path]).ok();
    // Kills fall anywhere in a build, and some after it.
    let whole = u64::try_from(begun.elapsed().as_micros()).expect("a build is short") * 5 / 4;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for kill in 0..KILLS {
        std::fs::write(context.join("seed"), kill.to_string()).expect("the directory is ours");
        let mut build = spawn(&kiln, &["build", "-q", "-t", "killed", &path]);
        thread::sleep(Duration::from_micros(dice.roll(whole)));
        build.kill().expect("a child can be killed");
        build.wait().expect("a child can be waited for");
        let found = kiln.run(["cache", "fsck"]);
        assert_eq!(found.status, 0, "after kill {kill}: {found}");
        if kill % 20 == 0 || kill == KILLS - 1 {
            let root = kiln.build_root(&context, &[]);
            assert_eq!(contents(&root, "/w/first"), kill.to_string());
            assert_eq!(contents(&root, "/w/d/8"), kill.to_string());
            assert!(!root.contains_key("/w/d/1") && root["/w/link"].link == "first", "{}", listing(&root));
        }
    }
    let fsck = kiln.run(["cache", "fsck"]).ok();
    assert!(!fsck.stdout.contains("damaged"), "{fsck}");
}

#[test]
fn eight_builds_at_once_run_each_step_once() {
    let kiln = Kiln::with_busybox();
    let dockerfile = "FROM busybox AS one\nRUN echo ran-one-$((1+1)); sleep 0.3; echo 1 > /one\n\
                      FROM busybox AS two\nRUN echo ran-two-$((1+1)); sleep 0.3; echo 2 > /two\n\
                      FROM busybox\nCOPY --from=one /one /\nCOPY --from=two /two /\nRUN echo ran-three-$((1+1)); cat /one /two > /three\n";
    let context = kiln.context("shared", &[("Dockerfile", dockerfile)]);
    let path = context.to_string_lossy().into_owned();
    let outputs: Vec<String> = thread::scope(|scope| {
        let builds: Vec<_> = (0..8)
            .map(|n| {
                let (kiln, path) = (&kiln, &path);
                scope.spawn(move || {
                    kiln.run(["build", "--progress=plain", "-t", &format!("shared{n}"), path]).ok().stderr
                })
            })
            .collect();
        builds.into_iter().map(|build| build.join().expect("a build does not panic")).collect()
    });
    for step in ["ran-one-2", "ran-two-2", "ran-three-2"] {
        let ran = outputs.iter().filter(|output| output.contains(step)).count();
        assert_eq!(ran, 1, "`{step}` ran {ran} times");
    }
    let ids: Vec<String> = (0..8)
        .map(|n| kiln.config(&format!("shared{n}"))["Id"].as_str().expect("an image has an id").to_owned())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    kiln.run(["cache", "fsck"]).ok();
}

#[test]
fn an_interrupted_build_ends_at_once_and_leaves_nothing() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("slow", &[("Dockerfile", "FROM busybox\nRUN sleep 4321 & sleep 4322\n")]);
    let mut build = spawn(&kiln, &["build", "--progress=plain", &context.to_string_lossy()]);
    let running = |seconds: &str| processes().iter().any(|command| command.contains(&format!("sleep\0{seconds}")));
    let begun = Instant::now();
    while !running("4322") {
        assert!(begun.elapsed() < Duration::from_secs(20), "the step does not start");
        thread::sleep(Duration::from_millis(5));
    }
    let begun = Instant::now();
    let pid = rustix::process::Pid::from_child(&build);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a child can be signalled");
    let status = build.wait().expect("a child can be waited for");
    assert_eq!(status.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let begun = Instant::now();
    while running("4321") || running("4322") {
        assert!(begun.elapsed() < Duration::from_secs(2), "a process of the step is left");
        thread::sleep(Duration::from_millis(5));
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("the kernel lists mounts");
    assert!(!mounts.contains(&*kiln.store().to_string_lossy()), "{mounts}");
    kiln.run(["cache", "fsck"]).ok();
}

/// The command lines of all processes.
fn processes() -> Vec<String> {
    let pids = std::fs::read_dir("/proc").expect("the kernel lists processes");
    pids.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|command| String::from_utf8_lossy(&command).into_owned())
        .collect()
}

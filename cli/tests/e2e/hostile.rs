//! Known failures of other builders, each reproduced here and refused. The name of a test says which.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use super::harness::{Kiln, listing};

/// A file of the machine that no build may read, change or remove.
struct Canary {
    dir: tempfile::TempDir,
}

impl Canary {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("kiln-canary-").tempdir().expect("a temporary directory can be made");
        fs::write(dir.path().join("secret"), "the canary").expect("the directory is ours");
        Self { dir }
    }

    fn path(&self) -> String {
        self.dir.path().display().to_string()
    }

    #[track_caller]
    fn lives(&self) {
        let names: Vec<_> = fs::read_dir(self.dir.path())
            .expect("the directory is still there")
            .map(|entry| entry.expect("the directory can be read").file_name())
            .collect();
        assert_eq!(names, ["secret"]);
        assert_eq!(fs::read_to_string(self.dir.path().join("secret")).expect("the file is still there"), "the canary");
    }
}

#[test]
fn cve_2024_21626_a_working_directory_through_a_leaked_descriptor() {
    let kiln = Kiln::with_busybox();
    let canary = Canary::new();
    for fd in 3..12 {
        let dockerfile = format!(
            "FROM busybox\nWORKDIR /proc/self/fd/{fd}\nRUN cat ../../../../../../..{0}/secret ../../..{0}/secret; ls -l /proc/self/fd\n",
            canary.path()
        );
        let ran = kiln.build(&format!("fd{fd}"), &[("Dockerfile", &dockerfile)]);
        assert!(!ran.stderr.contains("the canary"), "{ran}");
    }
    canary.lives();
}

#[test]
fn cve_2024_23651_a_link_as_the_source_of_a_cache_mount() {
    let kiln = Kiln::with_busybox();
    let canary = Canary::new();
    let dockerfile = format!(
        "FROM busybox\nRUN --mount=type=cache,id=c,target=/c ln -s {} /c/sub; ln -s /etc /c/etc\n\
         RUN --mount=type=cache,id=c,source=sub,target=/d cat /d/secret; echo gone > /d/secret; true\n",
        canary.path()
    );
    let ran = kiln.build("cache-link", &[("Dockerfile", &dockerfile)]);
    assert!(!ran.stderr.contains("the canary"), "{ran}");
    canary.lives();
}

#[test]
fn cve_2024_23652_a_link_where_a_mountpoint_is_cleaned_up() {
    let kiln = Kiln::with_busybox();
    let canary = Canary::new();
    let dockerfile = format!(
        "FROM busybox\nRUN --mount=type=tmpfs,target=/x/secret mount; umount /x/secret; rm -rf /x; ln -s {} /x; true\n",
        canary.path()
    );
    kiln.build("stub", &[("Dockerfile", &dockerfile)]);
    canary.lives();
}

#[test]
fn cve_2024_23653_no_privilege_without_being_allowed() {
    let kiln = Kiln::with_busybox();
    let dockerfile = "FROM busybox\nRUN --security=insecure grep CapEff /proc/self/status\n";
    kiln.build("insecure", &[("Dockerfile", dockerfile)]).fails(1, &["Dockerfile:2", "security"]);
}

#[test]
fn cve_2024_9407_no_option_of_a_mount_passes_unchecked() {
    let kiln = Kiln::with_busybox();
    let dockerfile = "FROM busybox\nRUN --mount=type=bind,bind-propagation=shared,target=/x true\n";
    kiln.build("propagation", &[("Dockerfile", dockerfile)]).fails(1, &["Dockerfile:2", "bind-propagation"]);
}

#[test]
fn cve_2024_9675_a_cache_id_is_no_path() {
    let kiln = Kiln::with_busybox();
    let canary = Canary::new();
    let up = "../".repeat(20);
    let dockerfile = format!(
        "FROM busybox\nRUN --mount=type=cache,id={up}{},target=/c ls /c; cat /c/secret; rm -f /c/secret; touch /c/new\n",
        canary.path().trim_start_matches('/')
    );
    let ran = kiln.build("cache-id", &[("Dockerfile", &dockerfile)]);
    assert!(!ran.stderr.contains("the canary"), "{ran}");
    canary.lives();
}

#[test]
fn cve_2024_11218_a_link_as_the_source_of_a_bind_mount() {
    let kiln = Kiln::with_busybox();
    let canary = Canary::new();
    let dockerfile = format!(
        "FROM busybox AS evil\nRUN ln -s {} /out; ln -s /../../../.. /up\nFROM busybox\n\
         RUN --mount=type=bind,from=evil,source=/out,target=/x,rw cat /x/secret; touch /x/new; rm -f /x/secret; true\n",
        canary.path()
    );
    let ran = kiln.build("bind-link", &[("Dockerfile", &dockerfile)]);
    assert!(!ran.stderr.contains("the canary"), "{ran}");
    canary.lives();
}

#[test]
fn what_a_step_may_do_is_what_it_needs() {
    let kiln = Kiln::with_busybox();
    let look = "grep -E '^(CapEff|CapBnd|CapInh|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status; ls /proc/self/fd | wc -l; \
                cat /proc/kcore /proc/keys 2>&1 | head -c 100; echo x 2>&1 > /proc/sys/kernel/core_pattern; hostname";
    let dockerfile = format!("FROM busybox\nRUN {look}; true\nUSER user\nRUN {look}; true\n");
    let said = kiln.build("caps", &[("Dockerfile", &dockerfile)]).ok().stderr;
    let lines: Vec<&str> =
        said.lines().filter_map(|line| line.split_once(' ')?.1.split_once(' ')).map(|(_, text)| text).collect();
    for line in [
        "CapInh:\t0000000000000000",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(lines.contains(&line), "`{line}` is not said: {said}");
    }
    assert!(lines.contains(&"CapEff:\t0000000000000000") && lines.contains(&"NoNewPrivs:\t0"), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
}

/// A directory of the context is exchanged with a link out of it while builds copy it.
#[test]
fn cve_2018_15664_a_link_that_appears_while_copying() {
    let kiln = Kiln::with_busybox();
    let canary = Canary::new();
    let context = kiln.context(
        "race",
        &[("Dockerfile", "FROM scratch\nCOPY dir /dir\n"), ("dir/secret", "mine"), ("dir/b/secret", "mine")],
    );
    symlink(canary.path(), context.join("link")).expect("the directory is ours");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for _ in 0..2 {
                    rustix::fs::renameat_with(
                        rustix::fs::CWD,
                        context.join("dir"),
                        rustix::fs::CWD,
                        context.join("link"),
                        rustix::fs::RenameFlags::EXCHANGE,
                    )
                    .expect("both are there");
                }
            }
        });
        for _ in 0..50 {
            let tar = kiln.path("race.tar");
            let output = format!("type=tar,dest={}", tar.display());
            let ran = kiln.run(["build", "--no-cache", "--progress=plain", "-o", &output, &context.to_string_lossy()]);
            if ran.status == 0 {
                let root = super::harness::read_tar(&tar);
                assert!(!listing(&root).contains("the canary"), "{}", listing(&root));
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    canary.lives();
}

#[test]
fn links_of_the_context_lead_nowhere_else() {
    let kiln = Kiln::with_busybox();
    let canary = Canary::new();
    let context = kiln.context("links", &[]);
    symlink(canary.path(), context.join("out")).expect("the directory is ours");
    symlink("../".repeat(20) + canary.path().trim_start_matches('/'), context.join("up"))
        .expect("the directory is ours");
    for source in ["out/secret", "up/secret", "out/", "up/"] {
        fs::write(context.join("Dockerfile"), format!("FROM scratch\nCOPY {source} /x\n"))
            .expect("the directory is ours");
        kiln.run(["build", "--progress=plain", &context.to_string_lossy()]).fails(1, &["Dockerfile:2", "not found"]);
    }
    canary.lives();
}

#[test]
fn links_of_an_image_do_not_lead_a_copy_out() {
    let kiln = Kiln::with_busybox();
    let canary = Canary::new();
    let dockerfile = format!(
        "FROM busybox\nRUN ln -s {0} /a && ln -s ../../../../../../../..{0} /b\nCOPY new /a/\nCOPY new /b/new\nADD new /a/x/y/\n",
        canary.path()
    );
    kiln.build("copy-links", &[("Dockerfile", &dockerfile), ("new", "new")]).ok();
    canary.lives();
    let root = kiln.root("copy-links");
    assert_eq!(root[&format!("{}/new", canary.path())].contents, b"new");
}

#[test]
fn an_archive_writes_nothing_outside_the_root() {
    let kiln = Kiln::with_busybox();
    let canary = Canary::new();
    let context = kiln.context("archive", &[("Dockerfile", "FROM busybox\nADD evil.tar /x/\n")]);
    let mut tar = tar::Builder::new(fs::File::create(context.join("evil.tar")).expect("the directory is ours"));
    let mut add = |name: &str, kind: tar::EntryType, link: &str, contents: &[u8]| {
        let mut header = tar::Header::new_gnu();
        // Written by hand: the crate refuses to write what it would refuse to read.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        tar.append(&header, contents).expect("the file is ours");
    };
    let up = "../".repeat(12);
    let canary_path = canary.path();
    add(&format!("{up}{}/new", canary_path.trim_start_matches('/')), tar::EntryType::Regular, "", b"1");
    add(&format!("{canary_path}/new2"), tar::EntryType::Regular, "", b"2");
    add("link", tar::EntryType::Symlink, &canary_path, b"");
    add("link/new3", tar::EntryType::Regular, "", b"3");
    add("hard", tar::EntryType::Link, &format!("{canary_path}/secret"), b"");
    add("hard", tar::EntryType::Regular, "", b"overwritten");
    tar.into_inner().expect("the file is ours");
    let ran = kiln.run(["build", "--progress=plain", &context.to_string_lossy()]);
    canary.lives();
    assert!(ran.status == 0 || ran.status == 1 && ran.stderr.contains("evil.tar"), "{ran}");
    kiln.run(["cache", "fsck"]).ok();
}

#[test]
fn devices_and_pipes_of_the_context_are_never_opened() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("pipe", &[("Dockerfile", "FROM scratch\nCOPY . /x\n"), ("file", "1")]);
    let made = std::process::Command::new("mkfifo").arg(context.join("pipe")).status().expect("mkfifo runs");
    assert!(made.success());
    // A reader of the pipe would wait for ever.
    kiln.run(["build", "--progress=plain", "-t", "pipe", &context.to_string_lossy()]).ok();
    assert!(kiln.root("pipe").contains_key("/x/file"));
}

#[test]
fn a_dockerfile_without_end_is_refused() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("endless", &[]);
    fs::File::create(context.join("Dockerfile"))
        .and_then(|file| file.set_len(10 << 30))
        .expect("a sparse file takes no room");
    kiln.run(["build", &context.to_string_lossy()]).fails(1, &["Dockerfile", "larger"]);
}

#[test]
fn a_million_variables_are_refused() {
    let kiln = Kiln::with_busybox();
    let mut dockerfile = String::from("FROM scratch\n");
    for n in 0..1_000_000 {
        dockerfile.push_str(&format!("ENV A{n}=1\n"));
    }
    let begun = std::time::Instant::now();
    let ran = kiln.build("million", &[("Dockerfile", &dockerfile)]);
    ran.fails(1, &["Dockerfile:250001", "1000001 instructions"]);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    kiln.run(["cache", "fsck"]).ok();
}

//! The flags of `kiln build`: where it reads from, what it writes, and what it says.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use super::harness::{Kiln, Ran, read_tar};

/// Runs with `input` on standard input.
fn run_with(kiln: &Kiln, args: &[&str], input: &[u8]) -> Ran {
    let mut child = kiln
        .command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("it is piped").write_all(input).expect("the build reads");
    Ran::from(child.wait_with_output().expect("a child can be waited for"))
}

#[test]
fn a_dockerfile_from_standard_input() {
    let kiln = Kiln::with_busybox();
    let dockerfile = b"FROM busybox\nRUN echo 1 > /one\n";
    run_with(&kiln, &["build", "-q", "-t", "in", "-"], dockerfile).ok();
    assert_eq!(kiln.root("in")["/one"].contents, b"1\n");
    let context = kiln.context("context", &[("f", "f")]);
    let context = context.to_string_lossy();
    run_with(&kiln, &["build", "-q", "-t", "in", "-f", "-", &context], b"FROM scratch\nCOPY f /\n").ok();
    assert_eq!(kiln.root("in")["/f"].contents, b"f");
}

#[test]
fn a_context_as_a_tar_from_standard_input() {
    let kiln = Kiln::new();
    let mut tar = tar::Builder::new(Vec::new());
    let files: [(&str, &[u8]); 3] =
        [("Dockerfile", b"FROM scratch\nCOPY . /\n"), ("a/b", b"b"), (".dockerignore", b"Dockerfile\n.dockerignore\n")];
    for (path, contents) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(contents.len() as u64);
        header.set_mode(0o640);
        tar.append_data(&mut header, path, contents).expect("memory takes it");
    }
    run_with(&kiln, &["build", "-q", "-t", "in", "-"], &tar.into_inner().expect("memory takes it")).ok();
    let root = kiln.root("in");
    // The ignore file is a file like others: what comes as a tar has been sent already.
    assert_eq!(root.keys().collect::<Vec<_>>(), ["/.dockerignore", "/Dockerfile", "/a", "/a/b"]);
    assert_eq!(root["/a/b"].to_string(), "file 640 0:0 1 \"b\"");
}

#[test]
fn what_is_written_of_a_build() {
    let kiln = Kiln::with_busybox();
    let context =
        kiln.context("context", &[("Dockerfile", "FROM busybox AS one\nRUN echo 1 > /f\nFROM one\nRUN echo 2 > /f\n")]);
    let (id_file, metadata) = (kiln.path("id"), kiln.path("metadata.json"));
    let (context, id_file, metadata) =
        (context.to_string_lossy(), id_file.to_string_lossy(), metadata.to_string_lossy());
    let args = ["build", "-q", "-t", "a", "-t", "b:2", "--iidfile", &id_file, "--metadata-file", &metadata, &context];
    let id = kiln.run(args).ok().stdout.trim().to_owned();
    assert_eq!(std::fs::read_to_string(&*id_file).expect("the id was written"), id);
    let metadata: Value =
        serde_json::from_slice(&std::fs::read(&*metadata).expect("metadata was written")).expect("metadata is JSON");
    assert_eq!(metadata["containerimage.config.digest"], id.as_str());
    assert_eq!(metadata["image.name"], "docker.io/library/a:latest,docker.io/library/b:2");
    for name in ["a", "b:2"] {
        assert_eq!(kiln.config(name)["Id"], id.as_str());
    }
    kiln.run(["build", "-q", "--target", "one", "-t", "one", &context]).ok();
    assert_eq!(kiln.root("one")["/f"].contents, b"1\n");
}

#[test]
fn a_root_on_standard_output() {
    let kiln = Kiln::new();
    let context = kiln.context("context", &[("Dockerfile", "FROM scratch\nCOPY f /x/\n"), ("f", "f")]);
    let out = kiln.command(["build", "-o", "-", &context.to_string_lossy()]).output().expect("the binary starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let tar = kiln.path("out.tar");
    std::fs::write(&tar, out.stdout).expect("the directory is ours");
    assert_eq!(read_tar(&tar).keys().collect::<Vec<_>>(), ["/x", "/x/f"]);
}

#[test]
fn progress_for_machines_is_json_by_lines() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("context", &[("Dockerfile", "FROM busybox\nRUN echo heard\n")]);
    let ran = kiln.run(["build", "--progress", "rawjson", &context.to_string_lossy()]).ok();
    let lines: Vec<Value> = ran
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let vertex = |name: &str| {
        let all = lines.iter().filter_map(|line| line["vertexes"].as_array()).flatten();
        all.filter(|vertex| vertex["name"] == name && !vertex["completed"].is_null()).count()
    };
    assert_eq!(vertex("[2/2] RUN echo heard"), 1, "{ran}");
    assert!(lines.iter().any(|line| !line["logs"].is_null()), "{ran}");
}

#[test]
fn nothing_is_said_that_was_not_asked_for() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("context", &[("Dockerfile", "FROM busybox\nRUN echo heard\n")]);
    let ran = kiln.run(["build", "-q", &context.to_string_lossy()]).ok();
    assert_eq!(ran.stderr, "");
    assert_eq!(ran.stdout.lines().count(), 1);
    let ran = kiln.run(["build", "--progress=plain", &context.to_string_lossy()]).ok();
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_terminal_gets_a_live_view() {
    let kiln = Kiln::with_busybox();
    let context = kiln
        .context("context", &[("Dockerfile", "FROM busybox\nRUN for i in 1 2 3; do echo line $i; sleep 0.2; done\n")]);
    let command = format!("stty cols 100 rows 40; {} build {}", env!("CARGO_BIN_EXE_kiln"), context.display());
    let (status, text) = kiln.on_a_terminal(&command);
    assert!(status.success(), "{text}");
    for words in ["[+] Building", "[2/2] RUN", "line 3"] {
        assert!(text.contains(words), "`{words}` is not shown: {text}");
    }
}

/// Without a RUN, which may write what it likes, an image depends on nothing but the Dockerfile and the context.
#[test]
fn the_same_inputs_give_the_same_image_at_another_time_in_another_store() {
    let files = [
        ("Dockerfile", "FROM scratch AS a\nWORKDIR /w\nCOPY g f\nFROM a\nCOPY d/ /deep/er/\n"),
        ("g", "g"),
        ("d/h", "h"),
    ];
    let id = |epoch: Option<&str>| {
        let kiln = Kiln::new();
        let context = kiln.context("context", &files);
        for path in ["g", "d/h", "d"] {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890);
            let file = std::fs::File::open(context.join(path)).expect("the file is there");
            file.set_modified(time).expect("the file is ours");
        }
        let mut command = kiln.command(["build", "-q", "-t", "same"]);
        command.arg(&context).envs(epoch.map(|epoch| ("SOURCE_DATE_EPOCH", epoch)));
        let id = Ran::from(command.output().expect("the binary starts")).ok().stdout;
        (id, kiln.config("same")["Created"].as_str().unwrap_or_default().to_owned())
    };
    let first = (id(None), id(Some("1000000000")));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(first, (id(None), id(Some("1000000000"))));
    assert_eq!(first.0.1, "2009-02-13T23:31:30Z");
    assert_eq!(first.1.1, "2001-09-09T01:46:40Z");
}

#[test]
fn what_a_step_may_use_can_be_limited() {
    let kiln = Kiln::with_busybox();
    let dockerfile =
        "FROM busybox\nRUN (ulimit -Sn; ulimit -Hn; grep -o \"/dev/shm.*size=[^, ]*\" /proc/mounts | tail -n 1) > /f\n";
    let context = kiln.context("context", &[("Dockerfile", dockerfile)]);
    let seen = |args: &[&str]| {
        let contents = kiln.build_root(&context, args)["/f"].contents.to_vec();
        String::from_utf8(contents).expect("text").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(seen(&[])[2].ends_with("size=65536k"), "{:?}", seen(&[]));
    let limited = seen(&["--ulimit", "nofile=100:200", "--shm-size", "3m"]);
    assert_eq!(limited[..2], ["100", "200"]);
    assert!(limited[2].ends_with("size=3072k"), "{limited:?}");
    let own = seen(&[])[1].clone();
    let context = context.to_string_lossy();
    let more = kiln.run(["build", "--progress=plain", "--ulimit", "nofile=-1", &context]).ok();
    // Nobody may have more files than `fs.nr_open`, and so nobody has this.
    assert!(more.stderr.contains("more than this machine grants") || own == "unlimited", "{more}");
    kiln.run(["build", "--ulimit", "nofiles=1", &context]).fails(2, &["no limit `nofiles`", "did you mean `nofile`?"]);
}

#[test]
fn flags_that_scripts_give_change_nothing_or_are_refused() {
    let kiln = Kiln::new();
    let context = kiln.context("context", &[("Dockerfile", "FROM scratch\nLABEL a=b\n")]);
    let build = |args: &[&str]| kiln.run([&["build"], args, &[&*context.to_string_lossy()]].concat());
    let plain = build(&["-q"]).ok().stdout;
    let same = ["--provenance=false", "--sbom=false", "--builder=b", "--rm=true", "--pull=false", "--quiet=true"];
    assert_eq!(build(&same).ok().stdout, plain);
    assert_eq!(build(&["-q", "--build-arg", "BUILDKIT_INLINE_CACHE=1"]).ok().stdout, plain);
    build(&["--push"]).fails(2, &["`--push`: pushing is not there yet"]);
    build(&["-q", "--squash"]).ok().fails(0, &["WARNING: `--squash` is passed over"]);
    build(&["--progress=none"]).ok();
}

#[test]
fn labels_are_added() {
    let kiln = Kiln::new();
    let context = kiln.context("context", &[("Dockerfile", "FROM scratch\nLABEL a=b c=d\n")]);
    kiln.run(["build", "-q", "-t", "l", "--label", "c=e f", "--label", "g", &context.to_string_lossy()]).ok();
    assert_eq!(kiln.config("l")["Config"]["Labels"], serde_json::json!({"a": "b", "c": "e f", "g": ""}));
}

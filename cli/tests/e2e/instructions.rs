//! Every instruction, built by the real binary: the image's config and every entry of its root, as written down beside
//! it. `/bin` of the base image is left out of the lists.

use expect_test::{Expect, expect};

use super::harness::{Kiln, listing};

/// Builds `files` and compares the config, the history and the root with `expected`.
#[track_caller]
fn check(files: &[(&str, &str)], expected: Expect) {
    let kiln = Kiln::with_busybox();
    kiln.build("image", files).ok();
    expected.assert_eq(&described(&kiln));
}

fn described(kiln: &Kiln) -> String {
    let image = kiln.config("image");
    let mut text = String::new();
    for (field, value) in image["Config"].as_object().expect("an image has a config") {
        text.push_str(&format!("{field}: {value}\n"));
    }
    let history = kiln.run(["history", "--no-trunc", "--format", "{{.CreatedBy}}", "image"]).ok().stdout;
    let own = history.lines().count().saturating_sub(3);
    for line in history.lines().take(own).collect::<Vec<_>>().into_iter().rev() {
        text.push_str(&format!("> {line}\n"));
    }
    let mut root = kiln.root("image");
    root.retain(|path, _| !path.starts_with("/bin"));
    let known = ["/etc", "/etc/group", "/etc/passwd", "/root", "/tmp"];
    root.retain(|path, _| !known.contains(&path.as_str()));
    text + &listing(&root)
}

#[test]
fn copy_and_add() {
    check(
        &[
            ("Dockerfile", "FROM busybox\nCOPY a.txt b.txt /files/\nCOPY dir /copied\nCOPY [\"with space\", \"/json/\"]\n\
                            COPY *.txt /globbed/\nCOPY --chown=user:staff --chmod=640 a.txt /owned\nADD a.txt added/\n"),
            ("a.txt", "a\n"),
            ("b.txt", "b\n"),
            ("with space", "s\n"),
            ("dir/x", "x\n"),
            ("dir/sub/y", "y\n"),
            ("dir/empty/", ""),
        ],
        expect![[r#""#]],
    );
}

#[test]
fn copy_from_a_stage() {
    check(
        &[("Dockerfile", "FROM busybox AS build\nRUN mkdir -p /out/d && echo built > /out/f && ln -s f /out/l && chown -R 7:8 /out\n\
                          FROM scratch AS unused\nCOPY missing /\nFROM busybox\nCOPY --from=build /out /out\nCOPY --from=0 /out/f /f\n")],
        expect![[r#""#]],
    );
}

#[test]
fn add_unpacks_archives() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("context", &[("Dockerfile", "FROM busybox\nADD a.tar.gz /unpacked/\nCOPY a.tar.gz /kept/\n"), ("in/f", "f\n")]);
    let tarred = std::process::Command::new("tar")
        .args(["-czf", "a.tar.gz", "--owner=3", "--group=4", "--mtime=@5", "in"])
        .current_dir(&context)
        .status()
        .expect("tar runs");
    assert!(tarred.success());
    kiln.run(["build", "--progress=plain", "-t", "image", &context.to_string_lossy()]).ok();
    let root = kiln.root("image");
    assert_eq!(root["/unpacked/in/f"].to_string(), r#"file 644 3:4 2 "f\n""#);
    assert_eq!(root["/kept/a.tar.gz"].contents, std::fs::read(context.join("a.tar.gz")).expect("the archive is there"));
}

#[test]
fn run_in_all_its_forms() {
    check(
        &[("Dockerfile", "FROM busybox\nRUN echo shell > /shell\nRUN [\"touch\", \"/json file\"]\nRUN <<EOF\necho one > /one\n\
                          echo two > /two\nEOF\nRUN <<EOF cat > /three\nthree\nEOF\nSHELL [\"/bin/sh\", \"-e\", \"-c\"]\nRUN echo $0 > /four\n\
                          ENV A=env\nARG B=arg\nRUN echo $A $B $PWD $(id -u) $HOME > /five\nRUN rm /five /one\n")],
        expect![[r#""#]],
    );
}

#[test]
fn users_and_directories() {
    check(
        &[("Dockerfile", "FROM busybox\nWORKDIR /a/b\nWORKDIR c\nRUN pwd > pwd && chmod 777 .\nUSER user\nRUN id > id\nUSER 7:staff\n\
                          RUN id > id2; touch /root/no || true\nWORKDIR /as/user\nCOPY f f\n"), ("f", "f\n")],
        expect![[r#""#]],
    );
}

#[test]
fn what_only_the_config_tells() {
    check(
        &[("Dockerfile", "FROM busybox\nMAINTAINER me\nLABEL a=1 \"b c\"=\"d e\"\nENV X=1 Y=\"2 3\"\nENV OLD form of it\nEXPOSE 80 53/udp 9000-9002\n\
                          VOLUME /data [\"/x\"]\nVOLUME [\"/y\"]\nSTOPSIGNAL SIGUSR1\nHEALTHCHECK --interval=5s --retries=2 CMD wget -q localhost\n\
                          ONBUILD RUN echo on\nUSER user\nENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"echo\", \"hi\"]\n")],
        expect![[r#""#]],
    );
}

#[test]
fn an_entrypoint_resets_the_command_of_the_base() {
    check(&[("Dockerfile", "FROM busybox\nENTRYPOINT echo hi\n")], expect![[r#""#]]);
}

#[test]
fn variables() {
    check(
        &[("Dockerfile", "ARG TAG=latest\nARG NAME=wrong\nFROM busybox:${TAG}\nARG NAME=${TAG:-none}name\nARG TAG\n\
                          ENV V=${NAME}-$TAG-${UNSET:-default}-${TAG:+set}-${TAG#la}-${TAG%est}-${TAG/t/T}-\\$esc-'$single'\n\
                          WORKDIR /$V\nCOPY $TAG.txt ${TAG}.txt\nLABEL l=$V\nRUN echo \"$V ${NAME}\" > run\n"), ("latest.txt", "x")],
        expect![[r#""#]],
    );
}

#[test]
fn triggers_of_the_base_run_in_the_child() {
    let kiln = Kiln::with_busybox();
    kiln.build("base", &[("Dockerfile", "FROM busybox\nONBUILD COPY f /from-trigger\nONBUILD RUN echo $(cat /from-trigger) ran > /ran\n")]).ok();
    kiln.build("image", &[("Dockerfile", "FROM base\n"), ("f", "f")]).ok();
    let root = kiln.root("image");
    assert_eq!(root["/ran"].contents, b"f ran\n");
    assert_eq!(kiln.config("image")["Config"]["OnBuild"], serde_json::Value::Null);
}

#[test]
fn ignored_files_are_not_there() {
    let files = [
        ("Dockerfile", "FROM scratch\nCOPY . /\n"),
        (".dockerignore", "# comment\n*.log\n!keep.log\ndir/**/x\nDockerfile\n.dockerignore\n"),
        ("a.log", ""),
        ("keep.log", ""),
        ("dir/x", ""),
        ("dir/deep/er/x", ""),
        ("dir/y", ""),
    ];
    check(&files, expect![[r#""#]]);
}

#[test]
fn a_missing_source_tells_what_hid_it() {
    let kiln = Kiln::with_busybox();
    let files = [("Dockerfile", "FROM scratch\nCOPY secret.txt /\n"), (".dockerignore", "# no\n\n*.txt\n"), ("secret.txt", "")];
    kiln.build("image", &files).fails(1, &["Dockerfile:2", "secret.txt", ".dockerignore:3", "*.txt"]);
    let files = [("Dockerfile", "FROM scratch\nCOPY sercet /\n"), ("secret", ""), (".dockerignore", "")];
    kiln.build("image2", &files).fails(1, &["Dockerfile:2", "sercet", "not found"]);
}

#[test]
fn the_ignore_file_of_the_dockerfile_comes_first() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context("context", &[
        ("sub/My.Dockerfile", "FROM scratch\nCOPY . /\n"),
        ("sub/My.Dockerfile.dockerignore", "a\nsub\n.dockerignore\n"),
        (".dockerignore", "b\n"),
        ("a", ""),
        ("b", ""),
    ]);
    let dockerfile = context.join("sub/My.Dockerfile");
    let root = kiln.build_root(&context, &["-f", &dockerfile.to_string_lossy()]);
    assert_eq!(listing(&root), "/b file 644 0:0 0 \"\"\n");
}

#[test]
fn a_failed_step_shows_what_is_needed_to_mend_it() {
    let kiln = Kiln::with_busybox();
    let ran = kiln.build("image", &[("Dockerfile", "FROM busybox\nRUN echo before; echo why >&2; exit 42\nRUN echo never\n")]);
    let ran = ran.fails(1, &["Dockerfile:2", "echo before; echo why >&2; exit 42", "why", "exit code: 42"]);
    assert!(!ran.stderr.contains("[3/3] RUN echo never\n#"), "{ran}");
}

#[test]
fn mistakes_are_told_with_their_place_and_the_nearest_right_word() {
    let kiln = Kiln::new();
    let cases: [(&str, &[&str]); 9] = [
        ("FROM scratch\nCPOY a /\n", &["Dockerfile:2", "CPOY", "COPY"]),
        ("FROM scratch\nCOPY --chwon=1 a /\n", &["Dockerfile:2", "--chwon", "--chown"]),
        ("FROM scratch AS build\nFROM biuld\nCOPY --from=biuld a /\n", &["Dockerfile:"]),
        ("RUN true\n", &["Dockerfile:1", "FROM"]),
        ("", &["Dockerfile", "empty"]),
        ("FROM scratch\nENV A\n", &["Dockerfile:2", "ENV"]),
        ("FROM scratch\nCOPY a\n", &["Dockerfile:2", "COPY"]),
        ("FROM scratch\nENV A=\"x\n", &["Dockerfile:2"]),
        ("FROM scratch\nRUN --mount=type=bnid,target=/x true\n", &["Dockerfile:2", "bnid", "bind"]),
    ];
    for (n, (dockerfile, words)) in cases.into_iter().enumerate() {
        if !dockerfile.contains("FROM biuld") {
            kiln.build(&format!("case{n}"), &[("Dockerfile", dockerfile)]).fails(1, words);
        }
    }
    kiln.run(["build", "--tarhet", "x", "."]).fails(2, &["--tarhet", "--target"]);
    kiln.run(["biuld"]).fails(2, &["biuld", "build"]);
    let files = [("Dockerfile", "FROM scratch AS build\nFROM scratch AS test\n")];
    let context = kiln.context("target", &files);
    kiln.run(["build", "--target", "biuld", &context.to_string_lossy()]).fails(1, &["biuld", "build"]);
    kiln.run(["build", "/nowhere"]).fails(1, &["/nowhere"]);
}

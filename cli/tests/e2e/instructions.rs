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
    let history = kiln.run(["history", "--no-trunc", "--format", "{{json .CreatedBy}}", "image"]).ok().stdout;
    let newest_first: Vec<String> = history.lines().map(|line| serde_json::from_str(line).expect("a string")).collect();
    let base = if newest_first.iter().any(|line| line == "COPY root / # buildkit") { 3 } else { 0 };
    for line in newest_first.iter().rev().skip(base) {
        text.push_str(&format!("> {}\n", line.replace('\n', "\n| ")));
    }
    let mut root = kiln.root("image");
    root.retain(|path, _| !path.starts_with("/bin"));
    let known = ["/dev", "/etc", "/etc/group", "/etc/passwd", "/proc", "/root", "/sys", "/tmp"];
    root.retain(|path, _| !known.contains(&path.as_str()));
    text + &listing(&root)
}

#[test]
fn copy_and_add() {
    check(
        &[
            (
                "Dockerfile",
                "FROM busybox\nCOPY a.txt b.txt /files/\nCOPY dir /copied\nCOPY [\"with space\", \"/json/\"]\n\
                            COPY *.txt /globbed/\nCOPY --chown=user:staff --chmod=640 a.txt /owned\nADD a.txt added/\n",
            ),
            ("a.txt", "a\n"),
            ("b.txt", "b\n"),
            ("with space", "s\n"),
            ("dir/x", "x\n"),
            ("dir/sub/y", "y\n"),
            ("dir/empty/", ""),
        ],
        expect![[r#"
            Env: ["PATH=/bin"]
            Cmd: ["sh"]
            ArgsEscaped: true
            WorkingDir: "/"
            > COPY a.txt b.txt /files/ # buildkit
            > COPY dir /copied # buildkit
            > COPY with space /json/ # buildkit
            > COPY *.txt /globbed/ # buildkit
            > COPY --chown=user:staff --chmod=640 a.txt /owned # buildkit
            > ADD a.txt added/ # buildkit
            /added dir 755 0:0
            /added/a.txt file 644 0:0 2 "a\n"
            /copied dir 755 0:0
            /copied/empty dir 755 0:0
            /copied/sub dir 755 0:0
            /copied/sub/y file 644 0:0 2 "y\n"
            /copied/x file 644 0:0 2 "x\n"
            /files dir 755 0:0
            /files/a.txt file 644 0:0 2 "a\n"
            /files/b.txt file 644 0:0 2 "b\n"
            /globbed dir 755 0:0
            /globbed/a.txt file 644 0:0 2 "a\n"
            /globbed/b.txt file 644 0:0 2 "b\n"
            /json dir 755 0:0
            /json/with space file 644 0:0 2 "s\n"
            /owned file 640 1000:50 2 "a\n"
        "#]],
    );
}

#[test]
fn copy_from_a_stage() {
    check(
        &[(
            "Dockerfile",
            "FROM busybox AS build\nRUN mkdir -p /out/d && echo built > /out/f && ln -s f /out/l && chown -R 7:8 /out\n\
                          FROM scratch AS unused\nCOPY missing /\nFROM busybox\nCOPY --from=build /out /out\nCOPY --from=0 /out/f /f\n",
        )],
        expect![[r#"
            Env: ["PATH=/bin"]
            Cmd: ["sh"]
            ArgsEscaped: true
            WorkingDir: "/"
            > COPY /out /out # buildkit
            > COPY /out/f /f # buildkit
            /f file 644 7:8 6 "built\n"
            /out dir 755 0:0
            /out/d dir 755 7:8
            /out/f file 644 7:8 6 "built\n"
            /out/l link 777 7:8 -> f
        "#]],
    );
}

#[test]
fn a_linked_copy_takes_the_place_of_a_link() {
    check(
        &[
            (
                "Dockerfile",
                "# syntax=docker/dockerfile:1\nFROM busybox\nRUN mkdir /real && ln -s real /dir\nCOPY --link f /dir/f\n",
            ),
            ("f", "f\n"),
        ],
        expect![[r#"
            Env: ["PATH=/bin"]
            Cmd: ["sh"]
            ArgsEscaped: true
            WorkingDir: "/"
            > RUN /bin/sh -c mkdir /real && ln -s real /dir # buildkit
            > COPY f /dir/f # buildkit
            /dir dir 755 0:0
            /dir/f file 644 0:0 2 "f\n"
            /real dir 755 0:0
        "#]],
    );
}

#[test]
fn add_unpacks_archives() {
    let kiln = Kiln::with_busybox();
    for name in ["a.tar.gz", "a.tar.zst", "a.tar.bz2", "a.tar.xz"] {
        let dockerfile =
            format!("FROM busybox\nADD {name} /unpacked/\nCOPY {name} /kept/\nADD --chown=7:7 {name} /owned/\n");
        let context = kiln.context(name, &[("Dockerfile", &dockerfile), ("in/f", "f\n")]);
        let tarred = std::process::Command::new("tar")
            .args(["--auto-compress", "-cf", name, "--owner=3", "--group=4", "--mtime=@5", "in/f"])
            .current_dir(&context)
            .status()
            .expect("tar runs");
        assert!(tarred.success());
        kiln.run(["build", "--progress=plain", "-t", "image", &context.to_string_lossy()]).ok();
        let root = kiln.root("image");
        assert_eq!(root["/unpacked/in/f"].to_string(), r#"file 644 3:4 2 "f\n""#);
        assert_eq!(root["/owned/in/f"].to_string(), r#"file 644 7:7 2 "f\n""#);
        let kept = &root[&format!("/kept/{name}")[..]].contents;
        assert_eq!(*kept, std::fs::read(context.join(name)).expect("the archive is there"));
    }
}

#[test]
fn run_in_all_its_forms() {
    check(
        &[(
            "Dockerfile",
            "FROM busybox\nRUN echo shell > /shell\nRUN [\"touch\", \"/json file\"]\nRUN <<EOF\necho one > /one\n\
                          echo two > /two\nEOF\nRUN <<EOF cat > /three\nthree\nEOF\nSHELL [\"/bin/sh\", \"-e\", \"-c\"]\nRUN echo $0 > /four\n\
                          ENV A=env\nARG B=arg\nRUN echo $A $B $PWD $(id -u) $HOME > /five\nRUN rm /five /one\n",
        )],
        expect![[r#"
            Env: ["PATH=/bin","A=env"]
            Cmd: ["sh"]
            ArgsEscaped: true
            WorkingDir: "/"
            Shell: ["/bin/sh","-e","-c"]
            > RUN /bin/sh -c echo shell > /shell # buildkit
            > RUN touch /json file # buildkit
            > RUN /bin/sh -c echo one > /one
            | echo two > /two
            |  # buildkit
            > RUN /bin/sh -c <<EOF cat > /three
            | three
            | EOF # buildkit
            > SHELL [/bin/sh -e -c]
            > RUN /bin/sh -e -c echo $0 > /four # buildkit
            > ENV A=env
            > ARG B=arg
            > RUN |1 B=arg /bin/sh -e -c echo $A $B $PWD $(id -u) $HOME > /five # buildkit
            > RUN |1 B=arg /bin/sh -e -c rm /five /one # buildkit
            /four file 644 0:0 8 "/bin/sh\n"
            /json file file 644 0:0 0 ""
            /shell file 644 0:0 6 "shell\n"
            /three file 644 0:0 6 "three\n"
            /two file 644 0:0 4 "two\n"
        "#]],
    );
}

#[test]
fn flags_and_here_documents_of_copies() {
    check(
        &[
            (
                "Dockerfile",
                "FROM busybox\nCOPY --chmod=u=rwX,go= d /modes\nCOPY --link d/a /linked/\n\
                          COPY --parents ./d/sub/c d/./sub/c /parents/\nCOPY --exclude=*.log --exclude=sub d /some\n\
                          COPY --chown=7 --chmod=600 <<EOF <<\"RAW\" /documents/\nexpanded $PATH\nEOF\nraw $PATH\nRAW\n\
                          ADD --chown=:staff d/a /added\nADD --unpack=false d/a /kept\n",
            ),
            ("d/a", "a\n"),
            ("d/b.log", "b\n"),
            ("d/sub/c", "c\n"),
        ],
        expect![[r#"
            Env: ["PATH=/bin"]
            Cmd: ["sh"]
            ArgsEscaped: true
            WorkingDir: "/"
            > COPY --chmod=u=rwX,go= d /modes # buildkit
            > COPY d/a /linked/ # buildkit
            > COPY --parents ./d/sub/c d/./sub/c /parents/ # buildkit
            > COPY d /some # buildkit
            > COPY --chown=7 --chmod=600 <<EOF <<RAW /documents/ # buildkit
            > ADD --chown=:staff d/a /added # buildkit
            > ADD d/a /kept # buildkit
            /added file 644 0:50 2 "a\n"
            /documents dir 600 7:7
            /documents/EOF file 600 7:7 14 "expanded /bin\n"
            /documents/RAW file 600 7:7 10 "raw $PATH\n"
            /kept file 644 0:0 2 "a\n"
            /linked dir 755 0:0
            /linked/a file 644 0:0 2 "a\n"
            /modes dir 755 0:0
            /modes/a file 600 0:0 2 "a\n"
            /modes/b.log file 600 0:0 2 "b\n"
            /modes/sub dir 700 0:0
            /modes/sub/c file 600 0:0 2 "c\n"
            /parents dir 755 0:0
            /parents/d dir 755 0:0
            /parents/d/sub dir 755 0:0
            /parents/d/sub/c file 644 0:0 2 "c\n"
            /parents/sub dir 755 0:0
            /parents/sub/c file 644 0:0 2 "c\n"
            /some dir 755 0:0
            /some/a file 644 0:0 2 "a\n"
        "#]],
    );
}

#[test]
fn mounts_and_networks_of_run() {
    check(
        &[
            (
                "Dockerfile",
                "FROM busybox AS other\nRUN mkdir /s && echo stage > /s/f\nFROM busybox\n\
                          RUN --mount=type=bind,target=/context cat /context/f > /bound; touch /context/new 2> /refused || true\n\
                          RUN --mount=from=other,source=/s,target=/m,rw cat /m/f > /staged; echo lost > /m/new\n\
                          RUN --mount=type=cache,target=/c echo kept > /c/f\nRUN --mount=type=cache,target=/c cat /c/f > /cached\n\
                          RUN --mount=type=tmpfs,target=/t grep ' /t ' /proc/mounts | cut -d ' ' -f 3 > /tmpfs\n\
                          RUN --network=none ls /sys/class/net > /devices\n",
            ),
            ("f", "context\n"),
        ],
        expect![[r#"
            Env: ["PATH=/bin"]
            Cmd: ["sh"]
            ArgsEscaped: true
            WorkingDir: "/"
            > RUN /bin/sh -c cat /context/f > /bound; touch /context/new 2> /refused || true # buildkit
            > RUN /bin/sh -c cat /m/f > /staged; echo lost > /m/new # buildkit
            > RUN /bin/sh -c echo kept > /c/f # buildkit
            > RUN /bin/sh -c cat /c/f > /cached # buildkit
            > RUN /bin/sh -c grep ' /t ' /proc/mounts | cut -d ' ' -f 3 > /tmpfs # buildkit
            > RUN /bin/sh -c ls /sys/class/net > /devices # buildkit
            /bound file 644 0:0 8 "context\n"
            /cached file 644 0:0 5 "kept\n"
            /devices file 644 0:0 3 "lo\n"
            /refused file 644 0:0 43 "touch: /context/new: Read-only file system\n"
            /staged file 644 0:0 6 "stage\n"
            /tmpfs file 644 0:0 6 "tmpfs\n"
        "#]],
    );
}

/// BuildKit removes the mountpoints that it made, whatever the step did to them, but for the three that a root must
/// have; and its directories are made by `mkdir`, below one with the set-group-ID bit too.
#[test]
fn what_a_step_leaves_of_directories_it_was_given() {
    let kiln = Kiln::with_busybox();
    let dockerfile = "FROM scratch\nCOPY --from=busybox /bin /bin\n\
        RUN --mount=type=cache,target=/c/d --mount=type=tmpfs,target=/e/f chown 7 /c && chmod 700 /e && touch /e/g\n\
        RUN mkdir /m && chown 3:44 /m && chmod 2775 /m\n\
        COPY a /m/n/\nUSER 5:6\nWORKDIR /m/w\n";
    kiln.build("image", &[("Dockerfile", dockerfile), ("a", "a\n")]).ok();
    let mut root = kiln.root("image");
    root.retain(|path, _| !path.starts_with("/bin"));
    expect![[r#"
        /dev dir 755 0:0
        /e dir 700 0:0
        /e/g file 644 0:0 0 ""
        /m dir 2775 3:44
        /m/n dir 2755 0:44
        /m/n/a file 644 0:0 2 "a\n"
        /m/w dir 2755 5:6
        /proc dir 755 0:0
        /sys dir 755 0:0
    "#]]
    .assert_eq(&listing(&root));
}

#[test]
fn copies_that_are_none() {
    let kiln = Kiln::new();
    let build = |copy: &str| kiln.build("image", &[("Dockerfile", &format!("FROM scratch\n{copy}\n")), ("d/a", "a\n")]);
    build("COPY none* /x/").ok();
    build("COPY d/none* d/a /x/").ok();
    build("COPY d/none* /x/").fails(1, &["nothing matches `/d/none*`", "nothing of `/d`"]);
    build("COPY --parents . /x/").fails(1, &["--parents", "`*`"]);
    build("COPY --chown=daemon d/a /x/").fails(1, &["look `daemon` up", "use the number"]);
    build("COPY d/a /\nCOPY --chown=daemon d/a /x/").ok();
}

#[test]
fn users_and_directories() {
    check(
        &[
            (
                "Dockerfile",
                "FROM busybox\nWORKDIR /a/b\nWORKDIR c\nRUN pwd > pwd && chmod 777 .\nUSER user\nRUN id > id\nUSER 7:staff\n\
                          RUN id > id2; touch /root/no || true\nWORKDIR /as/user\nCOPY f f\n",
            ),
            ("f", "f\n"),
        ],
        expect![[r#"
            User: "7:staff"
            Env: ["PATH=/bin"]
            Cmd: ["sh"]
            ArgsEscaped: true
            WorkingDir: "/as/user"
            > WORKDIR /a/b
            > WORKDIR /a/b/c
            > RUN /bin/sh -c pwd > pwd && chmod 777 . # buildkit
            > USER user
            > RUN /bin/sh -c id > id # buildkit
            > USER 7:staff
            > RUN /bin/sh -c id > id2; touch /root/no || true # buildkit
            > WORKDIR /as/user
            > COPY f f # buildkit
            /a dir 755 0:0
            /a/b dir 755 0:0
            /a/b/c dir 777 0:0
            /a/b/c/id file 644 1000:1000 58 "uid=1000(user) gid=1000(user) groups=50(staff),1000(user)\n"
            /a/b/c/id2 file 644 7:50 37 "uid=7 gid=50(staff) groups=50(staff)\n"
            /a/b/c/pwd file 644 0:0 7 "/a/b/c\n"
            /as dir 755 7:50
            /as/user dir 755 7:50
            /as/user/f file 644 0:0 2 "f\n"
        "#]],
    );
}

#[test]
fn what_only_the_config_tells() {
    check(
        &[(
            "Dockerfile",
            "FROM busybox\nMAINTAINER me\nLABEL a=1 \"b c\"=\"d e\"\nENV X=1 Y=\"2 3\"\nENV OLD form of it\nEXPOSE 80 53/udp 9000-9002\n\
                          VOLUME /data [\"/x\"]\nVOLUME [\"/y\"]\nSTOPSIGNAL SIGUSR1\nHEALTHCHECK --interval=5s --retries=2 CMD wget -q localhost\n\
                          ONBUILD RUN echo on\nUSER user\nENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"echo\", \"hi\"]\n",
        )],
        expect![[r#"
            User: "user"
            ExposedPorts: {"53/udp":{},"80/tcp":{},"9000/tcp":{},"9001/tcp":{},"9002/tcp":{}}
            Env: ["PATH=/bin","X=1","Y=2 3","OLD=form of it"]
            Entrypoint: ["/bin/sh","-c"]
            Cmd: ["echo","hi"]
            Healthcheck: {"Test":["CMD-SHELL","wget -q localhost"],"Interval":5000000000,"Retries":2}
            ArgsEscaped: true
            Volumes: {"/data":{},"/y":{},"[/x]":{}}
            WorkingDir: "/"
            OnBuild: ["RUN echo on"]
            Labels: {"a":"1","b c":"d e"}
            StopSignal: "SIGUSR1"
            > MAINTAINER me
            > LABEL a=1 b c=d e
            > ENV X=1 Y=2 3
            > ENV OLD=form of it
            > EXPOSE [53/udp 80/tcp 9000/tcp 9001/tcp 9002/tcp]
            > VOLUME [/data [/x]]
            > VOLUME [/y]
            > STOPSIGNAL SIGUSR1
            > HEALTHCHECK {Test:[CMD-SHELL wget -q localhost] Interval:5s Timeout:0s StartPeriod:0s StartInterval:0s Retries:2}
            > USER user
            > ENTRYPOINT ["/bin/sh" "-c"]
            > CMD ["echo" "hi"]
        "#]],
    );
}

#[test]
fn an_entrypoint_resets_the_command_of_the_base() {
    check(
        &[("Dockerfile", "FROM busybox\nENTRYPOINT echo hi\n")],
        expect![[r#"
        Env: ["PATH=/bin"]
        Entrypoint: ["/bin/sh","-c","echo hi"]
        ArgsEscaped: true
        WorkingDir: "/"
        > ENTRYPOINT ["/bin/sh" "-c" "echo hi"]
    "#]],
    );
}

#[test]
fn variables() {
    check(
        &[
            (
                "Dockerfile",
                "ARG TAG=latest\nARG NAME=wrong\nFROM busybox:${TAG}\nARG NAME=${TAG:-none}name\nARG TAG\n\
                          ENV V=${NAME}-$TAG-${UNSET:-default}-${TAG:+set}-${TAG#la}-${TAG%est}-${TAG/t/T}-\\$esc-'$single'\n\
                          WORKDIR /$V\nCOPY $TAG.txt ${TAG}.txt\nLABEL l=$V\nRUN echo \"$V ${NAME}\" > run\n",
            ),
            ("latest.txt", "x"),
        ],
        expect![[r#"
            Env: ["PATH=/bin","V=nonename-latest-default-set-test-lat-laTest-$esc-$single"]
            Cmd: ["sh"]
            ArgsEscaped: true
            WorkingDir: "/nonename-latest-default-set-test-lat-laTest-$esc-$single"
            Labels: {"l":"nonename-latest-default-set-test-lat-laTest-$esc-$single"}
            > ARG NAME=nonename
            > ARG TAG=latest
            > ENV V=nonename-latest-default-set-test-lat-laTest-$esc-$single
            > WORKDIR /nonename-latest-default-set-test-lat-laTest-$esc-$single
            > COPY latest.txt latest.txt # buildkit
            > LABEL l=nonename-latest-default-set-test-lat-laTest-$esc-$single
            > RUN |2 NAME=nonename TAG=latest /bin/sh -c echo "$V ${NAME}" > run # buildkit
            /nonename-latest-default-set-test-lat-laTest-$esc-$single dir 755 0:0
            /nonename-latest-default-set-test-lat-laTest-$esc-$single/latest.txt file 644 0:0 1 "x"
            /nonename-latest-default-set-test-lat-laTest-$esc-$single/run file 644 0:0 66 "nonename-latest-default-set-test-lat-laTest-$esc-$single nonename\n"
        "#]],
    );
}

#[test]
fn triggers_of_the_base_run_in_the_child() {
    let kiln = Kiln::with_busybox();
    kiln.build(
        "base",
        &[(
            "Dockerfile",
            "FROM busybox\nONBUILD COPY f /from-trigger\nONBUILD RUN echo $(cat /from-trigger) ran > /ran\n",
        )],
    )
    .ok();
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
    check(
        &files,
        expect![[r#"
        Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        WorkingDir: "/"
        > COPY . / # buildkit
        /dir dir 755 0:0
        /dir/deep dir 755 0:0
        /dir/deep/er dir 755 0:0
        /dir/y file 644 0:0 0 ""
        /keep.log file 644 0:0 0 ""
    "#]],
    );
}

#[test]
fn a_missing_source_tells_what_hid_it() {
    let kiln = Kiln::with_busybox();
    let files =
        [("Dockerfile", "FROM scratch\nCOPY secret.txt /\n"), (".dockerignore", "# no\n\n*.txt\n"), ("secret.txt", "")];
    kiln.build("image", &files).fails(1, &["Dockerfile:2", "secret.txt", ".dockerignore:3", "*.txt"]);
    let files = [("Dockerfile", "FROM scratch\nCOPY sercet /\n"), ("secret", ""), (".dockerignore", "")];
    kiln.build("image2", &files).fails(1, &["Dockerfile:2", "sercet", "not found"]);
}

#[test]
fn the_ignore_file_of_the_dockerfile_comes_first() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context(
        "context",
        &[
            ("sub/My.Dockerfile", "FROM scratch\nCOPY . /\n"),
            ("sub/My.Dockerfile.dockerignore", "a\nsub\n.dockerignore\n"),
            (".dockerignore", "b\n"),
            ("a", ""),
            ("b", ""),
        ],
    );
    let dockerfile = context.join("sub/My.Dockerfile");
    let root = kiln.build_root(&context, &["-f", &dockerfile.to_string_lossy()]);
    assert_eq!(listing(&root), "/b file 644 0:0 0 \"\"\n");
}

#[test]
fn a_failed_step_shows_what_is_needed_to_mend_it() {
    let kiln = Kiln::with_busybox();
    let ran = kiln
        .build("image", &[("Dockerfile", "FROM busybox\nRUN echo before; echo why >&2; exit 42\nRUN echo never\n")]);
    let ran = ran.fails(1, &["Dockerfile:2", "echo before; echo why >&2; exit 42", "why", "exit code: 42"]);
    assert!(!ran.stderr.contains("[3/3] RUN echo never\n#"), "{ran}");
}

#[test]
fn mistakes_are_told_with_their_place_and_the_nearest_right_word() {
    let kiln = Kiln::new();
    let cases: [(&str, &[&str]); 8] = [
        ("FROM scratch\nCPOY a /\n", &["Dockerfile:2", "CPOY", "COPY"]),
        ("FROM scratch\nCOPY --chwon=1 a /\n", &["Dockerfile:2", "--chwon", "--chown"]),
        ("RUN true\n", &["Dockerfile:1", "FROM"]),
        ("", &["Dockerfile", "empty"]),
        ("FROM scratch\nENV A\n", &["Dockerfile:2", "ENV"]),
        ("FROM scratch\nCOPY a\n", &["Dockerfile:2", "COPY"]),
        ("FROM scratch\nENV A=\"x\n", &["Dockerfile:2"]),
        ("FROM scratch\nRUN --mount=type=bnid,target=/x true\n", &["Dockerfile:2", "bnid", "bind"]),
    ];
    for (n, (dockerfile, words)) in cases.into_iter().enumerate() {
        kiln.build(&format!("case{n}"), &[("Dockerfile", dockerfile)]).fails(1, words);
    }
    kiln.run(["build", "--tarhet", "x", "."]).fails(2, &["--tarhet", "--target"]);
    kiln.run(["biuld"]).fails(2, &["biuld", "build"]);
    let files = [("Dockerfile", "FROM scratch AS build\nFROM scratch AS test\n")];
    let context = kiln.context("target", &files);
    kiln.run(["build", "--target", "biuld", &context.to_string_lossy()]).fails(1, &["biuld", "build"]);
    kiln.run(["build", "/nowhere"]).fails(1, &["/nowhere"]);
}

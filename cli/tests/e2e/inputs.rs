//! What a build is given beside its context: named contexts, secrets, hosts, allowances.

use std::fs;

use super::harness::{Kiln, Ran};

#[test]
fn a_directory_by_name_has_its_own_ignore_file() {
    let kiln = Kiln::with_busybox();
    let lib = kiln.context("lib", &[("seen", "1"), ("hidden", "2"), (".dockerignore", "hidden\n")]);
    let context = kiln.context(
        "main",
        &[
            (
                "Dockerfile",
                "FROM busybox\nCOPY --from=lib . /lib/\nRUN --mount=from=lib,target=/m cp /m/seen /ran\nCOPY f /\n",
            ),
            ("f", "f"),
        ],
    );
    let named = format!("lib={}", lib.display());
    let root = kiln.build_root(&context, &["--build-context", &named]);
    assert_eq!((&*root["/lib/seen"].contents, &*root["/ran"].contents), (&b"1"[..], &b"1"[..]));
    assert!(!root.contains_key("/lib/hidden"));
    let place = context.display().to_string();
    let files = |args: &[&str]| kiln.run([&["build", "--progress=plain"], args, &[&place]].concat());
    let again = files(&["--build-context", &named]).ok();
    assert_eq!(again.stderr.matches("CACHED").count(), 3, "{again}");
    fs::write(lib.join("seen"), "3").expect("the file is ours");
    assert_eq!(kiln.build_root(&context, &["--build-context", &named])["/ran"].contents, b"3");
    files(&["--build-context", "lib=no/such/dir"]).fails(1, &["failed to get build context lib: no/such/dir"]);
    files(&["--build-context", "lib"]).fails(2, &["invalid build context `lib`", "`--build-context NAME=PATH`"]);
}

#[test]
fn a_name_may_stand_for_an_image() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context(
        "main",
        &[("Dockerfile", "FROM golang:1.99 AS a\nRUN echo yes > /f\nFROM scratch\nCOPY --from=a /f /\n")],
    );
    let root = kiln.build_root(&context, &["--build-context", "golang:1.99=docker-image://busybox"]);
    assert_eq!(root["/f"].contents, b"yes\n");
}

#[test]
fn no_cache_filter_runs_the_steps_of_some_stages() {
    let kiln = Kiln::with_busybox();
    let text = "FROM busybox AS a\nRUN echo a > /a\nFROM busybox AS b\nRUN echo b > /b\nFROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n";
    let context = kiln.context("main", &[("Dockerfile", text)]).display().to_string();
    let build = |args: &[&str]| kiln.run([&["build", "--progress=plain"], args, &[&context]].concat()).ok();
    build(&[]);
    let cached = |ran: &Ran, step: &str| {
        let number = ran.stderr.lines().find(|line| line.ends_with(step)).and_then(|line| line.split(' ').next());
        let number = number.unwrap_or_else(|| panic!("no step `{step}`: {ran}"));
        ran.stderr.contains(&format!("{number} CACHED"))
    };
    let ran = build(&["--no-cache-filter", "a"]);
    assert_eq!((cached(&ran, "RUN echo a > /a"), cached(&ran, "RUN echo b > /b")), (false, true), "{ran}");
    let ran = build(&["--no-cache-filter", "a,b"]);
    assert_eq!((cached(&ran, "RUN echo a > /a"), cached(&ran, "RUN echo b > /b")), (false, false), "{ran}");
}

#[test]
fn hosts_are_added() {
    let kiln = Kiln::with_busybox();
    let context =
        kiln.context("main", &[("Dockerfile", "FROM busybox\nRUN grep -w -e db -e me /etc/hosts > /found\n")]);
    let root = kiln.build_root(&context, &["--add-host", "db=10.1.2.3", "--add-host", "me:host-gateway"]);
    assert_eq!(String::from_utf8_lossy(&root["/found"].contents), "10.1.2.3\tdb\n127.0.0.1\tme\n");
}

#[test]
fn what_is_given_is_looked_at_at_once() {
    let kiln = Kiln::new();
    let context = kiln.context("main", &[("Dockerfile", "FROM scratch\nCOPY f /\n"), ("f", "f")]).display().to_string();
    let build = |args: &[&str]| kiln.run([&["build"], args, &[&context]].concat());
    build(&["--secret", "id=a,src=no/such/file"])
        .fails(1, &["read the secret `a`", "no/such/file", "hint: `--secret id=a,src=FILE`"]);
    let long = kiln.path("long");
    fs::write(&long, vec![b'x'; (500 << 10) + 1]).expect("the directory is ours");
    build(&["--secret", &format!("id=a,src={}", long.display())]).fails(1, &["the secret `a` is too long"]);
    build(&["--secret", "src=f"]).fails(2, &["invalid secret `src=f`", "`id`"]);
    build(&["--allow", "network.hots"]).fails(2, &["invalid `--allow network.hots`", "did you mean `network.host`?"]);
    build(&["--add-host", "db"]).fails(2, &["invalid `--add-host db`"]);
    let mut command = kiln.command(["build", "--ssh", "default", &context]);
    command.env_remove("SSH_AUTH_SOCK");
    Ran::from(command.output().expect("the binary starts")).fails(2, &["`SSH_AUTH_SOCK` is not set"]);
    build(&["--secret", "id=a,src=/dev/null", "--allow", "security.insecure"]).ok();
}

#[test]
fn a_name_may_stand_for_an_image_in_a_layout() {
    let kiln = Kiln::with_busybox();
    let tar = kiln.path("layout.tar");
    let output = format!("type=oci,dest={}", tar.display());
    let scratch = kiln.context(
        "scratch",
        &[
            ("Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY f-$TARGETARCH /f\nENV A=$TARGETARCH\n"),
            ("f-amd64", "a"),
            ("f-arm64", "b"),
        ],
    );
    kiln.run([
        "build",
        "-q",
        "-t",
        "x:v1",
        "--platform",
        "linux/amd64,linux/arm64",
        "-o",
        &output,
        &scratch.display().to_string(),
    ])
    .ok();
    let layout = kiln.path("layout");
    fs::create_dir(&layout).expect("the directory is ours");
    tar::Archive::new(fs::File::open(&tar).expect("written")).unpack(&layout).expect("a whole tar");
    let context = kiln.context("main", &[("Dockerfile", "FROM base AS b\nCOPY --from=other /f /g\n")]);
    let other = Kiln::new();
    for (spec, platform, contents) in
        [(layout.display().to_string(), "linux/amd64", b"a"), (format!("{}:v1", layout.display()), "linux/arm64", b"b")]
    {
        let (base, from) = (format!("base=oci-layout://{spec}"), format!("other=oci-layout://{spec}"));
        let root =
            other.build_root(&context, &["--platform", platform, "--build-context", &base, "--build-context", &from]);
        assert_eq!((&*root["/f"].contents, &*root["/g"].contents), (&contents[..], &contents[..]));
    }
    assert_eq!(other.run(["images", "-q"]).ok().stdout, "", "what is only built on is not listed");
    let missing = format!("base=oci-layout://{}@sha256:{}", layout.display(), "0".repeat(64));
    other
        .run([
            "build",
            "--build-context",
            &missing,
            "--build-context",
            &missing.replace("base", "other"),
            &context.display().to_string(),
        ])
        .fails(1, &["holds no image that is called `sha256:000"]);
}

#[test]
fn a_name_may_stand_for_a_stage() {
    let kiln = Kiln::with_busybox();
    let context = kiln.context(
        "main",
        &[("Dockerfile", "FROM busybox AS ours\nRUN echo ours > /f\nFROM scratch\nCOPY --from=theirs:1 /f /\n")],
    );
    let root = kiln.build_root(&context, &["--build-context", "theirs:1=target:ours"]);
    assert_eq!(root["/f"].contents, b"ours\n");
}

#[test]
fn secrets_come_from_files_and_from_the_environment() {
    let kiln = Kiln::with_busybox();
    let text = "FROM busybox\nRUN --mount=type=secret,id=file --mount=type=secret,id=TOKEN,env=T,required \\\n\
                \tcat /run/secrets/file > /file && echo $T > /token\nRUN test ! -e /run/secrets/file\n";
    let context = kiln.context("main", &[("Dockerfile", text)]);
    let secret = kiln.path("secret");
    fs::write(&secret, "hidden").expect("the directory is ours");
    let file = format!("id=file,src={}", secret.display());
    let context = context.display().to_string();
    let mut command = kiln.command(["build", "-q", "-t", "app", "--secret", &file, "--secret", "id=TOKEN", &context]);
    Ran::from(command.env("TOKEN", "t0ken").output().expect("the binary starts")).ok();
    let root = kiln.root("app");
    assert_eq!((&*root["/file"].contents, &*root["/token"].contents), (&b"hidden"[..], &b"t0ken\n"[..]));
    assert!(!root.keys().any(|path| path.starts_with("/run/secrets/")), "no layer knows of it");
    kiln.run(["build", "--no-cache", "--secret", &file, &context]).fails(1, &["secret", "TOKEN", "--secret id=TOKEN"]);
}

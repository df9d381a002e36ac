//! Transcripts of the real binary: what a mistake on the command line gets. Standard output, standard error and status,
//! whole.

use std::path::Path;
use std::process::Command;

use expect_test::{Expect, expect};

fn check(line: &str, expected: &Expect) {
    let dir = tempfile::tempdir().expect("a directory for the test");
    expected.assert_eq(&transcript(dir.path(), line));
}

/// Runs `kiln` with the words of `line`; tells all there is to see.
fn transcript(dir: &Path, line: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_kiln"))
        .args(line.split_whitespace())
        .current_dir(dir)
        .env_clear()
        .env("KILN_ROOT", dir.join("store"))
        .output()
        .expect("kiln starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text").replace(&dir.display().to_string(), "DIR");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    let mut transcript = format!("$ kiln {line}\n{stdout}");
    if !stderr.is_empty() {
        transcript += &format!("-- stderr\n{stderr}");
    }
    transcript + &format!("-- {}\n", output.status)
}

#[test]
fn version() {
    check(
        "--version",
        &expect![[r#"
        $ kiln --version
        kiln 0.1.0
        -- exit status: 0
    "#]],
    );
    check(
        "version",
        &expect![[r#"
        $ kiln version
        kiln 0.1.0
        -- exit status: 0
    "#]],
    );
}

#[test]
fn unknown_words_are_told_with_the_nearest_right_one() {
    check(
        "biuld .",
        &expect![[r#"
        $ kiln biuld .
        -- stderr
        error: unrecognized subcommand 'biuld'

          tip: a similar subcommand exists: 'build'

        Usage: kiln [OPTIONS] <COMMAND>

        For more information, try '--help'.
        -- exit status: 2
    "#]],
    );
    check(
        "build --no-cahce .",
        &expect![[r#"
        $ kiln build --no-cahce .
        -- stderr
        error: unexpected argument '--no-cahce' found

          tip: a similar argument exists: '--no-cache'

        Usage: kiln build --no-cache[=<BOOL>] [PATH]

        For more information, try '--help'.
        -- exit status: 2
    "#]],
    );
    check(
        "build --progress=fancy .",
        &expect![[r#"
        $ kiln build --progress=fancy .
        -- stderr
        error: invalid value 'fancy' for '--progress <HOW>'
          [possible values: auto, tty, plain, rawjson, quiet]

        For more information, try '--help'.
        -- exit status: 2
    "#]],
    );
    check(
        "build -o type=dokcer .",
        &expect![[r#"
        $ kiln build -o type=dokcer .
        -- stderr
        ERROR: invalid output `type=dokcer`: unknown type `dokcer`
        hint: did you mean `docker`?
        -- exit status: 2
    "#]],
    );
}

#[test]
fn what_cannot_be_meant() {
    check(
        "build",
        &expect![[r#"
        $ kiln build
        -- stderr
        ERROR: `kiln build` needs the path of a context
        hint: `kiln build .` takes the directory you are in
        -- exit status: 2
    "#]],
    );
    check(
        "build -t UPPER .",
        &expect![[r#"
        $ kiln build -t UPPER .
        -- stderr
        ERROR: `UPPER` is not an image name: a repository name is written in lower case
        hint: repository names are lower case: `upper`
        -- exit status: 2
    "#]],
    );
    check(
        "build -t a:b:c .",
        &expect![[r#"
        $ kiln build -t a:b:c .
        -- stderr
        ERROR: `a:b:c` is not an image name: a tag holds only letters, digits, `_`, `.` and `-`
        -- exit status: 2
    "#]],
    );
    check(
        "build -t x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 .",
        &expect![[r#"
        $ kiln build -t x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 .
        -- stderr
        ERROR: `x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855` cannot be given as a name: a digest follows from what is in an image
        hint: leave out what follows the `@`
        -- exit status: 2
    "#]],
    );
    check(
        "build --build-arg =3 .",
        &expect![[r#"
        $ kiln build --build-arg =3 .
        -- stderr
        ERROR: invalid build argument `=3`: the name is missing
        hint: `--build-arg NAME=VALUE`
        -- exit status: 2
    "#]],
    );
    check(
        "build --platform amd46 .",
        &expect![[r#"
        $ kiln build --platform amd46 .
        -- stderr
        ERROR: invalid platform: `amd46` is not a platform: neither an operating system nor an architecture has this name; write `os/architecture`, as in `linux/amd64`
        hint: `--platform linux/amd64,linux/arm64`
        -- exit status: 2
    "#]],
    );
    check(
        "build -f - -",
        &expect![[r#"
        $ kiln build -f - -
        -- stderr
        ERROR: context and Dockerfile cannot both come from standard input
        hint: `kiln build -` alone reads a Dockerfile; `kiln build -f - DIR` reads one for the context DIR
        -- exit status: 2
    "#]],
    );
    check(
        "run",
        &expect![[r#"
        $ kiln run
        -- stderr
        error: the following required arguments were not provided:
          <IMAGE>

        Usage: kiln run <IMAGE> [COMMAND]...

        For more information, try '--help'.
        -- exit status: 2
    "#]],
    );
}

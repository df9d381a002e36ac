//! Names of images, and what is none.

use super::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// One line per name: what it means, and how it is shown.
fn table(names: &[&str], expected: &Expect) {
    let lines: Vec<String> = names
        .iter()
        .map(|name| match name.parse::<Reference>() {
            Ok(r) => format!("{name} = {r} = {}", r.familiar()),
            Err(e) => format!("{e}"),
        })
        .collect();
    expected.assert_eq(&(lines.join("\n").replace(D, "DIGEST") + "\n"));
}

#[test]
fn names_are_normalised_as_docker_does() {
    let pinned = format!("node@{D}");
    let both = format!("node:20@{D}");
    table(
        &[
            "node",
            "node:20-slim",
            &pinned,
            &both,
            "user/app",
            "library/node",
            "docker.io/node",
            "index.docker.io/node",
            "docker.io/a/b/c",
            "localhost/app",
            "localhost:5000/app:v1",
            "localhost:5000",
            "ghcr.io/org/app",
            "[::1]:5000/app",
            "Team/app",
            "a__b/c--d.e_f",
            "docker.io/my.team/app",
            "docker.io/localhost/app",
            "docker.io/library/a/b",
            "127.0.0.1:5000/x:_1.A-b",
        ],
        &expect![[r#"
            node = docker.io/library/node:latest = node:latest
            node:20-slim = docker.io/library/node:20-slim = node:20-slim
            node@DIGEST = docker.io/library/node@DIGEST = node@DIGEST
            node:20@DIGEST = docker.io/library/node:20@DIGEST = node:20@DIGEST
            user/app = docker.io/user/app:latest = user/app:latest
            library/node = docker.io/library/node:latest = node:latest
            docker.io/node = docker.io/library/node:latest = node:latest
            index.docker.io/node = docker.io/library/node:latest = node:latest
            docker.io/a/b/c = docker.io/a/b/c:latest = a/b/c:latest
            localhost/app = localhost/app:latest = localhost/app:latest
            localhost:5000/app:v1 = localhost:5000/app:v1 = localhost:5000/app:v1
            localhost:5000 = docker.io/library/localhost:5000 = localhost:5000
            ghcr.io/org/app = ghcr.io/org/app:latest = ghcr.io/org/app:latest
            [::1]:5000/app = [::1]:5000/app:latest = [::1]:5000/app:latest
            Team/app = Team/app:latest = Team/app:latest
            a__b/c--d.e_f = docker.io/a__b/c--d.e_f:latest = a__b/c--d.e_f:latest
            docker.io/my.team/app = docker.io/my.team/app:latest = docker.io/my.team/app:latest
            docker.io/localhost/app = docker.io/localhost/app:latest = docker.io/localhost/app:latest
            docker.io/library/a/b = docker.io/library/a/b:latest = library/a/b:latest
            127.0.0.1:5000/x:_1.A-b = 127.0.0.1:5000/x:_1.A-b = 127.0.0.1:5000/x:_1.A-b
        "#]],
    );
}

#[test]
fn what_is_no_name_is_told_why() {
    let id = "a".repeat(64);
    let long = format!("x/{}", "a".repeat(300));
    let tag = format!("x:{}", "a".repeat(129));
    table(
        &[
            "",
            "https://ghcr.io/x",
            "Node",
            "user/App",
            "a//b",
            "/a",
            "a/",
            "-a",
            "a..b",
            "a___b",
            "a b",
            "a:",
            "a:-x",
            "a:x y",
            "a:b:c",
            "a@sha256:12",
            "a@sha512:12",
            "a@",
            "host:port/a",
            "host.:1/a",
            "[::1/a",
            "[x]:1/a",
            "é",
            &id,
            &long,
            &tag,
        ],
        &expect![[r#"
            `` is not an image name: it is empty
            `https://ghcr.io/x` is not an image name: leave out the `https://`
            `Node` is not an image name: a repository name is written in lower case
            `user/App` is not an image name: a repository name is written in lower case
            `a//b` is not an image name: a part of the repository name is empty
            `/a` is not an image name: a part of the repository name is empty
            `a/` is not an image name: a part of the repository name is empty
            `-a` is not an image name: a part of a repository name begins and ends with a letter or a digit
            `a..b` is not an image name: words in a repository name are joined by one `.`, one or two `_`, or `-`
            `a___b` is not an image name: words in a repository name are joined by one `.`, one or two `_`, or `-`
            `a b` is not an image name: a repository name holds only `a` to `z`, `0` to `9`, `.`, `_`, `-` and `/`
            `a:` is not an image name: the tag after `:` is empty
            `a:-x` is not an image name: a tag begins with a letter, a digit or `_`
            `a:x y` is not an image name: a tag holds only letters, digits, `_`, `.` and `-`
            `a:b:c` is not an image name: a tag holds only letters, digits, `_`, `.` and `-`
            `a@sha256:12` is not an image name: a digest is `sha256:` and 64 lower-case hexadecimal digits
            `a@sha512:12` is not an image name: only `sha256:` digests are supported
            `a@` is not an image name: after `@` comes a digest, `sha256:` and 64 hexadecimal digits
            `host:port/a` is not an image name: the registry's port is not a number from 0 to 65535
            `host.:1/a` is not an image name: what stands before the first `/` is not a registry's host name
            `[::1/a` is not an image name: what stands before the first `/` is not a registry's host name
            `[x]:1/a` is not an image name: between `[` and `]` stands an IPv6 address
            `é` is not an image name: a repository name holds only `a` to `z`, `0` to `9`, `.`, `_`, `-` and `/`
            `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is not an image name: 64 hexadecimal digits are an image id, not a name
            `x/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…` is not an image name: a repository name has 255 characters at most
            `x:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is not an image name: a tag has 128 characters at most
        "#]],
    );
}

#[test]
fn an_error_shows_only_the_beginning_of_a_huge_text() {
    let error = "é".repeat(1 << 20).parse::<Reference>().unwrap_err();
    assert!(error.to_string().len() < 1000);
}

fn reference() -> impl Strategy<Value = String> {
    let registry = "([a-z0-9]{1,5}(\\.[a-z0-9]{1,4}){0,2}(:[0-9]{1,4})?/)?";
    let name = "[a-z0-9]{1,5}((__?|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,5}(\\.[a-z0-9]{1,4})?){0,2}";
    let end = "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,9})?(@sha256:[0-9a-f]{64})?";
    proptest::string::string_regex(&format!("{registry}{name}{end}")).unwrap()
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in ".{0,80}", bytes in "[a-zA-Z0-9./:@_\\[\\]-]{0,90}") {
        let _ = text.parse::<Reference>();
        if let Ok(read) = bytes.parse::<Reference>() {
            prop_assert_eq!(&read.to_string().parse::<Reference>().unwrap(), &read);
        }
    }

    #[test]
    fn what_is_shown_is_read_back(text in reference()) {
        let read: Reference = text.parse().unwrap();
        prop_assert_eq!(&read.to_string().parse::<Reference>().unwrap(), &read);
        prop_assert_eq!(&read.familiar().parse::<Reference>().unwrap(), &read);
    }
}

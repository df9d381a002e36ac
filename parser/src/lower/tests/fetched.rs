//! `ADD` of what is fetched, links, parents, and times that sources have.

use expect_test::{Expect, expect};
use graph::{FileAction, Op};

use super::*;

/// Sources and copies, a line each.
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&sources_and_copies(&lower_text(text, &request())));
}

pub(super) fn sources_and_copies(lowered: &Result<Lowered, Vec<Diagnostic>>) -> String {
    let mut out = String::new();
    let lowered = match lowered {
        Ok(lowered) => lowered,
        Err(errors) => return format!("line {}: {}\n", errors[0].span.first_line, errors[0].message),
    };
    for id in lowered.graph.ids() {
        let vertex = lowered.graph.vertex(id);
        let inputs: Vec<usize> = lowered.graph.inputs(id).iter().map(|input| input.index()).collect();
        let _ = writeln!(out, "{} {inputs:?} {}", id.index(), vertex.meta.name.split('@').next().unwrap_or(""));
        match &vertex.op {
            Op::Source(SourceOp::Image { .. } | SourceOp::Local { .. }) => {}
            Op::Source(source) => _ = writeln!(out, "    {source:?}"),
            Op::File(file) => {
                for action in &file.actions {
                    if let FileAction::Copy(copy) = action {
                        let (from, unpack) = (copy.from.map(|slot| slot.0), copy.unpack_archives);
                        let lists = (&copy.include_patterns, &copy.required_paths);
                        let _ = writeln!(out, "    {from:?} {} {} {unpack} {lists:?}", copy.src, copy.dest);
                    }
                }
            }
            Op::Exec(_) | Op::Merge | Op::Diff => {}
        }
    }
    out
}

#[test]
fn files_of_the_web() {
    check(
        "FROM scratch\nADD https://h/a%20b.tar https://h /d/\n",
        expect![[r#"
        0 [] [1/1] ADD https://h/a%20b.tar https://h /d/
            Http { url: "https://h/a%20b.tar", checksum: None, filename: Some("a b.tar"), mode: None, owner: None }
        1 [] [1/1] ADD https://h/a%20b.tar https://h /d/
            Http { url: "https://h", checksum: None, filename: Some("__unnamed__"), mode: None, owner: None }
        2 [0, 1] [1/1] ADD https://h/a%20b.tar https://h /d/
            Some(0) /a b.tar /d/ false ([], [])
            Some(1) /__unnamed__ /d/ false ([], [])
    "#]],
    );
    check(
        "FROM scratch\nADD --unpack --chown=5 --chmod=600 http://h/a.tar?x=1 local /d/\n",
        expect![[r#"
        0 [] [internal] load build context
        1 [] [1/1] ADD --unpack --chown=5 --chmod=600 http://h/a.tar?x=1 local /d/
            Http { url: "http://h/a.tar?x=1", checksum: None, filename: Some("a.tar"), mode: None, owner: None }
        2 [1, 0] [1/1] ADD --unpack --chown=5 --chmod=600 http://h/a.tar?x=1 local /d/
            Some(0) /a.tar /d/ true ([], [])
            Some(1) /local /d/ true ([], [])
    "#]],
    );
    let digest = "sha256:".to_owned() + &"0".repeat(64);
    check(
        &format!("FROM scratch\nARG D={digest}\nADD --checksum=$D http://h/a /\n"),
        expect![[r#"
        0 [] [1/1] ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 http://h/a /
            Http { url: "http://h/a", checksum: Some(sha256:0000000000000000000000000000000000000000000000000000000000000000), filename: Some("a"), mode: None, owner: None }
        1 [0] [1/1] ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 http://h/a /
            Some(0) /a / false ([], [])
    "#]],
    );
}

#[test]
fn repositories() {
    check(
        "FROM scratch\nADD https://h/a.git#v1:docs git@h:b?tag=v2 /d/\n",
        expect![[r#"
        0 [] [1/1] ADD https://h/a.git#v1:docs git
            Git(Git { url: "https://h/a.git", reference: Some("v1"), subdir: Some("docs"), checksum: None, keep_git_dir: false, skip_submodules: false, commit_times: false, fetch_by_commit: false, auth_token_secret: "GIT_AUTH_TOKEN", auth_header_secret: "GIT_AUTH_HEADER", ssh: None, known_hosts: None })
        1 [] [1/1] ADD https://h/a.git#v1:docs git
            Git(Git { url: "git@h:b", reference: Some("refs/tags/v2"), subdir: None, checksum: None, keep_git_dir: false, skip_submodules: false, commit_times: false, fetch_by_commit: false, auth_token_secret: "GIT_AUTH_TOKEN", auth_header_secret: "GIT_AUTH_HEADER", ssh: Some("default"), known_hosts: None })
        2 [0, 1] [1/1] ADD https://h/a.git#v1:docs git
            Some(0) / /d/ false ([], [])
            Some(1) / /d/ false ([], [])
    "#]],
    );
    check(
        "FROM scratch\nADD --keep-git-dir --checksum=1234567 https://h/a.git /\n",
        expect![[r#"
        0 [] [1/1] ADD --keep-git-dir --checksum=1234567 https://h/a.git /
            Git(Git { url: "https://h/a.git", reference: None, subdir: None, checksum: Some("1234567"), keep_git_dir: true, skip_submodules: false, commit_times: false, fetch_by_commit: false, auth_token_secret: "GIT_AUTH_TOKEN", auth_header_secret: "GIT_AUTH_HEADER", ssh: None, known_hosts: None })
        1 [0] [1/1] ADD --keep-git-dir --checksum=1234567 https://h/a.git /
            Some(0) / / false ([], [])
    "#]],
    );
    check(
        "FROM scratch\nADD github.com/a/b /\n",
        expect![[r#"
        0 [] [internal] load build context
        1 [0] [1/1] ADD github.com/a/b /
            Some(0) /github.com/a/b / true ([], [])
    "#]],
    );
}

#[test]
fn sources_that_are_wrong() {
    for (text, message) in [
        ("ADD --checksum=sha256:x http://h/a /\n", "`--checksum=sha256:x`: "),
        ("ADD --checksum=x a /\n", "`--checksum` is for the contents of URLs and Git repositories"),
        ("ADD --checksum=x http://a http://b /\n", "`--checksum` is of one source, and there are several"),
        (
            "ADD --checksum=1 https://h/a.git?commit=2 /\n",
            "`--checksum=1` and the checksum in the address, `2`, disagree",
        ),
        ("ADD --keep-git-dir=false https://h/a.git?keep-git-dir /\n", "`--keep-git-dir=false` and `keep-git-dir=true`"),
        ("ADD https://h/a.git?depth=1 /\n", "unexpected query"),
        ("COPY http://h/a /\n", "`COPY` cannot take `http://h/a`: it is a URL"),
        ("COPY git@h:a /\n", "`COPY` cannot take `git@h:a`: it is a URL"),
    ] {
        let errors = lower_text(&format!("FROM scratch\n{text}"), &request()).expect_err(text);
        assert!(errors[0].message.starts_with(message), "{text}: {}", errors[0].message);
        assert_eq!(errors[0].span.first_line, 2);
    }
}

#[test]
fn links_and_parents() {
    check(
        "FROM a\nCOPY --link x /y\nCOPY --link --chmod=600 x /z\nONBUILD COPY x y\n",
        expect![[r#"
        0 [] [1/3] FROM docker.io/library/a:latest
        1 [] [internal] load build context
        2 [1] [2/3] COPY --link x /y
            Some(0) /x /y false ([], [])
        3 [0, 2] [2/3] LINK COPY --link x /y
        4 [3, 1] [3/3] COPY --link --chmod=600 x /z
            Some(1) /x /z false ([], [])
    "#]],
    );
    check(
        "FROM scratch\nCOPY --link x /y\n",
        expect![[r#"
        0 [] [internal] load build context
        1 [0] [1/1] COPY --link x /y
            Some(0) /x /y false ([], [])
    "#]],
    );
    check(
        "FROM scratch\nCOPY --parents a/./b/c ./d/*.go /e\\*/f /x/\n",
        expect![[r#"
        0 [] [internal] load build context
        1 [0] [1/1] COPY --parents a/./b/c ./d/*.go /e*/f /x/
            Some(0) /a /x/ false (["b/c"], ["/a/b/c"])
            Some(0) / /x/ false (["d/*.go"], [])
            Some(0) / /x/ false (["e*/f"], [])
    "#]],
    );
}

/// Sources have times.
struct Dated;

impl Images for Dated {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        AnyImage.resolve(name, platform)
    }

    fn source_time(&self, source: &SourceOp) -> Result<Option<i64>, ImageError> {
        match source {
            SourceOp::Git(git) if git.reference.as_deref() == Some("v1") => Ok(Some(11)),
            SourceOp::Git(git) if git.url == "https://h/context.git" => Ok(Some(33)),
            SourceOp::Http { url, .. } if url == "http://h/gone" => {
                Err(ImageError { message: "it is gone".to_owned(), hint: None })
            }
            SourceOp::Http { .. } => Ok(Some(22)),
            _ => Ok(None),
        }
    }
}

#[test]
fn the_epoch_of_a_source() {
    let stage = |add: &str| {
        format!("ARG V=v1\nARG SOURCE_DATE_EPOCH=src\nFROM scratch AS src\nARG R=$V\n{add}\nFROM a\nRUN x\n")
    };
    for (text, expected) in [
        (stage("ADD https://h/a.git#$R /"), Ok(Some(11))),
        (stage("ADD https://h/a.git /"), Ok(None)),
        (stage("ADD http://h/x /"), Ok(Some(22))),
        (stage("ADD http://h/gone /"), Err("it is gone")),
        (stage("ADD x /"), Err("a stage for `SOURCE_DATE_EPOCH` adds a URL or a Git repository, and `x` is neither")),
        (stage("ADD http://h/x http://h/y /"), Err("a stage for `SOURCE_DATE_EPOCH` must add one source alone")),
        (stage("ADD http://h/x /\nADD http://h/x /"), Err("a stage for `SOURCE_DATE_EPOCH` must have one `ADD` alone")),
        (stage("RUN x"), Err("a stage for `SOURCE_DATE_EPOCH` can hold `ARG` and one `ADD` alone, and no `RUN`")),
        (stage(""), Err("a stage for `SOURCE_DATE_EPOCH` needs an `ADD` of a URL or a Git repository")),
        ("ARG SOURCE_DATE_EPOCH=12\nFROM a\n".to_owned(), Ok(Some(12))),
        ("ARG SOURCE_DATE_EPOCH=context\nFROM a\n".to_owned(), Ok(Some(33))),
        ("ARG SOURCE_DATE_EPOCH=repo\nFROM a\n".to_owned(), Ok(Some(11))),
        (
            "ARG SOURCE_DATE_EPOCH=none\nFROM a\n".to_owned(),
            Err("`none` is no `SOURCE_DATE_EPOCH`: expected seconds since 1970"),
        ),
    ] {
        let repo = crate::git_url::GitUrl::parse("https://h/a.git#v1").expect("right").expect("a repository");
        let contexts = [("repo".to_owned(), NamedContext::Git(repo))].into();
        let source = SourceOp::Git(Box::new(graph::op::Git::new("https://h/context.git", None)));
        let request = Request { context_source: Some(source), contexts, ..request() };
        let lowered = lower(&crate::parse(text.as_bytes()), &request, &Dated);
        let found =
            lowered.map(|lowered| lowered.images[0].source_date_epoch).map_err(|errors| errors[0].message.clone());
        assert_eq!(found, expected.map_err(str::to_owned), "{text}");
    }
}

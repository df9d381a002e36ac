//! Dockerfiles and the graphs they come to.

mod fetched;
mod mounts;
mod several;

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use graph::Op;

/// Every image exists; it has one layer and a `PATH`, and what its name says.
struct AnyImage;

impl Images for AnyImage {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        if name.repository().ends_with("/missing") {
            return Err(ImageError { message: format!("`{name}` does not exist"), hint: None });
        }
        let mut config = ImageConfig::scratch(platform);
        config.config.env = Some(vec!["PATH=/bin".to_owned()]);
        config.history.push(oci::image::History::default());
        if name.repository().ends_with("/onbuild") {
            config.config.on_build = Some(vec!["RUN trigger".to_owned(), "COPY --from=extra /a /b".to_owned()]);
        }
        Ok(BaseImage { reference: name.clone(), digest: Digest::of(b""), config })
    }
}

fn request() -> Request {
    let platform: Platform = "linux/amd64".parse().expect("a platform");
    Request { build_platform: Some(platform), ..Request::default() }
}

fn lower_text(text: &str, request: &Request) -> Result<Lowered, Vec<Diagnostic>> {
    lower(&crate::parse(text.as_bytes()), request, &AnyImage)
}

/// The vertices in a line each, then the history and the environment; or the errors.
fn describe(text: &str, request: &Request) -> String {
    let mut out = String::new();
    match lower_text(text, request) {
        Ok(lowered) => {
            for id in lowered.graph.ids() {
                let vertex = lowered.graph.vertex(id);
                let inputs: Vec<String> =
                    lowered.graph.inputs(id).iter().map(|input| input.index().to_string()).collect();
                let _ = writeln!(
                    out,
                    "{} ({}) {}",
                    id.index(),
                    inputs.join(" "),
                    vertex.meta.name.split('@').next().unwrap_or("")
                );
                if let Op::Exec(exec) = &vertex.op {
                    let _ = writeln!(out, "    {:?} {:?} {}", exec.args, exec.env, exec.cwd);
                }
            }
            for line in lowered.images[0].config.history.iter().filter_map(|line| line.created_by.as_deref()) {
                let _ = writeln!(out, "| {line}");
            }
        }
        Err(errors) => {
            for error in errors {
                let _ = writeln!(out, "line {}: {}", error.span.first_line, error.message);
            }
        }
    }
    out
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&describe(text, &request()));
}

#[test]
fn a_small_file() {
    check(
        "ARG V=1\nFROM a:$V\nARG V\nENV X=$V\nWORKDIR src\nRUN make\nCOPY . .\nCMD [\"./x\"]\n",
        expect![[r#"
            0 () [1/4] FROM docker.io/library/a:1
            1 (0) [2/4] WORKDIR src
            2 (1) [3/4] RUN make
                ["/bin/sh", "-c", "make"] ["PATH=/bin", "V=1", "X=1"] /src
            3 () [internal] load build context
            4 (2 3) [4/4] COPY . .
            | ARG V=1
            | ENV X=1
            | WORKDIR /src
            | RUN |1 V=1 /bin/sh -c make # buildkit
            | COPY . . # buildkit
            | CMD ["./x"]
        "#]],
    );
}

#[test]
fn only_what_the_target_needs_is_looked_at() {
    check(
        "FROM missing AS a\nRUN a\nFROM b AS b\nRUN b\nFROM scratch\nCOPY --from=b /x /\n",
        expect![[r#"
            0 () [b 1/2] FROM docker.io/library/b:latest
            1 (0) [b 2/2] RUN b
                ["/bin/sh", "-c", "b"] ["PATH=/bin"] /
            2 (1) [stage-2 1/1] COPY --from=b /x /
            | COPY /x / # buildkit
        "#]],
    );
    check(
        "FROM missing\n",
        expect![[r#"
        line 1: `docker.io/library/missing:latest` does not exist
    "#]],
    );
}

#[test]
fn triggers_of_the_base_run_first_and_bring_their_images() {
    check(
        "FROM onbuild\nRUN own\n",
        expect![[r#"
            0 () [1/2] FROM docker.io/library/onbuild:latest
            1 (0) [2/4] ONBUILD RUN trigger
                ["/bin/sh", "-c", "trigger"] ["PATH=/bin"] /
            2 () FROM docker.io/library/extra:latest
            3 (1 2) [3/4] ONBUILD COPY --from=extra /a /b
            4 (3) [4/4] RUN own
                ["/bin/sh", "-c", "own"] ["PATH=/bin"] /
            | RUN /bin/sh -c trigger # buildkit
            | COPY /a /b # buildkit
            | RUN /bin/sh -c own # buildkit
        "#]],
    );
}

#[test]
fn what_needs_to_be_allowed() {
    let table = [
        ("FROM a\nRUN --network=host y\n", Entitlement::NetworkHost, "network.host", "--network=host"),
        (
            "FROM a\nRUN --security=insecure y\n",
            Entitlement::SecurityInsecure,
            "security.insecure",
            "--security=insecure",
        ),
        ("FROM a\nRUN --device=v.com/c=d y\n", Entitlement::Device, "device", "--device"),
    ];
    for (text, entitlement, name, flag) in table {
        let errors = lower_text(text, &request()).expect_err("it is not allowed");
        assert_eq!(errors[0].span.first_line, 2);
        assert_eq!(errors[0].message, format!("{name} is not allowed: `RUN {flag}` asks for it"));
        assert_eq!(
            errors[0].hint.as_deref(),
            Some(format!("if you trust this Dockerfile, allow it with `--allow {name}`").as_str())
        );
        let allowed = Request { entitlements: [entitlement].into(), ..request() };
        assert!(lower_text(text, &allowed).is_ok(), "{text}");
    }
    let all_steps = Request { network: graph::op::Network::Host, ..request() };
    assert!(lower_text("FROM a\nRUN --network=host y\n", &all_steps).is_ok());
}

#[test]
fn a_misspelt_stage_is_taken_for_an_image_and_offered() {
    for text in
        ["FROM scratch AS misssing\nFROM missing\n", "FROM scratch AS misssing\nFROM x\nCOPY --from=missing /a /\n"]
    {
        let errors = lower_text(text, &request()).expect_err("there is no such image");
        assert_eq!(errors[0].hint.as_deref(), Some("did you mean the stage `misssing`?"), "{text}");
    }
}

#[test]
fn mistakes_are_told() {
    let table = [
        ("FROM $NOPE\n", "line 1: the base image `$NOPE` is empty\n"),
        ("FROM a AS a\nCOPY --from=b x y\nFROM c AS b\nCOPY --from=a x y\n", "line 2: the stage `a` needs itself\n"),
        ("FROM scratch AS a\nCOPY --from=b x y\nFROM a AS b\nRUN x\n", "line 2: the stage `a` needs itself\n"),
        ("FROM a\nRUN true\nRUN []\n", "line 3: there is no command to run\n"),
        (
            "ARG SOURCE_DATE_EPOCH=t\nFROM scratch AS t\nCOPY x y\nFROM a\n",
            "line 2: a stage for `SOURCE_DATE_EPOCH` can hold `ARG` and one `ADD` alone, and no `COPY`\n",
        ),
        ("FROM a AS a\nCOPY --from=a x y\n", "line 2: the stage `a` needs itself\n"),
        ("FROM a\nCOPY --from=7 x y\n", "line 2: there is no stage 7: the last one is 0\n"),
        ("FROM a\nCOPY --from=b x y\nFROM c AS b\n", ""),
        ("FROM a\nSTOPSIGNAL FOO\n", "line 2: `FOO` is no signal: expected a name like `SIGTERM` or a number\n"),
    ];
    for (text, expected) in table {
        let found = describe(text, &request());
        assert!(found == expected || (expected.is_empty() && found.starts_with("0 ")), "{text}: {found}");
    }
    let text = "FROM a AS first\nCOPY --from=b x y\nFROM c AS b\n";
    let first = Request { target: Some("first".into()), ..request() };
    assert_eq!(describe(text, &first), "line 2: the stage `b` is defined later: it must stand before what uses it\n");
    let unknown = Request { target: Some("frist".into()), ..request() };
    assert_eq!(describe(text, &unknown), "line 1: no stage is named `frist`\n");
}

#[test]
fn growth_is_limited() {
    let text = format!("FROM a\nENV A=xxxxxxxxxx\n{}", "ENV A=$A$A\n".repeat(40));
    assert!(describe(&text, &request()).contains("grows by more than"));
}

#[test]
fn many_instructions_and_stages_take_linear_time() {
    let mut long = "FROM a\n".to_owned();
    for n in 0..10_000 {
        let _ = writeln!(
            long,
            "{}",
            [format!("RUN echo {n}"), format!("ENV V{} {n}", n % 50), format!("COPY f{n} /d/")][n % 3]
        );
    }
    let mut stages = "FROM a AS s0\n".to_owned();
    for n in 1..1_000 {
        let _ = writeln!(stages, "FROM s{} AS s{n}\nRUN echo {n}\nCOPY --from=s{} /a /b", n - 1, n / 2);
    }
    for text in [long, stages] {
        let file = crate::parse(text.as_bytes());
        let start = std::time::Instant::now();
        lower(&file, &request(), &AnyImage).expect("valid");
        println!("{} bytes lowered in {:?}", text.len(), start.elapsed());
    }
}

proptest! {
    #[test]
    fn any_file_is_lowered_or_refused(
        lines in proptest::collection::vec((0..14_usize, "[a-c$\\{\\}:./=\" -]{0,12}"), 0..12),
    ) {
        let keywords = [
            "FROM a", "FROM a AS b", "RUN", "RUN --mount=target=", "COPY a", "COPY --from=b a", "ADD", "ENV a", "ARG a=",
            "WORKDIR", "EXPOSE", "ONBUILD RUN", "LABEL", "VOLUME",
        ];
        let text: String = lines.iter().map(|(keyword, rest)| format!("{} {rest}\n", keywords[*keyword])).collect();
        let text = format!("FROM a\n{text}");
        let _ = lower_text(&text, &request());
    }
}

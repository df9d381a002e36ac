//! Dockerfiles and what they offer.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use oci::{Digest, ImageConfig, Platform, Reference};

use super::*;
use crate::lower::{BaseImage, ImageError, Images, Request, lower};

/// Every image exists, and `…/onbuild` has a trigger with an argument.
struct AnyImage;

impl Images for AnyImage {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let mut config = ImageConfig::scratch(platform);
        if name.repository().ends_with("/onbuild") {
            config.config.on_build = Some(vec!["ARG TRIGGERED=yes".to_owned()]);
        }
        Ok(BaseImage { reference: name.clone(), digest: Digest::of(b""), config })
    }
}

fn outline(text: &str, target: &str, build_args: &[(&str, &str)]) -> Outline {
    let request = Request {
        target: Some(target.to_owned()).filter(|target| !target.is_empty()),
        build_args: build_args
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        ..Request::default()
    };
    lower(&crate::parse(text.as_bytes()), &request, &AnyImage).expect("it can be lowered").outline
}

fn check(outline: &Outline, expected: &Expect) {
    let mut text = String::new();
    let or_dash = |text: &Option<Text>| text.as_deref().unwrap_or("-").to_owned();
    let _ = writeln!(text, "{}: {}", or_dash(&outline.name), or_dash(&outline.description));
    for arg in &outline.args {
        let value = arg.value.as_deref().unwrap_or("-");
        let _ = writeln!(text, "{} arg {} = {value}: {}", arg.span.first_line, arg.name, or_dash(&arg.description));
    }
    for (kind, list) in [("secret", &outline.secrets), ("ssh", &outline.ssh), ("cache", &outline.caches)] {
        for access in list {
            let required = if access.required { " required" } else { "" };
            let _ = writeln!(text, "{} {kind} {}{required}", access.span.first_line, access.name);
        }
    }
    expected.assert_eq(&text);
}

#[test]
fn arguments_of_what_the_target_leads_to() {
    let text = r#"
ARG inherited=box
ARG inherited2=box2
ARG unused=abc${inherited2}
# sfx is a suffix
ARG sfx="usy${inherited}"

FROM b${sfx} AS first
# this is not assigned to anything
ARG FOO=123
# BAR is a number
ARG BAR=456
RUN true

FROM alpine${unused} AS second
ARG BAZ
RUN true

FROM scratch AS third
ARG ABC=a
# check=skip=all
ARG password
# alternate_password will show up in the outline
# check=skip=all
ARG alternate_password

# target defines build target
FROM third AS target
COPY --from=first /etc/passwd /

FROM second
"#;
    check(
        &outline(text, "target", &[("BAR", "678")]),
        &expect![[r#"
            target: defines build target
            2 arg inherited = box: -
            6 arg sfx = usybox: is a suffix
            10 arg FOO = 123: -
            12 arg BAR = 678: is a number
            20 arg ABC = a: -
            22 arg password = -: -
            25 arg alternate_password = -: will show up in the outline
        "#]],
    );
}

#[test]
fn arguments_made_of_each_other() {
    let text = "
ARG FOO=123
ARG ABC=abc
ARG DEF=def
ARG FOO=${FOO}${ABC}
ARG BAR=${FOO}456
ARG FOO=${FOO}456${BAR}
FROM scratch
ARG FOO
ARG INFOO=123
ARG INBAR=${INFOO}456
ARG INFOO=${INFOO}456${INBAR}
";
    check(
        &outline(text, "", &[]),
        &expect![[r#"
        -: -
        3 arg ABC = abc: -
        6 arg BAR = 123abc456: -
        7 arg FOO = 123abc456123abc456: -
        11 arg INBAR = 123456: -
        12 arg INFOO = 123456123456: -
    "#]],
    );
}

#[test]
fn the_nearest_of_one_name_is_told() {
    let text = "
ARG V=1
ARG TARGETARCH
FROM a:$V AS base
ARG V=2
ARG W=base
FROM onbuild
ARG X
FROM base
ARG W=own
COPY --from=1 /a /b
";
    check(
        &outline(text, "", &[("X", "given")]),
        &expect![[r#"
        -: -
        2 arg V = 1: -
        7 arg TRIGGERED = yes: -
        8 arg X = given: -
        10 arg W = own: -
    "#]],
    );
}

#[test]
fn long_chains_of_stages_and_arguments() {
    let mut text = "ARG A0=0\n".to_owned();
    for at in 1..50_000 {
        let _ = writeln!(text, "ARG A{at}=${{A{}}}", at - 1);
    }
    let _ = writeln!(text, "FROM a:$A49999 AS s0");
    for at in 1..50_000 {
        let _ = writeln!(text, "FROM s{} AS s{at}", at - 1);
    }
    assert_eq!(outline(&text, "", &[]).args.len(), 50_000);
}

#[test]
fn targets_in_the_order_of_the_file() {
    let text = "
# build defines stage for compiling the binary
FROM alpine AS build
RUN true

FROM --platform=$BUILDPLATFORM busybox as second
RUN false

FROM alpine
RUN false

# binary returns the compiled binary
FROM second AS binary
";
    let Targets(targets) = Targets::of(&crate::parse(text.as_bytes()));
    let lines: Vec<String> = targets
        .iter()
        .map(|target| {
            let told = [&target.name, &target.description, &target.platform, &Some(target.base.clone())];
            let told: Vec<&str> = told.into_iter().map(|text| text.as_deref().unwrap_or("-")).collect();
            let default = if target.is_default { " (default)" } else { "" };
            format!("{}: {}{default}\n", target.span.first_line, told.join(" | "))
        })
        .collect();
    expect![[r#"
        3: build | defines stage for compiling the binary | - | alpine
        6: second | - | $BUILDPLATFORM | busybox
        9: - | - | - | alpine
        13: binary | returns the compiled binary | - | second (default)
    "#]]
    .assert_eq(&lines.concat());
}

#[test]
fn a_file_without_stages_has_no_targets() {
    assert_eq!(Targets::of(&crate::parse(b"ARG A\n")).0, []);
}

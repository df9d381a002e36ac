//! Whatever parses is lowered or refused with a place: without a panic, in linear time and within a limit of memory.

use std::time::{Duration, Instant};

use oci::{Digest, ImageConfig, Platform, Reference};
use parser::lower::{BaseImage, ImageError, Images, Lowered, Request, lower};
use parser::{Diagnostic, parse};
use proptest::prelude::*;

/// Every image exists.
struct AnyImage;

impl Images for AnyImage {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let mut config = ImageConfig::scratch(platform);
        config.history.push(oci::image::History::default());
        Ok(BaseImage { reference: name.clone(), digest: Digest::of(b""), config })
    }
}

fn lowered(text: &[u8]) -> Result<Lowered, Vec<Diagnostic>> {
    lower(&parse(text), &Request::default(), &AnyImage)
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "\nFROM ",
        "\nFROM a AS b\n",
        "\nRUN ",
        "\nCOPY ",
        "\nADD ",
        "\nENV ",
        "\nLABEL ",
        "\nARG ",
        "\nONBUILD ",
        "\nCMD ",
        "\nHEALTHCHECK ",
        "\nVOLUME ",
        "\nSHELL ",
        "\nEXPOSE ",
        "\nUSER ",
        "\nWORKDIR ",
        "\nSTOPSIGNAL ",
        "\nENTRYPOINT ",
        "a ",
        "/b ",
        "../.. ",
        "a=b ",
        "=",
        "\"",
        "'",
        "\\",
        " ",
        "$a ",
        "${a:-b} ",
        "${a/b/c} ",
        "${",
        "}",
        "[\"a\"]",
        "[]",
        "--from=b ",
        "--from=0 ",
        "--from=9 ",
        "--chown=1:a ",
        "--chmod=u+x ",
        "--link ",
        "--parents ",
        "--exclude=* ",
        "--mount=type=cache,target=/x ",
        "--mount=from=b,target=${a} ",
        "--mount=type=tmpfs,target=x,size=1g ",
        "--network=none ",
        "--platform=$TARGETPLATFORM ",
        "--interval=1s ",
        "<<EOF ",
        "\nEOF\n",
        "#!/bin/sh\n",
        "80/tcp ",
        "1-70000 ",
        "SIGTERM ",
        "NONE",
        "é",
        "\0",
        "-1 ",
        "99999999999 ",
        "git@x:y ",
        "http://a/b ",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_parses_is_lowered_or_refused_in_its_place(pieces in prop::collection::vec(piece(), 0..40)) {
        let text = format!("FROM a AS a{}", pieces.concat());
        let last = text.matches('\n').count() as u32 + 1;
        for error in lowered(text.as_bytes()).err().into_iter().flatten() {
            prop_assert!((1..=last).contains(&error.span.first_line), "{error:?}");
        }
    }

    #[test]
    fn any_bytes_are_lowered_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = lowered(&[b"FROM a\n", bytes.as_slice()].concat());
    }
}

/// Lowers `text` within ten seconds, and tells the code of its error.
#[track_caller]
fn code(text: &str) -> Option<&'static str> {
    let begun = Instant::now();
    let result = lowered(text.as_bytes());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let error = result.err()?.swap_remove(0);
    assert!(error.span.first_line >= 1);
    Some(error.code.0)
}

fn many(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn variables_set_again_and_again() {
    let set = |value: &str| many(50_000, |n| format!("ENV A{n}={value}\n"));
    assert_eq!(code(&format!("FROM a\n{}{}", set("1"), set("2"))), None);
    assert_eq!(code(&format!("FROM a\n{}{}", many(50_000, |n| format!("ARG A{n}=1\n")), set("2"))), None);
    assert_eq!(
        code(&format!("FROM a\n{}{}", many(50_000, |_| "ARG A=1\n".into()), many(20_000, |_| "RUN x\n".into()))),
        None
    );
}

#[test]
fn environments_of_many_processes() {
    assert_eq!(code(&format!("FROM a\n{}", many(5_000, |n| format!("ENV A{n}=1\nRUN x\n")))), None);
    let shared = many(20_000, |n| format!("ENV A{n}=1\n")) + &many(20_000, |_| "RUN x\n".into());
    assert_eq!(code(&format!("FROM a\n{shared}")), None);
    assert_eq!(code(&format!("FROM a\n{}", many(100_000, |n| format!("ENV A{n}=1\nRUN x\n")))), Some("TooMuchText"));
}

#[test]
fn words_that_are_said_again_by_every_instruction() {
    let shell = format!("SHELL [{}\"\"]\n", "\"\", \\\n".repeat(100_000));
    assert_eq!(code(&format!("FROM a\n{shell}{}", many(100_000, |_| "RUN x\n".into()))), Some("TooMuchText"));
    assert_eq!(code(&format!("FROM a\n{}", many(200_000, |_| "WORKDIR aaaaaaaa\n".into()))), Some("TooMuchText"));
    let long = format!("FROM a\nENV A={}\n", "a".repeat(50_000));
    assert_eq!(code(&(long.clone() + &many(50_000, |_| "RUN $A\n".into()))), Some("TooMuchText"));
    assert_eq!(code(&format!("{long}COPY {}$A\n", "x \\\n".repeat(50_000))), Some("TooMuchText"));
    assert_eq!(
        code(&format!("{long}WORKDIR /$A\nRUN {} x\n", "--mount=type=tmpfs,target=x \\\n".repeat(50_000))),
        Some("TooMuchText")
    );
}

#[test]
fn more_inputs_than_an_op_can_number() {
    let mounts = |count| format!("FROM a\nRUN {} x\n", many(count, |n| format!("--mount=type=tmpfs,target=/{n} \\\n")));
    assert_eq!(code(&mounts(60_000)), None);
    assert_eq!(code(&mounts(60_001)), Some("TooManyMounts"));
    let sources = |count| format!("FROM a\nCOPY {} /d/\n", "x \\\n".repeat(count));
    assert_eq!(code(&sources(60_000)), None);
    assert_eq!(code(&sources(70_000)), Some("TooManySources"));
    let documents = many(60_000, |n| format!(" <<E{n} \\\n"));
    let bodies = many(60_000, |n| format!("x\nE{n}\n"));
    assert_eq!(code(&format!("FROM a\nCOPY \\\n{documents} /d/\n{bodies}")), None);
}

#[test]
fn stages_and_triggers() {
    assert_eq!(code(&many(20_000, |n| format!("FROM s{} AS s{n}\nRUN x\n", n.wrapping_sub(1) as u16))), None);
    assert_eq!(
        code(&format!(
            "FROM a AS b\nRUN x\n{}FROM b\n{}",
            "FROM b\nRUN x\n".repeat(20_000),
            "COPY --from=7 a b\n".repeat(20_000)
        )),
        None
    );
    let triggers = format!("FROM a AS b\n{}", "ONBUILD RUN x\n".repeat(2_000));
    let stages = many(2_000, |n| format!("FROM b AS s{n}\n"));
    let uses = many(2_000, |n| format!("COPY --from=s{n} a b\n"));
    assert_eq!(code(&format!("{triggers}{stages}FROM a\n{uses}")), Some("TooManyTriggers"));
    let chain = many(500, |n| {
        format!("FROM a AS b{n}\nONBUILD COPY --from=c{} / /\nFROM b{n} AS c{n}\n", n.wrapping_sub(1) as u16)
    });
    assert_eq!(code(&chain.replacen("ONBUILD COPY --from=c65535 / /\n", "", 1)), Some("TooManyTriggers"));
}

//! Each rule of the linter on small files, as BuildKit's own tests have them; and files with several mistakes.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use oci::{Digest, ImageConfig, Platform, Reference};
use parser::ignore::Ignore;
use parser::lint::{self, BUILD_ARG, Linted};
use parser::lower::{BaseImage, ImageError, Images, Request, lower, lower_and_lint};

/// Every image is there, for one platform, with a variable; but for `missing`.
struct Hub;

impl Images for Hub {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        if name.familiar_name() == "missing" {
            return Err(ImageError { message: "`missing` is not there".to_owned(), hint: None });
        }
        let platform =
            if name.familiar_name() == "arm" { "linux/arm64".parse().expect("one") } else { platform.clone() };
        let mut config = ImageConfig::scratch(&platform);
        config.config.env = Some(vec!["PATH=/bin".to_owned(), "INHERITED=1".to_owned()]);
        config.history.push(oci::image::History::default());
        Ok(BaseImage { reference: name.clone(), digest: Digest::of(b""), config })
    }
}

fn request() -> Request {
    let platform: Platform = "linux/amd64".parse().expect("a platform");
    Request { platforms: vec![platform.clone()], build_platform: Some(platform), ..Request::default() }
}

fn with_argument(name: &str, value: &str) -> Request {
    Request { build_args: [(name.to_owned(), value.to_owned())].into(), ..request() }
}

fn shown(linted: &Linted) -> String {
    let mut out = String::new();
    let lists = [("", &linted.warnings), ("error ", &linted.errors), ("later ", &linted.later)];
    for (kind, list) in lists {
        for found in list {
            writeln!(out, "{}: {kind}{}: {}", found.span.first_line, found.code.0, found.message).expect("a string");
        }
    }
    out
}

fn check_as(request: &Request, text: &str, expected: &Expect) {
    let file = parser::parse(text.as_bytes());
    let linted = lint::check(&file, request, &Hub);
    for found in linted.warnings.iter().chain(&linted.errors).chain(&linted.later) {
        for span in std::iter::once(found.span).chain(found.focus) {
            assert!(span.first_line >= 1 && file.source.get(span.start as usize..span.end as usize).is_some());
        }
    }
    expected.assert_eq(&shown(&linted));
}

fn check(text: &str, expected: &Expect) {
    check_as(&request(), text, expected);
}

#[test]
fn casing() {
    check(
        "FROM alpine AS BuildA\nfrom alpine AS b\nFROM alpine as c\nFrom alpine aS d\nrun x\nRUN y\n",
        &expect![[r#"
            1: StageNameCasing: Stage name 'BuildA' should be lowercase
            2: FromAsCasing: 'AS' and 'from' keywords' casing do not match
            3: FromAsCasing: 'as' and 'FROM' keywords' casing do not match
            2: ConsistentInstructionCasing: Command 'from' should match the case of the command majority (uppercase)
            4: ConsistentInstructionCasing: Command 'From' should match the case of the command majority (uppercase)
            5: ConsistentInstructionCasing: Command 'run' should match the case of the command majority (uppercase)
        "#]],
    );
    check(
        "from alpine\nrun x\nRUN y\nCopy a b\n",
        &expect![[r#"
            3: ConsistentInstructionCasing: Command 'RUN' should match the case of the command majority (lowercase)
            4: ConsistentInstructionCasing: Command 'Copy' should match the case of the command majority (lowercase)
        "#]],
    );
}

#[test]
fn names_of_stages() {
    check(
        "FROM scratch AS scratch\nFROM scratch AS context\nFROM scratch AS a\nFROM scratch AS A\n",
        &expect![[r#"
            4: StageNameCasing: Stage name 'A' should be lowercase
            1: ReservedStageName: Stage name should not use the same name as reserved stage "scratch"
            2: ReservedStageName: Stage name should not use the same name as reserved stage "context"
            4: DuplicateStageName: Duplicate stage name "a", stage names should be unique
        "#]],
    );
}

#[test]
fn the_text_itself() {
    check(
        "FROM alpine\nRUN a \\\n\n  b\nMAINTAINER me\nRUN c \\\n# fine\n  d\n",
        &expect![[r#"
            4: NoEmptyContinuation: Empty continuation line
            5: MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label
        "#]],
    );
}

#[test]
fn descriptions_are_asked_for() {
    let text = "# bar this is it\nARG foo=1\n# base of all\nFROM alpine AS base\n# other words\n\n# c says\nFROM alpine AS c\n\
                #\nARG x\n# a and b\nARG p q\n";
    check(text, &expect![""]);
    check(
        &format!("# check=experimental=all\n{text}"),
        &expect![[r#"
            3: InvalidDefinitionDescription: Comment for ARG should follow the format: `# foo <description>`
            13: InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>`
        "#]],
    );
}

#[test]
fn command_lines() {
    check(
        "FROM alpine\nCMD a\nentrypoint b\nCMD [\"c\"]\nHEALTHCHECK NONE\nHEALTHCHECK CMD x\nSHELL [\"/bin/bash\", \"-c\"]\n\
         ENTRYPOINT d\nFROM alpine\nCMD [\"a\"]\n",
        &expect![[r#"
            3: ConsistentInstructionCasing: Command 'entrypoint' should match the case of the command majority (uppercase)
            4: CmdIgnored: This CMD is not used: the ENTRYPOINT is a line for the shell, and does not ask for its arguments
            2: JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals
            3: JSONArgsRecommended: JSON arguments recommended for entrypoint to prevent unintended behavior related to OS signals
            2: MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used
            5: MultipleInstructionsDisallowed: Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used
            3: MultipleInstructionsDisallowed: Multiple ENTRYPOINT instructions should not be used in the same stage because only the last one will be used
        "#]],
    );
}

#[test]
fn variables() {
    check(
        "ARG VERSION=1\nFROM alpine:$VERSON AS a\nARG DECLARED\nENV FOO=1\nRUN --mount=type=cache,target=/x$NOWHERE x\n\
         COPY $FO $DECLARED ${INHERITED} /$PATHS/\nEXPOSE $PORT\nCMD [\"$X\"]\nENV A=$BUILDKIT_SBOM_SCAN_STAGE B=${C:-d}\n\
         FROM a\nUSER $foo$DECLARED\n",
        &expect![[r#"
            2: InvalidDefaultArgInFrom: Default value for ARG alpine:$VERSON results in empty or invalid base image name
            2: UndefinedArgInFrom: FROM argument 'VERSON' is not declared (did you mean VERSION?)
            2: error InvalidImageName: `alpine:` is not an image name: the tag after `:` is empty
        "#]],
    );
    check(
        "FROM alpine AS a\nARG DECLARED\nENV FOO=1\nRUN --mount=type=cache,target=/x$NOWHERE x\n\
         COPY $FO $DECLARED ${INHERITED} /$PATHS/\nEXPOSE $PORT\nCMD [\"$X\"]\nENV A=$BUILDKIT_SBOM_SCAN_STAGE B=${C:-d}\n\
         FROM a\nUSER $foo$DECLARED\n",
        &expect![[r#"
            4: UndefinedVar: Usage of undefined variable '$NOWHERE'
            5: UndefinedVar: Usage of undefined variable '$FO' (did you mean $FOO?)
            5: UndefinedVar: Usage of undefined variable '$PATHS' (did you mean $PATH?)
            8: UndefinedVar: Usage of undefined variable '$C'
            10: UndefinedVar: Usage of undefined variable '$foo'
        "#]],
    );
}

#[test]
fn secrets_and_old_forms() {
    check(
        "FROM alpine\nARG API_KEY token_file=x\nENV Password x\nLABEL a b\nENV PUBLIC_TOKEN=a GITHUB_TOKEN=b\n",
        &expect![[r#"
            2: SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "API_KEY")
            3: LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format
            3: SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "Password")
            4: LegacyKeyValueFormat: "LABEL key=value" should be used instead of legacy "LABEL key value" format
            5: SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "GITHUB_TOKEN")
        "#]],
    );
}

#[test]
fn directories_and_ports() {
    check(
        "FROM alpine AS a\nWORKDIR app\nWORKDIR more\nFROM a\nWORKDIR again\nFROM alpine\nENV D=/x\nWORKDIR $D\nWORKDIR y\n\
         EXPOSE 80/TCP 127.0.0.1:8080:80 53/udp\n",
        &expect![[r#"
            2: WorkdirRelativePath: Relative workdir "app" can have unexpected results if the base image changes
            10: ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:8080:80'
            10: ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase
        "#]],
    );
}

#[test]
fn platforms() {
    check(
        "FROM --platform=linux/amd64 alpine\nFROM --platform=$TARGETPLATFORM alpine\nFROM --platform=$BUILDPLATFORM alpine\n\
         FROM --platform=linux/arm64 alpine AS x-arm64\nFROM arm\nCOPY --from=arm a b\n",
        &expect![[r#"
            1: FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"
            2: RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior
            5: InvalidBaseImagePlatform: Base image arm was pulled with platform "linux/arm64", expected "linux/amd64" for current build
            6: InvalidBaseImagePlatform: Base image arm was pulled with platform "linux/arm64", expected "linux/amd64" for current build
        "#]],
    );
}

#[test]
fn defaults_of_arguments() {
    let text = "ARG IMAGE\nARG TAG=1\nFROM $IMAGE:$TAG\n";
    let expected = expect![[r#"
        3: InvalidDefaultArgInFrom: Default value for ARG $IMAGE:$TAG results in empty or invalid base image name
    "#]];
    check_as(&with_argument("IMAGE", "alpine"), text, &expected);
    check_as(&with_argument("TAG", "2"), "ARG TAG=1\nFROM alpine:$TAG\n", &expect![""]);
}

#[test]
fn what_the_ignore_file_leaves_out() {
    let ignoring = |patterns: &str| Request { ignored: Some(Ignore::parse(patterns).expect("patterns")), ..request() };
    let text = "FROM alpine AS a\nCOPY Dockerfile ./dir/x /\nADD dir https://example.org/dir /\nCOPY --from=alpine dir /\nCOPY . /\n";
    check_as(
        &ignoring("Dockerfile\ndir\n"),
        text,
        &expect![[r#"
            2: CopyIgnoredFile: Attempting to Copy file "Dockerfile" that is excluded by .dockerignore
            2: CopyIgnoredFile: Attempting to Copy file "dir/x" that is excluded by .dockerignore
            3: CopyIgnoredFile: Attempting to Add file "dir" that is excluded by .dockerignore
        "#]],
    );
    check_as(&ignoring("dir\n!dir/x\n"), text, &expect![""]);
}

#[test]
fn what_is_skipped() {
    let text = "FROM alpine as a\n# check=skip=MaintainerDeprecated\nMAINTAINER me\nMAINTAINER you\n";
    check(
        text,
        &expect![[r#"
            1: FromAsCasing: 'as' and 'FROM' keywords' casing do not match
            4: MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label
        "#]],
    );
    check(&format!("# check=skip=all\n{text}"), &expect![""]);
    let request = with_argument(BUILD_ARG, "skip=FromAsCasing");
    let expected = expect![[r#"
        5: MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label
    "#]];
    check_as(&request, &format!("# check=skip=all\n{text}"), &expected);
}

#[test]
fn warnings_can_be_errors() {
    let text = "# check=error=true\nFROM alpine as a\nMAINTAINER me\n";
    check(
        text,
        &expect![[r#"
            2: FromAsCasing: 'as' and 'FROM' keywords' casing do not match
            3: MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label
            2: error LintViolation: lint violation found for rules: FromAsCasing, MaintainerDeprecated
        "#]],
    );
    let file = parser::parse(text.as_bytes());
    assert!(lower(&file, &request(), &Hub).is_err());
    assert!(lower(&file, &with_argument(BUILD_ARG, "error=false"), &Hub).is_ok());
}

#[test]
fn checks_that_cannot_be_read() {
    check(
        "# check=skip=all; error=true\nFROM alpine as a\n",
        &expect![[r#"
            1: error InvalidCheck: `` is no option of `check`: expected `skip=`, `error=` or `experimental=`
            2: later FromAsCasing: 'as' and 'FROM' keywords' casing do not match
        "#]],
    );
}

#[test]
fn a_build_warns_of_what_it_uses() {
    let file = parser::parse(b"FROM alpine AS other\nWORKDIR a\nFROM alpine\nWORKDIR b\n");
    let lowered = lower(&file, &request(), &Hub).expect("no mistake");
    let lines: Vec<_> = lowered.warnings.iter().map(|warning| warning.span.first_line).collect();
    assert_eq!(lines, [4]);
    assert_eq!(lint::check(&file, &request(), &Hub).warnings.len(), 2);
    let asked = Request { target: Some("other".to_owned()), ..request() };
    assert_eq!(lint::check(&file, &asked, &Hub).warnings[0].span.first_line, 2);
}

#[test]
fn a_build_for_several_platforms_warns_once() {
    let platforms = ["linux/amd64", "linux/arm64"].map(|name| name.parse().expect("a platform")).to_vec();
    let file = parser::parse(b"FROM alpine as a\nWORKDIR a\n");
    let lowered = lower(&file, &Request { platforms, ..request() }, &Hub).expect("no mistake");
    assert_eq!(lowered.warnings.len(), 2, "{:?}", lowered.warnings);
}

#[test]
fn mistakes_in_all_stages() {
    check(
        "FROM alpine AS a\nCOPY --chmod=9 a b\nEXPOSE x\nSTOPSIGNAL NONE\nFROM alpine AS b\nCOPY --from=7 a b\nRUN --mount=typ=cache x\n\
         VOLUME $NOTHING\n",
        &expect![[r#"
            6: error UndefinedStage: there is no stage 7: the last one is 1
            2: error InvalidMode: `9` is no mode: expected an octal number up to 7777, or a form like `u=rwX,go=rX`
            3: error InvalidPort: `x` is no port: expected a number from 0 to 65535, or two with a `-` between
            4: error InvalidSignal: `NONE` is no signal: expected a name like `SIGTERM` or a number
            7: error InvalidMount: a mount has no option `typ`
        "#]],
    );
}

#[test]
fn what_follows_from_a_mistake_is_not_told() {
    // The stage's base is not known, and what stands on it neither; what it would be named is.
    check(
        "FROM $NOTHING AS a\nEXPOSE $PORT\nFROM a\nCOPY --from=a x y\nEXPOSE ${P?}\nEXPOSE y\n",
        &expect![[r#"
            1: InvalidDefaultArgInFrom: Default value for ARG $NOTHING results in empty or invalid base image name
            1: UndefinedArgInFrom: FROM argument 'NOTHING' is not declared
            1: error EmptyBaseName: the base image `$NOTHING` is empty
            6: error InvalidPort: `y` is no port: expected a number from 0 to 65535, or two with a `-` between
        "#]],
    );
    // The stages that the misspelt ones begin are not there, and nobody asks for images of their names.
    check(
        "FORM alpine AS build\nRUN x\nFROM alpine --platfrm=y AS more\nEXPOSE z\nFROM alpine\nCOPY --from=build a b\nCOPY --from=More a b\n\
         COPY --from=3 a b\nEVN PORT=1\nEXPOSE ${PORT?}\nEXPOSE z\n",
        &expect![[r#"
            1: error UnknownInstruction: `FORM` is no instruction
            3: error FromArguments: `FROM` has 4 arguments
            9: error UnknownInstruction: `EVN` is no instruction
            11: error InvalidPort: `z` is no port: expected a number from 0 to 65535, or two with a `-` between
            3: later FromAsCasing: '--platfrm=y' and 'FROM' keywords' casing do not match
        "#]],
    );
}

#[test]
fn images_that_are_not_there() {
    check(
        "FROM missing AS a\nRUN x\nFROM alpine\nCOPY --from=missing a b\nEXPOSE x\n",
        &expect![[r#"
            1: error ImageUnavailable: `missing` is not there
            5: error InvalidPort: `x` is no port: expected a number from 0 to 65535, or two with a `-` between
        "#]],
    );
}

#[test]
fn a_build_that_fails_tells_its_warnings() {
    let file = parser::parse(b"FROM alpine as a\nEXPOSE x\n");
    let linted = lower_and_lint(&file, &request(), &Hub).expect_err("a mistake");
    assert_eq!((linted.warnings.len(), linted.errors.len()), (1, 1));
}

#[test]
fn nearest_names() {
    let hint = |request: &Request, text: &str| {
        let file = parser::parse(text.as_bytes());
        let linted = lint::check(&file, request, &Hub);
        linted.errors.first().and_then(|error| error.hint.clone()).unwrap_or_default()
    };
    for (text, expected) in [
        ("FROM a\nRNU x\n", "did you mean `RUN`?"),
        ("FROM a\nCOPY --chwon=1 a b\n", "did you mean `--chown`?"),
        ("FROM a AS missin\nCOPY --from=missing a b\n", "did you mean the stage `missin`?"),
        ("FROM a\nRUN --mount=type=cahce,target=/x y\n", "did you mean `cache`?"),
        ("FROM a\nRUN --mount=type=cache,tarqet=/x y\n", "did you mean `target`?"),
        ("FROM a\nRUN --network=nome y\n", "did you mean `none`?"),
    ] {
        assert_eq!(hint(&request(), text), expected, "{text}");
    }
    let asked = Request { target: Some("buidl".to_owned()), ..request() };
    assert_eq!(hint(&asked, "FROM a AS build\nFROM a\n"), "did you mean `build`?");
}

#[test]
fn many_variables_and_many_misspelt_ones_take_linear_time() {
    let set: String = (0..20_000).map(|i| format!(" VARIABLE{i}=1")).collect();
    let used: String = (0..20_000).map(|i| format!(" a=$VARIABLE_{i}")).collect();
    let file = parser::parse(format!("FROM a\nENV{}\nENV{}\n", continued(&set), continued(&used)).as_bytes());
    let start = std::time::Instant::now();
    let linted = lint::check(&file, &request(), &Hub);
    assert!(!linted.warnings.is_empty() && linted.errors.is_empty(), "{:?}", linted.errors.first());
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
}

/// One word a line.
fn continued(words: &str) -> String {
    words.replace(' ', " \\\n")
}

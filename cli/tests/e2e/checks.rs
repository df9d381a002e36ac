//! `kiln build --check` and `--call`, and the warnings of a build.

use serde_json::Value;

use super::harness::{Kiln, Ran};

const DOUBTFUL: &str = "FROM scratch AS Base\nCOPY . /\nENTRYPOINT app\n";

/// Runs `kiln build ARGS` on a context with this Dockerfile.
fn build(kiln: &Kiln, dockerfile: &str, args: &[&str]) -> Ran {
    let context = kiln.context("checked", &[("Dockerfile", dockerfile), ("file", "1")]);
    let context = context.to_string_lossy();
    kiln.run(["build"].iter().chain(args).copied().chain([&*context]))
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

/// The rules that are named in a check's JSON.
fn rules(ran: &Ran) -> Vec<String> {
    let json = json(ran);
    let warnings = json["warnings"].as_array().expect("warnings are a list");
    warnings.iter().map(|warning| warning["ruleName"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_check_says_what_is_doubtful_and_builds_nothing() {
    let kiln = Kiln::new();
    let good = build(&kiln, "FROM scratch\nCOPY . /\n", &["--check"]).ok();
    assert_eq!(good.stdout, "Check complete, no warnings found.\n");
    let ran = build(&kiln, DOUBTFUL, &["--check", "-t", "checked"]);
    assert_eq!(ran.status, 1, "{ran}");
    let start = "Check complete, 2 warnings have been found!\n\n\
                 WARNING: StageNameCasing - docs/checks/stage-name-casing.md\n\
                 Stage name 'Base' should be lowercase\n";
    assert!(ran.stdout.starts_with(start), "{ran}");
    assert!(ran.stdout.contains("   1 | >>> FROM scratch AS Base\n     |                     ^^^^\n"), "{ran}");
    assert!(ran.stdout.contains("\nWARNING: JSONArgsRecommended - docs/checks/json-args-recommended.md\n"), "{ran}");
    kiln.run(["inspect", "checked"]).fails(1, &["checked"]);
    build(&kiln, DOUBTFUL, &["--call=check,ignorestatus=true"]).ok();
    build(&kiln, DOUBTFUL, &["--check=false", "-q"]).ok();
}

#[test]
fn a_check_is_written_as_json_and_as_sarif() {
    let kiln = Kiln::new();
    let ran = build(&kiln, DOUBTFUL, &["--call=check,format=json"]);
    assert_eq!(ran.status, 1, "{ran}");
    assert_eq!(rules(&ran), ["StageNameCasing", "JSONArgsRecommended"]);
    let found = json(&ran);
    assert_eq!(found["warnings"][1]["location"]["ranges"][0]["start"]["line"], 3);
    assert_eq!(found["sources"][0]["language"], "Dockerfile");
    assert!(found.get("buildError").is_none());
    let ran = build(&kiln, DOUBTFUL, &["--call=check,format=sarif"]);
    assert_eq!(ran.status, 1, "{ran}");
    let log = json(&ran);
    assert_eq!(
        (&log["version"], &log["runs"][0]["results"][0]["ruleId"]),
        (&"2.1.0".into(), &"StageNameCasing".into())
    );
}

#[test]
fn mistakes_are_all_told_and_fail_a_check() {
    let kiln = Kiln::new();
    let wrong = "FROM scratch AS Base\nCOPPY a /\nRUN --mout=type=cache true\n";
    let told = ["2 mistakes in Dockerfile", "did you mean `COPY`?", "did you mean `--mount`?"];
    let ran = build(&kiln, wrong, &["--check"]).fails(1, &told);
    assert!(!ran.stdout.contains("no warnings found"), "{ran}");
    build(&kiln, wrong, &["--call=check,ignorestatus=true"]).fails(1, &told);
    let ran = build(&kiln, wrong, &["--call=check,format=json"]).fails(1, &told);
    let json = json(&ran);
    assert_eq!(json["buildError"]["location"]["ranges"][0]["start"]["line"], 2);
    assert_eq!(json["buildErrors"].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_is_checked_can_be_said() {
    let kiln = Kiln::new();
    let of = |dockerfile: &str, args: &[&str]| {
        rules(&build(&kiln, dockerfile, &[&["--call=check,format=json"], args].concat()))
    };
    let skipping = |checks: &str| format!("# check={checks}\n{DOUBTFUL}");
    assert_eq!(of(&skipping("skip=StageNameCasing"), &[]), ["JSONArgsRecommended"]);
    assert_eq!(of(&skipping("skip=all"), &[]), [""; 0]);
    let argument = ["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=JSONArgsRecommended;experimental=UnpinnedImage"];
    assert_eq!(of(&skipping("skip=all"), &argument), ["StageNameCasing"]);
    assert_eq!(of(&DOUBTFUL.replace("scratch", "node"), &argument), ["StageNameCasing", "UnpinnedImage"]);
    let comment = DOUBTFUL.replace("ENTRYPOINT", "# check=skip=JSONArgsRecommended\nENTRYPOINT");
    assert_eq!(of(&comment, &[]), ["StageNameCasing"]);
}

#[test]
fn warnings_are_a_failure_when_that_is_asked_for() {
    let kiln = Kiln::new();
    let strict = format!("# check=error=true\n{DOUBTFUL}");
    let words = ["lint violation found for rules: StageNameCasing, JSONArgsRecommended", "StageNameCasing: Stage name"];
    build(&kiln, &strict, &["-t", "strict"]).fails(1, &words);
    build(&kiln, &strict, &["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all;error=true", "-q"]).ok();
    // A rule of Kiln's own fails nothing that BuildKit lets pass.
    let own = "# check=error=true\nFROM scratch\nENV A=1 B=$A\nARG A\n";
    let ran = build(&kiln, &own.replace("FROM scratch\n", "FROM scratch\nARG A=0\n"), &[]).ok();
    assert!(ran.stderr.contains("EnvUsedWhereSet"), "{ran}");
}

#[test]
fn a_build_tells_its_warnings_and_where_they_are_explained() {
    let kiln = Kiln::new();
    let ran = build(&kiln, DOUBTFUL, &["--progress=plain"]).ok();
    assert!(ran.stderr.contains("#1 WARN: StageNameCasing: Stage name 'Base' should be lowercase (line 1)\n"), "{ran}");
    let end = "\n 2 warnings found (use kiln --debug to expand):\n \
               - StageNameCasing: Stage name 'Base' should be lowercase (line 1)\n   docs/checks/stage-name-casing.md\n \
               - JSONArgsRecommended: JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to \
               OS signals (line 3)\n   docs/checks/json-args-recommended.md\n";
    assert!(ran.stderr.ends_with(end), "{ran}");
    let ran = build(&kiln, DOUBTFUL, &["--progress=plain", "--debug"]).ok();
    assert!(ran.stderr.contains("More info: docs/checks/stage-name-casing.md\nDockerfile:1\n"), "{ran}");
    let ran = build(&kiln, DOUBTFUL, &["-q"]).ok();
    assert_eq!(ran.stderr, "");
    let ran = build(&kiln, DOUBTFUL, &["--progress=rawjson"]).ok();
    assert!(!ran.stderr.contains("2 warnings found") && ran.stderr.contains(r#""warnings":[{"#), "{ran}");
}

#[test]
fn an_outline_tells_what_a_target_can_be_given() {
    let kiln = Kiln::with_busybox();
    let dockerfile = "ARG BASE=busybox\nFROM $BASE AS one\n# VERSION is what to fetch\nARG VERSION=1\n\
                      RUN --mount=type=secret,id=token,required --mount=type=ssh true\n\
                      # two is all of it\nFROM scratch AS two\nCOPY --from=one / /\nFROM scratch\nARG OTHER\n";
    let args = ["--target=two", "--build-arg=VERSION=2"];
    let ran = build(&kiln, dockerfile, &[&["--call=outline"], &args[..]].concat()).ok();
    let expected = "TARGET:      two\nDESCRIPTION: is all of it\n\n\
                    BUILD ARG   VALUE     DESCRIPTION\nBASE        busybox\nVERSION     2         is what to fetch\n\n\
                    SECRET   REQUIRED\ntoken    true\n\nSSH       REQUIRED\ndefault\n\n";
    assert_eq!(ran.stdout, expected);
    let ran = build(&kiln, dockerfile, &[&["--call=outline,format=json"], &args[..]].concat()).ok();
    let outline = json(&ran);
    assert_eq!(outline["args"][1]["description"], "is what to fetch");
    assert_eq!(outline["secrets"][0]["location"]["ranges"][0]["start"]["line"], 5);
}

#[test]
fn targets_are_listed() {
    let kiln = Kiln::new();
    let dockerfile = "# one is first\nFROM scratch AS one\nFROM one\nFROM one AS three\n";
    let ran = build(&kiln, dockerfile, &["--call=targets"]).ok();
    assert_eq!(ran.stdout, "TARGET          DESCRIPTION\none             is first\n\nthree (default)\n");
    let ran = build(&kiln, dockerfile, &["--call=targets,format=json"]).ok();
    assert_eq!(json(&ran)["targets"][2]["default"], true);
    build(&kiln, "FROM scratch\nCOPPY a b\n", &["--call=targets"]).fails(1, &["did you mean `COPY`?"]);
}

/// A registry that nobody answers for is no reason not to check a file.
#[test]
fn a_check_needs_no_network() {
    let kiln = Kiln::new();
    let ran = build(&kiln, "FROM 127.0.0.1:1/none/base\nRUN true\n", &["--check"]).ok();
    assert_eq!(ran.stdout, "Check complete, no warnings found.\n");
    assert!(ran.stderr.contains("WARNING: `127.0.0.1:1/none/base:latest` cannot be looked at"), "{ran}");
}

#[test]
fn rules_are_explained_offline() {
    let kiln = Kiln::new();
    let list = kiln.run(["checks"]).ok().stdout;
    assert!(list.contains("StageNameCasing") && list.contains("UnpinnedImage"), "{list}");
    let page = kiln.run(["checks", "stagenamecasing"]).ok().stdout;
    assert!(page.starts_with("# StageNameCasing\n"), "{page}");
    kiln.run(["checks", "StageNamCasing"]).fails(2, &["did you mean `StageNameCasing`?"]);
    kiln.run(["build", "--call=chekc", "."]).fails(2, &["did you mean `check`?"]);
}

//! Docker's flags that Kiln has no work for: what changes nothing is taken, what buildx gives up with a warning is warned
//! of, and the rest is refused by name.

use parser::instruction::mount::boolean;

use super::csv;
use crate::args::docker::DockerArgs;
use crate::report::Problem;

const LIMITS: (&str, &str) = (
    "a step's memory and processors are not limited",
    "limit the whole build: `systemd-run --scope -p MemoryMax=2G kiln build …`",
);

/// What to warn of; an error for what cannot be left out.
pub fn check(args: &DockerArgs) -> Result<Vec<String>, Problem> {
    match refused(args) {
        None => Ok(warnings(args)),
        Some((flag, (reason, hint))) => Err(Problem::usage(format!("`--{flag}`: {reason}")).hint(hint)),
    }
}

fn warnings(args: &DockerArgs) -> Vec<String> {
    let mut warnings = Vec::new();
    if args.isolation.as_deref().is_some_and(|way| !matches!(way, "" | "default")) {
        warnings.push("`--isolation` is passed over: every step has a sandbox of its own".to_owned());
    }
    if !args.security_opt.is_empty() {
        let way_out = "`RUN --security=insecure` with `--allow security.insecure` takes a step's sandbox away";
        warnings.push(format!("`--security-opt` is passed over: {way_out}"));
    }
    if args.squash == Some(true) {
        warnings.push("`--squash` is passed over: a last stage that copies from the others has few layers".to_owned());
    }
    warnings
}

/// The first flag that asks for what is not there.
fn refused(args: &DockerArgs) -> Option<(&'static str, (&'static str, &'static str))> {
    let attestation = ("attestations are not made", "leave it out, or say `false`");
    let cache = ("a cache is neither taken from elsewhere nor sent there", "leave it out: the store is the cache");
    let said = |values: &[String]| values.iter().any(|value| !value.is_empty());
    let asked = |value: &Option<String>| value.as_deref().is_some_and(|value| !value.is_empty());
    let push = ("pushing is not there yet", "write `-o type=oci,dest=F.tar`, and push that");
    let annotation = ("annotations are not written", "`--label` writes into the image's config");
    let policy = ("policies are not evaluated", "leave it out");
    let cgroup = ("steps run in the control group that `kiln` is in", "start the build in the group you want");
    [
        ("push", args.push == Some(true), push),
        ("provenance", asked(&args.provenance) && !is_off(&args.provenance), attestation),
        ("sbom", asked(&args.sbom) && !is_off(&args.sbom), attestation),
        ("attest", args.attest.iter().any(|text| !text.is_empty() && !is_disabled(text)), attestation),
        ("annotation", said(&args.annotation), annotation),
        ("cache-from", said(&args.cache_from), cache),
        ("cache-to", said(&args.cache_to), cache),
        ("policy", args.policy.iter().any(|text| !text.is_empty() && !is_disabled(text)), policy),
        ("cgroup-parent", asked(&args.cgroup_parent), cgroup),
        ("resource", said(&args.resource), LIMITS),
        ("memory", asked(&args.memory), LIMITS),
        ("memory-swap", asked(&args.memory_swap), LIMITS),
        ("cpu-shares", asked(&args.cpu_shares), LIMITS),
        ("cpu-period", asked(&args.cpu_period), LIMITS),
        ("cpu-quota", asked(&args.cpu_quota), LIMITS),
        ("cpuset-cpus", asked(&args.cpuset_cpus), LIMITS),
        ("cpuset-mems", asked(&args.cpuset_mems), LIMITS),
    ]
    .into_iter()
    .find_map(|(flag, is_asked, words)| is_asked.then_some((flag, words)))
}

/// `false`, or `disabled=true`.
fn is_off(value: &Option<String>) -> bool {
    value.as_deref().is_some_and(|text| boolean(text) == Some(false) || is_disabled(text))
}

fn is_disabled(text: &str) -> bool {
    let fields = csv::fields(text).unwrap_or_default();
    fields.iter().any(|field| field.strip_prefix("disabled=").and_then(boolean) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Command, Kiln};
    use clap::Parser as _;

    fn checked(line: &str) -> Result<Vec<String>, String> {
        let kiln = Kiln::try_parse_from(["kiln", "build"].into_iter().chain(line.split(' '))).expect("it is parsed");
        let Command::Build(args) = kiln.command else { panic!("not a build") };
        check(&args.docker).map_err(|problem| problem.message)
    }

    #[test]
    fn what_changes_nothing_is_taken() {
        for line in [
            "--provenance=false --sbom=false --builder default .",
            "--provenance false --attest type=provenance,disabled=true .",
            "--provenance=disabled=true --sbom= --push=false .",
            "--rm --force-rm=true --compress --rm=false .",
            "--cache-from= --isolation default .",
        ] {
            assert_eq!(checked(line), Ok(vec![]), "{line}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        for (line, flag) in [
            ("--push .", "`--push`: "),
            ("--provenance=mode=max .", "`--provenance`: "),
            ("--sbom=true .", "`--sbom`: "),
            ("--attest type=sbom .", "`--attest`: "),
            ("--annotation a=b .", "`--annotation`: "),
            ("--cache-from type=registry,ref=x .", "`--cache-from`: "),
            ("--cache-to type=inline .", "`--cache-to`: "),
            ("--policy filename=x .", "`--policy`: "),
            ("--cgroup-parent /x .", "`--cgroup-parent`: "),
            ("--resource memory=2g .", "`--resource`: "),
            ("-m 2g .", "`--memory`: "),
            ("--memory-swap -1 .", "`--memory-swap`: "),
            ("-c 512 .", "`--cpu-shares`: "),
        ] {
            let message = checked(line).expect_err(line);
            assert!(message.starts_with(flag), "{line}: {message}");
        }
    }

    #[test]
    fn what_docker_gave_up_is_warned_of() {
        let warnings =
            checked("--squash --security-opt seccomp=unconfined --isolation hyperv .").expect("warnings alone");
        let names: Vec<&str> = warnings.iter().filter_map(|warning| warning.split('`').nth(1)).collect();
        assert_eq!(names, ["--isolation", "--security-opt", "--squash"]);
    }
}

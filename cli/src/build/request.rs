//! What `kiln build` was asked for: the words that were typed become what they mean, or a usage error. Knows the
//! environment only through a function, and touches no file.

mod allow;
pub mod csv;
mod docker;
mod hosts;
mod named;
pub mod platforms;
mod resources;
mod secret;
mod ssh;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use graph::op::Limit;
use oci::web::redacted;
use oci::{Platform, Reference};
use parser::git_url::GitUrl;
use parser::lower::{Entitlement, NoCache};

pub use hosts::{AddedHost, HostAddress};
pub use named::NamedContexts;
pub use secret::{Secret, SecretFrom};
pub use ssh::Agent;

use super::call::Call;
use super::output::{self, Output};
use crate::args::build::{BuildArgs, BuildNetwork};
use crate::progress;
use crate::report::Problem;

const EPOCH: &str = "SOURCE_DATE_EPOCH";

#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub tags: Vec<Reference>,
    pub dockerfile: DockerfileFrom,
    pub context: ContextFrom,
    pub target: Option<String>,
    pub build_args: BTreeMap<String, String>,
    pub labels: Vec<(String, String)>,
    pub no_cache: NoCache,
    pub pull: bool,
    pub network: BuildNetwork,
    pub add_hosts: Vec<AddedHost>,
    pub secrets: Vec<Secret>,
    pub agents: Vec<Agent>,
    pub entitlements: BTreeSet<Entitlement>,
    /// What names stand for instead of stages and images.
    pub contexts: NamedContexts,
    /// This machine's when empty.
    pub platforms: Vec<Platform>,
    pub outputs: Vec<Output>,
    pub progress: progress::Mode,
    /// The id alone is printed at the end.
    pub quiet: bool,
    pub iidfile: Option<PathBuf>,
    pub metadata_file: Option<PathBuf>,
    /// What is asked instead of a build.
    pub call: Option<Call>,
    pub limits: Vec<Limit>,
    pub shm_size: Option<u64>,
    /// What was asked for in vain.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerfileFrom {
    /// `Dockerfile` at the root of the context.
    Context,
    File(PathBuf),
    Stdin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextFrom {
    Dir(PathBuf),
    /// A Dockerfile without a context, or a tar of one.
    Stdin,
    /// A repository, as typed: `github.com/…` may be a directory as well.
    Git {
        url: GitUrl,
        text: String,
    },
    /// An archive, or a Dockerfile without a context.
    Http(String),
}

impl Request {
    /// What `args` mean, given a way to look into the environment.
    pub fn new(args: BuildArgs, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        let definition = args.definition;
        let build_args = build_args(&definition.build_args, variable)?;
        let progress = mode(args.progress, args.quiet, variable)?;
        let platforms = platforms::several(&definition.platforms)?;
        let wishes = Wishes { load: args.load, iidfile: args.iidfile.is_some() };
        let outputs = outputs(&args.outputs, &wishes)?;
        let (context, dockerfile) = places(definition.context.as_deref(), definition.file)?;
        Ok(Self {
            tags: args.tags.iter().map(|tag| name(tag)).collect::<Result<_, _>>()?,
            dockerfile,
            context,
            target: definition.target,
            call: if args.check == Some(true) { Some(Call::CHECK) } else { Call::parse(&args.call)? },
            labels: args.labels.iter().map(|label| labelled(label)).collect::<Result<_, _>>()?,
            no_cache: no_cache(definition.no_cache, &definition.no_cache_filter),
            pull: definition.pull,
            network: definition.network,
            add_hosts: args.add_hosts.iter().map(|host| hosts::parse(host)).collect::<Result<Vec<_>, _>>()?.concat(),
            secrets: secrets(&args.secrets, variable)?,
            agents: ssh::parse(&args.ssh, variable)?,
            entitlements: entitlements(&definition.allow, definition.network)?,
            contexts: named::parse(&definition.contexts)?,
            platforms,
            outputs,
            progress,
            quiet: args.quiet,
            iidfile: args.iidfile,
            metadata_file: args.metadata_file,
            limits: resources::ulimits(&definition.ulimit)?,
            shm_size: resources::shm_size(definition.shm_size.as_deref())?,
            warnings: docker::check(&args.docker)?,
            build_args,
        })
    }
}

fn places(context: Option<&str>, file: Option<PathBuf>) -> Result<(ContextFrom, DockerfileFrom), Problem> {
    let context = match context {
        None => {
            return Err(Problem::usage("`kiln build` needs the path of a context")
                .hint("`kiln build .` takes the directory you are in"));
        }
        Some("-") => ContextFrom::Stdin,
        Some(text) => match GitUrl::parse(text) {
            Err(error) => return Err(Problem::usage(format!("invalid context `{}`: {error}", redacted(text)))),
            Ok(Some(url)) => ContextFrom::Git { url, text: text.to_owned() },
            Ok(None) if is_http(text) => ContextFrom::Http(text.to_owned()),
            Ok(None) => ContextFrom::Dir(PathBuf::from(text)),
        },
    };
    let dockerfile = match file {
        None => DockerfileFrom::Context,
        Some(path) if path.as_os_str() == "-" => DockerfileFrom::Stdin,
        Some(path) => DockerfileFrom::File(path),
    };
    if context == ContextFrom::Stdin && dockerfile == DockerfileFrom::Stdin {
        return Err(Problem::usage("context and Dockerfile cannot both come from standard input")
            .hint("`kiln build -` alone reads a Dockerfile; `kiln build -f - DIR` reads one for the context DIR"));
    }
    Ok((context, dockerfile))
}

fn is_http(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

pub fn name(text: &str) -> Result<Reference, Problem> {
    let reference: Reference = text.parse().map_err(|error: oci::reference::ReferenceError| {
        let problem = Problem::usage(error.to_string());
        let lower = text.to_lowercase();
        if lower != text && lower.parse::<Reference>().is_ok() {
            return problem.hint(format!("repository names are lower case: `{lower}`"));
        }
        problem
    })?;
    if reference.digest().is_some() {
        return Err(Problem::usage(format!(
            "`{text}` cannot be given as a name: a digest follows from what is in an image"
        ))
        .hint("leave out what follows the `@`"));
    }
    Ok(reference)
}

fn build_args(
    typed: &[String],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Problem> {
    // As buildx does: <https://reproducible-builds.org/specs/source-date-epoch>
    let epoch = variable(EPOCH).filter(|text| !text.is_empty());
    let mut args: BTreeMap<String, String> = epoch.map(|text| (EPOCH.to_owned(), text)).into_iter().collect();
    for arg in typed {
        let (name, value) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (arg.as_str(), variable(arg)),
        };
        if name.is_empty() {
            return Err(Problem::usage(format!("invalid build argument `{arg}`: the name is missing"))
                .hint("`--build-arg NAME=VALUE`"));
        }
        // Docker leaves out what the environment does not have, so that the Dockerfile's default holds.
        if let Some(value) = value {
            args.insert(name.to_owned(), value);
        }
    }
    Ok(args)
}

fn labelled(text: &str) -> Result<(String, String), Problem> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return Err(Problem::usage(format!("invalid label `{text}`: the name is missing")).hint("`--label NAME=VALUE`"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn no_cache(all: bool, stages: &[String]) -> NoCache {
    let names: BTreeSet<String> = stages.iter().flat_map(|names| names.split(',')).map(str::to_owned).collect();
    match (all, names.first().map(String::as_str)) {
        (false, None) => NoCache::None,
        // No name at all is every stage, as in buildx.
        (true, _) | (false, Some("")) => NoCache::All,
        (false, Some(_)) => NoCache::Stages(names),
    }
}

/// Each once; of those with one id the last counts.
fn secrets(typed: &[String], variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Secret>, Problem> {
    let mut secrets: BTreeMap<String, Secret> = BTreeMap::new();
    for text in typed.iter().filter(|text| !text.is_empty()) {
        let secret = secret::parse(text, variable)?;
        secrets.insert(secret.id.clone(), secret);
    }
    Ok(secrets.into_values().collect())
}

/// Who asks for the host's network for all steps allows it.
fn entitlements(typed: &[String], network: BuildNetwork) -> Result<BTreeSet<Entitlement>, Problem> {
    let mut allowed = BTreeSet::new();
    for text in typed {
        allowed.extend(allow::parse(text)?);
    }
    match network {
        BuildNetwork::Host => allowed.extend([Entitlement::NetworkHost]),
        BuildNetwork::Default | BuildNetwork::None => {}
    }
    Ok(allowed)
}

/// What the outputs must agree with.
struct Wishes {
    load: bool,
    iidfile: bool,
}

fn outputs(typed: &[String], wishes: &Wishes) -> Result<Vec<Output>, Problem> {
    let mut outputs = typed.iter().map(|output| output::parse(output)).collect::<Result<Vec<_>, _>>()?;
    let has_image = outputs.iter().any(|output| matches!(output, Output::Image { .. }));
    if wishes.load && !outputs.is_empty() && !has_image {
        outputs.push(Output::Image { names: Vec::new() });
    }
    for output in &outputs {
        match output {
            Output::Local { .. } | Output::Tar { .. } if wishes.iidfile => {
                return Err(Problem::usage("`--iidfile` needs an image, and `type=local` and `type=tar` make none")
                    .hint("leave it out, or add an output: `-o type=image`"));
            }
            Output::Image { .. }
            | Output::Archive { .. }
            | Output::Local { .. }
            | Output::Tar { .. }
            | Output::CacheOnly => {}
        }
    }
    Ok(outputs)
}

/// How to show what happens: what was typed, else what `BUILDKIT_PROGRESS` says.
pub fn mode(
    typed: Option<crate::args::build::Progress>,
    quiet: bool,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<progress::Mode, Problem> {
    use crate::args::build::Progress;
    use clap::ValueEnum as _;
    if quiet {
        return Ok(progress::Mode::Quiet);
    }
    let wanted = match (typed, variable("BUILDKIT_PROGRESS").filter(|text| !text.is_empty())) {
        (Some(typed), _) => typed,
        (None, Some(text)) => Progress::from_str(&text, true).map_err(|_| {
            Problem::usage(format!("`BUILDKIT_PROGRESS` is `{text}`, which is no way to show progress"))
                .hint("it may be `auto`, `tty`, `plain`, `rawjson` or `quiet`")
        })?,
        (None, None) => Progress::Auto,
    };
    Ok(match wanted {
        Progress::Auto => progress::auto(),
        Progress::Tty => progress::Mode::Tty,
        Progress::Plain => progress::Mode::Plain,
        Progress::RawJson => progress::Mode::RawJson,
        Progress::Quiet => progress::Mode::Quiet,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Command, Kiln};
    use clap::Parser as _;

    fn request(line: &str) -> Result<Request, Problem> {
        let kiln =
            Kiln::try_parse_from(["kiln", "build"].into_iter().chain(line.split(' '))).expect("it can be parsed");
        let Command::Build(args) = kiln.command else { panic!("not a build") };
        let variable = |name: &str| match name {
            "TOKEN" => Some("t0ken".to_owned()),
            "SOURCE_DATE_EPOCH" => Some("1700000000".to_owned()),
            "BUILDKIT_PROGRESS" => Some("plain".to_owned()),
            _ => None,
        };
        Request::new(*args, &variable)
    }

    #[test]
    fn names_become_whole() {
        let request = request("-t app -t ghcr.io/me/app:1 .").expect("valid");
        let names: Vec<String> = request.tags.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["docker.io/library/app:latest", "ghcr.io/me/app:1"]);
        assert_eq!(request.context, ContextFrom::Dir(PathBuf::from(".")));
        assert_eq!(request.dockerfile, DockerfileFrom::Context);
        assert_eq!(request.progress, progress::Mode::Plain);
    }

    #[test]
    fn arguments_come_from_the_environment_when_they_have_no_value() {
        let request =
            request("--build-arg A=1 --build-arg TOKEN --build-arg UNSET --build-arg B=x=y .").expect("valid");
        let expected = [("A", "1"), ("B", "x=y"), (EPOCH, "1700000000"), ("TOKEN", "t0ken")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(request.build_args, BTreeMap::from(expected));
    }

    #[test]
    fn the_build_argument_for_the_time_comes_first() {
        let epoch = |line: &str| request(line).map(|request| request.build_args.get(EPOCH).cloned());
        assert_eq!(epoch("."), Ok(Some("1700000000".to_owned())));
        assert_eq!(epoch("--build-arg SOURCE_DATE_EPOCH=context ."), Ok(Some("context".to_owned())));
    }

    #[test]
    fn a_typed_progress_comes_before_that_of_the_environment() {
        assert_eq!(request("--progress=rawjson .").map(|request| request.progress), Ok(progress::Mode::RawJson));
        assert_eq!(request("-q --progress=tty .").map(|request| request.progress), Ok(progress::Mode::Quiet));
    }

    #[test]
    fn contexts_may_be_elsewhere() {
        let context = |line: &str| request(line).map(|request| request.context);
        for text in ["https://h/r.git#v1:sub", "git@h:r", "ssh://git@h/r", "git://h/r", "github.com/u/r"] {
            assert!(matches!(context(text), Ok(ContextFrom::Git { .. })), "{text}");
        }
        assert_eq!(context("https://h/c.tar.gz"), Ok(ContextFrom::Http("https://h/c.tar.gz".to_owned())));
        assert_eq!(context("./github.com/u"), Ok(ContextFrom::Dir(PathBuf::from("./github.com/u"))));
        assert!(context("https://h/r.git?x=y").is_err());
    }

    #[test]
    fn flags_may_say_what_they_are() {
        let said = |line: &str| request(line).map(|request| (request.pull, request.quiet, request.call));
        assert_eq!(said("--pull=true --quiet=0 --check=false ."), Ok((true, false, None)));
        assert_eq!(said("--pull=false -q ."), Ok((false, true, None)));
        assert_eq!(request("-qt a .").map(|request| (request.quiet, request.tags.len())), Ok((true, 1)));
    }

    #[test]
    fn outputs_agree_with_the_other_flags() {
        assert!(request("-o out --iidfile f .").is_err());
        let outputs = |line: &str| request(line).map(|request| request.outputs.len());
        assert_eq!(outputs("--load ."), Ok(0), "the store is where the result goes anyway");
        assert_eq!(outputs("--load -o out ."), Ok(2));
        assert_eq!(outputs("--load -o type=image ."), Ok(1));
    }

    #[test]
    fn what_is_not_looked_up() {
        let said = |line: &str| request(line).map(|request| request.no_cache);
        let stages = |names: &[&str]| Ok(NoCache::Stages(names.iter().map(|&name| name.to_owned()).collect()));
        assert_eq!(said("."), Ok(NoCache::None));
        assert_eq!(said("--no-cache-filter b,a --no-cache-filter c ."), stages(&["a", "b", "c"]));
        assert_eq!(said("--no-cache --no-cache-filter a ."), Ok(NoCache::All));
    }

    #[test]
    fn the_hosts_network_is_allowed_by_asking_for_it() {
        let said = |line: &str| request(line).map(|request| request.entitlements.into_iter().collect::<Vec<_>>());
        assert_eq!(said("."), Ok(vec![]));
        assert_eq!(said("--network host ."), Ok(vec![Entitlement::NetworkHost]));
        assert_eq!(said("--allow security.insecure ."), Ok(vec![Entitlement::SecurityInsecure]));
    }

    #[test]
    fn standard_input_is_one_thing_only() {
        assert_eq!(request("-f - .").map(|request| request.dockerfile), Ok(DockerfileFrom::Stdin));
        assert_eq!(request("-").map(|request| request.context), Ok(ContextFrom::Stdin));
        assert!(request("-f - -").is_err());
    }
}

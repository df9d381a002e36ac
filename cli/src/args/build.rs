//! `kiln build` as typed. Knows no Dockerfile.

use std::path::PathBuf;

use super::docker::DockerArgs;

#[derive(Debug, Default, clap::Args)]
#[command(
    // As in Docker, the last one counts.
    args_override_self = true,
    after_help = "Outputs:\n  -o DIR, -o type=local,dest=DIR   the root filesystem's files\n  -o -, -o type=tar,dest=F.tar     \
                        the same as a tar\n  -o type=oci,dest=F.tar           an OCI layout in a tar\n  \
                        -o type=docker,dest=F.tar        for `docker load`\n  -o type=image                    \
                        the store, as without -o\n\n\
                        Examples:\n  kiln build -t app:1.0 .\n  kiln build -f deploy/Dockerfile --target test .\n  \
                        kiln build --build-arg VERSION=3 -o type=oci,dest=app.tar .\n  \
                        kiln build --platform linux/amd64,linux/arm64 -t app .\n  \
                        kiln build --secret id=npmrc,src=$HOME/.npmrc .\n  kiln build - < Dockerfile\n  \
                        kiln build --check .\n  kiln build --call=check,format=sarif . > checks.sarif"
)]
pub struct BuildArgs {
    /// Name the image; may be given several times
    #[arg(short = 't', long = "tag", value_name = "NAME[:TAG]")]
    pub tags: Vec<String>,

    #[command(flatten)]
    pub definition: DefinitionArgs,

    /// Add a label to the image
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<String>,

    /// A secret for `RUN --mount=type=secret`: id=NAME,src=FILE or id=NAME,env=VARIABLE
    #[arg(long = "secret", value_name = "SPEC")]
    pub secrets: Vec<String>,

    /// An SSH agent or keys for `RUN --mount=type=ssh`; `default` is your agent
    #[arg(long, value_name = "default|ID[=SOCKET|KEY[,KEY]]")]
    pub ssh: Vec<String>,

    /// How to show what happens
    #[arg(long, value_enum, value_name = "HOW")]
    pub progress: Option<Progress>,

    /// Print the image's id and nothing else
    #[arg(short = 'q', long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value = "false", hide_default_value = true, action = clap::ArgAction::Set, value_parser = boolean)]
    pub quiet: bool,

    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,

    /// Write what was built to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,

    /// Where the result goes [default: the store]
    #[arg(short = 'o', long = "output", value_name = "DEST")]
    pub outputs: Vec<String>,

    /// Add a line to /etc/hosts in RUN steps; `host-gateway` is this machine's address
    #[arg(long = "add-host", value_name = "NAME:IP")]
    pub add_hosts: Vec<String>,

    /// What to do: `build`, or answer one of `check`, `outline`, `targets`; with `,format=json`, or `,format=sarif` of a
    /// check; with `,ignorestatus=true` warnings are no failure
    #[arg(long, alias = "print", value_name = "METHOD[,KEY=VALUE]", default_value = "build")]
    pub call: String,

    /// Say what is wrong or doubtful in the Dockerfile, and build nothing: `--call=check`
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          action = clap::ArgAction::Set, value_parser = boolean)]
    pub check: Option<bool>,

    /// Put the result into the store, as without it
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value = "false", hide_default_value = true, action = clap::ArgAction::Set, value_parser = boolean)]
    pub load: bool,

    #[command(flatten)]
    pub docker: DockerArgs,
}

/// What is to be built: the flags that shape the graph.
#[derive(Debug, Default, clap::Args)]
pub struct DefinitionArgs {
    /// The Dockerfile, `-` for standard input [default: PATH/Dockerfile]
    #[arg(short = 'f', long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Stop at this stage of the Dockerfile
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,

    /// Set an ARG; without a value it is taken from the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub build_args: Vec<String>,

    /// What a name stands for instead of a stage or an image: a directory, docker-image://…, oci-layout://…,
    /// target:STAGE, or the address of a Git repository or a file
    #[arg(long = "build-context", value_name = "NAME=PLACE")]
    pub contexts: Vec<String>,

    /// Let steps have what they ask for: network.host, security.insecure, device
    #[arg(long, value_name = "ENTITLEMENT")]
    pub allow: Vec<String>,

    /// Run every step, whatever the store holds
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value = "false", hide_default_value = true, action = clap::ArgAction::Set, value_parser = boolean)]
    pub no_cache: bool,

    /// Run every step of these stages
    #[arg(long, value_name = "STAGE[,STAGE]")]
    pub no_cache_filter: Vec<String>,

    /// Ask the registry again what each FROM means
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value = "false", hide_default_value = true, action = clap::ArgAction::Set, value_parser = boolean)]
    pub pull: bool,

    /// Build for these platforms; several make one image each, under one name [default: this machine's]
    #[arg(long = "platform", value_name = "OS/ARCH[,…]")]
    pub platforms: Vec<String>,

    /// The network of RUN steps
    #[arg(long, value_enum, value_name = "MODE", default_value = "default")]
    pub network: BuildNetwork,

    /// Limit what a process of a RUN step may use: nofile=1024:4096
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,

    /// The size of /dev/shm in RUN steps: 256m
    #[arg(long, value_name = "BYTES")]
    pub shm_size: Option<String>,

    /// The context: a directory, or `-` for a Dockerfile or a tar on standard input
    #[arg(value_name = "PATH")]
    pub context: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Progress {
    /// A live view on a terminal, plain lines elsewhere
    Auto,
    /// A live view
    Tty,
    /// Complete text, line by line
    Plain,
    /// JSON, line by line
    #[value(name = "rawjson")]
    RawJson,
    /// Nothing until the end
    #[value(alias = "none")]
    Quiet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum BuildNetwork {
    #[default]
    Default,
    /// The host's
    Host,
    /// None but loopback
    None,
}

/// A flag's value as Go reads it, and so Docker.
pub fn boolean(text: &str) -> Result<bool, String> {
    parser::instruction::mount::boolean(text).ok_or_else(|| "expected `true` or `false`".to_owned())
}

//! What was typed: the command line as clap reads it. Knows neither the store nor what any of it comes to.
//!
//! Flags, their letters and their order are those of `docker` and `docker buildx`, whose habits people bring along.
//! What the words mean is decided by the modules that carry the commands out.

pub mod build;
pub mod docker;
pub mod graph;
pub mod image;
pub mod run;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "kiln",
    version,
    about = "Builds container images from Dockerfiles, and runs them. No daemon, no root needed.",
    after_help = "Examples:\n  kiln build -t app .            build the Dockerfile in this directory, and call the image `app`\n  \
                  kiln run --rm -it app sh       a shell in it\n  kiln save -o app.tar app       the image as a file\n\n\
                  `kiln COMMAND --help` tells more about a command.",
    disable_help_subcommand = true,
    max_term_width = 110,
    propagate_version = false
)]
pub struct Kiln {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// Directory of the store [default: $KILN_ROOT, else $XDG_DATA_HOME/kiln, for root /var/lib/kiln]
    #[arg(long, value_name = "DIR", global = true)]
    pub root: Option<PathBuf>,

    /// Tell more: of each warning its place and its reason
    #[arg(short = 'D', long, global = true)]
    pub debug: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build an image from a Dockerfile
    Build(Box<build::BuildArgs>),
    /// Draw what a build would do: its steps, what is cached, and how long they took
    Graph(Box<graph::GraphArgs>),
    /// Run a command in a new container of an image
    Run(Box<run::RunArgs>),
    /// Fetch an image from a registry
    Pull(image::PullArgs),
    /// List images
    Images(image::ImagesArgs),
    /// Remove images
    Rmi(image::RmiArgs),
    /// Give an image a further name
    Tag(image::TagArgs),
    /// Show everything about one or more images
    Inspect(image::InspectArgs),
    /// Show how an image came to be
    History(image::HistoryArgs),
    /// Take in images from a tar archive or an OCI layout
    Load(image::LoadArgs),
    /// Write images to a tar archive
    Save(image::SaveArgs),
    /// The same commands, as `docker image …` has them
    #[command(subcommand)]
    Image(ImageCommand),
    /// Look after the store
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Serve an editor: diagnostics, completion and more for Dockerfiles
    ///
    /// A language server on standard input and output: an editor starts it, and speaks the Language Server Protocol with it.
    /// It gives diagnostics while you type (those of `kiln build --check`, as far as they need no image), completion, the
    /// pages on instructions, definitions, references and renaming of stages and variables, an outline, and formatting.
    /// It looks at the open files alone: no daemon, no network. How to set it up in an editor: docs/editors.md.
    Lsp(LspArgs),
    /// List the checks of `kiln build --check`, or explain one
    Checks(ChecksArgs),
    /// Say what this machine allows
    Doctor,
    /// Show the version
    Version,
}

#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Build an image from a Dockerfile
    Build(Box<build::BuildArgs>),
    /// List images
    #[command(alias = "list")]
    Ls(image::ImagesArgs),
    /// Remove images
    #[command(alias = "remove")]
    Rm(image::RmiArgs),
    /// Fetch an image from a registry
    Pull(image::PullArgs),
    /// Give an image a further name
    Tag(image::TagArgs),
    /// Show everything about one or more images
    Inspect(image::InspectArgs),
    /// Show how an image came to be
    History(image::HistoryArgs),
    /// Take in images from a tar archive or an OCI layout
    Load(image::LoadArgs),
    /// Write images to a tar archive
    Save(image::SaveArgs),
}

#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Check everything in the store against its digests
    Fsck(FsckArgs),
}

#[derive(Debug, clap::Args)]
pub struct FsckArgs {
    /// Put away or forget what is wrong, so that it is built or pulled again
    #[arg(long)]
    pub repair: bool,

    /// Look at names, modes and sizes of files, and not at their bytes
    #[arg(long)]
    pub fast: bool,
}

#[derive(Debug, clap::Args)]
pub struct LspArgs {
    /// Speak on standard input and output, as it does anyway: editors say so
    #[arg(long)]
    stdio: bool,

    /// The editor's process, which some say
    #[arg(long = "clientProcessId", hide = true)]
    client: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub struct ChecksArgs {
    /// The rule to explain
    #[arg(value_name = "RULE")]
    pub rule: Option<String>,
}

impl ImageCommand {
    /// The command it stands for.
    pub fn into_command(self) -> Command {
        match self {
            Self::Build(args) => Command::Build(args),
            Self::Ls(args) => Command::Images(args),
            Self::Rm(args) => Command::Rmi(args),
            Self::Pull(args) => Command::Pull(args),
            Self::Tag(args) => Command::Tag(args),
            Self::Inspect(args) => Command::Inspect(args),
            Self::History(args) => Command::History(args),
            Self::Load(args) => Command::Load(args),
            Self::Save(args) => Command::Save(args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Kiln::command().debug_assert();
    }

    #[test]
    fn what_follows_the_image_belongs_to_the_container() {
        let kiln = Kiln::try_parse_from(["kiln", "run", "--rm", "-it", "app", "ls", "-l", "--color"]).expect("valid");
        let Command::Run(run) = kiln.command else { panic!("not run") };
        assert!(run.rm && run.interactive && run.tty);
        assert_eq!((run.image.as_str(), run.command), ("app", ["ls", "-l", "--color"].map(str::to_owned).to_vec()));
    }
}

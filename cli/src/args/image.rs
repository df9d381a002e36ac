//! The commands about images as typed. Knows no store.

use std::path::PathBuf;

use super::build::Progress;

#[derive(Debug, clap::Args)]
pub struct PullArgs {
    /// Print the image's name and nothing else
    #[arg(short = 'q', long)]
    pub quiet: bool,

    /// Fetch for this platform [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,

    /// How to show what happens
    #[arg(long, value_enum, value_name = "HOW")]
    pub progress: Option<Progress>,

    /// What to fetch: `name[:tag]` or `name@digest`
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct ImagesArgs {
    /// Print ids alone
    #[arg(short = 'q', long)]
    pub quiet: bool,

    /// Print ids in full
    #[arg(long)]
    pub no_trunc: bool,

    /// Docker's; images without a name are always listed
    #[arg(short = 'a', long, hide = true)]
    pub all: bool,

    /// `table`, `json`, or a template such as `{{.Repository}}:{{.Tag}}`
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub format: String,

    /// Only images of this name
    #[arg(value_name = "NAME[:TAG]")]
    pub name: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct RmiArgs {
    /// Remove an image by its id although it has several names, and mind no name that does not exist
    #[arg(short = 'f', long)]
    pub force: bool,

    /// Names, or beginnings of ids
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct TagArgs {
    /// A name, or the beginning of an id
    #[arg(value_name = "IMAGE")]
    pub source: String,

    /// The further name
    #[arg(value_name = "NAME[:TAG]")]
    pub target: String,
}

#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// A template such as `{{.Id}}` or `{{json .Config.Env}}`
    #[arg(short = 'f', long, value_name = "FORM")]
    pub format: Option<String>,

    /// Of an image for several platforms, the one for this [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,

    /// Names, or beginnings of ids
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct HistoryArgs {
    /// Print ids alone
    #[arg(short = 'q', long)]
    pub quiet: bool,

    /// Print everything in full
    #[arg(long)]
    pub no_trunc: bool,

    /// `table`, `json`, or a template such as `{{.CreatedBy}}`
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub format: String,

    /// Of an image for several platforms, the one for this [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,

    /// A name, or the beginning of an id
    #[arg(value_name = "IMAGE")]
    pub image: String,
}

#[derive(Debug, clap::Args)]
pub struct LoadArgs {
    /// A tar archive or a directory with an OCI layout [default: a tar on standard input]
    #[arg(short = 'i', long, value_name = "FILE")]
    pub input: Option<PathBuf>,

    /// Print less
    #[arg(short = 'q', long)]
    pub quiet: bool,
}

#[derive(Debug, clap::Args)]
pub struct SaveArgs {
    /// The file to write [default: standard output]
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// The form of the archive
    #[arg(long, value_enum, value_name = "FORM", default_value = "docker")]
    pub format: ArchiveFormat,

    /// Names, or beginnings of ids
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ArchiveFormat {
    /// Read by `docker load`, and an OCI layout as well
    Docker,
    /// An OCI layout
    Oci,
}

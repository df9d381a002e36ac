//! `kiln run` as typed. Knows no image.

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit status: the container's own; 125 when Kiln fails, 126 when the command cannot be run, 127 when it is \
                        not found.\n\nExamples:\n  kiln run --rm app\n  kiln run --rm -it -v $PWD:/src:ro -w /src app sh"
)]
pub struct RunArgs {
    /// Remove the container when it ends (it is in any case)
    #[arg(long)]
    pub rm: bool,

    /// Keep standard input open
    #[arg(short = 'i', long)]
    pub interactive: bool,

    /// Give it a terminal
    #[arg(short = 't', long)]
    pub tty: bool,

    /// Set an environment variable; without a value it is taken from the environment
    #[arg(short = 'e', long = "env", value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,

    /// The working directory
    #[arg(short = 'w', long, value_name = "DIR")]
    pub workdir: Option<String>,

    /// The user, by name or number
    #[arg(short = 'u', long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,

    /// Show a directory or file of this machine in the container
    #[arg(short = 'v', long = "volume", value_name = "HOST:CTR[:ro]")]
    pub volumes: Vec<String>,

    /// Run this instead of the image's ENTRYPOINT
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,

    /// The network
    #[arg(long, value_enum, value_name = "MODE", default_value = "host")]
    pub network: RunNetwork,

    /// The container's host name
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,

    /// Of an image for several platforms, the one for this [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,

    /// Nothing of the root filesystem can be changed
    #[arg(long)]
    pub read_only: bool,

    /// An image's name, or the beginning of its id
    #[arg(value_name = "IMAGE")]
    pub image: String,

    /// What to run instead of the image's CMD
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RunNetwork {
    /// The host's
    Host,
    /// None but loopback
    None,
}

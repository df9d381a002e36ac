//! `kiln graph` as typed. Knows no Dockerfile.

use std::path::PathBuf;

use super::build::DefinitionArgs;

#[derive(Debug, clap::Args)]
#[command(
    about = "Draw what a build would do: its steps, what is cached, and how long they took",
    after_help = "Examples:\n  kiln graph .                          stages and steps as text\n  \
                  kiln graph -o build.html .            a page to look at\n  \
                  kiln graph --format dot . | dot -Tpng > build.png"
)]
pub struct GraphArgs {
    #[command(flatten)]
    pub definition: DefinitionArgs,

    /// How to draw it [default: what the name of FILE ends in, else text]
    #[arg(long, value_enum, value_name = "FORM")]
    pub format: Option<Form>,

    /// Where the drawing goes [default: standard output]
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Lines, stage by stage
    Text,
    /// Graphviz
    Dot,
    /// A picture
    Svg,
    /// A page with the picture, which needs nothing else
    Html,
    /// Everything, for programs
    Json,
}

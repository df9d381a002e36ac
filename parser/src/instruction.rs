//! Typed instructions by stage, variables not yet expanded. Does not know what they do.
//!
//! Strings are as written; `source` is the trimmed logical line. What can only be judged after expansion (a mount's
//! options, a signal, a port) is judged by whoever expands; the grammar for it is in `instruction::mount`.

pub mod device;
pub mod flags;
pub mod mount;

pub(crate) mod problems;
pub(crate) mod read;

mod fields;
mod healthcheck;
mod run;
mod size;

use std::time::Duration;

use crate::ast::Pair;
use crate::diagnostic::Span;
use crate::keyword::Keyword;
use crate::text::Text;

pub use device::Device;
pub use mount::{Mount, MountKind, Sharing};

/// A `FROM` and everything up to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Image or stage, as written.
    pub base: Text,
    /// `AS name`, in lower case.
    pub name: Option<Text>,
    /// `--platform`, as written.
    pub platform: Option<Text>,
    /// From a comment right above that begins with the stage's name.
    pub doc: Option<Text>,
    pub head: Head,
    pub commands: Vec<Command>,
}

/// What every instruction has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The instruction's name as written.
    pub keyword: Text,
    /// The logical line, trimmed.
    pub source: Text,
    /// Heredocs included.
    pub span: Span,
    /// Its node: `tree.nodes[node]`, where comments and flags are.
    pub node: usize,
}

/// One instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command<I = Instruction> {
    pub head: Head,
    pub instruction: I,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    Add(AddFiles),
    Arg(Arg),
    Cmd(CommandLine),
    Copy(CopyFiles),
    Entrypoint(CommandLine),
    Env(Vec<Pair>),
    Expose(Expose),
    Healthcheck(Healthcheck),
    Label(Vec<Pair>),
    Maintainer(Text),
    Onbuild(Onbuild),
    Run(Run),
    Shell(Vec<Text>),
    StopSignal(Text),
    User(Text),
    Volume(Vec<Text>),
    Workdir(Text),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddFiles {
    pub files: SourcesAndDest,
    pub chown: Option<Text>,
    pub chmod: Option<Text>,
    pub link: Link,
    pub exclude: Vec<Text>,
    pub keep_git_dir: Option<bool>,
    pub checksum: Option<Text>,
    pub unpack: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFiles {
    pub files: SourcesAndDest,
    pub from: Option<Text>,
    pub chown: Option<Text>,
    pub chmod: Option<Text>,
    pub link: Link,
    pub exclude: Vec<Text>,
    pub parents: bool,
}

/// `--link`
#[derive(Debug, Clone, PartialEq, Eq, Copy, Default)]
pub enum Link {
    #[default]
    Unlinked,
    Linked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcesAndDest {
    pub sources: Vec<Text>,
    /// Sources that are heredocs.
    pub inline: Vec<InlineSource>,
    pub dest: Text,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineSource {
    pub path: Text,
    /// Leading tabs already removed for `<<-`.
    pub data: Text,
    pub expand: bool,
}

/// `ARG name[=value] …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    pub args: Vec<ArgDefinition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgDefinition {
    pub key: Text,
    pub value: Option<Text>,
    /// From a comment right above that begins with the name.
    pub doc: Option<Text>,
}

/// What is run: by the shell, or as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    pub args: Vec<Text>,
    pub form: Form,
    /// Heredocs (`RUN` only).
    pub files: Vec<InlineFile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One string for the stage's `SHELL`.
    Shell,
    /// A JSON array.
    Exec,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineFile {
    pub name: Text,
    pub data: Text,
    pub chomp: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expose {
    /// Sorted, as written.
    pub ports: Vec<Text>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    None,
    Check(Check),
}

/// Zero means: not given, inherit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// `CMD` or `CMD-SHELL`, then the words.
    pub test: Vec<Text>,
    pub interval: Duration,
    pub timeout: Duration,
    pub start_period: Duration,
    pub start_interval: Duration,
    pub retries: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onbuild {
    /// The text after `ONBUILD`, heredocs included, to be parsed again where it fires.
    pub expression: Text,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub command: CommandLine,
    /// Names of the flags given, sorted.
    pub flags_used: Vec<&'static str>,
    /// The values of `--mount`, as written: `mount::parse` reads them after expansion.
    pub mounts: Vec<Text>,
    pub network: Network,
    pub security: Security,
    pub devices: Vec<Device>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    #[default]
    Default,
    None,
    Host,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    #[default]
    Sandbox,
    Insecure,
}

impl Network {
    pub const ALL: [Network; 3] = [Network::Default, Network::None, Network::Host];

    pub fn as_str(self) -> &'static str {
        match self {
            Network::Default => "default",
            Network::None => "none",
            Network::Host => "host",
        }
    }
}

impl Security {
    pub const ALL: [Security; 2] = [Security::Sandbox, Security::Insecure];

    pub fn as_str(self) -> &'static str {
        match self {
            Security::Sandbox => "sandbox",
            Security::Insecure => "insecure",
        }
    }
}

impl Instruction {
    pub fn keyword(&self) -> Keyword {
        match self {
            Instruction::Add(_) => Keyword::Add,
            Instruction::Arg(_) => Keyword::Arg,
            Instruction::Cmd(_) => Keyword::Cmd,
            Instruction::Copy(_) => Keyword::Copy,
            Instruction::Entrypoint(_) => Keyword::Entrypoint,
            Instruction::Env(_) => Keyword::Env,
            Instruction::Expose(_) => Keyword::Expose,
            Instruction::Healthcheck(_) => Keyword::Healthcheck,
            Instruction::Label(_) => Keyword::Label,
            Instruction::Maintainer(_) => Keyword::Maintainer,
            Instruction::Onbuild(_) => Keyword::Onbuild,
            Instruction::Run(_) => Keyword::Run,
            Instruction::Shell(_) => Keyword::Shell,
            Instruction::StopSignal(_) => Keyword::StopSignal,
            Instruction::User(_) => Keyword::User,
            Instruction::Volume(_) => Keyword::Volume,
            Instruction::Workdir(_) => Keyword::Workdir,
        }
    }
}

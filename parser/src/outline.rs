//! What a Dockerfile offers to whoever builds it: its targets, and what one of them can be given. Knows no command line
//! and no printed form.
//!
//! [`Targets`] are read off the stages. An [`Outline`] is a by-product of lowering, for only then is it known which
//! stages a target leads to and what the values are: [`crate::lower::Lowered::outline`].

use crate::{Dockerfile, Span, Text};

/// The stages of a file, as things to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets(pub Vec<Target>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub name: Option<Text>,
    pub description: Option<Text>,
    /// Image or stage, as written.
    pub base: Text,
    /// As written.
    pub platform: Option<Text>,
    /// Built when none is asked for.
    pub is_default: bool,
    pub span: Span,
}

/// What the build of one target can be given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    pub name: Option<Text>,
    pub description: Option<Text>,
    /// This and the following in the order of their lines.
    pub args: Vec<Argument>,
    pub secrets: Vec<Access>,
    pub ssh: Vec<Access>,
    pub caches: Vec<Access>,
}

/// A build argument that makes a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    pub name: Text,
    /// What it comes to in this build.
    pub value: Option<String>,
    pub description: Option<Text>,
    pub span: Span,
}

/// A secret, an SSH agent or a cache, by the name it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub name: String,
    /// There is no building without it.
    pub required: bool,
    pub span: Span,
}

impl Targets {
    pub fn of(dockerfile: &Dockerfile) -> Self {
        let last = dockerfile.stages.len().saturating_sub(1);
        let target = |(at, stage): (usize, &crate::Stage)| Target {
            name: stage.name.clone(),
            description: stage.doc.clone(),
            base: stage.base.clone(),
            platform: stage.platform.clone(),
            is_default: at == last,
            span: stage.head.span,
        };
        Self(dockerfile.stages.iter().enumerate().map(target).collect())
    }
}

#[cfg(test)]
mod tests;

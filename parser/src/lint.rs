//! What is wrong with a Dockerfile, and what is to be thought about: BuildKit's linter, rule by rule, and all mistakes at
//! once. Asks for images through the port of `lower`, and makes nothing.
//!
//! A rule is broken where the text shows it (`file`), or where lowering comes by it: there the variables are known. So
//! checking is lowering, of every stage unless a target is asked for, and what lowering makes is thrown away. A build
//! gets its warnings from the one lowering that it does.

mod checks;
mod file;
mod findings;
mod own;
mod rule;
pub(crate) mod words;

use crate::lower::{self, Images, Request};
use crate::{Diagnostic, Dockerfile};

pub use checks::{BUILD_ARG, Checks, ChecksError};
pub(crate) use file::check as check_file;
pub(crate) use findings::{At, Findings, Phase};
pub use rule::{Origin, Rule, Rules, When};

/// What checking found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Linted {
    /// What BuildKit warns of until it is done, or stops at the first error; in its order. The code is the rule's name.
    pub warnings: Vec<Diagnostic>,
    /// All mistakes. The first is the one that BuildKit stops at.
    pub errors: Vec<Diagnostic>,
    /// What is to be said of the rest of the file, where there are errors: for editors, which go on.
    pub later: Vec<Diagnostic>,
}

/// Checks a Dockerfile: all its stages, or those that the target needs if the request names one.
pub fn check(dockerfile: &Dockerfile, request: &Request, images: &dyn Images) -> Linted {
    lower::look(dockerfile, request, images)
}

//! How a failure is told: the one place where a kind of problem becomes a heading and an exit code. Knows nothing of how
//! problems come about.
//!
//! | kind | heading | exit code |
//! |---|---|---|
//! | usage | `ERROR:` | 2 |
//! | build | `ERROR: failed to build:` | 1 |
//! | image, store | `Error:` | 1 |
//! | container | `kiln:` | 125, 126 or 127 |
//! | cancelled | `ERROR:` | 130 |

use std::error::Error;
use std::fmt::Write as _;

use parser::nearest::nearest;
use solver::port::Failure;

/// Why a command came to nothing, ready to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub kind: Kind,
    /// What is shown before the message: the place in a file, the last output of a step.
    pub details: String,
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was typed means nothing.
    Usage,
    Build,
    Image,
    /// Something of the store is lost or damaged. What was made here can be made again.
    Gone,
    /// A container that did not start, with Docker's code for why.
    Container(u8),
    /// Somebody asked for the end.
    Canceled,
}

impl Kind {
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Build | Self::Image | Self::Gone => 1,
            Self::Container(code) => code,
            Self::Canceled => 130,
        }
    }

    fn heading(self) -> &'static str {
        match self {
            Self::Usage | Self::Canceled => "ERROR: ",
            Self::Build => "ERROR: failed to build: ",
            Self::Image | Self::Gone => "Error: ",
            Self::Container(_) => "kiln: ",
        }
    }
}

impl Problem {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, details: String::new(), message: message.into(), hint: None }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub fn build(message: impl Into<String>) -> Self {
        Self::new(Kind::Build, message)
    }

    pub fn image(message: impl Into<String>) -> Self {
        Self::new(Kind::Image, message)
    }

    pub fn canceled() -> Self {
        Self::new(Kind::Canceled, "failed to build: canceled")
    }

    /// `kind`, told by an error and what caused it.
    pub fn of(kind: Kind, error: &(dyn Error + 'static)) -> Self {
        let (message, hint) = chain(error);
        Self { hint, ..Self::new(kind, message) }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// The same, of another kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The same, unless somebody asked for the end.
    #[must_use]
    pub fn kind_unless_canceled(self, kind: Kind) -> Self {
        if self.kind == Kind::Canceled { self } else { self.kind(kind) }
    }

    /// What standard error gets.
    pub fn text(&self) -> String {
        let mut text = self.details.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let _ = writeln!(text, "{}{}", self.kind.heading(), self.message);
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "hint: {hint}");
        }
        text
    }
}

/// The message alone, as a progress view shows it.
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// A failure of the machine, where there is nothing better to say than what it was about: `open F: no such file …`.
pub fn io(kind: Kind, what: &str, path: &std::path::Path, error: &std::io::Error) -> Problem {
    Problem::new(kind, format!("{what} {}: {}", path.display(), reason(error)))
}

/// Docker's words for why the machine refused: `no such file or directory`.
pub fn reason(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or(&text);
            let mut chars = text.chars();
            chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
        }
        None => error.to_string(),
    }
}

/// An error and its causes in one line, without those whose text the line before has already; and the last hint of all.
/// (Our errors have theirs on a line of its own.)
pub fn chain(error: &(dyn Error + 'static)) -> (String, Option<String>) {
    let (mut text, mut hint) = (String::new(), None);
    let mut next = Some(error);
    while let Some(error) = next {
        let said = error.to_string();
        let (said, way_out) = match said.split_once("\nhint: ") {
            Some((said, way_out)) => (said.to_owned(), Some(way_out.to_owned())),
            None => (said, None),
        };
        hint = way_out.or(hint);
        if text.is_empty() {
            text = said;
        } else if !text.contains(&said) {
            let _ = write!(text, ": {said}");
        }
        next = error.source();
    }
    (text, hint)
}

/// `did you mean …?`, if there is something to mean.
pub fn did_you_mean<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(wrong, candidates).map(|right| format!("did you mean `{right}`?"))
}

impl From<cache::Error> for Problem {
    fn from(error: cache::Error) -> Self {
        let is_gone = matches!(error, cache::Error::Damaged { .. } | cache::Error::Missing { .. });
        Self::of(if is_gone { Kind::Gone } else { Kind::Image }, &error)
    }
}

/// What a port reports has its whole message, and its hint apart.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let problem = Self::of(Kind::Build, &failure);
        match failure {
            Failure::Canceled => Self::canceled(),
            Failure::Gone { .. } => problem.kind(Kind::Gone),
            Failure::Other { hint, .. } => problem.hint_if(hint),
            Failure::Exit { .. } => problem,
        }
    }
}

/// The errors of the library crates, for `?`. A command that can say more makes its own [`Problem`].
macro_rules! told_by {
    ($($error:ty => $kind:expr),* $(,)?) => {
        $(impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Self::of($kind, &error)
            }
        })*
    };
}

told_by! {
    oci::reference::ReferenceError => Kind::Usage,
    oci::registry::RegistryError => Kind::Image,
    oci::archive::ArchiveError => Kind::Image,
    oci::pack::PackError => Kind::Build,
    runner::source::LayerError => Kind::Image,
    runner::context::ContextError => Kind::Build,
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn each_kind_has_its_heading_and_code() {
        let problem = Problem::build("failed to solve: no").details("Dockerfile:1").hint("try yes");
        expect![[r#"
            Dockerfile:1
            ERROR: failed to build: failed to solve: no
            hint: try yes
        "#]]
        .assert_eq(&problem.text());
        let codes = [Kind::Usage, Kind::Build, Kind::Image, Kind::Container(127), Kind::Canceled].map(Kind::exit_code);
        assert_eq!(codes, [2, 1, 1, 127, 130]);
    }

    #[test]
    fn the_machine_is_quoted_in_dockers_words() {
        let error = std::io::Error::from_raw_os_error(2);
        assert_eq!(reason(&error), "no such file or directory");
    }
}

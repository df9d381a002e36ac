//! The flags of one instruction, checked against those it has. Does not know what they do.

use crate::ast::Node;
use crate::instruction::problems::Problems;
use crate::instruction::{healthcheck, read, run};
use crate::keyword::Keyword;
use crate::nearest::nearest;
use crate::text::Text;

/// A flag that an instruction has.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    pub name: &'static str,
    pub takes: Takes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing, `true` or `false`.
    Switch,
    /// One value.
    Value,
    /// A value, and may be given again.
    Values,
}

/// The flags that an instruction has.
pub fn of(keyword: Keyword) -> &'static [Flag] {
    match keyword {
        Keyword::Add => &read::ADD_FLAGS,
        Keyword::Copy => &read::COPY_FLAGS,
        Keyword::From => &read::FROM_FLAGS,
        Keyword::Healthcheck => &healthcheck::FLAGS,
        Keyword::Run => &run::FLAGS,
        Keyword::Arg
        | Keyword::Cmd
        | Keyword::Entrypoint
        | Keyword::Env
        | Keyword::Expose
        | Keyword::Label
        | Keyword::Maintainer
        | Keyword::Onbuild
        | Keyword::Shell
        | Keyword::StopSignal
        | Keyword::User
        | Keyword::Volume
        | Keyword::Workdir => &[],
    }
}

/// The flags that were given.
#[derive(Debug, Default)]
pub(crate) struct Given(Vec<(&'static str, Value)>);

#[derive(Debug)]
enum Value {
    Switch(bool),
    Text(Text),
}

/// Reads the node's flags. Every mistake is reported.
pub(crate) fn read(node: &Node, known: &[Flag], problems: &mut Problems) -> Given {
    let mut given = Given::default();
    for word in &node.flags {
        if problems.full() {
            break;
        }
        if let Some((name, value)) = read_one(word, known, &given, problems) {
            given.0.push((name, value));
        }
    }
    given
}

fn read_one(word: &Text, known: &[Flag], given: &Given, problems: &mut Problems) -> Option<(&'static str, Value)> {
    let (dashed, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word.as_str(), None),
    };
    let name = dashed.strip_prefix("--").unwrap_or(dashed);
    let Some(flag) = known.iter().find(|flag| flag.name == name) else {
        unknown(dashed, name, known, problems);
        return None;
    };
    if flag.takes != Takes::Values && given.has(flag.name) {
        problems.at(dashed, "DuplicateFlag", format!("`{dashed}` is given twice")).hint("remove one of the two");
        return None;
    }
    let value = match (flag.takes, value) {
        (Takes::Switch, None) => Value::Switch(true),
        (Takes::Switch, Some(value)) if value.eq_ignore_ascii_case("true") => Value::Switch(true),
        (Takes::Switch, Some(value)) if value.eq_ignore_ascii_case("false") => Value::Switch(false),
        (Takes::Switch, Some(value)) => {
            let message = format!("`{dashed}` cannot be `{value}`");
            problems.at(word, "InvalidFlagValue", message).expected("`true`, `false`, or the flag alone");
            return None;
        }
        (Takes::Value | Takes::Values, Some(value)) => Value::Text(word.part(value)),
        (Takes::Value | Takes::Values, None) => {
            let message = format!("`{dashed}` needs a value");
            problems.at(dashed, "NoFlagValue", message).expected(format!("`{dashed}=value`, without blanks"));
            return None;
        }
    };
    Some((flag.name, value))
}

fn unknown(dashed: &str, name: &str, known: &[Flag], problems: &mut Problems) {
    let subject = problems.keyword().to_ascii_uppercase();
    let mut problem = problems.at(dashed, "UnknownFlag", format!("`{subject}` has no flag `{dashed}`"));
    if known.is_empty() {
        problem.expected("no flags; a word that begins with `--` can follow a lone `--`");
        return;
    }
    let names: Vec<_> = known.iter().map(|flag| format!("`--{}`", flag.name)).collect();
    problem.expected(names.join(", "));
    if let Some(meant) = nearest(name, known.iter().map(|flag| flag.name)) {
        problem.hint(format!("did you mean `--{meant}`?"));
    }
}

impl Given {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| *given == name)
    }

    /// Of a flag that takes a value.
    pub fn text(&self, name: &str) -> Option<Text> {
        self.texts(name).pop()
    }

    /// Of a flag that may be given several times.
    pub fn texts(&self, name: &str) -> Vec<Text> {
        let of = |(given, value): &(&str, Value)| match value {
            Value::Text(text) if *given == name => Some(text.clone()),
            Value::Text(_) | Value::Switch(_) => None,
        };
        self.0.iter().filter_map(of).collect()
    }

    pub fn switch(&self, name: &str) -> Option<bool> {
        self.0.iter().find_map(|(given, value)| match value {
            Value::Switch(on) if *given == name => Some(*on),
            Value::Text(_) | Value::Switch(_) => None,
        })
    }

    /// Names of all that were given, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.0.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

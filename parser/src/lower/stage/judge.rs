//! What is to be said of the instructions of a stage: rules that are broken where the variables are known, and whether a
//! mistake is one. Decides nothing about the graph.

use std::collections::BTreeSet;

use super::{Builder, Current};
use crate::ignore::Ignore;
use crate::instruction::Instruction;
use crate::lint::words::{meant, names_secret};
use crate::lint::{At, Phase, Rule};
use crate::lower::config::NOT_IN_ENV;
use crate::lower::plan::PlannedCommand;
use crate::lower::ports::Port;
use crate::path;
use crate::quote::quoted;
use crate::{Diagnostic, Span};

/// The instruction that is being lowered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Subject {
    span: Span,
    /// None for a trigger: it has no comments.
    node: Option<usize>,
    /// A variable was asked for that may be set all the same.
    unsure: bool,
}

impl<'p> Builder<'p> {
    /// What is found from now on is found in `command`.
    pub(super) fn turn_to(&mut self, current: &mut Current<'p>, command: &PlannedCommand<'_>) {
        let head = &command.command.head;
        let node = (!command.trigger).then_some(head.node);
        self.subject = Subject { span: head.span, node, unsure: false };
        if self.plan.job().gaps.change(current.planned.stage.head.span, head.span) {
            current.state.whole = false;
        }
    }

    /// A mistake in the instruction; where it may come from a variable that is not known, it is none.
    pub(super) fn mistake(&mut self, current: &mut Current<'p>, instruction: &Instruction, error: Diagnostic) {
        if !self.subject.unsure {
            self.findings.error(Phase::Stages, error);
        }
        let sets = matches!(
            instruction,
            Instruction::Arg(_) | Instruction::Env(_) | Instruction::Shell(_) | Instruction::Workdir(_)
        );
        current.state.whole &= !sets;
    }

    fn warn(&mut self, rule: Rule, word: &str, detail: impl FnOnce() -> String) {
        let at = At { span: self.subject.span, node: self.subject.node, word };
        self.findings.warn(Phase::Stages, rule, at, detail);
    }

    /// Variables that an expansion asked for and that are not set.
    pub(in crate::lower) fn unset(&mut self, current: &Current<'_>, names: BTreeSet<String>) {
        self.doubt(current, &names);
        let declared = |name: &String| current.state.declares(name) || NOT_IN_ENV.contains(&name.as_str());
        for name in names.iter().filter(|name| current.state.whole && !declared(name)) {
            self.undefined(current, name);
        }
    }

    /// The same where BuildKit does not warn of it. What is not set may be all the same, where not all is known.
    pub(in crate::lower) fn doubt(&mut self, current: &Current<'_>, names: &BTreeSet<String>) {
        self.subject.unsure |= !current.state.whole && !names.is_empty();
    }

    fn undefined(&mut self, current: &Current<'_>, name: &str) {
        let env = &current.state.env;
        let suggest = self.findings.may_compare(env.size());
        self.warn(Rule::UndefinedVar, &format!("${name}"), || {
            let detail = format!("Usage of undefined variable '${name}'");
            match suggest.then(|| meant(name, env.names())).flatten() {
                Some(meant) => format!("{detail} (did you mean ${meant}?)"),
                None => detail,
            }
        });
    }

    /// The name of a variable that `ARG` or `ENV` sets.
    pub(in crate::lower) fn check_name(&mut self, keyword: &str, name: &str) {
        if names_secret(name) {
            self.warn(Rule::SecretsUsedInArgOrEnv, name, || {
                format!("Do not use ARG or ENV instructions for sensitive data ({keyword} {})", quoted(name))
            });
        }
    }

    /// A pair of `ENV` or `LABEL` without a `=`.
    pub(in crate::lower) fn check_legacy(&mut self, keyword: &str) {
        self.warn(Rule::LegacyKeyValueFormat, keyword, || {
            format!("\"{keyword} key=value\" should be used instead of legacy \"{keyword} key value\" format")
        });
    }

    /// An instruction that only counts once: the one before is told of, which counts no more.
    pub(in crate::lower) fn check_once(&mut self, before: Option<Span>, keyword: &str) {
        let Some(span) = before else { return };
        let at = At { span, node: self.subject.node, word: keyword };
        self.findings.warn(Phase::Stages, Rule::MultipleInstructionsDisallowed, at, || {
            format!(
                "Multiple {keyword} instructions should not be used in the same stage because only the last one will be used"
            )
        });
    }

    /// A command line for a shell that the file did not choose.
    pub(in crate::lower) fn check_shell(&mut self, current: &Current<'_>, keyword: &str) {
        let chosen = current.state.image.config.shell.as_ref().is_some_and(|shell| !shell.is_empty());
        if !chosen && current.state.whole {
            self.warn(Rule::JSONArgsRecommended, keyword, || {
                format!("JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals")
            });
        }
    }

    /// The first `WORKDIR` of a stage and those below it.
    pub(in crate::lower) fn check_workdir(&mut self, current: &Current<'_>, dir: &str) {
        let absolute =
            if current.state.platform.os == "windows" { is_absolute_there(dir) } else { dir.starts_with('/') };
        if !current.state.workdir_set && !absolute && current.state.whole {
            self.warn(Rule::WorkdirRelativePath, dir, || {
                format!("Relative workdir {} can have unexpected results if the base image changes", quoted(dir))
            });
        }
    }

    pub(in crate::lower) fn check_port(&mut self, port: &Port<'_>) {
        let text = port.text;
        if !port.is_lower() {
            self.warn(Rule::ExposeProtoCasing, text, || {
                format!("Defined protocol '{text}' in EXPOSE instruction should be lowercase")
            });
        }
        if port.is_mapped() {
            self.warn(Rule::ExposeInvalidFormat, text, || {
                format!("EXPOSE instruction should not define an IP address or host-port mapping, found '{text}'")
            });
        }
    }

    /// A path of the main context.
    pub(in crate::lower) fn check_ignored(&mut self, verb: &str, source: &str) {
        let Some(ignored) = &self.request.ignored else { return };
        let cleaned = path::clean(source);
        if is_left_out(ignored, &cleaned) {
            self.warn(Rule::CopyIgnoredFile, source, || {
                format!("Attempting to {verb} file {} that is excluded by .dockerignore", quoted(&cleaned))
            });
        }
    }
}

/// With exceptions, what is in a directory may be there all the same; and so may something be in the root.
fn is_left_out(ignored: &Ignore, path: &str) -> bool {
    let everything = |rule: &crate::ignore::Rule| ["*", "**", "**/*"].contains(&rule.pattern.as_str());
    if ignored.rules().iter().any(|rule| rule.exception)
        || (matches!(path, "." | "/") && !ignored.rules().iter().any(everything))
    {
        return false;
    }
    ignored.excludes(path.as_bytes())
}

/// Whether a path of Windows begins at the root of the system's drive.
fn is_absolute_there(path: &str) -> bool {
    let rest = match path.as_bytes() {
        [b'c' | b'C', b':', ..] => &path[2..],
        _ => path,
    };
    rest.starts_with(['/', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out() {
        let out = |ignored: &str, path: &str| is_left_out(&Ignore::parse(ignored).expect("patterns"), path);
        assert!(out("Dockerfile", "Dockerfile") && out("dir", "dir/file") && !out("dir", "other"));
        assert!(!out("*\n!Dockerfile", "other"));
        assert!(out("*", ".") && out("**", "/") && !out("a\nb", "."));
    }

    #[test]
    fn absolute_on_windows() {
        assert!(is_absolute_there("C:\\a") && is_absolute_there("/a") && is_absolute_there("\\a"));
        assert!(
            !is_absolute_there("a")
                && !is_absolute_there("C:a")
                && !is_absolute_there("D:\\a")
                && !is_absolute_there("")
        );
    }
}

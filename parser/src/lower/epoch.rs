//! `SOURCE_DATE_EPOCH`: seconds, or what has a time of its own. Fetches nothing: times come in through the port.
//!
//! `context` is the main context, another name is a named context or a stage. Such a stage stands for a source alone: it
//! is `FROM scratch` with one `ADD` of a URL or of a repository, and `ARG`s for its address. What has no time, as a
//! directory of this machine, leaves the epoch unset.

use graph::SourceOp;

use super::args::{EPOCH, Settled, expanded};
use super::named::NamedContext;
use super::remote::{self, Remote};
use super::{Images, Request, Step, refuse};
use crate::expand::Variables;
use crate::instruction::{AddFiles, Instruction, Stage};
use crate::lower::env::Env;
use crate::{Diagnostic, Dockerfile, Span};

/// What can be named as the source of the time.
pub(super) struct Sources<'a> {
    pub dockerfile: &'a Dockerfile,
    pub request: &'a Request,
    pub settled: &'a Settled,
    pub images: &'a dyn Images,
}

impl Sources<'_> {
    pub fn resolve(&self, value: &str, span: Span) -> Step<Option<i64>> {
        if value.is_empty() {
            return Ok(None);
        }
        if let Ok(seconds) = value.parse() {
            return Ok(Some(seconds));
        }
        if value == "context" {
            return match &self.request.context_source {
                Some(source) => self.time(source, span),
                None => Ok(None),
            };
        }
        if let Some(context) = self.request.contexts.get(value) {
            return self.of_context(context, span);
        }
        let named = |stage: &&Stage| stage.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(value));
        match self.dockerfile.stages.iter().find(named) {
            Some(stage) => {
                let source = self.source_of(stage).map_err(|error| at_head(stage, *error))?;
                self.time(&source, stage.head.span)
            }
            None => {
                let message = format!("`{value}` is no `{EPOCH}`: expected seconds since 1970");
                let error = Diagnostic::error("InvalidEpoch", span, message).with_hint(
                    "or `context`, or the name of a context or of a stage that takes its time from a source",
                );
                Err(Box::new(error))
            }
        }
    }

    fn of_context(&self, context: &NamedContext, span: Span) -> Step<Option<i64>> {
        match context {
            NamedContext::Git(git) => self.time(&SourceOp::Git(Box::new(git.source())), span),
            NamedContext::Http(url) => self.time(&remote::http(url, "context", None), span),
            NamedContext::Scratch
            | NamedContext::Image(_)
            | NamedContext::OciLayout(_)
            | NamedContext::Local(_)
            | NamedContext::Target(_) => Ok(None),
        }
    }

    fn time(&self, source: &SourceOp, span: Span) -> Step<Option<i64>> {
        self.images.source_time(source).map_err(|error| {
            let diagnostic = Diagnostic::error("SourceUnavailable", span, error.message);
            Box::new(match error.hint {
                Some(hint) => diagnostic.with_hint(hint),
                None => diagnostic,
            })
        })
    }

    /// What a stage that is there for its time alone adds.
    fn source_of(&self, stage: &Stage) -> Step<SourceOp> {
        let mut env = self.settled.globals.clone();
        env.unset(EPOCH);
        let wrong = |span, problem: &str| refuse("InvalidEpochStage", span, format!("a stage for `{EPOCH}` {problem}"));
        let base = expanded(self.settled.lexer.word(&stage.base, &env), stage.head.span)?;
        if base != "scratch" {
            return wrong(stage.head.span, "must be `FROM scratch`");
        }
        let mut source = None;
        for command in &stage.commands {
            let span = command.head.span;
            match &command.instruction {
                Instruction::Arg(arg) => self.declare(&mut env, arg, span)?,
                Instruction::Add(_) if source.is_some() => return wrong(span, "must have one `ADD` alone"),
                Instruction::Add(add) => source = Some(self.added(add, &env, span)?),
                other => {
                    let keyword = other.keyword().as_str().to_ascii_uppercase();
                    return wrong(span, &format!("can hold `ARG` and one `ADD` alone, and no `{keyword}`"));
                }
            }
        }
        source.map_or_else(|| wrong(stage.head.span, "needs an `ADD` of a URL or a Git repository"), Ok)
    }

    fn declare(&self, env: &mut Env, arg: &crate::instruction::Arg, span: Span) -> Step<()> {
        for arg in &arg.args {
            match (self.settled.build_args.get(&*arg.key), &arg.value) {
                (Some(given), _) => env.set(&arg.key, given),
                (None, Some(default)) => {
                    let value = expanded(self.settled.lexer.word(default, env), span)?;
                    env.set(&arg.key, &value);
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn added(&self, add: &AddFiles, env: &Env, span: Span) -> Step<SourceOp> {
        let word = |text: &str| expanded(self.settled.lexer.word(text, env as &dyn Variables), span);
        let ([source], []) = (add.files.sources.as_slice(), add.files.inline.as_slice()) else {
            return refuse("InvalidEpochStage", span, format!("a stage for `{EPOCH}` must add one source alone"));
        };
        let checksum = add.checksum.as_deref().map(word).transpose()?.unwrap_or_default();
        match remote::recognise(&word(source)?, span)? {
            Some(Remote::Http(url)) => {
                let checksum = remote::checksum(&checksum, span)?;
                Ok(remote::http(&url, &remote::file_name(&url), checksum))
            }
            Some(Remote::Git(git)) => {
                let mut source = git.source();
                source.keep_git_dir |= add.keep_git_dir.unwrap_or(false);
                if !checksum.is_empty() {
                    source.checksum = Some(checksum);
                }
                Ok(SourceOp::Git(Box::new(source)))
            }
            None => refuse(
                "InvalidEpochStage",
                span,
                format!("a stage for `{EPOCH}` adds a URL or a Git repository, and `{source}` is neither"),
            ),
        }
    }
}

/// A stage that does not do is wrong as a whole, as in BuildKit; the instruction that is in the way is pointed at.
fn at_head(stage: &Stage, error: Diagnostic) -> Box<Diagnostic> {
    let culprit = error.focus.unwrap_or(error.span);
    let error = Diagnostic { span: stage.head.span, ..error };
    Box::new(if culprit == stage.head.span { error } else { error.with_label(culprit, "this is in the way") })
}

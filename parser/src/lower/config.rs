//! The instructions that change the image config and the environment alone: no vertex is made here.

use oci::image::{Empty, Healthcheck as ImageHealthcheck};

use super::args::expanded;
use super::ports::Port;
use super::stage::{Builder, Current, Layer, Place, arguments};
use super::{Step, history, refuse, signal};
use crate::ast::{Pair, PairForm};
use crate::expand::{Noting, Variables};
use crate::instruction::{Arg, CommandLine, Form, Healthcheck};
use crate::text::Text;
use crate::{Diagnostic, Span};

/// The argument's value is for the build of attestations, not for processes.
pub(super) const NOT_IN_ENV: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

impl Builder<'_> {
    pub(super) fn arg(&mut self, current: &mut Current<'_>, arg: &Arg, span: Span) -> Step<()> {
        let mut shown = "ARG".to_owned();
        for arg in &arg.args {
            self.check_name("ARG", &arg.key);
            let given = self.settled.build_args.get(&*arg.key).cloned();
            let is_bare = given.is_none() && arg.value.is_none();
            let value = match (given, &arg.value) {
                (Some(given), _) => Some(given),
                (None, Some(default)) => Some(self.expand(current, default, span)?),
                (None, None) => self.settled.globals.get(&arg.key).map(str::to_owned),
            };
            match &value {
                Some(_) if is_bare => self.parameters.inherit(arg),
                value => self.parameters.declare(arg, value.clone(), span),
            }
            shown.push(' ');
            shown.push_str(&arg.key);
            if let Some(value) = &value {
                shown.push('=');
                shown.push_str(value);
                if !NOT_IN_ENV.contains(&&*arg.key) {
                    current.state.env.set(&arg.key, value);
                }
            }
            current.state.declare(&arg.key, value);
        }
        self.commit(current, shown, Layer::Empty, span)
    }

    fn pairs(&mut self, current: &Current<'_>, pairs: &[Pair], span: Span) -> Step<Vec<(String, String)>> {
        pairs
            .iter()
            .map(|pair| Ok((self.expand(current, &pair.key, span)?, self.expand(current, &pair.value, span)?)))
            .collect()
    }

    pub(super) fn env(&mut self, current: &mut Current<'_>, pairs: &[Pair], place: Place<'_>) -> Step<()> {
        let mut shown = "ENV".to_owned();
        for (pair, (name, value)) in pairs.iter().zip(self.pairs(current, pairs, place.span)?) {
            if pair.form == PairForm::Blank {
                self.check_legacy(place.keyword);
            }
            self.check_name("ENV", &name);
            [" ", &name, "=", &value].into_iter().for_each(|part| shown.push_str(part));
            current.state.set(&name, &value);
        }
        self.commit(current, shown, Layer::Empty, place.span)
    }

    pub(super) fn label(&mut self, current: &mut Current<'_>, pairs: &[Pair], place: Place<'_>) -> Step<()> {
        let mut shown = "LABEL".to_owned();
        for (pair, (name, value)) in pairs.iter().zip(self.pairs(current, pairs, place.span)?) {
            if pair.form == PairForm::Blank {
                self.check_legacy(place.keyword);
            }
            [" ", &name, "=", &value].into_iter().for_each(|part| shown.push_str(part));
            current.state.image.config.labels.get_or_insert_default().insert(name, value);
        }
        self.commit(current, shown, Layer::Empty, place.span)
    }

    pub(super) fn expose(&mut self, current: &mut Current<'_>, written: &[Text], span: Span) -> Step<()> {
        let mut all = Vec::new();
        for text in written {
            let noting = Noting::new(&current.state.env);
            let words = self.settled.lexer.words(text, &noting);
            self.doubt(current, &noting.into_missed());
            for word in expanded(words, span)? {
                let wrong = |message: String| Box::new(Diagnostic::error("InvalidPort", span, message));
                let port = Port::parse(&word).map_err(wrong)?;
                self.check_port(&port);
                all.extend(port.list().map_err(wrong)?);
            }
        }
        let shown = format!("EXPOSE {}", history::list(&all));
        if !all.is_empty() {
            let ports = current.state.image.config.exposed_ports.get_or_insert_default();
            ports.extend(all.into_iter().map(|port| (port, Empty {})));
        }
        self.commit(current, shown, Layer::Empty, span)
    }

    pub(super) fn cmd(&mut self, current: &mut Current<'_>, line: &CommandLine, place: Place<'_>) -> Step<()> {
        self.check_once(current.cmd.replace(place.span), place.keyword);
        if line.form == Form::Shell {
            self.check_shell(current, place.keyword);
        }
        let args = arguments(&current.state, line);
        let shown = format!("CMD {}", history::quoted_list(&args));
        current.state.image.config.cmd = Some(args).filter(|args| !args.is_empty());
        current.state.image.config.args_escaped = true;
        self.commit(current, shown, Layer::Empty, place.span)
    }

    /// The command of the base was for another entrypoint: it is forgotten.
    pub(super) fn entrypoint(&mut self, current: &mut Current<'_>, line: &CommandLine, place: Place<'_>) -> Step<()> {
        self.check_once(current.entrypoint.replace(place.span), place.keyword);
        if line.form == Form::Shell {
            self.check_shell(current, place.keyword);
        }
        let args = arguments(&current.state, line);
        let shown = format!("ENTRYPOINT {}", history::quoted_list(&args));
        current.state.image.config.entrypoint = Some(args).filter(|args| !args.is_empty());
        if current.cmd.is_none() {
            current.state.image.config.cmd = None;
        }
        self.commit(current, shown, Layer::Empty, place.span)
    }

    pub(super) fn user(&mut self, current: &mut Current<'_>, written: &str, span: Span) -> Step<()> {
        let user = self.expand(current, written, span)?;
        current.state.image.config.user.clone_from(&user);
        self.commit(current, format!("USER {user}"), Layer::Empty, span)
    }

    pub(super) fn healthcheck(&mut self, current: &mut Current<'_>, check: &Healthcheck, place: Place<'_>) -> Step<()> {
        self.check_once(current.healthcheck.replace(place.span), place.keyword);
        let check = healthcheck(check);
        let shown = describe_healthcheck(&check);
        current.state.image.config.healthcheck = Some(check);
        self.commit(current, shown, Layer::Empty, place.span)
    }

    pub(super) fn stop_signal(&mut self, current: &mut Current<'_>, written: &str, span: Span) -> Step<()> {
        let text = self.expand(current, written, span)?;
        if !signal::is_signal(&text) {
            return refuse(
                "InvalidSignal",
                span,
                format!("`{text}` is no signal: expected a name like `SIGTERM` or a number"),
            );
        }
        current.state.image.config.stop_signal.clone_from(&text);
        self.commit(current, format!("STOPSIGNAL {text}"), Layer::Empty, span)
    }

    pub(super) fn volume(&mut self, current: &mut Current<'_>, written: &[Text], span: Span) -> Step<()> {
        let volumes = self.expand_all(current, written, span)?;
        if volumes.iter().any(String::is_empty) {
            return refuse("EmptyVolume", span, "a `VOLUME` is empty: expected a path");
        }
        let shown = format!("VOLUME {}", history::list(&volumes));
        current
            .state
            .image
            .config
            .volumes
            .get_or_insert_default()
            .extend(volumes.into_iter().map(|path| (path, Empty {})));
        self.commit(current, shown, Layer::Empty, span)
    }
}

fn healthcheck(check: &Healthcheck) -> ImageHealthcheck {
    let nanos = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    match check {
        Healthcheck::None => ImageHealthcheck { test: vec!["NONE".to_owned()], ..ImageHealthcheck::default() },
        Healthcheck::Check(check) => ImageHealthcheck {
            test: check.test.iter().map(ToString::to_string).collect(),
            interval: nanos(check.interval),
            timeout: nanos(check.timeout),
            start_period: nanos(check.start_period),
            start_interval: nanos(check.start_interval),
            retries: i32::try_from(check.retries).unwrap_or(i32::MAX),
        },
    }
}

fn describe_healthcheck(check: &ImageHealthcheck) -> String {
    format!(
        "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
        history::list(&check.test),
        history::duration(check.interval),
        history::duration(check.timeout),
        history::duration(check.start_period),
        history::duration(check.start_interval),
        check.retries
    )
}

//! `RUN`: its command, here-documents, mounts and network. Runs nothing.

use graph::op::{MountKind, Security as OpSecurity, Sharing as OpSharing};
use graph::{ExecOp, Op, Slot, Vertex};

use super::inputs::{Inputs, MAX_INPUTS};
use super::plan::Origin;
use super::stage::{Builder, Current, Layer, Place, with_shell};
use super::{CONTEXT, Step, not_yet, refuse};
use crate::expand::{Lexer, Quotes, Unset, Variables};
use crate::instruction::{Form, InlineFile, Mount, MountKind as Kind, Network, Run, Security, Sharing, mount};
use crate::{Diagnostic, Span, path};

/// Where here-documents with an interpreter of their own are run from.
const SCRIPTS: &str = "/dev/pipes";

/// What a `RUN` runs.
struct Script {
    args: Vec<String>,
    file: Option<graph::op::Mount>,
    /// Stands behind the step's name: the first line of a here-document.
    summary: Option<String>,
}

impl Builder<'_> {
    pub(super) fn run(
        &mut self,
        current: &mut Current<'_>,
        run: &Run,
        sources: &[Option<Origin>],
        place: Place<'_>,
    ) -> Step<()> {
        let span = place.span;
        if run.security == Security::Insecure {
            return not_yet(span, "`RUN --security=insecure`");
        }
        if !run.devices.is_empty() {
            return not_yet(span, "`RUN --device`");
        }
        if run.mounts.len() > MAX_INPUTS {
            return refuse("TooManyMounts", span, format!("an instruction cannot have more than {MAX_INPUTS} mounts"));
        }
        let script = script(run, current, span)?;
        let args = with_shell(&current.state, run.command.form, script.args);
        let mut inputs = Inputs::on(current.state.root);
        let mut mounts: Vec<graph::op::Mount> = script.file.into_iter().collect();
        for (written, source) in run.mounts.iter().zip(sources) {
            mounts.push(self.mount(current, written, source.as_ref(), &mut inputs, span)?);
        }
        // Outer directories first, whatever order they were written in.
        mounts.sort_by(|a, b| a.target.cmp(&b.target));
        let name = self.run_name(current, script.summary, place)?;
        let mut meta = self.meta(current, name, span);
        meta.no_cache = current.planned.no_cache;
        self.charge_process(current, &args, span)?;
        let created_by = created_by(current, &args);
        let op = ExecOp {
            root: current.state.root.map(|_| Slot(0)),
            args,
            env: current.state.env.list(),
            cwd: current.state.workdir().to_owned(),
            user: current.state.image.config.user.clone(),
            hostname: self.request.hostname.clone(),
            network: self.network(run.network),
            security: OpSecurity::Sandbox,
            mounts,
            proxy_env: self.settled.proxy_env.clone(),
        };
        current.state.root = Some(self.graph.add(Vertex { op: Op::Exec(op), meta }, inputs.vertices()));
        self.commit(current, created_by, Layer::Made, span)
    }

    /// What the instruction asks for, or else the build.
    fn network(&self, asked: Network) -> graph::op::Network {
        match asked {
            Network::Default => self.request.network,
            Network::None => graph::op::Network::None,
            Network::Host => graph::op::Network::Host,
        }
    }

    /// Counts what a process's op and its line of history hold, before they are made.
    fn charge_process(&mut self, current: &Current<'_>, args: &[String], span: Span) -> Step<()> {
        let state = &current.state;
        let env = state.env.size_of_list();
        let args: usize = args.iter().map(|arg| arg.len() + size_of::<String>()).sum();
        let build_args = state.build_args.len() * size_of::<String>();
        self.charge(env + args + build_args + state.workdir().len() + state.image.config.user.len(), span)
    }

    fn run_name(&mut self, current: &mut Current<'_>, summary: Option<String>, place: Place<'_>) -> Step<String> {
        let written = match summary {
            Some(summary) => format!("{} ({summary})", place.source),
            None => place.source.to_string(),
        };
        let lexer = Lexer { quotes: Quotes::Kept, unset: Unset::Kept, ..self.settled.lexer };
        let shown = lexer.word(&written, &current.state.env).unwrap_or(written);
        self.step_name(current, &shown, place)
    }

    fn mount(
        &mut self,
        current: &Current<'_>,
        written: &str,
        source: Option<&Origin>,
        inputs: &mut Inputs,
        span: Span,
    ) -> Step<graph::op::Mount> {
        let lexer = self.settled.lexer;
        let mut expand = |text: &str| lexer.word(text, &current.state.env).map_err(|error| error.to_string());
        let mount = mount::parse(written, &mut expand).map_err(|error| {
            let diagnostic = Diagnostic::error("InvalidMount", span, error.message);
            Box::new(match error.hint {
                Some(hint) => diagnostic.with_hint(hint),
                None => diagnostic,
            })
        })?;
        self.charge(mount.id.len() + mount.source.len(), span)?;
        self.parameters.mount(&mount, span);
        match mount.kind {
            Kind::Secret => return not_yet(span, "`RUN --mount=type=secret`"),
            Kind::Ssh => return not_yet(span, "`RUN --mount=type=ssh`"),
            Kind::Bind | Kind::Cache | Kind::Tmpfs => {}
        }
        let target = path::clean(&path::resolve(current.state.workdir(), &mount.target));
        self.charge(target.len(), span)?;
        if target == "/" {
            return refuse(
                "InvalidMountTarget",
                span,
                "a mount cannot stand in the place of the root: expected another `target`",
            );
        }
        let kind = match mount.kind {
            Kind::Tmpfs => MountKind::Tmpfs { size: u64::try_from(mount.size_limit).ok().filter(|size| *size > 0) },
            Kind::Bind | Kind::Cache | Kind::Secret | Kind::Ssh => self.mount_from(&mount, source, inputs, span)?,
        };
        Ok(graph::op::Mount { target, kind, readonly: mount.read_only })
    }

    fn mount_from(&mut self, mount: &Mount, from: Option<&Origin>, inputs: &mut Inputs, span: Span) -> Step<MountKind> {
        let vertex = match from {
            Some(origin) => self.origin(origin, span)?,
            None if mount.kind == Kind::Cache => None,
            None => Some(self.local(CONTEXT)),
        };
        let from = vertex.map(|vertex| inputs.slot(vertex));
        let source = path::rooted(&mount.source);
        if mount.kind == Kind::Bind {
            return Ok(MountKind::Bind { from, source });
        }
        Ok(MountKind::Cache {
            id: if mount.id.is_empty() { path::clean(&mount.target) } else { mount.id.to_string() },
            sharing: match mount.sharing {
                None | Some(Sharing::Shared) => OpSharing::Shared,
                Some(Sharing::Private) => OpSharing::Private,
                Some(Sharing::Locked) => OpSharing::Locked,
            },
            from,
            source,
            mode: mount.mode.unwrap_or(0o755),
            uid: mount.uid.unwrap_or(0),
            gid: mount.gid.unwrap_or(0),
        })
    }
}

/// A here-document alone is the script, or a file that is run; with more around it, it is the shell's.
fn script(run: &Run, current: &Current<'_>, span: Span) -> Step<Script> {
    let line = &run.command;
    let args: Vec<String> = line.args.iter().map(ToString::to_string).collect();
    let Some(first) = line.files.first() else { return Ok(Script { args, file: None, summary: None }) };
    let ([command], Form::Shell) = (args.as_slice(), line.form) else {
        return refuse("InvalidHeredoc", span, "a here-document cannot stand beside a command in JSON form");
    };
    if !is_here_document(command) {
        let mut text = command.clone();
        for file in &line.files {
            text.push('\n');
            text.push_str(&file.data);
            text.push_str(&file.name);
        }
        return Ok(Script { args: vec![text], file: None, summary: None });
    }
    let data = if first.chomp { without_tabs(&first.data) } else { first.data.to_string() };
    let summary = Some(summary(first));
    if !data.starts_with("#!") || current.state.image.os == "windows" {
        return Ok(Script { args: vec![data], file: None, summary });
    }
    let target = format!("{SCRIPTS}/{}", first.name);
    let kind = MountKind::File { contents: data.into_bytes(), mode: 0o755 };
    let file = graph::op::Mount { target: target.clone(), kind, readonly: true };
    Ok(Script { args: vec![target], file: Some(file), summary })
}

/// Whether a command is nothing but `<<NAME`, with or without a descriptor before it.
fn is_here_document(command: &str) -> bool {
    let Some(rest) = command.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<") else { return false };
    let name = rest.strip_prefix('-').unwrap_or(rest);
    let lexer = Lexer { quotes: Quotes::Kept, ..Lexer::new('\\') };
    let words = lexer.words(name, &crate::expand::NoVariables).unwrap_or_default();
    !name.contains('<') && !name.starts_with(char::is_whitespace) && words.len() == 1
}

fn without_tabs(data: &str) -> String {
    data.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
}

fn summary(file: &InlineFile) -> String {
    let text = file.data.trim();
    match text.split_once('\n') {
        Some((first, _)) => format!("{}...", first.strip_suffix('\r').unwrap_or(first)),
        None => text.to_owned(),
    }
}

/// `RUN |1 NAME=value /bin/sh -c … # buildkit`
fn created_by(current: &Current<'_>, args: &[String]) -> String {
    let state = &current.state;
    let shown = state.build_args.iter().map(|(name, value)| {
        let value = state.env.get(name).or(value.as_deref()).unwrap_or_default();
        format!("{name}={value}")
    });
    let count = state.build_args.len();
    let count = (count > 0).then(|| format!("|{count}"));
    let words: Vec<String> = count.into_iter().chain(shown).chain(args.iter().cloned()).collect();
    format!("RUN {} # buildkit", words.join(" "))
}

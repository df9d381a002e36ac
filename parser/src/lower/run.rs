//! `RUN`: its command, here-documents, mounts and network. Runs nothing.

use graph::op::{Device, MountKind, Security as OpSecurity};
use graph::{ExecOp, Op, Slot};

use super::env::Env;
use super::inputs::{Inputs, MAX_INPUTS};
use super::mounts::{self, AGENT};
use super::plan::Origin;
use super::stage::{Builder, Current, Layer, Place, with_shell};
use super::{Entitlement, Step, refuse};
use crate::Span;
use crate::expand::{Lexer, Quotes, Unset, Variables};
use crate::instruction::{Form, InlineFile, Network, Run, Security};

/// Where here-documents with an interpreter of their own are run from.
const SCRIPTS: &str = "/dev/pipes";

const SHARED_MEMORY: &str = "/dev/shm";

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
        let (network, security) = (self.network(run.network), security(run.security));
        if network == graph::op::Network::Host {
            self.needs(Entitlement::NetworkHost, "--network=host", span)?;
        }
        if security == OpSecurity::Insecure {
            self.needs(Entitlement::SecurityInsecure, "--security=insecure", span)?;
        }
        if !run.devices.is_empty() {
            self.needs(Entitlement::Device, "--device", span)?;
        }
        if run.mounts.len() > MAX_INPUTS {
            return refuse("TooManyMounts", span, format!("an instruction cannot have more than {MAX_INPUTS} mounts"));
        }
        let script = script(run, current, span)?;
        let args = with_shell(&current.state, run.command.form, script.args);
        let mut inputs = Inputs::on(current.state.root);
        let mut mounts = self.mounts(current, (&run.mounts, sources), &mut inputs, span)?;
        mounts.mounts.extend(self.shared_memory().filter(|ours| mounts.mounts.iter().all(|m| m.target != ours.target)));
        let name = self.run_name(current, script.summary, &mounts.in_environment, place)?;
        let mut meta = self.meta(current, name, span);
        meta.no_cache = current.planned.no_cache;
        self.charge_process(current, &args, span)?;
        let created_by = created_by(current, &args);
        let mut env = current.state.env.list();
        if let Some(socket) = mounts.agent.filter(|_| current.state.env.get(AGENT).is_none()) {
            env = env.with(&format!("{AGENT}={socket}"));
        }
        let op = ExecOp {
            root: current.state.root.map(|_| Slot(0)),
            args,
            env,
            cwd: current.state.workdir().to_owned(),
            user: current.state.image.config.user.clone(),
            hostname: self.settled.hostname.clone(),
            network,
            security,
            mounts: mounts::in_order(mounts.mounts, script.file),
            devices: run.devices.iter().map(device).collect(),
            limits: self.request.limits.clone(),
            proxy_env: self.settled.proxy_env.clone(),
        };
        current.state.root = Some(self.add_vertex(Op::Exec(op), meta, inputs.vertices()));
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

    /// What `--shm-size` asks for; a mount of the instruction's own comes first.
    fn shared_memory(&self) -> Option<graph::op::Mount> {
        let kind = MountKind::Tmpfs { size: Some(self.request.shm_size?) };
        Some(graph::op::Mount { target: SHARED_MEMORY.to_owned(), kind, readonly: false })
    }

    /// Counts what a process's op and its line of history hold, before they are made.
    fn charge_process(&mut self, current: &Current<'_>, args: &[String], span: Span) -> Step<()> {
        let state = &current.state;
        let env = state.env.size_of_list();
        let args: usize = args.iter().map(|arg| arg.len() + size_of::<String>()).sum();
        let build_args = state.build_args.len() * size_of::<String>();
        self.charge(env + args + build_args + state.workdir().len() + state.image.config.user.len(), span)
    }

    /// `secrets`: the names of variables that are secrets.
    fn run_name(
        &mut self,
        current: &mut Current<'_>,
        summary: Option<String>,
        secrets: &[String],
        place: Place<'_>,
    ) -> Step<String> {
        let written = match summary {
            Some(summary) => format!("{} ({summary})", place.source),
            None => place.source.to_string(),
        };
        let lexer = Lexer { quotes: Quotes::Kept, unset: Unset::Kept, ..self.settled.lexer };
        if !written.bytes().any(|byte| byte == b'$' || char::from(byte) == lexer.escape) {
            return self.step_name(current, &written, place);
        }
        let variables = Masked { env: &current.state.env, secrets };
        let shown = lexer.word(&written, &variables).unwrap_or(written);
        self.step_name(current, &shown, place)
    }
}

fn security(asked: Security) -> OpSecurity {
    match asked {
        Security::Sandbox => OpSecurity::Sandbox,
        Security::Insecure => OpSecurity::Insecure,
    }
}

fn device(device: &crate::instruction::Device) -> Device {
    Device { name: device.name.to_string(), required: device.required }
}

/// An environment whose secrets are not shown.
struct Masked<'a> {
    env: &'a Env,
    secrets: &'a [String],
}

impl Variables for Masked<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        if self.secrets.iter().any(|secret| secret == name) { Some("****") } else { self.env.get(name) }
    }
}

/// A here-document alone is the script, or a file that is run; with more around it, it is the shell's.
fn script(run: &Run, current: &Current<'_>, span: Span) -> Step<Script> {
    let line = &run.command;
    let args: Vec<String> = line.args.iter().map(String::from).collect();
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
    let given = state.build_args.iter().map(|(name, value)| {
        let value = state.env.get(name).or(value.as_deref()).unwrap_or_default();
        (name.as_str(), value)
    });
    let length = given.clone().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>()
        + args.iter().map(|arg| arg.len() + 1).sum::<usize>();
    let mut line = String::with_capacity(length + 24);
    line.push_str("RUN");
    if !state.build_args.is_empty() {
        line.push_str(&format!(" |{}", state.build_args.len()));
    }
    for (name, value) in given {
        [" ", name, "=", value].into_iter().for_each(|part| line.push_str(part));
    }
    for arg in args {
        [" ", arg].into_iter().for_each(|part| line.push_str(part));
    }
    line.push_str(" # buildkit");
    line
}

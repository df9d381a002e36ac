//! What instructions change: a filesystem, an environment, a config in the making. Knows no graph.

use graph::VertexId;
use oci::image::History;
use oci::{ImageConfig, Platform};

use crate::instruction::{CommandLine, Form};
use crate::lower::env::{self, Env};
use crate::lower::index::{Index, Name};
use crate::text::Text;

/// What instructions change.
#[derive(Debug, Clone)]
pub(in crate::lower) struct State {
    pub root: Option<VertexId>,
    pub env: Env,
    pub image: ImageConfig,
    pub platform: Platform,
    /// Where names stand in the image's environment.
    pub(super) env_at: Index,
    /// The `ARG`s so far, those of the stages below included: each where it was first declared, with its last value.
    pub build_args: Vec<(Text, Option<String>)>,
    pub(super) arg_at: Index,
    /// Whether a `WORKDIR` of this file has been passed.
    pub workdir_set: bool,
    /// Whether all that is set is known: the base image is, and every instruction so far was understood.
    pub whole: bool,
}

impl State {
    /// An `ENV`.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.set(name, value);
        let text = [name, "=", value].concat();
        let list = self.image.config.env.get_or_insert_default();
        match self.env_at.find(name, list, VARIABLE_NAME) {
            Some(at) => list[at] = text,
            None => {
                list.push(text);
                self.env_at.added(list, VARIABLE_NAME);
            }
        }
    }

    /// The environment is what the image's says, beside what it was before.
    pub(super) fn take_environment(&mut self) {
        let list = self.image.config.env.get_or_insert_default();
        for variable in list.iter() {
            let (name, value) = env::split(variable);
            self.env.set(name, value);
        }
        self.env_at = Index::of(list, VARIABLE_NAME);
    }

    /// An `ARG`.
    pub fn declare(&mut self, name: &Text, value: Option<String>) {
        match self.arg_at.find(name, &self.build_args, ARGUMENT_NAME) {
            Some(at) => self.build_args[at].1 = value,
            None => {
                self.build_args.push((name.clone(), value));
                self.arg_at.added(&self.build_args, ARGUMENT_NAME);
            }
        }
    }

    /// Whether there was an `ARG` of this name.
    pub fn declares(&self, name: &str) -> bool {
        self.arg_at.find(name, &self.build_args, ARGUMENT_NAME).is_some()
    }

    /// How many bytes another one like it would take.
    pub(super) fn size(&self) -> usize {
        let lines = self.image.history.iter().map(|line| line.created_by.as_deref().unwrap_or_default());
        lines.map(|line| line.len() + size_of::<History>()).sum()
    }

    /// Where relative paths start.
    pub fn workdir(&self) -> &str {
        match self.image.config.working_dir.as_str() {
            "" => "/",
            workdir => workdir,
        }
    }

    /// What runs `line`.
    fn shell_with(&self, line: String) -> Vec<String> {
        let default: &[&str] = if self.image.os == "windows" { &["cmd", "/S", "/C"] } else { &["/bin/sh", "-c"] };
        let chosen = self.image.config.shell.as_deref().filter(|shell| !shell.is_empty());
        let length = chosen.map_or(default.len(), <[String]>::len);
        let mut args = Vec::with_capacity(length + 1);
        match chosen {
            Some(chosen) => args.extend_from_slice(chosen),
            None => args.extend(default.iter().map(|arg| (*arg).to_owned())),
        }
        args.push(line);
        args
    }
}

const VARIABLE_NAME: Name<String> = |variable| Some(env::split(variable).0);

const ARGUMENT_NAME: Name<(Text, Option<String>)> = |argument| Some(&argument.0);

/// What a command line runs, the shell before it where it is one string.
pub(in crate::lower) fn arguments(state: &State, line: &CommandLine) -> Vec<String> {
    let args: Vec<String> = line.args.iter().map(String::from).collect();
    with_shell(state, line.form, args)
}

pub(in crate::lower) fn with_shell(state: &State, form: Form, args: Vec<String>) -> Vec<String> {
    match form {
        Form::Exec => args,
        // Mostly it is one text already.
        Form::Shell => match <[String; 1]>::try_from(args) {
            Ok([line]) => state.shell_with(line),
            Err(args) => state.shell_with(args.join(" ")),
        },
    }
}

/// The config that `FROM scratch` starts with.
pub(super) fn scratch(platform: &Platform) -> ImageConfig {
    let mut image = ImageConfig::scratch(platform);
    image.config.working_dir = "/".to_owned();
    image
}

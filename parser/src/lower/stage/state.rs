//! What instructions change: a filesystem, an environment, a config in the making. Knows no graph.

use std::collections::HashMap;

use graph::VertexId;
use oci::image::History;
use oci::{ImageConfig, Platform};

use crate::instruction::{CommandLine, Form};
use crate::lower::env::Env;
use crate::text::Text;

/// What instructions change.
#[derive(Debug, Clone)]
pub(in crate::lower) struct State {
    pub root: Option<VertexId>,
    pub env: Env,
    pub image: ImageConfig,
    pub platform: Platform,
    /// Where a name stands in the image's environment.
    pub env_at: HashMap<String, usize>,
    /// The `ARG`s so far, those of the stages below included: each where it was first declared, with its last value.
    pub build_args: Vec<(Text, Option<String>)>,
    pub(super) arg_at: HashMap<Text, usize>,
    /// Whether a `WORKDIR` of this file has been passed.
    pub workdir_set: bool,
    /// Whether all that is set is known: the base image is, and every instruction so far was understood.
    pub whole: bool,
}

impl State {
    /// An `ARG`.
    pub fn declare(&mut self, name: &Text, value: Option<String>) {
        match self.arg_at.get(name) {
            Some(at) => self.build_args[*at].1 = value,
            None => {
                self.arg_at.insert(name.clone(), self.build_args.len());
                self.build_args.push((name.clone(), value));
            }
        }
    }

    /// Whether there was an `ARG` of this name.
    pub fn declares(&self, name: &str) -> bool {
        self.arg_at.contains_key(name)
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

    pub fn shell(&self) -> Vec<String> {
        match &self.image.config.shell {
            Some(shell) if !shell.is_empty() => shell.clone(),
            _ if self.image.os == "windows" => ["cmd", "/S", "/C"].map(str::to_owned).to_vec(),
            _ => ["/bin/sh", "-c"].map(str::to_owned).to_vec(),
        }
    }
}

/// What a command line runs, the shell before it where it is one string.
pub(in crate::lower) fn arguments(state: &State, line: &CommandLine) -> Vec<String> {
    let args: Vec<String> = line.args.iter().map(ToString::to_string).collect();
    with_shell(state, line.form, args)
}

pub(in crate::lower) fn with_shell(state: &State, form: Form, args: Vec<String>) -> Vec<String> {
    match form {
        Form::Exec => args,
        Form::Shell => {
            let mut shell = state.shell();
            shell.reserve_exact(1);
            // Mostly it is one text already.
            shell.push(if let [_] = args.as_slice() { args.into_iter().collect() } else { args.join(" ") });
            shell
        }
    }
}

/// The config that `FROM scratch` starts with.
pub(super) fn scratch(platform: &Platform) -> ImageConfig {
    let mut image = ImageConfig::scratch(platform);
    image.config.working_dir = "/".to_owned();
    image
}

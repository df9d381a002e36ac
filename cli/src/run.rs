//! `kiln run`: a process in a new container of an image, in the foreground. Knows images and the sandbox; what of the
//! two becomes which part of a [`RunSpec`] is decided in [`spec`], how the terminal and the signals are passed on in
//! [`attach`].
//!
//! The container's changes go to a directory of the store that is thrown away when it ends.

mod accounts;
mod attach;
mod spec;

use std::process::ExitCode;

use cache::Store;
use runner::container;
use runner::sandbox::spec::Root;
use runner::sandbox::{Outcome, Spawner};

use crate::args::run::RunArgs;
use crate::build::request::platforms;
use crate::report::{Kind, Problem};
use crate::{find, paths};

/// Docker's exit code for what went wrong before the container ran.
const NOT_STARTED: Kind = Kind::Container(125);

pub fn run(args: &RunArgs, store: &Store) -> Result<ExitCode, Problem> {
    attach::check(args)?;
    let platform = platforms::or_host(args.platform.as_deref()).map_err(|problem| problem.kind(NOT_STARTED))?;
    let image = find::for_platform(store, &args.image, &platform).map_err(|problem| problem.kind(NOT_STARTED))?;
    let config = store.image_config(&image.id)?;
    let lowers = image.layers.iter().map(|layer| store.layer_fs(layer)).collect::<Result<Vec<_>, _>>()?;
    let changes = store.ingest()?;
    let accounts = accounts::of(store, &image.layers)?;
    let overrides = spec::overrides(args, &changes, &|name| std::env::var(name).ok())?;
    let root = Root::Overlay { lowers, upper: changes.fs().to_owned(), work: changes.work().to_owned() };
    let spec = container::spec(&config.config, &overrides, &accounts, root)
        .map_err(|error| Problem::of(NOT_STARTED, &error))?;
    let spawner = Spawner::start(&paths::scratch(store)).map_err(|error| Problem::of(NOT_STARTED, &error))?;
    let outcome = attach::run(args, &spec, &spawner).map_err(|problem| problem.kind(NOT_STARTED))?;
    Ok(exit_code(outcome))
}

/// The container's own, or 128 + the signal that ended it.
fn exit_code(outcome: Outcome) -> ExitCode {
    ExitCode::from(match outcome {
        Outcome::Exited(code) => code,
        Outcome::Signaled(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
    })
}

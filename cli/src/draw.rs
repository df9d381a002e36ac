//! `kiln graph`: a build's graph, with what is known of it, in a form to look at. Runs nothing, pulls nothing, and leaves
//! nothing in the store.
//!
//! 1. The Dockerfile is read and lowered as a build does. An image that the store does not know is stood in for, unless
//!    `--pull` has registries asked.
//! 2. The solver looks what it would find ([`solver::look`]).
//! 3. Graph and findings become a [`Drawing`], which one of the writers writes.

mod dot;
mod drawing;
mod json;
mod known;
mod layout;
mod page;
mod summary;
mod svg;
mod text;
mod trace;
mod words;

use std::path::Path;
use std::sync::Arc;

use cache::Store;

use crate::args::Global;
use crate::args::build::{BuildArgs, Progress};
use crate::args::graph::{Form, GraphArgs};
use crate::build::input::Input;
use crate::build::mistakes::{self, Detail, Source};
use crate::build::request::Request;
use crate::build::{Build, Tools};
use crate::report::{self, Kind, Problem};
use crate::{paths, terminal};
use drawing::Drawing;

pub fn run(args: GraphArgs, global: Global) -> Result<(), Problem> {
    let form = args.format.unwrap_or_else(|| form_of(args.output.as_deref()));
    let typed = BuildArgs { definition: args.definition, progress: Some(Progress::Quiet), ..BuildArgs::default() };
    let request = Request::new(typed, &|name| std::env::var(name).ok())?;
    let store = Arc::new(Store::open(&paths::store_root(global.root)?)?);
    let tools = Tools::new(&request, store)?;
    let input = Input::read(&request, &tools.fetcher())?;
    let detail = if global.debug { Detail::Full } else { Detail::Short };
    let build = Build::new(&request, &input, tools, detail);
    let (drawing, warnings) = drawing(&build, &request, &input)?;
    // Whoever looks at a step does not use it.
    build.store.forget_uses();
    write(&written(&drawing, form), args.output.as_deref())?;
    terminal::complain(&warnings);
    Ok(())
}

/// What the name of a file says of what is to be in it.
fn form_of(path: Option<&Path>) -> Form {
    match path.and_then(Path::extension).and_then(|extension| extension.to_str()) {
        Some("dot" | "gv") => Form::Dot,
        Some("svg") => Form::Svg,
        Some("html" | "htm") => Form::Html,
        Some("json") => Form::Json,
        Some(_) | None => Form::Text,
    }
}

/// With what is to be said of the Dockerfile beside it.
fn drawing(build: &Build<'_>, request: &Request, input: &Input) -> Result<(Drawing, String), Problem> {
    let dockerfile = build.read();
    let here = known::Here::new(&build.images);
    let lowered = if request.pull { build.lower(&dockerfile)? } else { build.lower_on(&dockerfile, &here)? };
    let targets: Vec<graph::VertexId> = lowered.images.iter().filter_map(|built| built.target).collect();
    let executor = build.executor(&lowered)?;
    let known = known::known(&lowered.graph, &targets, build, (&executor, &here))?;
    let drawing = trace::trace(&lowered.graph, &targets, &known, (&input.dockerfile.name, &dockerfile.source));
    let source = Source { name: &input.dockerfile.name, text: &dockerfile.source };
    Ok((drawing, mistakes::list(&lowered.warnings, source, build.detail)))
}

fn written(drawing: &Drawing, form: Form) -> String {
    match form {
        Form::Text => text::text(drawing),
        Form::Dot => dot::dot(drawing),
        Form::Svg => svg::svg(drawing),
        Form::Html => page::page(drawing),
        Form::Json => json::json(drawing),
    }
}

fn write(text: &str, to: Option<&Path>) -> Result<(), Problem> {
    match to.filter(|path| path.as_os_str() != "-") {
        None => terminal::say(text),
        Some(path) => std::fs::write(path, text).map_err(|error| report::io(Kind::Build, "write", path, &error)),
    }
}

#[cfg(test)]
mod tests;

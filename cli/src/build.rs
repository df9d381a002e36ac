//! `kiln build`: a request, the files it names, the graph they come to, its solution, the image, the outputs. Each step is
//! a module of its own; this one only says in which order.

mod agents;
mod answer;
pub mod bases;
pub mod call;
mod context;
mod excerpt;
pub mod export;
mod failure;
mod given;
mod image;
pub mod input;
mod metadata;
pub mod mistakes;
mod named;
pub mod output;
mod remote;
pub mod request;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;

use cache::Store;
use cache::contexts::StatFile;
use graph::VertexId;
use oci::LayerId;
use oci::manifest::Descriptor;
use parser::lower::{self, CONTEXT, Lowered};
use parser::{Diagnostic, Dockerfile};
use runner::context::Context;
use runner::executor::{Given, LocalExecutor};
use runner::remote::{Access, Remotes};
use runner::source::{Images, Pull};
use solver::port::{Progress as _, TaskId, Update, Value};
use solver::{Options, Ports, Solved, Step};

use crate::args::Global;
use crate::args::build::{BuildArgs, BuildNetwork};
use crate::progress::{End, View};
use crate::registry::registry;
use crate::report::{Kind, Problem};
use crate::signals::Interrupts;
use crate::{paths, terminal};
use agents::Agents;
use image::{Made, Parts};
use input::Input;
use mistakes::{Detail, Source};
use output::Output;
use remote::Fetcher;
use request::{ContextFrom, Request};

pub fn run(args: BuildArgs, global: Global) -> Result<ExitCode, Problem> {
    let request = Request::new(args, &|name| std::env::var(name).ok())?;
    request.warnings.iter().for_each(|warning| terminal::complain(&format!("WARNING: {warning}\n")));
    request.outputs.iter().try_for_each(export::check)?;
    let store = Arc::new(Store::open(&paths::store_root(global.root)?)?);
    named::check(&request.contexts)?;
    let tools = Tools::new(&request, store)?;
    let input = Input::read(&request, &tools.fetcher())?;
    let detail = if global.debug { Detail::Full } else { Detail::Short };
    let build = Build::new(&request, &input, tools, detail);
    if let Some(call) = request.call {
        return build.answer(call);
    }
    let result = build.run();
    let end = match &result {
        Ok(_) => End::Finished,
        Err(problem) if problem.kind == Kind::Canceled => End::Canceled,
        Err(_) => End::Failed,
    };
    build.view.close(end);
    let (made, descriptor) = result?;
    metadata::write(&request, &made, descriptor.as_ref())?;
    if request.quiet
        && let Some(id) = metadata::id(&made, descriptor.as_ref())
    {
        terminal::say(&format!("{id}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a build works with from its first file on.
pub struct Tools {
    store: Arc<Store>,
    view: Arc<View>,
    images: Arc<Images>,
    interrupts: Interrupts,
    remotes: Arc<Remotes>,
    /// They live as long as the build.
    _agents: Agents,
}

impl Tools {
    /// Reads the secrets, and starts an agent for keys.
    pub fn new(request: &Request, store: Arc<Store>) -> Result<Self, Problem> {
        let agents = Agents::of(&request.agents)?;
        let mut access = Access { secrets: given::secrets(&request.secrets)?, ssh: agents.sockets.clone() };
        let interrupts = Interrupts::handle();
        let view = Arc::new(View::on_stderr(request.progress));
        let images = Arc::new(Images::new(Arc::clone(&store), registry(), Arc::clone(&view) as _));
        match &request.context {
            ContextFrom::Git { url, .. } => {
                if access.ssh.is_empty() {
                    access.ssh.extend(remote::own_agent(url).map(|socket| ("default".to_owned(), socket)));
                }
                interrupts.be_orderly();
            }
            ContextFrom::Http(_) => interrupts.be_orderly(),
            ContextFrom::Dir(_) | ContextFrom::Stdin => {}
        }
        let remotes = remote::remotes(&store, &view, access, interrupts.cancel());
        Ok(Self { store, view, images, interrupts, remotes, _agents: agents })
    }

    pub fn fetcher(&self) -> Fetcher<'_> {
        Fetcher { store: &self.store, view: &self.view, remotes: &self.remotes }
    }
}

/// One build, with all that it needs.
pub struct Build<'a> {
    request: &'a Request,
    input: &'a Input,
    pub store: Arc<Store>,
    pub view: Arc<View>,
    pub images: Arc<Images>,
    interrupts: Interrupts,
    pub remotes: Arc<Remotes>,
    _agents: Agents,
    /// The task of reading the Dockerfile, once that is begun: warnings are its.
    definition: Cell<Option<TaskId>>,
    /// Of warnings.
    pub detail: Detail,
}

/// What the graph came to.
struct Outcome {
    /// Of each target, bottom first.
    layers: BTreeMap<VertexId, Vec<LayerId>>,
    steps: BTreeMap<VertexId, Step>,
}

impl<'a> Build<'a> {
    pub fn new(request: &'a Request, input: &'a Input, tools: Tools, detail: Detail) -> Self {
        let Tools { store, view, images, interrupts, remotes, _agents } = tools;
        let definition = Cell::default();
        Self { request, input, store, view, images, interrupts, remotes, _agents, definition, detail }
    }

    /// What it came to, and the descriptor of the manifest or index where an output wanted one.
    fn run(&self) -> Result<(Made, Option<Descriptor>), Problem> {
        let dockerfile = self.read();
        let lowered = self.lower(&dockerfile)?;
        self.request.outputs.iter().try_for_each(|output| export::check_form(output, lowered.index))?;
        let executor = self.executor(&lowered)?;
        self.interrupts.be_orderly();
        let mut lost = BTreeSet::new();
        loop {
            match self.make(&dockerfile, &lowered, &executor) {
                // The store knows by now what it has lost, and so the next attempt makes it again.
                Err(Problem { kind: Kind::Gone, message, .. }) if lost.insert(message.clone()) => self.warn(&message),
                Err(problem) if problem.kind == Kind::Gone => {
                    return Err(problem.kind(Kind::Build).hint("it is a base image's: build or pull that again"));
                }
                made => return made,
            }
        }
    }

    fn make(
        &self,
        dockerfile: &Dockerfile,
        lowered: &Lowered,
        executor: &LocalExecutor,
    ) -> Result<(Made, Option<Descriptor>), Problem> {
        let solved = self.solve(dockerfile, lowered, executor)?;
        named::save(&self.request.contexts, |name| executor.context(name), &self.store)?;
        if let Some(context) = executor.context(CONTEXT) {
            context.save(&self.stat_file())?;
            // We end soon: giving back the memory of a hundred thousand files one by one would take 15 ms.
            std::mem::forget(context);
        }
        let image = |built: &lower::Built| {
            let (layers, added) = match built.target {
                Some(target) => (
                    solved.layers.get(&target).cloned().unwrap_or_default(),
                    image::added_layers(&lowered.graph, target, &solved.steps, &self.store)?,
                ),
                None => (Vec::new(), Vec::new()),
            };
            let (config, epoch) = (built.config.clone(), built.source_date_epoch);
            image::assemble(Parts { config, layers, added, epoch, store: &self.store })
        };
        let mut images = lowered.images.iter().map(image).collect::<Result<Vec<_>, _>>()?;
        let made = match images.len() {
            1 if !lowered.index => Made::Image(Box::new(images.remove(0))),
            _ => Made::Index(images),
        };
        let descriptor = self.export(&made)?;
        Ok((made, descriptor))
    }

    fn warn(&self, message: &str) {
        let task = self.view.begin("[internal] make again what the store has lost");
        self.view.update(task, Update::Warning { message });
        self.view.update(task, Update::Done);
    }

    pub fn parse(&self) -> Result<Dockerfile, Problem> {
        let dockerfile = self.read();
        match dockerfile.has_errors() {
            true => Err(self.told(&dockerfile.diagnostics, &dockerfile)),
            false => Ok(dockerfile),
        }
    }

    /// What could be understood.
    pub fn read(&self) -> Dockerfile {
        let text = &self.input.dockerfile;
        let task = self.view.begin(&format!("[internal] load build definition from {}", text.name));
        self.view.update(task, Update::Started);
        let dockerfile = parser::parse(&text.bytes);
        let length = text.bytes.len() as u64;
        self.view.update(task, Update::Bytes { what: "transferring dockerfile:", current: length, total: None });
        let build_arg = self.request.build_args.get("BUILDKIT_SYNTAX").map(String::as_str);
        if let Some(other) = parser::other_front_end(&text.bytes, build_arg) {
            let message = format!("the front end `{other}` is not run: the file is read as a Dockerfile");
            self.view.update(task, Update::Warning { message: &message });
        }
        self.view.update(task, Update::Done);
        self.definition.set(Some(task));
        dockerfile
    }

    /// Tells of broken rules: where the Dockerfile is read, and once more when all is over.
    fn tell(&self, dockerfile: &Dockerfile, warnings: &[Diagnostic]) {
        if let Some(task) = self.definition.get() {
            for warning in warnings {
                self.view.update(task, Update::Warning { message: &mistakes::warning(warning) });
            }
        }
        let source = Source { name: &self.input.dockerfile.name, text: &dockerfile.source };
        self.view.say_at_end(mistakes::list(warnings, source, self.detail));
    }

    pub fn lower(&self, dockerfile: &Dockerfile) -> Result<Lowered, Problem> {
        let pull = if self.request.pull { Pull::Always } else { Pull::Missing };
        let bases = bases::Bases::new(self, pull);
        bases.ask_for(&lower::bases(dockerfile, &self.lower_request()?));
        self.lower_on(dockerfile, &bases)
    }

    /// [`Build::lower`] with what `images` says of images.
    pub fn lower_on(&self, dockerfile: &Dockerfile, images: &dyn lower::Images) -> Result<Lowered, Problem> {
        let lowered = lower::lower_and_lint(dockerfile, &self.lower_request()?, images);
        self.tell(dockerfile, lowered.as_ref().map_or_else(|linted| &linted.warnings, |lowered| &lowered.warnings));
        lowered.map_err(|linted| self.told(&linted.errors, dockerfile))
    }

    fn told(&self, mistakes: &[Diagnostic], dockerfile: &Dockerfile) -> Problem {
        mistakes::problem(mistakes, &self.input.dockerfile.name, &dockerfile.source)
    }

    fn lower_request(&self) -> Result<lower::Request, Problem> {
        Ok(lower::Request {
            platforms: self.request.platforms.clone(),
            entitlements: self.request.entitlements.clone(),
            target: self.request.target.clone(),
            build_args: self.request.build_args.clone(),
            labels: self.request.labels.iter().cloned().collect(),
            no_cache: self.request.no_cache.clone(),
            network: match self.request.network {
                BuildNetwork::Default => graph::op::Network::Default,
                BuildNetwork::Host => graph::op::Network::Host,
                BuildNetwork::None => graph::op::Network::None,
            },
            limits: self.request.limits.clone(),
            shm_size: self.request.shm_size,
            context_source: self.input.source.clone(),
            contexts: self.request.contexts.lowering.clone(),
            ignored: self.input.ignore.as_ref().map(context::ignore).transpose()?,
            ..lower::Request::default()
        })
    }

    pub fn executor(&self, lowered: &Lowered) -> Result<LocalExecutor, Problem> {
        let mut contexts = named::open(&self.request.contexts, &lowered.contexts, &self.store)?;
        if lowered.contexts.contains(CONTEXT) {
            let empty;
            let dir = match &self.input.context {
                Some(dir) => dir,
                None => {
                    empty = self.store.ingest()?;
                    empty.fs()
                }
            };
            let rules = Arc::new(context::Rules::new(self.input.ignore.as_ref())?);
            let known = StatFile::open(&self.stat_file());
            let asked = graph::asked(&lowered.graph, CONTEXT);
            contexts.insert(CONTEXT.to_owned(), Context::open(dir, rules, known)?.asked_for(asked));
        }
        let given = Given {
            scratch: paths::scratch(&self.store),
            hosts: given::hosts(&self.request.add_hosts),
            resolv_conf: std::fs::read("/etc/resolv.conf").unwrap_or_default(),
            remotes: Arc::clone(&self.remotes),
        };
        let (store, images, view) = (Arc::clone(&self.store), Arc::clone(&self.images), Arc::clone(&self.view));
        Ok(LocalExecutor::new(store, images, view, contexts, given))
    }

    fn stat_file(&self) -> std::path::PathBuf {
        let dir = self.input.context.clone().unwrap_or_default();
        context::stat_file(&self.store, &dir, &self.input.dockerfile.name, self.request.target.as_deref())
    }

    fn solve(&self, dockerfile: &Dockerfile, lowered: &Lowered, executor: &LocalExecutor) -> Result<Outcome, Problem> {
        let targets: BTreeSet<VertexId> = lowered.images.iter().filter_map(|image| image.target).collect();
        let targets = Vec::from_iter(targets);
        let ports = Ports { executor, resolver: executor, progress: &*self.view };
        let cancel = self.interrupts.cancel();
        let solved = solver::solve(&lowered.graph, &targets, &self.store, ports, cancel, Options::default());
        let Solved { values, steps } = solved.map_err(|error| {
            let place = (self.input.dockerfile.name.as_str(), &*dockerfile.source);
            failure::problem(&error, &lowered.graph, place, &self.view)
        })?;
        let layers = |value| match value {
            Value::Snapshot(layers) => layers,
            Value::Local(_) => Vec::new(),
        };
        Ok(Outcome { layers: targets.into_iter().zip(values.into_iter().map(layers)).collect(), steps })
    }

    fn export(&self, made: &Made) -> Result<Option<Descriptor>, Problem> {
        let export = export::Export {
            made,
            names: &self.request.tags,
            store: &self.store,
            images: &self.images,
            view: &self.view,
            cancel: self.interrupts.cancel(),
        };
        let to_store = [Output::Image { names: Vec::new() }];
        let outputs = if self.request.outputs.is_empty() { &to_store[..] } else { &self.request.outputs };
        let mut descriptor = None;
        for output in outputs {
            descriptor = export.write(output)?.or(descriptor);
        }
        Ok(descriptor)
    }
}

//! `kiln build`: a request, the files it names, the graph they come to, its solution, the image, the outputs. Each step is
//! a module of its own; this one only says in which order.

mod bases;
mod context;
mod excerpt;
pub mod export;
mod failure;
mod image;
pub mod input;
mod metadata;
mod mistakes;
pub mod output;
mod remote;
pub mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cache::Store;
use cache::contexts::StatFile;
use oci::LayerId;
use oci::manifest::Descriptor;
use parser::Dockerfile;
use parser::lower::{self, Built, CONTEXT, Lowered, NoCache};
use runner::context::Context;
use runner::executor::{Given, LocalExecutor};
use runner::remote::{Access, Remotes};
use runner::source::{Images, Pull};
use solver::port::{Progress as _, Update, Value};
use solver::{Options, Ports, Solved};

use crate::args::Global;
use crate::args::build::{BuildArgs, BuildNetwork};
use crate::progress::{End, View};
use crate::registry::registry;
use crate::report::{Kind, Problem};
use crate::signals::Interrupts;
use crate::{paths, terminal};
use image::{Assembled, Parts};
use input::Input;
use output::Output;
use remote::Fetcher;
use request::{ContextFrom, Request};

pub fn run(args: BuildArgs, global: Global) -> Result<(), Problem> {
    let request = Request::new(args, &|name| std::env::var(name).ok())?;
    request.outputs.iter().try_for_each(export::check)?;
    let store = Arc::new(Store::open(&paths::store_root(global.root)?)?);
    let tools = Tools::new(&request, store);
    let input = Input::read(&request, &tools.fetcher())?;
    let build = Build::new(&request, &input, tools);
    let result = build.run();
    let end = match &result {
        Ok(_) => End::Finished,
        Err(problem) if problem.kind == Kind::Canceled => End::Canceled,
        Err(_) => End::Failed,
    };
    build.view.close(end);
    let (image, manifest) = result?;
    metadata::write(&request, &image, manifest.as_ref())?;
    if request.quiet {
        terminal::say(&format!("{}\n", image.config.id()))?;
    }
    Ok(())
}

/// What a build works with from its first file on.
pub struct Tools {
    store: Arc<Store>,
    view: Arc<View>,
    images: Arc<Images>,
    interrupts: Interrupts,
    remotes: Arc<Remotes>,
}

impl Tools {
    pub fn new(request: &Request, store: Arc<Store>) -> Self {
        let interrupts = Interrupts::handle();
        let view = Arc::new(View::on_stderr(request.progress));
        let images = Arc::new(Images::new(Arc::clone(&store), registry(), Arc::clone(&view) as _));
        let mut access = Access::default();
        match &request.context {
            ContextFrom::Git { url, .. } => {
                access.ssh.extend(remote::own_agent(url).map(|socket| ("default".to_owned(), socket)));
                interrupts.be_orderly();
            }
            ContextFrom::Http(_) => interrupts.be_orderly(),
            ContextFrom::Dir(_) | ContextFrom::Stdin => {}
        }
        let remotes = remote::remotes(&store, &view, access, interrupts.cancel());
        Self { store, view, images, interrupts, remotes }
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
    remotes: Arc<Remotes>,
}

impl<'a> Build<'a> {
    pub fn new(request: &'a Request, input: &'a Input, tools: Tools) -> Self {
        let Tools { store, view, images, interrupts, remotes } = tools;
        Self { request, input, store, view, images, interrupts, remotes }
    }

    /// The image, and its manifest where an output wanted one.
    fn run(&self) -> Result<(Assembled, Option<Descriptor>), Problem> {
        let dockerfile = self.parse()?;
        let lowered = self.lower(&dockerfile)?;
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
    ) -> Result<(Assembled, Option<Descriptor>), Problem> {
        let built = lowered.images.first().expect("a build is for one platform at least");
        let (layers, added) = self.solve(dockerfile, (lowered, built), executor)?;
        if let Some(context) = executor.context(CONTEXT) {
            context.save(&self.stat_file())?;
            // We end soon: giving back the memory of a hundred thousand files one by one would take 15 ms.
            std::mem::forget(context);
        }
        let config = built.config.clone();
        let parts = Parts { config, layers, added, epoch: built.source_date_epoch, store: &self.store };
        let image = image::assemble(parts)?;
        let manifest = self.export(&image)?;
        Ok((image, manifest))
    }

    fn warn(&self, message: &str) {
        let task = self.view.begin("[internal] make again what the store has lost");
        self.view.update(task, Update::Warning { message });
        self.view.update(task, Update::Done);
    }

    pub fn parse(&self) -> Result<Dockerfile, Problem> {
        let text = &self.input.dockerfile;
        let task = self.view.begin(&format!("[internal] load build definition from {}", text.name));
        self.view.update(task, Update::Started);
        let dockerfile = parser::parse(&text.bytes);
        let length = text.bytes.len() as u64;
        self.view.update(task, Update::Bytes { what: "transferring dockerfile:", current: length, total: None });
        for warning in
            dockerfile.diagnostics.iter().filter(|diagnostic| diagnostic.severity == parser::Severity::Warning)
        {
            self.view.update(task, Update::Warning { message: &mistakes::warning(warning) });
        }
        self.view.update(task, Update::Done);
        if dockerfile.has_errors() {
            return Err(mistakes::problem(&dockerfile.diagnostics, &text.name, &dockerfile.source));
        }
        Ok(dockerfile)
    }

    pub fn lower(&self, dockerfile: &Dockerfile) -> Result<Lowered, Problem> {
        let pull = if self.request.pull { Pull::Always } else { Pull::Missing };
        let bases = bases::Bases::new(&self.images, &self.view, pull);
        bases.ask_for(&lower::bases(dockerfile, &self.lower_request()));
        self.lower_on(dockerfile, &bases)
    }

    /// [`Build::lower`] with what `images` says of images.
    pub fn lower_on(&self, dockerfile: &Dockerfile, images: &dyn lower::Images) -> Result<Lowered, Problem> {
        let lowered = lower::lower(dockerfile, &self.lower_request(), images);
        lowered.map_err(|mistakes| self.told(&mistakes, dockerfile))
    }

    fn told(&self, mistakes: &[parser::Diagnostic], dockerfile: &Dockerfile) -> Problem {
        mistakes::problem(mistakes, &self.input.dockerfile.name, &dockerfile.source)
    }

    fn lower_request(&self) -> lower::Request {
        lower::Request {
            target: self.request.target.clone(),
            build_args: self.request.build_args.clone(),
            labels: self.request.labels.iter().cloned().collect(),
            no_cache: if self.request.no_cache { NoCache::All } else { NoCache::None },
            network: match self.request.network {
                BuildNetwork::Default => graph::op::Network::Default,
                BuildNetwork::Host => graph::op::Network::Host,
                BuildNetwork::None => graph::op::Network::None,
            },
            source_date_epoch: self.request.source_date_epoch,
            ..lower::Request::default()
        }
    }

    pub fn executor(&self, lowered: &Lowered) -> Result<LocalExecutor, Problem> {
        let mut contexts = BTreeMap::new();
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
            contexts.insert(CONTEXT.to_owned(), Context::open(dir, rules, known)?);
        }
        let given = Given {
            scratch: paths::scratch(&self.store),
            hosts: hosts(&self.request.add_hosts),
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

    /// The layers of the image, and how many of them each step added.
    fn solve(
        &self,
        dockerfile: &Dockerfile,
        (lowered, built): (&Lowered, &Built),
        executor: &LocalExecutor,
    ) -> Result<(Vec<LayerId>, Vec<usize>), Problem> {
        let Some(target) = built.target else { return Ok((Vec::new(), Vec::new())) };
        let ports = Ports { executor, resolver: executor, progress: &*self.view };
        let cancel = self.interrupts.cancel();
        let solved = solver::solve(&lowered.graph, &[target], &self.store, ports, cancel, Options::default());
        let solved: Solved = solved.map_err(|error| {
            let place = (self.input.dockerfile.name.as_str(), &*dockerfile.source);
            failure::problem(&error, &lowered.graph, place, &self.view)
        })?;
        let layers = match solved.values.first() {
            Some(Value::Snapshot(layers)) => layers.clone(),
            Some(Value::Local(_)) | None => Vec::new(),
        };
        let added = image::added_layers(&lowered.graph, target, &solved, &self.store)?;
        Ok((layers, added))
    }

    fn export(&self, image: &Assembled) -> Result<Option<Descriptor>, Problem> {
        let export = export::Export {
            image,
            names: &self.request.tags,
            store: &self.store,
            images: &self.images,
            view: &self.view,
            cancel: self.interrupts.cancel(),
        };
        let to_store = [Output::Image { names: Vec::new() }];
        let outputs = if self.request.outputs.is_empty() { &to_store[..] } else { &self.request.outputs };
        let mut manifest = None;
        for output in outputs {
            manifest = export.write(output)?.or(manifest);
        }
        Ok(manifest)
    }
}

/// `/etc/hosts` of the steps: this machine's names for itself, and what `--add-host` says.
fn hosts(added: &[(String, String)]) -> Vec<u8> {
    let mut text = String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (name, address) in added {
        text += &format!("{address}\t{name}\n");
    }
    text.into_bytes()
}

//! File ops: planned, then made, unless the store has the layer that the plan says.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use cache::Ingest;
use graph::op::{FileAction, FileOp, Owner, UserRef};
use graph::{Manifest, Slot};
use oci::compress::decompress;
use oci::unpack::{Options, unpack};
use oci::view::View;
use oci::{ContentDigest, LayerId};
use solver::port::{Cancel, Failure, Job, Sight, TaskId, Value};

use super::{Input, LocalExecutor, built, fail, lock};
use crate::context::{Context, ContextError};
use crate::copy::apply::{ApplyError, Links, Places, apply};
use crate::copy::listing::Listing;
use crate::copy::stack::Stack;
use crate::copy::{self, Bytes, CopyError, Ids, Plan, Sources};

/// How often a copy is begun anew when the context changes under it.
const ATTEMPTS: usize = 3;
/// A tar header.
const HEADER: usize = 512;

/// What was planned for a vertex, and what was said of it.
pub(super) struct Planned {
    plan: Plan,
    fields: Manifest,
}

/// An archive, unpacked beside the layer.
struct Unpacked {
    _ingest: Ingest,
    fs: PathBuf,
    stack: Stack,
}

impl LocalExecutor {
    pub(super) fn sight_file(&self, job: &Job<'_>, op: &FileOp) -> Result<Option<Sight>, Failure> {
        let Some(inputs) = self.inputs(job)? else {
            return self.sight_from_afar(job, op);
        };
        let plan = self.plan(op, &inputs, &BTreeMap::new(), job.task)?;
        let (fields, layer) = told(&plan, &inputs)?;
        let sight = Sight { fields: fields.clone(), layer };
        lock(&self.plans).insert(job.id.index(), Arc::new(Planned { plan, fields }));
        Ok(Some(sight))
    }

    /// What `op` sees when not all layers are here: the snapshots whole, and of a build context what it takes.
    fn sight_from_afar(&self, job: &Job<'_>, op: &FileOp) -> Result<Option<Sight>, Failure> {
        if !job.inputs.iter().any(|input| matches!(input, Value::Local(_))) {
            return Ok(None);
        }
        let mut fields = Manifest::default();
        let inputs = self.local_inputs(job, &mut fields)?;
        let mut op = op.clone();
        for action in &mut op.actions {
            // In the key as they are written; who they are is the base's to say.
            match action {
                FileAction::Copy(copy) => copy.owner = None,
                FileAction::Mkdir { owner, .. }
                | FileAction::Mkfile { owner, .. }
                | FileAction::Symlink { owner, .. } => {
                    *owner = None;
                }
                FileAction::Rm { .. } => {}
            }
        }
        let plan = self.plan(&op, &inputs, &BTreeMap::new(), job.task)?;
        fields.extend(told(&plan, &inputs)?.0);
        Ok(Some(Sight { fields, layer: None }))
    }

    pub(super) fn do_file(&self, job: &Job<'_>, op: &FileOp, cancel: &Cancel) -> Result<Vec<LayerId>, Failure> {
        let mut inputs = self.fetch(job, cancel)?;
        let mut planned = lock(&self.plans).remove(&job.id.index());
        let sighted = planned.as_ref().map(|planned| planned.fields.clone());
        for _ in 1..ATTEMPTS {
            match self.try_file(job, op, &inputs, planned.take(), sighted.as_ref()) {
                // Without knowing what was seen, nobody could tell that something else was copied.
                Err(Trouble::Changed(_)) if sighted.is_some() && !cancel.is_canceled() => {
                    inputs = self.look_again(job)?
                }
                other => return other.map_err(Trouble::into_failure),
            }
        }
        self.try_file(job, op, &inputs, None, sighted.as_ref()).map_err(Trouble::into_failure)
    }

    fn try_file(
        &self,
        job: &Job<'_>,
        op: &FileOp,
        inputs: &[Input],
        planned: Option<Arc<Planned>>,
        sighted: Option<&Manifest>,
    ) -> Result<Vec<LayerId>, Trouble> {
        let planned = match planned {
            Some(planned) => planned,
            None => {
                let plan = self.plan_or_changed(op, inputs, &BTreeMap::new(), job.task)?;
                let (fields, _) = told(&plan, inputs)?;
                Arc::new(Planned { plan, fields })
            }
        };
        // The key says what was seen. Something else must not be recorded under it.
        if sighted.is_some_and(|sighted| *sighted != planned.fields) {
            return Err(Trouble::Failed(Failure::Other {
                message: "files of the build context changed while they were copied".to_owned(),
                hint: Some("build again when nothing writes to them".to_owned()),
                source: None,
            }));
        }
        let hint = self.last_layer(op)?;
        if planned.plan.archives.is_empty() {
            return self.make(&planned.plan, inputs, &BTreeMap::new(), hint);
        }
        let mut unpacked = BTreeMap::new();
        for archive in &planned.plan.archives {
            if !unpacked.contains_key(&archive.bytes) {
                unpacked.insert(archive.bytes.clone(), self.unpack(&archive.bytes, inputs)?);
            }
        }
        let plan = self.plan_or_changed(op, inputs, &unpacked, job.task)?;
        self.make(&plan, inputs, &unpacked, hint)
    }

    /// What the same op made last, of other files.
    fn last_layer(&self, op: &FileOp) -> Result<Option<LayerId>, Failure> {
        let step = graph::fields(&graph::Op::File(op.clone())).digest();
        let records = self.store.nearest_records(&step).map_err(fail)?;
        Ok(records.first().and_then(|(_, record)| record.layers.last().copied()))
    }

    fn make(
        &self,
        plan: &Plan,
        inputs: &[Input],
        unpacked: &BTreeMap<Bytes, Unpacked>,
        hint: Option<LayerId>,
    ) -> Result<Vec<LayerId>, Trouble> {
        let layer = built(plan.tree.digest());
        if self.store.has_layer(&layer).map_err(fail)? {
            return Ok(vec![layer]);
        }
        let ingest = self.store.ingest().map_err(fail)?;
        self.apply(plan, ingest.fs(), inputs, unpacked, Links::Allowed { hint })?;
        self.store.commit_layer(ingest, layer, &plan.tree).map_err(fail)?;
        Ok(vec![layer])
    }

    fn apply(
        &self,
        plan: &Plan,
        fs: &std::path::Path,
        inputs: &[Input],
        unpacked: &BTreeMap<Bytes, Unpacked>,
        links: Links,
    ) -> Result<(), Trouble> {
        let of_archive = |layer: &LayerId| unpacked.values().find(|archive| archive.stack.layers().contains(layer));
        let places = Places {
            context: &|from| context_of(inputs, from),
            layer: &|layer| match of_archive(layer) {
                Some(archive) => Some(archive.fs.clone()),
                None => self.store.layer_fs(layer).ok(),
            },
            tree: &|layer| match of_archive(layer) {
                Some(archive) => archive.stack.view().layers().first().cloned(),
                None => self.store.tree(layer).ok(),
            },
            links,
        };
        apply(plan, fs, &places).map_err(|error| match error {
            ApplyError::Context(ContextError::Changed { path } | ContextError::Gone { path }) => Trouble::Changed(path),
            other => Trouble::Failed(fail(other)),
        })
    }

    /// Plans `op`, archives that are not `unpacked` apart.
    fn plan(
        &self,
        op: &FileOp,
        inputs: &[Input],
        unpacked: &BTreeMap<Bytes, Unpacked>,
        task: TaskId,
    ) -> Result<Plan, Failure> {
        self.plan_or_changed(op, inputs, unpacked, task).map_err(Trouble::into_failure)
    }

    fn plan_or_changed(
        &self,
        op: &FileOp,
        inputs: &[Input],
        unpacked: &BTreeMap<Bytes, Unpacked>,
        task: TaskId,
    ) -> Result<Plan, Trouble> {
        let listings: Vec<Option<&dyn Listing>> = inputs.iter().map(|input| Some(input.listing())).collect();
        let base = op.base.and_then(|slot| inputs.get(usize::from(slot.0)));
        let sources = Sources {
            inputs: &listings,
            users: &|owner| self.owner(base, owner, task),
            is_archive: &|bytes| self.is_archive(bytes, inputs),
            unpacked: &|bytes| unpacked.get(bytes).map(|archive| &archive.stack as &dyn Listing),
        };
        copy::plan(op, base.map(Input::listing), &sources).map_err(|error| match error {
            CopyError::Context(ContextError::Changed { path } | ContextError::Gone { path }) => Trouble::Changed(path),
            other => Trouble::Failed(fail(other)),
        })
    }

    /// Whom `--chown` names. BuildKit takes a name that the base does not have for root; so do we, and say it.
    fn owner(&self, base: Option<&Input>, owner: &Owner, task: TaskId) -> Result<Ids, CopyError> {
        let names = [&owner.user, &owner.group].into_iter().flatten().filter_map(|of| match of {
            UserRef::Name(name) => Some(name),
            UserRef::Id(_) => None,
        });
        if let (None, Some(name)) = (base, names.into_iter().next()) {
            return Err(CopyError::NoAccounts { name: name.clone() });
        }
        let accounts = match base {
            Some(Input::Layers(stack)) => {
                self.accounts(stack).map_err(|failure| CopyError::Other { message: failure.to_string() })?
            }
            Some(Input::Local(_)) | None => crate::passwd::Accounts::default(),
        };
        let (ids, unknown) = accounts.owner(owner);
        for error in unknown {
            self.warn(task, &format!("{error}; root is taken instead").replace("\nhint: ", "; "));
        }
        Ok(ids)
    }

    fn open(&self, bytes: &Bytes, inputs: &[Input]) -> Result<Box<dyn Read + Send>, CopyError> {
        match bytes {
            Bytes::Inline(bytes) => Ok(Box::new(std::io::Cursor::new(bytes.clone()))),
            Bytes::Local { from, path } => {
                let context =
                    context_of(inputs, *from).ok_or(CopyError::NoInput { slot: from.map_or(0, |slot| slot.0) })?;
                let file: OwnedFd = context.open_file(path)?;
                Ok(Box::new(File::from(file)))
            }
            Bytes::Layer { layer, path } => {
                let other = |error: &dyn std::error::Error| CopyError::Other {
                    message: format!("cannot read `{}` of layer {layer}: {error}", copy::path::show(path)),
                };
                let fs = self.store.layer_fs(layer).map_err(|error| other(&error))?;
                let file = copy::apply::open_in_layer(&fs, path).map_err(|errno| other(&errno))?;
                Ok(Box::new(File::from(file)))
            }
        }
    }

    fn is_archive(&self, bytes: &Bytes, inputs: &[Input]) -> Result<bool, CopyError> {
        let Ok((_, mut tar)) = decompress(self.open(bytes, inputs)?) else {
            return Ok(false);
        };
        let mut header = [0; HEADER];
        Ok(tar.read_exact(&mut header).is_ok() && is_tar_header(&header))
    }

    fn unpack(&self, bytes: &Bytes, inputs: &[Input]) -> Result<Unpacked, Trouble> {
        let ingest = self.store.ingest().map_err(fail)?;
        let compressed = self.open(bytes, inputs).map_err(fail)?;
        let (_, tar) = decompress(compressed).map_err(fail)?;
        let unpacked = unpack(tar, ingest.fs(), &Options::archive()).map_err(fail)?;
        let layer = built(unpacked.tree.digest());
        let stack = Stack::new(View::new(vec![Arc::new(unpacked.tree)]), vec![layer]);
        Ok(Unpacked { fs: ingest.fs().to_owned(), _ingest: ingest, stack })
    }

    /// The same inputs, the contexts among them scanned anew.
    fn look_again(&self, job: &Job<'_>) -> Result<Vec<Input>, Failure> {
        for value in job.inputs {
            if let Value::Local(name) = value
                && let Some(context) = self.context(name)
            {
                let afresh = context.afresh().map_err(fail)?;
                lock(&self.contexts).insert(name.clone(), Arc::new(afresh));
            }
        }
        self.inputs(job)?.ok_or_else(|| Failure::other("a layer has gone from the store while it was used"))
    }

    /// A directory of one input, as one layer of the store: what a bind mount shows.
    pub(super) fn gather(&self, copy: graph::op::Copy, inputs: &[Input], task: TaskId) -> Result<LayerId, Failure> {
        let op = FileOp { base: None, actions: vec![graph::op::FileAction::Copy(Box::new(copy))] };
        let plan = self.plan(&op, inputs, &BTreeMap::new(), task)?;
        let made = self.make(&plan, inputs, &BTreeMap::new(), None).map_err(Trouble::into_failure)?;
        made.first().copied().ok_or_else(|| Failure::other("a copy made no layer"))
    }

    /// The same in a directory of its own, to be written to.
    pub(super) fn gather_apart(
        &self,
        copy: graph::op::Copy,
        inputs: &[Input],
        fs: &std::path::Path,
        task: TaskId,
    ) -> Result<(), Failure> {
        let op = FileOp { base: None, actions: vec![graph::op::FileAction::Copy(Box::new(copy))] };
        let plan = self.plan(&op, inputs, &BTreeMap::new(), task)?;
        self.apply(&plan, fs, inputs, &BTreeMap::new(), Links::Never).map_err(Trouble::into_failure)
    }

    /// The content of what [`LocalExecutor::gather`] would make, without making it.
    pub(super) fn seen(&self, copy: graph::op::Copy, inputs: &[Input], task: TaskId) -> Result<ContentDigest, Failure> {
        let op = FileOp { base: None, actions: vec![graph::op::FileAction::Copy(Box::new(copy))] };
        Ok(self.plan(&op, inputs, &BTreeMap::new(), task)?.tree.digest())
    }
}

/// Why a try came to nothing.
enum Trouble {
    /// This file of the context.
    Changed(String),
    Failed(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Trouble {
    fn into_failure(self) -> Failure {
        match self {
            Self::Changed(path) => fail(ContextError::Changed { path }),
            Self::Failed(failure) => failure,
        }
    }
}

/// What the key holds of a plan, and the layer it comes to where that is known.
fn told(plan: &Plan, inputs: &[Input]) -> Result<(Manifest, Option<LayerId>), Failure> {
    let mut fields = Manifest::default();
    let contents = built(plan.tree.digest());
    fields.push("contents", contents.to_string());
    for (at, archive) in plan.archives.iter().enumerate() {
        fields.push(format!("archive.{at}"), content_of(&archive.bytes, inputs)?.to_string());
    }
    Ok((fields, plan.archives.is_empty().then_some(contents)))
}

fn content_of(bytes: &Bytes, inputs: &[Input]) -> Result<ContentDigest, Failure> {
    let gone = |path: &[u8]| Failure::other(format!("`{}` is not there any more", copy::path::show(path)));
    match bytes {
        Bytes::Inline(bytes) => Ok(ContentDigest::of(bytes)),
        Bytes::Local { from, path } => {
            let context = context_of(inputs, *from).ok_or_else(|| gone(path))?;
            let read = context.read(&[path]).map_err(fail)?;
            read.first().map(|read| read.content).ok_or_else(|| gone(path))
        }
        Bytes::Layer { layer, path } => {
            let find = |input: &Input| match input {
                Input::Layers(stack) => {
                    let at = stack.layers().iter().position(|id| id == layer)?;
                    let tree = stack.view().layers().get(at)?;
                    match tree.file_of(tree.get(path)?).kind {
                        oci::tree::Kind::File { content, .. } => Some(content),
                        _ => None,
                    }
                }
                Input::Local(_) => None,
            };
            inputs.iter().find_map(find).ok_or_else(|| gone(path))
        }
    }
}

fn context_of(inputs: &[Input], from: Option<Slot>) -> Option<&Context> {
    match inputs.get(usize::from(from?.0))? {
        Input::Local(context) => Some(context),
        Input::Layers(_) => None,
    }
}

/// Whether the sum in a tar header is that of its bytes, its own field counted as spaces.
fn is_tar_header(header: &[u8; HEADER]) -> bool {
    let field = String::from_utf8_lossy(&header[148..156]);
    let Ok(stored) = u32::from_str_radix(field.trim_matches(['\0', ' ']), 8) else {
        return false;
    };
    let sum: u32 =
        header.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u32::from(byte) }).sum();
    sum == stored
}

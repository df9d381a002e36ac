//! The mounts of a RUN, made ready: what the sandbox is to bind, and what must live as long as the process.
//!
//! A bind shows a directory of one layer where one layer alone has it. Otherwise, and for a build context, what it
//! shows is gathered into a layer of the store first, by hard links and as a COPY would: the next RUN finds it there.
//! What may be written to is gathered into a directory of its own, and thrown away.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use cache::{Ingest, MountLock};
use graph::Slot;
use graph::op::{Copy, ExecOp, MountKind as OpKind, Sharing};
use oci::tree::Kind;
use oci::view::{Last, Place};
use solver::port::{Cancel, Failure, TaskId};

use super::agent::Agent;
use super::{Input, LocalExecutor, fail};
use crate::copy::path;
use crate::copy::stack::Stack;
use crate::sandbox::spec::{Mount, MountKind};

const TMPFS_MODE: u32 = 0o1777;

/// The mounts of one process.
#[derive(Default)]
pub(super) struct Mounts {
    pub mounts: Vec<Mount>,
    pub env: Vec<String>,
    // Before the directories that their sockets are in.
    agents: Vec<Agent>,
    ingests: Vec<Ingest>,
    locks: Vec<MountLock>,
}

/// The copy that gathers what a bind mount shows, if it shows a local directory.
pub(super) fn local_source(kind: &OpKind, inputs: &[Input]) -> Option<Copy> {
    let (OpKind::Bind { from, source } | OpKind::Cache { from, source, .. }) = kind else {
        return None;
    };
    let slot = (*from)?;
    match inputs.get(usize::from(slot.0))? {
        Input::Local(_) => Some(whole(slot, source)),
        Input::Layers(_) => None,
    }
}

/// A copy of `source` and all in it into an empty root: of a directory's contents, or of a file.
fn whole(from: Slot, source: &str) -> Copy {
    Copy { allow_wildcard: false, ..Copy::new(from, source, "/") }
}

impl LocalExecutor {
    pub(super) fn mounts(
        &self,
        op: &ExecOp,
        inputs: &[Input],
        task: TaskId,
        cancel: &Cancel,
    ) -> Result<Mounts, Failure> {
        let mut ready = Mounts::default();
        for mount in &op.mounts {
            let target = mount.target.clone();
            let kind = match &mount.kind {
                OpKind::Bind { from, source } => {
                    let from = from.as_ref().map(|slot| (*slot, source.as_str()));
                    MountKind::Bind { source: self.bind(from, mount.readonly, inputs, &mut ready, task)? }
                }
                OpKind::Cache { .. } => {
                    MountKind::Bind { source: self.cache_mount(&mount.kind, inputs, &mut ready, task, cancel)? }
                }
                OpKind::Tmpfs { size } => MountKind::Tmpfs { size: *size, mode: TMPFS_MODE },
                OpKind::Secret { .. } => match self.secret(&mount.kind, &target, &mut ready)? {
                    Some(file) => file,
                    None => continue,
                },
                OpKind::Ssh { .. } => match self.agent(&mount.kind, &mut ready)? {
                    Some(source) => {
                        if !op.env.iter().any(|variable| variable.starts_with("SSH_AUTH_SOCK=")) {
                            ready.env.push(format!("SSH_AUTH_SOCK={target}"));
                        }
                        MountKind::Bind { source }
                    }
                    None => continue,
                },
                OpKind::File { contents, mode } => {
                    MountKind::File { contents: contents.clone(), mode: *mode, uid: 0, gid: 0 }
                }
            };
            ready.mounts.push(Mount { target, kind, readonly: mount.readonly });
        }
        // What is mounted below another mount must come after it.
        ready.mounts.sort_by(|a, b| a.target.cmp(&b.target));
        Ok(ready)
    }

    /// The file of a secret, unless it is a variable only, or was not given and need not be.
    fn secret(&self, kind: &OpKind, target: &str, ready: &mut Mounts) -> Result<Option<MountKind>, Failure> {
        let OpKind::Secret { id, required, mode, uid, gid, env } = kind else {
            return Err(Failure::other("not a secret"));
        };
        let Some(secret) = self.given.remotes.access().secrets.get(id) else {
            return if *required { Err(not_given("secret", id, format!("secret {id}: not found"))) } else { Ok(None) };
        };
        if let Some(name) = env {
            let text = std::str::from_utf8(secret).ok().filter(|text| !text.contains('\0'));
            let text = text.ok_or_else(|| {
                Failure::other(format!("the secret `{id}` cannot be a variable: it is not text (UTF-8 without NUL)"))
            })?;
            ready.env.push(format!("{name}={text}"));
        }
        let is_file = env.is_none() || !target.is_empty();
        let mode = *mode & 0o777;
        Ok(is_file.then(|| MountKind::File { contents: secret.clone(), mode, uid: *uid, gid: *gid }))
    }

    /// A socket that leads to an agent, unless none was given and none need be.
    fn agent(&self, kind: &OpKind, ready: &mut Mounts) -> Result<Option<PathBuf>, Failure> {
        let OpKind::Ssh { id, required, mode, uid, gid } = kind else {
            return Err(Failure::other("not an agent's socket"));
        };
        let Some(socket) = self.given.remotes.access().ssh.get(id) else {
            let message = format!("no SSH key \"{id}\" forwarded from the client");
            return if *required { Err(not_given("ssh", id, message)) } else { Ok(None) };
        };
        let dir = self.empty(ready)?;
        let agent = Agent::forward(socket, &dir, (*mode & 0o777, *uid, *gid)).map_err(fail)?;
        let source = agent.socket().to_owned();
        ready.agents.push(agent);
        Ok(Some(source))
    }

    fn bind(
        &self,
        from: Option<(Slot, &str)>,
        readonly: bool,
        inputs: &[Input],
        ready: &mut Mounts,
        task: TaskId,
    ) -> Result<PathBuf, Failure> {
        let Some((slot, source)) = from else {
            return self.empty(ready);
        };
        let input = inputs
            .get(usize::from(slot.0))
            .ok_or_else(|| Failure::other("a mount names an input that is not there"))?;
        if let (Input::Layers(stack), true) = (input, readonly)
            && let Some(place) = self.in_one_layer(stack, source)?
        {
            return Ok(place);
        }
        let is_dir = path::resolve(input.listing(), source.as_bytes(), path::LastLink::Follow)
            .and_then(|at| Ok(input.listing().lookup(&at)?.map(|node| node.is_dir())))
            .map_err(fail)?;
        let Some(is_dir) = is_dir else {
            return Err(Failure::other(format!("cannot mount `{source}`: it does not exist")));
        };
        let fs = if readonly {
            let layer = self.gather(whole(slot, source), inputs, task)?;
            self.store.layer_fs(&layer).map_err(fail)?
        } else {
            let fs = self.empty(ready)?;
            self.gather_apart(whole(slot, source), inputs, &fs, task)?;
            fs
        };
        // A file is copied under the name it was asked for by.
        let name = path::clean(source.as_bytes());
        Ok(if is_dir { fs } else { fs.join(OsStr::from_bytes(path::base(&name))) })
    }

    fn empty(&self, ready: &mut Mounts) -> Result<PathBuf, Failure> {
        let ingest = self.store.ingest().map_err(fail)?;
        let fs = ingest.fs().to_owned();
        ready.ingests.push(ingest);
        Ok(fs)
    }

    /// Where `source` is, if one layer alone has a say in it.
    fn in_one_layer(&self, stack: &Stack, source: &str) -> Result<Option<PathBuf>, Failure> {
        let resolved = stack.view().resolve(&path::clean(source.as_bytes()), Last::Follow).map_err(fail)?;
        let layer = match &resolved.place {
            Place::Entry(found) if matches!(found.node.kind, Kind::File { .. }) => found.layer,
            Place::Entry(found) if found.entry.is_dir() => {
                let has = |tree: &oci::Tree| tree.get(&found.entry.path).is_some();
                let mut having =
                    stack.view().layers().iter().enumerate().filter(|(_, tree)| has(tree)).map(|(at, _)| at);
                match (having.next(), having.next()) {
                    (Some(layer), None) => layer,
                    _ => return Ok(None),
                }
            }
            Place::Root if stack.layers().len() == 1 => 0,
            _ => return Ok(None),
        };
        let Some(layer) = stack.layers().get(layer) else {
            return Ok(None);
        };
        let fs = self.layer_fs(layer)?;
        Ok(Some(fs.join(OsStr::from_bytes(&resolved.path))))
    }

    fn cache_mount(
        &self,
        kind: &OpKind,
        inputs: &[Input],
        ready: &mut Mounts,
        task: TaskId,
        cancel: &Cancel,
    ) -> Result<PathBuf, Failure> {
        let OpKind::Cache { id, sharing, from, source, mode, uid, gid } = kind else {
            return Err(Failure::other("not a cache mount"));
        };
        // Another owner, mode or start is another cache, as in BuildKit.
        let mut id = id.clone();
        if (*mode, *uid, *gid) != (0o755, 0, 0) {
            id += &format!("-{mode:o}-{uid}-{gid}");
        }
        if let Some(slot) = from {
            id += &format!("-from-{}-{source}", slot.0);
        }
        let mut wait = || !cancel.is_canceled();
        match sharing {
            Sharing::Shared => {}
            Sharing::Locked => {
                ready.locks.push(self.store.lock_mount(&id, &mut wait).map_err(fail)?.ok_or(Failure::Canceled)?)
            }
            Sharing::Private => {
                let free = (0_u32..).find_map(|copy| {
                    let id = if copy == 0 { id.clone() } else { format!("{id}-{copy}") };
                    self.store.lock_mount(&id, &mut || false).map(|lock| lock.map(|lock| (id, lock))).transpose()
                });
                let (free, lock) = free.ok_or(Failure::Canceled)?.map_err(fail)?;
                id = free;
                ready.locks.push(lock);
            }
        }
        let dir = self.store.cache_mount(&id).map_err(fail)?;
        if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_none()) {
            prepare(&dir, *mode, *uid, *gid)?;
            if let Some(slot) = from {
                self.gather_apart(whole(*slot, source), inputs, &dir, task)?;
            }
        }
        Ok(dir)
    }
}

fn prepare(dir: &Path, mode: u32, uid: u32, gid: u32) -> Result<(), Failure> {
    fs::set_permissions(dir, fs::Permissions::from_mode(mode))
        .and_then(|()| if (uid, gid) == (0, 0) { Ok(()) } else { chown(dir, Some(uid), Some(gid)) })
        .map_err(|error| Failure::other(format!("cannot prepare the cache mount `{}`: {error}", dir.display())))
}

/// Something is required that whoever builds did not give; the message is BuildKit's.
fn not_given(kind: &str, id: &str, message: String) -> Failure {
    let hint = match kind {
        "ssh" => format!("start an agent, add the key to it, and give it with `--ssh {id}`"),
        _ => format!("give it with `--{kind} id={id},src=FILE` or `--{kind} id={id},env=NAME`"),
    };
    Failure::Other { message, hint: Some(hint), source: None }
}

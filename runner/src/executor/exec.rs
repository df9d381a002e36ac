//! RUN: a process on an overlay of its input's layers; what it changed is a layer.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use graph::Manifest;
use graph::op::{ExecOp, Network as OpNetwork, Security};
use oci::view::{Last, Place, View};
use oci::{LayerId, Tree};
use solver::port::{Cancel, Failure, Job, Sight, Value};

use super::mounts::Mounts;
use super::{Input, LocalExecutor, built, fail, limits, output};
use crate::capture::capture;
use crate::copy::apply::open_in_layer;
use crate::copy::stack::Stack;
use crate::passwd::Accounts;
use crate::sandbox::spec::{File, Network, Outcome, Root, RunSpec, Stdio};
use crate::sandbox::stub;

/// As BuildKit's sandboxes are called.
pub const HOSTNAME: &str = "buildkitsandbox";
/// Larger account files are not read.
const MAX_ACCOUNTS: u64 = 10 << 20;

impl LocalExecutor {
    /// A RUN sees all of its snapshots. Of a local directory it sees what its mounts show.
    pub(super) fn sight_exec(&self, job: &Job<'_>, op: &ExecOp) -> Result<Option<Sight>, Failure> {
        if !job.inputs.iter().any(|input| matches!(input, Value::Local(_))) {
            return Ok(None);
        }
        let mut fields = Manifest::default();
        let inputs = self.local_inputs(job, &mut fields)?;
        for mount in &op.mounts {
            if let Some(copy) = super::mounts::local_source(&mount.kind, &inputs) {
                let seen = self.seen(copy, &inputs, job.task)?;
                fields.push(format!("mount.{}", mount.target), built(seen).to_string());
            }
        }
        Ok(Some(Sight { fields, layer: None }))
    }

    pub(super) fn do_exec(&self, job: &Job<'_>, op: &ExecOp, cancel: &Cancel) -> Result<Vec<LayerId>, Failure> {
        if let Some(device) = op.devices.iter().find(|device| device.required) {
            return Err(no_device(&device.name));
        }
        for device in &op.devices {
            self.warn(job.task, &format!("there is no device `{}`: the step runs without it", device.name));
        }
        let inputs = self.fetch(job, cancel)?;
        let empty = Stack::new(View::default(), Vec::new());
        let root = match op.root.and_then(|slot| inputs.get(usize::from(slot.0))) {
            Some(Input::Layers(stack)) => stack,
            Some(Input::Local(_)) => return Err(Failure::other("a process cannot have a build context as its root")),
            None => &empty,
        };
        let ingest = self.store.ingest().map_err(fail)?;
        let lowers = root.layers().iter().map(|layer| self.layer_fs(layer)).collect::<Result<_, _>>()?;
        let is_below = |path: &Path| root.view().lookup(path.as_os_str().as_bytes()).is_some();
        stub::make_standard(ingest.fs(), is_below).map_err(fail)?;
        let mounts = self.mounts(op, &inputs, job.task, cancel)?;
        let overlay = Root::Overlay { lowers, upper: ingest.fs().to_owned(), work: ingest.work().to_owned() };
        let (limits, refused) = limits::granted(&op.limits);
        refused.iter().for_each(|message| self.warn(job.task, message));
        let spec = RunSpec { limits, ..self.spec(op, self.accounts(root)?, overlay, &mounts)? };
        let (output, stdout, stderr) = output::pipes()?;
        let stdio = Stdio::Pipes { stdin: None, stdout, stderr };
        let process = self.spawner()?.spawn(&spec, stdio).map_err(fail)?;
        let outcome = output.follow(&process, &*self.progress, job.task, cancel)?;
        drop(mounts);
        match outcome {
            Outcome::Exited(0) => {}
            Outcome::Exited(code) => {
                return Err(self.foreign(op, root, code)?.unwrap_or_else(|| exit(op, code.into())));
            }
            Outcome::Signaled(signal) => return Err(exit(op, 128 + signal)),
        }
        stub::remove_empty(ingest.fs(), &stub::mountpoints(&spec), is_below).map_err(fail)?;
        let tree: Tree = capture(ingest.fs()).map_err(fail)?;
        let layer = built(tree.digest());
        self.store.commit_layer(ingest, layer, &tree).map_err(fail)?;
        Ok(vec![layer])
    }

    fn spec(&self, op: &ExecOp, accounts: Accounts, root: Root, mounts: &Mounts) -> Result<RunSpec, Failure> {
        let login = accounts.login(&op.user).map_err(fail)?;
        let mut env: Vec<String> = op.env.iter().map(ToString::to_string).collect();
        env.extend(op.proxy_env.iter().chain(&mounts.env).cloned());
        if !env.iter().any(|variable| variable.starts_with("HOME=")) {
            env.push(format!("HOME={}", login.home));
        }
        let files = vec![
            File { target: "/etc/hosts".to_owned(), contents: self.given.hosts.clone(), mode: 0o644 },
            File { target: "/etc/resolv.conf".to_owned(), contents: self.given.resolv_conf.clone(), mode: 0o644 },
        ];
        let privileged = op.security == Security::Insecure;
        Ok(RunSpec {
            root,
            readonly_root: false,
            args: op.args.clone(),
            env,
            cwd: if op.cwd.is_empty() { "/".to_owned() } else { op.cwd.clone() },
            user: login.credentials.clone(),
            hostname: op.hostname.clone().unwrap_or_else(|| HOSTNAME.to_owned()),
            network: match op.network {
                OpNetwork::Default | OpNetwork::Host => Network::Host,
                OpNetwork::None => Network::None,
            },
            mounts: mounts.mounts.clone(),
            files,
            limits: Vec::new(),
            privileged,
            // Root has none to gain. Another user may have been given `sudo` by an earlier step, which must work.
            no_new_privileges: login.credentials.uid == 0 && !privileged,
        })
    }

    /// The accounts of a root filesystem; none where there are no files of them.
    pub(super) fn accounts(&self, stack: &Stack) -> Result<Accounts, Failure> {
        let file = |path: &[u8]| self.file_start(stack, path, MAX_ACCOUNTS);
        Ok(Accounts::parse(&file(b"etc/passwd")?, &file(b"etc/group")?))
    }

    /// The first bytes of a file, `limit` at most; none where there is no such file.
    pub(super) fn file_start(&self, stack: &Stack, path: &[u8], limit: u64) -> Result<Vec<u8>, Failure> {
        let Ok(resolved) = stack.view().resolve(path, Last::Follow) else {
            return Ok(Vec::new());
        };
        let Place::Entry(found) = resolved.place else {
            return Ok(Vec::new());
        };
        let Some(layer) = stack.layers().get(found.layer) else {
            return Ok(Vec::new());
        };
        if !matches!(found.node.kind, oci::tree::Kind::File { .. }) {
            return Ok(Vec::new());
        }
        let fs = self.layer_fs(layer)?;
        let unreadable = |error: std::io::Error| {
            Failure::other(format!("cannot read `{}` of layer {layer}: {error}", found.entry.display()))
        };
        let file = open_in_layer(&fs, &found.entry.path).map_err(|errno| unreadable(errno.into()))?;
        let mut bytes = Vec::new();
        fs::File::from(file).take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }
}

fn exit(op: &ExecOp, code: i32) -> Failure {
    Failure::Exit { command: format!("\"{}\"", op.args.join(" ")), code }
}

fn no_device(name: &str) -> Failure {
    Failure::Other {
        message: format!("the device `{name}` is required, and Kiln gives none to a step"),
        hint: Some("without `required`, the step runs and finds no device".to_owned()),
        source: None,
    }
}

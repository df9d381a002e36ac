//! Kiln's graph in the form that is compared.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use graph::op::{MountKind, Network, Owner, Security, UserRef};
use graph::{ExecOp, FileAction, Op, SourceOp, VertexId};
use oci::Digest;
use parser::lower::Lowered;
use serde_json::{Value, json};

use super::STAND_IN;

/// What the target needs, inputs first, each vertex once; under no name, the target.
pub(super) fn ops(lowered: &Lowered) -> Value {
    let graph = &lowered.graph;
    let mut needed = vec![false; graph.len()];
    let mut todo: Vec<VertexId> = lowered.images.iter().filter_map(|image| image.target).collect();
    while let Some(id) = todo.pop() {
        if !std::mem::replace(&mut needed[id.index()], true) {
            todo.extend(graph.inputs(id));
        }
    }
    let mut ops = BTreeMap::new();
    for id in graph.ids().filter(|id| needed[id.index()]) {
        let vertex = graph.vertex(id);
        let inputs = graph.inputs(id);
        let name = |slot: &graph::Slot| self::name(graph.vertex(inputs[usize::from(slot.0)]));
        if let Value::String(own) = self::name(vertex) {
            super::insert(&mut ops, own, op(&vertex.op, &name));
        }
    }
    let target = lowered.images.first().and_then(|image| image.target).map_or(Value::Null, |id| name(graph.vertex(id)));
    super::insert(&mut ops, String::new(), target);
    super::inserted(ops)
}

/// The line of the vertex that `at` begins with the name of.
pub(super) fn line(lowered: &Lowered, at: &str) -> u64 {
    let graph = &lowered.graph;
    let named = |id: &VertexId| {
        let name = shown(&graph.vertex(*id).meta.name);
        !name.is_empty() && at.strip_prefix('.').is_some_and(|at| at.starts_with(&name))
    };
    let source = graph.ids().find(named).and_then(|id| graph.vertex(id).meta.source);
    source.map_or(1, |source| u64::from(source.first_line))
}

fn op(op: &Op, name: &dyn Fn(&graph::Slot) -> Value) -> Value {
    match op {
        Op::Source(op) => source(op),
        Op::Merge => json!({ "merge": [name(&graph::Slot(0)), name(&graph::Slot(1))] }),
        Op::Diff => json!("unexpected"),
        Op::Exec(op) => exec(op, name),
        Op::File(file) => {
            let actions: Vec<Value> = file.actions.iter().map(|one| action(one, name)).collect();
            json!({ "base": file.base.as_ref().map(name), "actions": actions })
        }
    }
}

fn source(source: &SourceOp) -> Value {
    match source {
        SourceOp::Image { reference, .. } => json!({ "image": reference }),
        SourceOp::Local { name } => json!({ "local": name }),
        SourceOp::Http { url, checksum, filename, .. } => {
            json!({ "http": url, "checksum": checksum.map(|digest| digest.to_string()), "filename": filename })
        }
        SourceOp::Git(git) => json!({
            "git": git.url, "reference": git.reference, "subdir": git.subdir, "checksum": git.checksum,
            "keep": git.keep_git_dir, "skip submodules": git.skip_submodules, "commit times": git.commit_times,
            "by commit": git.fetch_by_commit, "secrets": [git.auth_token_secret, git.auth_header_secret],
            "ssh": git.ssh,
        }),
    }
}

/// What stands for a vertex: its name; for a here-document's file, also its contents; nothing, for an empty filesystem.
fn name(vertex: &graph::Vertex) -> Value {
    match &vertex.op {
        Op::File(file) => match file.actions.first() {
            None => Value::Null,
            Some(FileAction::Mkfile { path, contents, .. }) => json!(format!("{path} {}", STANDARD.encode(contents))),
            Some(_) => json!(shown(&vertex.meta.name)),
        },
        _ => json!(shown(&vertex.meta.name)),
    }
}

fn shown(name: &str) -> String {
    name.replace(&format!("@{}", Digest::of(STAND_IN)), "")
}

fn exec(exec: &ExecOp, name: &dyn Fn(&graph::Slot) -> Value) -> Value {
    let mounts: Vec<Value> = exec
        .mounts
        .iter()
        .filter(|mount| !mount.target.is_empty())
        .map(|mount| json!({ "target": mount.target, "kind": kind(&mount.kind, name), "readonly": mount.readonly && !is_given(&mount.kind) }))
        .collect();
    let variables: Vec<Value> = exec.mounts.iter().filter_map(|mount| variable(&mount.kind)).collect();
    let network = match exec.network {
        Network::Default => "UNSET",
        Network::Host => "HOST",
        Network::None => "NONE",
    };
    let security = match exec.security {
        Security::Sandbox => "SANDBOX",
        Security::Insecure => "INSECURE",
    };
    json!({
        "root": exec.root.as_ref().map(name), "args": exec.args, "env": exec.env.iter().collect::<Vec<_>>(),
        "cwd": exec.cwd, "user": exec.user, "network": network, "security": security, "mounts": mounts,
        "secrets": variables,
        "devices": exec.devices.iter().map(|device| json!([device.name, device.required])).collect::<Vec<_>>(),
    })
}

/// Secrets and agents are not told to be read-only, though they are.
fn is_given(kind: &MountKind) -> bool {
    matches!(kind, MountKind::Secret { .. } | MountKind::Ssh { .. })
}

/// A secret that is a variable.
fn variable(kind: &MountKind) -> Option<Value> {
    match kind {
        MountKind::Secret { id, required, env: Some(env), .. } => {
            Some(json!({ "secret": id, "variable": env, "required": required }))
        }
        _ => None,
    }
}

fn kind(kind: &MountKind, name: &dyn Fn(&graph::Slot) -> Value) -> Value {
    match kind {
        MountKind::Bind { from, source } => json!({ "bind": from.as_ref().map(name), "source": source }),
        MountKind::Cache { id, sharing, from, source, mode, uid, gid } => json!({
            "cache": id, "sharing": format!("{sharing:?}").to_uppercase(), "from": from.as_ref().map(name),
            "source": source, "mode": mode, "uid": uid, "gid": gid,
        }),
        MountKind::Tmpfs { size } => json!({ "tmpfs": size.unwrap_or(0) }),
        MountKind::File { contents, .. } => json!({ "script": String::from_utf8_lossy(contents) }),
        MountKind::Secret { id, required, mode, uid, gid, .. } => {
            json!({ "secret": id, "required": required, "mode": mode, "uid": uid, "gid": gid })
        }
        MountKind::Ssh { id, required, mode, uid, gid } => {
            json!({ "ssh": id, "required": required, "mode": mode, "uid": uid, "gid": gid })
        }
    }
}

fn owner(owner: Option<&Owner>) -> Value {
    let reference = |reference: &Option<UserRef>| match reference {
        None => Value::Null,
        Some(UserRef::Id(id)) => json!(id),
        Some(UserRef::Name(name)) => json!(name),
    };
    owner.map_or(Value::Null, |owner| json!([reference(&owner.user), reference(&owner.group)]))
}

fn action(action: &FileAction, name: &dyn Fn(&graph::Slot) -> Value) -> Value {
    match action {
        FileAction::Copy(copy) => json!({
            "copy": copy.from.as_ref().map(name), "src": copy.src, "dest": copy.dest,
            "owner": owner(copy.owner.as_ref()),
            "mode": match &copy.mode {
                None => json!(-1),
                Some(graph::op::Mode::Octal(mode)) => json!(mode),
                Some(graph::op::Mode::Symbolic(text)) => json!(text),
            },
            "followSymlink": copy.follow_symlinks, "dirCopyContents": copy.dir_contents_only,
            "attemptUnpackDockerCompatibility": copy.unpack_archives, "createDestPath": copy.create_dest_path,
            "allowWildcard": copy.allow_wildcard, "allowEmptyWildcard": copy.allow_empty_wildcard,
            "include": copy.include_patterns, "required": copy.required_paths, "exclude": copy.exclude_patterns, "time": copy.mtime,
        }),
        FileAction::Mkdir { path, mode, make_parents, owner: by, mtime } => json!({
            "mkdir": path, "mode": mode, "parents": make_parents, "owner": owner(by.as_ref()), "time": mtime,
        }),
        FileAction::Mkfile { path, mode, contents, .. } => {
            json!({ "mkfile": path, "mode": mode, "data": STANDARD.encode(contents) })
        }
        FileAction::Symlink { .. } | FileAction::Rm { .. } => json!("unexpected"),
    }
}

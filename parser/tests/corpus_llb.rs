//! Every Dockerfile of the corpus, lowered, against what BuildKit makes of it. Knows the corpus' form, no rule of ours.
//!
//! Runs where the corpus is, and says how many cases it ran. Both sides are brought to one form, JSON: what each vertex
//! does, with its inputs by the names of theirs, and the image config.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use graph::op::{MountKind, Network, Owner, UserRef};
use graph::{ExecOp, FileAction, Op, SourceOp, VertexId};
use oci::{Digest, ImageConfig, Platform, Reference};
use parser::lower::{BaseImage, Entitlement, ImageError, Images, Lowered, Request, lower};
use serde_json::{Value, json};

/// What the digest of an image is made of whose name has none.
const STAND_IN: &[u8] = b"stand-in";

#[derive(Default)]
struct StandIn(Mutex<Vec<String>>);

impl Images for StandIn {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        self.0.lock().expect("no panic holds it").push(name.to_string());
        let mut config = ImageConfig::scratch(platform);
        config.config.env = Some(vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()]);
        config.config.cmd = Some(vec!["/bin/sh".to_owned()]);
        config.history.push(oci::image::History { created_by: Some("fake base".to_owned()), ..Default::default() });
        Ok(BaseImage { reference: name.clone(), digest: name.digest().unwrap_or(Digest::of(STAND_IN)), config })
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus")
}

#[test]
fn the_corpus_agrees() {
    let cases = std::fs::read_to_string(corpus().join("dockerfiles.jsonl")).unwrap_or_default();
    let (mut run, mut agreed, mut differences) = (0, 0, Vec::new());
    for case in cases.lines() {
        let case: Value = serde_json::from_str(case).expect("JSON");
        let (Some(file), Some(llb)) = (case["file"].as_str(), case.get("llb")) else { continue };
        run += 1;
        match compare(file, llb) {
            Outcome::Agrees => agreed += 1,
            Outcome::Differs(why) => differences.push(format!("{file}: {why}")),
        }
    }
    for difference in &differences {
        println!("{difference}");
    }
    println!("{run} cases: {agreed} agree, {} differ", differences.len());
    assert!(agreed == run, "{agreed} of {run} agree");
}

enum Outcome {
    Agrees,
    Differs(String),
}

fn compare(file: &str, llb: &Value) -> Outcome {
    let text = std::fs::read(corpus().join("dockerfiles").join(file)).expect("a file of the corpus");
    let platform: Platform = "linux/amd64".parse().expect("a platform");
    let request = Request {
        platforms: vec![platform.clone()],
        build_platform: Some(platform),
        entitlements: Entitlement::ALL.into_iter().collect(),
        ..Request::default()
    };
    let images = StandIn::default();
    let accepted = llb["ok"] == true;
    match lower(&parser::parse(&text), &request, &images) {
        // Warnings that a file asks to be errors are not the lowering's.
        Ok(_) if llb["err"].as_str().is_some_and(|error| error.starts_with("lint violation")) => Outcome::Agrees,
        Ok(_) if !accepted => Outcome::Differs(format!("accepted, BuildKit says {}", llb["err"])),
        Ok(lowered) => match difference(&lowered, images, llb) {
            None => Outcome::Agrees,
            Some(why) => Outcome::Differs(why),
        },
        Err(errors) if accepted => {
            Outcome::Differs(format!("refused: line {}: {}", errors[0].span.first_line, errors[0].message))
        }
        Err(errors) => {
            let line = errors[0].span.first_line;
            let theirs = llb["err_lines"][0][0].as_u64();
            // Image names are read in parallel there: which of several bad ones is told of is chance.
            let by_chance = llb["err"].as_str().is_some_and(|error| error.starts_with("failed to parse stage name"));
            if !by_chance && theirs.is_some_and(|theirs| theirs != u64::from(line)) {
                return Outcome::Differs(format!(
                    "refused on line {line}, BuildKit on {theirs:?}: {} / {}",
                    errors[0].message, llb["err"]
                ));
            }
            Outcome::Agrees
        }
    }
}

fn difference(lowered: &Lowered, images: StandIn, llb: &Value) -> Option<String> {
    let mut ours = images.0.into_inner().expect("no panic held it");
    ours.sort();
    ours.dedup();
    let ours = json!({ "images": ours, "ops": our_ops(lowered), "image": our_image(&lowered.images[0].config) });
    let theirs = json!({ "images": llb["images"].as_array().cloned().unwrap_or_default(), "ops": their_ops(llb), "image": their_image(&llb["image"]) });
    first_difference("", &ours, &theirs)
}

fn first_difference(at: &str, ours: &Value, theirs: &Value) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() && a.keys().all(|key| b.contains_key(key)) => {
            a.iter().find_map(|(key, value)| first_difference(&format!("{at}.{key}"), value, &b[key]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(n, (a, b))| first_difference(&format!("{at}[{n}]"), a, b))
        }
        (a, b) if a == b => None,
        (Value::Object(a), Value::Object(b)) => {
            let ours: Vec<&String> = a.keys().filter(|key| !b.contains_key(*key)).collect();
            let theirs: Vec<&String> = b.keys().filter(|key| !a.contains_key(*key)).collect();
            Some(format!("{at}: ours alone {ours:?}, BuildKit's alone {theirs:?}"))
        }
        (a, b) => Some(format!("{at}: ours {a}, BuildKit's {b}")),
    }
}

fn our_image(config: &ImageConfig) -> Value {
    let mut image = serde_json::to_value(config).expect("a config is JSON");
    image.as_object_mut().expect("an object").remove("rootfs");
    image
}

fn their_image(image: &Value) -> Value {
    let mut image = image.clone();
    image.as_object_mut().expect("an object").remove("rootfs");
    image
}

/// What the target needs, inputs first, each vertex once.
fn our_ops(lowered: &Lowered) -> Value {
    let mut needed = vec![false; lowered.graph.len()];
    let mut todo: Vec<VertexId> = lowered.images[0].target.into_iter().collect();
    while let Some(id) = todo.pop() {
        if !std::mem::replace(&mut needed[id.index()], true) {
            todo.extend(lowered.graph.inputs(id));
        }
    }
    let mut ops = BTreeMap::new();
    for id in lowered.graph.ids().filter(|id| needed[id.index()]) {
        let vertex = lowered.graph.vertex(id);
        let inputs = lowered.graph.inputs(id);
        let name = |slot: &graph::Slot| our_name(lowered.graph.vertex(inputs[usize::from(slot.0)]));
        let op = match &vertex.op {
            Op::Source(source) => our_source(source),
            Op::Merge => json!({ "merge": [name(&graph::Slot(0)), name(&graph::Slot(1))] }),
            Op::Diff => json!("unexpected"),
            Op::Exec(exec) => our_exec(exec, &name),
            Op::File(file) => {
                let actions: Vec<Value> = file.actions.iter().map(|action| our_action(action, &name)).collect();
                json!({ "base": file.base.as_ref().map(name), "actions": actions })
            }
        };
        if let Value::String(name) = our_name(vertex) {
            insert(&mut ops, name, op);
        }
    }
    json!(ops)
}

/// As LLB writes it: the scheme's address, and the attributes. Keys of a host's that BuildKit asks the host for are not here.
fn our_source(source: &SourceOp) -> Value {
    match source {
        SourceOp::Image { reference, .. } => json!({ "image": reference }),
        SourceOp::Local { name } => json!({ "local": name }),
        SourceOp::Http { url, checksum, filename, .. } => {
            json!({ "http": url, "checksum": checksum.map(|digest| digest.to_string()), "filename": filename })
        }
        SourceOp::Git(git) => json!({
            "git": git.url, "reference": git.reference, "subdir": git.subdir, "checksum": git.checksum,
            "flags": [git.keep_git_dir, git.skip_submodules, git.commit_times, git.fetch_by_commit],
            "secrets": [git.auth_token_secret, git.auth_header_secret], "ssh": git.ssh,
        }),
    }
}

fn their_source(identifier: &str, attributes: &Value) -> Value {
    let (scheme, rest) = identifier.split_once("://").unwrap_or_default();
    let flag = |name: &str| attributes[name] == "true";
    match scheme {
        "docker-image" => json!({ "image": rest }),
        "local" => json!({ "local": rest }),
        "git" => {
            let (reference, subdir) = rest
                .split_once('#')
                .map_or(("", ""), |(_, fragment)| fragment.split_once(':').unwrap_or((fragment, "")));
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            json!({
                "git": attributes["git.fullurl"], "reference": some(reference), "subdir": some(subdir), "checksum": attributes["git.checksum"],
                "flags": [flag("git.keepgitdir"), flag("git.skipsubmodules"), attributes["git.mtime"] == "commit", flag("git.fetchbycommit")],
                "secrets": [attributes["git.authtokensecret"], attributes["git.authheadersecret"]], "ssh": attributes["git.mountsshsock"],
            })
        }
        _ => {
            json!({ "http": identifier, "checksum": attributes["http.checksum"], "filename": attributes["http.filename"] })
        }
    }
}

/// Names need not be unique: whatever has the same name is told apart by its order.
fn insert(ops: &mut BTreeMap<String, Value>, name: String, op: Value) {
    match ops.entry(name).or_insert_with(|| json!([])) {
        // LLB knows vertices by their contents: what is the same is there once.
        Value::Array(list) if list.contains(&op) => {}
        Value::Array(list) => list.push(op),
        _ => unreachable!("only lists are put in"),
    }
}

/// What stands for a vertex: its name; with the contents, for a here-document's file; nothing, for an empty filesystem.
fn our_name(vertex: &graph::Vertex) -> Value {
    match &vertex.op {
        Op::File(file) if file.actions.is_empty() => Value::Null,
        Op::File(file) => match &file.actions[0] {
            FileAction::Mkfile { path, contents, .. } => json!(format!("{path} {}", base64(contents))),
            _ => json!(shown(&vertex.meta.name)),
        },
        _ => json!(shown(&vertex.meta.name)),
    }
}

fn shown(name: &str) -> String {
    name.replace(&format!("@{}", Digest::of(STAND_IN)), "")
}

fn our_exec(exec: &ExecOp, name: &dyn Fn(&graph::Slot) -> Value) -> Value {
    let mounts: Vec<Value> = exec.mounts.iter().filter(|mount| !mount.target.is_empty()).map(|mount| {
        let kind = match &mount.kind {
            MountKind::Bind { from, source } => json!({ "bind": from.as_ref().map(name), "source": source }),
            MountKind::Cache { id, sharing, from, source, .. } => {
                json!({ "cache": id, "sharing": format!("{sharing:?}").to_uppercase(), "from": from.as_ref().map(name), "source": source })
            }
            MountKind::Tmpfs { .. } => json!("tmpfs"),
            MountKind::File { contents, .. } => json!({ "script": String::from_utf8_lossy(contents) }),
            MountKind::Secret { id, required, mode, uid, gid, env: _ } => json!({ "secret": id, "required": required, "access": [mode, uid, gid] }),
            MountKind::Ssh { id, required, mode, uid, gid } => json!({ "ssh": id, "required": required, "access": [mode, uid, gid] }),
        };
        let readonly = mount.readonly && !matches!(mount.kind, MountKind::Secret { .. } | MountKind::Ssh { .. });
        json!({ "target": mount.target, "kind": kind, "readonly": readonly })
    }).collect();
    let in_environment = exec.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Secret { id, required, env: Some(env), .. } => Some(json!([id, env, required])),
        _ => None,
    });
    let in_environment: Vec<Value> = in_environment.collect();
    let network = match exec.network {
        Network::Default => "UNSET",
        Network::Host => "HOST",
        Network::None => "NONE",
    };
    json!({
        "root": exec.root.as_ref().map(name), "args": exec.args, "env": exec.env.iter().collect::<Vec<_>>(), "cwd": exec.cwd, "user": exec.user,
        "network": network, "security": format!("{:?}", exec.security).to_uppercase(), "mounts": mounts, "in environment": in_environment,
        "devices": exec.devices.iter().map(|device| json!([device.name, device.required])).collect::<Vec<_>>(),
    })
}

fn our_owner(owner: Option<&Owner>) -> Value {
    let reference = |reference: &Option<UserRef>| match reference {
        None => Value::Null,
        Some(UserRef::Id(id)) => json!(id),
        Some(UserRef::Name(name)) => json!(name),
    };
    owner.map_or(Value::Null, |owner| json!([reference(&owner.user), reference(&owner.group)]))
}

fn our_action(action: &FileAction, name: &dyn Fn(&graph::Slot) -> Value) -> Value {
    match action {
        FileAction::Copy(copy) => json!({
            "copy": copy.from.as_ref().map(name), "src": copy.src, "dest": copy.dest, "owner": our_owner(copy.owner.as_ref()),
            "mode": match &copy.mode {
                None => json!(-1),
                Some(graph::op::Mode::Octal(mode)) => json!(mode),
                Some(graph::op::Mode::Symbolic(text)) => json!(text),
            },
            "flags": [copy.follow_symlinks, copy.dir_contents_only, copy.unpack_archives, copy.create_dest_path, copy.allow_wildcard, copy.allow_empty_wildcard],
            "include": copy.include_patterns, "exclude": copy.exclude_patterns,
        }),
        FileAction::Mkdir { path, mode, make_parents, owner, .. } => {
            json!({ "mkdir": path, "mode": mode, "parents": make_parents, "owner": our_owner(owner.as_ref()) })
        }
        FileAction::Mkfile { path, mode, contents, .. } => {
            json!({ "mkfile": path, "mode": mode, "data": base64(contents) })
        }
        FileAction::Symlink { .. } | FileAction::Rm { .. } => json!("unexpected"),
    }
}

fn list(items: &Value, show: impl Fn(&Value) -> Value) -> Value {
    items.as_array().map_or(&[][..], Vec::as_slice).iter().map(show).collect()
}

fn access(options: &Value) -> Value {
    json!(["mode", "uid", "gid"].map(|name| options[name].as_u64().unwrap_or(0)))
}

struct Theirs<'a> {
    ops: &'a [Value],
    /// By op, what stands for it: the copy of a link for the link's merge.
    names: Vec<String>,
}

fn their_ops(llb: &Value) -> Value {
    let ops = llb["ops"].as_array().map_or(&[][..], Vec::as_slice);
    let name = |op: &Value| {
        let mkfile = &op["op"]["file"]["actions"][0]["mkfile"];
        if let Some(path) = mkfile["path"].as_str() {
            return format!("{path} {}", mkfile["data"].as_str().unwrap_or_default());
        }
        let name = op["desc"]["llb.customname"].as_str().unwrap_or_default();
        name.to_owned()
    };
    let theirs = Theirs { ops, names: ops.iter().map(name).collect() };
    let mut out = BTreeMap::new();
    for (at, op) in ops.iter().enumerate() {
        if let Some(value) = theirs.op(at, op) {
            insert(&mut out, theirs.names[at].clone(), value);
        }
    }
    json!(out)
}

impl Theirs<'_> {
    fn input(&self, op: &Value, index: &Value) -> Option<usize> {
        let index: usize = match index {
            Value::String(text) if text == "-1" => return None,
            Value::String(text) => text.parse().ok()?,
            Value::Null => 0,
            other => usize::try_from(other.as_i64()?).ok()?,
        };
        op["inputs"][index].as_str()?.split('.').next()?.parse().ok()
    }

    fn name(&self, op: &Value, index: &Value) -> Value {
        self.input(op, index).map_or(Value::Null, |at| json!(self.names[at]))
    }

    fn op(&self, at: usize, op: &Value) -> Option<Value> {
        let kind = &op["op"];
        if let Some(identifier) = kind["source"]["identifier"].as_str() {
            return Some(their_source(identifier, &kind["source"]["attrs"]));
        }
        if kind["exec"].is_object() {
            return Some(self.exec(op, &kind["exec"]));
        }
        if kind["merge"].is_object() {
            return Some(json!({ "merge": [self.name(op, &json!(0)), self.name(op, &json!(1))] }));
        }
        let scripted = |other: &Value| {
            let mounts = other["op"]["exec"]["mounts"].as_array()?;
            let script =
                |mount: &Value| mount["dest"] == "/dev/pipes/" && self.input(other, &mount["input"]) == Some(at);
            mounts.iter().any(script).then_some(())
        };
        if !kind["file"].is_object() || self.ops.iter().any(|other| scripted(other).is_some()) {
            return None;
        }
        let value = self.file(op);
        (value["actions"][0]["mkdir"] != "/cache").then_some(value)
    }

    fn exec(&self, op: &Value, exec: &Value) -> Value {
        let mounts = exec["mounts"].as_array().map_or(&[][..], Vec::as_slice);
        let others: Vec<Value> = mounts
            .iter()
            .filter(|mount| mount["dest"] != "/")
            .map(|mount| self.mount(op, mount, &exec["meta"]["cwd"]))
            .collect();
        let root = mounts
            .iter()
            .find(|mount| mount["dest"] == "/")
            .map_or(Value::Null, |mount| self.name(op, &mount["input"]));
        let meta = &exec["meta"];
        json!({
            "root": root, "args": meta["args"], "env": meta["env"], "cwd": meta["cwd"],
            "user": meta["user"].as_str().unwrap_or_default(), "network": exec["network"].as_str().unwrap_or("UNSET"),
            "security": exec["security"].as_str().unwrap_or("SANDBOX"), "mounts": others,
            "devices": list(&exec["cdiDevices"], |device| json!([device["name"], device["optional"] != true])),
            "in environment": list(&exec["secretenv"], |secret| json!([secret["ID"], secret["name"], secret["optional"] != true])),
        })
    }

    fn mount(&self, op: &Value, mount: &Value, workdir: &Value) -> Value {
        let dest = mount["dest"].as_str().unwrap_or_default();
        let mut target = parser::path::clean(&parser::path::resolve(workdir.as_str().unwrap_or("/"), dest));
        let mut from = self.name(op, &mount["input"]);
        let mut source = mount["selector"].as_str().unwrap_or("/").to_owned();
        let input = self.input(op, &mount["input"]);
        let made = input.map(|at| &self.ops[at]["op"]["file"]["actions"][0]);
        if let Some(made) = made.filter(|made| made["mkdir"]["path"] == "/cache") {
            let base = input.map(|at| self.name(&self.ops[at], &made["input"]));
            (from, source) = (base.unwrap_or_default(), "/".to_owned());
        }
        let kind = match mount["mountType"].as_str() {
            Some("CACHE") => {
                let id = mount["cacheOpt"]["ID"].as_str().unwrap_or_default();
                let sharing = mount["cacheOpt"]["sharing"].as_str().unwrap_or("SHARED");
                json!({ "cache": id.strip_prefix('/').unwrap_or(id), "sharing": sharing, "from": from, "source": source })
            }
            Some("TMPFS") => json!("tmpfs"),
            Some("SECRET") => {
                let secret = &mount["secretOpt"];
                json!({ "secret": secret["ID"], "required": secret["optional"] != true, "access": access(secret) })
            }
            Some("SSH") => {
                let agent = &mount["SSHOpt"];
                let id = agent["ID"].as_str().unwrap_or("default");
                json!({ "ssh": id, "required": agent["optional"] != true, "access": access(agent) })
            }
            Some(_) => json!("unexpected"),
            None if dest == "/dev/pipes/" => {
                let file = made.map_or(&Value::Null, |made| &made["mkfile"]);
                target.push_str(file["path"].as_str().unwrap_or_default());
                json!({ "script": unbase64(file["data"].as_str().unwrap_or_default()) })
            }
            None => json!({ "bind": from, "source": source }),
        };
        json!({ "target": target, "kind": kind, "readonly": mount["readonly"] == true })
    }

    fn file(&self, op: &Value) -> Value {
        let actions = op["op"]["file"]["actions"].as_array().map_or(&[][..], Vec::as_slice);
        let base = actions.first().map_or(Value::Null, |first| self.name(op, &first["input"]));
        let actions: Vec<Value> = actions.iter().map(|action| self.action(op, action)).collect();
        json!({ "base": base, "actions": actions })
    }

    fn action(&self, op: &Value, action: &Value) -> Value {
        let owner = |owner: &Value| {
            let reference = |user: &Value| match (&user["byName"]["name"], &user["byID"]) {
                (Value::String(name), _) => json!(name),
                (_, Value::Number(id)) => json!(id),
                _ if user["byName"].is_object() => json!(""),
                _ if user.is_object() => json!(0),
                _ => Value::Null,
            };
            if owner.is_object() { json!([reference(&owner["user"]), reference(&owner["group"])]) } else { Value::Null }
        };
        let list = |list: &Value| list.as_array().cloned().unwrap_or_default();
        let copy = &action["copy"];
        if copy.is_object() {
            let flags = [
                "followSymlink",
                "dirCopyContents",
                "attemptUnpackDockerCompatibility",
                "createDestPath",
                "allowWildcard",
                "allowEmptyWildcard",
            ];
            let flags = flags.map(|name| copy[name] == true);
            return json!({
                "copy": self.name(op, &action["secondaryInput"]), "src": copy["src"], "dest": copy["dest"], "owner": owner(&copy["owner"]),
                "mode": if copy["modeStr"].is_string() { copy["modeStr"].clone() } else { copy["mode"].clone() },
                "flags": flags,
                "include": list(&copy["includePatterns"]), "exclude": list(&copy["excludePatterns"]),
            });
        }
        let mkdir = &action["mkdir"];
        if mkdir.is_object() {
            return json!({ "mkdir": mkdir["path"], "mode": mkdir["mode"], "parents": mkdir["makeParents"] == true, "owner": owner(&mkdir["owner"]) });
        }
        let mkfile = &action["mkfile"];
        json!({ "mkfile": mkfile["path"], "mode": mkfile["mode"], "data": mkfile["data"].as_str().unwrap_or_default() })
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().chain([&0, &0]).take(3).fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for digit in 0..4 {
            out.push(if digit > chunk.len() { '=' } else { char::from(DIGITS[bits >> (18 - 6 * digit) & 63]) });
        }
    }
    out
}

fn unbase64(text: &str) -> String {
    let digits: Vec<u8> =
        text.bytes().filter_map(|c| DIGITS.iter().position(|digit| *digit == c)).map(|at| at as u8).collect();
    let mut bytes = Vec::new();
    for chunk in digits.chunks(4) {
        let bits = (0..4).fold(0_u32, |bits, at| bits << 6 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

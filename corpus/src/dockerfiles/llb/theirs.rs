//! BuildKit's graph in the form that is compared.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

struct Graph<'a> {
    ops: &'a [Value],
    /// By op, what stands for it.
    names: Vec<String>,
}

/// What the target needs, inputs first; under no name, the target.
pub(super) fn ops(llb: &Value) -> Value {
    let ops = llb["ops"].as_array().map_or(&[][..], Vec::as_slice);
    let graph = Graph { ops, names: ops.iter().map(name).collect() };
    let mut out = BTreeMap::new();
    for (at, op) in ops.iter().enumerate() {
        if let Some(value) = graph.op(at, op) {
            super::insert(&mut out, graph.names[at].clone(), value);
        }
    }
    // The last op only says which result is the target's.
    let target = ops.last().map_or(Value::Null, |last| graph.input_name(last, &Value::Null));
    super::insert(&mut out, String::new(), target);
    super::inserted(out)
}

fn name(op: &Value) -> String {
    let mkfile = &op["op"]["file"]["actions"][0]["mkfile"];
    if let Some(path) = mkfile["path"].as_str() {
        return format!("{path} {}", mkfile["data"].as_str().unwrap_or_default());
    }
    op["desc"]["llb.customname"].as_str().unwrap_or_default().to_owned()
}

impl Graph<'_> {
    /// The op that is the input `index` of `op`.
    fn input(&self, op: &Value, index: &Value) -> Option<usize> {
        let index: usize = match index {
            Value::String(text) => text.parse().ok()?,
            Value::Null => 0,
            other => usize::try_from(other.as_i64()?).ok()?,
        };
        let at = op["inputs"].get(index)?.as_str()?.split('.').next()?.parse().ok()?;
        (at < self.ops.len()).then_some(at)
    }

    fn input_name(&self, op: &Value, index: &Value) -> Value {
        self.input(op, index).map_or(Value::Null, |at| json!(self.names[at]))
    }

    /// What an op does; nothing, if it is told of as part of another.
    fn op(&self, at: usize, op: &Value) -> Option<Value> {
        let kind = &op["op"];
        if let Some(identifier) = kind["source"]["identifier"].as_str() {
            return Some(source(identifier, &kind["source"]["attrs"]));
        }
        if kind["exec"].is_object() {
            return Some(self.exec(op, &kind["exec"]));
        }
        if kind["merge"].is_object() {
            let input = |at: usize| self.input_name(op, &kind["merge"]["inputs"][at]["input"]);
            return Some(json!({ "merge": [input(0), input(1)] }));
        }
        if !kind["file"].is_object() || self.ops.iter().any(|other| self.is_part_of(at, other)) {
            return None;
        }
        let value = self.file(op);
        (value["actions"][0]["mkdir"] != "/cache").then_some(value)
    }

    /// Whether the op at `at` is the script of a command.
    fn is_part_of(&self, at: usize, other: &Value) -> bool {
        let mounts = other["op"]["exec"]["mounts"].as_array().into_iter().flatten();
        let mut scripts = mounts.filter(|mount| mount["dest"] == "/dev/pipes/");
        scripts.any(|input| self.input(other, &input["input"]) == Some(at))
    }

    fn exec(&self, op: &Value, exec: &Value) -> Value {
        let mounts = exec["mounts"].as_array().map_or(&[][..], Vec::as_slice);
        let others: Vec<Value> = mounts
            .iter()
            .filter(|mount| mount["dest"] != "/")
            .map(|mount| self.mount(op, mount, &exec["meta"]["cwd"]))
            .collect();
        let root = mounts.iter().find(|mount| mount["dest"] == "/");
        let variable = |secret: &Value| json!({ "secret": secret["ID"], "variable": secret["name"], "required": secret["optional"] != true });
        let variables: Vec<Value> = list(&exec["secretenv"]).iter().map(variable).collect();
        let meta = &exec["meta"];
        json!({
            "root": root.map_or(Value::Null, |mount| self.input_name(op, &mount["input"])),
            "args": list(&meta["args"]), "env": list(&meta["env"]), "cwd": meta["cwd"],
            "user": meta["user"].as_str().unwrap_or_default(), "network": exec["network"].as_str().unwrap_or("UNSET"),
            "security": exec["security"].as_str().unwrap_or("SANDBOX"), "mounts": others, "secrets": variables,
            "devices": list(&exec["cdiDevices"]).iter().map(|one| json!([one["name"], one["optional"] != true])).collect::<Vec<_>>(),
        })
    }

    fn mount(&self, op: &Value, mount: &Value, workdir: &Value) -> Value {
        let dest = mount["dest"].as_str().unwrap_or_default();
        let mut target = parser::path::clean(&parser::path::resolve(workdir.as_str().unwrap_or("/"), dest));
        let made = self.input(op, &mount["input"]).map_or(&Value::Null, |at| &self.ops[at]);
        let kind = match mount["mountType"].as_str() {
            Some("CACHE") => self.cache(op, mount, made),
            Some("TMPFS") => json!({ "tmpfs": number(&mount["TmpfsOpt"]["size"]) }),
            Some("SECRET") => agent("secret", &mount["secretOpt"]),
            Some("SSH") => agent("ssh", &mount["SSHOpt"]),
            Some(other) => json!({ "unknown": other }),
            None if dest == "/dev/pipes/" => {
                let file = &made["op"]["file"]["actions"][0]["mkfile"];
                target.push_str(file["path"].as_str().unwrap_or_default());
                let data = STANDARD.decode(file["data"].as_str().unwrap_or_default()).unwrap_or_default();
                json!({ "script": String::from_utf8_lossy(&data) })
            }
            None => {
                json!({ "bind": self.input_name(op, &mount["input"]), "source": mount["selector"].as_str().unwrap_or("/") })
            }
        };
        json!({ "target": target, "kind": kind, "readonly": mount["readonly"] == true })
    }

    /// A cache's mode and owner are those of a directory `/cache` that is made for it.
    fn cache(&self, op: &Value, mount: &Value, made: &Value) -> Value {
        let action = &made["op"]["file"]["actions"][0];
        let mkdir = &action["mkdir"];
        let is_made = mkdir["path"] == "/cache";
        let from = if is_made { self.input_name(made, &action["input"]) } else { self.input_name(op, &mount["input"]) };
        let source = if is_made { "/" } else { mount["selector"].as_str().unwrap_or("/") };
        let id = mount["cacheOpt"]["ID"].as_str().unwrap_or_default();
        json!({
            "cache": id.strip_prefix('/').unwrap_or(id),
            "sharing": mount["cacheOpt"]["sharing"].as_str().unwrap_or("SHARED"), "from": from, "source": source,
            "mode": if is_made { number(&mkdir["mode"]) } else { 0o755 },
            "uid": number(&mkdir["owner"]["user"]["byID"]), "gid": number(&mkdir["owner"]["group"]["byID"]),
        })
    }

    fn file(&self, op: &Value) -> Value {
        let actions = list(&op["op"]["file"]["actions"]);
        let base = actions.first().map_or(Value::Null, |first| self.input_name(op, &first["input"]));
        let actions: Vec<Value> = actions.iter().map(|action| self.action(op, action)).collect();
        json!({ "base": base, "actions": actions })
    }

    fn action(&self, op: &Value, action: &Value) -> Value {
        let copy = &action["copy"];
        if copy.is_object() {
            let flag = |name: &str| copy[name] == true;
            return json!({
                "copy": self.input_name(op, &action["secondaryInput"]), "src": copy["src"], "dest": copy["dest"],
                "owner": owner(&copy["owner"]),
                "mode": if copy["modeStr"].is_string() { copy["modeStr"].clone() } else { json!(copy["mode"].as_i64().unwrap_or(0)) },
                "followSymlink": flag("followSymlink"), "dirCopyContents": flag("dirCopyContents"),
                "attemptUnpackDockerCompatibility": flag("attemptUnpackDockerCompatibility"),
                "createDestPath": flag("createDestPath"), "allowWildcard": flag("allowWildcard"),
                "allowEmptyWildcard": flag("allowEmptyWildcard"),
                "include": list(&copy["includePatterns"]), "required": list(&copy["requiredPaths"]), "exclude": list(&copy["excludePatterns"]),
                "time": time(&copy["timestamp"]),
            });
        }
        let mkdir = &action["mkdir"];
        if mkdir.is_object() {
            return json!({
                "mkdir": mkdir["path"], "mode": mkdir["mode"], "parents": mkdir["makeParents"] == true,
                "owner": owner(&mkdir["owner"]), "time": time(&mkdir["timestamp"]),
            });
        }
        let mkfile = &action["mkfile"];
        json!({ "mkfile": mkfile["path"], "mode": mkfile["mode"], "data": mkfile["data"].as_str().unwrap_or_default() })
    }
}

/// The scheme's address, and the attributes that say what is taken. Host keys, which BuildKit asks hosts for, are not.
fn source(identifier: &str, attributes: &Value) -> Value {
    let (scheme, rest) = identifier.split_once("://").unwrap_or_default();
    let flag = |name: &str| attributes[name] == "true";
    match scheme {
        "docker-image" => json!({ "image": rest }),
        "local" => json!({ "local": rest }),
        "git" => {
            let (_, fragment) = rest.split_once('#').unwrap_or((rest, ""));
            let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            json!({
                "git": attributes["git.fullurl"], "reference": some(reference), "subdir": some(subdir),
                "checksum": attributes["git.checksum"], "keep": flag("git.keepgitdir"),
                "skip submodules": flag("git.skipsubmodules"), "commit times": attributes["git.mtime"] == "commit",
                "by commit": flag("git.fetchbycommit"),
                "secrets": [attributes["git.authtokensecret"], attributes["git.authheadersecret"]],
                "ssh": attributes["git.mountsshsock"],
            })
        }
        _ => {
            let (checksum, filename) = (&attributes["http.checksum"], &attributes["http.filename"]);
            json!({ "http": identifier, "checksum": checksum, "filename": filename })
        }
    }
}

fn agent(kind: &str, option: &Value) -> Value {
    json!({
        kind: option["ID"].as_str().unwrap_or("default"), "required": option["optional"] != true, "mode": number(&option["mode"]),
        "uid": number(&option["uid"]), "gid": number(&option["gid"]),
    })
}

fn owner(owner: &Value) -> Value {
    let reference = |user: &Value| match (&user["byName"]["name"], &user["byID"]) {
        (Value::String(name), _) => json!(name),
        (_, Value::Number(id)) => json!(id),
        _ if user["byName"].is_object() => json!(""),
        _ if user.is_object() => json!(0),
        _ => Value::Null,
    };
    if owner.is_object() { json!([reference(&owner["user"]), reference(&owner["group"])]) } else { Value::Null }
}

fn list(list: &Value) -> Vec<Value> {
    list.as_array().cloned().unwrap_or_default()
}

/// The form has numbers of 64 bits as text, and leaves out zeros.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

/// Nanoseconds to seconds; -1 is none.
fn time(value: &Value) -> Option<i64> {
    let nanoseconds: i64 = value.as_str()?.parse().ok()?;
    (nanoseconds != -1).then_some(nanoseconds / 1_000_000_000)
}

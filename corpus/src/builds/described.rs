//! Configs and roots in the form of the corpus. Knows no program.

use std::collections::BTreeMap;

use oci::Digest;
use serde_json::{Map, Value, json};

use crate::difference;
use crate::root::{Entry, Root};

/// What every machine has of its own.
const LEFT_OUT: [&str; 3] = ["/", "/etc/hosts", "/etc/resolv.conf"];

/// A config with what is set in it: whether the rest is there and empty is no difference.
pub(super) fn config(config: &Value) -> Value {
    let is_set = |value: &Value| match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Number(_) => true,
    };
    let fields = config.as_object().into_iter().flatten().filter(|(_, value)| is_set(value));
    let sorted: BTreeMap<String, Value> = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
    json!(sorted)
}

/// Each path that differs, and how.
pub(super) fn differences(theirs: &Map<String, Value>, root: &Root) -> Vec<(String, String)> {
    let is_left_out = |path: &str| LEFT_OUT.contains(&path);
    let mut found = Vec::new();
    for (path, entry) in theirs.iter().filter(|(path, _)| !is_left_out(path)) {
        match root.get(path) {
            Some(ours) => {
                found.extend(entry_differences(entry, ours, root).into_iter().map(|what| (path.clone(), what)))
            }
            None => found.push((path.clone(), "it is missing here".to_owned())),
        }
    }
    let is_extra = |path: &&String| !theirs.contains_key(*path) && !is_left_out(path);
    found.extend(root.keys().filter(is_extra).map(|path| (path.clone(), "BuildKit has no such path".to_owned())));
    found
}

/// BuildKit's layers keep `security.capability` alone of what an archive or a process sets; ours keep the other extended
/// attributes too. Which of a file's names is the file and which the hard link is the archive's affair, so a hard link
/// counts as what it leads to.
fn entry_differences(theirs: &Value, ours: &Entry, root: &Root) -> Vec<String> {
    let linked = |link: &str| root.get(&format!("/{}", link.trim_start_matches("./").trim_start_matches('/')));
    let file = if ours.kind == b'1' { linked(&ours.link).unwrap_or(ours) } else { ours };
    let is_hard_link = theirs["type"] == "1";
    let described = described(file);
    let mut found = Vec::new();
    for (field, value) in theirs.as_object().into_iter().flatten() {
        let ours = described.get(field).unwrap_or(&Value::Null);
        let differs = match field.as_str() {
            "xattr" => {
                let missing = |name: &&str| !file.xattrs.contains_key(name.trim_start_matches("SCHILY.xattr."));
                found.extend(names(value).filter(missing).map(|name| format!("the attribute `{name}` is missing")));
                false
            }
            "type" if is_hard_link => file.kind != b'0',
            "link" if is_hard_link => {
                let other = value.as_str().and_then(linked);
                other.is_none_or(|other| other.contents != file.contents && other.kind != b'1')
            }
            _ => ours != value,
        };
        if differs {
            found.push(format!("{field}: {}", difference::told(value, ours)));
        }
    }
    found
}

/// The names of attributes: the keys of an object, or a list.
fn names(xattrs: &Value) -> impl Iterator<Item = &str> {
    let keys = xattrs.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    keys.chain(xattrs.as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn described(entry: &Entry) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("type".to_owned(), json!(char::from(entry.kind).to_string()));
    fields.insert("mode".to_owned(), json!(format!("0o{:o}", entry.mode)));
    fields.insert("uid".to_owned(), json!(entry.uid));
    fields.insert("gid".to_owned(), json!(entry.gid));
    if entry.kind == b'0' {
        fields.insert("size".to_owned(), json!(entry.size));
        fields.insert("sha".to_owned(), json!(Digest::of(&entry.contents).hex()[..16]));
    }
    if entry.kind == b'2' {
        fields.insert("link".to_owned(), json!(entry.link));
    }
    fields
}

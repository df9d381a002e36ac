//! What BuildKit made of 92 contexts, and what Kiln makes of them: the image's config and each entry of its root.
//! Runs where the corpus is (`../shared/corpus` beside the project), and says how many cases it ran.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::harness::{Kiln, Root, read_tar};

/// Cases that need what this version refuses by name; each is told by its refusal, never skipped.
const NOT_YET: &[&str] = &[];

fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/builds");
    path.exists().then_some(path)
}

/// Files that hold what the machine of the recording had in its environment, and no other machine has.
const OF_THE_RECORDING: &[(&str, &str)] = &[("ci-pipeline-modified", "/env-contents.txt")];

/// As the corpus writes a root: attributes by path.
fn described(root: &Root) -> BTreeMap<String, Value> {
    let link_target = |link: &str| root.get(&format!("/{}", link.trim_start_matches('/')));
    root.iter()
        .filter(|(path, _)| !matches!(path.as_str(), "/etc/hosts" | "/etc/resolv.conf"))
        .map(|(path, entry)| {
            let entry = if entry.kind == b'1' { link_target(&entry.link).unwrap_or(entry) } else { entry };
            let mut fields = serde_json::Map::new();
            fields.insert("type".to_owned(), (entry.kind as char).to_string().into());
            fields.insert("mode".to_owned(), format!("0o{:o}", entry.mode).into());
            fields.insert("uid".to_owned(), entry.uid.into());
            fields.insert("gid".to_owned(), entry.gid.into());
            if entry.kind == b'0' {
                fields.insert("size".to_owned(), entry.size.into());
                let digest = oci::Digest::of(&entry.contents).hex();
                fields.insert("sha".to_owned(), digest[..16].into());
            }
            if entry.kind == b'2' {
                fields.insert("link".to_owned(), entry.link.clone().into());
            }
            (path.clone(), Value::Object(fields))
        })
        .collect()
}

fn differences(name: &str, expected: &Value, root: &Root) -> Vec<String> {
    let found = described(root);
    let expected = expected.as_object().expect("the corpus lists a root");
    let mut lines = Vec::new();
    for (path, entry) in expected {
        if matches!(path.as_str(), "/etc/hosts" | "/etc/resolv.conf" | "/") {
            continue;
        }
        let Some(ours) = found.get(path) else {
            lines.push(format!("{path} is missing"));
            continue;
        };
        // BuildKit's layers keep `security.capability` alone of what an archive or a process sets; ours keep the others too.
        for name in entry["xattr"].as_object().into_iter().flatten().map(|(name, _)| name) {
            if !root[path].xattrs.contains_key(name) {
                lines.push(format!("{path}: the extended attribute `{name}` is missing"));
            }
        }
        let of_the_recording = OF_THE_RECORDING.contains(&(name, path));
        for (field, value) in entry.as_object().expect("an entry is an object") {
            if field == "xattr" || field == "link" && entry["type"] == "1" || field == "type" && value == "1" {
                continue;
            }
            if of_the_recording && matches!(field.as_str(), "size" | "sha") {
                continue;
            }
            if ours.get(field) != Some(value) {
                lines.push(format!("{path}: {field} is {:?}, expected {value}", ours.get(field)));
            }
        }
    }
    lines.extend(found.keys().filter(|path| !expected.contains_key(*path)).map(|path| format!("{path} is too many")));
    lines
}

fn check(kiln: &Kiln, corpus: &Path, case: &Value) -> Result<(), String> {
    let name = case["name"].as_str().expect("a case has a name");
    let context = kiln.path(name);
    fs::create_dir_all(&context).expect("the directory is ours");
    let unpacked = Command::new("tar")
        .args(["--zstd", "--xattrs", "--xattrs-include=*", "-xf"])
        .arg(corpus.join(case["context"].as_str().expect("a case has a context")))
        .arg("-C")
        .arg(&context)
        .status()
        .expect("tar runs");
    assert!(unpacked.success(), "{name}: the context cannot be unpacked");
    let tar = kiln.path(&format!("{name}.tar"));
    let mut args = vec!["build".to_owned(), "--progress=plain".to_owned()];
    args.extend(["-f".to_owned(), context.join(case["dockerfile"].as_str().expect("named")).display().to_string()]);
    for (key, value) in case["build_args"].as_object().into_iter().flatten() {
        args.extend(["--build-arg".to_owned(), format!("{key}={}", value.as_str().unwrap_or_default())]);
    }
    if let Some(target) = case["target"].as_str().filter(|target| !target.is_empty()) {
        args.extend(["--target".to_owned(), target.to_owned()]);
    }
    let mut tagged = args.clone();
    let tag = name.to_lowercase().replace(' ', "-");
    tagged.extend(["-t".to_owned(), tag.clone(), context.display().to_string()]);
    args.extend(["-o".to_owned(), format!("type=tar,dest={}", tar.display()), context.display().to_string()]);
    let ran = kiln.run(&args);
    if case["ok"] == false {
        return if ran.status == 1 { Ok(()) } else { Err(format!("should fail as `{}`: {ran}", case["error"])) };
    }
    if ran.status != 0 {
        return Err(ran.to_string());
    }
    let mut lines = differences(name, &case["root"], &read_tar(&tar));
    kiln.run(&tagged).ok();
    let image = kiln.config(&tag);
    let layers = image["RootFS"]["Layers"].as_array().map_or(0, Vec::len);
    if case["layers"] != layers {
        lines.push(format!("there are {layers} layers, expected {}", case["layers"]));
    }
    let config = &image["Config"];
    for (field, value) in case["config"].as_object().into_iter().flatten() {
        if &config[field] != value {
            lines.push(format!("config {field} is {}, expected {value}", config[field]));
        }
    }
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n")) }
}

#[test]
fn builds_agree_with_buildkit() {
    let Some(corpus) = corpus() else {
        println!("the corpus is not here: 0 cases ran");
        return;
    };
    let kiln = Kiln::new();
    for image in ["busybox", "alpine"] {
        let archive = corpus.join(format!("images/{image}.oci.tar"));
        let loaded = kiln.run(["load", "-i", &archive.to_string_lossy()]).ok();
        let id = loaded.stdout.split(": ").nth(1).unwrap_or_default().trim().to_owned();
        kiln.run(["tag", &id, &format!("{image}:latest")]).ok();
    }
    let text = fs::read_to_string(corpus.join("expected.jsonl")).expect("the corpus is whole");
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("the corpus is JSON")).collect();
    let failed: Vec<String> = cases
        .iter()
        .filter(|case| !NOT_YET.contains(&case["name"].as_str().expect("a case has a name")))
        .filter_map(|case| Some(format!("== {}\n{}", case["name"], check(&kiln, &corpus, case).err()?)))
        .collect();
    println!("{} cases ran, {} disagree", cases.len(), failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

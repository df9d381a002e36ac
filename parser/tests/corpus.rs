//! Compares tree and instructions with what BuildKit makes of real Dockerfiles, where that corpus is at hand.

use std::fs;
use std::path::PathBuf;

use parser::ast::{Args, Heredoc, Node, Pair, PairForm, Tree};
use parser::instruction::{
    Arg, CommandLine, Form, Head, Healthcheck, InlineFile, Instruction, Link, Mount, Network, Security, SourcesAndDest,
    mount,
};
use parser::{Command, Dockerfile, Severity, Stage, Text};
use serde_json::{Map, Value, json};

/// Errors that leave no tree in BuildKit; all others leave no instructions.
const NO_TREE: [&str; 10] = [
    "DuplicateDirective",
    "InvalidEscape",
    "NoValue",
    "NoEquals",
    "NotStrings",
    "InvalidHeredoc",
    "UnterminatedHeredoc",
    "NoInstructions",
    "LineTooLong",
    "FileTooLarge",
];

/// Beside the workspace, or one level above it where that is a branch's work tree.
fn corpus() -> Option<PathBuf> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    ["../shared/corpus", "../../shared/corpus"].map(|path| workspace.join(path)).into_iter().find(|path| path.exists())
}

/// Runs `check` on every case; it returns what differs.
fn for_every_case(what: &str, check: impl Fn(&Dockerfile, &Value) -> Option<String>) {
    let Some(corpus) = corpus() else {
        println!("no corpus here: 0 cases");
        return;
    };
    let cases = fs::read_to_string(corpus.join("dockerfiles.jsonl")).expect("the list of the corpus");
    let mut differences = Vec::new();
    let mut count = 0;
    for case in cases.lines() {
        let case: Value = serde_json::from_str(case).expect("a line of JSON");
        let name = case["file"].as_str().expect("a name");
        let text = fs::read(corpus.join("dockerfiles").join(name)).expect("a Dockerfile");
        count += 1;
        if let Some(difference) = check(&parser::parse(&text), &case) {
            differences.push(format!("{name}: {difference}"));
        }
    }
    println!("{what}: {count} cases, {} differ", differences.len());
    let shown = differences.iter().take(12).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(differences.is_empty(), "{} of {count} differ:\n{shown}", differences.len());
}

#[test]
fn trees_agree() {
    for_every_case("trees", |file, case| {
        let no_tree = |code: &str| NO_TREE.contains(&code);
        if case["parse"]["ok"] == json!(true) {
            if let Some(error) = file.diagnostics.iter().find(|d| no_tree(d.code.0)) {
                return Some(format!("refused: {error:?}"));
            }
            let escape = json!(file.tree.escape.char().to_string());
            return differ("escape", &case["parse"]["escape"], &escape)
                .or_else(|| differ("dump", &case["dump"], &json!(file.tree.dump())))
                .or_else(|| differ("ast", &case["ast"], &tree(&file.tree)));
        }
        same_error_lines(file, &case["parse"]["err_lines"], no_tree)
    });
}

#[test]
fn instructions_agree() {
    for_every_case("instructions", |file, case| {
        if case["parse"]["ok"] != json!(true) {
            return None;
        }
        let expected = &case["instr"];
        if expected["ok"] != json!(true) {
            return same_error_lines(file, &expected["err_lines"], |code| !NO_TREE.contains(&code));
        }
        if let Some(error) = file.diagnostics.iter().find(|d| d.severity == Severity::Error) {
            return Some(format!("refused: {error:?}"));
        }
        let metas: Vec<_> = file.meta_args.iter().map(|c| command(file, &c.head, arg(&c.instruction))).collect();
        let stages: Vec<_> = file.stages.iter().map(|s| stage(file, s)).collect();
        let mut expected = expected.clone();
        normalise(&mut expected);
        let empty = json!([]);
        differ("meta args", expected.get("meta_args").unwrap_or(&empty), &json!(metas))
            .or_else(|| differ("stages", expected.get("stages").unwrap_or(&empty), &json!(stages)))
    });
}

/// Leaves out what is said in words, and sorts what has no order.
fn normalise(expected: &mut Value) {
    let stages = expected.get_mut("stages").and_then(Value::as_array_mut);
    for stage in stages.into_iter().flatten() {
        for command in stage["commands"].as_array_mut().into_iter().flatten() {
            if command.get("mounts").is_some_and(Value::is_string) {
                command["mounts"] = json!("ERR");
            }
            let flags = command["fields"].get_mut("FlagsUsed").and_then(Value::as_array_mut);
            if let Some(flags) = flags {
                flags.sort_by_key(Value::to_string);
            }
        }
    }
}

/// BuildKit stops at the first error, so it is enough that one of ours is on those lines.
fn same_error_lines(file: &Dockerfile, lines: &Value, of_kind: impl Fn(&str) -> bool) -> Option<String> {
    let lines = [&lines[0][0], &lines[lines.as_array().expect("a list").len() - 1][0]]
        .map(|l| l.as_u64().expect("a number") as u32);
    let errors = file.diagnostics.iter().filter(|d| d.severity == Severity::Error && of_kind(d.code.0));
    let ours: Vec<_> = errors.map(|d| [d.span.first_line, d.span.last_line]).collect();
    (!ours.contains(&lines)).then(|| format!("error on {lines:?}, ours on {ours:?}"))
}

fn differ(what: &str, theirs: &Value, ours: &Value) -> Option<String> {
    if theirs == ours {
        return None;
    }
    let at = match (theirs, ours) {
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            let (theirs, ours) = theirs.iter().zip(ours).find(|(a, b)| a != b)?;
            return differ(what, theirs, ours);
        }
        (Value::Object(theirs), Value::Object(ours)) => {
            let key = theirs.keys().chain(ours.keys()).find(|key| theirs.get(*key) != ours.get(*key))?;
            let null = Value::Null;
            let (theirs, ours) = (theirs.get(key).unwrap_or(&null), ours.get(key).unwrap_or(&null));
            return differ(&format!("{what}.{key}"), theirs, ours);
        }
        _ => what,
    };
    Some(format!("{at}\n  theirs: {theirs}\n  ours:   {ours}"))
}

fn tree(tree: &Tree) -> Value {
    let nodes = tree.nodes.iter().map(|node| {
        let mut value = self::node(node);
        value.insert("start".into(), json!(node.span.first_line));
        value.insert("end".into(), json!(node.span.last_line));
        value
    });
    json!(nodes.collect::<Vec<_>>())
}

fn node(node: &Node) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("value".into(), json!(&*node.keyword));
    out.insert("original".into(), json!(&*node.original));
    let words = node.words();
    if !words.is_empty() {
        out.insert("args".into(), json!(words));
    }
    if node.is_json() {
        out.insert("attrs".into(), json!({"json": true}));
    }
    if !node.flags.is_empty() {
        out.insert("flags".into(), texts(&node.flags));
    }
    if !node.comments.is_empty() {
        out.insert("prev_comment".into(), texts(&node.comments));
    }
    if let Args::Trigger(inner) = &node.args {
        out.insert("children".into(), json!([self::node(inner)]));
    }
    if !node.heredocs.is_empty() {
        let heredoc = |h: &Heredoc| {
            json!({"Name": &*h.name, "FileDescriptor": h.file_descriptor, "Expand": h.expand, "Chomp": h.chomp,
                "Content": &*h.content})
        };
        out.insert("heredocs".into(), node.heredocs.iter().map(heredoc).collect());
    }
    out
}

fn stage(file: &Dockerfile, stage: &Stage) -> Value {
    let commands: Vec<_> =
        stage.commands.iter().map(|Command { head, instruction }| command(file, head, fields(instruction))).collect();
    let mut out = json!({
        "base": &*stage.base,
        "name": stage.name.as_deref().unwrap_or(""),
        "platform": stage.platform.as_deref().unwrap_or(""),
        "source": &*stage.head.source,
        "lines": lines(&stage.head),
        "commands": if commands.is_empty() { Value::Null } else { json!(commands) },
    });
    if let Some(doc) = stage.doc.as_deref().filter(|doc| !doc.is_empty()) {
        out["doc"] = json!(doc);
    }
    out
}

fn lines(head: &Head) -> Value {
    (head.span.first_line..=head.span.last_line).map(|line| json!([line, line])).collect()
}

fn command(file: &Dockerfile, head: &Head, fields: Value) -> Value {
    let mut out = json!({"name": &*head.keyword, "source": &*head.source, "lines": lines(head), "fields": fields});
    assert_eq!(file.tree.nodes[head.node].span, head.span);
    if let Some(run) = out["fields"].as_object_mut().and_then(|fields| fields.remove("run")) {
        for (key, value) in run.as_object().expect("an object") {
            out[key] = value.clone();
        }
    }
    out
}

/// Only what is set, as in the corpus.
fn set(fields: Vec<(&str, Value)>) -> Value {
    let given = |value: &Value| match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Number(number) => number.as_u64() != Some(0),
        Value::Object(_) => true,
    };
    Value::Object(fields.into_iter().filter(|(_, value)| given(value)).map(|(key, v)| (key.into(), v)).collect())
}

fn texts(texts: &[Text]) -> Value {
    texts.iter().map(|text| json!(&**text)).collect()
}

fn text(text: &Option<Text>) -> Value {
    json!(text.as_deref())
}

fn pairs(pairs: &[Pair]) -> Value {
    let pair = |p: &Pair| json!({"Key": &*p.key, "Value": &*p.value, "NoDelim": p.form == PairForm::Blank});
    pairs.iter().map(pair).collect()
}

fn arg(arg: &Arg) -> Value {
    let args = arg
        .args
        .iter()
        .map(|a| json!({"Key": &*a.key, "Value": a.value.as_deref(), "DocComment": a.doc.as_deref().unwrap_or("")}));
    json!({"Args": args.collect::<Vec<_>>()})
}

fn command_line(line: &CommandLine) -> Vec<(&'static str, Value)> {
    let file = |f: &InlineFile| json!({"Name": &*f.name, "Data": &*f.data, "Chomp": f.chomp});
    vec![
        ("CmdLine", texts(&line.args)),
        ("PrependShell", json!(line.form == Form::Shell)),
        ("Files", line.files.iter().map(file).collect()),
    ]
}

fn files(files: &SourcesAndDest) -> Vec<(&'static str, Value)> {
    let inline = files.inline.iter().map(|s| json!({"Path": &*s.path, "Data": &*s.data, "Expand": s.expand}));
    vec![
        ("SourcePaths", texts(&files.sources)),
        ("SourceContents", inline.collect()),
        ("DestPath", json!(&*files.dest)),
    ]
}

fn fields(instruction: &Instruction) -> Value {
    match instruction {
        Instruction::Add(add) => set([
            files(&add.files),
            vec![
                ("Chown", text(&add.chown)),
                ("Chmod", text(&add.chmod)),
                ("Link", json!(add.link == Link::Linked)),
                ("ExcludePatterns", texts(&add.exclude)),
                ("KeepGitDir", json!(add.keep_git_dir)),
                ("Checksum", text(&add.checksum)),
                ("Unpack", json!(add.unpack)),
            ],
        ]
        .concat()),
        Instruction::Copy(copy) => set([
            files(&copy.files),
            vec![
                ("From", text(&copy.from)),
                ("Chown", text(&copy.chown)),
                ("Chmod", text(&copy.chmod)),
                ("Link", json!(copy.link == Link::Linked)),
                ("ExcludePatterns", texts(&copy.exclude)),
                ("Parents", json!(copy.parents)),
            ],
        ]
        .concat()),
        Instruction::Arg(arg) => self::arg(arg),
        Instruction::Cmd(line) => {
            let mut out = set(command_line(line));
            out["CmdLine"] = texts(&line.args);
            out
        }
        Instruction::Entrypoint(line) => set(command_line(line)),
        Instruction::Env(pairs) => json!({"Env": self::pairs(pairs)}),
        Instruction::Label(pairs) => json!({"Labels": self::pairs(pairs)}),
        Instruction::Expose(expose) => json!({"Ports": texts(&expose.ports)}),
        Instruction::Healthcheck(health) => json!({"Health": self::health(health)}),
        Instruction::Maintainer(maintainer) => json!({"Maintainer": &**maintainer}),
        Instruction::Onbuild(onbuild) => json!({"Expression": &*onbuild.expression}),
        Instruction::Run(run) => {
            let mut out = set(command_line(&run.command));
            out["CmdLine"] = texts(&run.command.args);
            out["FlagsUsed"] = json!(run.flags_used);
            let network = match run.network {
                Network::Default => "default",
                Network::None => "none",
                Network::Host => "host",
            };
            let security = match run.security {
                Security::Sandbox => "sandbox",
                Security::Insecure => "insecure",
            };
            out["run"] = json!({"network": network, "security": security});
            if !run.mounts.is_empty() {
                out["run"]["mounts"] = mounts(&run.mounts);
            }
            out
        }
        Instruction::Shell(shell) => json!({"Shell": texts(shell)}),
        Instruction::StopSignal(signal) => json!({"Signal": &**signal}),
        Instruction::User(user) => json!({"User": &**user}),
        Instruction::Volume(volumes) => json!({"Volumes": texts(volumes)}),
        Instruction::Workdir(path) => json!({"Path": &**path}),
    }
}

fn health(health: &Healthcheck) -> Value {
    match health {
        Healthcheck::None => json!({"Test": ["NONE"]}),
        Healthcheck::Check(check) => set(vec![
            ("Test", texts(&check.test)),
            ("Interval", json!(check.interval.as_nanos() as u64)),
            ("Timeout", json!(check.timeout.as_nanos() as u64)),
            ("StartPeriod", json!(check.start_period.as_nanos() as u64)),
            ("StartInterval", json!(check.start_interval.as_nanos() as u64)),
            ("Retries", json!(check.retries)),
        ]),
    }
}

/// Read without variables; whether they can be read at all must agree, not the words in which it is said.
fn mounts(values: &[Text]) -> Value {
    let mut expand = |value: &str| Ok(value.to_owned());
    match values.iter().map(|value| mount::parse(value, &mut expand)).collect::<Result<Vec<_>, _>>() {
        Ok(mounts) => mounts.iter().map(self::mount).collect(),
        Err(_) => json!("ERR"),
    }
}

fn mount(mount: &Mount) -> Value {
    json!({
        "Type": mount.kind.as_str(), "From": &*mount.from, "Source": &*mount.source, "Target": &*mount.target,
        "ReadOnly": mount.read_only, "SizeLimit": mount.size_limit, "CacheID": &*mount.id,
        "CacheSharing": mount.sharing.map_or("", |sharing| sharing.as_str()), "Required": mount.required,
        "Env": mount.env.as_deref(), "Mode": mount.mode, "UID": mount.uid, "GID": mount.gid,
    })
}

//! The typed instructions, stage by stage, with every field that is set.

use parser::ast::{Pair, PairForm};
use parser::instruction::{
    AddFiles, Arg, CommandLine, Form, Head, Healthcheck, InlineFile, Instruction, Link, Mount, Network, Security,
    SourcesAndDest, mount,
};
use parser::{Command, Diagnostic, Dockerfile, Stage, Text};
use serde_json::{Value, json};

use crate::difference;
use crate::verdict::Case;

pub(super) fn compare(case: &mut Case, row: &Value, file: &Dockerfile) {
    let Some(theirs) = row.get("instr") else { return };
    let errors: Vec<&Diagnostic> = super::errors(file).filter(|error| !super::tree::leaves_none(error)).collect();
    if !super::accepted(case, ["instr.ok", "instr.err_lines"], theirs, &errors) {
        return;
    }
    let theirs = normalised(theirs);
    let metas: Value = file.meta_args.iter().map(|meta| command(&meta.head, arg(&meta.instruction))).collect();
    differ(case, "instr.meta_args", &theirs["meta_args"], &metas);
    let stages: Value = file.stages.iter().map(stage).collect();
    differ(case, "instr.stages", &theirs["stages"], &stages);
}

/// Compares two lists, and gives a difference the line of what differs.
fn differ(case: &mut Case, field: &'static str, theirs: &Value, ours: &Value) {
    let none = json!([]);
    let theirs = if theirs.is_null() { &none } else { theirs };
    let found = difference::first(theirs, ours).map(|(at, what)| (line(ours, &at), at, what));
    case.differences(field, found.into_iter().collect());
}

/// The line of the innermost command on the way to `at` (`[1].commands[3].fields`).
fn line(ours: &Value, at: &str) -> u64 {
    let (mut value, mut line) = (ours, 1);
    for part in at.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        value = part.parse::<usize>().map_or(&value[part], |index| &value[index]);
        line = value["lines"][0][0].as_u64().unwrap_or(line);
    }
    line
}

/// Leaves out what is said in words, and sorts what has no order.
fn normalised(theirs: &Value) -> Value {
    let mut theirs = theirs.clone();
    let stages = theirs.get_mut("stages").and_then(Value::as_array_mut);
    for stage in stages.into_iter().flatten() {
        for command in stage.get_mut("commands").and_then(Value::as_array_mut).into_iter().flatten() {
            if command.get("mounts").is_some_and(Value::is_string) {
                command["mounts"] = json!("ERR");
            }
            let flags = command.get_mut("fields").and_then(|fields| fields.get_mut("FlagsUsed"));
            if let Some(flags) = flags.and_then(Value::as_array_mut) {
                flags.sort_by_key(Value::to_string);
            }
        }
    }
    theirs
}

fn stage(stage: &Stage) -> Value {
    let commands: Vec<_> =
        stage.commands.iter().map(|Command { head, instruction }| command(head, fields(instruction))).collect();
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

fn command(head: &Head, fields: Value) -> Value {
    let mut out = json!({"name": &*head.keyword, "source": &*head.source, "lines": lines(head), "fields": fields});
    if let Some(run) = out["fields"].as_object_mut().and_then(|fields| fields.remove("run")) {
        for (key, value) in run.as_object().into_iter().flatten() {
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

fn add(add: &AddFiles) -> Value {
    let mut out = set([
        files(&add.files),
        vec![
            ("Chown", text(&add.chown)),
            ("Chmod", text(&add.chmod)),
            ("Link", json!(add.link == Link::Linked)),
            ("ExcludePatterns", texts(&add.exclude)),
            ("Checksum", text(&add.checksum)),
        ],
    ]
    .concat());
    // What is said to be off is not what is left out.
    for (name, said) in [("KeepGitDir", add.keep_git_dir), ("Unpack", add.unpack)] {
        if let Some(said) = said {
            out[name] = json!(said);
        }
    }
    out
}

fn fields(instruction: &Instruction) -> Value {
    match instruction {
        Instruction::Add(add) => self::add(add),
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

//! A node of the tree → a typed instruction. Every mistake in it is reported; then there is no instruction.

use std::collections::BTreeMap;

use crate::ast::{Args, Heredoc, Node, Pair};
use crate::heredoc;
use crate::instruction::flags::{self, Flag, Given, Takes};
use crate::instruction::problems::Problems;
use crate::instruction::{
    AddFiles, Arg, ArgDefinition, CommandLine, CopyFiles, Form, Head, InlineFile, InlineSource, Instruction, Link,
    Onbuild, SourcesAndDest, Stage, healthcheck, run,
};
use crate::keyword::Keyword;
use crate::nearest::nearest;
use crate::text::Text;

/// Comment lines above an instruction that are searched for what they say of its names.
const MAX_DOC_LINES: usize = 256;

/// What a node is.
pub(crate) enum Read {
    Stage(Stage),
    Command(Instruction),
}

pub(super) const ADD_FLAGS: [Flag; 7] = [
    Flag { name: "chown", takes: Takes::Value },
    Flag { name: "chmod", takes: Takes::Value },
    Flag { name: "link", takes: Takes::Switch },
    Flag { name: "keep-git-dir", takes: Takes::Switch },
    Flag { name: "checksum", takes: Takes::Value },
    Flag { name: "unpack", takes: Takes::Switch },
    Flag { name: "exclude", takes: Takes::Values },
];

pub(super) const COPY_FLAGS: [Flag; 6] = [
    Flag { name: "from", takes: Takes::Value },
    Flag { name: "chown", takes: Takes::Value },
    Flag { name: "chmod", takes: Takes::Value },
    Flag { name: "link", takes: Takes::Switch },
    Flag { name: "parents", takes: Takes::Switch },
    Flag { name: "exclude", takes: Takes::Values },
];

pub(super) const FROM_FLAGS: [Flag; 1] = [Flag { name: "platform", takes: Takes::Value }];

/// Understands `node`, or reports what is wrong with it.
pub(crate) fn read(node: &Node, head: &Head, problems: &mut Problems) -> Option<Read> {
    let Some(keyword) = Keyword::parse(&node.keyword) else {
        unknown(node, problems);
        return None;
    };
    let command = match keyword {
        Keyword::From => return from(node, head, problems).map(Read::Stage),
        Keyword::Add => Instruction::Add(add(node, problems)?),
        Keyword::Arg => Instruction::Arg(arg(node, problems)?),
        Keyword::Cmd => Instruction::Cmd(plain_command(node, problems)),
        Keyword::Copy => Instruction::Copy(copy(node, problems)?),
        Keyword::Entrypoint => Instruction::Entrypoint(plain_command(node, problems)),
        Keyword::Env => Instruction::Env(pairs(node, problems)?),
        Keyword::Expose => Instruction::Expose(expose(node, problems)),
        Keyword::Healthcheck => Instruction::Healthcheck(healthcheck::read(node, problems)?),
        Keyword::Label => Instruction::Label(pairs(node, problems)?),
        Keyword::Maintainer => Instruction::Maintainer(one_line(node, problems)?),
        Keyword::Onbuild => Instruction::Onbuild(onbuild(node, problems)?),
        Keyword::Run => Instruction::Run(run::read(node, problems)),
        Keyword::Shell => Instruction::Shell(shell(node, problems)?),
        Keyword::StopSignal => Instruction::StopSignal(line_of(node, problems)?),
        Keyword::User => Instruction::User(one_line(node, problems)?),
        Keyword::Volume => Instruction::Volume(volume(node, problems)),
        Keyword::Workdir => Instruction::Workdir(one_line(node, problems)?),
    };
    (!problems.any()).then_some(Read::Command(command))
}

fn unknown(node: &Node, problems: &mut Problems) {
    let word = &node.keyword;
    let known = Keyword::ALL.map(Keyword::as_str);
    let meant = nearest(word, known);
    let mut problem = problems.whole("UnknownInstruction", format!("`{word}` is no instruction"));
    if let Some(meant) = meant {
        problem.hint(format!("did you mean `{meant}`?"));
    } else {
        problem.expected(known.join(", "));
        problem.hint("if it belongs to the instruction above, that one's last line needs a `\\` at its end");
    }
}

fn from(node: &Node, head: &Head, problems: &mut Problems) -> Option<Stage> {
    let given = flags::read(node, &FROM_FLAGS, problems);
    let (base, name) = match words(node) {
        [base] => (base, None),
        [base, word, name] if word.eq_ignore_ascii_case("as") => (base, Some(stage_name(name, problems)?)),
        words => {
            let message = match words.len() {
                0 => "`FROM` names no image".to_owned(),
                3 => format!("`{}` between the image and the stage's name", words[1]),
                count => format!("`FROM` has {count} arguments"),
            };
            problems.whole("FromArguments", message).expected("`FROM image`, or `FROM image AS name`");
            return None;
        }
    };
    let doc = name.as_ref().and_then(|name| doc_comment(node, name));
    let stage = Stage {
        base: base.clone(),
        name,
        platform: filled(&given, "platform"),
        doc,
        head: head.clone(),
        commands: Vec::new(),
    };
    (!problems.any()).then_some(stage)
}

/// A stage's name in lower case: a letter, then letters, digits, `-`, `_` and `.`.
fn stage_name(written: &Text, problems: &mut Problems) -> Option<Text> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    let name = match written.bytes().any(|b| b.is_ascii_uppercase() || b >= 0x80) {
        true => Text::from(written.to_lowercase()),
        false => written.clone(),
    };
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(good) {
        return Some(name);
    }
    let message = format!("a stage cannot be named `{written}`");
    let mut problem = problems.at(written, "InvalidStageName", message);
    problem.expected("a letter, then letters, digits, `-`, `_` or `.`");
    if written.contains('$') {
        problem.hint("variables are not expanded in a stage's name");
    } else if written.starts_with(|c: char| c.is_ascii_digit()) {
        problem.hint(format!("stages have numbers anyway; name it `stage{written}`, say"));
    }
    None
}

fn add(node: &Node, problems: &mut Problems) -> Option<AddFiles> {
    let given = flags::read(node, &ADD_FLAGS, problems);
    Some(AddFiles {
        files: files(node, problems)?,
        chown: filled(&given, "chown"),
        chmod: filled(&given, "chmod"),
        link: link(&given),
        exclude: given.texts("exclude"),
        keep_git_dir: given.switch("keep-git-dir"),
        checksum: filled(&given, "checksum"),
        unpack: given.switch("unpack"),
    })
}

fn copy(node: &Node, problems: &mut Problems) -> Option<CopyFiles> {
    let given = flags::read(node, &COPY_FLAGS, problems);
    Some(CopyFiles {
        files: files(node, problems)?,
        from: filled(&given, "from"),
        chown: filled(&given, "chown"),
        chmod: filled(&given, "chmod"),
        link: link(&given),
        exclude: given.texts("exclude"),
        parents: given.switch("parents") == Some(true),
    })
}

/// A flag given with an empty value is as good as none.
fn filled(given: &Given, name: &str) -> Option<Text> {
    given.text(name).filter(|text| !text.is_empty())
}

fn link(given: &Given) -> Link {
    match given.switch("link") {
        Some(true) => Link::Linked,
        Some(false) | None => Link::Unlinked,
    }
}

fn files(node: &Node, problems: &mut Problems) -> Option<SourcesAndDest> {
    let [sources @ .., dest] = words(node) else {
        no_files(node, problems);
        return None;
    };
    if sources.is_empty() {
        let keyword = problems.keyword();
        problems
            .whole("NoDestination", format!("`{keyword}` has one path, `{dest}`, and so no destination"))
            .expected(format!("`{keyword} source … destination`"));
        return None;
    }
    if matches!(heredoc::header(dest), Ok(Some(_))) {
        let message = format!("the destination `{dest}` is a here-document");
        problems.at(dest, "HeredocDestination", message).hint("the destination is the last word of the line");
        return None;
    }
    let contents: BTreeMap<&str, &Text> = node.heredocs.iter().map(|doc| (&*doc.name, &doc.content)).collect();
    let mut files = SourcesAndDest { sources: Vec::new(), inline: Vec::new(), dest: dest.clone() };
    for source in sources {
        match heredoc::header(source) {
            Ok(Some(header)) => files.inline.push(inline_source(header, &contents)),
            Ok(None) | Err(heredoc::Malformed) => files.sources.push(source.clone()),
        }
    }
    Some(files)
}

fn no_files(node: &Node, problems: &mut Problems) {
    let keyword = &node.keyword;
    let message = format!("`{keyword}` has neither a source nor a destination");
    problems.whole("NoDestination", message).expected(format!("`{keyword} source … destination`"));
}

fn inline_source(header: heredoc::Header, contents: &BTreeMap<&str, &Text>) -> InlineSource {
    let content = contents.get(&*header.name).copied().cloned().unwrap_or_default();
    InlineSource {
        data: if header.chomp { heredoc::chomp(&content) } else { content },
        path: header.name,
        expand: header.expand,
    }
}

fn arg(node: &Node, problems: &mut Problems) -> Option<Arg> {
    let words = words(node);
    if words.is_empty() {
        problems.whole("NoArguments", "`ARG` names no argument").expected("`ARG name`, or `ARG name=default`");
        return None;
    }
    let mut args = Vec::with_capacity(words.len());
    for word in words {
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (word.part(key), Some(word.part(value))),
            None => (word.clone(), None),
        };
        if key.is_empty() {
            blank_name(word, problems);
            return None;
        }
        args.push(ArgDefinition { doc: doc_comment(node, &key), key, value });
    }
    Some(Arg { args })
}

fn blank_name(word: &str, problems: &mut Problems) {
    problems
        .at(word, "BlankName", "there is no name before the `=`")
        .expected("`name=value`, without blanks around `=`");
}

fn pairs(node: &Node, problems: &mut Problems) -> Option<Vec<Pair>> {
    flags::read(node, &[], problems);
    let Args::Pairs(pairs) = &node.args else {
        let keyword = problems.keyword();
        problems
            .whole("NoArguments", format!("`{keyword}` sets nothing"))
            .expected(format!("`{keyword} name=value …`"));
        return None;
    };
    if let Some(pair) = pairs.iter().find(|pair| pair.key.is_empty()) {
        blank_name(&format!("={}", pair.value), problems);
    }
    Some(pairs.clone())
}

/// The words of the command as they are, for the shell if they are no JSON array.
pub(crate) fn command_line(node: &Node) -> CommandLine {
    let (args, form) = match &node.args {
        Args::Json(words) => (words.clone(), Form::Exec),
        Args::Line(line) => (vec![line.clone()], Form::Shell),
        Args::None | Args::Unknown | Args::Words(_) | Args::Pairs(_) | Args::Health { .. } | Args::Trigger(_) => {
            (Vec::new(), Form::Shell)
        }
    };
    let file = |doc: &Heredoc| InlineFile { name: doc.name.clone(), data: doc.content.clone(), chomp: doc.chomp };
    CommandLine { args, form, files: node.heredocs.iter().map(file).collect() }
}

fn plain_command(node: &Node, problems: &mut Problems) -> CommandLine {
    flags::read(node, &[], problems);
    command_line(node)
}

fn shell(node: &Node, problems: &mut Problems) -> Option<Vec<Text>> {
    flags::read(node, &[], problems);
    match &node.args {
        Args::Json(words) if !words.is_empty() => Some(words.clone()),
        Args::Line(_) => {
            problems.whole("ShellForm", "`SHELL` takes a JSON array only").expected("`SHELL [\"/bin/sh\", \"-c\"]`");
            None
        }
        Args::None
        | Args::Unknown
        | Args::Words(_)
        | Args::Json(_)
        | Args::Pairs(_)
        | Args::Health { .. }
        | Args::Trigger(_) => {
            problems.whole("NoArguments", "`SHELL` names no shell").expected("`SHELL [\"/bin/sh\", \"-c\"]`");
            None
        }
    }
}

fn expose(node: &Node, problems: &mut Problems) -> super::Expose {
    flags::read(node, &[], problems);
    let mut ports = words(node).to_vec();
    if ports.is_empty() {
        problems.whole("NoArguments", "`EXPOSE` names no port").expected("`EXPOSE 80`, `EXPOSE 53/udp`");
    }
    ports.sort_unstable();
    super::Expose { ports }
}

fn volume(node: &Node, problems: &mut Problems) -> Vec<Text> {
    flags::read(node, &[], problems);
    let volumes: Vec<_> = words(node).iter().map(|word| word.part(word.trim())).collect();
    if volumes.is_empty() {
        problems.whole("NoArguments", "`VOLUME` names no path").expected("`VOLUME /path`, or `VOLUME [\"/path\"]`");
    }
    if volumes.iter().any(|volume| volume.is_empty()) {
        problems.at("\"\"", "EmptyVolume", "the path of a volume is empty").expected("a path");
    }
    volumes
}

fn one_line(node: &Node, problems: &mut Problems) -> Option<Text> {
    flags::read(node, &[], problems);
    line_of(node, problems)
}

fn line_of(node: &Node, problems: &mut Problems) -> Option<Text> {
    let Args::Line(line) = &node.args else {
        let keyword = problems.keyword();
        let message = format!("`{keyword}` has no argument");
        problems.whole("NoArguments", message).expected("exactly one, up to the end of the line");
        return None;
    };
    Some(line.clone())
}

fn onbuild(node: &Node, problems: &mut Problems) -> Option<Onbuild> {
    flags::read(node, &[], problems);
    let Args::Trigger(inner) = &node.args else {
        problems.whole("NoArguments", "`ONBUILD` holds no instruction").expected("`ONBUILD RUN …`, say");
        return None;
    };
    match Keyword::parse(&inner.keyword) {
        Some(Keyword::Onbuild) => {
            problems.at(&inner.original, "OnbuildTrigger", "`ONBUILD` cannot hold another `ONBUILD`");
        }
        Some(keyword @ (Keyword::From | Keyword::Maintainer)) => {
            problems.at(&inner.original, "OnbuildTrigger", format!("`ONBUILD` cannot hold `{}`", keyword.as_str()));
        }
        Some(_) | None => {}
    }
    let expression = node.original.trim_start();
    // As in BuildKit, another blank than these is the trigger's own.
    let expression = expression.get("ONBUILD".len()..).unwrap_or_default();
    let expression = node.original.part(expression.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']));
    if node.heredocs.is_empty() {
        return Some(Onbuild { expression });
    }
    let documents = node.heredocs.iter().map(|doc| format!("\n{}{}", doc.content, doc.name));
    let expression = documents.fold(expression.to_string(), |all, doc| all + &doc);
    Some(Onbuild { expression: Text::from(expression) })
}

/// What a comment right above says of `name`: `# name is …`.
fn doc_comment(node: &Node, name: &str) -> Option<Text> {
    if name.is_empty() {
        return None;
    }
    let last = node.comments.len().saturating_sub(MAX_DOC_LINES);
    let about = |comment: &Text| comment.strip_prefix(name)?.strip_prefix(' ').map(|doc| comment.part(doc));
    node.comments[last..].iter().find_map(about)
}

fn words(node: &Node) -> &[Text] {
    match &node.args {
        Args::Words(words) | Args::Json(words) => words,
        Args::None | Args::Unknown | Args::Line(_) | Args::Pairs(_) | Args::Health { .. } | Args::Trigger(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_keeps_a_blank_that_is_none_of_ascii() {
        for (text, expected) in [
            ("ONBUILD \t RUN x", "RUN x"),
            ("onbuild \u{a0}RUN x", "\u{a0}RUN x"),
            ("ONBUILD \u{b} RUN x", "\u{b} RUN x"),
        ] {
            let file = crate::parse(format!("FROM a\n{text}\n").as_bytes());
            let command = &file.stages[0].commands[0].instruction;
            assert!(
                matches!(command, Instruction::Onbuild(onbuild) if &*onbuild.expression == expected),
                "{command:?}"
            );
        }
    }
}

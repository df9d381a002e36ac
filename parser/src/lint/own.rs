//! The rules that BuildKit does not have: what people take a separate linter for, as far as no shell need be understood.
//! Expands no variable but to see which ones are asked for, and knows no image.
//!
//! A rule that finds nothing but mistakes is always on; what is a matter of taste or of a team's policy is off until it
//! is asked for.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt};
use oci::Reference;

use super::findings::{At, Findings, Phase};
use super::rule::Rule;
use crate::ast::Pair;
use crate::expand::{Lexer, NoVariables};
use crate::git_url::GitUrl;
use crate::instruction::{AddFiles, Command, CommandLine, Form, Instruction, Run, SourcesAndDest};
use crate::{Dockerfile, Stage};

/// What `ADD` unpacks, or what is taken for it by its name.
const ARCHIVES: [&str; 11] = [".tar", ".tgz", ".tbz2", ".tbz", ".tb2", ".txz", ".tzst", ".gz", ".bz2", ".xz", ".zst"];

/// Shells whose `-c` takes a line and then the arguments of that line.
const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "ksh", "zsh"];

pub(super) fn check(dockerfile: &Dockerfile, findings: &mut Findings) {
    let lexer = Lexer::new(dockerfile.tree.escape.char());
    // By name: whether a stage, or one below it, says where it is.
    let mut placed: HashMap<String, bool> = HashMap::new();
    for stage in &dockerfile.stages {
        let below = placed.get(&stage.base.to_lowercase()).copied();
        if below.is_none() {
            unpinned(stage, findings);
        }
        let mut is_placed = stage.base == "scratch" || below == Some(true);
        for command in &stage.commands {
            is_placed |= matches!(command.instruction, Instruction::Workdir(_));
            instruction(command, is_placed, lexer, findings);
        }
        ignored_command(stage, findings);
        if let Some(name) = &stage.name {
            placed.insert(name.to_lowercase(), is_placed);
        }
    }
    last_user(dockerfile, findings);
}

fn unpinned(stage: &Stage, findings: &mut Findings) {
    let is_followed = findings.follows(Rule::UnpinnedImage, Some(stage.head.node));
    if !is_followed || stage.base == "scratch" || stage.base.contains('$') {
        return;
    }
    let Ok(image) = stage.base.parse::<Reference>() else { return };
    if image.digest().is_some() || image.tag().is_some_and(|tag| tag != "latest") {
        return;
    }
    let at = At { span: stage.head.span, node: Some(stage.head.node), word: &stage.base };
    findings.warn(Phase::File, Rule::UnpinnedImage, at, || {
        format!("Image '{}' has no version, so what it is changes with time", stage.base)
    });
}

fn instruction(command: &Command, is_placed: bool, lexer: Lexer, findings: &mut Findings) {
    match &command.instruction {
        Instruction::Add(add) => {
            plain_add(command, add, findings);
            destination(command, &add.files, is_placed, findings);
        }
        Instruction::Copy(copy) => destination(command, &copy.files, is_placed, findings),
        Instruction::Env(pairs) => own_variable(command, pairs, lexer, findings),
        Instruction::Run(run) => lost_directory(command, run, findings),
        Instruction::Arg(_)
        | Instruction::Cmd(_)
        | Instruction::Entrypoint(_)
        | Instruction::Expose(_)
        | Instruction::Healthcheck(_)
        | Instruction::Label(_)
        | Instruction::Maintainer(_)
        | Instruction::Onbuild(_)
        | Instruction::Shell(_)
        | Instruction::StopSignal(_)
        | Instruction::User(_)
        | Instruction::Volume(_)
        | Instruction::Workdir(_) => {}
    }
}

fn of<'c>(command: &'c Command, word: &'c str) -> At<'c> {
    At { span: command.head.span, node: Some(command.head.node), word }
}

/// What may be an archive or an address, now or when a variable is known, is what `ADD` is for.
fn plain_add(command: &Command, add: &AddFiles, findings: &mut Findings) {
    if !findings.follows(Rule::AddInsteadOfCopy, Some(command.head.node)) {
        return;
    }
    let is_special = |source: &str| {
        let lower = source.to_ascii_lowercase();
        source.contains('$')
            || ["http://", "https://"].iter().any(|scheme| lower.starts_with(scheme))
            || ARCHIVES.iter().any(|suffix| lower.ends_with(suffix))
            || !matches!(GitUrl::parse(source), Ok(None))
    };
    if add.unpack.is_some() || add.files.sources.iter().any(|source| is_special(source)) {
        return;
    }
    findings.warn(Phase::File, Rule::AddInsteadOfCopy, of(command, &command.head.keyword), || {
        "COPY does the same as this ADD, which takes neither an archive nor an address".to_owned()
    });
}

fn destination(command: &Command, files: &SourcesAndDest, is_placed: bool, findings: &mut Findings) {
    let dest = files.dest.as_str();
    let is_relative = !dest.starts_with(['/', '$', '\\', '"']) && dest.get(1..2) != Some(":");
    if is_relative && !is_placed {
        findings.warn(Phase::File, Rule::RelativeDestination, of(command, dest), || {
            format!(
                "Destination '{dest}' is relative, and where to is the base image's affair: no WORKDIR stands before"
            )
        });
    }
    let is_directory = dest.ends_with(['/', '\\']) || matches!(dest.rsplit('/').next(), Some("." | ".."));
    if files.sources.len() + files.inline.len() > 1 && !is_directory && !dest.contains('$') {
        findings.warn(Phase::File, Rule::SeveralSourcesNoSlash, of(command, dest), || {
            format!("Several sources go to '{dest}', which is a directory for sure only with a '/' at its end")
        });
    }
}

/// A variable may use its own old value; what another one is to get by it, it does not get.
fn own_variable(command: &Command, pairs: &[Pair], lexer: Lexer, findings: &mut Findings) {
    let mut set: BTreeSet<&str> = BTreeSet::new();
    for pair in pairs {
        if !set.is_empty() && pair.value.contains('$') {
            let asked = lexer.expand(&pair.value, &NoVariables).map(|found| found.unmatched).unwrap_or_default();
            let used = asked.iter().find(|name| **name != *pair.key && set.contains(name.as_str()));
            if let Some(name) = used {
                findings.warn(Phase::File, Rule::EnvUsedWhereSet, of(command, &pair.value), || {
                    format!("'{}' does not get the value that '${name}' is given in the same ENV", pair.key)
                });
            }
        }
        set.insert(&pair.key);
    }
}

fn lost_directory(command: &Command, run: &Run, findings: &mut Findings) {
    let line = &run.command;
    let ([text], Form::Shell, true) = (line.args.as_slice(), line.form, line.files.is_empty()) else { return };
    let mut words = text.split_whitespace();
    let is_alone = words.next() == Some("cd") && words.next().is_some() && words.next().is_none();
    if is_alone && !text.contains([';', '&', '|', '>', '<', '`', '(', '\n']) {
        findings.warn(Phase::File, Rule::CdWithoutEffect, of(command, text), || {
            format!("'{}' holds for this RUN alone, which does nothing else", text.trim())
        });
    }
}

/// The last `ENTRYPOINT` and the last `CMD` are those that count.
fn ignored_command(stage: &Stage, findings: &mut Findings) {
    let mut entrypoint: Option<&CommandLine> = None;
    let mut cmd: Option<&Command> = None;
    for command in &stage.commands {
        match &command.instruction {
            Instruction::Entrypoint(line) => entrypoint = Some(line),
            Instruction::Cmd(line) => cmd = Some(command).filter(|_| !line.args.is_empty()),
            Instruction::Shell(shell) => {
                let program = shell.first().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
                if !SHELLS.contains(&program) {
                    return;
                }
            }
            _ => {}
        }
    }
    let (Some(entrypoint), Some(cmd)) = (entrypoint, cmd) else { return };
    let uses_arguments = |line: &str| {
        let behind = line.split('$').skip(1).map(|rest| rest.trim_start_matches('{').chars().next());
        behind.flatten().any(|c| matches!(c, '@' | '*' | '#' | '0'..='9'))
    };
    if entrypoint.form == Form::Shell && !entrypoint.args.iter().any(|line| uses_arguments(line)) {
        findings.warn(Phase::File, Rule::CmdIgnored, of(cmd, &cmd.head.keyword), || {
            "This CMD is not used: the ENTRYPOINT is a line for the shell, and does not ask for its arguments"
                .to_owned()
        });
    }
}

fn last_user(dockerfile: &Dockerfile, findings: &mut Findings) {
    let users = dockerfile.stages.last().into_iter().flat_map(|stage| &stage.commands).rev();
    let last = users.filter_map(|command| match &command.instruction {
        Instruction::User(user) => Some((command, user)),
        _ => None,
    });
    let Some((command, user)) = last.take(1).next() else { return };
    if matches!(user.split(':').next(), Some("root" | "0")) {
        findings.warn(Phase::File, Rule::RootUser, of(command, user), || {
            format!("The last user is '{user}', and so are all containers of the image")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::Checks;
    use Rule::*;

    /// The rules of Kiln's own that are broken, all being asked for, and the lines they are broken on.
    #[track_caller]
    fn check_rules(text: &str, expected: &[(Rule, u32)]) {
        let names: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        let checks = Checks::parse(&format!("experimental={}", names.join(","))).expect("names are names");
        let dockerfile = crate::parse(text.as_bytes());
        assert!(!dockerfile.has_errors(), "{text}");
        let mut findings = Findings::new(&dockerfile, Ok(checks));
        check(&dockerfile, &mut findings);
        let found: Vec<(Rule, u32)> = findings
            .finish()
            .warnings
            .iter()
            .filter_map(|warning| Some((Rule::parse(warning.code.0)?, warning.span.first_line)))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn images() {
        for pinned in
            ["scratch", "a:1", "a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "$A"]
        {
            check_rules(&format!("FROM {pinned}"), &[]);
        }
        check_rules("FROM a\nFROM b:latest", &[(UnpinnedImage, 1), (UnpinnedImage, 2)]);
        check_rules("FROM a:1 AS Build\nFROM build\nFROM BUILD", &[]);
    }

    #[test]
    fn adds() {
        for (sources, broken) in [
            ("a", true),
            ("dir/ *.go", true),
            ("a.tar.GZ", false),
            ("a b.tgz", false),
            ("https://example.org/a", false),
            ("git@example.org:a", false),
            ("$FILES", false),
            ("--unpack=false a", false),
        ] {
            check_rules(&format!("FROM a:1\nADD {sources} /b/"), if broken { &[(AddInsteadOfCopy, 2)] } else { &[] });
        }
    }

    #[test]
    fn destinations() {
        check_rules("FROM a:1\nCOPY a b\nWORKDIR /x\nCOPY a b", &[(RelativeDestination, 2)]);
        check_rules("FROM a:1 AS x\nWORKDIR /x\nFROM x\nCOPY a b\nFROM scratch\nCOPY a b", &[]);
        check_rules("FROM a:1\nCOPY a c:/b\nCOPY a $B", &[]);
        check_rules("FROM a:1\nCOPY a b /c\nCOPY a b /c/\nCOPY a b /.\nCOPY a /c", &[(SeveralSourcesNoSlash, 2)]);
        check_rules("FROM a:1\nCOPY <<A <<B /c\nA\nB\n", &[(SeveralSourcesNoSlash, 2)]);
    }

    #[test]
    fn variables() {
        let broken: &[_] = &[(EnvUsedWhereSet, 2)];
        for (pairs, expected) in [
            ("A=1 B=$A", broken),
            ("A=1 B=${A:-2}/x", broken),
            ("B=$A A=1", &[]),
            ("A=1 A=$A", &[]),
            ("A=1 B='$A'", &[]),
            ("A=1 B=\\$A", &[]),
            ("PATH=/x:$PATH B=$C", &[]),
        ] {
            check_rules(&format!("FROM a:1\nENV {pairs}"), expected);
        }
    }

    #[test]
    fn directories() {
        let broken: &[_] = &[(CdWithoutEffect, 2)];
        for (command, expected) in [
            ("cd /a", broken),
            ("  cd   \"$A\"", broken),
            ("cd /a && make", &[]),
            ("cd /a;make", &[]),
            ("cd $(pwd)", &[]),
            ("cd", &[]),
            ("[\"cd\", \"/a\"]", &[]),
            ("<<E\ncd /a\nmake\nE", &[]),
        ] {
            check_rules(&format!("FROM a:1\nRUN {command}"), expected);
        }
    }

    #[test]
    fn commands() {
        for (lines, expected) in [
            ("CMD a\nENTRYPOINT b", &[(CmdIgnored, 2)][..]),
            ("ENTRYPOINT [\"b\"]\nENTRYPOINT b\nCMD [\"a\"]", &[(CmdIgnored, 4)]),
            ("ENTRYPOINT b\nENTRYPOINT [\"b\"]\nCMD a", &[]),
            ("ENTRYPOINT b \"$@\"\nCMD a", &[]),
            ("ENTRYPOINT b ${1}\nCMD a", &[]),
            ("ENTRYPOINT b $X\nCMD a", &[(CmdIgnored, 3)]),
            ("ENTRYPOINT b\nCMD []", &[]),
            ("SHELL [\"/bin/bash\", \"-c\"]\nENTRYPOINT b\nCMD a", &[(CmdIgnored, 4)]),
            ("SHELL [\"pwsh\", \"-c\"]\nENTRYPOINT b\nCMD a", &[]),
        ] {
            check_rules(&format!("FROM a:1\n{lines}"), expected);
        }
    }

    #[test]
    fn users() {
        check_rules("FROM a:1 AS x\nUSER root\nFROM a:1\nUSER 0:0\nUSER me", &[]);
        check_rules("FROM a:1\nUSER me\nUSER 0:0", &[(RootUser, 3)]);
        check_rules("FROM a:1\nUSER roots", &[]);
    }
}

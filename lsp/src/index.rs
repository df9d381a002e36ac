//! The stages and variables of a Dockerfile, and every place that refers to one. Knows no cursor.
//!
//! The instructions are walked once, with the variables that are in scope: before the first `FROM` the global `ARG`s; in a
//! stage what it has declared so far, on top of what the stage it is built on has at its end. Every `$name` is tied to the
//! definition that it sees. Definitions that are one variable to a person (an `ARG` without a default and the global one
//! whose value it takes; an `ENV` that sets again what an `ARG` declared) form a group, named by its first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use parser::instruction::{Command, Instruction};
use parser::lines::is_comment;
use parser::{Dockerfile, Node, Text};

use crate::cursor;
use crate::document::bytes;
use crate::logical::Logical;

#[derive(Debug, Default)]
pub struct Index {
    pub stages: Vec<StageEntry>,
    /// Where a stage is named, and which one.
    pub stage_uses: Vec<(Range<usize>, usize)>,
    /// In the order of their places.
    pub definitions: Vec<Definition>,
    pub references: Vec<Reference>,
    /// The last stage of each name.
    names: HashMap<Text, usize>,
}

#[derive(Debug)]
pub struct StageEntry {
    /// Where its name is, if it has one.
    pub name: Option<Range<usize>>,
    /// The `FROM`.
    pub head: Range<usize>,
    /// Up to the end of its last instruction.
    pub whole: Range<usize>,
    /// The stage it is built on.
    pub base: Option<usize>,
}

/// Where a variable gets a value, or is declared to have one.
#[derive(Debug)]
pub struct Definition {
    pub name: Text,
    pub kind: Kind,
    /// `None` is before the first.
    pub stage: Option<usize>,
    pub place: Range<usize>,
    /// The end of its instruction, behind which it holds.
    pub end: usize,
    /// As written.
    pub value: Option<Text>,
    pub doc: Option<Text>,
    /// The first definition of the same variable.
    pub group: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Arg,
    Env,
}

/// A `$name`, without its `$` and braces.
#[derive(Debug)]
pub struct Reference {
    pub place: Range<usize>,
    pub definition: Option<usize>,
}

/// Stages built on stages are followed this deep.
const MAX_CHAIN: usize = 64;

/// The definitions that hold at some place.
#[derive(Debug, Default)]
struct Scope {
    own: HashMap<Text, usize>,
    /// The stage below, whose definitions hold where there is none here.
    base: Option<usize>,
}

impl Index {
    pub fn new(dockerfile: &Dockerfile) -> Self {
        let named = |(at, stage): (usize, &parser::Stage)| Some((stage.name.clone()?, at));
        let names = dockerfile.stages.iter().enumerate().filter_map(named).collect();
        let index = Index { names, ..Index::default() };
        let mut walk = Walk { dockerfile, index, globals: Scope::default(), above: HashMap::new(), ends: Vec::new() };
        for command in &dockerfile.meta_args {
            walk.arg(&dockerfile.tree.nodes[command.head.node], &command.instruction, None, None);
        }
        for at in 0..dockerfile.stages.len() {
            walk.stage(at);
        }
        walk.index
    }

    /// The stage whose instructions `offset` is among, its `FROM` included; `None` before the first.
    pub fn stage_at(&self, offset: usize) -> Option<usize> {
        self.stages.partition_point(|stage| stage.head.start <= offset).checked_sub(1)
    }

    /// The definitions that an instruction at `offset` sees, by name, each the last one.
    pub fn visible(&self, offset: usize) -> Vec<&Definition> {
        let Some(stage) = self.stage_at(offset) else { return self.globals(offset) };
        if offset <= self.stages[stage].head.end {
            return self.globals(offset);
        }
        let chain = std::iter::successors(Some(stage), |stage| self.stages[*stage].base);
        let chain: BTreeSet<usize> = chain.take(MAX_CHAIN).collect();
        let seen = |definition: &&Definition| {
            definition.stage.is_some_and(|of| chain.contains(&of))
                && (definition.stage != Some(stage) || definition.end < offset)
        };
        last_of_each(self.definitions.iter().filter(seen))
    }

    /// The `ARG`s before the first `FROM`.
    pub fn globals(&self, offset: usize) -> Vec<&Definition> {
        last_of_each(self.definitions.iter().filter(|d| d.stage.is_none() && d.end < offset))
    }

    /// The number of the stage that `name` names in `COPY --from` and the like.
    fn stage_named(&self, dockerfile: &Dockerfile, name: &str) -> Option<usize> {
        let number = name.parse::<usize>().ok().filter(|number| *number < dockerfile.stages.len());
        number.or_else(|| self.names.get(&Text::from(name.to_lowercase())).copied())
    }

    /// The definition that `offset` is in, by its name, or that a reference there sees.
    pub fn variable_at(&self, offset: usize) -> Option<(Range<usize>, Option<usize>)> {
        let touches = |place: &Range<usize>| place.start <= offset && offset <= place.end;
        let defined = self.definitions.iter().position(|definition| touches(&definition.place));
        match defined {
            Some(at) => Some((self.definitions[at].place.clone(), Some(at))),
            None => self.references.iter().find(|r| touches(&r.place)).map(|r| (r.place.clone(), r.definition)),
        }
    }

    /// The stage that is named at `offset`, where it begins or where it is referred to.
    pub fn stage_use_at(&self, offset: usize) -> Option<(Range<usize>, usize)> {
        let touches = |place: &Range<usize>| place.start <= offset && offset <= place.end;
        let named = self
            .stages
            .iter()
            .enumerate()
            .find_map(|(at, stage)| Some((stage.name.clone()?, at)).filter(|(n, _)| touches(n)));
        named.or_else(|| self.stage_uses.iter().find(|(place, _)| touches(place)).cloned())
    }
}

fn last_of_each<'i>(definitions: impl Iterator<Item = &'i Definition>) -> Vec<&'i Definition> {
    let mut last: BTreeMap<&str, &Definition> = BTreeMap::new();
    for definition in definitions {
        last.insert(&definition.name, definition);
    }
    last.into_values().collect()
}

struct Walk<'d> {
    dockerfile: &'d Dockerfile,
    index: Index,
    globals: Scope,
    /// The stages so far, by name.
    above: HashMap<Text, usize>,
    /// What each stage has at its end.
    ends: Vec<Scope>,
}

impl<'d> Walk<'d> {
    fn stage(&mut self, at: usize) {
        let stage = &self.dockerfile.stages[at];
        let node = &self.dockerfile.tree.nodes[stage.head.node];
        let logical = self.logical(node);
        let words = cursor::words(&logical.text, after_flags(&logical.text));
        let base = self.above.get(&stage.base).copied();
        self.above.extend(stage.name.clone().map(|name| (name, at)));
        if let (Some(base), Some(word)) = (base, words.first()) {
            self.index.stage_uses.push((logical.range(word.clone()), base));
        }
        let head = bytes(stage.head.span);
        let last = stage.commands.last().map_or(head.end, |command| bytes(command.head.span).end);
        self.index.stages.push(StageEntry {
            name: stage.name.as_ref().and(words.get(2)).map(|word| logical.range(word.clone())),
            whole: head.start..last,
            head,
            base,
        });
        let globals = std::mem::take(&mut self.globals);
        self.references(bytes(node.span), &globals);
        self.globals = globals;
        let mut scope = Scope { own: HashMap::new(), base };
        for command in &stage.commands {
            self.command(at, command, &mut scope);
        }
        self.ends.push(scope);
    }

    fn command(&mut self, stage: usize, command: &'d Command, scope: &mut Scope) {
        let node = &self.dockerfile.tree.nodes[command.head.node];
        match &command.instruction {
            Instruction::Arg(arg) => return self.arg(node, arg, Some(stage), Some(scope)),
            Instruction::Env(pairs) => {
                self.references(bytes(node.span), scope);
                let places = self.places(node, pairs.iter().map(|pair| pair.key.as_str()));
                for (pair, place) in pairs.iter().zip(places) {
                    let parent = self.seen(scope, &pair.key);
                    let id = self.define(parent, |group| Definition {
                        name: pair.key.clone(),
                        kind: Kind::Env,
                        stage: Some(stage),
                        place,
                        end: bytes(node.span).end,
                        value: Some(pair.value.clone()),
                        doc: None,
                        group,
                    });
                    scope.own.insert(pair.key.clone(), id);
                }
                return;
            }
            // A trigger's names are those of the file that it fires in.
            Instruction::Onbuild(_) => return,
            Instruction::Copy(copy) if copy.from.is_some() => self.copy_source(node),
            Instruction::Run(run) if !run.mounts.is_empty() => self.mount_sources(node),
            _ => {}
        }
        self.references(bytes(node.span), scope);
    }

    /// `ARG`: each name is known to what follows it in the same instruction.
    fn arg(&mut self, node: &Node, arg: &parser::instruction::Arg, stage: Option<usize>, scope: Option<&mut Scope>) {
        let mut globals = std::mem::take(&mut self.globals);
        let places = self.places(node, arg.args.iter().map(|definition| definition.key.as_str()));
        let mut own = scope;
        let whole = bytes(node.span);
        for (at, (definition, place)) in arg.args.iter().zip(&places).enumerate() {
            let end = places.get(at + 1).map_or(whole.end, |next| next.start);
            let scope = own.as_deref_mut().unwrap_or(&mut globals);
            self.references(place.end..end.max(place.end), scope);
            let seen = self.seen(scope, &definition.key);
            let parent = match (seen, &definition.value) {
                (None, None) => globals.own.get(&definition.key).copied(),
                (seen, _) => seen,
            };
            let id = self.define(parent, |group| Definition {
                name: definition.key.clone(),
                kind: Kind::Arg,
                stage,
                place: place.clone(),
                end: whole.end,
                value: definition.value.clone(),
                doc: definition.doc.clone(),
                group,
            });
            let scope = own.as_deref_mut().unwrap_or(&mut globals);
            // An `ENV` of the same name stays on top.
            if seen.is_none_or(|seen| self.index.definitions[seen].kind == Kind::Arg) {
                scope.own.insert(definition.key.clone(), id);
            }
        }
        self.globals = globals;
    }

    /// A definition more, which belongs to the variable of `parent` if there is one; its position in the index.
    fn define(&mut self, parent: Option<usize>, definition: impl FnOnce(usize) -> Definition) -> usize {
        let id = self.index.definitions.len();
        let group = parent.map_or(id, |parent| self.index.definitions[parent].group);
        self.index.definitions.push(definition(group));
        id
    }

    /// Where the names that a node defines stand, in their order.
    fn places<'k>(&self, node: &Node, names: impl Iterator<Item = &'k str>) -> Vec<Range<usize>> {
        let logical = self.logical(node);
        let mut from = node.keyword.len();
        let mut places = Vec::new();
        for name in names {
            let is_name = |at: &usize| {
                let behind = logical.text[at + name.len()..].chars().next();
                let before = logical.text[..*at].chars().next_back();
                before.is_some_and(char::is_whitespace) && behind.is_none_or(|c| c == '=' || c.is_whitespace())
            };
            let text = logical.text.get(from..).unwrap_or_default();
            let found = text.match_indices(name).map(|(at, _)| from + at).find(is_name).unwrap_or(from);
            from = (found + name.len()).min(logical.text.len());
            places.push(logical.range(found..from));
        }
        places
    }

    fn copy_source(&mut self, node: &Node) {
        let logical = self.logical(node);
        for flag in cursor::flags(&logical.text, node.keyword.len()) {
            if logical.text[flag.clone()].starts_with("--from=") {
                self.stage_use(&logical, flag.start + "--from=".len()..flag.end);
            }
        }
    }

    fn mount_sources(&mut self, node: &Node) {
        let logical = self.logical(node);
        for flag in cursor::flags(&logical.text, node.keyword.len()) {
            if !logical.text[flag.clone()].starts_with("--mount=") {
                continue;
            }
            for field in cursor::fields(&logical.text, flag.start + "--mount=".len()..flag.end) {
                let is_from = logical.text[field.clone()]
                    .get(.."from=".len())
                    .is_some_and(|key| key.eq_ignore_ascii_case("from="));
                if is_from {
                    self.stage_use(&logical, field.start + "from=".len()..field.end);
                }
            }
        }
    }

    fn stage_use(&mut self, logical: &Logical, name: Range<usize>) {
        if let Some(stage) = self.index.stage_named(self.dockerfile, &logical.text[name.clone()]) {
            self.index.stage_uses.push((logical.range(name), stage));
        }
    }

    /// Every `$name` and `${name…` in a part of the file, comment lines left out.
    fn references(&mut self, part: Range<usize>, scope: &Scope) {
        let text = self.dockerfile.source.get(part.clone()).unwrap_or_default();
        let mut at = part.start;
        for line in text.split_inclusive('\n') {
            if at == part.start || !is_comment(line) {
                self.references_in(line, at, scope);
            }
            at += line.len();
        }
    }

    fn references_in(&mut self, line: &str, at: usize, scope: &Scope) {
        for (dollar, _) in line.match_indices('$') {
            let start = dollar + 1 + usize::from(line[dollar + 1..].starts_with('{'));
            let Some(name) = cursor::variable(line, start).filter(|name| !name.is_empty()) else { continue };
            let definition = self.seen(scope, &Text::from(&line[name.clone()]));
            self.index.references.push(Reference { place: at + name.start..at + name.end, definition });
        }
    }

    /// The definition of `name` that holds in `scope`.
    fn seen(&self, scope: &Scope, name: &Text) -> Option<usize> {
        let scopes = std::iter::successors(Some(scope), |scope| self.ends.get(scope.base?));
        scopes.take(MAX_CHAIN).find_map(|scope| scope.own.get(name).copied())
    }

    fn logical(&self, node: &Node) -> Logical {
        Logical::read(&self.dockerfile.source, bytes(node.span).start, self.dockerfile.tree.escape)
    }
}

/// Where the words behind an instruction's name and flags begin.
fn after_flags(text: &str) -> usize {
    let name = text.find(char::is_whitespace).unwrap_or(text.len());
    cursor::flags(text, name).last().map_or(name, |flag| flag.end)
}

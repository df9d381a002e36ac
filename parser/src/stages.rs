//! Syntax tree → stages. Knows only what belongs to no single instruction: where a stage begins.

use crate::ast::{Node, Tree};
use crate::diagnostic::{Diagnostic, MAX_ERRORS};
use crate::instruction::problems::Problems;
use crate::instruction::read::{self, Read};
use crate::instruction::{Arg, Command, Head, Instruction, Stage};

/// The tree's instructions: `ARG`s before the first stage, then the stages.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub meta_args: Vec<Command<Arg>>,
    pub stages: Vec<Stage>,
    /// A stage could not be understood: what follows it stands in none.
    lost: bool,
    reported: bool,
}

pub(crate) fn build(source: &str, tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Program {
    let mut program = Program::default();
    let limit = diagnostics.len() + MAX_ERRORS;
    for (index, node) in tree.nodes.iter().enumerate() {
        if diagnostics.len() >= limit {
            break;
        }
        program.add(source, index, node, diagnostics);
    }
    program
}

pub(crate) fn head(index: usize, node: &Node) -> Head {
    Head {
        keyword: node.keyword.clone(),
        source: node.original.part(node.original.trim()),
        span: node.span,
        node: index,
    }
}

impl Program {
    fn add(&mut self, source: &str, index: usize, node: &Node, diagnostics: &mut Vec<Diagnostic>) {
        let head = head(index, node);
        let mut problems = Problems::new(source, node, diagnostics);
        match (read::read(node, &head, &mut problems), self.stages.last_mut()) {
            (Some(Read::Stage(stage)), _) => self.stages.push(stage),
            (Some(Read::Command(instruction)), Some(stage)) => stage.commands.push(Command { head, instruction }),
            (Some(Read::Command(Instruction::Arg(arg))), None) => {
                self.meta_args.push(Command { head, instruction: arg });
            }
            (Some(Read::Command(_)), None) => self.without_stage(&mut problems),
            (None, _) => self.lost = true,
        }
    }

    /// Said once, and not where the `FROM` is there but wrong.
    fn without_stage(&mut self, problems: &mut Problems) {
        if self.lost || self.reported {
            return;
        }
        self.reported = true;
        let keyword = problems.keyword();
        problems
            .whole("NoStage", format!("`{keyword}` stands before the first `FROM`"))
            .expected("`FROM`; only `ARG` may stand before it");
    }
}

//! What stages need of each other: which the target leads to, and whether one needs itself. Knows no image.

use super::{Origin, Plan};
use crate::lower::{Step, refuse};
use crate::{Diagnostic, Span};

impl Plan<'_> {
    /// The stages a stage needs.
    fn needs(&self, stage: usize) -> impl Iterator<Item = (usize, Span)> + '_ {
        let planned = &self.stages[stage];
        let base = std::iter::once((&planned.base, planned.stage.head.span));
        let sources = planned
            .commands
            .iter()
            .flat_map(|command| command.sources.iter().flatten().map(|source| (source, command.command.head.span)));
        base.chain(sources).filter_map(|(origin, span)| match origin {
            Origin::Stage(index) => Some((*index, span)),
            Origin::Scratch | Origin::Image(_) | Origin::Context(_) => None,
        })
    }

    /// A stage that needs itself, by whatever way. Only a stage that needs a later one can begin such a circle.
    pub(super) fn check_cycles(&self) -> Step<()> {
        let forward = |at: usize| self.needs(at).any(|(needed, _)| needed >= at);
        if !(0..self.stages.len()).any(forward) {
            return Ok(());
        }
        let mut done = vec![false; self.stages.len()];
        let mut open = vec![false; self.stages.len()];
        for start in 0..self.stages.len() {
            let mut path = vec![(start, None, self.needs(start).collect::<Vec<_>>())];
            open[start] = !done[start];
            if done[start] {
                continue;
            }
            while let Some((at, _, rest)) = path.last_mut() {
                match rest.pop() {
                    Some((next, span)) if open[next] => {
                        let ways: Vec<Span> = path.iter().filter_map(|(_, way, _)| *way).chain([span]).collect();
                        return self.circle(next, &ways);
                    }
                    Some((next, _)) if done[next] => {}
                    Some((next, span)) => {
                        open[next] = true;
                        path.push((next, Some(span), self.needs(next).collect()));
                    }
                    None => {
                        (done[*at], open[*at]) = (true, false);
                        path.pop();
                    }
                }
            }
        }
        Ok(())
    }

    /// The stage needs itself by these instructions, the last of which closes the circle. As BuildKit, which names all of
    /// them, from the first line to the last.
    fn circle(&self, stage: usize, ways: &[Span]) -> Step<()> {
        let name = &self.stages[stage].label;
        let message = format!("the stage `{name}` needs itself");
        let is_base = |span: &Span| self.stages.iter().any(|planned| planned.stage.head.span == *span);
        let commands = || ways.iter().filter(|span| !is_base(span));
        let (Some(first), Some(last)) = (commands().min(), commands().next_back()) else {
            return refuse("CircularStages", self.stages[stage].stage.head.span, message);
        };
        let span = if ways.iter().any(is_base) { *first } else { first.to(*last) };
        Err(Box::new(Diagnostic::error("CircularStages", span, message).with_focus(*first)))
    }

    /// Leaves aside what reaches forward, so that no circle is left.
    pub(super) fn cut_circles(&mut self) {
        for (at, planned) in self.stages.iter_mut().enumerate() {
            let forward = |source: &Option<Origin>| matches!(source, Some(Origin::Stage(needed)) if *needed >= at);
            planned.commands.retain(|command| !command.sources.iter().any(forward));
        }
    }

    pub(super) fn reach(&self) -> Vec<bool> {
        let mut reachable = vec![false; self.stages.len()];
        reachable[self.target] = true;
        let mut todo = vec![self.target];
        while let Some(stage) = todo.pop() {
            for (needed, _) in self.needs(stage) {
                if !std::mem::replace(&mut reachable[needed], true) {
                    todo.push(needed);
                }
            }
        }
        reachable
    }
}

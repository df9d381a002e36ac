//! `kiln cache fsck`: tells all that is wrong with the store, a line each. Knows not how it is found.

use cache::{Depth, Store};

use crate::args::FsckArgs;
use crate::report::Problem;
use crate::terminal;

pub fn run(args: &FsckArgs, store: &Store) -> Result<(), Problem> {
    let depth = if args.fast { Depth::Metadata } else { Depth::Contents };
    let (rubbish, problems): (Vec<_>, Vec<_>) =
        store.fsck(depth)?.into_iter().partition(|problem| matches!(problem, cache::Problem::Ingest { .. }));
    // What a dead process was making is nobody's damage: whoever opens the store next puts it away, if not we.
    rubbish.iter().try_for_each(|problem| store.repair(problem))?;
    let mut text = String::new();
    for problem in &problems {
        text += &format!("{problem}\n");
        if args.repair {
            store.repair(problem)?;
        }
    }
    terminal::say(&text)?;
    match (problems.len(), args.repair) {
        (0, _) => Ok(()),
        (count, true) => {
            terminal::complain(&format!("{} put right now\n", things(count)));
            Ok(())
        }
        (count, false) => Err(Problem::image(format!("{} wrong with the store", things(count)))
            .hint("`kiln cache fsck --repair` puts it right: what was damaged is built or pulled again")),
    }
}

fn things(count: usize) -> String {
    match count {
        1 => "1 thing is".to_owned(),
        count => format!("{count} things are"),
    }
}

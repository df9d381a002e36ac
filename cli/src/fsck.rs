//! `kiln cache fsck`: tells all that is wrong with the store, a line each. Knows not how it is found.

use cache::{Depth, Store};

use crate::args::FsckArgs;
use crate::report::Problem;
use crate::terminal;

/// Putting a layer away leaves records and images without it, which is seen when it is looked again: at most this often.
const ROUNDS: usize = 5;

pub fn run(args: &FsckArgs, store: &Store) -> Result<(), Problem> {
    let depth = if args.fast { Depth::Metadata } else { Depth::Contents };
    let mut count = look(store, depth, args.repair)?;
    if !args.repair {
        return match count {
            0 => Ok(()),
            _ => Err(Problem::image(format!("{} wrong with the store", things(count)))
                .hint("`kiln cache fsck --repair` puts it right: what was damaged is built or pulled again")),
        };
    }
    let mut repaired = count;
    for _ in 1..ROUNDS {
        if count == 0 {
            break;
        }
        count = look(store, depth, true)?;
        repaired += count;
    }
    if repaired > 0 {
        terminal::complain(&format!("{} put right now\n", things(repaired)));
    }
    Ok(())
}

/// Tells, and puts right if it is to, what is wrong; returns how much that is.
fn look(store: &Store, depth: Depth, repair: bool) -> Result<usize, Problem> {
    let (rubbish, problems): (Vec<_>, Vec<_>) =
        store.fsck(depth)?.into_iter().partition(|problem| matches!(problem, cache::Problem::Ingest { .. }));
    // What a dead process was making is nobody's damage: whoever opens the store next puts it away, if not we.
    rubbish.iter().try_for_each(|problem| store.repair(problem))?;
    for problem in &problems {
        terminal::say(&format!("{problem}\n"))?;
        if repair {
            store.repair(problem)?;
        }
    }
    Ok(problems.len())
}

fn things(count: usize) -> String {
    match count {
        1 => "1 thing is".to_owned(),
        count => format!("{count} things are"),
    }
}

//! `kiln`: the program. Reads the command line, has the command carried out, reports how it ended. Knows no more.

mod args;
mod build;
mod checks;
mod doctor;
mod draw;
mod find;
mod format;
mod fsck;
mod history;
mod images;
mod inspect;
mod layers;
mod load;
mod lsp;
mod paths;
mod progress;
mod pull;
mod registry;
mod report;
mod run;
mod save;
mod signals;
mod table;
mod tag;
mod terminal;
mod time;
mod warnings;

use std::process::ExitCode;

use clap::Parser;

use args::{CacheCommand, Command, Global, Kiln};
use cache::Store;
use report::Problem;

fn main() -> ExitCode {
    warnings::show();
    let kiln = match Kiln::try_parse() {
        Ok(kiln) => kiln,
        Err(error) => {
            // Help that nobody reads is no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    carry_out(kiln).unwrap_or_else(|problem| {
        terminal::complain(&problem.text());
        ExitCode::from(problem.kind.exit_code())
    })
}

fn carry_out(kiln: Kiln) -> Result<ExitCode, Problem> {
    let global = kiln.global;
    let command = match kiln.command {
        Command::Image(command) => command.into_command(),
        command => command,
    };
    match command {
        Command::Build(args) => return build::run(*args, global),
        Command::Graph(args) => draw::run(*args, global)?,
        Command::Run(args) => return run::run(&args, &store(global)?),
        Command::Images(args) => images::run(&args, &store(global)?)?,
        Command::Rmi(args) => tag::remove(&args, &store(global)?)?,
        Command::Tag(args) => tag::add(&args, &store(global)?)?,
        Command::Inspect(args) => inspect::run(&args, &store(global)?)?,
        Command::History(args) => history::run(&args, &store(global)?)?,
        Command::Pull(args) => pull::run(&args, store(global)?)?,
        Command::Load(args) => load::run(&args, &store(global)?)?,
        Command::Save(args) => save::run(&args, store(global)?)?,
        Command::Cache(CacheCommand::Fsck(args)) => fsck::run(&args, &store(global)?)?,
        Command::Lsp(_) => return lsp::run(),
        Command::Checks(args) => checks::run(&args)?,
        Command::Doctor => doctor::run(&store(global)?)?,
        Command::Version => terminal::say(&format!("kiln {}\n", env!("CARGO_PKG_VERSION")))?,
        // Made into one of the others above.
        Command::Image(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn store(global: Global) -> Result<Store, Problem> {
    Ok(Store::open(&paths::store_root(global.root)?)?)
}

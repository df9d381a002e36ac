//! `kiln`: the program. Reads the command line, has the command carried out, reports how it ended. Knows no more.

mod args;
mod build;
mod nearest;
mod paths;
mod progress;
mod report;
mod signals;
mod terminal;
mod time;

use std::process::ExitCode;

use clap::Parser;

use args::{CacheCommand, Command, Kiln};
use report::Problem;

fn main() -> ExitCode {
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
        Command::Build(args) => build::run(*args, global)?,
        Command::Version => terminal::say(&format!("kiln {}\n", env!("CARGO_PKG_VERSION")))?,
        Command::Run(_) | Command::Pull(_) | Command::Images(_) | Command::Rmi(_) | Command::Tag(_) | Command::Inspect(_) 
        | Command::History(_) | Command::Load(_) | Command::Save(_) | Command::Image(_) | Command::Cache(CacheCommand::Fsck) | Command::Doctor => {}
    }
    Ok(ExitCode::SUCCESS)
}

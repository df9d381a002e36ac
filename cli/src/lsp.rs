//! `kiln lsp`: the language server, on standard input and output. Knows nothing of what is said there.

use std::process::ExitCode;

use lsp::Ending;
use tokio::io::{BufReader, stdin, stdout};
use tokio::runtime::Builder;

use crate::report::{Problem, reason};

/// Serves until the editor leaves; as the protocol has it, leaving without a word is a failure.
pub fn run() -> Result<ExitCode, Problem> {
    let started = Builder::new_current_thread().build();
    let runtime = started.map_err(|error| Problem::image(format!("start the language server: {}", reason(&error))))?;
    let ending = runtime.block_on(lsp::serve(BufReader::new(stdin()), stdout()));
    // An editor may keep its end open, and a read of it does not end.
    runtime.shutdown_background();
    Ok(match ending {
        Ending::Asked => ExitCode::SUCCESS,
        Ending::Abrupt => ExitCode::FAILURE,
    })
}

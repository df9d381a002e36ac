//! `kiln build`.

pub mod output;
pub mod request;

use crate::args::Global;
use crate::args::build::BuildArgs;
use crate::report::Problem;
use request::Request;

pub fn run(args: BuildArgs, _global: Global) -> Result<(), Problem> {
    let _request = Request::new(args, &|name| std::env::var(name).ok())?;
    Ok(())
}

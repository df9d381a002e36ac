//! `corpus [--all] [--limit N] [--kiln PROGRAM] [DIR]`: compares Kiln with a folder of BuildKit's verdicts, and prints
//! the table, the differences and the sum. Ends with 0 when all agree, 1 when not, 2 when it cannot compare.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use corpus::{Report, Shown, builds, exceptions};

const USAGE: &str = "usage: corpus [--all] [--limit N] [--kiln PROGRAM] DIR
  --all            show every difference
  --limit N        show N differences of each field (10)
  --kiln PROGRAM   what builds the contexts (beside this program)";

struct Asked {
    dir: PathBuf,
    shown: Shown,
    kiln: PathBuf,
}

fn main() -> ExitCode {
    let Some(asked) = asked(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match report(&asked) {
        Ok(report) => {
            print!("{}", report.shown(asked.shown));
            ExitCode::from(u8::from(!report.all_agree()))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn asked(mut args: impl Iterator<Item = String>) -> Option<Asked> {
    let beside = std::env::current_exe().ok()?.with_file_name("kiln");
    let mut asked = Asked { dir: PathBuf::new(), shown: Shown::First(10), kiln: beside };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--all" => asked.shown = Shown::All,
            "--limit" => asked.shown = Shown::First(args.next()?.parse().ok()?),
            "--kiln" => asked.kiln = args.next()?.into(),
            dir if !dir.starts_with('-') && asked.dir.as_os_str().is_empty() => asked.dir = dir.into(),
            _ => return None,
        }
    }
    (!asked.dir.as_os_str().is_empty()).then_some(asked)
}

fn report(asked: &Asked) -> Result<Report, Box<dyn std::error::Error>> {
    if !asked.dir.is_dir() {
        return Err(format!("there is no folder `{}`", asked.dir.display()).into());
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dockerfile.md");
    let page = std::fs::read_to_string(&page).map_err(|error| format!("cannot read `{}`: {error}", page.display()))?;
    let listed = exceptions::read(&page)?;
    let mut verdicts = corpus::compare(&asked.dir)?;
    verdicts.extend(builds::compare(&asked.dir, &asked.kiln)?);
    Ok(Report::new(verdicts, &listed))
}

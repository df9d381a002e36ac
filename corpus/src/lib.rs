//! Compares Kiln with a folder of BuildKit's verdicts. Knows the form of that folder, and no rule of Kiln's.
//!
//! A folder holds any of these, and what it has is compared: `dockerfiles.jsonl` with `dockerfiles/`,
//! `ignore/ignore.jsonl`, `shell/envVarTest` and `shell/wordsTest`, `builds/expected.jsonl` with `builds/contexts/` and
//! `builds/images/`. Each case of a kind is told as JSON, one case a line; what a line does not have is not compared.
//!
//! Each field of a case gives one [`Verdict`]: both sides are brought to one form, and the places where they differ are
//! listed. A [`Report`] counts the verdicts by field. Where BuildKit is known to be wrong, [`exceptions`] says so.

pub mod builds;
pub mod exceptions;
pub mod root;

mod difference;
mod dockerfiles;
mod ignore;
mod read;
mod report;
mod shell;
mod verdict;

use std::path::{Path, PathBuf};

pub use read::ReadError;
pub use report::{Report, Shown};
pub use verdict::{Difference, Verdict};

/// Everything in `corpus` that can be compared without running the program.
pub fn compare(corpus: &Path) -> Result<Vec<Verdict>, ReadError> {
    let mut verdicts = dockerfiles::compare(corpus)?;
    verdicts.extend(ignore::compare(corpus)?);
    verdicts.extend(shell::compare(corpus)?);
    Ok(verdicts)
}

/// The corpus that lies beside the project, or one level above it where that is a branch's work tree.
pub fn beside_the_project() -> Option<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    ["../shared/corpus", "../../shared/corpus"].map(|path| project.join(path)).into_iter().find(|path| path.exists())
}

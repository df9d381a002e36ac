//! Builds: the image's config, and each entry of its root. Knows the program by its command line only.
//!
//! Contexts are unpacked as root, so that modes, owners and attributes survive. The base images of the corpus are loaded
//! into a store of the comparison's own, under every name by which a Dockerfile asks for them: no registry is needed.
//! Each case is built twice, as a tar of the root and as an image in the store; the second time all is cached.

mod described;
mod program;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::{Value, json};

use crate::read::{self, ReadError};
use crate::root;
use crate::verdict::{Case, Verdict};
use program::{Ended, Program};

const FILE: &str = "builds/expected.jsonl";

/// More would only wait for each other: a build has threads of its own.
const AT_ONCE: usize = 2;

/// Why builds cannot be compared at all.
#[derive(Debug, thiserror::Error)]
pub enum BuildsError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("builds are compared as root: contexts have owners and attributes")]
    NotRoot,
    #[error("cannot make a directory for contexts and store: {0}")]
    Scratch(std::io::Error),
    #[error("cannot run {AT_ONCE} builds at once: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    #[error("cannot load `{}`: {why}", image.display())]
    Image { image: PathBuf, why: String },
}

/// Builds every case of `corpus` with the program at `kiln`.
pub fn compare(corpus: &Path, kiln: &Path) -> Result<Vec<Verdict>, BuildsError> {
    let lines = read::lines(&corpus.join(FILE))?.unwrap_or_default();
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(BuildsError::NotRoot);
    }
    let mut program = Program::new(kiln)?;
    program.load_images(&corpus.join("builds/images"))?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(AT_ONCE).build()?;
    Ok(threads.install(|| lines.par_iter().flat_map(|(line, text)| row(&program, corpus, *line, text)).collect()))
}

fn row(program: &Program, corpus: &Path, line: u64, text: &str) -> Vec<Verdict> {
    let unnamed = Case::new("builds", format!("line {line}"), FILE, line);
    let row: Value = match serde_json::from_str(text) {
        Ok(row) => row,
        Err(error) => return unnamed.broken(error.to_string()),
    };
    let Some(name) = row["name"].as_str() else { return unnamed.broken("there is no `name`") };
    let mut case = Case::new("builds", name, FILE, line);
    match built(program, corpus, &row, line) {
        Ok(built) => compared(&mut case, &row, built),
        Err(why) => return case.broken(why),
    }
    case.verdicts
}

/// What came of a build.
enum Built {
    Failed(Ended),
    Done { root: root::Root, image: Value },
}

/// Builds a case in a directory that goes when it is done.
fn built(program: &Program, corpus: &Path, row: &Value, line: u64) -> Result<Built, String> {
    let dir = program.scratch().map_err(|error| error.to_string())?;
    let context = dir.path().join("context");
    let archive = corpus.join("builds").join(row["context"].as_str().ok_or("there is no `context`")?);
    program::unpack(&archive, &context)?;
    let case = program::Build::new(row, &context);
    program.name_images(&case);
    let tar = dir.path().join("root.tar");
    let ended = program.run(&case.args(&["-o", &format!("type=tar,dest={}", tar.display())]));
    if ended.status != Some(0) {
        return Ok(Built::Failed(ended));
    }
    let tag = format!("case-{line}");
    let tagged = program.run(&case.args(&["-t", &tag]));
    if tagged.status != Some(0) {
        return Err(tagged.to_string());
    }
    let image = program.inspect(&tag)?;
    let root = root::read_tar(&tar).map_err(|error| format!("`{}`: {error}", tar.display()))?;
    Ok(Built::Done { root, image })
}

fn compared(case: &mut Case, row: &Value, built: Built) {
    let should = row["ok"] != false;
    let (root, image) = match built {
        Built::Failed(ended) => {
            // Anything but 1 is no verdict on the Dockerfile: a panic, a wrong argument, a time limit.
            let agrees = !should && ended.status == Some(1);
            let what = || if should { ended.to_string() } else { format!("should fail as a build does: {ended}") };
            case.differences("ok", if agrees { Vec::new() } else { vec![(case.line, String::new(), what())] });
            return;
        }
        Built::Done { .. } if !should => {
            let what = format!("built here; BuildKit says: {}", row["error"]);
            case.differences("ok", vec![(case.line, String::new(), what)]);
            return;
        }
        Built::Done { root, image } => (root, image),
    };
    case.differences("ok", Vec::new());
    if let Some(config) = row.get("config") {
        case.values("config", &described::config(config), &described::config(&image["Config"]));
    }
    for (field, ours) in [("os", &image["Os"]), ("architecture", &image["Architecture"])] {
        if let Some(theirs) = row.get(field) {
            case.values(field, theirs, ours);
        }
    }
    if let Some(layers) = row.get("layers") {
        case.values("layers", layers, &json!(image["RootFS"]["Layers"].as_array().map_or(0, Vec::len)));
    }
    if let Some(Value::Object(theirs)) = row.get("root") {
        let found = described::differences(theirs, &root);
        case.differences("root", found.into_iter().map(|(path, what)| (case.line, path, what)).collect());
    }
}

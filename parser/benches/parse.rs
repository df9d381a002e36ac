//! How fast Dockerfiles are parsed and lowered, the linter's rules included: `cargo bench -p parser`, or with `-- NAME` of
//! one kind alone. Prints ms and MB/s of parsing, then of both; takes the best of several runs. With `-- FOLDER…`, for each
//! the bytes of its files, then the seconds of every run of both. Images are there at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oci::{Digest, ImageConfig, Platform, Reference};
use parser::lower::{BaseImage, ImageError, Images, Request, lower};

/// Every image exists. What it is is made once: in a build, that is read from a store.
struct AnyImage {
    digest: Digest,
    config: ImageConfig,
}

impl AnyImage {
    fn new() -> Self {
        let mut config = ImageConfig::scratch(&Platform::host());
        config.history.push(oci::image::History::default());
        Self { digest: Digest::of(b""), config }
    }
}

impl Images for AnyImage {
    fn resolve(&self, name: &Reference, _platform: &Platform) -> Result<BaseImage, ImageError> {
        Ok(BaseImage { reference: name.clone(), digest: self.digest, config: self.config.clone() })
    }
}

/// How often each kind is run.
const RUNS: usize = 5;

/// How often a folder is.
const RUNS_OF_FOLDER: usize = 20;

fn main() {
    let folders: Vec<String> = std::env::args().skip(1).filter(|argument| Path::new(argument).is_dir()).collect();
    if !folders.is_empty() {
        folders.iter().for_each(|folder| tell_folder(Path::new(folder)));
        return;
    }
    let corpus = ["../../shared/corpus/dockerfiles", "../../../shared/corpus/dockerfiles"]
        .map(|path| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path))
        .into_iter()
        .find(|path| path.exists());
    if let Some(corpus) = corpus {
        report("corpus", || files_of(&corpus));
    }
    let repeated = |first: &str, line: &str, count| vec![(first.to_owned() + &line.repeat(count)).into_bytes()];
    let counted = |line: &dyn Fn(usize) -> String, count| vec![(0..count).map(line).collect::<String>().into_bytes()];
    report("10,000 RUN", || repeated("FROM a\n", "RUN apt-get update && make -j8 all\n", 10_000));
    report("1,000 stages", || counted(&|i| format!("FROM a AS s{i}\nCOPY --from=s0 a b /c/\nRUN make\n"), 1000));
    let from = |i: usize| if i == 0 { "FROM a\n" } else { "" };
    report("10,000 ENV and RUN", || counted(&|i| format!("{}ENV A{i}=1\nRUN make\n", from(i)), 5_000));
    report("200,000 variables", || counted(&|i| format!("{}ENV A{i}=1\n", from(i)), 200_000));
    report("1,000,000 ENV", || repeated("FROM a\n", "ENV a=b\n", 1_000_000));
    report("one line of 1,000,000 pairs", || repeated("FROM a\nENV \\\n", " a=b \\\n", 1_000_000));
    report("1,000,000 unknown", || repeated("FROM a\n", "X y\n", 1_000_000));
    report("1,000,000 flags", || repeated("FROM a\nCOPY \\\n", " --x \\\n", 1_000_000));
    report("100,000 heredocs", || vec![heredocs(100_000)]);
    report("1,000,000 comments", || repeated("FROM a\n", "# c\n", 1_000_000));
    report("1,000,000 words", || repeated("FROM a\nARG \\\n", "a \\\n", 1_000_000));
    report("one here-document", || {
        vec![("FROM a\nRUN <<E\n".to_owned() + &"some line of a script\n".repeat(500_000) + "E\n").into()]
    });
}

fn files_of(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a file")).collect()
}

fn heredocs(count: usize) -> Vec<u8> {
    let words: String = (0..count).map(|i| format!(" <<E{i} \\\n")).collect();
    let bodies: String = (0..count).map(|i| format!("x\nE{i}\n")).collect();
    format!("FROM a\nCOPY \\\n{words} /d\n{bodies}").into()
}

fn tell_folder(folder: &Path) {
    let files = files_of(folder);
    let images = AnyImage::new();
    let took = runs(RUNS_OF_FOLDER, &files, |file| parse_and_lower(file, &images));
    let seconds: Vec<String> = took.iter().map(|took| format!("{:.6}", took.as_secs_f64())).collect();
    println!("{} {}", bytes_of(&files), seconds.join(" "));
}

fn report(name: &str, files: impl Fn() -> Vec<Vec<u8>>) {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if wanted.is_some_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    let files = files();
    let bytes = bytes_of(&files);
    let images = AnyImage::new();
    let best = |took: Vec<Duration>| took.into_iter().min().unwrap_or_default();
    let parsing = best(runs(RUNS, &files, |file| drop(std::hint::black_box(parser::parse(file)))));
    let both = best(runs(RUNS, &files, |file| parse_and_lower(file, &images)));
    let speed = |took: Duration| bytes as f64 / took.as_secs_f64() / 1e6;
    let shown = |took: Duration| format!("{:8.1} ms {:6.0} MB/s", took.as_secs_f64() * 1e3, speed(took));
    println!("{name:28} {} {}", shown(parsing), shown(both));
}

fn parse_and_lower(file: &[u8], images: &AnyImage) {
    drop(std::hint::black_box(lower(&parser::parse(file), &Request::default(), images)));
}

fn bytes_of(files: &[Vec<u8>]) -> usize {
    files.iter().map(Vec::len).sum()
}

fn runs(count: usize, files: &[Vec<u8>], work: impl Fn(&[u8])) -> Vec<Duration> {
    let run = || {
        let start = Instant::now();
        files.iter().for_each(|file| work(std::hint::black_box(file)));
        start.elapsed()
    };
    (0..count).map(|_| run()).collect()
}

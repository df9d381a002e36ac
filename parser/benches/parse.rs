//! How fast Dockerfiles are parsed: `cargo bench -p parser`. Prints MB/s and ms; takes the best of several runs.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn main() {
    let corpus = ["../../shared/corpus/dockerfiles", "../../../shared/corpus/dockerfiles"]
        .map(|path| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path))
        .into_iter()
        .find(|path| path.exists());
    if let Some(corpus) = corpus {
        let mut paths: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        report("corpus", &paths.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>());
    }
    report("10,000 RUN", &[(String::from("FROM a\n") + &"RUN apt-get update && make -j8 all\n".repeat(10_000)).into()]);
    report(
        "1,000 stages",
        &[(0..1000).map(|i| format!("FROM a AS s{i}\nCOPY --from=s0 a b /c/\nRUN make\n")).collect::<String>().into()],
    );
    report("1,000,000 ENV", &[(String::from("FROM a\n") + &"ENV a=b\n".repeat(1_000_000)).into()]);
    report(
        "one line of 1,000,000 pairs",
        &[(String::from("FROM a\nENV \\\n") + &" a=b \\\n".repeat(1_000_000)).into()],
    );
    report("1,000,000 unknown", &[(String::from("FROM a\n") + &"X y\n".repeat(1_000_000)).into()]);
    report("1,000,000 flags", &[(String::from("FROM a\nCOPY \\\n") + &" --x \\\n".repeat(1_000_000)).into()]);
    report("100,000 heredocs", &[heredocs(100_000)]);
    report(
        "1,000,000 comments, words",
        &[(String::from("FROM a\n") + &"# c\n".repeat(1_000_000) + "ARG \\\n" + &"a \\\n".repeat(1_000_000)).into()],
    );
    report(
        "one here-document",
        &[(String::from("FROM a\nRUN <<E\n") + &"some line of a script\n".repeat(500_000) + "E\n").into()],
    );
}

fn heredocs(count: usize) -> Vec<u8> {
    let words: String = (0..count).map(|i| format!(" <<E{i} \\\n")).collect();
    let bodies: String = (0..count).map(|i| format!("x\nE{i}\n")).collect();
    format!("FROM a\nCOPY \\\n{words} /d\n{bodies}").into()
}

fn report(name: &str, files: &[Vec<u8>]) {
    let bytes: usize = files.iter().map(Vec::len).sum();
    let mut best = Duration::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        for file in files {
            std::hint::black_box(parser::parse(std::hint::black_box(file)));
        }
        best = best.min(start.elapsed());
    }
    println!("{name:28} {:8.1} ms {:8.0} MB/s", best.as_secs_f64() * 1e3, bytes as f64 / best.as_secs_f64() / 1e6);
}

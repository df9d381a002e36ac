//! How fast Dockerfiles are parsed and lowered: `cargo bench -p parser`, or with `-- NAME` of one kind
//! alone. Prints ms and MB/s of parsing, then of both; takes the best of several runs.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use oci::{Digest, ImageConfig, Platform, Reference};
use parser::lower::{BaseImage, ImageError, Images, Request, lower};

/// Every image exists.
struct AnyImage;

impl Images for AnyImage {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let mut config = ImageConfig::scratch(platform);
        config.history.push(oci::image::History::default());
        Ok(BaseImage { reference: name.clone(), digest: Digest::of(b""), config })
    }
}

fn main() {
    let corpus = ["../../shared/corpus/dockerfiles", "../../../shared/corpus/dockerfiles"]
        .map(|path| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path))
        .into_iter()
        .find(|path| path.exists());
    if let Some(corpus) = corpus {
        let mut paths: Vec<_> =
            fs::read_dir(corpus).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        report("corpus", &paths.iter().map(|path| fs::read(path).expect("a file")).collect::<Vec<_>>());
    }
    report("10,000 RUN", &[(String::from("FROM a\n") + &"RUN apt-get update && make -j8 all\n".repeat(10_000)).into()]);
    report(
        "1,000 stages",
        &[(0..1000).map(|i| format!("FROM a AS s{i}\nCOPY --from=s0 a b /c/\nRUN make\n")).collect::<String>().into()],
    );
    let alternating = (0..5_000).map(|i| format!("ENV A{i}=1\nRUN make\n")).collect::<String>();
    report("10,000 ENV and RUN", &[(String::from("FROM a\n") + &alternating).into()]);
    let variables = (0..200_000).map(|i| format!("ENV A{i}=1\n")).collect::<String>();
    report("200,000 variables", &[(String::from("FROM a\n") + &variables).into()]);
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
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if wanted.is_some_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    let bytes: usize = files.iter().map(Vec::len).sum();
    let parsing = best(files, |file| drop(std::hint::black_box(parser::parse(file))));
    let both =
        best(files, |file| drop(std::hint::black_box(lower(&parser::parse(file), &Request::default(), &AnyImage))));
    let speed = |took: Duration| bytes as f64 / took.as_secs_f64() / 1e6;
    let shown = |took: Duration| format!("{:8.1} ms {:6.0} MB/s", took.as_secs_f64() * 1e3, speed(took));
    println!("{name:28} {} {}", shown(parsing), shown(both));
}

fn best(files: &[Vec<u8>], work: impl Fn(&[u8])) -> Duration {
    let run = || {
        let start = Instant::now();
        files.iter().for_each(|file| work(std::hint::black_box(file)));
        start.elapsed()
    };
    (0..5).map(|_| run()).min().unwrap_or_default()
}

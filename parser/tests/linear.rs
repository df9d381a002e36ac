//! A file eight times as long takes about eight times as long, whatever it is made of. Only ratios are judged, of the best
//! of several runs, and far from what a quadratic step would make them (sixty-four times): machines are noisy.

use std::time::{Duration, Instant};

use oci::{Digest, ImageConfig, Platform, Reference};
use parser::lower::{BaseImage, ImageError, Images, Request, lower_and_lint};

/// Every image exists.
struct AnyImage;

impl Images for AnyImage {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let mut config = ImageConfig::scratch(platform);
        config.history.push(oci::image::History::default());
        Ok(BaseImage { reference: name.clone(), digest: Digest::of(b""), config })
    }
}

const TIMES: usize = 8;

/// Names, how many lines or words a short file has, and the file for any number.
type Kind = (&'static str, usize, fn(usize) -> String);

fn lines(before: &str, count: usize, line: impl Fn(usize) -> String) -> String {
    let mut text = before.to_owned();
    (0..count).for_each(|at| text.push_str(&line(at)));
    text
}

const KINDS: &[Kind] = &[
    ("RUN", 1000, |n| lines("FROM a\n", n, |i| format!("RUN make {i}\n"))),
    ("RUN with references", 1000, |n| lines("FROM a\nENV A=b\n", n, |i| format!("RUN echo $A ${{B:-{i}}} '$C'\n"))),
    ("ENV and RUN", 500, |n| lines("FROM a\n", n, |i| format!("ENV A{i}=$A\nRUN make\n"))),
    ("ENV, one name", 1000, |n| lines("FROM a\n", n, |i| format!("ENV A=$A{i}\n"))),
    ("ENV of many pairs", 1000, |n| lines("FROM a\nENV", n, |i| format!(" \\\nA{i}=1"))),
    ("ENV of unset variables", 1000, |n| lines("FROM a\nENV A=", n, |i| format!("$A{i}_\\\n"))),
    ("ENVs of unset variables", 1000, |n| lines("FROM a\n", n, |i| format!("ENV A{i}=$B{i}\n"))),
    ("ENV, misspelt", 500, |n| lines("FROM a\n", n, |i| format!("ENV NAME{i}=$NAMES{i}\n"))),
    ("ARG", 1000, |n| lines("FROM a\n", n, |i| format!("ARG A{i}=$A{}\n", i.wrapping_sub(1)))),
    ("ARG before FROM", 1000, |n| lines("", n, |i| format!("ARG A{i}=$A{}\n", i.wrapping_sub(1))) + "FROM a$A1\n"),
    ("ARG inherited", 500, |n| {
        lines("", n, |i| format!("ARG A{i}=1\n")) + &lines("FROM a\n", n, |i| format!("ARG A{i}\n"))
    }),
    ("ARG and misspelt FROM", 200, |n| {
        lines("", n, |i| format!("ARG NAME{i}=a\n")) + &lines("", n, |i| format!("FROM a$NAMES{i}\n"))
    }),
    ("LABEL", 1000, |n| lines("FROM a\n", n, |i| format!("LABEL a{i}=b c=d\n"))),
    ("WORKDIR", 1000, |n| lines("FROM a\n", n, |i| format!("WORKDIR /a/b{i}/../c\n"))),
    ("USER and WORKDIR", 500, |n| lines("FROM a\n", n, |i| format!("USER u{i}\nWORKDIR /a\n"))),
    ("COPY", 1000, |n| lines("FROM a\n", n, |i| format!("COPY a{i} /b/\n"))),
    ("COPY of many sources", 500, |n| lines("FROM a\nCOPY", n, |i| format!(" \\\na{i}")) + " /b/\n"),
    ("COPY of many documents", 500, |n| {
        lines("FROM a\nCOPY", n, |i| format!(" \\\n<<E{i}")) + &lines(" /b/\n", n, |i| format!("x\nE{i}\n"))
    }),
    ("COPY of many stages", 500, |n| {
        let stages = lines("", n, |i| format!("FROM a AS s{i}\nRUN make {i}\n"));
        stages + &lines("FROM a\n", n, |i| format!("COPY --from=s{i} a /b/\n"))
    }),
    ("COPY of many images", 500, |n| lines("FROM a\n", n, |i| format!("COPY --from=image{i} a /b/\n"))),
    ("ADD of addresses", 500, |n| lines("FROM a\n", n, |i| format!("ADD https://example.org/{i} /b/\n"))),
    ("many mounts", 500, |n| lines("FROM a\nRUN", n, |i| format!(" \\\n--mount=type=cache,target=/c{i}")) + " make\n"),
    ("mounts of stages", 500, |n| {
        let stages = lines("", n, |i| format!("FROM a AS s{i}\nRUN make {i}\n"));
        stages + &lines("FROM a\nRUN", n, |i| format!(" \\\n--mount=from=s{i},target=/c{i}")) + " make\n"
    }),
    ("stages", 500, |n| lines("", n, |i| format!("FROM a{i} AS s{i}\nRUN make\nCOPY --from=0 a /b/\n"))),
    ("stages on each other", 500, |n| lines("FROM a AS s\n", n, |_| "FROM s AS s\nRUN make\n".to_owned())),
    ("empty stages on each other", 500, |n| lines("FROM a AS s\n", n, |_| "FROM s AS s\n".to_owned())),
    ("stages on each other, with an ARG", 100, |n| {
        lines("ARG G\nFROM a AS s\n", n, |i| format!("FROM s AS s\nARG A{i}\nARG G\n"))
    }),
    ("stages on one", 500, |n| lines("FROM a AS s\nRUN make\n", n, |i| format!("FROM s AS s{i}\nCOPY a /\n"))),
    ("stages that copy from the one before", 500, |n| {
        lines("FROM a AS s0\nRUN make\n", n, |i| format!("FROM a AS s{}\nCOPY --from=s{i} a /b/\n", i + 1))
    }),
    ("stages of which two are one", 500, |n| {
        lines("", n, |i| format!("FROM a AS s{i}\nRUN make\n"))
            + &lines("FROM a\n", n, |i| format!("COPY --from=s{i} a /\n"))
    }),
    ("EXPOSE", 1000, |n| lines("FROM a\n", n, |i| format!("EXPOSE {}\n", i % 60_000 + 1))),
    ("VOLUME", 1000, |n| lines("FROM a\n", n, |i| format!("VOLUME /a{i}\n"))),
    ("what counts once", 300, |n| {
        lines("FROM a\n", n, |i| format!("CMD c{i}\nENTRYPOINT e{i}\nHEALTHCHECK CMD h{i}\nSTOPSIGNAL 9\n"))
    }),
    ("SHELL and RUN", 500, |n| lines("FROM a\n", n, |i| format!("SHELL [\"s{i}\", \"-c\"]\nRUN make\n"))),
    ("ONBUILD", 1000, |n| lines("FROM a AS b\n", n, |i| format!("ONBUILD RUN make {i}\n")) + "FROM b\n"),
    ("comments", 1000, |n| lines("FROM a\n", n, |_| "# check=skip=all\nRUN make\n".to_owned())),
    ("unknown instructions", 1000, |n| lines("FROM a\n", n, |_| "COPPY a b\n".to_owned())),
    ("unknown stages", 1000, |n| lines("FROM a\n", n, |i| format!("COPY --from=UNKNOWN{i} a b\n"))),
    ("continued lines", 1000, |n| lines("FROM a\nRUN a", n, |_| " \\\n && b".to_owned())),
    ("flags", 500, |n| lines("FROM a\nCOPY", n, |i| format!(" \\\n--exclude=a{i}")) + " a b\n"),
    ("mixed case", 1000, |n| {
        lines("FROM a\n", n, |i| (if i % 2 == 0 { "run make\n" } else { "RUN make\n" }).to_owned())
    }),
];

/// How long it took, and whether it can be built.
fn lowered(text: &str) -> (Duration, bool) {
    let start = Instant::now();
    let dockerfile = parser::parse(text.as_bytes());
    let is_good = lower_and_lint(&dockerfile, &Request::default(), &AnyImage).is_ok();
    (start.elapsed(), is_good)
}

#[test]
fn work_grows_as_the_file_does() {
    let mut slow = Vec::new();
    for (name, count, make) in KINDS {
        let (short, long) = (make(*count), make(count * TIMES));
        assert_eq!(lowered(&short).1, lowered(&long).1, "{name}: no limit is in the way");
        let (mut least, mut most) = (Duration::MAX, Duration::MAX);
        // Judged once it looks good, or never does.
        let is_linear = (0..12).any(|_| {
            (least, most) = (least.min(lowered(&short).0), most.min(lowered(&long).0));
            most.as_secs_f64() < 2.5 * TIMES as f64 * least.as_secs_f64()
        });
        println!("{name:40} {least:?} {most:?}");
        if !is_linear {
            slow.push(format!("{name}: {least:?}, and {most:?} for {TIMES} times as much"));
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

//! Any bytes parse, without a panic, in linear time and with sensible places.

use std::time::{Duration, Instant};

use parser::diagnostic::render;
use parser::{Dockerfile, Span, parse};
use proptest::prelude::*;

/// Everything that reads what others wrote, on one input: also the body of a fuzz target.
fn fuzz(bytes: &[u8]) -> Dockerfile {
    let file = parse(bytes);
    parser::detect_syntax(bytes);
    file.tree.dump();
    let lines = file.source.matches('\n').count() as u32 + 1;
    let sensible = |span: Span| {
        assert!(span.start <= span.end && span.end as usize <= file.source.len(), "{span:?}");
        assert!(1 <= span.first_line && span.first_line <= span.last_line && span.last_line <= lines, "{span:?}");
        assert!(file.source.get(span.start as usize..span.end as usize).is_some(), "{span:?} cuts a character");
    };
    for diagnostic in &file.diagnostics {
        sensible(diagnostic.span);
        diagnostic.focus.iter().copied().for_each(sensible);
        render(diagnostic, "Dockerfile", &file.source);
    }
    file.tree.nodes.iter().for_each(|node| sensible(node.span));
    for node in &file.tree.nodes {
        let _ = parser::parse_trigger(&node.original);
    }
    file
}

/// Pieces that mean something, in any order.
fn dockerfile_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "FROM ",
        "RUN ",
        "COPY ",
        "ADD ",
        "ENV ",
        "LABEL ",
        "ARG ",
        "ONBUILD ",
        "HEALTHCHECK ",
        "CMD ",
        "VOLUME ",
        "SHELL ",
        "EXPOSE ",
        "USER ",
        "WORKDIR ",
        "STOPSIGNAL ",
        "MAINTAINER ",
        "AS ",
        "a ",
        "/b ",
        "a=b ",
        "=",
        "\"",
        "'",
        "\\",
        "`",
        "\n",
        "\r\n",
        "\\\n",
        "`\n",
        " ",
        "\t",
        "#",
        "# escape=`\n",
        "# syntax=x\n",
        "# check=skip=all\n",
        "--",
        "--from=a ",
        "--mount=type=cache,target=/x ",
        "--mount=",
        "--link",
        "--device=a,b ",
        "--network=none ",
        "--interval=1s ",
        "--retries=",
        "[",
        "]",
        "\"a\",",
        "[\"a\"]",
        "\\u00e9",
        "\\ud800",
        "<<EOF",
        "<<-",
        "EOF\n",
        "\nEOF\n",
        "${",
        "}",
        "$a",
        ":-",
        "é",
        "\u{a0}",
        "\u{feff}",
        "\0",
        "NONE ",
        "CMD ",
        "1",
        ",",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&bytes);
    }

    #[test]
    fn anything_like_a_dockerfile(text in dockerfile_like()) {
        fuzz(text.as_bytes());
    }

    #[test]
    fn a_good_beginning_is_not_lost(text in dockerfile_like()) {
        let file = fuzz(format!("FROM first\n{text}").as_bytes());
        prop_assert_eq!(&*file.stages[0].base, "first");
    }

    /// What `ONBUILD` holds is what the instruction itself would be.
    #[test]
    fn a_trigger_is_the_instruction(text in "(RUN|CMD|ENV|COPY|LABEL|USER|ARG) [a-z=\" ./$-]{0,20}") {
        let file = fuzz(format!("FROM a\n{text}").as_bytes());
        let plain = file.stages[0].commands.first().map(|command| &command.instruction);
        let trigger = parser::parse_trigger(&text);
        prop_assert_eq!(plain, trigger.as_ref().ok().map(|command| &command.instruction));
    }
}

/// Inputs made to be slow: each would take minutes if anything here were quadratic.
#[test]
fn hostile_files_take_linear_time() {
    let many = |line: &str, count: usize| line.repeat(count);
    let heredoc_words: String = (0..30_000).map(|i| format!(" <<E{i} \\\n")).collect();
    let heredoc_bodies: String = (0..30_000).map(|i| format!("x\nE{i}\n")).collect();
    for (name, text) in [
        ("instructions", many("ENV a=b\n", 100_000)),
        ("unknown instructions", many("X\n", 300_000)),
        ("pairs", "ENV \\\n".to_owned() + &many("a=b \\\n", 200_000)),
        ("flags", "COPY \\\n".to_owned() + &many("--x \\\n", 200_000)),
        (
            "good and bad flags",
            "RUN \\\n".to_owned() + &many("--mount=a \\\n", 100_000) + &many("--network=a \\\n", 100_000),
        ),
        ("nameless arguments", "ARG \\\n".to_owned() + &many("= \\\n", 200_000)),
        ("empty continuations", many("RUN \\\n\n", 100_000)),
        ("triggers", "ONBUILD \\\n".to_owned() + &many("ONBUILD \\\n", 200_000)),
        ("heredocs", format!("COPY \\\n{heredoc_words} /d\n{heredoc_bodies}")),
        ("open heredocs", "RUN \\\n".to_owned() + &many("<<E \\\n", 100_000)),
        ("substitutions", "RUN <<E \\\n".to_owned() + &many("${a:-", 12_000)),
        ("brackets", "CMD \\\n".to_owned() + &many("[[[[[[[[ \\\n", 50_000)),
        ("comments and names", many("# a\n", 100_000) + "ARG \\\n" + &many("b \\\n", 20_000)),
    ] {
        let start = Instant::now();
        let file = parse(("FROM a\n".to_owned() + &text).as_bytes());
        let took = start.elapsed();
        assert!(took < Duration::from_secs(10), "{name}: {took:?}");
        assert!(file.diagnostics.len() <= 1300, "{name}: {} diagnostics", file.diagnostics.len());
    }
}

#[test]
fn files_past_the_limit_are_refused() {
    let file = parse(&vec![b'\n'; parser::MAX_FILE_SIZE + 1]);
    assert_eq!(file.diagnostics[0].code.0, "FileTooLarge");
    assert!(file.has_errors());
}

#[test]
fn bytes_that_are_no_text_are_told_once() {
    let file = fuzz(b"FROM a\nRUN echo \xff\xfe\n# \xff\n");
    let codes: Vec<_> = file.diagnostics.iter().map(|d| (d.code.0, d.span.first_line)).collect();
    assert_eq!(codes, [("InvalidUtf8", 2)]);
    assert_eq!(file.stages[0].commands.len(), 1);
}

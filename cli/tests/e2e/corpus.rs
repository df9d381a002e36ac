//! What BuildKit made of real contexts, and what Kiln makes of them, where the corpus is. Says how many cases it ran.

use std::path::Path;

use corpus::{Report, Shown, exceptions};

#[test]
fn builds_agree_with_buildkit() {
    let Some(corpus) = corpus::beside_the_project() else {
        println!("the corpus is not here: 0 cases ran");
        return;
    };
    let page = include_str!("../../../docs/dockerfile.md");
    let listed = exceptions::read(page).expect("the table of exceptions is whole");
    let verdicts =
        corpus::builds::compare(&corpus, Path::new(env!("CARGO_BIN_EXE_kiln"))).expect("the corpus is whole");
    let cases = verdicts.iter().filter(|verdict| verdict.field == "ok").count();
    let report = Report::new(verdicts, &listed);
    println!("{cases} cases ran\n{}", report.shown(Shown::All));
    assert!(report.all_agree(), "not all agree");
}

//! Everything of the corpus that needs no build, where the corpus is. Says how many cases it ran.

use std::collections::BTreeSet;

use corpus::{Report, Shown, exceptions};

#[test]
fn all_that_is_compared_agrees() {
    let Some(corpus) = corpus::beside_the_project() else {
        println!("the corpus is not here: 0 cases ran");
        return;
    };
    let listed = exceptions::read(include_str!("../../docs/dockerfile.md")).expect("the table of exceptions is whole");
    let verdicts = corpus::compare(&corpus).expect("the corpus can be read");
    let cases: BTreeSet<_> = verdicts.iter().map(|verdict| (verdict.kind, &verdict.case)).collect();
    println!("{} cases ran", cases.len());
    let report = Report::new(verdicts, &listed);
    println!("{}", report.shown(Shown::First(20)));
    assert!(report.all_agree(), "not all agree");
}

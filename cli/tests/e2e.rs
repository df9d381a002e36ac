//! End to end: the real binary on real contexts. Each module is one side of it; `harness` is what they share.

mod e2e {
    pub mod harness;

    mod caching;
    mod checks;
    mod corpus;
    mod crash;
    mod flags;
    mod graph;
    mod hostile;
    mod images;
    mod inputs;
    mod instructions;
    mod lsp;
    mod platforms;
    mod run;
    mod sources;
}

//! Walks a graph: keys, hits and misses, schedule, outcome. Knows no Dockerfile and starts no process; what it needs
//! done comes in through ports.

pub mod port;

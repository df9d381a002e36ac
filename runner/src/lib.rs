//! Processes in isolation, and the ops of a graph done on this machine. Knows no Dockerfile and prints nothing.

pub mod sandbox;

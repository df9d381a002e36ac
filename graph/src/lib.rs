//! What to build: ops, vertices, edges. Pure data over petgraph; knows no Dockerfile, no store, no process.
//!
//! The ops cover what BuildKit's LLB can say (`solver/pb/ops.proto`), so that another front end is an addition and
//! not a rewrite. Every vertex has one result: a filesystem as a stack of layers, or the local directory it names.

pub mod manifest;
pub mod op;

mod asked;
mod dag;
mod environment;
mod fields;
mod unify;

pub use asked::asked;
pub use dag::{Graph, Meta, Slot, Source, Vertex, VertexId};
pub use environment::{Environment, Piece};
pub use fields::{VERSION, fields};
pub use manifest::{Field, Manifest};
pub use op::{ExecOp, FileAction, FileOp, Op, SourceOp};
pub use unify::unify;

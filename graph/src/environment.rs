//! The variables of a process. Knows no names: each is a text, `NAME=value`.
//!
//! Kept in pieces that are shared: a file of thousands of commands, with variables set between them, has thousands of
//! environments that differ in a few entries.

use std::fmt;
use std::sync::Arc;

/// Texts, in order.
#[derive(Clone, Default)]
pub struct Environment {
    pieces: Arc<[Arc<[Arc<str>]>]>,
}

impl Environment {
    /// The `pieces` one after the other.
    pub fn of_pieces(pieces: impl IntoIterator<Item = Arc<[Arc<str>]>>) -> Self {
        Self { pieces: pieces.into_iter().collect() }
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().flat_map(|piece| piece.iter()).map(|text| &**text)
    }
}

impl<T: Into<Arc<str>>> FromIterator<T> for Environment {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        Self::of_pieces([texts.into_iter().map(Into::into).collect()])
    }
}

/// How they are cut into pieces makes no difference.
impl PartialEq for Environment {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Environment {}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

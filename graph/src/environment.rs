//! The variables of a process. Knows no names: each is a text, `NAME=value`.
//!
//! Kept in pieces that are shared: a file of thousands of commands, with variables set between them, has thousands of
//! environments that differ in a few entries. Each piece knows the hash of its texts, so that as many environments can
//! be told apart without reading them.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use foldhash::fast::RandomState;

/// Texts, in order.
#[derive(Clone, Default)]
pub struct Environment {
    pieces: Arc<[Piece]>,
}

/// A few of the texts, one after the other.
#[derive(Debug, Clone)]
pub struct Piece {
    texts: Arc<[Arc<str>]>,
    /// The sum of the texts' hashes: how they are cut into pieces makes no difference.
    sum: u64,
}

impl FromIterator<Arc<str>> for Piece {
    fn from_iter<I: IntoIterator<Item = Arc<str>>>(texts: I) -> Self {
        static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::default);
        let texts: Arc<[Arc<str>]> = texts.into_iter().collect();
        let sum = texts.iter().fold(0_u64, |sum, text| sum.wrapping_add(STATE.hash_one(&**text)));
        Self { texts, sum }
    }
}

impl Environment {
    /// The `pieces` one after the other.
    pub fn of_pieces(pieces: impl IntoIterator<Item = Piece>) -> Self {
        Self { pieces: pieces.into_iter().collect() }
    }

    /// The same with one more at the end.
    #[must_use]
    pub fn with(&self, text: &str) -> Self {
        Self::of_pieces(self.pieces.iter().cloned().chain([std::iter::once(Arc::from(text)).collect()]))
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().flat_map(|piece| piece.texts.iter()).map(|text| &**text)
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
        Arc::ptr_eq(&self.pieces, &other.pieces) || self.iter().eq(other.iter())
    }
}

impl Eq for Environment {}

impl Hash for Environment {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.pieces.iter().fold(0, |sum, piece| sum.wrapping_add(piece.sum)));
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

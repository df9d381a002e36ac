//! A piece of text: cheap to clone and to cut, read as `&str`. Does not know where it stands in a file.
//!
//! A piece shares the allocation it was cut from, so words cost a reference count and no copy.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// An immutable string, or a part of one.
#[derive(Clone)]
pub struct Text {
    whole: Arc<str>,
    start: u32,
    end: u32,
}

impl Text {
    pub fn as_str(&self) -> &str {
        &self.whole[self.start as usize..self.end as usize]
    }

    /// `part`, which must have been borrowed from this text, without copying it (copied if it was not).
    pub(crate) fn part(&self, part: &str) -> Text {
        let base = self.whole.as_ptr() as usize;
        let start = (part.as_ptr() as usize).wrapping_sub(base);
        let end = start.wrapping_add(part.len());
        if start > end || end > self.whole.len() {
            return Text::from(part);
        }
        // Both fit: `From` refuses to make a text of 4 GiB or more.
        Text { whole: Arc::clone(&self.whole), start: start as u32, end: end as u32 }
    }
}

impl From<&str> for Text {
    /// Text past 4 GiB is cut off; files are refused long before.
    fn from(text: &str) -> Self {
        let end = u32::try_from(text.len()).unwrap_or(0);
        Text { whole: text.into(), start: 0, end }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::from(text.as_str())
    }
}

/// As `to_string`, which would go through the machinery of formatting.
impl From<&Text> for String {
    fn from(text: &Text) -> Self {
        text.as_str().to_owned()
    }
}

impl Default for Text {
    fn default() -> Self {
        static EMPTY: LazyLock<Text> = LazyLock::new(|| Text::from(""));
        EMPTY.clone()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_part_is_itself() {
        let whole = Text::from("FROM alpine AS build");
        let image = whole.part(&whole[5..11]);
        assert_eq!(image, "alpine");
        assert_eq!(image.part(&image[2..]), "pine");
        assert!(Arc::ptr_eq(&whole.whole, &image.part(&image[2..]).whole));
    }

    #[test]
    fn text_from_elsewhere_is_copied() {
        let other = String::from("elsewhere");
        assert_eq!(Text::from("here").part(&other), "elsewhere");
    }
}

//! Where names stand in a list. Does not know the list: whoever asks brings it, and says what an item's name is.
//!
//! Most stages have a dozen variables, which are compared one by one; a map of them would cost more than all look-ups.
//! A longer list is hashed.

use foldhash::{HashMap, HashMapExt};

/// So many items are looked through.
const FEW: usize = 16;

/// The name of an item, if it has one.
pub(super) type Name<T> = fn(&T) -> Option<&str>;

#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// Empty as long as there are few.
    at: HashMap<Box<str>, usize>,
}

impl Index {
    /// Of several items of one name, the first is found.
    pub fn of<T>(list: &[T], name_of: Name<T>) -> Self {
        let mut index = Self { at: HashMap::new() };
        if list.len() > FEW {
            let names = list.iter().enumerate().filter_map(|(at, item)| Some((at, name_of(item)?)));
            names.for_each(|(at, name)| _ = index.at.entry(name.into()).or_insert(at));
        }
        index
    }

    pub fn find<T>(&self, name: &str, list: &[T], name_of: Name<T>) -> Option<usize> {
        match list.len() {
            ..=FEW => list.iter().position(|item| name_of(item) == Some(name)),
            _ => self.at.get(name).copied(),
        }
    }

    /// The last of the list is new, and its name, too.
    pub fn added<T>(&mut self, list: &[T], name_of: Name<T>) {
        match (list.len(), list.last().and_then(name_of)) {
            (..=FEW, _) | (_, None) => {}
            (length, Some(_)) if length == FEW + 1 => *self = Self::of(list, name_of),
            (length, Some(name)) => _ = self.at.insert(name.into(), length - 1),
        }
    }

    /// No item is named so any more.
    pub fn removed(&mut self, name: &str) {
        self.at.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_found() {
        let name_of: Name<Option<String>> = |item| item.as_deref();
        let mut list: Vec<Option<String>> = Vec::new();
        let mut index = Index::default();
        for at in 0..3 * FEW {
            list.push(Some(format!("n{at}")));
            index.added(&list, name_of);
            if at == 3 {
                list[3] = None;
                index.removed("n3");
            }
            for known in 0..=at {
                assert_eq!(index.find(&format!("n{known}"), &list, name_of), Some(known).filter(|at| *at != 3));
            }
        }
    }
}

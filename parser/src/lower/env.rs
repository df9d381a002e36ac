//! An environment as LLB keeps one: in order, and what is set again moves to the end. Knows no scope.

use std::sync::Arc;

use graph::{Environment, Piece};

use super::index::Index;
use crate::expand::Variables;

/// How many slots are listed together: a change makes one piece anew, and a list of pieces.
const PIECE: usize = 64;

/// Variables by name, and in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Env {
    /// What was set again leaves a hole.
    slots: Vec<Option<Variable>>,
    index: Index,
    holes: usize,
    /// For every `PIECE` slots what they hold, as far as it was asked for since they changed.
    pieces: Vec<Option<Piece>>,
    /// All of it, if it was asked for since it changed.
    list: Option<Environment>,
}

#[derive(Debug, Clone)]
struct Variable {
    /// `NAME=value`
    text: Arc<str>,
    name_length: usize,
}

impl Env {
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        if self.slots.len() > 32 && self.slots.len() < 2 * self.holes {
            self.close_holes();
        }
        self.changed(self.slots.len());
        self.slots.push(Some(Variable { text: [name, "=", value].concat().into(), name_length: name.len() }));
        self.index.added(&self.slots, name_of);
    }

    pub fn unset(&mut self, name: &str) {
        if let Some(at) = self.index.find(name, &self.slots, name_of) {
            self.slots[at] = None;
            self.holes += 1;
            self.index.removed(name);
            self.changed(at);
        }
    }

    fn changed(&mut self, slot: usize) {
        self.list = None;
        if let Some(piece) = self.pieces.get_mut(slot / PIECE) {
            *piece = None;
        }
    }

    /// How many bytes the next [`Env::list`] takes at most, the texts aside.
    pub fn size_of_list(&self) -> usize {
        if self.list.is_some() { 0 } else { (self.slots.len() / PIECE + PIECE) * size_of::<Arc<str>>() }
    }

    /// `NAME=value` of each, in order. What did not change since the last list is shared with it.
    pub fn list(&mut self) -> Environment {
        if let Some(list) = &self.list {
            return list.clone();
        }
        self.pieces.resize(self.slots.len().div_ceil(PIECE), None);
        for (piece, slots) in self.pieces.iter_mut().zip(self.slots.chunks(PIECE)) {
            let texts = || slots.iter().flatten().map(|variable| Arc::clone(&variable.text)).collect();
            piece.get_or_insert_with(texts);
        }
        self.list.insert(Environment::of_pieces(self.pieces.iter().flatten().cloned())).clone()
    }

    /// Of what is set, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().filter_map(name_of)
    }

    /// How many slots its names are looked for in.
    pub fn size(&self) -> usize {
        self.slots.len()
    }

    fn close_holes(&mut self) {
        self.slots.retain(Option::is_some);
        self.holes = 0;
        self.pieces.clear();
        self.index = Index::of(&self.slots, name_of);
    }
}

fn name_of(slot: &Option<Variable>) -> Option<&str> {
    slot.as_ref().map(|variable| &variable.text[..variable.name_length])
}

impl Variables for Env {
    fn get(&self, name: &str) -> Option<&str> {
        let variable = self.slots[self.index.find(name, &self.slots, name_of)?].as_ref()?;
        Some(&variable.text[variable.name_length + 1..])
    }
}

/// `NAME=value` as name and value; without a `=`, the value is empty.
pub(super) fn split(variable: &str) -> (&str, &str) {
    variable.split_once('=').unwrap_or((variable, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_again_moves_to_the_end() {
        let mut env = Env::default();
        for (name, value) in [("A", "1"), ("B", "2"), ("A", "3=4"), ("", "x")] {
            env.set(name, value);
        }
        assert_eq!(env.list(), ["B=2", "A=3=4", "=x"].into_iter().collect());
        assert_eq!(env.get("A"), Some("3=4"));
        for round in 0..1000 {
            env.set("B", &round.to_string());
        }
        assert_eq!(env.list(), ["A=3=4", "=x", "B=999"].into_iter().collect());
        assert_eq!(env.get("A"), Some("3=4"));
        assert!(env.slots.len() < 64);
    }

    #[test]
    fn a_list_is_what_is_set_whatever_was_listed_before() {
        let mut env = Env::default();
        for round in 0..1000_usize {
            env.set(&format!("V{}", round * 7 % 300), &round.to_string());
            let mut fresh = Env { slots: env.slots.clone(), ..Env::default() };
            assert_eq!(env.list(), fresh.list());
            assert_eq!(env.list().iter().count(), env.slots.len() - env.holes);
        }
    }
}

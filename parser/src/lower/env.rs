//! An environment as LLB keeps one: in order, and what is set again moves to the end. Knows no scope.

use std::collections::HashMap;
use std::sync::Arc;

use crate::expand::Variables;

/// Variables by name, and in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Env {
    /// What was set again leaves a hole.
    slots: Vec<Option<Variable>>,
    at: HashMap<Arc<str>, usize>,
    /// All of it, since it last changed.
    list: Option<Arc<[Arc<str>]>>,
}

#[derive(Debug, Clone)]
struct Variable {
    /// `NAME=value`
    text: Arc<str>,
    name_length: usize,
}

impl Env {
    pub fn set(&mut self, name: &str, value: &str) {
        self.list = None;
        self.unset(name);
        if self.slots.len() > 32 && self.slots.len() > 2 * self.at.len() {
            self.close_holes();
        }
        self.at.insert(name.into(), self.slots.len());
        self.slots.push(Some(Variable { text: format!("{name}={value}").into(), name_length: name.len() }));
    }

    pub fn unset(&mut self, name: &str) {
        if let Some(at) = self.at.remove(name) {
            self.slots[at] = None;
            self.list = None;
        }
    }

    /// How many variables there are.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether [`Env::list`] is at hand.
    pub fn is_listed(&self) -> bool {
        self.list.is_some()
    }

    /// `NAME=value` of each, in order. Commands between which nothing was set share one list.
    pub fn list(&mut self) -> Arc<[Arc<str>]> {
        let slots = &self.slots;
        let texts = || slots.iter().flatten().map(|variable| Arc::clone(&variable.text)).collect();
        Arc::clone(self.list.get_or_insert_with(texts))
    }

    fn close_holes(&mut self) {
        self.slots.retain(Option::is_some);
        for (at, variable) in self.slots.iter().enumerate() {
            if let Some(at_name) = variable.as_ref().and_then(|v| self.at.get_mut(&v.text[..v.name_length])) {
                *at_name = at;
            }
        }
    }
}

impl Variables for Env {
    fn get(&self, name: &str) -> Option<&str> {
        let variable = self.slots[*self.at.get(name)?].as_ref()?;
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
        assert_eq!(*env.list(), ["B=2", "A=3=4", "=x"].map(Arc::from));
        assert_eq!(env.get("A"), Some("3=4"));
        for round in 0..1000 {
            env.set("B", &round.to_string());
        }
        assert_eq!(*env.list(), ["A=3=4", "=x", "B=999"].map(Arc::from));
        assert!(Arc::ptr_eq(&env.list(), &env.list()));
        assert_eq!(env.get("A"), Some("3=4"));
        assert!(env.slots.len() < 64);
    }
}

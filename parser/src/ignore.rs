//! Ignore files: which paths of a context are left out, and by which line. Does no I/O.
//!
//! The semantics are those of `moby/patternmatcher` and its `ignorefile`. A line is trimmed, cleaned as a path, its
//! leading `/` dropped; `#` at the very beginning makes it a comment, `!` an exception. A path is left out when the
//! last line that matches it *or one of its parents* is no exception. `*` and `?` stop at `/`, `**` does not.
//!
//! A scan of a directory tree does not look at parents again: [`Ignore::enter`] tells which lines match a directory, and
//! those match all that is in it. As there, a line counts for a directory only if it changed something: `!x` is no
//! match of an `x` that is not hidden, so that of `x/y` and then `!x` a scan hides `x/y`, which [`Ignore::excludes`]
//! says is kept. Builds scan.

mod glob;

use glob::Glob;

/// The lines of an ignore file, ready to match.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

/// One line that says something.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The pattern as read, with its `!`.
    pub pattern: String,
    /// From 1.
    pub line: u32,
    /// `!`: what it matches is kept.
    pub exception: bool,
    glob: Glob,
}

/// Which rules match a directory, and so everything below it.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    matched: Vec<bool>,
}

impl Scope {
    /// The line that decides.
    fn last(&self) -> Option<usize> {
        self.matched.iter().rposition(|matched| *matched)
    }
}

/// Why an ignore file is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{pattern}` is not a pattern: {reason}")]
pub struct IgnoreError {
    pub pattern: String,
    pub line: u32,
    pub reason: &'static str,
}

impl Ignore {
    /// Reads an ignore file.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().zip(1..).filter_map(|(line, number)| Some((read_line(line)?, number)));
        Self::from_lines(lines)
    }

    /// Takes patterns as they stand, as `COPY --exclude` has them.
    pub fn from_patterns<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, IgnoreError> {
        Self::from_lines(patterns.into_iter().map(str::to_owned).zip(1..))
    }

    fn from_lines(lines: impl Iterator<Item = (String, u32)>) -> Result<Self, IgnoreError> {
        let mut rules = Vec::new();
        for (pattern, line) in lines {
            let cleaned = pattern.trim();
            if cleaned.is_empty() {
                continue;
            }
            let cleaned = crate::path::clean(cleaned);
            let positive = cleaned.strip_prefix('!');
            let glob = match positive {
                Some("") => Err("an exception needs a pattern after its `!`"),
                _ => Glob::parse(positive.unwrap_or(&cleaned)),
            };
            let glob = glob.map_err(|reason| IgnoreError { pattern: pattern.clone(), line, reason })?;
            rules.push(Rule { line, exception: positive.is_some(), glob, pattern });
        }
        Ok(Self { rules })
    }

    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether `path` (relative, cleaned, with `/`) is left out.
    pub fn excludes(&self, path: &[u8]) -> bool {
        self.hidden_by(path).is_some()
    }

    /// The line that leaves `path` out.
    pub fn hidden_by(&self, path: &[u8]) -> Option<&Rule> {
        let rule = self.rules.iter().rev().find(|rule| rule.glob.covers(path))?;
        (!rule.exception).then_some(rule)
    }

    /// As [`Ignore::hidden_by`], `parent` being the scope of the directory that `path` is directly in.
    pub fn hidden_in(&self, parent: &Scope, path: &[u8]) -> Option<&Rule> {
        let at = self.enter(parent, path).last()?;
        (!self.rules[at].exception).then_some(&self.rules[at])
    }

    /// The scope of the directory `path`, which is directly in the directory of `parent`. The root's is the default.
    pub fn enter(&self, parent: &Scope, path: &[u8]) -> Scope {
        let mut hidden = false;
        let mut matched = vec![false; self.rules.len()];
        for (at, rule) in self.rules.iter().enumerate() {
            let inherited = parent.matched.get(at).copied().unwrap_or(false);
            // Not asked: an exception to what is not hidden, and a further reason to hide what is.
            if inherited || (rule.exception == hidden && rule.glob.matches(path)) {
                matched[at] = true;
                hidden = !rule.exception;
            }
        }
        Scope { matched }
    }

    /// Whether the directory `path`, and all that is or may be in it, is left out.
    pub fn excludes_all_in(&self, scope: &Scope, path: &[u8]) -> bool {
        let Some(last) = scope.last() else { return false };
        let kept_inside = |rule: &Rule| rule.exception && rule.glob.can_match_in(path);
        !self.rules[last].exception && !self.rules[last + 1..].iter().any(kept_inside)
    }
}

/// A line without its blanks, cleaned; `None` when it says nothing.
fn read_line(line: &str) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    let (mark, pattern) = match line.strip_prefix('!') {
        Some(pattern) => ("!", pattern.trim()),
        None => ("", line),
    };
    if pattern.is_empty() {
        return Some(mark.to_owned());
    }
    let pattern = crate::path::clean(pattern);
    let relative = pattern.strip_prefix('/').filter(|relative| !relative.is_empty()).unwrap_or(&pattern);
    Some(format!("{mark}{relative}"))
}

#[cfg(test)]
mod tests;

//! Whether a pattern is refused before it is used. Knows nothing of what it matches.
//!
//! Docker asks Go's `filepath.Match` whether the pattern matches `.`, only to hear whether it is malformed. That looks at
//! the pattern up to its first `*`, and behind it only as long as `.` still matches; so what is refused before a `*`
//! may pass behind one. There, classes are read more strictly than when they are used.

/// Refuses what `filepath.Match` refuses.
pub(super) fn judge(pattern: &str) -> Result<(), &'static str> {
    let (first, rest) = chunk(pattern.trim_start_matches('*'));
    if read(first)? && !pattern.starts_with('*') {
        read(chunk(rest.trim_start_matches('*')).0)?;
    }
    Ok(())
}

/// What stands before the first `*` outside of a class, and the rest.
fn chunk(pattern: &str) -> (&str, &str) {
    let mut in_class = false;
    let mut chars = pattern.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            '[' => in_class = true,
            ']' => in_class = false,
            '*' if !in_class => return pattern.split_at(at),
            _ => {}
        }
    }
    (pattern, "")
}

/// Reads a part without `*`; whether it is one character that matches `.`.
fn read(chunk: &str) -> Result<bool, &'static str> {
    let mut rest = chunk.chars();
    let mut dots = Vec::new();
    while let Some(c) = rest.next() {
        dots.push(match c {
            '[' => class(&mut rest)?,
            '?' => true,
            '\\' => rest.next().ok_or("nothing follows its `\\`")? == '.',
            c => c == '.',
        });
    }
    Ok(dots == [true])
}

/// Reads a class; whether it has `.`.
fn class(rest: &mut std::str::Chars<'_>) -> Result<bool, &'static str> {
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    let mut found = false;
    let mut is_first = true;
    while is_first || !rest.as_str().starts_with(']') {
        is_first = false;
        let low = member(rest)?;
        let mut high = low;
        if rest.as_str().starts_with('-') {
            rest.next();
            high = member(rest)?;
        }
        found |= (low..=high).contains(&'.');
    }
    rest.next();
    Ok(found != negated)
}

fn member(rest: &mut std::str::Chars<'_>) -> Result<char, &'static str> {
    const OPEN: &str = "its `[` is never closed";
    let c = match rest.next().ok_or(OPEN)? {
        '-' | ']' => return Err("its `[…]` is malformed: a `-` or `]` in it needs a `\\` before it"),
        '\\' => rest.next().ok_or(OPEN)?,
        c => c,
    };
    if rest.as_str().is_empty() { Err(OPEN) } else { Ok(c) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_star_is_judged_only_where_a_dot_may_get() {
        for bad in ["[", "[a", "[]a]", "[-a]", "a[a-]", "x\\", "*[-a]", "**\\", ".*[-a]", "?*\\", "[^a]*[]", "\\.*["] {
            assert!(judge(bad).is_err(), "{bad}");
        }
        for good in ["", "*", "a", "a*[-a]", "a*\\", "*a*[", ".*.*[", "[a]*[", "\\a*["] {
            assert!(judge(good).is_ok(), "{good}");
        }
    }
}

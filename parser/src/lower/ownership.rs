//! What `--chown` and `--chmod` say. Looks no name up.

use graph::op::{Mode, Owner, UserRef};

/// `user`, `user:group`, as names or numbers.
pub(super) fn owner(text: &str) -> Owner {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    Owner { user: Some(reference(user)), group: group.map(reference) }
}

fn reference(text: &str) -> UserRef {
    match text.parse::<u32>() {
        // A variable that is not set leaves nothing, which Docker takes for root.
        _ if text.is_empty() || text == "root" => UserRef::Id(0),
        Ok(id) if i32::try_from(id).is_ok() => UserRef::Id(id),
        _ => UserRef::Name(text.to_owned()),
    }
}

/// `755`, `u=rwX,go=rX`.
pub(super) fn mode(text: &str) -> Result<Mode, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(Mode::Octal(mode)),
        _ if text.split(',').all(is_clause) => Ok(Mode::Symbolic(text.to_owned())),
        _ => Err(format!("`{text}` is no mode: expected an octal number up to 7777, or a form like `u=rwX,go=rX`")),
    }
}

/// `[ugoa]*([-+=][rwxXst]*)+`, or a copy of one class: `g=u`.
fn is_clause(clause: &str) -> bool {
    let mut rest = clause.trim_start_matches(['u', 'g', 'o', 'a']);
    if rest.is_empty() {
        return false;
    }
    while let Some(permissions) = rest.strip_prefix(['-', '+', '=']) {
        rest = match permissions.strip_prefix(['u', 'g', 'o']) {
            Some(rest) => rest,
            None => permissions.trim_start_matches(['r', 'w', 'x', 'X', 's', 't']),
        };
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(mode("0755"), Ok(Mode::Octal(0o755)));
        for good in ["u=rwX,go=rX", "a+x", "+x", "g=u", "u+rw-x"] {
            assert_eq!(mode(good), Ok(Mode::Symbolic(good.to_owned())));
        }
        for bad in ["10000", "64a", "", "u", "u=rwz", "a+x,", "x"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn owners() {
        assert_eq!(owner("root:1000"), Owner { user: Some(UserRef::Id(0)), group: Some(UserRef::Id(1000)) });
        assert_eq!(owner("app"), Owner { user: Some(UserRef::Name("app".into())), group: None });
    }
}

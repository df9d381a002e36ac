//! What a registry asks for when it answers 401 (RFC 9110, section 11.6.1; the distribution spec's token page).
//! Pure; knows no credentials.

/// How a registry wants to be told who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    /// A token, to be had from `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// The challenge to answer, out of all `WWW-Authenticate` headers: a token, if one will do.
pub fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = false;
    for header in headers {
        for (scheme, parameters) in challenges(header) {
            if scheme.eq_ignore_ascii_case("basic") {
                basic = true;
            } else if scheme.eq_ignore_ascii_case("bearer") {
                let find = |name: &str| {
                    parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
                };
                if let Some(realm) = find("realm") {
                    return Some(Challenge::Bearer { realm, service: find("service"), scope: find("scope") });
                }
            }
        }
    }
    basic.then_some(Challenge::Basic)
}

type Parameters = Vec<(String, String)>;

/// Splits `Bearer a="x, y",b=z, Basic realm="r"`. A word without `=` after it begins a new challenge.
fn challenges(header: &str) -> Vec<(String, Parameters)> {
    let mut found: Vec<(String, Parameters)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() && after.is_empty() {
            return found;
        }
        match after.trim_start().strip_prefix('=') {
            Some(value) => {
                let (value, after) = parameter_value(value.trim_start());
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.push((word.to_owned(), value));
                }
                rest = after;
            }
            None => {
                found.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// Takes a token or a quoted string off the front.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return (value.to_owned(), after);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let own = |text: &str| text.to_owned();
        Some(Challenge::Bearer { realm: own(realm), service: service.map(own), scope: scope.map(own) })
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let one = |header: &str| parse([header].into_iter());
        assert_eq!(
            one(
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#
            ),
            bearer("https://auth.docker.io/token", Some("registry.docker.io"), Some("repository:a/b:pull,push"))
        );
        assert_eq!(one(r#"bearer realm = "a\"b" , service=x"#), bearer("a\"b", Some("x"), None));
        assert_eq!(one(r#"Basic realm="x, Bearer realm=y""#), Some(Challenge::Basic));
        assert_eq!(one(r#"Basic realm="x", Bearer realm="y""#), bearer("y", None, None));
        assert_eq!(parse(["Basic", r#"Bearer realm="y""#].into_iter()), bearer("y", None, None));
        assert_eq!(one("Negotiate"), None);
        assert_eq!(one("Bearer"), None);
        assert_eq!(one(""), None);
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(header in "[a-zA-Z=\",\\\\ é]{0,60}") {
            let _ = parse([header.as_str()].into_iter());
        }
    }
}

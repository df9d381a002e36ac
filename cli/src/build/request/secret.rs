//! `--secret`: which secrets a build has, and where each is. Pure; reads none.

use std::path::PathBuf;

use super::csv;
use crate::report::{Problem, did_you_mean};

const KEYS: [&str; 5] = ["id", "src", "source", "env", "type"];
const USAGE: &str = "`--secret id=NAME,src=FILE` or `--secret id=NAME,env=VARIABLE`";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub id: String,
    pub from: SecretFrom,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFrom {
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
}

/// What the value of one `--secret` means. Without a place, it is the variable of that name, or else the file.
pub fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Secret, Problem> {
    let wrong = |what: String| Problem::usage(format!("invalid secret `{text}`: {what}"));
    let mut id = String::new();
    let mut kind = String::new();
    let (mut file, mut env) = (String::new(), String::new());
    for field in csv::fields(text).map_err(|what| wrong(what.to_owned()).hint(USAGE))? {
        let (key, value) =
            field.split_once('=').ok_or_else(|| wrong(format!("`{field}` is no `key=value`")).hint(USAGE))?;
        match key.to_lowercase().as_str() {
            "id" => id = value.to_owned(),
            "src" | "source" => file = value.to_owned(),
            "env" => env = value.to_owned(),
            "type" if matches!(value, "file" | "env") => kind = value.to_owned(),
            "type" => return Err(wrong(format!("unknown type `{value}`")).hint("it may be `file` or `env`")),
            key => {
                let hint = did_you_mean(key, KEYS).unwrap_or_else(|| USAGE.to_owned());
                return Err(wrong(format!("unknown key `{key}`")).hint(hint));
            }
        }
    }
    if id.is_empty() {
        return Err(wrong("`id`, which the Dockerfile names it by, is missing".to_owned()).hint(USAGE));
    }
    if kind == "env" && env.is_empty() {
        env = std::mem::take(&mut file);
    }
    let from = match (env.is_empty(), file.is_empty()) {
        (false, _) => SecretFrom::Variable(env),
        (true, false) => SecretFrom::File(PathBuf::from(file)),
        (true, true) if variable(&id).is_some() => SecretFrom::Variable(id.clone()),
        (true, true) => SecretFrom::File(PathBuf::from(&id)),
    };
    Ok(Secret { id, from })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match parse(text, &|name| (name == "TOKEN").then(String::new)) {
            Ok(secret) => format!("{} {:?}", secret.id, secret.from),
            Err(problem) => format!("{}; {}", problem.message, problem.hint.unwrap_or_default()),
        }
    }

    #[test]
    fn where_a_secret_is() {
        for (text, meant) in [
            ("id=a,src=f", r#"a File("f")"#),
            ("id=a,source=f", r#"a File("f")"#),
            ("ID=a,SRC=f", r#"a File("f")"#),
            ("id=a,env=V", r#"a Variable("V")"#),
            ("type=env,id=a,src=V", r#"a Variable("V")"#),
            ("type=env,id=TOKEN", r#"TOKEN Variable("TOKEN")"#),
            ("type=file,id=a,src=f", r#"a File("f")"#),
            ("id=TOKEN", r#"TOKEN Variable("TOKEN")"#),
            ("id=f", r#"f File("f")"#),
            (r#"id=a,"src=f,g""#, r#"a File("f,g")"#),
        ] {
            assert_eq!(said(text), meant, "{text}");
        }
    }

    #[test]
    fn what_is_wrong() {
        for (text, told) in [
            ("src=f", "invalid secret `src=f`: `id`, which the Dockerfile names it by, is missing; "),
            ("id=a,scr=f", "invalid secret `id=a,scr=f`: unknown key `scr`; did you mean `src`?"),
            ("a", "invalid secret `a`: `a` is no `key=value`; "),
            ("id=a,type=vault", "invalid secret `id=a,type=vault`: unknown type `vault`; it may be `file` or `env`"),
        ] {
            assert!(said(text).starts_with(told), "{}", said(text));
        }
    }
}

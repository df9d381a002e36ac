//! `--call`: what is asked of a Dockerfile instead of a build, and how the answer is written. Knows neither where the
//! file comes from nor what is found in it.
//!
//! Names, forms and exit codes are those of `docker buildx build --call`; SARIF is Kiln's addition.

pub mod bases;
pub mod check;
mod location;
pub mod offers;
mod sarif;

use parser::instruction::mount::boolean;

use crate::report::{Problem, did_you_mean};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Check { format: Format, status: Status },
    Outline(Form),
    Targets(Form),
}

/// How outlines and targets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
}

/// How what a check found is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
    Sarif,
}

/// What the exit status says of warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 1 where there are any.
    OfWarnings,
    /// 0 whatever there is; mistakes are a failure in any case.
    Ignored,
}

const METHODS: [&str; 4] = ["build", "check", "outline", "targets"];

impl Call {
    /// `--check`
    pub const CHECK: Self = Self::Check { format: Format::Text, status: Status::OfWarnings };

    /// Reads `check,format=json,ignorestatus=true`. `build` asks nothing.
    pub fn parse(typed: &str) -> Result<Option<Self>, Problem> {
        let invalid = |what: String| Problem::usage(format!("invalid call `{typed}`: {what}"));
        let (mut method, mut format, mut status) = (None, Format::Text, Status::OfWarnings);
        for field in typed.split(',').map(str::trim) {
            match field.split_once('=') {
                Some(("format", value)) => format = Format::parse(value).map_err(invalid)?,
                Some(("ignorestatus", value)) => {
                    let ignored =
                        boolean(value).ok_or_else(|| invalid(format!("`{field}` is neither true nor false")))?;
                    status = if ignored { Status::Ignored } else { Status::OfWarnings };
                }
                Some((key, _)) => {
                    return Err(invalid(format!("unknown option `{key}`"))
                        .hint_if(did_you_mean(key, ["format", "ignorestatus"])));
                }
                None if method.is_none() => method = Some(field),
                None => return Err(invalid(format!("`{field}` is one method too many"))),
            }
        }
        let form = match format {
            Format::Text => Ok(Form::Text),
            Format::Json => Ok(Form::Json),
            Format::Sarif => Err(invalid("only a check can be written as SARIF".to_owned())),
        };
        Ok(match method.unwrap_or("build") {
            "" | "build" => None,
            // BuildKit's name for it.
            "check" | "lint" => Some(Self::Check { format, status }),
            "outline" => Some(Self::Outline(form?)),
            "targets" => Some(Self::Targets(form?)),
            other => {
                return Err(invalid(format!("unknown method `{other}`"))
                    .hint_if(did_you_mean(other, METHODS).or_else(|| Some(format!("one of {}", METHODS.join(", "))))));
            }
        })
    }
}

impl Format {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" | "" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "sarif" => Ok(Self::Sarif),
            _ => Err(format!("unknown format `{text}`, expected `text`, `json` or `sarif`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_their_options() {
        let check = |format, status| Ok(Some(Call::Check { format, status }));
        for (typed, call) in [
            ("", Ok(None)),
            ("build", Ok(None)),
            ("check", Ok(Some(Call::CHECK))),
            ("lint", Ok(Some(Call::CHECK))),
            ("check,format=json", check(Format::Json, Status::OfWarnings)),
            ("ignorestatus=1,check,format=sarif", check(Format::Sarif, Status::Ignored)),
            ("check,ignorestatus=false", Ok(Some(Call::CHECK))),
            ("outline,format=json", Ok(Some(Call::Outline(Form::Json)))),
            ("targets", Ok(Some(Call::Targets(Form::Text)))),
        ] {
            assert_eq!(Call::parse(typed), call, "{typed}");
        }
    }

    #[test]
    fn what_cannot_be_meant() {
        for (typed, message, hint) in [
            ("chekc", "unknown method `chekc`", Some("did you mean `check`?")),
            ("frobnicate", "unknown method `frobnicate`", Some("one of build, check, outline, targets")),
            ("check,outline", "`outline` is one method too many", None),
            ("check,formt=json", "unknown option `formt`", Some("did you mean `format`?")),
            ("check,format=xml", "unknown format `xml`, expected `text`, `json` or `sarif`", None),
            ("check,ignorestatus=yes", "`ignorestatus=yes` is neither true nor false", None),
            ("outline,format=sarif", "only a check can be written as SARIF", None),
        ] {
            let problem = Call::parse(typed).expect_err(typed);
            assert_eq!(problem.message, format!("invalid call `{typed}`: {message}"));
            assert_eq!(problem.hint.as_deref(), hint, "{typed}");
        }
    }
}

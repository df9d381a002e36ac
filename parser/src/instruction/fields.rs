//! Comma-separated fields, as in `--mount=type=cache,"target=/a,b"`: CSV with one record.

/// A quote that is not closed, or stands in the middle of a field; or nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The fields of `text`, unquoted.
pub(crate) fn split(text: &str) -> Result<Vec<String>, Malformed> {
    let mut fields = Vec::new();
    if text.is_empty() {
        return Err(Malformed);
    }
    let mut rest = text;
    loop {
        let (field, behind) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        if !rest.starts_with('"') && field.contains('"') {
            return Err(Malformed);
        }
        fields.push(field);
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None if behind.is_empty() => return Ok(fields),
            None => return Err(Malformed),
        }
    }
}

/// The field up to its closing quote, and what follows it; `""` is a quote.
fn unquote(text: &str) -> Result<(String, &str), Malformed> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, behind) = rest.split_once('"').ok_or(Malformed)?;
        field.push_str(before);
        match behind.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Ok((field, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        assert_eq!(split("a").unwrap(), ["a"]);
        assert_eq!(split("a=b,,c").unwrap(), ["a=b", "", "c"]);
        assert_eq!(split("a,").unwrap(), ["a", ""]);
        assert_eq!(split("\"a,b\",\"c\"\"d\"").unwrap(), ["a,b", "c\"d"]);
        for bad in ["", "\"a", "a\"b", "\"a\"b", "\"\"\""] {
            assert_eq!(split(bad), Err(Malformed), "{bad}");
        }
    }
}

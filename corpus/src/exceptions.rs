//! Where BuildKit is known to be wrong, or its verdict cannot be had again: the table of `docs/dockerfile.md`.
//!
//! The table stands under the heading [`HEADING`], and each row is kind, case, field, place and reason; names in
//! backticks. The place is what a difference begins with (`/etc/x` in a root, `.config.Env` in an image), and no other
//! place of that field is excepted.

use crate::verdict::Verdict;

/// Above the table, to the letter.
pub const HEADING: &str = "## Where the corpus is not followed";

/// No longer list is taken.
pub const MOST: usize = 10;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    pub kind: String,
    pub case: String,
    pub field: String,
    pub at: String,
    pub reason: String,
}

/// The table cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExceptionsError {
    #[error("there is no heading `{HEADING}`")]
    NoTable,
    #[error("`{row}` has no five columns")]
    Columns { row: String },
    #[error("`{row}` lacks a place or a reason: a whole case or field cannot be excepted")]
    Empty { row: String },
    #[error("{count} exceptions are listed, {MOST} at most can be")]
    TooMany { count: usize },
}

impl Exception {
    /// Whether it covers all that differs.
    pub fn covers(&self, verdict: &Verdict) -> bool {
        let same = (&*self.kind, &*self.case, &*self.field) == (verdict.kind, &*verdict.case, verdict.field);
        same && !verdict.differences.is_empty() && verdict.differences.iter().all(|differs| differs.at == self.at)
    }
}

/// Reads the table out of `docs/dockerfile.md`.
pub fn read(page: &str) -> Result<Vec<Exception>, ExceptionsError> {
    let (_, section) = page.split_once(HEADING).ok_or(ExceptionsError::NoTable)?;
    let section = section.split("\n## ").next().unwrap_or(section);
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let exceptions = rows.map(row).collect::<Result<Vec<_>, _>>()?;
    match exceptions.len() {
        count if count > MOST => Err(ExceptionsError::TooMany { count }),
        _ => Ok(exceptions),
    }
}

fn row(row: &str) -> Result<Exception, ExceptionsError> {
    let columns: Vec<String> =
        row.trim().trim_matches('|').split(" | ").map(|column| column.trim().trim_matches('`').to_owned()).collect();
    let Ok([kind, case, field, at, reason]) = <[String; 5]>::try_from(columns) else {
        return Err(ExceptionsError::Columns { row: row.to_owned() });
    };
    if [&kind, &case, &field, &at, &reason].iter().any(|column| column.is_empty()) {
        return Err(ExceptionsError::Empty { row: row.to_owned() });
    }
    Ok(Exception { kind, case, field, at, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Difference;

    fn page(rows: usize) -> String {
        let row = "| `builds` | `a case` | `root` | `/a` | it is so |\n";
        format!(
            "# x\n\n{HEADING}\n\nWords.\n\n| kind | case | field | place | reason |\n|---|---|---|---|---|\n{}",
            row.repeat(rows)
        )
    }

    #[test]
    fn the_table_is_read_up_to_its_limit() {
        let exceptions = read(&page(MOST)).expect("ten are taken");
        assert_eq!((exceptions.len(), &*exceptions[0].case, &*exceptions[0].at), (MOST, "a case", "/a"));
        assert_eq!(read(&page(MOST + 1)), Err(ExceptionsError::TooMany { count: MOST + 1 }));
        assert_eq!(read("# nothing"), Err(ExceptionsError::NoTable));
        assert!(read(&page(1).replace("`/a`", " ")).is_err());
    }

    #[test]
    fn only_the_place_that_is_listed_is_excepted() {
        let exception = &read(&page(1)).expect("one is taken")[0];
        let difference = |at: &str| Difference { file: String::new(), line: 1, at: at.to_owned(), what: String::new() };
        let mut verdict = Verdict { kind: "builds", field: "root", case: "a case".to_owned(), differences: vec![] };
        assert!(!exception.covers(&verdict));
        verdict.differences.push(difference("/a"));
        assert!(exception.covers(&verdict));
        verdict.differences.push(difference("/ab"));
        assert!(!exception.covers(&verdict));
    }
}

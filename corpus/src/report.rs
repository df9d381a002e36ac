//! Verdicts as a table, the first differences, and a sum. Knows no kind of case.

use std::fmt;

use crate::exceptions::Exception;
use crate::verdict::Verdict;

/// How many differences of a field are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    All,
    First(usize),
}

/// What came of a comparison.
pub struct Report {
    fields: Vec<Field>,
    /// Those that were needed.
    exceptions: Vec<Exception>,
}

struct Field {
    kind: &'static str,
    name: &'static str,
    total: usize,
    agreed: usize,
    differences: Vec<String>,
}

impl Report {
    /// Counts `verdicts`. Those that an exception covers neither agree nor differ.
    pub fn new(verdicts: Vec<Verdict>, listed: &[Exception]) -> Self {
        let mut report = Self { fields: Vec::new(), exceptions: Vec::new() };
        for verdict in verdicts {
            let exception = listed.iter().find(|exception| exception.covers(&verdict));
            report.exceptions.extend(exception.cloned());
            let field = report.field(&verdict);
            field.total += 1;
            field.agreed += usize::from(verdict.differences.is_empty());
            if exception.is_none() {
                field.differences.extend(verdict.differences.iter().map(|differs| {
                    let place = format!("{}:{}", differs.file, differs.line);
                    format!(
                        "{place}: {} {}: `{}`: {}: {}",
                        verdict.kind, verdict.field, verdict.case, differs.at, differs.what
                    )
                }));
            }
        }
        report
    }

    fn field(&mut self, verdict: &Verdict) -> &mut Field {
        let same = |field: &Field| (field.kind, field.name) == (verdict.kind, verdict.field);
        let at = self.fields.iter().position(same).unwrap_or_else(|| {
            let (kind, name) = (verdict.kind, verdict.field);
            self.fields.push(Field { kind, name, total: 0, agreed: 0, differences: Vec::new() });
            self.fields.len() - 1
        });
        &mut self.fields[at]
    }

    pub fn agreed(&self) -> usize {
        self.fields.iter().map(|field| field.agreed).sum()
    }

    pub fn total(&self) -> usize {
        self.fields.iter().map(|field| field.total).sum()
    }

    /// Whether everything agrees that no exception covers, and there was anything.
    pub fn all_agree(&self) -> bool {
        self.total() > 0 && self.agreed() + self.exceptions.len() == self.total()
    }

    /// The report as text; its last line is `corpus: N of M agree`.
    pub fn shown(&self, shown: Shown) -> String {
        let mut text = String::new();
        // A text takes whatever is written to it.
        let _ = self.write(&mut text, shown);
        text
    }

    fn write(&self, f: &mut dyn fmt::Write, shown: Shown) -> fmt::Result {
        writeln!(f, "{:<12} {:<16} {:>7} {:>7}", "kind", "field", "agreed", "of")?;
        for field in &self.fields {
            writeln!(f, "{:<12} {:<16} {:>7} {:>7}", field.kind, field.name, field.agreed, field.total)?;
        }
        for field in &self.fields {
            let most = match shown {
                Shown::All => field.differences.len(),
                Shown::First(most) => most,
            };
            for difference in field.differences.iter().take(most) {
                writeln!(f, "{difference}")?;
            }
            if let Some(more @ 1..) = field.differences.len().checked_sub(most) {
                writeln!(f, "{} {}: {more} more", field.kind, field.name)?;
            }
        }
        if !self.exceptions.is_empty() {
            writeln!(f, "listed exceptions: {}", self.exceptions.len())?;
        }
        for Exception { kind, case, field, at, reason } in &self.exceptions {
            writeln!(f, "  {kind} {field}: `{case}`: {at}: {reason}")?;
        }
        writeln!(f, "corpus: {} of {} agree", self.agreed(), self.total())
    }
}

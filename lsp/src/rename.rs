//! A new name for a stage or a variable, everywhere in the file.

use std::ops::Range;

use crate::document::Document;
use crate::navigation::{self, Declaration, Symbol};

/// What is there to rename at `offset`: stages that have a name, and variables that the file defines.
pub fn target(document: &Document, offset: usize) -> Option<Range<usize>> {
    let (symbol, place) = navigation::symbol(document, offset)?;
    match symbol {
        Symbol::Stage(stage) => document.index().stages[stage].name.as_ref().map(|_| place),
        Symbol::Variable(_) => Some(place),
    }
}

/// The places to put `name` at; why it cannot be, in words.
pub fn rename(document: &Document, offset: usize, name: &str) -> Result<Vec<Range<usize>>, String> {
    let Some((symbol, _)) = navigation::symbol(document, offset).filter(|_| target(document, offset).is_some()) else {
        return Err("there is neither a stage nor a variable of this file here".to_owned());
    };
    let is_good = match symbol {
        Symbol::Stage(_) => is_stage_name(name),
        Symbol::Variable(_) => is_variable_name(name),
    };
    if !is_good {
        return Err(match symbol {
            Symbol::Stage(_) => {
                format!("a stage cannot be named `{name}`: a letter, then letters, digits, `-`, `_` or `.`")
            }
            Symbol::Variable(_) => {
                format!("a variable cannot be named `{name}`: letters, digits and `_`, no digit first")
            }
        });
    }
    let mut places = navigation::places(document.index(), symbol, Declaration::Included);
    // A stage's number stays its number.
    if matches!(symbol, Symbol::Stage(_)) {
        places.retain(|place| !document.slice(place.clone()).bytes().all(|b| b.is_ascii_digit()));
    }
    Ok(places)
}

fn is_stage_name(name: &str) -> bool {
    let file = parser::parse(format!("FROM scratch AS {name}\n").as_bytes());
    !file.has_errors() && file.stages.len() == 1 && !name.contains(char::is_whitespace)
}

fn is_variable_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(good) && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::at_cursor;

    fn renamed(marked: &str, name: &str) -> Result<String, String> {
        let (document, at) = at_cursor(marked);
        let mut text = document.text().to_owned();
        for place in rename(&document, at, name)?.into_iter().rev() {
            text.replace_range(place, name);
        }
        Ok(text)
    }

    #[test]
    fn everywhere() {
        let stage = "FROM a AS b‸\nFROM b\nCOPY --from=b --from=0 b b\nCOPY --from=0 x y\n";
        assert_eq!(
            renamed(stage, "new"),
            Ok("FROM a AS new\nFROM new\nCOPY --from=b --from=0 b b\nCOPY --from=0 x y\n".into())
        );
        let variable = "ARG V=1\nFROM a:$V\nARG V\nRUN \"${V‸}\" \\$V V\n";
        assert_eq!(renamed(variable, "NEW"), Ok("ARG NEW=1\nFROM a:$NEW\nARG NEW\nRUN \"${NEW}\" \\$V V\n".into()));
    }

    #[test]
    fn not_to_anything() {
        assert!(renamed("FROM a AS b‸\n", "B c").is_err());
        assert!(renamed("FROM a AS b‸\n", "1").is_err());
        assert!(renamed("ARG A‸=1\n", "a-b").is_err());
        assert!(renamed("FROM a‸\n", "b").is_err());
        assert!(renamed("FROM a\nCOPY --from=‸0 x y\n", "b").is_err());
    }
}

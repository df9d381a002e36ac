//! Going from a stage or a variable to where it is defined, and to all who refer to it.

use std::ops::Range;

use crate::document::Document;
use crate::index::Index;

/// What a person means at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbol {
    /// By position in the file.
    Stage(usize),
    /// A group of definitions, by its first.
    Variable(usize),
}

/// The symbol at `offset`, and where it is written there.
pub fn symbol(document: &Document, offset: usize) -> Option<(Symbol, Range<usize>)> {
    let index = document.index();
    if let Some((place, definition)) = index.variable_at(offset) {
        return Some((Symbol::Variable(index.definitions[definition?].group), place));
    }
    index.stage_use_at(offset).map(|(place, stage)| (Symbol::Stage(stage), place))
}

/// Where what stands at `offset` is defined: the place to go to, and the one in it to select.
pub fn definition(document: &Document, offset: usize) -> Option<Range<usize>> {
    let index = document.index();
    if let Some((place, definition)) = index.variable_at(offset) {
        let found = &index.definitions[definition?];
        // From a definition, go on to the one that its value comes from.
        let target = if found.place == place { &index.definitions[found.group] } else { found };
        return Some(target.place.clone());
    }
    let (_, stage) = index.stage_use_at(offset)?;
    let stage = &index.stages[stage];
    Some(stage.name.clone().unwrap_or_else(|| stage.head.clone()))
}

/// Whether the definition is among the references.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declaration {
    Included,
    Left,
}

/// All places that name what stands at `offset`, in their order.
pub fn references(document: &Document, offset: usize, declaration: Declaration) -> Vec<Range<usize>> {
    symbol(document, offset).map(|(symbol, _)| places(document.index(), symbol, declaration)).unwrap_or_default()
}

/// All places that name `symbol`.
pub fn places(index: &Index, symbol: Symbol, declaration: Declaration) -> Vec<Range<usize>> {
    let mut places: Vec<Range<usize>> = match symbol {
        Symbol::Stage(stage) => {
            index.stage_uses.iter().filter(|(_, of)| *of == stage).map(|(place, _)| place.clone()).collect()
        }
        Symbol::Variable(group) => {
            let is_ours = |definition: &usize| index.definitions[*definition].group == group;
            index
                .references
                .iter()
                .filter(|r| r.definition.as_ref().is_some_and(is_ours))
                .map(|r| r.place.clone())
                .collect()
        }
    };
    if declaration == Declaration::Included {
        match symbol {
            Symbol::Stage(stage) => places.extend(index.stages[stage].name.clone()),
            Symbol::Variable(group) => {
                places.extend(index.definitions.iter().filter(|d| d.group == group).map(|d| d.place.clone()));
            }
        }
    }
    places.sort_by_key(|place| place.start);
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::{at_cursor, show};
    use expect_test::{Expect, expect};

    fn check(marked: &str, expected: &Expect) {
        let (document, at) = at_cursor(marked);
        let mut lines: Vec<String> = vec![match definition(&document, at) {
            Some(place) => format!("to {}", show(&document, document.range(place))),
            None => "nowhere".to_owned(),
        }];
        for place in references(&document, at, Declaration::Included) {
            lines.push(show(&document, document.range(place)));
        }
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn stages() {
        check(
            "FROM a AS b\nCOPY --from=‸B x y\nFROM b\nRUN --mount=type=bind,from=0,target=/x --mount=from=b x\n",
            &expect![[r#"
                to 1:11-1:12 "b"
                1:11-1:12 "b"
                2:13-2:14 "B"
                3:6-3:7 "b"
                4:28-4:29 "0"
                4:53-4:54 "b""#]],
        );
        check("FROM a AS b\nCOPY --from=‸c x y\n", &expect!["nowhere"]);
    }

    #[test]
    fn variables() {
        check(
            "ARG V=1\nFROM a:$V AS b\nARG V\nRUN x ${V:-2} \\\n # $V\n $V\nFROM b\nENV V=$V W=2\nCOPY \"$V‸\" $W\n",
            &expect![[r#"
                to 8:5-8:6 "V"
                1:5-1:6 "V"
                2:9-2:10 "V"
                3:5-3:6 "V"
                4:9-4:10 "V"
                6:3-6:4 "V"
                8:5-8:6 "V"
                8:8-8:9 "V"
                9:8-9:9 "V""#]],
        );
    }

    #[test]
    fn a_stage_does_not_see_the_others() {
        check("ARG V=1\nFROM a\nARG V=2\nRUN $V\nFROM c\nRUN $V‸\n", &expect!["nowhere"]);
        check(
            "ARG V=1\nFROM a\nARG V=2 W=$‸V\n",
            &expect![[r#"
                to 3:5-3:6 "V"
                3:5-3:6 "V"
                3:12-3:13 "V""#]],
        );
    }

    #[test]
    fn an_argument_leads_to_the_global_one() {
        check(
            "ARG V=1\nFROM a\nARG ‸V\n",
            &expect![[r#"
                to 1:5-1:6 "V"
                1:5-1:6 "V"
                3:5-3:6 "V""#]],
        );
    }
}

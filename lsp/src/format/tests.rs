//! Texts and their form; and that forming changes nothing of what is built.

use super::*;
use crate::Encoding;
use proptest::prelude::*;

fn formatted(text: &str) -> String {
    let document = Document::new(text, Encoding::Utf16);
    applied(&document, &format(&document))
}

#[test]
fn names_margins_and_ends() {
    assert_eq!(formatted("  from a as b  \n\trun x \\  \n    y\t\n\n\n"), "FROM a AS b\nRUN x \\\n    y\n");
    assert_eq!(formatted("FROM a\nonbuild run x"), "FROM a\nONBUILD RUN x\n");
    assert_eq!(formatted("FROM a\r\nRUN x \r\n\r\n"), "FROM a\r\nRUN x\r\n");
    assert_eq!(formatted("FROM a \n"), "FROM a\n");
    assert_eq!(formatted("FROM a  "), "FROM a\n");
}

#[test]
fn what_has_a_meaning_stays() {
    for text in [
        "FROM a\nRUN <<E\n x  \n\n  E\nE\n",
        "# escape=`\n# a comment\nFROM a\nRUN x `\n # inside\n   y\n",
        "FROM a AS as\nFROM as\n",
        "FROM a\n\n\n# far\n\nRUN x\n",
    ] {
        assert_eq!(formatted(text), text);
    }
}

#[test]
fn what_is_wrong_stays_as_it_is() {
    for text in ["run x  ", "FROM a\ncoyp x y  \n", "", "  \n"] {
        assert_eq!(formatted(text), text);
    }
}

fn check(text: &str) {
    let once = formatted(text);
    let (before, after) = (parser::parse(text.as_bytes()), parser::parse(once.as_bytes()));
    assert!(means_the_same(&before, &after), "{text:?} became {once:?}");
    assert_eq!(before.tree.dump().replace("\"as\"", "\"AS\""), after.tree.dump().replace("\"as\"", "\"AS\""));
    assert_eq!(formatted(&once), once, "of {text:?}");
}

#[test]
fn the_corpus_means_what_it_meant() {
    crate::marker::corpus().iter().for_each(|text| check(text));
}

proptest! {
    #[test]
    fn any_text_means_what_it_meant(
        text in "(FROM a\n|from b as c\n|RUN |run |COPY --from=c |onbuild |a|b \\\\|# x|<<E|E|\"|'|\\\\|`|#|,| |\t|\n|\n|\r\n){0,24}",
    ) {
        check(&text);
        check(&format!("FROM a\n{text}"));
    }
}

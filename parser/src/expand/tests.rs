//! Variables expanded as shells and BuildKit do.

use proptest::prelude::*;

use super::*;

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn check(lexer: Lexer, table: &[(&str, &str)]) {
    let variables = variables(&[("X", "foo.tar.gz"), ("P", "/a/b"), ("NULL", ""), ("L", "one\ntwo")]);
    for (text, expected) in table {
        let found = match lexer.word(text, &variables) {
            Ok(found) => found,
            Err(error) => format!("! {}", error.kind),
        };
        assert_eq!(&found, expected, "{text}");
    }
}

#[test]
fn modifiers() {
    check(
        Lexer::new('\\'),
        &[
            ("${X%.*}", "foo.tar"),
            ("${X%%.*}", "foo"),
            ("${X#*.}", "tar.gz"),
            ("${X##*.}", "gz"),
            ("${X#?}", "oo.tar.gz"),
            ("${P//\\//_}", "_a_b"),
            ("${P/\\//_}", "_a/b"),
            ("${X//o/0}", "f00.tar.gz"),
            ("${X//*/all}", "all"),
            ("${NULL///x}", "x"),
            ("${NOPE/a/b}", ""),
            ("${NOPE#a}", ""),
            ("${L#*}", "one\ntwo"),
            ("${L##*}", "\ntwo"),
            (
                "${X:=a}",
                "! `:=` is not a modifier: expected one of `:-`, `:+`, `:?`, `-`, `+`, `?`, `#`, `##`, `%`, `%%`, `/`, `//`",
            ),
            ("${X#\\a}", "! invalid pattern `\\a`: `\\` can stand before `*`, `?`, `\\`, `/` and `}` only"),
            ("${NOPE:?say it}", "! NOPE: say it"),
            ("${X/a}", "! a replacement lacks its second part: expected `${name/pattern/replacement}`"),
        ],
    );
}

#[test]
fn quotes_and_unset_variables_can_stay() {
    let kept = Lexer { quotes: Quotes::Kept, unset: Unset::Kept, ..Lexer::new('\\') };
    check(kept, &[("\"$X\" '$X' $Y ${Y:-d} ${Y}", "\"foo.tar.gz\" '$X' $Y ${Y:-d} ${Y}")]);
    let plain = Lexer { quotes: Quotes::Plain, ..Lexer::new('\\') };
    check(plain, &[("it's $X\"", "it's foo.tar.gz\"")]);
    let raw = Lexer { raw_escapes: true, ..Lexer::new('\\') };
    check(raw, &[("a\\$X", "a\\$X")]);
}

#[test]
fn what_was_asked_for_is_told() {
    let expansion = Lexer::new('\\').expand("$X ${Y:-$Z}", &variables(&[("X", "1")])).expect("valid");
    assert_eq!(expansion.text, "1 ");
    assert_eq!(expansion.matched, BTreeSet::from(["X".to_owned()]));
    assert_eq!(expansion.unmatched, BTreeSet::from(["Y".to_owned(), "Z".to_owned()]));
}

#[test]
fn a_word_forgets_how_it_began_before_a_text_in_a_reference() {
    let words = |text: &str| Lexer::new('\\').words(text, &variables(&[("X", "1")])).expect("valid");
    assert_eq!(words("80${X} b"), ["801", "b"]);
    assert_eq!(words("a 80${X:-2}3 b"), ["a", "13", "b"]);
    assert_eq!(words("80\"${Y:-2}\""), ["2"]);
    assert_eq!(words("80${X#1}"), [""; 0]);
}

#[test]
fn what_only_a_shell_knows_stays_where_unset_references_stay() {
    let kept = Lexer { unset: Unset::Kept, ..Lexer::new('\\') };
    assert_eq!(kept.words("${Y:0:3} <<EOF", &NoVariables).expect("valid"), ["${Y:0:3}", "<<EOF"]);
    assert!(Lexer::new('\\').word("${Y:0:3}", &NoVariables).is_err());
    assert!(Lexer::new('\\').word("${Y#\\x}", &NoVariables).is_err(), "a pattern is judged without a value, too");
}

#[test]
fn a_byte_order_mark_at_the_beginning_is_dropped() {
    let lexer = Lexer::new('\\');
    assert_eq!(lexer.word("\u{feff}a", &NoVariables).as_deref(), Ok("a"));
    assert_eq!(lexer.word("\u{feff}'a'\u{feff}", &NoVariables).as_deref(), Ok("a\u{feff}"));
}

#[test]
fn nesting_and_growth_are_limited() {
    let lexer = Lexer::new('\\');
    let error = lexer.word(&"${a:-".repeat(100_000), &NoVariables).expect_err("too deep");
    assert_eq!(error.kind, ExpandErrorKind::TooDeep);
    let big = variables(&[("A", &"x".repeat(600_000))]);
    assert_eq!(lexer.word("$A$A", &big).expect_err("too long").kind, ExpandErrorKind::TooLong);
    assert_eq!(lexer.word("${A//x/yyyy}", &big).expect_err("too long").kind, ExpandErrorKind::TooLong);
    let slow = format!("${{A//{}b/}}", "*x".repeat(50));
    assert!(matches!(lexer.word(&slow, &big).expect_err("too slow").kind, ExpandErrorKind::PatternTooSlow(_)));
}

proptest! {
    #[test]
    fn any_text_expands_or_is_refused(text in "[a-z$\\{\\}:/#%*?'\"\\\\<+\\- \n-]{0,40}") {
        let variables = variables(&[("a", "b*?"), ("b", "")]);
        let _ = Lexer::new('\\').expand(&text, &variables);
    }

    #[test]
    fn text_without_special_characters_stays(text in "[a-z0-9 =.,/\n]{0,40}") {
        prop_assert_eq!(Lexer::new('\\').word(&text, &NoVariables), Ok(text));
    }
}

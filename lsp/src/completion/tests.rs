//! Completions, by what is in front of the cursor.

use super::*;
use crate::marker::at_cursor;
use expect_test::{Expect, expect};
use proptest::prelude::*;

/// The text that each proposal puts in, where the cursor is `‸`, and what it replaces.
fn check(marked: &str, expected: &Expect) {
    let (document, at) = at_cursor(marked);
    let found = completions(&document, at);
    let place = found.first().map(|first| document.slice(first.place.clone()).to_owned());
    assert!(found.iter().all(|one| one.place == found[0].place));
    let texts: Vec<&str> = found.iter().map(|one| one.text.as_str()).collect();
    expected.assert_eq(&format!("{:?}: {}", place.unwrap_or_default(), texts.join(" ")));
}

#[test]
fn instructions_where_one_begins() {
    let (document, at) = at_cursor("FROM a\n‸");
    assert_eq!(completions(&document, at).len(), Keyword::ALL.len());
    let (document, at) = at_cursor("FROM a\nWO‸");
    let found = completions(&document, at);
    let workdir = found.iter().find(|one| one.label == "WORKDIR").expect("it is there");
    assert_eq!(document.slice(workdir.place.clone()), "WO");
    assert_eq!(workdir.snippet.as_deref(), Some("WORKDIR ${1:/path}"));
    assert!(workdir.doc.as_deref().is_some_and(|doc| doc.starts_with("Says where")));
    let (document, at) = at_cursor("FROM a\nONBUILD ‸");
    assert!(completions(&document, at).iter().all(|one| one.label != "FROM"));
}

#[test]
fn flags_of_the_instruction() {
    check("FROM a\nCOPY --‸", &expect![[r#""--": --from= --chown= --chmod= --link --parents --exclude="#]]);
    check(
        "FROM a\nCOPY --link --exclude=a --fr‸ x y",
        &expect![[r#""--fr": --from= --chown= --chmod= --parents --exclude="#]],
    );
    check("FROM --‸ a", &expect![[r#""--": --platform="#]]);
    check("FROM a\nUSER --‸", &expect![[r#""": "#]]);
    check(
        "FROM a\nONBUILD ADD --ch‸",
        &expect![[r#""--ch": --chown= --chmod= --link --keep-git-dir --checksum= --unpack --exclude="#]],
    );
}

#[test]
fn values_of_flags() {
    check("FROM a\nRUN --network=‸ x", &expect![[r#""": default none host"#]]);
    check("FROM a\nRUN --security=s‸", &expect![[r#""s": sandbox insecure"#]]);
    check("FROM a\nCOPY --link=‸", &expect![[r#""": true false"#]]);
    check(
        "FROM --platform=‸ a",
        &expect![[
            r#""": $BUILDPLATFORM $TARGETPLATFORM linux/amd64 linux/arm64 linux/arm/v7 linux/arm/v6 linux/386 linux/ppc64le linux/riscv64 linux/s390x"#
        ]],
    );
}

#[test]
fn mounts() {
    check("FROM a\nRUN --mount=‸", &expect![[r#""": type= from= source= target= readonly readwrite"#]]);
    check("FROM a\nRUN --mount=type=‸", &expect![[r#""": bind cache tmpfs secret ssh"#]]);
    check(
        "FROM a\nRUN --mount=type=cache,‸,target=/x y",
        &expect![[r#""": from= source= readonly id= sharing= mode= uid= gid= readwrite"#]],
    );
    check(
        "FROM a\nRUN --mount=type=secret,re‸",
        &expect![[r#""re": source= target= id= required mode= uid= gid= env="#]],
    );
    check("FROM a\nRUN --mount=type=cache,sharing=‸", &expect![[r#""": shared private locked"#]]);
    check("FROM a AS b\nFROM c\nRUN --mount=from=‸", &expect![[r#""": b"#]]);
}

#[test]
fn stages() {
    check("FROM a AS b\nFROM c AS d\nCOPY --from=‸", &expect![[r#""": b"#]]);
    check("FROM a AS b\nFROM ‸", &expect![[r#""": b scratch"#]]);
    check("FROM a AS b\nFROM b‸ AS c\nFROM x AS y\n", &expect![[r#""b": b scratch"#]]);
    check("FROM a ‸", &expect![[r#""": AS"#]]);
}

#[test]
fn variables_in_scope() {
    check(
        "ARG V=1\nFROM a:$‸",
        &expect![[
            r#""": V BUILDPLATFORM BUILDOS BUILDOSVERSION BUILDARCH BUILDVARIANT TARGETPLATFORM TARGETOS TARGETOSVERSION TARGETARCH TARGETVARIANT TARGETSTAGE"#
        ]],
    );
    check("ARG V=1\nFROM a\nARG W\nENV X=1\nRUN ${W‸}\nENV Y=2", &expect![[r#""W": W X"#]]);
    check("FROM a AS b\nENV B=1\nFROM b\nCOPY $‸ /", &expect![[r#""": B"#]]);
    check(
        "ARG V=1\nFROM a\nARG ‸",
        &expect![[
            r#""": V BUILDPLATFORM BUILDOS BUILDOSVERSION BUILDARCH BUILDVARIANT TARGETPLATFORM TARGETOS TARGETOSVERSION TARGETARCH TARGETVARIANT TARGETSTAGE"#
        ]],
    );
    check("FROM a\nRUN \\$‸", &expect![[r#""": "#]]);
}

#[test]
fn directives_where_they_may_stand() {
    check("# ‸", &expect![[r#""": syntax=docker/dockerfile:1 escape=` check="#]]);
    check("FROM a\n# ch‸\nRUN x", &expect![[r#""ch": check="#]]);
    check("# check=‸", &expect![[r#""": skip= error=true experimental="#]]);
    let (document, at) = at_cursor("# check=skip=FromAsCasing,Stage‸;error=true");
    let found = completions(&document, at);
    assert_eq!(document.slice(found[0].place.clone()), "Stage");
    assert!(found.iter().any(|one| one.label == "StageNameCasing"));
}

#[test]
fn nothing_where_nothing_is_known() {
    check("FROM a\nRUN <<E\n--‸\nE\n", &expect![[r#""": "#]]);
    check("FROM a\nCMD ‸", &expect![[r#""": "#]]);
    check("FROM a\nNONE --‸", &expect![[r#""": "#]]);
}

#[test]
fn predefined_variables_are_those_that_lowering_knows() {
    for name in pages::names(Keyword::Arg, "## Predefined") {
        let document = Document::new(format!("ARG A=${{{name}?}}\nFROM a\n"), crate::Encoding::Utf16);
        assert!(crate::diagnostics::found(&document).is_empty(), "{name}");
    }
}

proptest! {
    #[test]
    fn anywhere_in_any_text(
        text in "(FROM |RUN |COPY |--from=|--mount=|type=|AS |ARG |ONBUILD |HEALTHCHECK |a|=|\\$|\\{|<<E|é|\"|\\\\|#|,| |\n|\r){0,30}",
        at in 0..200_usize,
    ) {
        let document = Document::new(text, crate::Encoding::Utf16);
        let at = crate::position::floor(document.text(), at);
        for completion in completions(&document, at) {
            prop_assert!(document.text().get(completion.place.clone()).is_some());
            prop_assert!(completion.place.start <= at && at <= completion.place.end);
        }
        crate::hover::hover(&document, at);
        crate::navigation::definition(&document, at);
        crate::outline::outline(&document);
        crate::outline::folds(&document);
        for place in crate::navigation::references(&document, at, crate::navigation::Declaration::Included) {
            prop_assert!(document.text().get(place).is_some());
        }
    }
}

//! Dockerfiles, and what is written of them.

use expect_test::{Expect, expect};
use parser::lower::{BaseImage, ImageError, Images, Request};

use super::*;

struct NoImages;

impl Images for NoImages {
    fn resolve(&self, name: &oci::Reference, _: &oci::Platform) -> Result<BaseImage, ImageError> {
        Err(ImageError { message: format!("no `{name}`"), hint: None })
    }
}

fn told(text: &str, format: Format) -> String {
    let linted = parser::lint::check(&parser::parse(text.as_bytes()), &Request::default(), &NoImages);
    written(&linted, Source { name: "Dockerfile", text }, format)
}

fn check(text: &str, format: Format, expected: &Expect) {
    expected.assert_eq(&told(text, format));
}

const DOUBTFUL: &str = "FROM scratch AS Base\nMAINTAINER me\n\nFROM scratch as base\n";

#[test]
fn text() {
    check(
        "FROM scratch\n",
        Format::Text,
        &expect![[r#"
        Check complete, no warnings found.
    "#]],
    );
    check(
        "FROM scratch\nMAINTAINER me\n",
        Format::Text,
        &expect![[r#"
        Check complete, 1 warning has been found!

        WARNING: MaintainerDeprecated - docs/checks/maintainer-deprecated.md
        Maintainer instruction is deprecated in favor of using label
        Dockerfile:2
        --------------------
           1 |     FROM scratch
           2 | >>> MAINTAINER me
             |     ^^^^^^^^^^
           3 |
        --------------------
    "#]],
    );
    check(
        DOUBTFUL,
        Format::Text,
        &expect![[r#"
        Check complete, 4 warnings have been found!

        WARNING: StageNameCasing - docs/checks/stage-name-casing.md
        Stage name 'Base' should be lowercase
        Dockerfile:1
        --------------------
           1 | >>> FROM scratch AS Base
             |                     ^^^^
           2 |     MAINTAINER me
           3 |
        --------------------

        WARNING: MaintainerDeprecated - docs/checks/maintainer-deprecated.md
        Maintainer instruction is deprecated in favor of using label
        Dockerfile:2
        --------------------
           1 |     FROM scratch AS Base
           2 | >>> MAINTAINER me
             |     ^^^^^^^^^^
           3 |
           4 |     FROM scratch as base
        --------------------

        WARNING: FromAsCasing - docs/checks/from-as-casing.md
        'as' and 'FROM' keywords' casing do not match
        Dockerfile:4
        --------------------
           2 |     MAINTAINER me
           3 |
           4 | >>> FROM scratch as base
             |                  ^^
           5 |
        --------------------

        WARNING: DuplicateStageName - docs/checks/duplicate-stage-name.md
        Duplicate stage name "base", stage names should be unique
        Dockerfile:4
        --------------------
           2 |     MAINTAINER me
           3 |
           4 | >>> FROM scratch as base
             |                     ^^^^
           5 |
        --------------------
    "#]],
    );
    check("FORM scratch\n", Format::Text, &expect![[r#""#]]);
}

#[test]
fn json() {
    check(
        "FROM scratch AS Base\n",
        Format::Json,
        &expect![[r#"
        {
          "warnings": [
            {
              "ruleName": "StageNameCasing",
              "description": "The name of a stage should be in lower case",
              "url": "docs/checks/stage-name-casing.md",
              "detail": "Stage name 'Base' should be lowercase",
              "location": {
                "ranges": [
                  {
                    "start": {
                      "line": 1
                    },
                    "end": {
                      "line": 1
                    }
                  }
                ]
              }
            }
          ],
          "sources": [
            {
              "filename": "Dockerfile",
              "data": "RlJPTSBzY3JhdGNoIEFTIEJhc2UK",
              "language": "Dockerfile"
            }
          ]
        }
    "#]],
    );
    check(
        "FROM scratch\nFORM scratch\nRNU x\n",
        Format::Json,
        &expect![[r#"
        {
          "warnings": [],
          "sources": [
            {
              "filename": "Dockerfile",
              "data": "RlJPTSBzY3JhdGNoCkZPUk0gc2NyYXRjaApSTlUgeAo=",
              "language": "Dockerfile"
            }
          ],
          "buildError": {
            "message": "`FORM` is no instruction",
            "location": {
              "ranges": [
                {
                  "start": {
                    "line": 2
                  },
                  "end": {
                    "line": 2
                  }
                }
              ]
            }
          },
          "buildErrors": [
            {
              "message": "`FORM` is no instruction",
              "location": {
                "ranges": [
                  {
                    "start": {
                      "line": 2
                    },
                    "end": {
                      "line": 2
                    }
                  }
                ]
              }
            },
            {
              "message": "`RNU` is no instruction",
              "location": {
                "ranges": [
                  {
                    "start": {
                      "line": 3
                    },
                    "end": {
                      "line": 3
                    }
                  }
                ]
              }
            }
          ]
        }
    "#]],
    );
}

/// What the schema of SARIF 2.1.0 requires of the parts that are written.
#[test]
fn sarif() {
    let log: Value = serde_json::from_str(&told(DOUBTFUL, Format::Sarif)).expect("it is JSON");
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(log["$schema"], "https://json.schemastore.org/sarif-2.1.0.json");
    let [run] = log["runs"].as_array().expect("runs").as_slice() else { panic!("not one run") };
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "kiln");
    let rules = driver["rules"].as_array().expect("rules");
    for rule in rules {
        assert!(rule["id"].is_string() && rule["shortDescription"]["text"].is_string(), "{rule}");
        assert!(rule["help"]["text"].is_string() && rule["help"]["markdown"].is_string(), "{rule}");
        assert!(
            ["none", "note", "warning", "error"]
                .contains(&rule["defaultConfiguration"]["level"].as_str().expect("a level"))
        );
    }
    let results = run["results"].as_array().expect("results");
    assert!(!results.is_empty());
    for result in results {
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{result}");
        let index = result["ruleIndex"].as_u64().expect("an index") as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "Dockerfile");
        let of = |name: &str| place["region"][name].as_u64().expect("a number");
        assert!(of("startLine") >= 1 && of("startColumn") >= 1 && of("endLine") >= of("startLine"));
    }
    let told: Vec<String> = results
        .iter()
        .map(|result| {
            let region = &result["locations"][0]["physicalLocation"]["region"];
            format!("{} {}:{}-{}\n", result["ruleId"], region["startLine"], region["startColumn"], region["endColumn"])
        })
        .collect();
    expect![[r#"
        "StageNameCasing" 1:17-21
        "MaintainerDeprecated" 2:1-11
        "FromAsCasing" 4:14-16
        "DuplicateStageName" 4:17-21
    "#]]
    .assert_eq(&told.concat());
    let wrong: Value = serde_json::from_str(&super::super::check::tests::told("FROM scratch\nFORM x\n", Format::Sarif))
        .expect("it is JSON");
    let result = &wrong["runs"][0]["results"][0];
    assert_eq!((result["level"].as_str(), result.get("ruleIndex")), (Some("error"), None));
}

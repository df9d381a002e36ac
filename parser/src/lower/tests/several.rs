//! Named contexts and several platforms.

use expect_test::expect;

use super::fetched::sources_and_copies;
use super::*;

fn contexts(list: &[(&str, NamedContext)]) -> Request {
    let contexts = list.iter().map(|(name, context)| ((*name).to_owned(), context.clone())).collect();
    Request { contexts, ..request() }
}

fn image(name: &str) -> NamedContext {
    NamedContext::Image(name.parse().expect("a name"))
}

#[test]
fn contexts_in_the_place_of_images_and_stages() {
    let request = contexts(&[
        ("alpine", image("docker.io/library/other:3")),
        ("dir", NamedContext::Local("dir".to_owned())),
        ("nothing", NamedContext::Scratch),
        ("build", NamedContext::Target("real".to_owned())),
        ("file", NamedContext::Http("https://h/x.tar".to_owned())),
    ]);
    let text = "FROM alpine:latest AS real\nRUN real\nFROM x AS build\nRUN never\nFROM alpine:3\nCOPY --from=build / /\n\
                COPY --from=dir a /\nCOPY --from=nothing a /\nCOPY --from=file context /\n";
    let lowered = lower_text(text, &request);
    expect![[r#"
        0 [] [context alpine] other:3
        1 [0] [real 1/2] RUN real
        2 [] [stage-2 1/5] FROM docker.io/library/alpine:3
        3 [2, 1] [stage-2 2/5] COPY --from=build / /
            Some(1) / / false ([], [])
        4 [] [context dir] load from client
        5 [3, 4] [stage-2 3/5] COPY --from=dir a /
            Some(1) /a / false ([], [])
        6 [] [internal] scratch
        7 [5, 6] [stage-2 4/5] COPY --from=nothing a /
            Some(1) /a / false ([], [])
        8 [] [context file] https://h/x.tar
            Http { url: "https://h/x.tar", checksum: None, filename: Some("context"), mode: None, owner: None }
        9 [7, 8] [stage-2 5/5] COPY --from=file context /
            Some(1) /context / false ([], [])
    "#]]
    .assert_eq(&sources_and_copies(&lowered));
    let contexts = lowered.expect("it is right").contexts;
    assert_eq!(contexts.into_iter().collect::<Vec<_>>(), ["dir"]);
}

#[test]
fn a_directory_as_a_base() {
    let request = contexts(&[("base", NamedContext::Local("base".to_owned()))]);
    expect![[r#"
        0 [] [context base] load from client
        1 [0] [context base] load
            Some(0) / / false ([], [])
        2 [1] [1/2] RUN x
    "#]]
    .assert_eq(&sources_and_copies(&lower_text("FROM base\nRUN x\n", &request)));
}

#[test]
fn a_context_that_is_a_stage_must_come_before() {
    let request = contexts(&[("build", NamedContext::Target("later".to_owned()))]);
    let errors = lower_text("FROM build\nFROM a AS later\n", &request).expect_err("it is later");
    assert_eq!(errors[0].message, "the context `build` is the stage `later`, and no stage before this has that name");
}

/// Layouts are there, too.
struct Layouts;

impl Images for Layouts {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        AnyImage.resolve(name, platform)
    }

    fn resolve_layout(&self, layout: &Layout, platform: &Platform) -> Result<BaseImage, ImageError> {
        assert_eq!(layout, &Layout { path: "dir".to_owned(), version: Version::Tag("v1".to_owned()) });
        self.resolve(&"from.layout/x:v1".parse().expect("a name"), platform)
    }
}

#[test]
fn an_image_of_a_layout() {
    let layout = Layout { path: "dir".to_owned(), version: Version::Tag("v1".to_owned()) };
    let request = contexts(&[("base", NamedContext::OciLayout(layout))]);
    let lowered = lower(&crate::parse(b"FROM base\nRUN x\n"), &request, &Layouts);
    expect![[r#"
        0 [] [context base] OCI load from client
        1 [0] [1/2] RUN x
    "#]]
    .assert_eq(&sources_and_copies(&lowered));
    let errors = lower_text("FROM base\n", &request).expect_err("no layouts there");
    assert_eq!(errors[0].message, "the image layout `dir` cannot be read here");
}

#[test]
fn what_platforms_have_in_common_is_there_once() {
    let platforms = ["linux/amd64", "linux/arm64"].map(|platform| platform.parse().expect("a platform")).to_vec();
    let request = Request { platforms, ..request() };
    let text = "FROM --platform=$BUILDPLATFORM go AS build\nRUN deps\nARG TARGETARCH\nRUN GOARCH=$TARGETARCH make\n\
                FROM a\nCOPY --from=build /x /\nCOPY y /\n";
    let lowered = lower_text(text, &request);
    expect![[r#"
        0 [] [linux/amd64 build 1/3] FROM docker.io/library/go:latest
        1 [0] [linux/amd64 build 2/3] RUN deps
        2 [1] [linux/amd64 build 3/3] RUN GOARCH=amd64 make
        3 [] [linux/amd64 stage-1 1/3] FROM docker.io/library/a:latest
        4 [3, 2] [linux/amd64 stage-1 2/3] COPY --from=build /x /
            Some(1) /x / false ([], [])
        5 [] [internal] load build context
        6 [4, 5] [linux/amd64 stage-1 3/3] COPY y /
            Some(1) /y / false ([], [])
        7 [1] [linux/amd64->arm64 build 3/3] RUN GOARCH=arm64 make
        8 [] [linux/arm64 stage-1 1/3] FROM docker.io/library/a:latest
        9 [8, 7] [linux/arm64 stage-1 2/3] COPY --from=build /x /
            Some(1) /x / false ([], [])
        10 [9, 5] [linux/arm64 stage-1 3/3] COPY y /
            Some(1) /y / false ([], [])
    "#]]
    .assert_eq(&sources_and_copies(&lowered));
    let lowered = lowered.expect("it is right");
    let images: Vec<(String, bool)> = lowered
        .images
        .iter()
        .map(|image| (image.platform.to_string(), image.config.architecture == image.platform.architecture))
        .collect();
    assert_eq!(images, [("linux/amd64".to_owned(), true), ("linux/arm64".to_owned(), true)]);
    assert!(lowered.index);
}

#[test]
fn whether_an_index_is_wanted() {
    let ask = |value: &str, platforms: &[&str]| {
        let platforms = platforms.iter().map(|platform| platform.parse().expect("a platform")).collect();
        let build_args = [("BUILDKIT_MULTI_PLATFORM".to_owned(), value.to_owned())].into();
        lower_text("FROM a\n", &Request { platforms, build_args, ..request() })
            .map(|lowered| lowered.index)
            .map_err(|errors| errors[0].message.clone())
    };
    assert_eq!(ask("1", &[]), Ok(true));
    assert_eq!(ask("", &["linux/amd64"]), Ok(false));
    assert_eq!(ask("", &["linux/amd64", "linux/arm64"]), Ok(true));
    assert_eq!(
        ask("false", &["linux/amd64", "linux/arm64"]),
        Err("several platforms cannot be built without an index".to_owned())
    );
    assert_eq!(
        ask("maybe", &[]),
        Err("`maybe` is no `BUILDKIT_MULTI_PLATFORM`: expected `true` or `false`".to_owned())
    );
}

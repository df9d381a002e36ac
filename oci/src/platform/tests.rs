//! Platforms: how they are written, and which matches which.

use super::*;
use expect_test::expect;
use proptest::prelude::*;

#[test]
fn platforms_are_normalised_as_containerd_does() {
    let read = [
        "linux/amd64",
        "linux/x86_64",
        "Linux/AMD64",
        "linux/amd64/v1",
        "linux/amd64/v3",
        "linux/i386",
        "linux/arm",
        "linux/arm/7",
        "linux/arm/v6",
        "linux/armhf",
        "linux/armel",
        "linux/aarch64",
        "linux/arm64/v8",
        "linux/arm64/v9.0",
        "linux/arm64/v8.2",
        "macos/arm64",
        "windows(10.0.17763)/amd64",
        "arm64",
        "s390x",
        "fuchsia/amd64",
        "",
        "linux/",
        "linux/amd64/v1/x",
        "linux/*",
        "pentium",
        "windows(1/amd64",
    ]
    .map(|text| match text.parse::<Platform>() {
        Ok(platform) => format!("{text} = {platform}"),
        Err(error) => error.to_string(),
    })
    .join("\n");
    expect![[r#"
        linux/amd64 = linux/amd64
        linux/x86_64 = linux/amd64
        Linux/AMD64 = linux/amd64
        linux/amd64/v1 = linux/amd64
        linux/amd64/v3 = linux/amd64/v3
        linux/i386 = linux/386
        linux/arm = linux/arm/v7
        linux/arm/7 = linux/arm/v7
        linux/arm/v6 = linux/arm/v6
        linux/armhf = linux/arm/v7
        linux/armel = linux/arm/v6
        linux/aarch64 = linux/arm64
        linux/arm64/v8 = linux/arm64
        linux/arm64/v9.0 = linux/arm64/v9
        linux/arm64/v8.2 = linux/arm64/v8.2
        macos/arm64 = darwin/arm64
        windows(10.0.17763)/amd64 = windows(10.0.17763)/amd64
        arm64 = linux/arm64
        s390x = linux/s390x
        fuchsia/amd64 = fuchsia/amd64
        `` is not a platform: a part of it is empty
        `linux/` is not a platform: a part of it is empty
        `linux/amd64/v1/x` is not a platform: expected `os/architecture` or `os/architecture/variant`
        `linux/*` is not a platform: it holds only letters, digits, `_`, `.`, `-` and `/`
        `pentium` is not a platform: neither an operating system nor an architecture has this name; write `os/architecture`, as in `linux/amd64`
        `windows(1/amd64` is not a platform: a `)` is missing"#]]
    .assert_eq(&read);
}

#[test]
fn an_operating_system_alone_is_that_of_this_machine() {
    let host = Platform::host();
    assert_eq!("linux".parse::<Platform>(), Ok(host.clone()));
    assert_eq!(host.architecture.parse::<Platform>(), Ok(host.clone()));
    assert_eq!(host.to_string().parse::<Platform>(), Ok(host));
}

#[test]
fn machines_run_what_their_predecessors_run() {
    let rank = |have: &str, wanted: &str| -> Option<u32> {
        have.parse::<Platform>().unwrap().rank_for(&wanted.parse().unwrap())
    };
    let order = |wanted: &str, images: &[&str]| {
        let ranks: Vec<Option<u32>> = images.iter().map(|have| rank(have, wanted)).collect();
        assert!(ranks.iter().all(Option::is_some) && ranks.is_sorted(), "{wanted}: {ranks:?}");
        assert_eq!(ranks[0], Some(0), "{wanted}");
    };
    order("linux/amd64", &["linux/amd64", "linux/386"]);
    order("linux/amd64/v3", &["linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386"]);
    order("linux/arm/v7", &["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]);
    order("linux/arm64", &["linux/arm64", "linux/arm/v8", "linux/arm/v7"]);
    order("linux/arm64/v9", &["linux/arm64/v9", "linux/arm64/v8.5", "linux/arm64"]);

    for (have, wanted) in [
        ("linux/arm64", "linux/amd64"),
        ("linux/amd64/v2", "linux/amd64"),
        ("linux/arm/v7", "linux/arm/v6"),
        ("windows/amd64", "linux/amd64"),
        ("windows(10.0.1.1)/amd64", "windows(10.0.2.1)/amd64"),
        ("unknown/unknown", "linux/amd64"),
    ] {
        assert_eq!(rank(have, wanted), None, "{have} for {wanted}");
    }
}

#[test]
fn what_a_manifest_says_is_normalised_before_it_is_matched() {
    let said: Platform =
        serde_json::from_str(r#"{"architecture":"arm64","os":"linux","variant":"v8","os.version":""}"#).unwrap();
    assert_eq!(said.rank_for(&"linux/arm64".parse().unwrap()), Some(0));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic_and_read_back(text in "[a-z0-9A-Z./()_-]{0,30}") {
        if let Ok(platform) = text.parse::<Platform>() {
            prop_assert_eq!(&platform.to_string().parse::<Platform>().unwrap(), &platform);
            let _ = platform.rank_for(&Platform::host());
        }
    }
}

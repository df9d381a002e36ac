//! Image configs read and written.

use super::*;
use expect_test::expect;
use proptest::prelude::*;

/// As BuildKit writes them.
const BUILDKIT: &str = r#"{"architecture":"amd64","config":{"User":"node","ExposedPorts":{"3000/tcp":{}},"Env":["PATH=/usr/bin:/bin","A=b"],"Entrypoint":["docker-entrypoint.sh"],"Cmd":["node"],"WorkingDir":"/app","Labels":{"b":"2","a":"1"},"OnBuild":null,"Healthcheck":{"Test":["CMD","true"],"Interval":1000000000}},"created":"2024-05-01T10:00:00.123456789Z","history":[{"created":"2024-05-01T10:00:00Z","created_by":"ENV A=b","comment":"buildkit.dockerfile.v0","empty_layer":true}],"moby.buildkit.buildinfo.v1":"eyJ9","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},"variant":"v2"}"#;

/// As the old builder wrote them: nulls, and fields that are gone.
const CLASSIC: &str = r#"{"architecture":"amd64","config":{"Hostname":"","AttachStdin":false,"Tty":false,"Env":null,"Cmd":["sh"],"Image":"sha256:x","Volumes":{"/data":null},"WorkingDir":"","Entrypoint":null,"Labels":null,"User":null},"container":"0123","container_config":{"Hostname":"0123","Cmd":["/bin/sh","-c"]},"docker_version":"20.10.7","history":null,"os":"linux","rootfs":{"type":"layers","diff_ids":null},"created":null}"#;

#[test]
fn configs_are_written_in_one_form() {
    expect![[r#"{"created":"2024-05-01T10:00:00.123456789Z","architecture":"amd64","variant":"v2","os":"linux","config":{"User":"node","ExposedPorts":{"3000/tcp":{}},"Env":["PATH=/usr/bin:/bin","A=b"],"Entrypoint":["docker-entrypoint.sh"],"Cmd":["node"],"Healthcheck":{"Test":["CMD","true"],"Interval":1000000000},"WorkingDir":"/app","Labels":{"a":"1","b":"2"}},"rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},"history":[{"created":"2024-05-01T10:00:00Z","created_by":"ENV A=b","comment":"buildkit.dockerfile.v0","empty_layer":true}],"moby.buildkit.buildinfo.v1":"eyJ9"}"#]]
    .assert_eq(&text(BUILDKIT));
    expect![[r#"{"architecture":"amd64","os":"linux","config":{"Cmd":["sh"],"Volumes":{"/data":{}},"AttachStdin":false,"Hostname":"","Image":"sha256:x","Tty":false},"rootfs":{"type":"layers","diff_ids":[]},"container":"0123","container_config":{"Hostname":"0123","Cmd":["/bin/sh","-c"]},"docker_version":"20.10.7"}"#]]
    .assert_eq(&text(CLASSIC));
    expect![[r#"{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#]]
        .assert_eq(&text("{}"));
}

#[test]
fn an_empty_image_says_no_more_than_it_must() {
    let scratch = ImageConfig::scratch(&"linux/arm/v7".parse().unwrap());
    expect![[
        r#"{"architecture":"arm","variant":"v7","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#
    ]]
    .assert_eq(&String::from_utf8(scratch.to_json()).unwrap());
    assert_eq!(scratch.platform().to_string(), "linux/arm/v7");
    assert_eq!(scratch.id(), ImageId(Digest::of(&scratch.to_json())));
}

#[test]
fn what_is_no_config_is_an_error() {
    let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for json in ["", "[]", "null", "{", r#"{"config":[1]}"#, r#"{"rootfs":{"diff_ids":["sha256:12"]}}"#, &deep] {
        let error = ImageConfig::parse(json.as_bytes()).unwrap_err();
        assert!(matches!(error, ConfigError::Malformed { .. }), "{error}");
    }
    let huge = vec![b' '; 9 << 20];
    assert!(matches!(ImageConfig::parse(&huge).unwrap_err(), ConfigError::TooLarge { .. }));
}

fn text(json: &str) -> String {
    let config = ImageConfig::parse(json.as_bytes()).unwrap();
    let written = config.to_json();
    assert_eq!(ImageConfig::parse(&written).unwrap(), config, "what is written is read back");
    String::from_utf8(written).unwrap()
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(at in 0..BUILDKIT.len(), byte: u8, junk: Vec<u8>) {
        let mut json = BUILDKIT.as_bytes().to_vec();
        json[at] = byte;
        if let Ok(config) = ImageConfig::parse(&json) {
            prop_assert_eq!(ImageConfig::parse(&config.to_json()).unwrap(), config);
        }
        let _ = ImageConfig::parse(&junk);
    }
}

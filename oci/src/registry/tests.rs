//! Against Debian's `docker-registry`, filled by `skopeo`, and against a server that does what registries should not.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::manifest::sample::Sample;
use crate::verify::VerifyError;
use server::{Call, Server, answer, head};

mod real;
#[path = "../../../testdata/server.rs"]
mod server;

/// The body and its type that a sound registry sends for `path`.
fn body<'a>(image: &'a Sample, path: &str) -> Option<(&'static str, &'a [u8])> {
    const BYTES: &str = "application/octet-stream";
    let is = |bytes: &[u8]| path.ends_with(&Digest::of(bytes).to_string());
    if path.contains("/manifests/") {
        return (path.ends_with("/latest") || is(&image.manifest)).then_some((OCI_MANIFEST, image.manifest.as_slice()));
    }
    [&image.config, &image.layer].into_iter().find(|bytes| is(bytes)).map(|bytes| (BYTES, bytes.as_slice()))
}

fn impatient() -> RegistryConfig {
    let network = Network {
        stall: Duration::from_millis(400),
        retries: 2,
        pause: Duration::from_millis(5),
        ..Network::default()
    };
    RegistryConfig { network, ..RegistryConfig::default() }
}

fn with_password(username: &'static str, password: &'static str) -> RegistryConfig {
    let credentials = Credentials::Password { username: username.to_owned(), password: password.to_owned() };
    RegistryConfig { credentials: Box::new(move |_| Ok(Some(credentials.clone()))), ..impatient() }
}

/// Resolves and reads the one layer to its end.
fn pull(registry: &Registry, name: &Reference) -> Result<Vec<u8>, RegistryError> {
    let resolved = registry.resolve(name, Some(&"linux/amd64".parse().unwrap()))?;
    read(registry, name, &resolved.layers[0])
}

fn read(registry: &Registry, name: &Reference, layer: &Descriptor) -> Result<Vec<u8>, RegistryError> {
    let mut all = Vec::new();
    match std::io::Read::read_to_end(&mut registry.blob(name, layer, 0)?, &mut all) {
        Ok(_) => Ok(all),
        Err(error) => Err(error.into_inner().unwrap().downcast::<RegistryError>().map(|error| *error).unwrap()),
    }
}

/// A server that is sound but for what `fault` takes over, by returning true.
fn faulty(fault: impl Fn(&Sample, &Call, &mut std::net::TcpStream) -> bool + Send + Sync + 'static) -> Server {
    let image = Sample::new("linux/amd64", 1 << 20);
    Server::start(move |call, out| {
        if fault(&image, call, out) {
            return;
        }
        match body(&image, &call.path) {
            Some((media_type, body)) => answer(out, "200 OK", &format!("Content-Type: {media_type}\r\n"), body),
            None => answer(
                out,
                "404 Not Found",
                "",
                br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no \u001bsuch"}]}"#,
            ),
        }
    })
}

/// What `server` calls a repository.
fn name_at(server: &Server, name: &str) -> Reference {
    format!("{}/{name}", server.address()).parse().unwrap()
}

fn range_start(call: &Call) -> Option<usize> {
    call.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

fn is_blob(image: &Sample, call: &Call) -> bool {
    call.path.ends_with(&image.layer_descriptor.digest.to_string())
}

#[test]
fn a_sound_server_gives_the_image() {
    let server = faulty(|_, _, _| false);
    assert_eq!(
        pull(&Registry::new(impatient()), &name_at(&server, "app")).unwrap(),
        Sample::new("linux/amd64", 1 << 20).layer
    );
}

#[test]
fn what_is_not_there_is_told_with_the_name_and_the_registry() {
    let server = faulty(|_, _, _| false);
    let name = name_at(&server, "app:v9");
    let error = Registry::new(impatient()).resolve(&name, None).unwrap_err();
    let registry = name.registry();
    assert_eq!(
        error.to_string(),
        format!("cannot get `{registry}/app:v9`: `{registry}` does not have it: manifest unknown: no such")
    );
}

#[test]
fn a_wrong_manifest_is_refused() {
    let server = faulty(|image, call, out| {
        let wrong = call.path.contains("/manifests/");
        if wrong {
            let digest = Digest::of(b"else");
            let said = format!("Docker-Content-Digest: {digest}\r\n");
            answer(out, "200 OK", &said, &image.manifest);
        }
        wrong
    });
    for name in [name_at(&server, "app"), name_at(&server, &format!("app@{}", Digest::of(b"other")))] {
        let error = Registry::new(impatient()).resolve(&name, None).unwrap_err();
        assert!(matches!(error, RegistryError::WrongDigest { .. }), "{error}");
    }
}

#[test]
fn a_wrong_blob_ends_in_an_error_and_is_not_asked_for_again() {
    let server = faulty(|image, call, out| {
        let wrong = is_blob(image, call);
        if wrong {
            let mut body = image.layer.clone();
            body[100] ^= 1;
            answer(out, "200 OK", "", &body);
        }
        wrong
    });
    let error = pull(&Registry::new(impatient()), &name_at(&server, "app")).unwrap_err();
    assert!(matches!(error, RegistryError::Unverified { source: VerifyError::WrongDigest { .. }, .. }), "{error}");
    assert_eq!(server.calls().len(), 3, "manifest, config, blob");
}

#[test]
fn a_config_that_lies_is_refused() {
    let server = faulty(|image, call, out| {
        let wrong = call.path.contains("/blobs/") && !is_blob(image, call);
        if wrong {
            answer(out, "200 OK", "", &vec![b' '; image.config.len()]);
        }
        wrong
    });
    let error = Registry::new(impatient()).resolve(&name_at(&server, "app"), None).unwrap_err();
    assert!(matches!(error, RegistryError::WrongDigest { .. }), "{error}");
}

#[test]
fn a_length_that_is_not_the_descriptors_is_refused_before_the_body() {
    for (by, expected) in [(1, "longer"), (-1, "ends after")] {
        let server = faulty(move |image, call, out| {
            let wrong = is_blob(image, call);
            if wrong {
                let length = image.layer.len() as i64 + by;
                head(out, "200 OK", &format!("Content-Length: {length}\r\n"));
            }
            wrong
        });
        let error = pull(&Registry::new(impatient()), &name_at(&server, "app")).unwrap_err();
        assert!(matches!(error, RegistryError::Unverified { .. }) && error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn an_endless_body_ends_at_the_promised_size() {
    let server = faulty(|image, call, out| {
        head(out, "200 OK", "");
        let chunk = if is_blob(image, call) { &image.layer[..] } else { &[b'['; 4096] };
        let endless = is_blob(image, call) || call.path.contains("/endless/");
        if endless {
            while out.write_all(chunk).is_ok() {}
        } else if let Some((_, body)) = body(image, &call.path) {
            let _ = out.write_all(body);
        }
        true
    });
    let registry = Registry::new(impatient());
    let error = pull(&registry, &name_at(&server, "app")).unwrap_err();
    assert!(matches!(error, RegistryError::Unverified { source: VerifyError::TooLong { .. }, .. }), "{error}");
    let error = registry.resolve(&name_at(&server, "endless/app"), None).unwrap_err();
    assert!(matches!(error, RegistryError::TooLong { .. }), "{error}");
}

#[test]
fn a_broken_download_goes_on_where_it_broke() {
    let server = faulty(|image, call, out| {
        if !is_blob(image, call) {
            return false;
        }
        let from = range_start(call).unwrap_or(0);
        let half = from + (image.layer.len() - from).div_ceil(2);
        let (total, rest) = (image.layer.len(), &image.layer[from..half]);
        let range = format!("Content-Range: bytes {from}-{}/{total}\r\n", total - 1);
        let status = if from == 0 { "200 OK" } else { "206 Partial Content" };
        head(out, status, &format!("{range}Content-Length: {}\r\n", total - from));
        let _ = out.write_all(rest);
        true
    });
    let layer = pull(&Registry::new(impatient()), &name_at(&server, "app")).unwrap();
    assert_eq!(layer, Sample::new("linux/amd64", 1 << 20).layer);
    assert!(server.calls().len() > 10, "{}", server.calls().len());
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let attempts = AtomicUsize::new(0);
    let server = faulty(move |image, call, out| {
        if !is_blob(image, call) || attempts.fetch_add(1, Ordering::SeqCst) > 1 {
            return false;
        }
        head(out, "200 OK", &format!("Content-Length: {}\r\n", image.layer.len()));
        let _ = out.write_all(&image.layer[..image.layer.len() / 2]);
        true
    });
    let layer = pull(&Registry::new(impatient()), &name_at(&server, "app")).unwrap();
    assert_eq!(layer, Sample::new("linux/amd64", 1 << 20).layer);
}

#[test]
fn a_tail_is_read_from_where_the_caller_stands() {
    let server = faulty(|image, call, out| {
        let Some(from) = range_start(call) else { return false };
        let total = image.layer.len();
        let range = format!("Content-Range: bytes {from}-{}/{total}\r\n", total - 1);
        answer(out, "206 Partial Content", &range, &image.layer[from..]);
        true
    });
    let (registry, image, mut tail) = (Registry::new(impatient()), Sample::new("linux/amd64", 1 << 20), Vec::new());
    let mut reader = registry.blob(&name_at(&server, "app"), &image.layer_descriptor, 1000).unwrap();
    std::io::Read::read_to_end(&mut reader, &mut tail).unwrap();
    assert_eq!(tail, image.layer[1000..]);
}

#[test]
fn what_fails_in_passing_is_tried_again_and_not_for_ever() {
    let attempts = AtomicUsize::new(0);
    let server = faulty(move |_, call, out| {
        let fails = call.path.contains("/down/") || attempts.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        if fails {
            answer(out, "500 Internal Server Error", "", b"oops");
        }
        fails
    });
    let registry = Registry::new(impatient());
    pull(&registry, &name_at(&server, "app")).unwrap();
    let before = server.calls().len();
    let error = registry.resolve(&name_at(&server, "down/app"), None).unwrap_err();
    assert!(matches!(error, RegistryError::Refused { status: 500, .. }), "{error}");
    assert_eq!(server.calls().len() - before, 3);
}

#[test]
fn a_stall_is_noticed() {
    let server = faulty(|image, call, out| {
        let stalls = is_blob(image, call);
        if stalls {
            head(out, "200 OK", &format!("Content-Length: {}\r\n", image.layer.len()));
            let _ = out.write_all(&image.layer[..10]);
            std::thread::sleep(Duration::from_secs(2));
        }
        stalls
    });
    let network = Network { retries: 0, ..impatient().network };
    let config = RegistryConfig { network, ..impatient() };
    let start = Instant::now();
    let error = pull(&Registry::new(config), &name_at(&server, "app")).unwrap_err();
    assert!(matches!(error, RegistryError::Stalled { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_millis(1900));
}

#[test]
fn a_web_page_is_no_registry() {
    let server = faulty(|_, _, out| {
        answer(out, "200 OK", "Content-Type: text/html\r\n", b"<!doctype html>\n<p>Log in</p>");
        true
    });
    let error = Registry::new(impatient()).resolve(&name_at(&server, "app"), None).unwrap_err();
    assert!(matches!(error, RegistryError::NotARegistry { .. }), "{error}");
    assert!(error.to_string().contains("<!doctype html>"), "{error}");
}

#[test]
fn a_redirect_is_followed_but_not_in_circles_and_not_out_of_the_encryption() {
    let server = faulty(|_, call, out| {
        let to = match &call.path {
            path if path.contains("/loop/") => path.clone(),
            path if path.contains("/out/") => "http://198.51.100.1/x".to_owned(),
            path if path.contains("/moved/") => path.replace("/moved/", "/"),
            _ => return false,
        };
        answer(out, "307 Temporary Redirect", &format!("Location: {to}\r\n"), b"");
        true
    });
    let registry = Registry::new(impatient());
    pull(&registry, &name_at(&server, "moved/app")).unwrap();
    for (name, expected) in [("loop/app", "too many redirects"), ("out/app", "plain HTTP")] {
        let error = registry.resolve(&name_at(&server, name), None).unwrap_err();
        assert!(matches!(error, RegistryError::BadAnswer { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn basic_credentials_are_given_when_asked_for() {
    let server = faulty(|_, call, out| {
        let unknown = call.header("authorization") != Some("Basic bWU6c2VjcmV0");
        if unknown {
            answer(out, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b"");
        }
        unknown
    });
    pull(&Registry::new(with_password("me", "secret")), &name_at(&server, "app")).unwrap();
    assert_eq!(server.calls().iter().filter(|call| call.header("authorization").is_none()).count(), 1);

    let anonymous = Registry::new(impatient()).resolve(&name_at(&server, "app"), None).unwrap_err();
    assert!(matches!(anonymous, RegistryError::LoginNeeded { .. }), "{anonymous}");
    let wrong = Registry::new(with_password("me", "wrong")).resolve(&name_at(&server, "app"), None).unwrap_err();
    assert!(matches!(wrong, RegistryError::Denied { .. }), "{wrong}");
}

#[test]
fn a_token_is_had_once_and_renewed_when_it_expires() {
    let tokens = AtomicUsize::new(0);
    let server = faulty(move |_, call, out| {
        if call.path.starts_with("/token") {
            assert!(
                call.query.contains("scope=repository%3Aapp%3Apull") && call.query.contains("service=s"),
                "{}",
                call.path
            );
            let n = tokens.fetch_add(1, Ordering::SeqCst);
            answer(out, "200 OK", "", format!(r#"{{"token":"t{n}"}}"#).as_bytes());
            return true;
        }
        let newest = tokens.load(Ordering::SeqCst).checked_sub(1).map(|n| format!("Bearer t{n}"));
        // The first token expires as soon as the manifest has been had.
        let expired = call.path.contains("/blobs/") && newest.as_deref() == Some("Bearer t0");
        let unknown = newest.is_none() || call.header("authorization") != newest.as_deref() || expired;
        if unknown {
            let host = call.header("host").unwrap_or("");
            let asked = format!(
                "WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\",scope=\"repository:app:pull\"\r\n"
            );
            answer(out, "401 Unauthorized", &asked, b"");
        }
        unknown
    });
    pull(&Registry::new(impatient()), &name_at(&server, "app")).unwrap();
    assert_eq!(server.calls().iter().filter(|call| call.path.starts_with("/token")).count(), 2);
}

#[test]
fn a_token_address_without_encryption_gets_no_password() {
    let server = faulty(|_, _, out| {
        answer(out, "401 Unauthorized", "WWW-Authenticate: Bearer realm=\"http://198.51.100.1/token\"\r\n", b"");
        true
    });
    let error = Registry::new(with_password("me", "secret")).resolve(&name_at(&server, "app"), None).unwrap_err();
    assert!(matches!(error, RegistryError::BadAnswer { .. }), "{error}");
}

#[test]
fn schema_1_is_refused_with_the_way_out() {
    let server = faulty(|_, _, out| {
        let body = br#"{"schemaVersion":1,"fsLayers":[]}"#;
        answer(out, "200 OK", "Content-Type: application/vnd.docker.distribution.manifest.v1+prettyjws\r\n", body);
        true
    });
    let error = Registry::new(impatient()).resolve(&name_at(&server, "app"), None).unwrap_err().to_string();
    assert!(error.contains("schema 1") && error.contains("skopeo"), "{error}");
}

#[test]
fn nobody_at_home_is_told_at_last() {
    let server = faulty(|_, _, _| false);
    let name = name_at(&server, "app");
    drop(server);
    let error = Registry::new(impatient()).resolve(&name, None).unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
}

#[test]
fn a_reader_outlives_its_registry() {
    let server = faulty(|_, _, _| false);
    let registry = Registry::new(impatient());
    let image = Sample::new("linux/amd64", 1 << 20);
    let mut reader = registry.blob(&name_at(&server, "app"), &image.layer_descriptor, 0).unwrap();
    drop(registry);
    let mut all = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut all).unwrap();
    assert_eq!(all, image.layer);
}

//! An HTTP server on loopback for tests, which does what it is told: one request per connection. It can be a Git server,
//! by `git http-backend`, and serve the files of a directory. Knows no test. Included by those of several crates, of which
//! none uses all of it.
#![allow(dead_code)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub struct Server {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Server {
    pub fn start(act: impl Fn(&Call, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let (calls, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (act, seen, stopped) = (Arc::new(act), Arc::clone(&calls), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(mut stream), act, seen) = (stream, Arc::clone(&act), Arc::clone(&seen)) else { continue };
                std::thread::spawn(move || {
                    if let Some(call) = read_call(&stream) {
                        seen.lock().expect("no test fails while it holds this").push(call.clone());
                        act(&call, &mut stream);
                    }
                });
            }
        });
        Self { address, calls, stop, thread: Some(thread) }
    }

    /// The repositories below `root`, spoken with as Git's smart protocol has it.
    pub fn git(root: PathBuf) -> Self {
        Self::start(move |call, out| backend(&root, call, out))
    }

    /// The files below `root`. A bare repository among them is one by Git's dumb protocol.
    pub fn files(root: PathBuf) -> Self {
        Self::start(move |call, out| match fs::read(root.join(call.path.trim_start_matches('/'))) {
            Ok(bytes) => answer(out, "200 OK", "", &bytes),
            Err(_) => answer(out, "404 Not Found", "", b"there is none"),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("no test fails while it holds this").clone()
    }

    /// All requests so far: `GET /path`.
    pub fn lines(&self) -> Vec<String> {
        self.calls().iter().map(|call| format!("{} {}", call.method, call.path)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read_call(stream: &TcpStream) -> Option<Call> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().map(|_| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    while let Some(text) = line().filter(|line| !line.is_empty()) {
        headers.extend(text.split_once(": ").map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut call = Call { method, path: path.to_owned(), query: query.to_owned(), headers, body: Vec::new() };
    let length: u64 = call.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    reader.take(length).read_to_end(&mut call.body).ok()?;
    Some(call)
}

pub fn head(out: &mut TcpStream, status: &str, headers: &str) {
    let _ = write!(out, "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
}

pub fn answer(out: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    head(out, status, &format!("{headers}Content-Length: {}\r\n", body.len()));
    let _ = out.write_all(body);
}

/// Lets `git http-backend` answer, which is a CGI program.
fn backend(root: &Path, call: &Call, out: &mut TcpStream) {
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", call.header("git-protocol").unwrap_or_default())
        .env("PATH_INFO", &call.path)
        .env("QUERY_STRING", &call.query)
        .env("REQUEST_METHOD", &call.method)
        .env("CONTENT_TYPE", call.header("content-type").unwrap_or_default())
        .env("HTTP_CONTENT_ENCODING", call.header("content-encoding").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git is installed by `make test`");
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(&call.body));
    let output = child.wait_with_output().expect("git ends").stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(output.len());
    let headers = String::from_utf8_lossy(&output[..end]).into_owned();
    let status = headers.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    answer(out, &status, &format!("{headers}\r\n"), output.get(end + 4..).unwrap_or_default());
}

/// Runs a shell command in `dir` with a Git identity and times that do not change; what it prints.
pub fn shell(dir: &Path, script: &str) -> String {
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(dir)
        .env("HOME", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs([
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.org"),
            ("GIT_AUTHOR_DATE", "1700000000 +0000"),
        ])
        .envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@example.org")])
        .env("GIT_COMMITTER_DATE", "1700000000 +0000")
        .output()
        .expect("a shell starts");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

//! An HTTP server on loopback that does what it is told, however wrong: one request per connection.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::reference::Reference;

#[derive(Debug, Clone)]
pub struct Call {
    pub path: String,
    headers: Vec<(String, String)>,
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

    pub fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

impl Server {
    pub fn start(act: impl Fn(&Call, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (calls, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (act, seen, stopped) = (Arc::new(act), Arc::clone(&calls), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (act, seen) = (Arc::clone(&act), Arc::clone(&seen));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    if let Some(call) = read_call(&stream) {
                        seen.lock().unwrap().push(call.clone());
                        act(&call, &mut stream);
                    }
                });
            }
        });
        Self { address, calls, stop, thread: Some(thread) }
    }

    pub fn name(&self, name: &str) -> Reference {
        format!("{}/{name}", self.address).parse().unwrap()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

fn read_call(stream: &TcpStream) -> Option<Call> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": ").map(|(key, value)| (key.to_owned(), value.to_owned())))
        .collect();
    Some(Call { path, headers })
}

pub fn head(out: &mut TcpStream, status: &str, headers: &str) {
    let _ = write!(out, "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
}

pub fn answer(out: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    head(out, status, &format!("{headers}Content-Length: {}\r\n", body.len()));
    let _ = out.write_all(body);
}

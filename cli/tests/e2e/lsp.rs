//! `kiln lsp`: an editor's conversation with it, from the first message to the exit code.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::Kiln;

const URI: &str = "file:///work/Dockerfile";

/// The editor's side.
struct Editor {
    server: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    asked: u64,
}

impl Drop for Editor {
    fn drop(&mut self) {
        // It is gone already, unless the test failed.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Editor {
    fn start(kiln: &Kiln) -> Self {
        let mut server = kiln
            .command(["lsp", "--stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (input, output) = (server.stdin.take().expect("piped"), server.stdout.take().expect("piped"));
        let mut editor = Editor { server, input, output: BufReader::new(output), asked: 0 };
        let capabilities =
            json!({ "textDocument": { "completion": { "completionItem": { "snippetSupport": true } } } });
        let met = editor.ask("initialize", &json!({ "capabilities": capabilities }));
        assert_eq!(met["capabilities"]["positionEncoding"], "utf-16");
        editor.tell("initialized", &json!({}));
        editor
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("the server reads");
    }

    fn tell(&mut self, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        self.receive(|message| message["id"] == id)["result"].clone()
    }

    fn ask_at(&mut self, method: &str, line: u32, character: u32) -> Value {
        let position = json!({ "line": line, "character": character });
        self.ask(method, &json!({ "textDocument": { "uri": URI }, "position": position }))
    }

    fn open(&mut self, text: &str) {
        let document = json!({ "uri": URI, "languageId": "dockerfile", "version": 1, "text": text });
        self.tell("textDocument/didOpen", &json!({ "textDocument": document }));
    }

    fn diagnostics(&mut self, version: u32) -> Vec<Value> {
        let wanted = |message: &Value| message["params"]["version"] == version;
        self.receive(wanted)["params"]["diagnostics"].as_array().expect("a list").clone()
    }

    /// The next message that is `wanted`.
    fn receive(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                assert!(self.output.read_line(&mut line).expect("the server writes") > 0, "the server is gone");
                match line.trim().split_once(": ") {
                    Some((_, value)) => length = value.parse().expect("a length"),
                    None => break,
                }
            }
            let mut text = vec![0; length];
            self.output.read_exact(&mut text).expect("the whole message comes");
            let message: Value = serde_json::from_slice(&text).expect("messages are JSON");
            if wanted(&message) {
                return message;
            }
        }
    }

    fn leave(mut self) -> i32 {
        assert_eq!(self.ask("shutdown", &Value::Null), Value::Null);
        self.tell("exit", &Value::Null);
        // The input stays open: the server does not wait for its end.
        self.server.wait().expect("it ends").code().expect("it was not killed")
    }
}

#[test]
fn an_editors_conversation() {
    let kiln = Kiln::new();
    let mut editor = Editor::start(&kiln);
    editor.open("FROM golang AS build\nfrom scratch\nCOPY --form=build /app /\n");

    let found = editor.diagnostics(1);
    let mistake = found.iter().find(|one| one["code"] == "UnknownFlag").expect("it is told");
    assert_eq!(mistake["range"]["start"], json!({ "line": 2, "character": 5 }));
    assert!(mistake["message"].as_str().is_some_and(|text| text.contains("did you mean `--from`?")), "{mistake}");
    let everything = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 9, "character": 0 } });
    let asked = json!({ "textDocument": { "uri": URI }, "range": everything, "context": { "diagnostics": [] } });
    let fixes = editor.ask("textDocument/codeAction", &asked);
    assert_eq!(fixes[0]["edit"]["changes"][URI][0]["newText"], "--from");

    let edit = json!({ "start": { "line": 2, "character": 5 }, "end": { "line": 2, "character": 11 } });
    let change = json!([{ "range": edit, "text": "--from" }]);
    editor.tell(
        "textDocument/didChange",
        &json!({ "textDocument": { "uri": URI, "version": 2 }, "contentChanges": change }),
    );
    assert!(editor.diagnostics(2).iter().all(|one| one["severity"] != 1));

    let flags = editor.ask_at("textDocument/completion", 2, 7);
    assert!(flags.as_array().expect("a list").iter().any(|one| one["label"] == "--chown"), "{flags}");
    let stages = editor.ask_at("textDocument/completion", 2, 12);
    assert_eq!(stages[0]["label"], "build");
    let page = editor.ask_at("textDocument/hover", 2, 2);
    assert!(page["contents"]["value"].as_str().is_some_and(|text| text.starts_with("# COPY\n")), "{page}");
    let stage = editor.ask_at("textDocument/definition", 2, 14);
    assert_eq!(stage["range"]["start"], json!({ "line": 0, "character": 15 }));
    let outline = editor.ask("textDocument/documentSymbol", &json!({ "textDocument": { "uri": URI } }));
    assert_eq!((&outline[0]["name"], &outline[1]["name"]), (&json!("build"), &json!("stage 1")));
    let options = json!({ "tabSize": 4, "insertSpaces": true });
    let form = editor.ask("textDocument/formatting", &json!({ "textDocument": { "uri": URI }, "options": options }));
    assert_eq!(form.as_array().map(Vec::len), Some(1));
    assert_eq!(form[0]["newText"], "FROM");

    assert_eq!(editor.leave(), 0);
}

#[test]
fn leaving_without_a_word_is_a_failure() {
    let kiln = Kiln::new();
    let mut editor = Editor::start(&kiln);
    editor.tell("exit", &Value::Null);
    assert_eq!(editor.server.wait().expect("it ends").code(), Some(1));
}

/// The target is 50 ms; the limit here leaves room for a machine that does other things as well.
#[test]
fn ten_thousand_lines_are_checked_as_one_types() {
    let kiln = Kiln::new();
    let mut editor = Editor::start(&kiln);
    let stage = |n: u32| format!("FROM a AS s{n}\nARG V=1\nENV W=$V\n{}", "RUN echo $V ${W}\n".repeat(97));
    editor.open(&(0..100).map(stage).collect::<String>());
    editor.diagnostics(1);
    let mut times: Vec<Duration> = (2..12)
        .map(|version| {
            let start = Instant::now();
            let at = json!({ "line": 5000, "character": 4 });
            let change = json!([{ "range": { "start": at, "end": at }, "text": "x" }]);
            let document = json!({ "uri": URI, "version": version });
            editor.tell("textDocument/didChange", &json!({ "textDocument": document, "contentChanges": change }));
            editor.diagnostics(version);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    assert!(times[5] < Duration::from_millis(200), "{times:?}");
    assert_eq!(editor.leave(), 0);
}

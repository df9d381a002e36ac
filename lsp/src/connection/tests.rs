//! Whole conversations, on streams in memory.

use super::*;
use expect_test::expect;

const OPEN: &str = r#"{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///d","languageId":"dockerfile","version":1,"text":"FROM a AS b\nCOPY --from=b x y\n"}}}"#;
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"initialized","params":{}}"#;
const SHUTDOWN: &str = r#"{"jsonrpc":"2.0","id":9,"method":"shutdown"}"#;
const EXIT: &str = r#"{"jsonrpc":"2.0","method":"exit"}"#;

/// Sends `messages`, then ends the input; what came back, and how it ended.
fn converse(messages: &[&str]) -> (Vec<Value>, Ending) {
    let framed = |text: &&str| format!("Content-Length: {}\r\n\r\n{text}", text.len());
    raw(&messages.iter().map(framed).collect::<String>())
}

fn raw(input: &str) -> (Vec<Value>, Ending) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let ending = serve(input.as_bytes(), theirs).await;
        let mut ours = tokio::io::BufReader::new(ours);
        let mut answers = Vec::new();
        while let Ok(Some(Frame::Message(message))) = read(&mut ours).await {
            answers.push(serde_json::from_slice(&message).expect("answers are JSON"));
        }
        (answers, ending)
    })
}

/// Of each answer its id, and its error's code if it is one.
fn outcome(answers: &[Value]) -> Vec<String> {
    let answers = answers.iter().filter(|answer| answer.get("method").is_none());
    answers.map(|answer| format!("{} {}", answer["id"], answer["error"]["code"])).collect()
}

#[test]
fn a_conversation_ends_as_the_protocol_says() {
    let (answers, ending) = converse(&[INITIALIZE, INITIALIZED, SHUTDOWN, EXIT]);
    assert_eq!((outcome(&answers), ending), (vec!["1 null".into(), "9 null".into()], Ending::Asked));
    assert_eq!(converse(&[INITIALIZE, INITIALIZED, EXIT]).1, Ending::Abrupt);
    assert_eq!(converse(&[INITIALIZE]).1, Ending::Abrupt);
    assert_eq!(converse(&[]).1, Ending::Abrupt);
}

#[test]
fn nonsense_is_answered_and_passed_over() {
    let hover = r#"{"jsonrpc":"2.0","id":5,"method":"textDocument/hover","params":{"textDocument":{"uri":"file:///d"},"position":{"line":0,"character":1}}}"#;
    let (answers, ending) = converse(&[
        hover,
        INITIALIZE,
        "{\"jsonrpc\":",
        "[]",
        "{\"jsonrpc\":\"2.0\",\"id\":2}",
        r#"{"jsonrpc":"2.0","id":3,"method":"no/such"}"#,
        r#"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":77}}"#,
        r#"{"jsonrpc":"2.0","id":4,"method":"textDocument/hover","params":{"position":7}}"#,
        r#"{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":{"uri":"file:///unknown","version":2},"contentChanges":[]}}"#,
        hover,
        SHUTDOWN,
        hover,
        EXIT,
    ]);
    expect![[r#"
        5 -32002
        1 null
        null -32700
        null -32600
        3 -32601
        4 -32602
        5 null
        9 null
        5 -32600"#]]
    .assert_eq(&outcome(&answers).join("\n"));
    assert_eq!(ending, Ending::Asked);
}

#[test]
fn headers_may_be_odd() {
    let text = format!("\r\n\ncontent-LENGTH : {}\nContent-Type: x\n\n{SHUTDOWN}", SHUTDOWN.len());
    assert_eq!(outcome(&raw(&text).0), ["9 -32002"]);
    assert_eq!(outcome(&raw(&format!("X: 1\r\n\r\n{text}")).0), ["null -32700", "9 -32002"]);
    for text in ["Content-Length: 99999999999999999999\r\n\r\n", "Content-Length: 20\r\n\r\nshort", "\u{fffd}", "::::"]
    {
        assert_eq!(raw(text).1, Ending::Abrupt, "{text}");
    }
}

#[test]
fn an_edit_is_seen_by_the_next_question() {
    let change = r#"{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":{"uri":"file:///d","version":2},"contentChanges":[{"range":{"start":{"line":0,"character":10},"end":{"line":0,"character":11}},"text":"c"}]}}"#;
    let definition = |id: u32| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"textDocument/definition","params":{{"textDocument":{{"uri":"file:///d"}},"position":{{"line":1,"character":12}}}}}}"#
        )
    };
    let (answers, _) =
        converse(&[INITIALIZE, INITIALIZED, OPEN, &definition(2), change, &definition(3), SHUTDOWN, EXIT]);
    let of = |id: u32| &answers.iter().find(|answer| answer["id"] == id).expect("it was answered")["result"];
    assert_eq!(of(2)["range"]["start"]["character"], 10);
    assert_eq!(*of(3), Value::Null);
}

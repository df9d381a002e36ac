//! What each renderer makes of one story, with times written down.

use std::time::{Duration, SystemTime};

use expect_test::{Expect, expect};
use solver::port::{Stream, Update};

use super::task::Tasks;
use super::{End, plain::Plain, rawjson::RawJson, tty::Tty};
use crate::terminal::Size;

const OUT: Stream = Stream::Stdout;

/// A small build, as updates: milliseconds, task, update.
fn story() -> (Vec<&'static str>, Vec<(u64, u32, Update<'static>)>) {
    let tasks = vec!["[internal] load build context", "[1/3] FROM busybox", "[2/3] RUN make", "[3/3] RUN false"];
    let updates = vec![
        (0, 0, Update::Started),
        (10, 0, Update::Bytes { what: "transferring context:", current: 31, total: None }),
        (20, 0, Update::Done),
        (20, 1, Update::Cached),
        (30, 2, Update::Started),
        (130, 2, Update::Output { stream: OUT, bytes: b"one\ntw" }),
        (140, 3, Update::Started),
        (150, 3, Update::Output { stream: Stream::Stderr, bytes: b"10%\r100%\r\n" }),
        (12_230, 2, Update::Output { stream: OUT, bytes: "o\n\x1b[31mdrei\x1b[0m ✓".as_bytes() }),
        (12_300, 3, Update::Warning { message: "something is old" }),
        (12_330, 2, Update::Done),
        (
            12_400,
            3,
            Update::Failed { message: "process \"/bin/sh -c false\" did not complete successfully: exit code: 1" },
        ),
    ];
    (tasks, updates)
}

fn told(upto: u64, mut show: impl FnMut(&Tasks, u32, &super::Change, Duration)) -> Tasks {
    let (names, updates) = story();
    let mut tasks = Tasks::default();
    let ids: Vec<_> = names.into_iter().map(|name| tasks.begin(name)).collect();
    for (at, task, update) in updates.into_iter().filter(|(at, ..)| *at <= upto) {
        let now = Duration::from_millis(at);
        for change in tasks.apply(ids[task as usize], update, now) {
            show(&tasks, task, &change, now);
        }
    }
    tasks
}

/// With control characters that can be read.
fn visible(text: &str) -> String {
    text.replace('\x1b', "^").replace('\r', "<")
}

fn check(actual: &str, expected: &Expect) {
    expected.assert_eq(actual);
}

#[test]
fn plain_is_complete() {
    let mut plain = Plain::default();
    let mut text = String::new();
    told(u64::MAX, |tasks, task, change, now| {
        text += &plain.change(tasks.task(solver::port::TaskId(task)).expect("begun"), change, now);
    });
    check(
        &visible(&text),
        &expect![[r##"
        #1 [internal] load build context
        #1 transferring context: 31B done
        #1 DONE 0.0s

        #2 [1/3] FROM busybox
        #2 CACHED

        #3 [2/3] RUN make
        #3 0.100 one
        #3 ...

        #4 [3/3] RUN false
        #4 0.010 10%
        #4 0.010 100%
        #4 ...

        #3 [2/3] RUN make
        #3 12.20 two
        #3 ...

        #4 [3/3] RUN false
        #4 WARN: something is old
        #4 ...

        #3 [2/3] RUN make
        #3 12.30 ^[31mdrei^[0m ✓
        #3 DONE 12.3s

        #4 [3/3] RUN false
        #4 ERROR: process "/bin/sh -c false" did not complete successfully: exit code: 1
    "##]],
    );
}

#[test]
fn rawjson_is_a_solve_status_a_line() {
    let rawjson = RawJson::new(SystemTime::UNIX_EPOCH);
    let mut text = String::new();
    told(150, |tasks, task, change, now| {
        text += &rawjson.change(tasks.task(solver::port::TaskId(task)).expect("begun"), change, now);
    });
    check(
        &text,
        &expect![[r#"
        {"vertexes":[{"digest":"sha256:caad477da7850cc5624412253025213d4a6fe0aa27aa8bf06a0285f6bfd5aab5","name":"[internal] load build context","started":"1970-01-01T00:00:00Z"}]}
        {"statuses":[{"id":"transferring context:","vertex":"sha256:caad477da7850cc5624412253025213d4a6fe0aa27aa8bf06a0285f6bfd5aab5","total":0,"current":31,"timestamp":"1970-01-01T00:00:00.02Z","started":"1970-01-01T00:00:00.01Z","completed":"1970-01-01T00:00:00.02Z"}]}
        {"vertexes":[{"digest":"sha256:caad477da7850cc5624412253025213d4a6fe0aa27aa8bf06a0285f6bfd5aab5","name":"[internal] load build context","started":"1970-01-01T00:00:00Z","completed":"1970-01-01T00:00:00.02Z"}]}
        {"vertexes":[{"digest":"sha256:6f92add41ba1864b2e9174add7d28bc5f32126b7978b354bb651129c17319072","name":"[1/3] FROM busybox","started":"1970-01-01T00:00:00.02Z","completed":"1970-01-01T00:00:00.02Z","cached":true}]}
        {"vertexes":[{"digest":"sha256:f210bd7dd0c006e92d59b4236f9b5fdb24714e4f76801b594a937d483e94b601","name":"[2/3] RUN make","started":"1970-01-01T00:00:00.03Z"}]}
        {"logs":[{"vertex":"sha256:f210bd7dd0c006e92d59b4236f9b5fdb24714e4f76801b594a937d483e94b601","stream":1,"data":"b25lCnR3","timestamp":"1970-01-01T00:00:00.13Z"}]}
        {"vertexes":[{"digest":"sha256:78dd20d2a8ad518de98f9c46114ae4ee0e5b2cc726715eb2257e0df905693a5c","name":"[3/3] RUN false","started":"1970-01-01T00:00:00.14Z"}]}
        {"logs":[{"vertex":"sha256:78dd20d2a8ad518de98f9c46114ae4ee0e5b2cc726715eb2257e0df905693a5c","stream":2,"data":"MTAlDTEwMCUNCg==","timestamp":"1970-01-01T00:00:00.15Z"}]}
    "#]],
    );
}

#[test]
fn tty_shows_what_runs() {
    let tasks = told(12_250, |_, _, _, _| {});
    let size = Size { rows: 24, columns: 50 };
    let text = Tty::new(false).frame(&tasks, Duration::from_millis(12_250), size);
    check(
        &visible(&text),
        &expect![[r#"
        ^[?25l[+] Building 12.2s (2/4)^[K
         => [internal] load build context             0.0s^[K
         => => transferring context:                   31B^[K
         => CACHED [1/3] FROM busybox                 0.0s^[K
         => [2/3] RUN make                           12.2s^[K
         => => # one^[K
         => => # two^[K
         => [3/3] RUN false                          12.1s^[K
         => => # 10%^[K
         => => # 100%^[K
        ^[J^[?25h"#]],
    );
}

#[test]
fn tty_leaves_out_what_ended_when_room_is_short() {
    let tasks = told(12_250, |_, _, _, _| {});
    let size = Size { rows: 7, columns: 30 };
    let text = Tty::new(false).frame(&tasks, Duration::from_millis(12_250), size);
    check(
        &visible(&text),
        &expect![[r#"
        ^[?25l[+] Building 12.2s (2/4)^[K
         => [2/3] RUN make       12.2s^[K
         => => # two^[K
         => [3/3] RUN false      12.1s^[K
         => => # 10%^[K
         => => # 100%^[K
        ^[J^[?25h"#]],
    );
}

#[test]
fn the_last_frame_shows_all_in_colour() {
    let tasks = told(u64::MAX, |_, _, _, _| {});
    let mut tty = Tty::new(true);
    let size = Size { rows: 4, columns: 60 };
    tty.frame(&tasks, Duration::from_millis(12_400), size);
    let text = tty.last_frame(&tasks, End::Failed, Duration::from_millis(12_400), size);
    check(
        &visible(&text),
        &expect![[r#"
        ^[?25l^[3A<[+] Building 12.4s (4/4) FAILED^[K
        ^[34m => [internal] load build context                       0.0s^[0m^[K
        ^[34m => => transferring context:                             31B^[0m^[K
        ^[34m => CACHED [1/3] FROM busybox                           0.0s^[0m^[K
        ^[34m => [2/3] RUN make                                     12.3s^[0m^[K
        ^[31m => ERROR [3/3] RUN false                              12.3s^[0m^[K
        ^[J^[?25h"#]],
    );
}

#[test]
fn bytes_have_three_digits() {
    for (count, text) in [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (3_620_000, "3.62MB"),
        (12_345_678, "12.3MB"),
        (999_499, "999kB"),
        (999_999, "1MB"),
        (400_000_000_000, "400GB"),
    ] {
        assert_eq!(super::bytes(count), text, "{count}");
    }
}

#[test]
fn an_endless_line_is_cut_into_pieces() {
    let mut tasks = Tasks::default();
    let id = tasks.begin("x");
    let endless = vec![b'a'; 1 << 20];
    let lines = tasks.apply(id, Update::Output { stream: OUT, bytes: &endless }, Duration::ZERO).len();
    assert!(lines > 60, "{lines}");
}

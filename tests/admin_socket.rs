//! The admin socket with good, bad, huge, slow and silent clients: a real server on a real socket, and a controller
//! that answers by heart. The clock is held by the test; server and clients share one thread, so that it advances only
//! when all of them wait.

use fairlead::admin::rows::CounterRow;
use fairlead::admin::{
    Access, AdminError, Answer, Answered, Asked, Code, Data, Limits, Request, SocketError, bind, bind_second, serve,
};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

const LONG_ANSWER: usize = 20_000;
const COUNTERS: &str = r#"{"id":5,"command":"counters"}"#;

struct Served {
    path: PathBuf,
    limits: Limits,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

/// A server whose controller knows `counters` (two rows), `flows` (a long answer, of counters), never answers
/// `status`, and drops the question `reload`.
fn served(limits: Limits) -> Served {
    served_as(Access::All, limits)
}

fn served_as(access: Access, limits: Limits) -> Served {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("made/on/the/way/admin.sock");
    let socket = bind(&path, None).expect("a socket");
    let (asked, questions) = mpsc::channel(4);
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(controller(questions));
    let server = tokio::spawn(serve((socket, access), limits, asked, async move {
        let _ = stopped.await;
    }));
    Served { path, limits, stop, server, _directory: directory }
}

async fn controller(mut questions: mpsc::Receiver<Asked>) {
    let mut never = Vec::new();
    while let Some(Asked { request, by, answer }) = questions.recv().await {
        let reply: Answer = match request {
            Request::Status {} => {
                never.push(answer);
                continue;
            }
            Request::Reload { .. } => continue,
            Request::Counters { .. } => Ok(counters(2)),
            Request::Announce {} => {
                Ok(counters(by.map_or(0, |by| by.uid as usize % 7 + usize::from(by.pid.is_some()))))
            }
            Request::Flows { .. } => Ok(counters(LONG_ANSWER)),
            other => Err(AdminError::new(Code::UnknownMember, format!("{other:?}"))),
        };
        let _ = answer.send(reply);
    }
}

fn counters(rows: usize) -> Answered {
    let row = |n| CounterRow { name: format!("c{n}"), value: n as u64, explanation: "x".repeat(300), worker: Some(0) };
    Answered { epoch: 42, data: Data::Counters((0..rows).map(row).collect()) }
}

impl Served {
    async fn client(&self) -> Client {
        Client(BufReader::new(UnixStream::connect(&self.path).await.expect("the server takes a client")))
    }
}

struct Client(BufReader<UnixStream>);

impl Client {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("the server reads");
    }

    /// The next line; `None` when the server has closed.
    async fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line).await.ok().filter(|bytes| *bytes > 0)?;
        assert!(line.ends_with('\n'), "{line}");
        Some(serde_json::from_str(&line).expect("JSON"))
    }

    async fn asked(&mut self, request: impl AsRef<[u8]>) -> Value {
        self.send(request).await;
        self.send("\n").await;
        self.line().await.expect("an answer")
    }

    /// Nothing comes for a moment, in which the server has read what was sent.
    async fn line_is_not_there(&mut self) {
        assert!(timeout(Duration::from_millis(1), self.line()).await.is_err());
    }

    async fn is_served(&mut self) {
        let reply = self.asked(COUNTERS).await;
        assert_eq!((&reply["id"], &reply["ok"], &reply["epoch"]), (&json!(5), &json!(true), &json!(42)));
        assert_eq!(reply["data"].as_array().map(Vec::len), Some(2));
    }

    async fn is_refused(&mut self, request: impl AsRef<[u8]>, code: &str) {
        let reply = self.asked(request).await;
        assert_eq!((&reply["ok"], &reply["error"]["code"]), (&json!(false), &json!(code)), "{reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_client_is_answered_in_order() {
    let served = served(Limits::default());
    let mut client = served.client().await;
    client.is_served().await;
    let refused = client.asked(r#"{"id":6,"command":"probe-now","args":{"member":"nobody"}}"#).await;
    assert_eq!(refused["id"], 6);
    assert_eq!(refused["error"]["code"], "unknown-member");
    assert!(refused["error"]["message"].as_str().is_some_and(|message| message.contains("nobody")));

    client.send("{\"id\":1,\"command\":\"counters\"}\n\r\n{\"id\":2,\"command\":\"counters\"}\r\n").await;
    assert_eq!(client.line().await.unwrap()["id"], 1);
    assert_eq!(client.line().await.unwrap()["id"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_last_line_needs_no_line_feed() {
    let served = served(Limits::default());
    let mut client = served.client().await;
    client.send(COUNTERS).await;
    client.0.shutdown().await.unwrap();
    assert_eq!(client.line().await.unwrap()["id"], 5);
    assert_eq!(client.line().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_comes_in_lines_and_whole() {
    let served = served(Limits::default());
    let mut client = served.client().await;
    client.send("{\"id\":7,\"command\":\"flows\"}\n").await;
    let mut rows = 0;
    loop {
        let line = client.line().await.expect("the rest of the answer");
        assert_eq!(line["id"], 7);
        for row in line["data"].as_array().unwrap() {
            assert_eq!(row["value"], rows);
            rows += 1;
        }
        if line.get("more") != Some(&json!(true)) {
            break;
        }
    }
    assert_eq!(rows, LONG_ANSWER);
    client.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_malformed_gets_an_error_line_and_the_connection_stays_open() {
    let served = served(Limits::default());
    let mut client = served.client().await;
    let deep = "[".repeat(60_000);
    let junk: Vec<u8> = (0..=255u8).filter(|byte| *byte != b'\n').collect();
    let rows: [(&[u8], &str); 9] = [
        (b"hello", "bad-json"),
        (b"{\"id\":1,", "bad-json"),
        (b"\0", "bad-json"),
        (b"\xff\xfe\xfd", "bad-json"),
        (&junk, "bad-json"),
        (deep.as_bytes(), "bad-json"),
        (b"[1,2,3]", "bad-json"),
        (b"{\"command\":\"sudo\"}", "bad-request"),
        (b"{\"command\":\"flows\",\"args\":{\"limit\":1e99}}", "bad-request"),
    ];
    for (request, code) in rows {
        client.is_refused(request, code).await;
    }
    client.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_of_the_largest_size_is_read_and_one_byte_more_is_refused_and_closed() {
    let served = served(Limits::default());
    let filled = |bytes: usize| format!("{}{COUNTERS}", " ".repeat(bytes - COUNTERS.len()));
    let mut client = served.client().await;
    assert_eq!(client.asked(filled(served.limits.request_bytes)).await["ok"], true);
    client.is_refused(filled(served.limits.request_bytes + 1), "too-large").await;
    assert_eq!(client.line().await, None, "closed");
}

/// A file may be longer than other requests, within a limit of its own, and others are answered meanwhile.
#[tokio::test(start_paused = true)]
async fn a_request_that_carries_a_file_may_be_longer() {
    let limits = Limits { file_bytes: 300_000, ..Limits::default() };
    let served = served(limits);
    let request = diff;
    let mut slow = served.client().await;
    slow.send(&request(200_000)[..100_000]).await;
    let mut client = served.client().await;
    client.is_served().await;
    slow.send(&request(200_000)[100_000..]).await;
    slow.send("\n").await;
    let reply = slow.line().await.expect("an answer");
    let message = reply["error"]["message"].as_str().unwrap_or_default();
    assert!(reply["id"] == 9 && message.contains("199956 bytes"), "as the controller of this test says: {reply}");
    client.send(request(300_000)).await;
    client.send("\n").await;
    assert_eq!(client.line().await.expect("an answer")["id"], 9);
    client.is_refused(request(300_001), "too-large").await;
    assert_eq!(client.line().await, None, "closed");
}

fn diff(bytes: usize) -> String {
    let (before, after) = (r#"{"id":9,"command":"diff","args":{"text":""#, r#""}}"#);
    format!("{before}{}{after}", "x".repeat(bytes - before.len() - after.len()))
}

/// Only one file is in memory at a time: who keeps others waiting gets an error after a while, and so do they.
#[tokio::test(start_paused = true)]
async fn whoever_sends_a_file_slowly_does_not_keep_others_waiting_without_a_word() {
    let served = served(Limits::default());
    let began = Instant::now();
    let mut slow = served.client().await;
    slow.send(&diff(200_000)[..100_000]).await;
    slow.line_is_not_there().await;
    let mut other = served.client().await;
    other.send(diff(200_000)).await;
    other.send("\n").await;
    let mut reader = served.client().await;
    let reply = other.line().await.expect("a word");
    assert_eq!(reply["error"]["code"], "busy", "{reply}");
    assert!(reply["error"]["message"].as_str().unwrap().contains("try again in a few seconds"), "{reply}");
    assert_eq!((other.line().await, began.elapsed() >= served.limits.turn), (None, true));
    // Whose request is whole may go on. An answer with a file has its turn as well.
    for command in [r#"{"id":9,"command":"history-show","args":{"number":1}}"#, r#"{"id":9,"command":"save-plan"}"#] {
        let mut slow = served.client().await;
        slow.send(&diff(200_000)[..100_000]).await;
        slow.line_is_not_there().await;
        reader.is_refused(command, "busy").await;
        reader.is_served().await;
        let reply = slow.line().await.expect("a word");
        assert_eq!(reply["error"]["code"], "busy", "{reply}");
        assert!(reply["error"]["message"].as_str().unwrap().contains("has not come whole within 10 s"), "{reply}");
        assert_eq!(slow.line().await, None, "closed");
        reader.is_refused(command, "unknown-member").await;
    }
}

/// What is long is read by a thread of its own.
#[tokio::test(start_paused = true)]
async fn a_long_request_is_parsed_while_others_are_served() {
    let served = served(Limits::default());
    let (mut long, mut short) = (served.client().await, served.client().await);
    short.is_served().await;
    let request = diff(served.limits.file_bytes);
    long.send(&request).await;
    long.send("\n").await;
    short.send(COUNTERS).await;
    short.send("\n").await;
    let first = tokio::select! {
        biased;
        _ = long.line() => "the long one",
        line = short.line() => { assert!(line.is_some()); "the short one" }
    };
    assert_eq!(first, "the short one");
    assert_eq!(long.line().await.expect("an answer")["id"], 9);
}

#[tokio::test(start_paused = true)]
async fn a_line_without_end_is_cut_off() {
    let served = served(Limits::default());
    let (read, mut write) = UnixStream::connect(&served.path).await.unwrap().into_split();
    let endless = tokio::spawn(async move { while write.write_all(&[b'x'; 4096]).await.is_ok() {} });
    let mut reply = String::new();
    let mut read = BufReader::new(read);
    read.read_line(&mut reply).await.unwrap();
    assert!(reply.contains("too-large") && reply.contains("65536"), "{reply}");
    served.client().await.is_served().await;
    tokio::time::sleep(served.limits.grace * 2).await;
    endless.await.expect("the server closes on a client that never ends its line");
}

#[tokio::test(start_paused = true)]
async fn half_a_line_and_away_harms_nobody() {
    let served = served(Limits::default());
    for _ in 0..300 {
        let mut client = served.client().await;
        client.send(r#"{"id":1,"comm"#).await;
        drop(client);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    served.client().await.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_while_its_answer_is_made_harms_nobody() {
    let served = served(Limits::default());
    for _ in 0..50 {
        let mut client = served.client().await;
        client.send("{\"id\":7,\"command\":\"flows\"}\n").await;
        drop(client);
    }
    served.client().await.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed_after_its_time_and_holds_nobody_up() {
    let served = served(Limits::default());
    let began = Instant::now();
    let mut silent = served.client().await;
    let mut half = served.client().await;
    half.send("{\"id\":1,").await;
    served.client().await.is_served().await;
    assert_eq!(began.elapsed(), Duration::ZERO, "nobody waited");
    assert_eq!(silent.line().await, None);
    assert_eq!(half.line().await, None);
    assert!(began.elapsed() >= served.limits.idle && began.elapsed() < served.limits.idle * 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_holds_nobody_up_and_is_dropped() {
    let served = served(Limits::default());
    let began = Instant::now();
    let mut slow = served.client().await;
    slow.send("{\"id\":7,\"command\":\"flows\"}\n").await;
    for _ in 0..10 {
        served.client().await.is_served().await;
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "nobody waited");
    tokio::time::sleep(served.limits.write * 2).await;
    let mut got = Vec::new();
    let _ = timeout(served.limits.write, slow.0.read_to_end(&mut got)).await.expect("it was dropped");
    let rows = String::from_utf8_lossy(&got).matches("\"value\"").count();
    assert!(rows > 0 && rows < LONG_ANSWER, "{rows} rows of {LONG_ANSWER}");
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_does_not_answer_is_reported() {
    let served = served(Limits::default());
    let mut client = served.client().await;
    client.is_refused(r#"{"id":1,"command":"status"}"#, "no-answer").await;
    client.is_refused(r#"{"id":1,"command":"reload"}"#, "stopping").await;
    client.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_clients_at_once_are_all_served() {
    let served = served(Limits::default());
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(served.client().await);
    }
    for client in &mut clients {
        client.send("{\"id\":7,\"command\":\"counters\"}\n").await;
    }
    for client in clients.iter_mut().rev() {
        assert_eq!(client.line().await.unwrap()["ok"], true);
        client.is_served().await;
    }
}

#[tokio::test(start_paused = true)]
async fn for_one_client_too_many_the_longest_idle_gives_way_and_is_told_why() {
    let served = served(Limits { clients: 3, ..Limits::default() });
    let mut seated = Vec::new();
    for _ in 0..3 {
        let mut client = served.client().await;
        client.is_served().await;
        seated.push(client);
    }
    // The first to come has just been served again: the second is idle longest.
    seated[0].is_served().await;
    served.client().await.is_served().await;
    let mut idle = seated.remove(1);
    let reply = idle.line().await.unwrap();
    assert_eq!(reply["error"]["code"], "busy");
    assert!(reply["error"]["message"].as_str().unwrap().starts_with("too many clients: 3 are connected"), "{reply}");
    assert_eq!(idle.line().await, None);
    for client in &mut seated {
        client.is_served().await;
    }
}

#[tokio::test(start_paused = true)]
async fn three_hundred_idle_clients_and_some_who_do_not_read_lock_nobody_out() {
    let served = served(Limits::default());
    let mut idle = Vec::new();
    for round in 0..300 {
        let mut client = served.client().await;
        match round % 10 {
            0 => client.send(r#"{"command":"#).await,
            1 => client.send("{\"command\":\"flows\"}\n").await,
            _ => {}
        }
        idle.push(client);
        if round % 50 == 49 {
            served.client().await.is_served().await;
        }
    }
    served.client().await.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn while_all_clients_are_being_answered_one_more_is_told_so() {
    let served = served(Limits { clients: 3, ..Limits::default() });
    let mut asking = Vec::new();
    for _ in 0..3 {
        let mut client = served.client().await;
        client.send("{\"command\":\"status\"}\n").await;
        asking.push(client);
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut extra = served.client().await;
    let reply = extra.line().await.unwrap();
    assert_eq!(reply["error"]["code"], "busy");
    assert!(reply["error"]["message"].as_str().unwrap().starts_with("too many clients: 3 are connected"), "{reply}");
    assert_eq!(extra.line().await, None);
    asking.pop();
    tokio::time::sleep(Duration::from_secs(61)).await;
    served.client().await.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn at_the_end_the_file_goes_and_clients_are_let_go() {
    let served = served(Limits::default());
    let mode = std::fs::metadata(&served.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let mut idle = served.client().await;
    idle.is_served().await;
    let mut waiting = served.client().await;
    waiting.send("{\"id\":1,\"command\":\"status\"}\n").await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let began = Instant::now();
    served.stop.send(()).unwrap();
    served.server.await.unwrap();
    assert!(began.elapsed() <= served.limits.grace + Duration::from_millis(1));
    assert!(!served.path.exists());
    assert_eq!(idle.line().await, None);
    assert_eq!(waiting.line().await, None);
}

#[tokio::test]
async fn a_file_left_behind_is_taken_over_and_a_living_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a socket that nobody listens at");

    let socket = bind(&path, None).expect("taken over");
    let error = bind(&path, None).expect_err("somebody listens");
    assert!(matches!(error, SocketError::AnotherRuns(_)), "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()));

    std::fs::remove_file(&path).unwrap();
    let newer = bind(&path, None).expect("its file was taken away");
    drop(socket);
    assert!(path.exists(), "the file of the newer one stays");
    drop(newer);
    assert!(!path.exists());
}

#[tokio::test]
async fn what_cannot_be_a_socket_is_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("notes.txt");
    std::fs::write(&file, "mine").unwrap();
    assert!(bind(&file, None).unwrap_err().to_string().contains("is not a socket"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");

    let below = file.join("admin.sock");
    assert!(bind(&below, None).unwrap_err().to_string().contains("cannot create the directory"));

    let long = directory.path().join("x".repeat(120));
    assert!(bind(&long, None).unwrap_err().to_string().contains("at most 107"));
}

/// As root: the socket and a closed folder of its own belong to the group; a folder that others use stays as it is.
#[tokio::test]
async fn a_group_may_be_given_the_socket() {
    use std::os::unix::fs::MetadataExt;
    let root = tempfile::tempdir().expect("a directory");
    if std::fs::metadata(root.path()).expect("metadata").uid() != 0 {
        return;
    }
    let owner = |path: &std::path::Path| {
        let about = std::fs::metadata(path).expect("metadata");
        (about.gid(), about.mode() & 0o777)
    };
    let make = |name: &str, mode: u32| {
        let folder = root.path().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).expect("its mode");
        folder
    };
    for (name, mode, folder_after) in
        [("closed", 0o700, (4_242, 0o750)), ("own", 0o750, (4_242, 0o750)), ("open", 0o755, (0, 0o755))]
    {
        let folder = make(name, mode);
        let path = folder.join("admin.sock");
        let _socket = bind(&path, Some("4242")).expect("a socket");
        assert_eq!((owner(&path), owner(&folder)), ((4_242, 0o660), folder_after), "{name}");
    }
    // A group that nobody has keeps nobody from starting.
    let path = make("nobody", 0o750).join("admin.sock");
    let _socket = bind(&path, Some("no-such-group")).expect("a socket");
    assert_eq!(owner(&path), (0, 0o660));
}

#[tokio::test]
async fn the_second_socket_in_a_folder_with_another_group_leaves_the_first_one_its_own() {
    use std::os::unix::fs::MetadataExt;
    let root = tempfile::tempdir().expect("a directory");
    let about = |path: &std::path::Path| {
        let about = std::fs::metadata(path).expect("metadata");
        (about.uid(), about.gid(), about.mode() & 0o777)
    };
    if about(root.path()).0 != 0 {
        return;
    }
    let folder = root.path().join("run");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o750)).expect("its mode");
    let (first, second) = (folder.join("admin.sock"), folder.join("ro.sock"));
    let _first = bind(&first, Some("4242")).expect("a socket");
    let _second = bind_second(&second, Some("4243")).expect("another");
    assert_eq!(about(&folder), (0, 4_242, 0o751), "whoever knows a name may pass");
    assert_eq!((about(&first), about(&second)), ((0, 4_242, 0o660), (0, 4_243, 0o660)));
}

#[tokio::test(start_paused = true)]
async fn s105_the_read_only_socket_answers_what_changes_nothing_and_names_the_other_one() {
    let served = served_as(Access::ReadOnly("/run/fairlead/admin.sock".into()), Limits::default());
    let mut client = served.client().await;
    client.is_served().await;
    for request in [
        r#"{"command":"announce"}"#,
        r#"{"command":"reload"}"#,
        r#"{"command":"member-set","args":{"member":"a","admin":"draining"}}"#,
        r#"{"command":"latency","args":{"reset":true}}"#,
        r#"{"command":"log-level","args":{"level":"debug"}}"#,
        r#"{"command":"alarm-acknowledge","args":{"id":1}}"#,
    ] {
        let reply = client.asked(request).await;
        assert_eq!(reply["error"]["code"], "read-only", "{reply}");
        let message = reply["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("ask at /run/fairlead/admin.sock"), "{message}");
    }
    let capture = client.asked(r#"{"command":"capture","args":{}}"#).await;
    let message = capture["error"]["message"].as_str().unwrap_or_default();
    let wanted = ["what people say", "ask at /run/fairlead/admin.sock (--socket /run/fairlead/admin.sock)"];
    assert!(wanted.iter().all(|part| message.contains(part)), "{message}");
    let command = client.asked(r#"{"command":"announce"}"#).await;
    assert!(
        command["error"]["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("this command changes something"))
    );
    for request in [r#"{"command":"latency"}"#, r#"{"command":"log-level"}"#, r#"{"command":"events"}"#] {
        client.is_refused(request, "unknown-member").await;
    }
    client.is_served().await;
}

#[tokio::test]
async fn who_asks_is_known_by_the_kernel() {
    let served = served(Limits::default());
    let mut client = served.client().await;
    let reply = client.asked(r#"{"command":"announce"}"#).await;
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("metadata"));
    let rows = reply["data"].as_array().map(Vec::len);
    assert_eq!(rows, Some(uid as usize % 7 + 1), "the user, and that there is a process");
}

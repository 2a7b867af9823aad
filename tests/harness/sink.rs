//! A mail server that counts: it takes every message in memory and tells how
//! often each came. A test may have it do something at a given point of the
//! conversation, such as killing whoever is sending.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Points of a conversation, in order: a command has come and is not answered;
/// half of the message has; its last line has, and the message is not taken, is
/// taken, is taken and the answer is written.
pub(crate) const POINTS: [&str; 9] =
    ["connected", "EHLO", "MAIL", "RCPT", "DATA", "text", "ended", "taken", "answered"];

/// What is done at a point, once.
type Trap = Option<(&'static str, Box<dyn FnOnce() + Send>)>;

#[derive(Default)]
struct State {
    taken: Vec<String>,
    trap: Trap,
}

/// The server; gone when it is dropped.
pub(crate) struct Sink {
    port: u16,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        let listener = match TcpListener::bind("127.0.0.1:0").await {
            Ok(listener) => listener,
            Err(error) => panic!("no port for a mail server: {error}"),
        };
        let port = listener.local_addr().map(|address| address.port()).unwrap_or_default();
        let state = Arc::<Mutex<State>>::default();
        let served = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let state = Arc::clone(&served);
                tokio::spawn(async move { serve(stream, &state).await });
            }
        });
        Self { port, state, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}?tls=none", self.port)
    }

    /// Does something the next time that a conversation comes to `point`. That
    /// conversation ends there.
    pub(crate) fn at(&self, point: &'static str, what: impl FnOnce() + Send + 'static) {
        assert!(POINTS.contains(&point), "{point}");
        lock(&self.state).trap = Some((point, Box::new(what)));
    }

    /// Whether what was to be done is still to come.
    pub(crate) fn is_armed(&self) -> bool {
        lock(&self.state).trap.is_some()
    }

    /// All messages taken, in order, as they came over the wire.
    pub(crate) fn taken(&self) -> Vec<String> {
        lock(&self.state).taken.clone()
    }

    /// How many messages were taken.
    pub(crate) fn count(&self) -> usize {
        lock(&self.state).taken.len()
    }

    /// How often each message was taken, by its Message-ID.
    pub(crate) fn times(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for message in &lock(&self.state).taken {
            *times.entry(header(message, "Message-ID")).or_default() += 1;
        }
        times
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A header of a message; empty without it.
pub(crate) fn header(message: &str, name: &str) -> String {
    let prefix = format!("{name}: ");
    message.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
}

/// The link in a message, which quoted-printable has folded.
pub(crate) fn link(message: &str) -> Option<String> {
    let whole = message.replace("=\r\n", "").replace("=3D", "=");
    let at = whole.find("http")?;
    Some(whole[at..].split(|c: char| c.is_whitespace() || c == '"' || c == '<').next()?.to_owned())
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Springs the trap if it is set here; true ends the conversation.
fn reached(state: &Mutex<State>, point: &str) -> bool {
    let mut guard = lock(state);
    match guard.trap.take_if(|(at, _)| *at == point) {
        Some((_, what)) => {
            drop(guard);
            what();
            true
        }
        None => false,
    }
}

async fn serve(stream: TcpStream, state: &Mutex<State>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    if reached(state, "connected") || write.write_all(b"220 sink\r\n").await.is_err() {
        return;
    }
    while let Ok(Some(line)) = lines.next_line().await {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        if reached(state, &word) {
            return;
        }
        let answer: &[u8] = match word.as_str() {
            "EHLO" => b"250-sink\r\n250 8BITMIME\r\n",
            "DATA" => b"354 go ahead\r\n",
            "QUIT" => b"221 bye\r\n",
            _ => b"250 fine\r\n",
        };
        if write.write_all(answer).await.is_err() {
            return;
        }
        if word != "DATA" {
            continue;
        }
        let mut message = String::new();
        loop {
            let Ok(Some(line)) = lines.next_line().await else { return };
            if line == "." {
                break;
            }
            message.push_str(line.strip_prefix('.').unwrap_or(&line));
            message.push_str("\r\n");
            if message.len() > 1000 && reached(state, "text") {
                return;
            }
        }
        if reached(state, "ended") {
            return;
        }
        lock(state).taken.push(message);
        if reached(state, "taken") || write.write_all(b"250 taken\r\n").await.is_err() {
            return;
        }
        if reached(state, "answered") {
            return;
        }
    }
}

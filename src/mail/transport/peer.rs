//! A mail server for tests, which says what the test wants it to say.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{AddressPolicy, SmtpTransport, Timeouts};
use crate::mail::settings::{Credentials, ServerSettings, Tls};

/// For a peer that answers: a busy machine must not look like a silent server.
pub(crate) const PATIENT: Timeouts = Timeouts {
    command: Duration::from_secs(20),
    whole: Duration::from_secs(40),
    answer: Duration::from_secs(40),
};

/// For a peer that does not.
pub(crate) const IMPATIENT: Timeouts = Timeouts {
    command: Duration::from_millis(1000),
    whole: Duration::from_millis(2000),
    answer: Duration::from_millis(1000),
};

/// What the peer does when a command begins with a word.
#[derive(Clone, Debug)]
pub(crate) enum Do {
    Say(&'static str),
    /// Say, then hang up.
    Last(&'static str),
    Silence,
    HangUp,
    Endless,
    /// Say, after so long.
    Late(Duration, &'static str),
    /// Say, but only from the second, third, ... time on.
    After(usize, &'static str),
    /// Say, but only the first so many times.
    First(usize, &'static str),
    /// One line of so many bytes.
    Line(usize),
    /// Take the beginning of the message and hang up.
    HangUpInText,
}

use Do::{After, Endless, First, HangUp, HangUpInText, Last, Late, Line, Say, Silence};

/// A connection to the peer answers kindly, except where the script says
/// otherwise; "GREETING" and "." stand for the greeting and the message.
pub(crate) type Script = Vec<(&'static str, Do)>;

pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    task: JoinHandle<Vec<Vec<String>>>,
}

impl Peer {
    /// Serves one connection per script, one after the other.
    pub(crate) async fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut heard = Vec::new();
            for script in scripts {
                let (stream, _) = listener.accept().await.unwrap();
                heard.push(serve(stream, &script).await);
            }
            heard
        });
        Self { address, task }
    }

    pub(crate) fn transport(&self) -> SmtpTransport {
        self.transport_with(Tls::None, None, PATIENT)
    }

    pub(crate) fn transport_with(
        &self,
        tls: Tls,
        credentials: Option<Credentials>,
        timeouts: Timeouts,
    ) -> SmtpTransport {
        let mut settings = ServerSettings::new("127.0.0.1", Some(self.address.port()), tls, None).unwrap();
        // Straight into the field: the constructor refuses them without TLS.
        settings.credentials = credentials;
        SmtpTransport::new(settings, AddressPolicy::Any, timeouts).unwrap()
    }

    /// What the peer heard, by connection.
    pub(crate) async fn heard(self) -> Vec<Vec<String>> {
        tokio::time::timeout(Duration::from_secs(5), self.task).await.unwrap().unwrap()
    }
}

async fn serve(stream: TcpStream, script: &Script) -> Vec<String> {
    let mut heard = Vec::new();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut word = "GREETING".to_owned();
    loop {
        let scripted = script.iter().find(|(when, _)| word.starts_with(when));
        let before = |when: &str| heard.iter().filter(|line: &&String| line.starts_with(when)).count();
        let now = |when: &str, what: &Do| match what {
            After(times, _) => before(when) > *times,
            First(times, _) => before(when) <= *times,
            _ => true,
        };
        let scripted = scripted.filter(|(when, what)| now(when, what));
        match scripted.map(|(_, what)| what.clone()).unwrap_or(Say(match word.as_str() {
            "GREETING" => "220 peer ESMTP",
            "DATA" => "354 go ahead",
            "." => "250 2.0.0 queued as 4711",
            word if word.starts_with("EHLO") => "250-peer\r\n250 AUTH PLAIN LOGIN",
            word if word.starts_with("AUTH") => "235 welcome",
            _ => "250 fine",
        })) {
            Say(words) | After(_, words) | First(_, words) => {
                if write.write_all(format!("{words}\r\n").as_bytes()).await.is_err() {
                    return heard;
                }
            }
            Last(words) => {
                let _ = write.write_all(format!("{words}\r\n").as_bytes()).await;
                return heard;
            }
            Silence => {}
            HangUp => return heard,
            Late(wait, words) => {
                tokio::time::sleep(wait).await;
                if write.write_all(format!("{words}\r\n").as_bytes()).await.is_err() {
                    return heard;
                }
            }
            Line(length) => {
                let line = format!("250 {}\r\n", "x".repeat(length));
                if write.write_all(line.as_bytes()).await.is_err() {
                    return heard;
                }
            }
            HangUpInText => {
                let _ = write.write_all(b"354 go ahead\r\n").await;
                let _ = lines.next_line().await;
                return heard;
            }
            Endless => {
                let chunk = [b'x'; 4096];
                while write.write_all(&chunk).await.is_ok() {}
                return heard;
            }
        }
        let begins =
            scripted.is_none_or(|(_, what)| matches!(what, Late(_, words) if words.starts_with("354")));
        if word == "DATA" && begins {
            let mut message = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                if line == "." {
                    break;
                }
                message.push_str(line.strip_prefix('.').unwrap_or(&line));
                message.push('\n');
            }
            heard.push(message);
            word = ".".to_owned();
        } else {
            match lines.next_line().await {
                Ok(Some(line)) => {
                    heard.push(line.clone());
                    word = line;
                }
                _ => return heard,
            }
        }
    }
}

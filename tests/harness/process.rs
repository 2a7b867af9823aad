//! The built `tenantry` binary as a child process, its output line by line.
//!
//! The child is started from a thread of its own that lives as long as it
//! does: the kernel kills it when that thread ends, so also when the test's
//! process is killed.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::run::{blocking, end_with_the_runner, or_panic};

/// A call of the binary that is being put together.
pub(crate) struct Tenantry {
    command: Command,
    told: String,
}

impl Tenantry {
    /// Nothing of the caller's settings reaches the binary: neither
    /// `TENANTRY_*` nor a kubeconfig, nor a proxy between it and loopback.
    pub(crate) fn new<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments: Vec<OsString> = arguments.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_tenantry")]).args(&arguments);
        for (name, _) in std::env::vars_os() {
            let upper = name.to_string_lossy().to_uppercase();
            if upper.starts_with("TENANTRY_")
                || upper.ends_with("_PROXY")
                || upper == "KUBECONFIG"
                || upper == "RUST_LOG"
            {
                command.env_remove(&name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let words: Vec<_> = arguments.iter().map(|a| a.to_string_lossy()).collect();
        Self { command, told: format!("tenantry {}", words.join(" ")) }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The folder that it runs in.
    pub(crate) fn dir(mut self, path: impl AsRef<Path>) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Starts it and returns at once.
    pub(crate) fn spawn(mut self) -> Running {
        end_with_the_runner();
        let shared = Arc::new(Shared::default());
        let (pid_sender, pid) = channel();
        let state = Arc::clone(&shared);
        thread::spawn(move || attend(&mut self.command, &state, &pid_sender));
        let pid = or_panic(receive(&pid));
        Running { told: self.told, shared, pid }
    }

    /// Runs it to its end.
    pub(crate) async fn finish(self, timeout: Duration) -> Finished {
        let running = self.spawn();
        let status = running.wait(timeout).await;
        Finished { status, stdout: running.stdout(), stderr: running.stderr() }
    }
}

/// What a call of the binary left.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// A running `tenantry`; killed when the value goes.
pub(crate) struct Running {
    told: String,
    shared: Arc<Shared>,
    pid: u32,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stdout: String,
    stderr: String,
    ended: Option<ExitStatus>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn stdout(&self) -> String {
        self.shared.lock().stdout.clone()
    }

    pub(crate) fn stderr(&self) -> String {
        self.shared.lock().stderr.clone()
    }

    /// The exit status, once it has ended.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.shared.lock().ended
    }

    /// Waits for a whole line with `text` in it, on either output, and gives it.
    pub(crate) async fn wait_for_line(&self, text: &str, timeout: Duration) -> String {
        let wanted = text.to_owned();
        let found = self.until(timeout, move |state| {
            let whole = |output: &str| {
                let lines = output.split_inclusive('\n');
                lines
                    .filter(|line| line.ends_with('\n'))
                    .find(|line| line.contains(&wanted))
                    .map(|l| l.trim_end().to_owned())
            };
            whole(&state.stdout).or_else(|| whole(&state.stderr))
        });
        match found.await {
            Some(line) => line,
            None => panic!("no line with `{text}` within {timeout:?} from {}", self.told()),
        }
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn wait(&self, timeout: Duration) -> ExitStatus {
        match self.until(timeout, |state| state.ended).await {
            Some(status) => status,
            None => panic!("not ended within {timeout:?}: {}", self.told()),
        }
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub(crate) async fn terminate(&self, timeout: Duration) -> ExitStatus {
        self.signal("TERM");
        self.wait(timeout).await
    }

    /// Kills it (SIGKILL), as a crash would.
    pub(crate) async fn kill(&self) -> ExitStatus {
        self.signal("KILL");
        self.wait(Duration::from_secs(10)).await
    }

    /// Sends a signal by its name, without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        if self.ended().is_some() {
            return;
        }
        let pid = self.pid.to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid]).output();
        if let Err(error) = sent {
            panic!("cannot send {name}: {error}");
        }
    }

    async fn until<T: Send + 'static>(
        &self,
        timeout: Duration,
        find: impl Fn(&State) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let end = Instant::now() + timeout;
            let mut state = shared.lock();
            loop {
                if let Some(found) = find(&state) {
                    return Some(found);
                }
                let left = end.saturating_duration_since(Instant::now());
                // Whoever waits for a line need not wait for one from the dead.
                if left.is_zero() || state.ended.is_some() {
                    return None;
                }
                state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        })
        .await
    }

    fn told(&self) -> String {
        let state = self.shared.lock();
        let end = state.ended.map_or("still running".to_owned(), |status| status.to_string());
        format!("`{}` ({end})\nstdout:\n{}\nstderr:\n{}", self.told, state.stdout, state.stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal("KILL");
        let end = Instant::now() + Duration::from_secs(5);
        let mut state = self.shared.lock();
        while state.ended.is_none() && Instant::now() < end {
            state = self
                .shared
                .changed
                .wait_timeout(state, Duration::from_millis(100))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8], pick: fn(&mut State) -> &mut String) {
        pick(&mut self.lock()).push_str(&String::from_utf8_lossy(line));
        self.changed.notify_all();
    }
}

fn attend(command: &mut Command, shared: &Arc<Shared>, pid: &Sender<Result<u32, String>>) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = pid.send(Err(format!("cannot start {command:?}: {error}")));
            return;
        }
    };
    let readers = [
        read(child.stdout.take(), shared, |state| &mut state.stdout),
        read(child.stderr.take(), shared, |state| &mut state.stderr),
    ];
    let _ = pid.send(Ok(child.id()));
    // Its last words first, then its end: who sees the end has seen them all.
    for reader in readers {
        let _ = reader.join();
    }
    let ended = wait(&mut child);
    shared.lock().ended = Some(ended);
    shared.changed.notify_all();
}

fn wait(child: &mut Child) -> ExitStatus {
    match child.wait() {
        Ok(status) => status,
        Err(error) => panic!("cannot wait for the child: {error}"),
    }
}

fn read(
    pipe: Option<impl Read + Send + 'static>,
    shared: &Arc<Shared>,
    pick: fn(&mut State) -> &mut String,
) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let Some(pipe) = pipe else { return };
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            shared.add(&line, pick);
            line.clear();
        }
    })
}

fn receive(pid: &Receiver<Result<u32, String>>) -> Result<u32, String> {
    pid.recv().unwrap_or_else(|_| Err("the thread that starts the child has failed".to_owned()))
}

//! Processes under a guard: started in the background, watched while they come
//! up, stopped and started again by whichever test process asks.
//!
//! The guard itself is `tests/tools/guard`. Here is only the talking to it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::in_tree;
use super::run::{Folder, RUN, or_panic, own_uid};

/// No test run takes longer; the end of a runner that hangs for ever.
const RUN_BOUND: &str = "7200";

/// From which tests are given ports.
const PORTS: Range<u16> = 20_000..32_000;

/// A process under a guard, by its files.
pub(crate) struct Guarded {
    name: String,
    state: PathBuf,
    privileged: bool,
}

impl Guarded {
    /// The process that an earlier call of `start` has left here.
    pub(crate) fn at(folder: &Folder, name: &str) -> Self {
        Self { name: name.to_owned(), state: folder.file(name), privileged: false }
    }

    /// For programs that only work as root; asks `sudo` when we are not.
    pub(crate) fn with_privileges(mut self) -> Self {
        self.privileged = own_uid() != 0;
        self
    }

    /// Starts `command`; `signal` is the one that ends it in good order.
    pub(crate) fn start<S: AsRef<OsStr>>(
        &self,
        watch: u32,
        signal: &str,
        command: &[S],
    ) -> Result<(), String> {
        // The end of an earlier start would be taken for this one's.
        let _ = fs::remove_file(self.file("exit"));
        let mut guard = self.program("setsid");
        guard
            .arg("--fork")
            .arg(in_tree("tests/tools/guard"))
            .args([&watch.to_string(), RUN_BOUND])
            .arg(&self.state)
            .arg(signal)
            // Should the guard be killed itself, the kernel ends the command.
            .args(["setpriv", "--pdeathsig", "KILL"])
            .args(command);
        quietly(guard).map_err(|e| format!("{}: cannot start its guard: {e}", self.name))?;
        self.until(Duration::from_secs(10), || self.file("guard").exists() || self.file("exit").exists())
    }

    /// Waits until `ready`, and says why not with the end of the log.
    pub(crate) fn until(&self, bound: Duration, mut ready: impl FnMut() -> bool) -> Result<(), String> {
        let start = Instant::now();
        loop {
            if ready() {
                return Ok(());
            }
            if self.file("exit").exists() {
                return Err(format!("{} ended while it started; {}", self.name, self.log()));
            }
            if start.elapsed() > bound {
                return Err(format!("{} is not ready after {bound:?}; {}", self.name, self.log()));
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// Ends the process and waits until it has ended.
    pub(crate) fn stop(&self) -> Result<(), String> {
        let Ok(pid) = fs::read_to_string(self.file("guard")) else {
            return Ok(());
        };
        let mut kill = self.program("sh");
        kill.args(["-c", "kill -s TERM \"$0\"", pid.trim()]);
        // A guard that is gone already has done what we want of it.
        let _ = quietly(kill);
        let start = Instant::now();
        while self.file("guard").exists() && self.is_alive() {
            if start.elapsed() > Duration::from_secs(20) {
                return Err(format!("{} does not stop; {}", self.name, self.log()));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(crate) fn is_alive(&self) -> bool {
        fs::read_to_string(self.file("guard")).is_ok_and(|pid| {
            fs::read(format!("/proc/{}/cmdline", pid.trim()))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains("tools/guard"))
        })
    }

    /// Everything that the process has written.
    pub(crate) fn output(&self) -> String {
        let bytes = fs::read(self.file("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log(&self) -> String {
        let text = self.output();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.len().saturating_sub(15);
        match lines.get(last..) {
            Some(lines) if !lines.is_empty() => format!("its last lines:\n  {}", lines.join("\n  ")),
            _ => "it wrote nothing".to_owned(),
        }
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.state.with_extension(extension)
    }

    fn program(&self, program: &str) -> Command {
        if self.privileged {
            let mut command = Command::new("sudo");
            command.args(["-n", program]);
            command
        } else {
            Command::new(program)
        }
    }
}

/// Removes the folder when its run is over.
pub(crate) fn start_sweeper(folder: &Folder) -> Result<(), String> {
    let mut sweeper = Command::new("setsid");
    sweeper
        .arg("--fork")
        .arg(in_tree("tests/tools/guard"))
        .args(["--sweep", &folder.watch.to_string(), RUN_BOUND])
        .arg(&folder.path);
    quietly(sweeper).map_err(|e| format!("cannot start the sweeper: {e}"))
}

/// A port on loopback that nobody listens on now. It lies below the range from
/// which the kernel takes ports for outgoing connections, so that only another
/// listener can take it before it is used; and the tests of a run are given one
/// after the other, so that none of these does.
pub(crate) fn free_port() -> u16 {
    or_panic(next_port().map_err(|e| format!("no port on 127.0.0.1: {e}")))
}

fn next_port() -> io::Result<u16> {
    let path = RUN.join("ports");
    let mut given = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    given.lock()?;
    let mut last = String::new();
    given.read_to_string(&mut last)?;
    // Another run on this machine begins elsewhere.
    let mut port = last.parse().unwrap_or_else(|_| rand::random_range(PORTS));
    for _ in PORTS {
        port = if port + 1 < PORTS.end { port + 1 } else { PORTS.start };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.set_len(0)?;
            given.rewind()?;
            write!(given, "{port}")?;
            return Ok(port);
        }
    }
    Err(io::Error::other("all are taken"))
}

/// Runs a short command to its end; its output is the message if it fails.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{program}: {e} (`make deps` installs what the tests need)"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program}: {}: {text}{error}", output.status))
}

/// A background process must not hold the test's own output open: the runner
/// would wait for it.
fn quietly(mut command: Command) -> Result<(), String> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

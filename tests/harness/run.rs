//! One test run and the folder that belongs to it.
//!
//! cargo-nextest gives every test a process of its own, `cargo test` gives one
//! to every test binary. What they share is the runner above them, so the
//! runner's process id names the run: its folder holds what the parts have
//! said about themselves, and the guards watch that process. A test binary
//! that was started by hand is its own run.

use std::fs::{self, File, TryLockError};
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Once, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::guarded::{Guarded, start_sweeper};

/// How long a test waits for another test's process that starts a part.
const START_BOUND: Duration = Duration::from_secs(240);

/// Where one part keeps its files, and the process whose end ends the part.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    pub(crate) watch: u32,
}

impl Folder {
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file that only its owner can read when `secret`.
    pub(crate) fn write(&self, name: &str, text: &str, secret: bool) -> Result<PathBuf, String> {
        let path = self.file(name);
        let mode = if secret { 0o600 } else { 0o644 };
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        Ok(path)
    }

    /// A folder in this folder that every user can enter.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.file(name);
        make_folder(&path)?;
        Ok(path)
    }

    fn guarded(&self) -> Vec<Guarded> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|e| e == "guard")
                && let Some(name) = path.file_stem().and_then(|n| n.to_str())
            {
                found.push(Guarded::at(self, name));
            }
        }
        found
    }

    fn stop_all(&self) {
        for guarded in self.guarded() {
            if let Err(error) = guarded.stop() {
                eprintln!("{error}");
            }
        }
    }
}

/// What starts a part in an empty folder.
pub(crate) type Start<T> = fn(&Folder) -> Result<T, String>;

/// The part that all tests of this run share; started by the first that asks.
pub(crate) async fn shared<T>(cell: &'static OnceLock<T>, part: &'static str, start: Start<T>) -> &'static T
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    blocking(move || cell.get_or_init(|| or_panic(once(part, start)))).await
}

/// A part of the test's own, for tests that stop or restart it.
pub(crate) async fn alone<T>(part: &'static str, start: Start<T>) -> Alone<T>
where
    T: Send + 'static,
{
    static COUNT: AtomicU32 = AtomicU32::new(0);
    blocking(move || {
        let own = std::process::id();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let outer = Folder { path: RUN.join(format!("alone-{own}-{count}")), watch: own };
        let started = make_folder(&outer.path)
            .and_then(|()| start_sweeper(&outer))
            .and_then(|()| outer.folder(part))
            .and_then(|path| {
                let folder = Folder { path, watch: own };
                let part = start_with_free_ports(&folder, start)?;
                Ok(Alone { part, folder, outer: outer.path.clone() })
            });
        or_panic(started)
    })
    .await
}

/// A part that ends with the value.
pub(crate) struct Alone<T> {
    part: T,
    folder: Folder,
    outer: PathBuf,
}

impl<T> Deref for Alone<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.part
    }
}

impl<T> Drop for Alone<T> {
    fn drop(&mut self) {
        self.folder.stop_all();
        // Left-overs are the sweeper's business.
        let _ = fs::remove_dir_all(&self.outer);
    }
}

fn once<T: Serialize + DeserializeOwned>(part: &str, start: Start<T>) -> Result<T, String> {
    let run = Folder { path: RUN.clone(), watch: runner() };
    let path = run.folder(part)?;
    let folder = Folder { path, watch: run.watch };
    let (ready, failed) = (folder.file("ready.json"), folder.file("failed"));

    let _lock = lock(&run.file(&format!("{part}.lock")), part)?;
    if let Ok(text) = fs::read_to_string(&ready) {
        return serde_json::from_str(&text).map_err(|e| format!("{}: {e}", ready.display()));
    }
    // One failed start is enough: the others would only wait for the same end.
    if let Ok(text) = fs::read_to_string(&failed) {
        return Err(text);
    }
    match start_with_free_ports(&folder, start) {
        Ok(value) => {
            let text = serde_json::to_string(&value).map_err(|e| e.to_string())?;
            folder.write("ready.json", &text, true)?;
            Ok(value)
        }
        Err(text) => {
            folder.write("failed", &text, false)?;
            Err(text)
        }
    }
}

/// A free port is only free until somebody takes it, so a lost race is run again.
fn start_with_free_ports<T>(folder: &Folder, start: Start<T>) -> Result<T, String> {
    let mut result = Err(String::new());
    for _ in 0..3 {
        // A starter that was killed half-way leaves its processes to the guards.
        folder.stop_all();
        for entry in fs::read_dir(&folder.path).into_iter().flatten().flatten() {
            let path = entry.path();
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
        result = start(folder);
        match &result {
            Err(text) if text.to_lowercase().contains("address already in use") => {}
            _ => break,
        }
    }
    if result.is_err() {
        folder.stop_all();
    }
    result
}

fn lock(path: &Path, part: &str) -> Result<File, String> {
    let problem = |e: std::io::Error| format!("cannot lock {}: {e}", path.display());
    let file = File::create(path).map_err(problem)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(problem(error)),
            Err(TryLockError::WouldBlock) if start.elapsed() > START_BOUND => {
                return Err(format!("{part}: another test has been starting it for {START_BOUND:?}"));
            }
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(50)),
        }
    }
}

/// The folder of this run, with a sweeper behind it.
pub(super) static RUN: LazyLock<PathBuf> = LazyLock::new(|| or_panic(open_run()));

fn open_run() -> Result<PathBuf, String> {
    end_with_the_runner();
    let runner = runner();
    let Some(since) = started(runner) else {
        return Err(format!("the test runner (process {runner}) is gone"));
    };
    let base = base()?;
    let _lock = lock(&base.join("lock"), "the run's folder")?;
    sweep_stale(&base);
    let run = Folder { path: base.join(format!("{runner}-{since}")), watch: runner };
    if !run.path.exists() {
        make_folder(&run.path)?;
        start_sweeper(&run)?;
    }
    Ok(run.path)
}

/// Daemons that give up their rights must be able to enter the folder, which
/// rules out a private temporary folder of root.
fn base() -> Result<PathBuf, String> {
    let name = format!("tenantry-tests-{}", own_uid());
    let mut refused = String::new();
    for place in [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()] {
        let open = place.ancestors().all(|p| fs::metadata(p).is_ok_and(|m| m.mode() & 0o001 != 0));
        if own_uid() == 0 && !open {
            continue;
        }
        let base = place.join(&name);
        match make_folder(&base) {
            Ok(()) => return Ok(base),
            Err(error) => refused = error,
        }
    }
    Err(format!("no folder for the parts of the test run: {refused}"))
}

fn make_folder(path: &Path) -> Result<(), String> {
    let problem = |e: std::io::Error| format!("cannot make {}: {e}", path.display());
    fs::create_dir_all(path).map_err(problem)?;
    let found = fs::symlink_metadata(path).map_err(problem)?;
    if !found.is_dir() || found.uid() != own_uid() {
        return Err(format!("{} belongs to somebody else", path.display()));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(problem)
}

/// Ends this process when the runner is gone: a test must not go on working on
/// parts that are being taken away, nor leave children behind.
pub(crate) fn end_with_the_runner() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let runner = runner();
        let since = started(runner);
        if runner != std::process::id() {
            std::thread::spawn(move || {
                while started(runner) == since {
                    sleep(Duration::from_secs(1));
                }
                // Without a word: nobody reads the output any more.
                std::process::exit(1);
            });
        }
    });
}

/// Removes the folders of runs whose runner and guards are gone, as a machine
/// that lost its power leaves them.
fn sweep_stale(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some((pid, since)) = name.to_str().and_then(|n| n.split_once('-')) else {
            continue;
        };
        let runs = pid.parse().is_ok_and(|pid| started(pid).as_deref() == Some(since));
        let guarded = fs::read_dir(entry.path())
            .into_iter()
            .flatten()
            .flatten()
            .flat_map(|part| Folder { path: part.path(), watch: 0 }.guarded())
            .any(|guarded| guarded.is_alive());
        if !runs && !guarded {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The nearest process above this one that runs tests; else this one.
fn runner() -> u32 {
    let own = std::process::id();
    let mut pid = own;
    while let Some((_, parent)) = stat(pid).filter(|(_, parent)| *parent > 1) {
        let name = fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
        if matches!(name.trim(), "cargo-nextest" | "cargo") {
            return parent;
        }
        pid = parent;
    }
    own
}

/// When a process started, in the kernel's ticks: process ids come round again.
fn started(pid: u32) -> Option<String> {
    stat(pid).map(|(since, _)| since)
}

fn stat(pid: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in the second field may hold spaces and brackets.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Dead, and not collected by its parent yet.
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    Some((fields.get(19)?.to_string(), fields.get(1)?.parse().ok()?))
}

/// The user who runs the tests.
pub(crate) fn own_uid() -> u32 {
    fs::metadata("/proc/self").map_or(u32::MAX, |m| m.uid())
}

/// Runs what would block a worker of the test's runtime.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Ends the test with a message of the harness.
pub(crate) fn or_panic<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|text| panic!("{text}"))
}

//! Follows a source: a pass at the beginning, a pass after every change, and a
//! look at woken objects in between. Nothing is lost when the watching fails:
//! the folder is looked at every half minute as well.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::load::{Loaded, load};
use super::object::Object;
use super::pass::{Done, Passes};
use super::{Fault, order, walk};
use crate::domain::verdict::with_causes;
use crate::engine::EngineError;

/// Changes within this time are one change: editors write in several steps.
const DEBOUNCE: Duration = Duration::from_millis(300);
/// How often the folder is looked at without being told.
const POLL: Duration = Duration::from_secs(30);
/// How often woken objects are looked for.
const TICK: Duration = Duration::from_millis(500);
/// Wake-ups that would come within this time are handled in a pass at once.
const AHEAD: Duration = Duration::from_secs(10);
/// How long a failure is left alone.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What to follow, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder or file.
    pub path: PathBuf,
    /// Secrets beside those in the manifests; only to see when they change.
    pub secrets_dir: Option<PathBuf>,
}

/// Who wants to hear what happens.
#[async_trait]
pub trait Listener: Send {
    /// A pass is over.
    async fn passed(&mut self, pass: PassMade<'_>);
    /// Objects were looked at between two passes, because something else
    /// changed.
    async fn looked(&mut self, done: &[Done]);
    /// Something failed and is tried again.
    async fn failed(&mut self, problem: &str);
}

/// What a listener hears of a pass.
#[derive(Clone, Copy, Debug)]
pub struct PassMade<'a> {
    /// What the source holds.
    pub loaded: &'a Loaded,
    /// The faults that were not there before.
    pub faults: &'a [Fault],
    /// What became of each object.
    pub done: &'a [Done],
    /// Why nothing was removed, although that was asked for.
    pub kept_back: Option<&'static str>,
    /// It is the first one.
    pub first: bool,
}

/// Why following a source cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// There is nothing to follow.
    #[error("{0}")]
    Unreadable(String),
    /// The first pass failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Follows the source until `stop`. The first pass must get through; later
/// failures are told and tried again.
pub async fn watch(
    passes: Passes,
    options: Options,
    listener: &mut dyn Listener,
    stop: CancellationToken,
) -> Result<(), WatchError> {
    if let Err(error) = std::fs::metadata(&options.path) {
        let (path, why) = (options.path.display(), walk::plain(&error));
        return Err(WatchError::Unreadable(format!("{path} cannot be read: {why}: check --from")));
    }
    let (_watcher, mut changes) = changes(&options);
    let mut following = Following::new(passes, options);
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        passed = following.pass(listener, true) => passed?,
    }
    let mut poll = tokio::time::interval(POLL);
    let mut tick = tokio::time::interval(TICK);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let look = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(()) = changes.recv() => {
                tokio::time::sleep(DEBOUNCE).await;
                while changes.try_recv().is_ok() {}
                true
            }
            _ = poll.tick() => true,
            _ = tick.tick() => false,
        };
        // A transaction that is cut short leaves no trace, and the next start
        // looks at every object: stopping in the middle loses nothing.
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = following.step(look, listener) => {}
        }
    }
}

/// Tells of changes; the watcher lives as long as it is kept.
fn changes(options: &Options) -> (Option<notify::RecommendedWatcher>, mpsc::Receiver<()>) {
    let (sender, receiver) = mpsc::channel(1);
    let told = move |event: notify::Result<notify::Event>| {
        // Reading a folder is reported as well, and this reads it.
        if event.is_ok_and(|event| event.kind.is_access()) {
            return;
        }
        // Full means that a change is waiting to be seen already.
        let _ = sender.try_send(());
    };
    let path = &options.path;
    let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
        // A file is often replaced rather than written: watch its folder.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if path.is_dir() {
            watcher.watch(path, RecursiveMode::Recursive)?;
        } else {
            watcher.watch(parent.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)?;
        }
        if let Some(secrets) = &options.secrets_dir {
            watcher.watch(secrets, RecursiveMode::Recursive)?;
        }
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => (Some(watcher), receiver),
        Err(error) => {
            tracing::warn!(%error, "the system does not report changes; looking every 30 seconds instead");
            (None, receiver)
        }
    }
}

/// Path, size and time of change of every file that matters.
type Seen = Vec<(PathBuf, u64, Option<SystemTime>)>;

struct Following {
    passes: Passes,
    options: Options,
    last: Loaded,
    seen: Seen,
    told: BTreeSet<Fault>,
    failure: Option<String>,
    /// A pass failed half-way and has to be made again.
    unfinished: bool,
}

impl Following {
    fn new(passes: Passes, options: Options) -> Self {
        Self {
            passes,
            options,
            last: Loaded::default(),
            seen: vec![],
            told: BTreeSet::new(),
            failure: None,
            unfinished: false,
        }
    }

    /// One step between two waits. Its failure is told once and tried again.
    async fn step(&mut self, look: bool, listener: &mut dyn Listener) {
        let pass = self.unfinished || (look && self.seen() != self.seen);
        let result = if pass { self.pass(listener, false).await } else { self.look(listener).await };
        match result {
            Ok(()) => self.failure = None,
            Err(error) => {
                let problem = with_causes(&error);
                if self.failure.as_ref() != Some(&problem) {
                    listener.failed(&problem).await;
                }
                self.failure = Some(problem);
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }

    fn seen(&self) -> Seen {
        let mut files = walk::find(&self.options.path).files;
        if let Some(secrets) = &self.options.secrets_dir {
            files.extend(below(secrets, 3));
        }
        files
            .into_iter()
            .map(|path| {
                let meta = std::fs::metadata(&path).ok();
                let size = meta.as_ref().map_or(0, std::fs::Metadata::len);
                (path, size, meta.and_then(|meta| meta.modified().ok()))
            })
            .collect()
    }

    async fn pass(&mut self, listener: &mut dyn Listener, first: bool) -> Result<(), EngineError> {
        self.unfinished = true;
        self.seen = self.seen();
        let path = self.options.path.clone();
        let mut loaded = tokio::task::spawn_blocking(move || load(&path)).await.unwrap_or_default();
        loaded.objects = self.with_last_good(loaded.objects, &loaded.faults);
        let kept_back = self.passes.take(&loaded).await?;
        self.passes.all(AHEAD, &mut |_| {}).await?;
        let now: BTreeSet<Fault> = loaded.faults.iter().cloned().collect();
        let new: Vec<Fault> = now.difference(&self.told).cloned().collect();
        let done: Vec<Done> = self.passes.done().cloned().collect();
        let made = PassMade { loaded: &loaded, faults: &new, done: &done, kept_back, first };
        listener.passed(made).await;
        self.told = now;
        self.last = loaded;
        self.unfinished = false;
        Ok(())
    }

    /// A file or folder that was broken since keeps the objects that it had.
    fn with_last_good(&self, mut objects: Vec<Object>, faults: &[Fault]) -> Vec<Object> {
        let broken: BTreeSet<_> =
            faults.iter().filter(|fault| fault.unread).map(|fault| &fault.at.file).collect();
        if broken.is_empty() {
            return objects;
        }
        let here: BTreeSet<_> = objects.iter().map(|object| object.key.clone()).collect();
        let is_broken = |file: &Path| broken.iter().any(|broken| file.starts_with(broken));
        let missed = self
            .last
            .objects
            .iter()
            .filter(|object| is_broken(&object.excerpt.file) && !here.contains(&object.key));
        objects.extend(missed.cloned());
        order::sorted(objects)
    }

    async fn look(&mut self, listener: &mut dyn Listener) -> Result<(), EngineError> {
        let mut done = vec![];
        self.passes.settle(Duration::ZERO, &mut |one| done.push(one.clone())).await?;
        if !done.is_empty() {
            listener.looked(&done).await;
        }
        Ok(())
    }
}

/// Files of a folder of Secrets, which may be called anything.
fn below(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).take(walk::MAX_FILES).collect();
    paths.sort();
    let inner = |path: PathBuf| if path.is_dir() && depth > 0 { below(&path, depth - 1) } else { vec![path] };
    paths.into_iter().flat_map(inner).collect()
}

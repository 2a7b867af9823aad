//! Follows a source: a pass at the beginning, a pass after every change, and a
//! look at woken objects in between. Nothing is lost when the watching fails:
//! the folder is looked at every half minute as well.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::load::{Loaded, load};
use super::object::Object;
use super::pass::{Done, Passes, Prune};
use super::surroundings::{Facts, FileSurroundings};
use super::{Fault, order, walk};
use crate::engine::{Engine, EngineError};

/// Changes within this time are one change: editors write in several steps.
const DEBOUNCE: Duration = Duration::from_millis(300);
/// How often the folder is looked at without being told.
const POLL: Duration = Duration::from_secs(30);
/// How often woken objects are looked for.
const TICK: Duration = Duration::from_millis(500);
/// Wake-ups that would come within this time are handled in a pass at once.
const AHEAD: Duration = Duration::from_secs(10);

/// What to follow, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder or file.
    pub path: PathBuf,
    /// Secrets beside those in the manifests.
    pub secrets_dir: Option<PathBuf>,
    /// What becomes of objects that are gone.
    pub prune: Prune,
}

impl Options {
    /// The source on its way into the database.
    pub fn passes(&self, engine: Engine) -> Passes {
        let world = FileSurroundings { facts: Facts::default(), secrets_dir: self.secrets_dir.clone() };
        Passes::new(engine, world, self.prune.clone())
    }
}

/// Who wants to hear what happens.
pub trait Listener: Send {
    /// A pass is over. `faults` are those that were not there before; `first`
    /// is true at the beginning.
    fn passed(&mut self, loaded: &Loaded, faults: &[Fault], done: &[Done], kept_back: Option<&str>, first: bool);
    /// Objects were looked at between two passes, because something else
    /// changed.
    fn looked(&mut self, done: &[Done]);
    /// Something failed and is tried again.
    fn failed(&mut self, problem: &str);
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
    engine: Engine,
    options: Options,
    listener: &mut dyn Listener,
    stop: CancellationToken,
) -> Result<(), WatchError> {
    if let Err(error) = std::fs::metadata(&options.path) {
        let (path, why) = (options.path.display(), walk::plain(&error));
        return Err(WatchError::Unreadable(format!("{path} cannot be read: {why}: check --from")));
    }
    let (_watcher, mut changes) = changes(&options.path);
    let mut following = Following { passes: options.passes(engine), path: options.path, ..Following::empty() };
    following.pass(listener, true).await?;
    let mut poll = tokio::time::interval(POLL);
    let mut tick = tokio::time::interval(TICK);
    poll.reset();
    for timer in [&mut poll, &mut tick] {
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
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
        // What has begun is finished: a pass is made of whole transactions,
        // and shutting down hard takes the whole task away.
        let result = if look && following.changed() {
            following.pass(listener, false).await
        } else if following.unfinished {
            following.pass(listener, false).await
        } else {
            following.look(listener).await
        };
        if let Err(error) = result {
            following.tell_failure(&error, listener);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(Duration::from_secs(5)) => {}
            }
        } else {
            following.failure = None;
        }
    }
}

/// Tells of changes below `path`; the watcher lives as long as it is kept.
fn changes(path: &Path) -> (Option<notify::RecommendedWatcher>, mpsc::Receiver<()>) {
    let (sender, receiver) = mpsc::channel(1);
    let kept = sender.clone();
    let told = move |_event| {
        // Full means that a change is waiting to be seen already.
        let _ = sender.try_send(());
    };
    let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
        // A file is often replaced rather than written: watch its folder.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = if path.is_dir() { path } else { parent.unwrap_or(Path::new(".")) };
        let mode = if path.is_dir() { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        watcher.watch(folder, mode).map(|()| watcher)
    });
    match watcher {
        Ok(watcher) => (Some(watcher), receiver),
        Err(error) => {
            tracing::warn!(%error, "changes are not reported by the system; looking every 30 seconds instead");
            // The channel must stay open, or its end would look like a change.
            std::mem::forget(kept);
            (None, receiver)
        }
    }
}

struct Following {
    passes: Passes,
    path: PathBuf,
    last: Loaded,
    seen: Vec<(PathBuf, String)>,
    told: BTreeSet<Fault>,
    failure: Option<String>,
    /// A pass failed half-way and must be made again.
    unfinished: bool,
}

//! Real parts for the integration tests: a PostgreSQL, an OpenSMTPD, an etcd
//! with a kube-apiserver, a Chromium, and the `tenantry` binary itself.
//!
//! A test binary says `mod harness;` and asks for what it needs, for example
//! `Postgres::shared().await.database("quota").await`. The first test of a run
//! that asks for a part starts it, all others find it, and a guard process
//! (`tests/tools/guard`) ends it with the run. The harness may be used by the
//! files in `tests/` only and knows nothing of the crate but its binary, its
//! `crds/` and its `manifests/`.
//!
//! A test that uses the cluster has "cluster" in its name or its module's: by
//! that `.config/nextest.toml` keeps them to two at a time.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test binary uses its own share of the harness"
)]

mod browser;
mod certificates;
mod cluster;
mod cluster_files;
mod gate;
mod guarded;
mod mail;
mod message;
mod postgres;
mod process;
mod run;
mod sink;
mod skip;

pub(crate) use browser::{Browser, DESKTOP, PHONE};
pub(crate) use cluster::Cluster;
pub(crate) use gate::Gate;
pub(crate) use guarded::free_port;
pub(crate) use mail::Mail;
pub(crate) use message::Message;
pub(crate) use postgres::Postgres;
pub(crate) use process::{Finished, Running, Tenantry};
pub(crate) use run::Alone;
pub(crate) use sink::{POINTS, Sink, header, link};
pub(crate) use skip::{Feature, needs, skipped};

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A path inside the source tree.
pub(crate) fn in_tree(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Asks again until there is an answer, and fails with `what` when `bound` is
/// over: `eventually("the mail is sent", Duration::from_secs(10), || async { ... })`.
pub(crate) async fn eventually<T, F>(what: &str, bound: Duration, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < bound, "not within {bound:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

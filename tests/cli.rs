//! The command line from outside: what each mistake is answered with, and that
//! one mistake never takes anything else with it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod harness;

#[path = "cli/access_tests.rs"]
mod access_tests;
#[path = "cli/audit.rs"]
mod audit;
#[path = "cli/commands.rs"]
mod commands;
#[path = "cli/following.rs"]
mod following;
#[path = "cli/objects.rs"]
mod objects;
#[path = "cli/questions.rs"]
mod questions;
#[path = "cli/reverse.rs"]
mod reverse;
#[path = "cli/settings.rs"]
mod settings;
#[path = "cli/streaming.rs"]
mod streaming;

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Finished, Running, Tenantry, free_port};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of its own for one test: objects in `objects/`, everything else
/// where the defaults put it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.path("objects")).unwrap();
        place
    }

    /// With one file of objects.
    fn with(objects: &str) -> Self {
        let place = Self::new();
        place.write("objects/a.yaml", objects);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    async fn call(&self, arguments: &[&str]) -> Finished {
        Tenantry::new(arguments).dir(self.folder.path()).finish(PATIENCE).await
    }

    async fn apply(&self) -> Finished {
        self.call(&["apply", "-f", "objects"]).await
    }

    async fn validate(&self) -> Finished {
        self.call(&["validate", "-f", "objects"]).await
    }

    /// `apply -o json`, as a list.
    async fn applied(&self, more: &[&str]) -> Vec<serde_json::Value> {
        let mut arguments = vec!["apply", "-f", "objects", "-o", "json"];
        arguments.extend(more);
        let finished = self.call(&arguments).await;
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
    }

    /// `run --from objects` on free ports, once its first pass is over.
    async fn run(&self, more: &[&str]) -> (Running, u16) {
        let (pages, operations) = (free_port(), free_port());
        let running = self.start(pages, operations, more);
        running.wait_for_line("this follows", PATIENCE).await;
        (running, pages)
    }

    fn start(&self, pages: u16, operations: u16, more: &[&str]) -> Running {
        let (pages, operations) = (format!("127.0.0.1:{pages}"), format!("127.0.0.1:{operations}"));
        let mut arguments = vec!["run", "--from", "objects", "--listen", &pages, "--ops-listen", &operations];
        arguments.extend(more);
        Tenantry::new(arguments).dir(self.folder.path()).spawn()
    }
}

/// One line on standard error, and this exit code.
#[track_caller]
fn fails(finished: &Finished, code: i32, line: &str) {
    assert_eq!(finished.code(), Some(code), "{finished:?}");
    let told: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(told, [line], "{finished:?}");
}

fn tenant(name: &str, spec: &str) -> String {
    format!("apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata:\n  name: {name}\nspec: {spec}\n---\n")
}

fn account(name: &str, more: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: SubAdmin\nmetadata:\n  name: {name}\nspec:\n  tenantRef: {{name: acme}}\n  username: {name}\n  email: {name}@acme.example\n{more}---\n"
    )
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| entries.count())
}

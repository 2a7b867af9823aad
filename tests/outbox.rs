//! The outbox from outside: the binary is killed at every place between
//! queueing a mail and marking it, several replicas share one queue, and mails
//! go through a real server in every way that it offers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod harness;

#[path = "outbox/kills.rs"]
mod kills;
#[path = "outbox/replicas.rs"]
mod replicas;
#[path = "outbox/servers.rs"]
mod servers;

use std::path::Path;
use std::time::Duration;

use harness::{Postgres, Sink, Tenantry, eventually, free_port};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{PgPool, Row as _, SqlitePool};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);

/// Where one installation lives: a folder with objects, a database, and the
/// mail server that it sends to.
struct Place {
    folder: TempDir,
    url: String,
    pages: u16,
    operations: u16,
}

enum Rows {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Database {
    Postgres,
    Sqlite,
}

impl Place {
    async fn new(database: Database, accounts: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("objects")).unwrap();
        std::fs::write(folder.path().join("objects/all.yaml"), objects(accounts)).unwrap();
        // PostgreSQL wants a key of its own; both may have one.
        std::fs::write(folder.path().join("key"), "6Xm1yU5t6gk0gkZMHbWZyQ8E4hVdC0dYw0R2hJm5bqE=\n").unwrap();
        let url = match database {
            Database::Postgres => Postgres::shared().await.database("outbox").await,
            Database::Sqlite => format!("sqlite://{}", folder.path().join("t.db").display()),
        };
        Self { folder, url, pages: free_port(), operations: free_port() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn call(&self, arguments: &[&str], mail_url: &str) -> Tenantry {
        Tenantry::new(arguments)
            .env("TENANTRY_DATABASE_URL", &self.url)
            .env("TENANTRY_KEY_FILE", "key")
            .env("TENANTRY_MAIL_URL", mail_url)
            .env("TENANTRY_MAIL_FROM", "accounts@fleet.example")
            .dir(self.path())
    }

    /// `run --from objects`.
    fn run(&self, sink: &Sink) -> Tenantry {
        self.run_on(sink, self.pages, self.operations)
    }

    fn run_on(&self, sink: &Sink, pages: u16, operations: u16) -> Tenantry {
        let (pages, operations) = (format!("127.0.0.1:{pages}"), format!("127.0.0.1:{operations}"));
        let arguments = ["run", "--from", "objects", "--listen", &pages, "--ops-listen", &operations];
        // One base for all links, wherever pages are served.
        let base = format!("http://127.0.0.1:{}", self.pages);
        self.call(&arguments, &sink.url()).env("TENANTRY_PUBLIC_URL", base)
    }

    /// Connects when it is asked something: there may be no database yet.
    fn rows(&self) -> Rows {
        if self.url.starts_with("postgres") {
            Rows::Postgres(PgPoolOptions::new().max_connections(1).connect_lazy(&self.url).unwrap())
        } else {
            Rows::Sqlite(SqlitePoolOptions::new().max_connections(1).connect_lazy(&self.url).unwrap())
        }
    }
}

impl Rows {
    /// The number that a statement gives; none while there is no such table.
    async fn number(&self, statement: &'static str) -> Option<i64> {
        match self {
            Self::Postgres(pool) => Some(sqlx::query(statement).fetch_one(pool).await.ok()?.get(0)),
            Self::Sqlite(pool) => Some(sqlx::query(statement).fetch_one(pool).await.ok()?.get(0)),
        }
    }

    /// Waits until this many mails were sent and none waits.
    async fn until_sent(&self, count: i64) {
        eventually("every mail is sent", PATIENCE, async || {
            let sent = self.number("SELECT count(*) FROM outbox WHERE state = 'sent'").await?;
            let others = self.number("SELECT count(*) FROM outbox WHERE state <> 'sent'").await?;
            (sent == count && others == 0).then_some(())
        })
        .await;
    }

    /// How many accounts have exactly one link that is valid.
    async fn accounts_with_one_link(&self) -> i64 {
        let sql = "SELECT count(*) FROM (SELECT account_id FROM activation WHERE state = 'open' GROUP BY account_id HAVING count(*) = 1) AS one";
        self.number(sql).await.unwrap()
    }
}

/// One tenant with so many accounts.
fn objects(accounts: usize) -> String {
    let mut all =
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {name: acme}\nspec: {}\n".to_owned();
    for number in 0..accounts {
        all += &format!(
            "---\napiVersion: tenantry.dev/v1alpha1\nkind: SubAdmin\nmetadata: {{name: kim-{number}}}\nspec: {{tenantRef: {{name: acme}}, username: kim-{number}, email: kim-{number}@acme.example}}\n"
        );
    }
    all
}

/// Whether the page behind a link offers to use it.
async fn opens(link: &str) -> bool {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let Ok(page) = client.get(link).send().await else { return false };
    page.status().is_success() && page.text().await.unwrap().contains("<form")
}

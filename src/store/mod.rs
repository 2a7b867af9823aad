//! The SQL, and nothing else: connecting, migrations, transactions, and one
//! file of statements per kind of row. It knows the domain's types and no
//! rule; the engine decides, the store reads and writes.
//!
//! Both databases behave alike: SQLite takes its one write lock when a
//! transaction begins, PostgreSQL takes an advisory lock for the tree of
//! tenants that the transaction is about (see [`Tx::lock_tree`]), and both
//! rerun a whole transaction that another one got in the way of
//! ([`StoreError::is_transient`]).

mod at_hand;
mod sql;

pub mod accounts;
pub mod activations;
pub mod assignments;
pub mod audit;
pub mod authority;
pub mod device_room;
pub mod devices;
pub mod grant_devices;
pub mod grants;
pub mod groups;
pub mod invitations;
pub mod limits;
pub mod moves;
pub mod objects;
pub mod outbox;
pub mod probes;
pub mod questions;
pub mod references;
mod rehearsal;
pub mod roles;
pub mod sessions;
pub mod sight;
pub mod tenants;
mod throttle;
pub mod trail;
pub mod users;

use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{
    Connection as _, Executor as _, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool,
    Transaction,
};

use crate::domain::object::ObjectKey;
use crate::failpoint;
use at_hand::AtHand;
use sql::{Row, Sql, Value, args};

/// What can go wrong between Tenantry and its database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// `--database-url` is not one of the two forms.
    #[error(
        "--database-url must begin with sqlite:// or postgres://; for example sqlite://tenantry.db or postgres://user@host/tenantry"
    )]
    Url,
    /// The database cannot be reached or opened.
    #[error("the database {target} cannot be opened; check --database-url")]
    Connect {
        /// The database without its password.
        target: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A migration failed.
    #[error("the database schema cannot be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("the database refused a statement")]
    Statement(#[from] sqlx::Error),
    /// The tree of tenants was rearranged while this transaction waited for it.
    #[error("the tree of tenants was rearranged in the meantime")]
    Moved,
    /// A row does not look as expected.
    #[error("the database holds something unexpected: {0}")]
    Shape(String),
}

impl StoreError {
    /// Whether the same transaction, run again from its beginning, may
    /// succeed: serialization failures, deadlocks, BUSY, a constraint that a
    /// concurrent transaction got to first, or a lost connection.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Statement(sqlx::Error::Database(error)) => {
                let code = error.code();
                let code = code.as_deref().unwrap_or_default();
                // PostgreSQL: serialization, deadlock, unique and foreign key
                // violations. SQLite extended codes: BUSY (5) and LOCKED (6)
                // in the low byte, unique (2067), primary key (1555) and
                // foreign key (787) violations.
                matches!(code, "40001" | "40P01" | "23505" | "23503" | "2067" | "1555" | "787")
                    || code.parse::<u32>().is_ok_and(|code| code < 40000 && matches!(code & 0xff, 5 | 6))
            }
            Self::Statement(error) | Self::Connect { source: error, .. } => {
                matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed)
            }
            Self::Moved => true,
            _ => false,
        }
    }
}

impl StoreError {
    /// Whether the database cannot be reached at the moment, or is too busy:
    /// whoever asks again later may be answered.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Statement(sqlx::Error::Database(error)) => {
                // PostgreSQL: starting, ending, out of connections or memory,
                // or the connection is broken.
                let code = error.code();
                let code = code.as_deref().unwrap_or_default();
                self.is_transient() || ["57P", "53", "08"].iter().any(|class| code.starts_with(class))
            }
            Self::Statement(sqlx::Error::PoolClosed | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_)) => true,
            other => other.is_transient(),
        }
    }
}

/// How a transaction will be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads only; never waits for a writer.
    Read,
    /// May write; on SQLite it holds the one write lock from the beginning.
    Write,
}

/// How long a connection may rest before it is asked whether it is still there.
const IDLE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
enum Pool {
    Postgres(PgPool, AtHand),
    Sqlite(SqlitePool),
    /// PostgreSQL, in a transaction that is never committed.
    Rehearsed(Arc<tokio::sync::Mutex<rehearsal::Outer>>),
}

/// The account database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    /// Writers of this process on a SQLite file take turns here, in the order
    /// in which they come. SQLite itself lets waiting writers look again after
    /// pauses that grow, so that one that writes often keeps the others out.
    turn: Arc<tokio::sync::Mutex<()>>,
    statements: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
}

/// The path of the database file, if `url` names SQLite.
pub fn sqlite_path(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = rest.split('?').next().unwrap_or(rest);
    (path != ":memory:" && !path.is_empty()).then(|| PathBuf::from(path))
}

impl Store {
    /// Opens the database that `url` names (`sqlite://FILE`,
    /// `postgres://...`); a SQLite file is created. Does not migrate.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let pool = if url.starts_with("sqlite:") {
            Pool::Sqlite(connect_sqlite(url).await?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Pool::Postgres(connect_postgres(url).await?, AtHand::default())
        } else {
            return Err(StoreError::Url);
        };
        Ok(Self::of(pool))
    }

    fn of(pool: Pool) -> Self {
        Self { pool, turn: Arc::default(), statements: Arc::default(), writes: Arc::default() }
    }

    /// An empty database that nobody else sees and that goes with the last
    /// clone. One transaction at a time. Does not migrate.
    pub async fn in_memory() -> Result<Self, StoreError> {
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(SqliteConnectOptions::new().in_memory(true).foreign_keys(true))
            .await?;
        Ok(Self::of(Pool::Sqlite(pool)))
    }

    /// Brings the schema up to date; safe with several processes at once.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match &self.pool {
            Pool::Postgres(pool, _) => {
                sqlx::migrate!("src/store/migrations/postgres").run(pool).await?;
            }
            // It was brought up to date before.
            Pool::Rehearsed(_) => {}
            Pool::Sqlite(pool) => {
                // sqlx takes no lock on SQLite: a second process that migrates
                // at the same moment meets BUSY or a table that exists. Its
                // next attempt finds the work done.
                let migrator = sqlx::migrate!("src/store/migrations/sqlite");
                let mut attempt = 0;
                while let Err(error) = migrator.run(pool).await {
                    attempt += 1;
                    if attempt == 5 {
                        return Err(error.into());
                    }
                    tokio::time::sleep(Duration::from_millis(100 * attempt)).await;
                }
            }
        }
        Ok(())
    }

    /// Begins a transaction and reads the one clock (R13).
    pub async fn begin(&self, access: Access) -> Result<Tx, StoreError> {
        let turn = match (&self.pool, access) {
            (Pool::Sqlite(_), Access::Write) => Some(self.turn.clone().lock_owned().await),
            _ => None,
        };
        let inner = match &self.pool {
            Pool::Postgres(pool, _) => Inner::Postgres(match access {
                Access::Read => pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?,
                Access::Write => pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?,
            }),
            Pool::Sqlite(pool) => Inner::Sqlite(match access {
                Access::Read => pool.begin_with("BEGIN DEFERRED").await?,
                Access::Write => pool.begin_with("BEGIN IMMEDIATE").await?,
            }),
            Pool::Rehearsed(outer) => Inner::Rehearsed(rehearsal::Inside::begin(outer.clone()).await?),
        };
        let mut tx = Tx {
            inner,
            _turn: turn,
            now: Timestamp::UNIX_EPOCH,
            statements: self.statements.clone(),
            writes: self.writes.clone(),
        };
        let clock = Sql {
            postgres: "SELECT date_trunc('second', now()) AS now",
            sqlite: "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now') AS now",
        };
        tx.now = tx.one(clock, args![]).await?.time("now")?;
        Ok(tx)
    }

    /// Waits until every transaction that has woken objects, or has found none to
    /// wake, has ended. Whoever wakes objects writes to `wakeup` before it looks
    /// for them, so a lock of that table, given back at once, is enough.
    pub async fn let_publishers_finish(&self) -> Result<(), StoreError> {
        if let Pool::Postgres(pool, _) = &self.pool {
            self.statements.fetch_add(1, Ordering::Relaxed);
            let mut tx = pool.begin().await?;
            tx.execute("LOCK TABLE wakeup IN SHARE MODE").await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Runs one statement by itself: it is its own snapshot, and nothing else
    /// travels.
    async fn alone(&self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let text = sql.into();
        Ok(match &self.pool {
            Pool::Postgres(pool, at_hand) => {
                let arguments = sql::postgres_arguments(args)?;
                let mut kept = at_hand.take(pool).await?;
                let rows =
                    sqlx::query_with(text.postgres, arguments).fetch_all(&mut *kept.connection).await?;
                at_hand.keep(kept);
                rows.into_iter().map(Row::Postgres).collect()
            }
            Pool::Sqlite(pool) => sqlx::query_with(text.sqlite, sql::sqlite_arguments(args)?)
                .fetch_all(pool)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect(),
            Pool::Rehearsed(_) => {
                let mut tx = self.begin(Access::Read).await?;
                let rows = tx.rows(text, args).await?;
                tx.commit().await?;
                rows
            }
        })
    }

    /// Counts rows that a statement with an answer has written.
    fn counted(&self, rows: usize) -> u64 {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.writes.fetch_add(rows, Ordering::Relaxed);
        rows
    }

    /// Statements sent since the store was opened, for tests and metrics.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Rows written since the store was opened, for tests and metrics.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Name and version of the database server, for `doctor`.
    pub async fn version(&self) -> Result<String, StoreError> {
        let mut tx = self.begin(Access::Read).await?;
        let sql = Sql {
            postgres: "SELECT 'PostgreSQL ' || current_setting('server_version') AS version",
            sqlite: "SELECT 'SQLite ' || sqlite_version() AS version",
        };
        tx.one(sql, args![]).await?.text("version")
    }

    /// Closes every connection, after the work under way.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Postgres(pool, at_hand) => {
                at_hand.close();
                pool.close().await;
            }
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Rehearsed(_) => {}
        }
    }
}

async fn connect_sqlite(url: &str) -> Result<SqlitePool, StoreError> {
    let connect = |source| StoreError::Connect { target: url.to_owned(), source };
    let options = SqliteConnectOptions::from_str(url)
        .map_err(connect)?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10));
    SqlitePoolOptions::new()
        .max_connections(8)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(options)
        .await
        .map_err(connect)
}

async fn connect_postgres(url: &str) -> Result<PgPool, StoreError> {
    let target = |options: &PgConnectOptions| {
        format!(
            "postgres://{}:{}/{}",
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or_default()
        )
    };
    let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::Url)?;
    let shown = target(&options);
    let pool = PgPoolOptions::new()
        .max_connections(16)
        .acquire_timeout(Duration::from_secs(10))
        // A ping before every use would double what the smallest question costs.
        .test_before_acquire(false)
        .before_acquire(|connection, used| {
            Box::pin(async move {
                if used.idle_for > IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute("SET TIME ZONE 'UTC'; SET statement_timeout = '60s'").await.map(|_| ())
            })
        })
        .connect_with(options.clone().application_name("tenantry"))
        .await;
    match pool {
        Ok(pool) => Ok(pool),
        // The pool says only that it has waited; one attempt of its own says
        // what for.
        Err(sqlx::Error::PoolTimedOut) => {
            let attempt = tokio::time::timeout(Duration::from_secs(5), PgConnection::connect_with(&options));
            let source = match attempt.await {
                Ok(Err(source)) => source,
                _ => sqlx::Error::PoolTimedOut,
            };
            Err(StoreError::Connect { target: shown, source })
        }
        Err(source) => Err(StoreError::Connect { target: shown, source }),
    }
}

#[derive(Debug)]
enum Inner {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
    Rehearsed(rehearsal::Inside),
}

/// Over what a statement travels.
enum Wire<'a> {
    Postgres(&'a mut PgConnection),
    Sqlite(&'a mut SqliteConnection),
}

impl Inner {
    fn wire(&mut self) -> Wire<'_> {
        match self {
            Self::Postgres(tx) => Wire::Postgres(tx),
            Self::Sqlite(tx) => Wire::Sqlite(tx),
            Self::Rehearsed(inside) => Wire::Postgres(inside.connection()),
        }
    }
}

/// One transaction. Dropped without [`Tx::commit`], it leaves no trace.
#[derive(Debug)]
pub struct Tx {
    inner: Inner,
    _turn: Option<tokio::sync::OwnedMutexGuard<()>>,
    now: Timestamp,
    statements: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
}

impl Tx {
    /// The database's time when the transaction began, in whole seconds (R13).
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether others may commit between the beginning and the end of this
    /// transaction.
    pub fn is_concurrent(&self) -> bool {
        matches!(self.inner, Inner::Postgres(_))
    }

    /// Makes everything permanent.
    pub async fn commit(self) -> Result<(), StoreError> {
        failpoint::reach("commit");
        match self.inner {
            Inner::Postgres(tx) => tx.commit().await?,
            Inner::Sqlite(tx) => tx.commit().await?,
            Inner::Rehearsed(inside) => inside.commit().await?,
        }
        failpoint::reach("committed");
        Ok(())
    }

    /// Undoes everything.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self.inner {
            Inner::Postgres(tx) => tx.rollback().await?,
            Inner::Sqlite(tx) => tx.rollback().await?,
            // Whoever begins next undoes it.
            Inner::Rehearsed(_) => {}
        }
        Ok(())
    }

    /// Waits until no other transaction works on the tree of the tenant that an
    /// object manages. Quotas, claims and authority all lie within one tree, so
    /// holding its lock makes what is read afterwards stay true until the
    /// commit. SQLite's write lock has the same effect already. False if there
    /// is no such tenant, so that nothing could be locked.
    pub async fn lock_tree_of(&mut self, source: &str, tenant: &ObjectKey) -> Result<bool, StoreError> {
        if let Inner::Postgres(_) = self.inner {
            // The root may change while this waits; the second look notices.
            let find = "SELECT t.root_id FROM object o JOIN tenant t ON t.object_id = o.id
                WHERE o.source = $1 AND o.kind = 'Tenant' AND o.namespace = $2 AND o.name = $3";
            let lock = "SELECT held.root_id FROM (SELECT t.root_id, pg_advisory_xact_lock(hashtextextended(t.root_id::text, 7301)) FROM object o JOIN tenant t ON t.object_id = o.id
                WHERE o.source = $1 AND o.kind = 'Tenant' AND o.namespace = $2 AND o.name = $3) AS held";
            let at = || args![source, &tenant.namespace, &tenant.name];
            let Some(locked) = self.row(lock, at()).await? else { return Ok(false) };
            let locked = locked.uuid("root_id")?;
            match self.row(find, at()).await? {
                Some(row) if row.uuid("root_id")? == locked => {}
                _ => return Err(StoreError::Moved),
            }
        }
        Ok(true)
    }

    async fn rows(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let text = sql.into();
        Ok(match self.inner.wire() {
            Wire::Postgres(wire) => sqlx::query_with(text.postgres, sql::postgres_arguments(args)?)
                .fetch_all(wire)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect(),
            Wire::Sqlite(wire) => sqlx::query_with(text.sqlite, sql::sqlite_arguments(args)?)
                .fetch_all(wire)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect(),
        })
    }

    /// As [`Tx::rows`], for a statement whose best plan depends on its
    /// parameters: PostgreSQL plans it for these each time, and keeps no plan
    /// that is right for others.
    async fn planned_anew(&mut self, sql: Sql, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        Ok(match self.inner.wire() {
            Wire::Postgres(wire) => sqlx::query_with(sql.postgres, sql::postgres_arguments(args)?)
                .persistent(false)
                .fetch_all(wire)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect(),
            Wire::Sqlite(wire) => sqlx::query_with(sql.sqlite, sql::sqlite_arguments(args)?)
                .fetch_all(wire)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect(),
        })
    }

    async fn row(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    async fn one(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Row, StoreError> {
        self.row(sql, args).await?.ok_or(StoreError::Statement(sqlx::Error::RowNotFound))
    }

    /// Runs a statement that changes rows and says how many.
    async fn write(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<u64, StoreError> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let text = sql.into();
        let changed = match self.inner.wire() {
            Wire::Postgres(wire) => sqlx::query_with(text.postgres, sql::postgres_arguments(args)?)
                .execute(wire)
                .await?
                .rows_affected(),
            Wire::Sqlite(wire) => sqlx::query_with(text.sqlite, sql::sqlite_arguments(args)?)
                .execute(wire)
                .await?
                .rows_affected(),
        };
        self.writes.fetch_add(changed, Ordering::Relaxed);
        Ok(changed)
    }
}

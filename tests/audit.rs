//! R11 on both databases: the chain and what breaks it, sealing while others
//! write, what the trail says, and who may read it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on shall stop")]

mod harness;

#[path = "engine/world.rs"]
#[expect(dead_code, reason = "the scenarios of the engine use the rest")]
mod world;

#[path = "audit/chain.rs"]
mod chain;
#[path = "audit/content.rs"]
mod content;
#[path = "audit/reading.rs"]
mod reading;
#[path = "audit/sealing.rs"]
mod sealing;

use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use tenantry::domain::audit::{Actor, Fault, Verified};
use tenantry::domain::object::ObjectKey;
use tenantry::engine::{Engine, Sealing, prove};
use tenantry::store::Access;
use tenantry::store::audit::Entry;
use uuid::Uuid;

use world::World;

/// A world, and its database as somebody with a client of their own has it.
struct Place {
    world: World,
    raw: Raw,
    _folder: Option<tempfile::TempDir>,
}

enum Raw {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// Runs a scenario on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! on_both_raw {
    (async fn $name:ident($place:pat_param) $body:block) => {
        async fn $name($place: $crate::Place) $body
        mod $name {
            #[tokio::test]
            async fn sqlite() { super::$name($crate::Place::sqlite().await).await }
            #[tokio::test]
            async fn postgres() { super::$name($crate::Place::postgres(stringify!($name)).await).await }
        }
    };
}

impl Place {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let world = World::open(&url, None).await;
        Self { world, raw: Raw::Sqlite(SqlitePool::connect(&url).await.unwrap()), _folder: Some(folder) }
    }

    async fn postgres(name: &str) -> Self {
        let url = harness::Postgres::shared().await.database(name).await;
        let world = World::open(&url, None).await;
        Self { world, raw: Raw::Postgres(PgPool::connect(&url).await.unwrap()), _folder: None }
    }

    fn engine(&self) -> &Engine {
        &self.world.engine
    }

    /// Changes rows behind everybody's back.
    async fn tamper(&self, sql: impl Into<String>) {
        let sql = AssertSqlSafe(sql.into());
        match &self.raw {
            Raw::Postgres(pool) => sqlx::query(sql).execute(pool).await.map(|_| ()).unwrap(),
            Raw::Sqlite(pool) => sqlx::query(sql).execute(pool).await.map(|_| ()).unwrap(),
        }
    }

    /// One column of text.
    async fn look(&self, sql: impl Into<String>) -> Vec<String> {
        let sql = AssertSqlSafe(sql.into());
        match &self.raw {
            Raw::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap(),
            Raw::Sqlite(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap(),
        }
    }

    /// The columns of the table `audit`.
    async fn columns(&self) -> Vec<String> {
        self.look(match self.raw {
            Raw::Postgres(_) => {
                "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'audit' ORDER BY ordinal_position"
            }
            Raw::Sqlite(_) => "SELECT name FROM pragma_table_info('audit')",
        })
        .await
    }

    async fn append(&self, entry: &Entry) {
        let mut tx = self.engine().store().begin(Access::Write).await.unwrap();
        tx.audit(entry).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn append_many(&self, count: usize) {
        let mut tx = self.engine().store().begin(Access::Write).await.unwrap();
        for _ in 0..count {
            tx.audit(&entry("updated")).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// Seals everything that waits; how many that were.
    async fn seal(&self) -> usize {
        let mut count = 0;
        loop {
            match self.engine().seal().await.unwrap() {
                Sealing::More(n) => count += n,
                Sealing::Sealed(n) => return count + n,
                Sealing::Nothing | Sealing::Elsewhere => return count,
            }
        }
    }

    async fn prove(&self) -> Verified {
        prove(self.engine().store(), &self.engine().link_key().trail_key(), None).await.unwrap()
    }

    /// The first broken place, which there must be.
    async fn broken(&self) -> (i64, Fault) {
        let broken = self.prove().await.broken.expect("nobody has noticed");
        (broken.sequence, broken.fault)
    }
}

/// An entry in which every column has a value.
fn entry(action: &'static str) -> Entry {
    let key = ObjectKey::new(tenantry::domain::object::Kind::SubAdmin, "acme", "kim");
    Entry {
        id: Uuid::new_v4(),
        actor: Actor::account(Uuid::from_u128(1), Uuid::from_u128(5), Some(&key)),
        action,
        key: Some(key),
        account: Some(Uuid::from_u128(2)),
        tenant: Some(Uuid::from_u128(3)),
        generation: Some(4),
        before: Some(serde_json::json!({"tier": "Basic", "n": [1, null]})),
        after: Some(serde_json::json!({"tier": "Admin", "n": [1, null]})),
    }
}

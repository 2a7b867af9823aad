//! The schema is the same on both databases, commented, and read as promised.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod harness;

use std::collections::BTreeMap;

use harness::Postgres;
use sqlx::Row as _;
use tenantry::store::Store;

/// Columns of each table and view, in order, with whether null is allowed.
type Tables = BTreeMap<String, Vec<(String, bool)>>;

fn put(tables: &mut Tables, table: String, column: String, null: bool) {
    tables.entry(table).or_default().push((column, null));
}

async fn on_postgres(url: &str) -> Tables {
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let sql = "SELECT table_name, column_name, is_nullable = 'YES' AS nullable FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%' ORDER BY table_name, ordinal_position";
    let mut tables = Tables::new();
    for row in sqlx::query(sql).fetch_all(&pool).await.unwrap() {
        put(&mut tables, row.get("table_name"), row.get("column_name"), row.get("nullable"));
    }
    tables
}

async fn on_sqlite(url: &str) -> Tables {
    let pool = sqlx::SqlitePool::connect(url).await.unwrap();
    let sql = "SELECT m.name AS table_name, p.name AS column_name, p.\"notnull\" = 0 AS nullable
        FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type IN ('table', 'view') AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' ORDER BY m.name, p.cid";
    let mut tables = Tables::new();
    for row in sqlx::query(sql).fetch_all(&pool).await.unwrap() {
        put(&mut tables, row.get("table_name"), row.get("column_name"), row.get::<i64, _>("nullable") == 1);
    }
    tables
}

#[tokio::test]
async fn both_databases_have_the_same_tables_views_and_columns() {
    let postgres = Postgres::shared().await.database("schema").await;
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite://{}", folder.path().join("t.db").display());
    for url in [&postgres, &sqlite] {
        Store::connect(url).await.unwrap().migrate().await.unwrap();
    }
    let (mut postgres, mut sqlite) = (on_postgres(&postgres).await, on_sqlite(&sqlite).await);
    // What a check reads is kept in tables on PostgreSQL and put together by
    // views on SQLite, whose columns say nothing about null.
    for tables in [&mut postgres, &mut sqlite] {
        for (_, columns) in tables.iter_mut().filter(|(table, _)| table.ends_with("_brief")) {
            columns.iter_mut().for_each(|(_, null)| *null = true);
        }
    }
    assert!(postgres.len() > 20 && postgres.contains_key("project_members"), "{:?}", postgres.keys());
    assert_eq!(postgres, sqlite);
}

#[tokio::test]
async fn every_table_and_column_is_commented_on_postgresql() {
    let url = Postgres::shared().await.database("comments").await;
    Store::connect(&url).await.unwrap().migrate().await.unwrap();
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let sql = "SELECT c.relname || COALESCE('.' || a.attname, '') AS place FROM pg_class c
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'v') AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE '\\_sqlx%'
          AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL) ORDER BY place";
    let missing: Vec<String> =
        sqlx::query(sql).fetch_all(&pool).await.unwrap().iter().map(|row| row.get("place")).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[tokio::test]
async fn several_processes_may_migrate_at_once() {
    let postgres = Postgres::shared().await.database("migrate").await;
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite://{}", folder.path().join("t.db").display());
    for url in [postgres, sqlite] {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let url = url.clone();
            all.spawn(async move { Store::connect(&url).await.unwrap().migrate().await.unwrap() });
        }
        assert_eq!(all.join_all().await.len(), 6);
    }
}

#[tokio::test]
async fn the_examples_of_the_page_about_views_run_on_both_databases() {
    let page = std::fs::read_to_string(harness::in_tree("docs/views.md")).unwrap();
    let examples: Vec<&str> =
        page.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 5, "one for each view, and one for the parts");
    let postgres = Postgres::shared().await.database("examples").await;
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite://{}", folder.path().join("t.db").display());
    for url in [&postgres, &sqlite] {
        Store::connect(url).await.unwrap().migrate().await.unwrap();
    }
    let (pool, file) =
        (sqlx::PgPool::connect(&postgres).await.unwrap(), sqlx::SqlitePool::connect(&sqlite).await.unwrap());
    for example in examples {
        sqlx::query(sqlx::AssertSqlSafe(example.to_owned())).fetch_all(&pool).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(example.to_owned())).fetch_all(&file).await.unwrap();
    }
    let tables = on_sqlite(&sqlite).await;
    for view in ["effective_device_access", "account_capabilities", "visible_creators", "project_members"] {
        for (column, _) in &tables[view] {
            assert!(page.contains(&format!("`{column}`")), "{view}.{column} is not on the page");
        }
    }
}

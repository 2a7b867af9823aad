//! The rows of an account database in words: every table that holds state,
//! whatever its columns are, with natural names in the place of identifiers and
//! without times, so that two databases can be compared line by line.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::time::Duration;

use serde_json::{Map, Value, json};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

/// Not state: facts about the database itself, who is to be woken by what, and
/// when whose mail server is tried again.
const ASIDE: [&str; 4] = ["setting", "subscription", "wakeup", "mail_probe"];

/// Ends the names of tables that PostgreSQL keeps by triggers, and that are
/// views on SQLite: what a check reads of rows that are compared anyway.
const BRIEF: &str = "_brief";

/// Random or secret, a place in the audit trail or in the line of those who are
/// judged, or the business of one worker: two databases need not agree.
const OWN: [&str; 12] = [
    "appended",
    "depth",
    "tree",
    "uid",
    "nonce",
    "message_id",
    "sequence",
    "digest",
    "claimed_by",
    "claimed_until",
    "verdict",
    "password_hash",
];

/// Times that somebody has written; all others are when something happened.
const WRITTEN_TIMES: [&str; 2] = ["not_before", "expires_at"];

/// Rows as they are, by table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rows(BTreeMap<String, Vec<Row>>);

/// Reads everything in one transaction.
pub(crate) async fn read(url: &str) -> Rows {
    let rows = if url.starts_with("sqlite:") { sqlite(url).await } else { postgres(url).await };
    Rows(rows.unwrap_or_else(|error| panic!("rows: {error}")))
}

/// A connection beside whoever else works on the file.
pub(crate) async fn beside(url: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::from_str(url).unwrap().busy_timeout(Duration::from_secs(10));
    options.connect().await.unwrap()
}

async fn sqlite(url: &str) -> sqlx::Result<BTreeMap<String, Vec<Row>>> {
    let mut connection = beside(url).await;
    let mut tx = connection.begin().await?;
    let mut all = BTreeMap::new();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> '_sqlx_migrations'";
    for table in sqlx::query(tables).fetch_all(&mut *tx).await? {
        let table: String = table.get(0);
        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
        let columns = sqlx::query(AssertSqlSafe(columns)).fetch_all(&mut *tx).await?;
        let columns: Vec<String> = columns.iter().map(|row| row.get(0)).collect();
        let fields: Vec<String> = columns.iter().map(|name| format!("'{name}', \"{name}\"")).collect();
        let select = format!("SELECT json_object({}) FROM \"{table}\"", fields.join(", "));
        let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(&mut *tx).await?;
        all.insert(table, rows.iter().map(|row| fields_of(row.get(0))).collect());
    }
    tx.rollback().await?;
    connection.close().await?;
    Ok(all)
}

async fn postgres(url: &str) -> sqlx::Result<BTreeMap<String, Vec<Row>>> {
    let mut connection = PgConnection::connect(url).await?;
    let mut tx = connection.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *tx).await?;
    let mut all = BTreeMap::new();
    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND table_name <> '_sqlx_migrations'";
    for table in sqlx::query(tables).fetch_all(&mut *tx).await? {
        let table: String = table.get(0);
        let select = format!("SELECT to_jsonb(t)::text FROM \"{table}\" t");
        let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(&mut *tx).await?;
        all.insert(table, rows.iter().map(|row| fields_of(row.get(0))).collect());
    }
    tx.rollback().await?;
    connection.close().await?;
    Ok(all)
}

/// One row; what SQLite keeps as text and PostgreSQL as JSON looks the same.
fn fields_of(text: String) -> Row {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(&text) else { panic!("not a row: {text}") };
    for value in fields.values_mut() {
        match value {
            Value::Bool(truth) => *value = json!(i64::from(*truth)),
            Value::String(text) if text.starts_with(['{', '[', '"']) => {
                *value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
            }
            _ => {}
        }
    }
    fields
}

impl Rows {
    /// What is left to be told when nothing has happened: all of it, but when
    /// a mail that waits, or a mail server that does not answer, is tried next.
    pub(crate) fn exactly(&self) -> Vec<String> {
        let mut lines = vec![];
        for (table, rows) in &self.0 {
            for row in rows {
                let mut row = row.clone();
                let passing: &[&str] = match table.as_str() {
                    "outbox" => &["due_at"],
                    "mail_probe" => &["due_at", "failures"],
                    _ => &[],
                };
                passing.iter().for_each(|column| drop(row.remove(*column)));
                lines.push(format!("{table}: {}", Value::Object(row)));
            }
        }
        lines.sort();
        lines
    }

    /// The rows in words.
    pub(crate) fn lines(&self) -> Vec<String> {
        let names = self.names();
        let mut lines = vec![];
        let state = |table: &str| !ASIDE.contains(&table) && !table.ends_with(BRIEF);
        for (table, rows) in self.0.iter().filter(|(table, _)| state(table)) {
            for row in rows {
                let mut told = Map::new();
                // A cluster counts a deletion as a generation, files do not.
                let leaving =
                    row.get("verdict").is_some_and(|v| v.pointer("/report/status/impact").is_some());
                for (column, value) in row.iter().filter(|(column, _)| !OWN.contains(&column.as_str())) {
                    let counted = (table == "audit" || leaving) && column.ends_with("generation");
                    if value.is_null() || counted {
                        continue;
                    }
                    let written = table == "device_grant" && WRITTEN_TIMES.contains(&column.as_str());
                    told.insert(column.clone(), named(value, written, &names));
                }
                if row.get("password_hash").is_some_and(Value::is_string) {
                    told.insert("password_hash".to_owned(), json!("<set>"));
                }
                lines.push(format!("{table}: {}", Value::Object(told)));
            }
        }
        lines.sort();
        lines
    }

    /// What was done to which object. On whose authority, and what stood in its
    /// row before, may depend on which of two that are deleted goes first; so
    /// may whether something was left to be handed over, or whether a device
    /// has been with somebody else before.
    pub(crate) fn acts(&self) -> Vec<String> {
        let passing = ["handed-over", "devices-moved"];
        let acts = self.0["audit"].iter().filter(|row| !passing.contains(&text(row, "action")));
        let mut acts: Vec<String> =
            acts.map(|row| format!("act: {} {}", object_name(row), text(row, "action"))).collect();
        acts.sort();
        acts
    }

    /// The report of the last pass of each object of a source.
    pub(crate) fn reports(&self, source: &str) -> BTreeMap<String, Value> {
        let objects = self.0["object"].iter().filter(|row| row["source"] == source);
        objects.map(|row| (object_name(row), row["verdict"]["report"].clone())).collect()
    }

    /// Who holds each device: path of the tenant, then the account's username.
    pub(crate) fn holders(&self) -> BTreeMap<String, String> {
        let names = self.names();
        let name = |row: &Row, column: &str| {
            row[column].as_str().map(|id| names[id].split_once(' ').unwrap().1.to_owned())
        };
        let devices = self.0["device"].iter().map(|row| {
            let holder = [name(row, "holder_tenant"), name(row, "holder_account")];
            let holder: Vec<String> = holder.into_iter().flatten().collect();
            (row["id"].as_str().unwrap().to_owned(), holder.join(" "))
        });
        devices.collect()
    }

    /// A natural name for every identifier that has one.
    fn names(&self) -> BTreeMap<String, String> {
        let kinds: [(&str, Name); 5] = [
            ("object", |row, _| object_name(row)),
            ("tenant", |row, _| format!("tenant {}", text(row, "path"))),
            ("account", |row, _| format!("account {}", text(row, "username_key"))),
            ("role", |row, names| format!("role {} of {}", text(row, "name"), names[text(row, "tenant_id")])),
            ("device_grant", |row, names| {
                format!("grant {} of {}", text(row, "name"), names[text(row, "tenant_id")])
            }),
        ];
        let mut names = BTreeMap::new();
        for (table, name) in kinds {
            for row in &self.0[table] {
                let name = name(row, &names);
                names.insert(text(row, "id").to_owned(), name);
            }
        }
        names
    }
}

type Row = Map<String, Value>;
/// Names a row; the names of those that it belongs to are known.
type Name = fn(&Row, &BTreeMap<String, String>) -> String;

fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

fn object_name(row: &Row) -> String {
    format!("{} {}/{}", text(row, "kind"), text(row, "namespace"), text(row, "name"))
}

/// A value without what is only this database's: identifiers by their names,
/// times and keyed digests by a word.
fn named(value: &Value, written_time: bool, names: &BTreeMap<String, String>) -> Value {
    let within = |value: &Value| named(value, false, names);
    match value {
        Value::String(text) => {
            if let Some(name) = names.get(text) {
                json!(name)
            } else if uuid::Uuid::parse_str(text).is_ok() {
                json!("<id>")
            } else if text.len() >= 24 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
                json!("<digest>")
            } else if let Ok(time) = text.parse::<jiff::Timestamp>() {
                json!(if written_time { time.to_string() } else { "<time>".to_owned() })
            } else {
                value.clone()
            }
        }
        Value::Array(list) => list.iter().map(within).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), within(value))).collect(),
        other => other.clone(),
    }
}

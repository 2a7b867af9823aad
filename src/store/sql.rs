//! One way to run a statement on either database. The other modules of the
//! store write each statement once, with `$1` placeholders that both databases
//! accept, and bind [`Value`]s; nothing outside the store sees any of this.
//!
//! Lists travel as one JSON array, so that a statement's text and its number
//! of parameters never depend on how much there is to say.

use jiff::Timestamp;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, Row as _};
use uuid::Uuid;

use super::StoreError;

/// A statement: one text for both databases, or one for each where their
/// dialects differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sql {
    pub(super) postgres: &'static str,
    pub(super) sqlite: &'static str,
}

impl From<&'static str> for Sql {
    fn from(both: &'static str) -> Self {
        Self { postgres: both, sqlite: both }
    }
}

/// A bound parameter. Options keep their type, because PostgreSQL needs to
/// know the type of a null.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Bool(Option<bool>),
    Int(Option<i64>),
    Text(Option<String>),
    Uuid(Option<Uuid>),
    Time(Option<Timestamp>),
    Json(Option<serde_json::Value>),
}

macro_rules! value_from {
    ($($rust:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$rust> for Value {
            fn from(value: $rust) -> Self { Self::$variant(Some(value)) }
        }
        impl From<Option<$rust>> for Value {
            fn from(value: Option<$rust>) -> Self { Self::$variant(value) }
        }
        impl From<&$rust> for Value {
            fn from(value: &$rust) -> Self { Self::$variant(Some(value.clone())) }
        }
        impl From<&Option<$rust>> for Value {
            fn from(value: &Option<$rust>) -> Self { Self::$variant(value.clone()) }
        }
    )+};
}
value_from! {
    bool => Bool,
    i64 => Int,
    String => Text,
    Uuid => Uuid,
    Timestamp => Time,
    serde_json::Value => Json,
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}
impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

/// `args![a, b, c]`: the parameters of one statement.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::Value::from($value)),*] };
}
pub(super) use args;

/// Seconds as text that orders by bytes, for SQLite.
pub(super) fn time_text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(super) fn postgres_arguments(values: Vec<Value>) -> Result<PgArguments, StoreError> {
    use jiff_sqlx::ToSqlx as _;
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Bool(v) => arguments.add(v),
            Value::Int(v) => arguments.add(v),
            Value::Text(v) => arguments.add(v),
            Value::Uuid(v) => arguments.add(v),
            Value::Time(v) => arguments.add(v.map(|t| t.to_sqlx())),
            Value::Json(v) => arguments.add(v),
        }
        .map_err(|e| StoreError::Shape(e.to_string()))?;
    }
    Ok(arguments)
}

pub(super) fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Bool(v) => arguments.add(v.map(i64::from)),
            Value::Int(v) => arguments.add(v),
            Value::Text(v) => arguments.add(v),
            Value::Uuid(v) => arguments.add(v.map(|u| u.to_string())),
            Value::Time(v) => arguments.add(v.map(time_text)),
            Value::Json(v) => arguments.add(v.map(|j| j.to_string())),
        }
        .map_err(|e| StoreError::Shape(e.to_string()))?;
    }
    Ok(arguments)
}

/// A row of either database, read by column name.
pub(super) enum Row {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

pub(super) fn shape(column: &str, problem: impl std::fmt::Display) -> StoreError {
    StoreError::Shape(format!("column {column}: {problem}"))
}

impl Row {
    fn opt_str(&self, column: &str) -> Result<Option<&str>, StoreError> {
        Ok(match self {
            Self::Postgres(row) => row.try_get(column)?,
            Self::Sqlite(row) => row.try_get(column)?,
        })
    }

    /// A text as it stands in the row.
    pub(super) fn str(&self, column: &str) -> Result<&str, StoreError> {
        present(column, self.opt_str(column)?)
    }

    pub(super) fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(match self {
            Self::Postgres(row) => row.try_get(column)?,
            Self::Sqlite(row) => row.try_get(column)?,
        })
    }

    pub(super) fn opt_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        Ok(match self {
            Self::Postgres(row) => row.try_get(column)?,
            Self::Sqlite(row) => row.try_get(column)?,
        })
    }

    pub(super) fn opt_bool(&self, column: &str) -> Result<Option<bool>, StoreError> {
        Ok(match self {
            Self::Postgres(row) => row.try_get(column)?,
            Self::Sqlite(row) => row.try_get::<Option<i64>, _>(column)?.map(|v| v != 0),
        })
    }

    pub(super) fn opt_uuid(&self, column: &str) -> Result<Option<Uuid>, StoreError> {
        match self {
            Self::Postgres(row) => Ok(row.try_get(column)?),
            Self::Sqlite(row) => row
                .try_get::<Option<String>, _>(column)?
                .map(|text| text.parse().map_err(|e| shape(column, e)))
                .transpose(),
        }
    }

    pub(super) fn opt_time(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        match self {
            Self::Postgres(row) => {
                Ok(row.try_get::<Option<jiff_sqlx::Timestamp>, _>(column)?.map(jiff_sqlx::Timestamp::to_jiff))
            }
            Self::Sqlite(row) => row
                .try_get::<Option<String>, _>(column)?
                .map(|text| text.parse().map_err(|e| shape(column, e)))
                .transpose(),
        }
    }

    pub(super) fn opt_json<T: serde::de::DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, StoreError> {
        let value: Option<serde_json::Value> = match self {
            Self::Postgres(row) => row.try_get(column)?,
            Self::Sqlite(row) => row
                .try_get::<Option<String>, _>(column)?
                .map(|text| serde_json::from_str(&text).map_err(|e| shape(column, e)))
                .transpose()?,
        };
        value.map(|v| serde_json::from_value(v).map_err(|e| shape(column, e))).transpose()
    }

    /// A JSON document that the statement delivers as text, read at once into
    /// what it stands for.
    pub(super) fn document<T: serde::de::DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, StoreError> {
        let text = self.opt_str(column)?;
        text.map(|text| serde_json::from_str(text).map_err(|e| shape(column, e))).transpose()
    }

    pub(super) fn needed<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        present(column, self.document(column)?)
    }

    pub(super) fn text(&self, column: &str) -> Result<String, StoreError> {
        present(column, self.opt_text(column)?)
    }
    pub(super) fn int(&self, column: &str) -> Result<i64, StoreError> {
        present(column, self.opt_int(column)?)
    }
    pub(super) fn bool(&self, column: &str) -> Result<bool, StoreError> {
        present(column, self.opt_bool(column)?)
    }
    pub(super) fn uuid(&self, column: &str) -> Result<Uuid, StoreError> {
        present(column, self.opt_uuid(column)?)
    }
    pub(super) fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        present(column, self.opt_time(column)?)
    }
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        present(column, self.opt_json(column)?)
    }
}

fn present<T>(column: &str, value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| shape(column, "unexpected null"))
}

/// A value stored as JSON. Serializing our own types cannot fail: they have
/// string keys and no custom serializers that refuse.
pub(super) fn json<T: serde::Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or(serde_json::Value::Null)
}

//! Objects by the names that people use on a command line, where the source is
//! not always known.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::sql::{Sql, args, json};
use super::tenants::word;
use super::{StoreError, Tx};
use crate::domain::object::{Kind, ObjectKey};

macro_rules! generations {
    ($each:literal) => {
        concat!(
            "SELECT o.kind, o.namespace, o.name, o.applied_generation FROM ",
            $each,
            "($1) w JOIN object o ON o.kind = w.value->>'kind' AND o.namespace = w.value->>'namespace' AND o.name = w.value->>'name'
            WHERE o.applied_generation IS NOT NULL ORDER BY o.source"
        )
    };
}

impl Tx {
    /// Every tenant in force whose object is called `namespace/name`, with the
    /// source of that object; only those of `source` if it is given.
    pub async fn tenants_called(
        &mut self,
        source: Option<&str>,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<(String, Uuid)>, StoreError> {
        // Two statements in one: a null source means any.
        let sql = "SELECT o.source, t.id FROM object o JOIN tenant t ON t.object_id = o.id
            WHERE o.kind = 'Tenant' AND o.namespace = $1 AND o.name = $2 AND (o.source = $3 OR $4)
            ORDER BY o.source LIMIT 16";
        let rows =
            self.rows(sql, args![namespace, name, source.unwrap_or_default(), source.is_none()]).await?;
        rows.iter().map(|row| Ok((row.text("source")?, row.uuid("id")?))).collect()
    }

    /// The sources that have an object of this kind and name, one of them or
    /// any.
    pub async fn sources_of(
        &mut self,
        key: &ObjectKey,
        source: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT source FROM object WHERE kind = $1 AND namespace = $2 AND name = $3
            AND applied_generation IS NOT NULL AND (source = $4 OR $5) ORDER BY source LIMIT 16";
        let args =
            args![key.kind.as_str(), &key.namespace, &key.name, source.unwrap_or_default(), source.is_none()];
        self.rows(sql, args).await?.iter().map(|row| row.text("source")).collect()
    }

    /// The generation in force of each of these objects that has one; of
    /// several sources that have one of the name, the first one's.
    pub async fn generations(
        &mut self,
        keys: &BTreeSet<ObjectKey>,
    ) -> Result<BTreeMap<ObjectKey, i64>, StoreError> {
        let sql = Sql { postgres: generations!("jsonb_array_elements"), sqlite: generations!("json_each") };
        let mut found = BTreeMap::new();
        for row in self.rows(sql, args![json(keys)]).await? {
            let kind: Kind = word("kind", row.text("kind")?)?;
            let key = ObjectKey::new(kind, row.text("namespace")?, row.text("name")?);
            found.entry(key).or_insert(row.int("applied_generation")?);
        }
        Ok(found)
    }
}

//! How often something was tried lately: signing in, asking for a new link. A
//! row stands for whoever is counted together, by part of a keyed digest; the
//! rates are the domain's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::sql::{Sql, args};
use super::{StoreError, Tx};

impl Tx {
    /// When what was counted in each of these rows will be forgotten. The
    /// rows are made if they are missing, and locked until the commit, so that
    /// attempts at the same moment are all counted.
    pub async fn throttled(&mut self, slots: &[String]) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let sql = Sql {
            postgres: "INSERT INTO throttle (slot, forgotten_at) SELECT s.slot, $2 FROM jsonb_array_elements_text($1) AS s(slot) ORDER BY s.slot
                ON CONFLICT (slot) DO UPDATE SET slot = excluded.slot RETURNING slot, forgotten_at",
            sqlite: "INSERT INTO throttle (slot, forgotten_at) SELECT value, $2 FROM json_each($1) WHERE true ORDER BY value
                ON CONFLICT (slot) DO UPDATE SET slot = excluded.slot RETURNING slot, forgotten_at",
        };
        let now = self.now();
        let rows = self.rows(sql, args![json!(slots), now]).await?;
        rows.iter().map(|row| Ok((row.text("slot")?, row.time("forgotten_at")?))).collect()
    }

    /// Replaces those times.
    pub async fn put_throttled(&mut self, times: &BTreeMap<String, Timestamp>) -> Result<(), StoreError> {
        let list: Vec<_> = times.iter().map(|(slot, at)| json!([slot, at.to_string()])).collect();
        let sql = Sql {
            postgres: "UPDATE throttle SET forgotten_at = (s.v->>1)::timestamptz FROM jsonb_array_elements($1) AS s(v) WHERE slot = s.v->>0",
            sqlite: "UPDATE throttle SET forgotten_at = s.value->>1 FROM json_each($1) AS s WHERE slot = s.value->>0",
        };
        self.write(sql, args![json!(list)]).await?;
        Ok(())
    }
}

//! Objects by the names that people use on a command line, where the source is
//! not always known.

use uuid::Uuid;

use super::sql::args;
use super::{StoreError, Tx};

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
}

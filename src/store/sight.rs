//! Which devices the giver of a grant sees that does not see everything in the
//! granting tenant (R4, R5). One statement for a page of devices.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::sql::{Sql, args, json};
use super::{StoreError, Tx};
use crate::domain::account::{Scope, holding_of};
use crate::domain::authority::{Sight, Theirs};
use crate::domain::grant::Selection;
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::permission::Permissions;
use crate::domain::role::Content;
use crate::domain::tier::Tier;

// $1 devices, $2 the giver, $3 only what accounts below it hold, $4 its tenant,
// $5 groups, $6 roles, $7 tenants of its scope, $8 the source of references,
// $9 now. The lists are read once per statement, not once per device.
macro_rules! visible {
    ($each:literal, $texts:literal) => {
        concat!(
            "SELECT d.id FROM device d WHERE d.id IN (SELECT ", $texts, "($1)) AND (
              EXISTS (SELECT 1 FROM account_ancestor a WHERE a.account_id = d.holder_account AND a.ancestor_id = $2 AND a.distance > 0)
              OR (NOT $3 AND (
                EXISTS (SELECT 1 FROM device_assignment x WHERE x.device_id = d.id AND x.receiver_account = $2)
                OR d.holder_account IN (SELECT g.account_id FROM account_group g JOIN account c ON c.id = g.account_id
                    WHERE c.tenant_id = $4 AND g.name IN (SELECT ", $texts, "($5)))
                OR d.holder_account IN (SELECT r.account_id FROM account_role r JOIN account c ON c.id = r.account_id
                    JOIN tenant_ancestor h ON h.tenant_id = c.tenant_id AND h.ancestor_id = $4
                    WHERE (r.namespace, r.name) IN (SELECT value->>'namespace', value->>'name' FROM ", $each, "($6)))
                OR d.holder_tenant IN (SELECT down.tenant_id FROM object o JOIN tenant t ON t.object_id = o.id
                    JOIN tenant_ancestor h ON h.tenant_id = t.id AND h.ancestor_id = $4
                    JOIN tenant_ancestor down ON down.ancestor_id = t.id
                    WHERE o.source = $8 AND o.kind = 'Tenant'
                      AND (o.namespace, o.name) IN (SELECT value->>'namespace', value->>'name' FROM ", $each, "($7)))
                OR EXISTS (SELECT 1 FROM grant_device m JOIN device_grant s ON s.id = m.grant_id JOIN grant_receiver r ON r.grant_id = s.id
                    WHERE m.device_id = d.id AND m.state = 'applied' AND s.mode = 'Share'
                      AND (s.managed_by IS NULL OR s.managed_by <> $2)
                      AND (s.not_before IS NULL OR s.not_before <= $9) AND (s.expires_at IS NULL OR s.expires_at > $9)
                      AND (r.account_id = $2 OR (r.tenant_id = $4 AND r.group_name IN (SELECT ", $texts, "($5)))))
              ))) ORDER BY d.id"
        )
    };
}

// $1 the account, $2 device ids, $3 unit ids, $4 labels or null, $5 all.
macro_rules! rights_below {
    ($texts:literal, $labels:literal) => {
        concat!(
            "SELECT DISTINCT c.id, c.tier, c.permissions, g.permissions AS given, o.namespace, o.name FROM account_ancestor a
              JOIN account c ON c.id = a.account_id JOIN device d ON d.holder_account = c.id
              LEFT JOIN object o ON o.id = c.object_id
              LEFT JOIN device_assignment x ON x.device_id = d.id AND x.receiver_account = c.id
              LEFT JOIN device_grant g ON g.id = x.grant_id
              WHERE a.ancestor_id = $1 AND a.distance > 0 AND ($5 OR d.id IN (SELECT ", $texts, "($2))
                OR d.unit_id IN (SELECT ", $texts, "($3)) OR ($4 IS NOT NULL AND ", $labels, "))"
        )
    };
}

impl Tx {
    /// Which of these devices a giver sees: what it was given itself, what
    /// accounts below it hold, what its scope covers (tenants, members of its
    /// groups, bearers of its roles), and what others share with it or with
    /// the groups of its scope. A Share to oneself sees only the second.
    pub async fn visible_devices(
        &mut self,
        source: &str,
        sight: &Sight,
        ids: &[&str],
    ) -> Result<BTreeSet<String>, StoreError> {
        let Sight { account, tenant, scope, only_below } = sight;
        let Scope { tenants, groups, roles } = scope.clone().unwrap_or_default();
        let sql = Sql {
            postgres: visible!("jsonb_array_elements", "jsonb_array_elements_text"),
            sqlite: visible!("json_each", "value FROM json_each"),
        };
        let now = self.now();
        let args = args![
            json(&ids),
            account,
            *only_below,
            tenant,
            json(&groups),
            json(&roles),
            json(&tenants),
            source,
            now
        ];
        let rows = self.rows(sql, args).await?;
        rows.iter().map(|row| row.text("id")).collect()
    }

    /// What the accounts below `account` that hold any of the selected devices
    /// may do with them: by their own rules, their roles' and those with which
    /// the devices were given. Set-based requirements of a selector are left
    /// out, which can only add accounts.
    pub async fn rights_below(
        &mut self,
        account: Uuid,
        selection: &Selection,
    ) -> Result<Vec<Theirs>, StoreError> {
        let sql = Sql {
            postgres: rights_below!("jsonb_array_elements_text", "d.labels @> $4"),
            sqlite: rights_below!(
                "value FROM json_each",
                "NOT EXISTS (SELECT 1 FROM json_each($4) w WHERE NOT EXISTS (SELECT 1 FROM device_label l WHERE l.device_id = d.id AND l.name = w.key AND l.value = w.value))"
            ),
        };
        let labels = selection.selector.as_ref().map(|s| json(&s.labels));
        let args =
            args![account, json(&selection.device_ids), json(&selection.unit_ids), labels, selection.all];
        let holders = self.rows(sql, args).await?;
        let ids: Vec<_> = holders.iter().map(|row| row.uuid("id")).collect::<Result<_, _>>()?;
        let sql = Sql {
            postgres: "SELECT account_id, content FROM account_role WHERE account_id IN (SELECT jsonb_array_elements_text($1)::uuid)",
            sqlite: "SELECT account_id, content FROM account_role WHERE account_id IN (SELECT value FROM json_each($1))",
        };
        let mut roles = BTreeMap::<Uuid, Vec<Content>>::new();
        for row in self.rows(sql, args![json(&ids)]).await? {
            roles.entry(row.uuid("account_id")?).or_default().push(row.json("content")?);
        }
        let mut theirs = vec![];
        for row in &holders {
            let tier: Tier = super::tenants::word("tier", row.text("tier")?)?;
            let own: Permissions = row.json("permissions")?;
            let given: Permissions = row.opt_json("given")?.unwrap_or_default();
            let copies = roles.get(&row.uuid("id")?).map_or(&[][..], Vec::as_slice);
            let holding = holding_of(tier, &own, copies.iter().map(|c| &c.permissions)).with(&given);
            let key = match (row.opt_text("namespace")?, row.opt_text("name")?) {
                (Some(namespace), Some(name)) => Some(ObjectKey::new(Kind::SubAdmin, namespace, name)),
                _ => None,
            };
            theirs.push(Theirs { key, holding });
        }
        Ok(theirs)
    }
}

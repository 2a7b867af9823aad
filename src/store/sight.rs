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

/// The devices that a giver sees which does not see everything in the granting
/// tenant, as a query of ids: what accounts below it hold, what it was given
/// itself, what members of its groups, bearers of its roles and the tenants of
/// its scope hold, and what others share with it or with those groups. Each
/// part begins with an index; `on` decides whether anything is asked at all.
macro_rules! visible {
    (
        $each:literal, $texts:literal, on $on:literal, giver $giver:literal, only_below $below:literal,
        tenant $tenant:literal, groups $groups:literal, roles $roles:literal, tenants $tenants:literal,
        source $source:literal, now $now:literal
    ) => {
        concat!(
            "SELECT d.id FROM account_ancestor a JOIN device d ON d.holder_account = a.account_id
                WHERE ", $on, " AND a.ancestor_id = ", $giver, " AND a.distance > 0
             UNION SELECT x.device_id FROM device_assignment x WHERE ", $on, " AND NOT ", $below, " AND x.receiver_account = ", $giver, "
             UNION SELECT d.id FROM account_group g JOIN account c ON c.id = g.account_id JOIN device d ON d.holder_account = c.id
                WHERE ", $on, " AND NOT ", $below, " AND c.tenant_id = ", $tenant, " AND g.name IN (SELECT ", $texts, "(", $groups, "))
             UNION SELECT d.id FROM account_role r JOIN account c ON c.id = r.account_id
                JOIN tenant_ancestor h ON h.tenant_id = c.tenant_id AND h.ancestor_id = ", $tenant, " JOIN device d ON d.holder_account = c.id
                WHERE ", $on, " AND NOT ", $below, " AND (r.namespace, r.name) IN (SELECT value->>'namespace', value->>'name' FROM ", $each, "(", $roles, "))
             UNION SELECT d.id FROM object o JOIN tenant t ON t.object_id = o.id
                JOIN tenant_ancestor h ON h.tenant_id = t.id AND h.ancestor_id = ", $tenant, "
                JOIN tenant_ancestor down ON down.ancestor_id = t.id JOIN device d ON d.holder_tenant = down.tenant_id
                WHERE ", $on, " AND NOT ", $below, " AND o.source = ", $source, " AND o.kind = 'Tenant'
                  AND (o.namespace, o.name) IN (SELECT value->>'namespace', value->>'name' FROM ", $each, "(", $tenants, "))
             UNION SELECT m.device_id FROM grant_receiver r JOIN device_grant s ON s.id = r.grant_id JOIN grant_device m ON m.grant_id = s.id
                WHERE ", $on, " AND NOT ", $below, " AND m.state = 'applied' AND s.mode = 'Share' AND (s.managed_by IS NULL OR s.managed_by <> ", $giver, ")
                  AND (s.not_before IS NULL OR s.not_before <= ", $now, ") AND (s.expires_at IS NULL OR s.expires_at > ", $now, ")
                  AND (r.account_id = ", $giver, " OR (r.tenant_id = ", $tenant, " AND r.group_name IN (SELECT ", $texts, "(", $groups, "))))"
        )
    };
}
pub(super) use visible;

// $1 devices, $2 the giver, $3 only what accounts below it hold, $4 its tenant,
// $5 groups, $6 roles, $7 tenants of its scope, $8 the source of references,
// $9 now.
macro_rules! visible_among {
    ($each:literal, $texts:literal) => {
        concat!(
            "SELECT v.id FROM (",
            visible!(
                $each, $texts, on "1 = 1", giver "$2", only_below "$3", tenant "$4", groups "$5", roles "$6",
                tenants "$7", source "$8", now "$9"
            ),
            ") AS v WHERE v.id IN (SELECT ", $texts, "($1)) ORDER BY v.id"
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
            postgres: visible_among!("jsonb_array_elements", "jsonb_array_elements_text"),
            sqlite: visible_among!("json_each", "value FROM json_each"),
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

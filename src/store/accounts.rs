//! Rows of accounts with their groups and copied roles, the closure of who
//! manages whom, and what each holds and has delegated.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::sql::{Row, Sql, args, json};
use super::tenants::word;
use super::{StoreError, Tx};
use crate::domain::account::{Account, Settings};
use crate::domain::audit::Actor;
use crate::domain::key::fold;
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::role::Assigned;

fn account(row: &Row) -> Result<Account, StoreError> {
    let email = row.text("email")?;
    Ok(Account {
        id: row.uuid("id")?,
        object: row.opt_uuid("object_id")?,
        tenant: row.uuid("tenant_id")?,
        name: row.text("name")?,
        settings: Settings {
            username: row.text("username")?,
            email,
            company: row.opt_text("company")?,
            mobile: row.opt_text("mobile")?,
            tier: word("tier", row.text("tier")?)?,
            enabled: row.bool("enabled")?,
            email_verified: row.bool("email_verified")?,
            manageable_devices: row.opt_int("manageable_devices")?,
            capabilities: row.opt_json("capabilities")?,
            scope: row.opt_json("scope")?,
            permissions: row.json("permissions")?,
            individual_access: row.opt_bool("individual_access")?,
            locale: row.text("locale")?,
            link_lifetime: row.int("link_lifetime")?,
            deletion_policy: word("deletion_policy", row.text("deletion_policy")?)?,
        },
        pending_email: row.opt_text("pending_email")?,
        proved: row.bool("email_verified")?,
        has_password: row.opt_text("password_hash")?.is_some(),
        activated_at: row.opt_time("activated_at")?,
        effective: row.json("effective")?,
        managed_by: row.opt_uuid("managed_by")?,
        created_at: row.time("created_at")?,
    })
}

/// An account with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The account.
    pub account: Account,
    /// Its object; none while unmanaged.
    pub key: Option<ObjectKey>,
    /// Its copied roles, in the order written.
    pub roles: Vec<Assigned>,
    /// Its groups.
    pub groups: BTreeSet<String>,
    /// Whether the keys by which it is found are those of its names.
    pub findable: bool,
}

/// Whether nobody has changed a key by hand: each follows from its name.
fn findable(row: &Row) -> Result<bool, StoreError> {
    let pending = row.opt_text("pending_email")?.as_deref().map(fold);
    Ok(row.text("username_key")? == fold(&row.text("username")?)
        && row.text("email_key")? == fold(&row.text("email")?)
        && row.opt_text("pending_email_key")? == pending)
}

impl Tx {
    /// The account that an object manages, with roles and groups.
    pub async fn account_of(&mut self, source: &str, key: &ObjectKey) -> Result<Option<Found>, StoreError> {
        let sql = "SELECT c.*, o.namespace AS object_namespace, o.name AS object_name
            FROM object o JOIN account c ON c.object_id = o.id
            WHERE o.source = $1 AND o.kind = 'SubAdmin' AND o.namespace = $2 AND o.name = $3";
        let row = self.row(sql, args![source, &key.namespace, &key.name]).await?;
        self.found(row).await
    }

    /// An account by its identifier, with roles and groups.
    pub async fn account(&mut self, id: Uuid) -> Result<Option<Found>, StoreError> {
        let sql = "SELECT c.*, o.namespace AS object_namespace, o.name AS object_name
            FROM account c LEFT JOIN object o ON o.id = c.object_id WHERE c.id = $1";
        let row = self.row(sql, args![id]).await?;
        self.found(row).await
    }

    /// An account by username or e-mail, with roles and groups.
    pub async fn account_named(&mut self, name: &str) -> Result<Option<Found>, StoreError> {
        let sql = "SELECT c.*, o.namespace AS object_namespace, o.name AS object_name
            FROM account c LEFT JOIN object o ON o.id = c.object_id WHERE c.username_key = $1 OR c.email_key = $1";
        let row = self.row(sql, args![fold(name)]).await?;
        self.found(row).await
    }

    /// An account as the audit trail names it; none if it is gone.
    pub async fn actor(&mut self, id: Uuid) -> Result<Option<Actor>, StoreError> {
        let sql = "SELECT c.tenant_id, o.namespace, o.name FROM account c LEFT JOIN object o ON o.id = c.object_id WHERE c.id = $1";
        let Some(row) = self.row(sql, args![id]).await? else { return Ok(None) };
        let key = row.opt_text("namespace")?.zip(row.opt_text("name")?);
        let key = key.map(|(namespace, name)| ObjectKey::new(Kind::SubAdmin, namespace, name));
        Ok(Some(Actor::account(id, row.uuid("tenant_id")?, key.as_ref())))
    }

    async fn found(&mut self, row: Option<Row>) -> Result<Option<Found>, StoreError> {
        let Some(row) = row else { return Ok(None) };
        let account = account(&row)?;
        let key = match (row.opt_text("object_namespace")?, row.opt_text("object_name")?) {
            (Some(namespace), Some(name)) => Some(ObjectKey::new(Kind::SubAdmin, namespace, name)),
            _ => None,
        };
        let roles = self.assigned_roles(account.id).await?;
        let groups =
            self.rows("SELECT name FROM account_group WHERE account_id = $1", args![account.id]).await?;
        let groups = groups.iter().map(|row| row.text("name")).collect::<Result<_, _>>()?;
        Ok(Some(Found { account, key, roles, groups, findable: findable(&row)? }))
    }

    async fn assigned_roles(&mut self, account: Uuid) -> Result<Vec<Assigned>, StoreError> {
        let sql = "SELECT role_id, namespace, name, revision, pinned, content FROM account_role WHERE account_id = $1 ORDER BY position";
        let rows = self.rows(sql, args![account]).await?;
        rows.iter()
            .map(|row| {
                Ok(Assigned {
                    role: row.opt_uuid("role_id")?,
                    namespace: row.text("namespace")?,
                    name: row.text("name")?,
                    revision: row.text("revision")?,
                    pinned: row.bool("pinned")?,
                    content: row.json("content")?,
                })
            })
            .collect()
    }

    /// Who else has this username or e-mail (or waits to have the e-mail):
    /// identifier, object and tenant of each.
    pub async fn holders_of(
        &mut self,
        username: &str,
        email: &str,
        except: Option<Uuid>,
    ) -> Result<Vec<Holder>, StoreError> {
        let sql = Sql {
            postgres: "SELECT id, object_id, tenant_id, username_key, email_key FROM account
                WHERE (username_key = $1 OR email_key = $2 OR pending_email_key = $2) AND ($3::uuid IS NULL OR id <> $3)",
            sqlite: "SELECT id, object_id, tenant_id, username_key, email_key FROM account
                WHERE (username_key = $1 OR email_key = $2 OR pending_email_key = $2) AND ($3 IS NULL OR id <> $3)",
        };
        let (username, email) = (fold(username), fold(email));
        let rows = self.rows(sql, args![&username, &email, except]).await?;
        rows.iter()
            .map(|row| {
                Ok(Holder {
                    id: row.uuid("id")?,
                    object: row.opt_uuid("object_id")?,
                    tenant: row.uuid("tenant_id")?,
                    username: row.text("username_key")? == username,
                    email: row.text("email_key")? == email,
                })
            })
            .collect()
    }

    /// The Root account of a root tenant, other than `except`: its name, and
    /// whether an object manages it.
    pub async fn root_of_tree(
        &mut self,
        root_tenant: Uuid,
        except: Option<Uuid>,
    ) -> Result<Option<(String, bool)>, StoreError> {
        let sql = Sql {
            postgres: "SELECT name, object_id FROM account WHERE tenant_id = $1 AND tier = 'Root' AND ($2::uuid IS NULL OR id <> $2)",
            sqlite: "SELECT name, object_id FROM account WHERE tenant_id = $1 AND tier = 'Root' AND ($2 IS NULL OR id <> $2)",
        };
        let row = self.row(sql, args![root_tenant, except]).await?;
        row.map(|row| Ok((row.text("name")?, row.opt_uuid("object_id")?.is_some()))).transpose()
    }

    /// Adds an account with its place below its managers.
    pub async fn insert_account(
        &mut self,
        a: &Account,
        password_hash: Option<&str>,
    ) -> Result<(), StoreError> {
        let s = &a.settings;
        let sql = "INSERT INTO account (id, object_id, tenant_id, name, username, username_key, email, email_key, company, mobile, tier, enabled,
                email_verified, password_hash, activated_at, locale, link_lifetime, manageable_devices, capabilities, scope, permissions,
                individual_access, effective, deletion_policy, managed_by, created_at, pending_email, pending_email_key)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)";
        self.write(
            sql,
            args![
                a.id,
                a.object,
                a.tenant,
                &a.name,
                &s.username,
                fold(&s.username),
                &s.email,
                fold(&s.email),
                &s.company,
                &s.mobile,
                s.tier.as_str(),
                s.enabled,
                a.proved,
                password_hash,
                a.activated_at,
                &s.locale,
                s.link_lifetime,
                s.manageable_devices,
                s.capabilities.as_ref().map(json),
                s.scope.as_ref().map(json),
                json(&s.permissions),
                s.individual_access,
                json(&a.effective),
                format!("{:?}", s.deletion_policy),
                a.managed_by,
                a.created_at,
                &a.pending_email,
                a.pending_email.as_deref().map(fold),
            ],
        )
        .await?;
        let closure = "INSERT INTO account_ancestor (account_id, ancestor_id, distance)
            SELECT a.account_id, a.ancestor_id, a.distance FROM (
                SELECT id AS account_id, id AS ancestor_id, 0 AS distance FROM account WHERE id = $1
                UNION ALL SELECT c.id, up.ancestor_id, up.distance + 1 FROM account c JOIN account_ancestor up ON up.account_id = c.managed_by WHERE c.id = $1
            ) AS a";
        self.write(closure, args![a.id]).await?;
        Ok(())
    }

    /// Replaces what an account's object says; a disabled one is signed out.
    /// Passwords, activation and who manages it are changed separately.
    pub async fn update_account(&mut self, a: &Account) -> Result<(), StoreError> {
        let s = &a.settings;
        let sql = "UPDATE account SET object_id = $2, name = $3, username = $4, username_key = $5, email = $6, email_key = $7, company = $8,
                mobile = $9, tier = $10, enabled = $11, email_verified = $12, locale = $13, link_lifetime = $14, manageable_devices = $15,
                capabilities = $16, scope = $17, permissions = $18, individual_access = $19, effective = $20, deletion_policy = $21,
                pending_email = $22, pending_email_key = $23, activated_at = $24, tenant_id = $25
            WHERE id = $1";
        self.write(
            sql,
            args![
                a.id,
                a.object,
                &a.name,
                &s.username,
                fold(&s.username),
                &s.email,
                fold(&s.email),
                &s.company,
                &s.mobile,
                s.tier.as_str(),
                s.enabled,
                a.proved,
                &s.locale,
                s.link_lifetime,
                s.manageable_devices,
                s.capabilities.as_ref().map(json),
                s.scope.as_ref().map(json),
                json(&s.permissions),
                s.individual_access,
                json(&a.effective),
                format!("{:?}", s.deletion_policy),
                &a.pending_email,
                a.pending_email.as_deref().map(fold),
                a.activated_at,
                a.tenant,
            ],
        )
        .await?;
        if !s.enabled {
            self.end_sessions(a.id).await?;
        }
        Ok(())
    }

    /// Puts an account, with everybody below it, under another manager.
    pub async fn move_account(&mut self, id: Uuid, manager: Option<Uuid>) -> Result<(), StoreError> {
        self.write(
            "DELETE FROM account_ancestor
             WHERE account_id IN (SELECT account_id FROM account_ancestor WHERE ancestor_id = $1)
               AND ancestor_id IN (SELECT ancestor_id FROM account_ancestor WHERE account_id = $1 AND ancestor_id <> $1)",
            args![id],
        )
        .await?;
        self.write(
            "INSERT INTO account_ancestor (account_id, ancestor_id, distance)
             SELECT down.account_id, up.ancestor_id, down.distance + up.distance + 1
             FROM account_ancestor down CROSS JOIN account_ancestor up
             WHERE down.ancestor_id = $1 AND up.account_id = $2",
            args![id, manager],
        )
        .await?;
        self.write("UPDATE account SET managed_by = $2 WHERE id = $1", args![id, manager]).await?;
        Ok(())
    }

    /// Whether `candidate` is the account itself or below it in the
    /// managed-by tree.
    pub async fn manages(&mut self, account: Uuid, candidate: Uuid) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS one FROM account_ancestor WHERE account_id = $1 AND ancestor_id = $2";
        Ok(self.row(sql, args![candidate, account]).await?.is_some())
    }

    /// An account and everybody above it in the managed-by tree.
    pub async fn managers_above(&mut self, account: Uuid) -> Result<Vec<Uuid>, StoreError> {
        let sql = "SELECT ancestor_id FROM account_ancestor WHERE account_id = $1 ORDER BY distance";
        let rows = self.rows(sql, args![account]).await?;
        rows.iter().map(|row| row.uuid("ancestor_id")).collect()
    }

    /// Wakes the objects of everything that an account answers for.
    pub async fn wake_managed(&mut self, account: Uuid) -> Result<u64, StoreError> {
        let now = self.now();
        let sql = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at) SELECT object_id, $2::timestamptz FROM (
                    SELECT object_id FROM account WHERE managed_by = $1
                    UNION SELECT object_id FROM tenant WHERE managed_by = $1
                    UNION SELECT object_id FROM role WHERE managed_by = $1
                    UNION SELECT object_id FROM device_grant WHERE managed_by = $1
                ) AS managed WHERE object_id IS NOT NULL
                ON CONFLICT (object_id) DO UPDATE SET due_at = LEAST(wakeup.due_at, excluded.due_at)",
            sqlite: "INSERT INTO wakeup (object_id, due_at) SELECT object_id, $2 FROM (
                    SELECT object_id FROM account WHERE managed_by = $1
                    UNION SELECT object_id FROM tenant WHERE managed_by = $1
                    UNION SELECT object_id FROM role WHERE managed_by = $1
                    UNION SELECT object_id FROM device_grant WHERE managed_by = $1
                ) AS managed WHERE object_id IS NOT NULL
                ON CONFLICT (object_id) DO UPDATE SET due_at = MIN(wakeup.due_at, excluded.due_at)",
        };
        self.write(sql, args![account, now]).await
    }

    /// Passes everything that an account answers for, and the groups that it
    /// created, to its own manager; to the platform if it has none.
    pub async fn hand_over(&mut self, account: Uuid) -> Result<(), StoreError> {
        for sql in [
            // Whoever was below it is one level nearer to everybody above it.
            "UPDATE account_ancestor SET distance = distance - 1
                WHERE account_id IN (SELECT account_id FROM account_ancestor WHERE ancestor_id = $1 AND distance > 0)
                  AND ancestor_id IN (SELECT ancestor_id FROM account_ancestor WHERE account_id = $1 AND distance > 0)",
            "DELETE FROM account_ancestor WHERE ancestor_id = $1 AND distance > 0",
            "UPDATE account SET managed_by = (SELECT heir.managed_by FROM account heir WHERE heir.id = $1) WHERE managed_by = $1",
            "UPDATE tenant SET managed_by = (SELECT heir.managed_by FROM account heir WHERE heir.id = $1) WHERE managed_by = $1",
            "UPDATE role SET managed_by = (SELECT heir.managed_by FROM account heir WHERE heir.id = $1) WHERE managed_by = $1",
            "UPDATE device_grant SET managed_by = (SELECT heir.managed_by FROM account heir WHERE heir.id = $1) WHERE managed_by = $1",
            "UPDATE user_group SET created_by = (SELECT heir.managed_by FROM account heir WHERE heir.id = $1) WHERE created_by = $1",
        ] {
            self.write(sql, args![account]).await?;
        }
        Ok(())
    }

    /// Removes an account with its personal data, credentials, links and
    /// queued mails (R9).
    pub async fn delete_account(&mut self, id: Uuid) -> Result<(), StoreError> {
        self.forget_groups_of(id).await?;
        self.write("DELETE FROM account WHERE id = $1", args![id]).await?;
        Ok(())
    }

    /// Leaves the row of a deleted object behind, disabled and unmanaged. It
    /// gives nothing any more, so its number goes back to its manager (R3);
    /// what it holds counts there.
    pub async fn retire_account(&mut self, id: Uuid) -> Result<(), StoreError> {
        let sql =
            "UPDATE account SET enabled = $2, object_id = NULL, manageable_devices = NULL WHERE id = $1";
        self.write(sql, args![id, false]).await?;
        self.end_sessions(id).await
    }

    /// Replaces an account's copied roles.
    pub async fn put_assigned_roles(&mut self, id: Uuid, roles: &[Assigned]) -> Result<(), StoreError> {
        self.write("DELETE FROM account_role WHERE account_id = $1", args![id]).await?;
        if roles.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = roles
            .iter()
            .enumerate()
            .map(|(position, role)| {
                serde_json::json!({
                    "position": position, "role": role.role, "namespace": role.namespace, "name": role.name,
                    "revision": role.revision, "pinned": role.pinned, "content": role.content,
                })
            })
            .collect();
        let sql = Sql {
            postgres: "INSERT INTO account_role (account_id, position, role_id, namespace, name, revision, pinned, content)
                SELECT $1, (value->>'position')::bigint, (value->>'role')::uuid, value->>'namespace', value->>'name',
                    value->>'revision', (value->>'pinned')::boolean, value->'content' FROM jsonb_array_elements($2)",
            sqlite: "INSERT INTO account_role (account_id, position, role_id, namespace, name, revision, pinned, content)
                SELECT $1, value->>'position', value->>'role', value->>'namespace', value->>'name',
                    value->>'revision', value->>'pinned', value->'content' FROM json_each($2)",
        };
        self.write(sql, args![id, json(&list)]).await?;
        Ok(())
    }

    /// Stores a new password; whoever signed in with another one is signed out.
    pub async fn put_password(&mut self, id: Uuid, hash: &str) -> Result<(), StoreError> {
        self.write("UPDATE account SET password_hash = $2 WHERE id = $1", args![id, hash]).await?;
        self.end_sessions(id).await
    }

    /// Completes an activation: the address is proved, the account active.
    pub async fn activate_account(&mut self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let sql =
            "UPDATE account SET email_verified = $2, activated_at = COALESCE(activated_at, $3) WHERE id = $1";
        self.write(sql, args![id, true, now]).await?;
        Ok(())
    }

    /// Makes a proved new address the login.
    pub async fn adopt_pending_email(&mut self, id: Uuid) -> Result<(), StoreError> {
        let sql = "UPDATE account SET email = pending_email, email_key = pending_email_key, pending_email = NULL, pending_email_key = NULL, email_verified = $2
            WHERE id = $1 AND pending_email IS NOT NULL";
        self.write(sql, args![id, true]).await?;
        Ok(())
    }
}

/// Somebody who has a username or an e-mail already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The account.
    pub id: Uuid,
    /// Its object; none while unmanaged.
    pub object: Option<Uuid>,
    /// Its tenant.
    pub tenant: Uuid,
    /// It has the username.
    pub username: bool,
    /// It has the e-mail as its login.
    pub email: bool,
}

//! Writes a world in memory into a database as the engine would have left it,
//! row by row, with words that both databases understand.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::Connection as _;
use tenantry::domain::grant::Mode;
use tenantry::domain::object::ObjectKey;
use uuid::Uuid;

use crate::model::{GrantRow, Held, To, World, account_id, now, tenant_id};

/// A text as it stands in a statement.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn document(value: &impl Serialize) -> String {
    text(&serde_json::to_string(value).unwrap())
}

fn id(value: Option<Uuid>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |id| text(&id.to_string()))
}

const NEW: &str = "'2026-01-01T00:00:00Z'";

#[derive(Default)]
struct Script {
    sql: String,
    objects: u128,
}

impl Script {
    fn row(&mut self, table: &str, columns: &str, values: &[String]) {
        self.sql.push_str(&format!("INSERT INTO {table} ({columns}) VALUES ({});\n", values.join(", ")));
    }

    /// The register's entry of an object, at generation 7.
    fn object(&mut self, key: &ObjectKey) -> String {
        self.objects += 1;
        let object = id(Some(Uuid::from_u128(0x9000 + self.objects)));
        let values = [
            object.clone(),
            text("test"),
            text(key.kind.as_str()),
            text(&key.namespace),
            text(&key.name),
            NEW.to_owned(),
            "8".to_owned(),
            "7".to_owned(),
            text("{}"),
        ];
        self.row(
            "object",
            "id, source, kind, namespace, name, born, generation, applied_generation, verdict",
            &values,
        );
        object
    }
}

/// A time on the same side of now, however long the test takes.
fn moved(time: Option<Timestamp>, clock: Timestamp) -> String {
    time.map_or_else(
        || "NULL".to_owned(),
        |time| {
            let apart = (time.as_second() - now().as_second()).signum() * 1_000_000;
            text(&Timestamp::from_second(clock.as_second() + apart).unwrap().to_string())
        },
    )
}

fn in_time(grant: &GrantRow) -> bool {
    let (start, end) = grant.times;
    start.is_none_or(|start| now() >= start) && end.is_none_or(|end| now() < end)
}

/// Writes a world; what begins or ends now has done so at `clock`.
pub(crate) async fn write(url: &str, world: &World, clock: Timestamp) {
    let mut script = Script::default();
    tenants(&mut script, world);
    roles(&mut script, world);
    accounts(&mut script, world);
    devices(&mut script, world);
    grants(&mut script, world, clock);
    chains(&mut script, world);
    let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(script.sql));
    if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        sql.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sql.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn tenants(script: &mut Script, world: &World) {
    // A tenant may have moved below a later one.
    let mut order: Vec<usize> = (0..world.tenants.len()).collect();
    order.sort_by_key(|at| world.line(*at).len());
    for at in order {
        let row = &world.tenants[at];
        let object = script.object(&row.key);
        let settings = &row.tenant.settings;
        let values = [
            id(Some(tenant_id(at))),
            object,
            id(row.parent.map(tenant_id)),
            id(Some(tenant_id(*world.line(at).last().unwrap()))),
            text(&row.tenant.name),
            text(&row.tenant.path),
            text(&settings.display_name),
            settings.enabled.to_string(),
            row.tenant.permitted.to_string(),
            text("\"Same\""),
            text("{}"),
            text("Refuse"),
            NEW.to_owned(),
        ];
        script.row("tenant", "id, object_id, parent_id, root_id, name, path, display_name, enabled, permitted, allowed_namespaces, account_limits, deletion_policy, created_at", &values);
        for (distance, above) in world.line(at).into_iter().enumerate() {
            let values = [id(Some(tenant_id(at))), id(Some(tenant_id(above))), distance.to_string()];
            script.row("tenant_ancestor", "tenant_id, ancestor_id, distance", &values);
        }
    }
}

fn roles(script: &mut Script, world: &World) {
    for (home, role, key) in &world.roles {
        let object = script.object(key);
        let values = [
            id(Some(role.id)),
            object,
            id(Some(tenant_id(*home))),
            text(&key.name),
            text(&role.display_name),
            document(&role.content),
            text(&role.revision),
            role.number.to_string(),
            text("OnReassign"),
            NEW.to_owned(),
        ];
        script.row("role", "id, object_id, tenant_id, name, display_name, content, revision, number, propagation, created_at", &values);
    }
}

fn accounts(script: &mut Script, world: &World) {
    let mut order = world.living();
    order.sort_by_key(|at| world.managers(*at).len());
    for at in order {
        let row = &world.accounts[at];
        let object = script.object(&row.key);
        let settings = &row.account.settings;
        let values = [
            id(Some(account_id(at))),
            object,
            id(Some(tenant_id(row.tenant))),
            text(&row.key.name),
            text(&format!("a{at}")),
            text(&format!("a{at}")),
            text(&format!("a{at}@example.org")),
            text(&format!("a{at}@example.org")),
            text(settings.tier.as_str()),
            settings.enabled.to_string(),
            "true".to_owned(),
            text("en"),
            "3600".to_owned(),
            settings.scope.as_ref().map_or_else(|| "NULL".to_owned(), document),
            document(&settings.permissions),
            document(&row.account.effective),
            text("Delete"),
            id(row.manager.map(account_id)),
            NEW.to_owned(),
        ];
        script.row("account", "id, object_id, tenant_id, name, username, username_key, email, email_key, tier, enabled, email_verified, locale, link_lifetime, scope, permissions, effective, deletion_policy, managed_by, created_at", &values);
        for (distance, above) in world.managers(at).into_iter().enumerate() {
            let values = [id(Some(account_id(at))), id(Some(account_id(above))), distance.to_string()];
            script.row("account_ancestor", "account_id, ancestor_id, distance", &values);
        }
        for group in &row.groups {
            script.row("account_group", "account_id, name", &[id(Some(account_id(at))), text(group)]);
        }
        for (position, role) in row.roles.iter().enumerate() {
            let values = [
                id(Some(account_id(at))),
                position.to_string(),
                id(role.role),
                text(&role.namespace),
                text(&role.name),
                text(&role.revision),
                role.pinned.to_string(),
                document(&role.content),
            ];
            script.row(
                "account_role",
                "account_id, position, role_id, namespace, name, revision, pinned, content",
                &values,
            );
        }
    }
}

fn devices(script: &mut Script, world: &World) {
    for (at, held) in world.devices.iter().enumerate() {
        let tenant = world.tenant_of(*held).map(tenant_id);
        let account = match held {
            Held::ByAccount(account) => Some(account_id(*account)),
            Held::Nobody | Held::ByTenant(_) => None,
        };
        let name = text(&format!("d{at}"));
        let values = [name.clone(), name, text("{}"), id(tenant), id(tenant), id(account), NEW.to_owned()];
        script.row(
            "device",
            "id, name, labels, home_tenant, holder_tenant, holder_account, created_at",
            &values,
        );
    }
}

fn grant_id(at: usize) -> Uuid {
    Uuid::from_u128(0x4000 + at as u128)
}

fn grants(script: &mut Script, world: &World, clock: Timestamp) {
    for (at, grant) in world.grants.iter().enumerate() {
        let key = ObjectKey::new(tenantry::domain::object::Kind::DeviceGrant, "root", format!("g{at}"));
        let object = script.object(&key);
        let selection = if grant.devices.is_some() { "{\"all\":true}" } else { "{}" };
        let values = [
            id(Some(grant_id(at))),
            object,
            id(Some(tenant_id(grant.tenant))),
            text("root"),
            text(&key.name),
            text(grant.mode.as_str()),
            text(selection),
            document(&grant.permissions),
            moved(grant.times.0, clock),
            moved(grant.times.1, clock),
            text("ReturnToGrantor"),
            id(grant.giver.map(account_id)),
            NEW.to_owned(),
            NEW.to_owned(),
        ];
        script.row("device_grant", "id, object_id, tenant_id, namespace, name, mode, selection, permissions, not_before, expires_at, reclaim, managed_by, born, created_at", &values);
        let receivers: Vec<[String; 3]> = match &grant.to {
            To::Tenant(tenant) => vec![[id(Some(tenant_id(*tenant))), id(None), "NULL".to_owned()]],
            To::Group(name) => vec![[id(Some(tenant_id(grant.tenant))), id(None), text(name)]],
            To::Accounts(accounts) => accounts
                .iter()
                .filter(|account| !world.accounts[**account].removed)
                .map(|account| [id(None), id(Some(account_id(*account))), "NULL".to_owned()])
                .collect(),
        };
        for (position, [tenant, account, group]) in receivers.into_iter().enumerate() {
            let values = [id(Some(grant_id(at))), position.to_string(), tenant, account, group];
            script.row("grant_receiver", "grant_id, position, tenant_id, account_id, group_name", &values);
        }
        for device in grant.devices.iter().flatten() {
            let state = if in_time(grant) { "applied" } else { "idle" };
            let values = [id(Some(grant_id(at))), text(&format!("d{device}")), text(state)];
            script.row("grant_device", "grant_id, device_id, state", &values);
        }
    }
}

/// The links of every Assign in effect, and what its end comes to.
fn chains(script: &mut Script, world: &World) {
    for (at, held) in world.devices.iter().enumerate() {
        let Some(holder) = world.tenant_of(*held) else { continue };
        let about = |grant: &&GrantRow| {
            grant.mode == Mode::Assign
                && in_time(grant)
                && grant.devices.as_ref().is_some_and(|devices| devices.contains(&at))
        };
        let links: Vec<usize> = (0..world.grants.len()).filter(|g| about(&&world.grants[*g])).collect();
        let account = match held {
            Held::ByAccount(account) => Some(account_id(*account)),
            Held::Nobody | Held::ByTenant(_) => None,
        };
        let ends = links.into_iter().map(|grant| Some(grant_id(grant))).chain([None]);
        for (position, grant) in ends.enumerate() {
            let values = [
                text(&format!("d{at}")),
                position.to_string(),
                id(grant),
                id(Some(tenant_id(holder))),
                id(Some(tenant_id(holder))),
                id(account),
            ];
            script.row(
                "device_assignment",
                "device_id, position, grant_id, giver_tenant, receiver_tenant, receiver_account",
                &values,
            );
        }
    }
}

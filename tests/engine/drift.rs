//! R10: what somebody changes in the database by hand goes back, and what
//! differed is recorded; passwords, activations and proofs are people's.

use crate::fleet::{account, tenant, to_account, to_tenant};
use crate::on_both;
use crate::world::{ACME, World, all_ready};
use tenantry::domain::object::Kind;
use tenantry::engine::Action;

const MORE: &str = "
kind: Role
metadata: {namespace: root, name: operator}
spec: {tenantRef: {name: acme}, displayName: Operator, permissions: {allow: [{resources: [device], operations: [view]}]}}
---
kind: SubAdmin
metadata: {namespace: root, name: kim}
spec: {tenantRef: {name: acme}, managedByRef: {name: ada}, username: kim, email: kim@example.org, company: Kims, tier: Admin, manageableDevices: 3, groups: [crew], roles: [{name: operator}], permissions: {allow: [{resources: [bucket], operations: [view]}]}}
---
kind: DeviceGrant
metadata: {namespace: root, name: fleet}
spec: {tenantRef: {name: acme}, project: p1, mode: Share, to: {groups: [crew]}, devices: {all: true}, permissions: {allow: [{resources: [device], operations: [view]}]}}";

/// Runs a statement behind the engine's back; the next pass puts everything
/// back, says so, writes down what differed, and the one after that does
/// nothing.
async fn puts_back(world: &mut World, kind: Kind, name: &str, statement: &str, column: &str) {
    let before = world.by_hand(column).await;
    let entries = "SELECT CAST(count(*) AS text) FROM audit WHERE action = 'repaired'";
    let count = world.by_hand(entries).await;
    world.by_hand(statement).await;
    assert_ne!(world.by_hand(column).await, before, "{statement} changes nothing");
    let report = world.once(kind, "root", name).await;
    assert!(report.ready(), "{statement}: {:?}", report.conditions);
    assert_eq!(report.action, Action::Repaired, "{statement}");
    assert_eq!(world.by_hand(column).await, before, "{statement}");
    assert_ne!(world.by_hand(entries).await, count, "{statement} leaves no trace in the audit trail");
    world.settle().await;
    assert_eq!(world.once(kind, "root", name).await.action, Action::Unchanged, "{statement}");
}

on_both! {
    async fn r10_what_was_changed_by_hand_goes_back_and_is_recorded(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(MORE).await);
        for (kind, name, table, column, value) in [
            (Kind::Tenant, "acme", "tenant", "display_name", "'Evil Inc'"),
            (Kind::Tenant, "acme", "tenant", "max_accounts", "99"),
            (Kind::Role, "operator", "role", "display_name", "'King'"),
            (Kind::SubAdmin, "kim", "account", "company", "'Others'"),
            (Kind::SubAdmin, "kim", "account", "tier", "'SuperAdmin'"),
            (Kind::SubAdmin, "kim", "account", "manageable_devices", "1000"),
            (Kind::SubAdmin, "kim", "account", "managed_by", "NULL"),
            (Kind::SubAdmin, "kim", "account", "username", "'kim2'"),
            (Kind::DeviceGrant, "fleet", "device_grant", "project", "'p2'"),
            (Kind::Tenant, "acme", "tenant", "enabled", "(1 = 0)"),
            (Kind::Tenant, "acme", "tenant", "allowed_namespaces", r#"'"All"'"#),
            (Kind::Tenant, "acme", "tenant", "max_devices", "7"),
            (Kind::Tenant, "acme", "tenant", "max_tenants", "7"),
            (Kind::Tenant, "acme", "tenant", "owner_name", "'eve'"),
            (Kind::Tenant, "acme", "tenant", "deletion_policy", "'Cascade'"),
            (Kind::Role, "operator", "role", "propagation", "'Immediate'"),
            (Kind::SubAdmin, "kim", "account", "mobile", "'+49 1'"),
            (Kind::SubAdmin, "kim", "account", "enabled", "(1 = 0)"),
            (Kind::SubAdmin, "kim", "account", "locale", "'de'"),
            (Kind::SubAdmin, "kim", "account", "link_lifetime", "600"),
            (Kind::SubAdmin, "kim", "account", "capabilities", r#"'["ManageUsers"]'"#),
            (Kind::SubAdmin, "kim", "account", "scope", r#"'{"groups":["crew"]}'"#),
            (Kind::SubAdmin, "kim", "account", "permissions", "'{}'"),
            (Kind::SubAdmin, "kim", "account", "individual_access", "(1 = 1)"),
            (Kind::SubAdmin, "kim", "account", "effective", r#"'{"capabilities":[],"individual_access":true,"individual_source":"Override"}'"#),
            (Kind::SubAdmin, "kim", "account", "deletion_policy", "'Disable'"),
            (Kind::DeviceGrant, "fleet", "device_grant", "selection", r#"'{"device_ids":["d9"]}'"#),
            (Kind::DeviceGrant, "fleet", "device_grant", "permissions", "'{}'"),
            (Kind::DeviceGrant, "fleet", "device_grant", "not_before", "'2030-01-01T00:00:00Z'"),
            (Kind::DeviceGrant, "fleet", "device_grant", "expires_at", "'2030-01-01T00:00:00Z'"),
            (Kind::DeviceGrant, "fleet", "device_grant", "reclaim", "'Retain'"),
        ] {
            let own = if table == "account" { "kim" } else { name };
            let statement = format!("UPDATE {table} SET {column} = {value} WHERE name = '{own}'");
            let look = format!("SELECT CAST({column} AS text) FROM {table} WHERE name = '{own}'");
            puts_back(&mut world, kind, name, &statement, &look).await;
        }
        let groups = "SELECT CAST(count(*) AS text) FROM account_group WHERE name = 'crew'";
        puts_back(&mut world, Kind::SubAdmin, "kim", "DELETE FROM account_group", groups).await;
        let receivers = "SELECT group_name FROM grant_receiver WHERE grant_id = (SELECT id FROM device_grant WHERE name = 'fleet')";
        let statement = "UPDATE grant_receiver SET group_name = 'boss' WHERE grant_id = (SELECT id FROM device_grant WHERE name = 'fleet')";
        puts_back(&mut world, Kind::DeviceGrant, "fleet", statement, receivers).await;
    }
}

on_both! {
    async fn r10_places_managers_and_keys_changed_by_hand_go_back(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(MORE).await);
        all_ready(&world.apply(&tenant("north", "acme", "managedByRef: {name: ada}, mail: {from: a@example.org}, branding: {productName: North}, limits: {accounts: {total: 9, byTier: [{tier: Admin, max: 2}]}}")).await);
        all_ready(&world.apply("
kind: Role
metadata: {namespace: root, name: viewer}
spec: {tenantRef: {name: acme}, managedByRef: {name: ada}, permissions: {allow: [{resources: [device], operations: [view]}]}}
---
kind: DeviceGrant
metadata: {namespace: root, name: own}
spec: {tenantRef: {name: acme}, managedByRef: {name: ada}, mode: Share, to: {groups: [crew]}, devices: {all: true}, permissions: {allow: [{resources: [device], operations: [view]}]}}").await);
        let of = |kind: &str, name: &str| format!("object_id = (SELECT id FROM object WHERE kind = '{kind}' AND name = '{name}')");
        for (kind, name, table, column, value) in [
            (Kind::Tenant, "north", "tenant", "mail", r#"'{"from":"evil@example.org"}'"#),
            (Kind::Tenant, "north", "tenant", "mail", "NULL"),
            (Kind::Tenant, "north", "tenant", "branding", r#"'{"product_name":"Evil"}'"#),
            (Kind::Tenant, "north", "tenant", "account_limits", "'{}'"),
            (Kind::Tenant, "north", "tenant", "managed_by", "NULL"),
            (Kind::Tenant, "north", "tenant", "name", "'evil'"),
            (Kind::Tenant, "north", "tenant", "path", "'/evil'"),
            (Kind::Tenant, "north", "tenant", "root_id", "id"),
            (Kind::Role, "viewer", "role", "managed_by", "NULL"),
            (Kind::Role, "viewer", "role", "name", "'evil'"),
            (Kind::Role, "viewer", "role", "revision", "'000000000000'"),
            (Kind::DeviceGrant, "own", "device_grant", "managed_by", "NULL"),
            (Kind::DeviceGrant, "own", "device_grant", "name", "'evil'"),
            (Kind::DeviceGrant, "own", "device_grant", "namespace", "'evil'"),
            (Kind::SubAdmin, "kim", "account", "name", "'evil'"),
            (Kind::SubAdmin, "kim", "account", "username_key", "'evil'"),
            (Kind::SubAdmin, "kim", "account", "email_key", "'evil@example.org'"),
            (Kind::SubAdmin, "kim", "account", "pending_email_key", "'evil@example.org'"),
        ] {
            let own = of(&kind.to_string(), name);
            let statement = format!("UPDATE {table} SET {column} = {value} WHERE {own}");
            let look = format!("SELECT CAST({column} AS text) FROM {table} WHERE {own}");
            puts_back(&mut world, kind, name, &statement, &look).await;
        }
    }
}

on_both! {
    async fn r10_rules_and_copies_of_roles_go_back_to_what_their_revision_says(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(MORE).await);
        let wide = r#"{"permissions":{"allow":[{"resources":["*"],"operations":["*"]}]}}"#;
        let copy = "SELECT CAST(content AS text) FROM account_role";
        let before = world.by_hand(copy).await;
        world.by_hand(&format!("UPDATE account_role SET content = '{wide}'")).await;
        let report = world.again(Kind::SubAdmin, "root", "kim").await;
        assert!(report.ready() && report.action != Action::Unchanged, "{report:?}");
        assert_eq!(world.by_hand(copy).await, before);

        let template = "SELECT CAST(content AS text) FROM role";
        let before = world.by_hand(template).await;
        world.by_hand(&format!("UPDATE role SET content = '{wide}'")).await;
        let report = world.again(Kind::Role, "root", "operator").await;
        assert_eq!(report.action, Action::Repaired);
        assert_eq!(world.by_hand(template).await, before);

        // A copy of an earlier revision, after the template went on.
        all_ready(&world.apply(&MORE.split("\n---\n").next().unwrap().replace("[view]", "[view, operate]")).await);
        let before = world.by_hand(copy).await;
        world.by_hand(&format!("UPDATE account_role SET content = '{wide}'")).await;
        world.again(Kind::SubAdmin, "root", "kim").await;
        assert_eq!(world.by_hand(copy).await, before);
    }
}

on_both! {
    async fn r10_what_was_moved_to_another_tenant_by_hand_goes_back(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(MORE).await);
        all_ready(&world.apply(&tenant("north", "acme", "")).await);
        for (kind, name, table) in
            [(Kind::SubAdmin, "kim", "account"), (Kind::Role, "operator", "role"), (Kind::DeviceGrant, "fleet", "device_grant")]
        {
            let statement = format!("UPDATE {table} SET tenant_id = (SELECT id FROM tenant WHERE name = 'north') WHERE name = '{name}'");
            let look = format!("SELECT t.path FROM {table} x JOIN tenant t ON t.id = x.tenant_id WHERE x.name = '{name}'");
            puts_back(&mut world, kind, name, &statement, &look).await;
        }
        let statement = "UPDATE device_grant SET mode = 'Assign' WHERE name = 'fleet'";
        puts_back(&mut world, Kind::DeviceGrant, "fleet", statement, "SELECT mode FROM device_grant WHERE name = 'fleet'").await;
        all_ready(&world.apply(&[tenant("south", "acme", ""), tenant("deep", "south", "")].join("\n---\n")).await);
        let statement = "UPDATE tenant SET parent_id = (SELECT id FROM tenant WHERE name = 'north') WHERE name = 'deep'";
        let look = "SELECT p.path FROM tenant t JOIN tenant p ON p.id = t.parent_id WHERE t.name = 'deep'";
        puts_back(&mut world, Kind::Tenant, "deep", statement, look).await;
        let above = "SELECT CAST(count(*) AS text) FROM tenant_ancestor a JOIN tenant t ON t.id = a.tenant_id JOIN tenant u ON u.id = a.ancestor_id
            WHERE t.name = 'deep' AND u.name IN ('deep', 'south', 'acme')";
        assert_eq!(world.by_hand(above).await.as_deref(), Some("3"));
        // A change that somebody asks for is refused as before.
        let reports = world.apply(&MORE.split("\n---\n").next().unwrap().replace("{name: acme}, d", "{name: north}, d")).await;
        let refused = reports.values().find(|report| report.key.name == "operator").unwrap();
        assert_eq!(refused.condition("Ready").unwrap().reason.as_str(), "Immutable");
    }
}

on_both! {
    async fn r10_who_holds_an_assigned_device_goes_back(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(&[tenant("north", "acme", ""), tenant("south", "acme", ""), account("nora", "north", "")].join("\n---\n")).await);
        world.import(&[("d1", Some("/acme")), ("d2", Some("/acme")), ("d3", Some("/acme"))]).await;
        all_ready(&world.apply(&to_tenant("first", "acme", "north", "{deviceIds: [d1, d2]}", "")).await);
        all_ready(&world.apply(&to_account("second", "north", "nora", "{deviceIds: [d2]}", "")).await);
        let holders = world.holders().await;
        let look = "SELECT CAST(count(*) AS text) FROM device d LEFT JOIN tenant t ON t.id = d.holder_tenant LEFT JOIN account c ON c.id = d.holder_account
            WHERE (d.id = 'd1' AND t.name = 'north') OR (d.id = 'd2' AND c.name = 'nora')";
        let stolen = "UPDATE device SET holder_tenant = (SELECT id FROM tenant WHERE name = 'south'), holder_account = NULL WHERE id IN ('d1', 'd2')";
        puts_back(&mut world, Kind::DeviceGrant, "first", stolen, look).await;
        puts_back(&mut world, Kind::DeviceGrant, "second", "UPDATE device SET holder_account = NULL WHERE id = 'd2'", look).await;
        assert_eq!(world.holders().await, holders);
    }
}

on_both! {
    async fn r10_an_address_changed_by_hand_goes_back_without_a_mail(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(MORE).await);
        world.by_hand("UPDATE account SET activated_at = created_at, email_verified = (1 = 1) WHERE name = 'kim'").await;
        all_ready(&world.apply(MORE).await);
        let mails = "SELECT CAST(count(*) AS text) FROM outbox";
        let sent = world.by_hand(mails).await;
        world.by_hand("UPDATE account SET email = 'evil@example.org', email_key = 'evil@example.org' WHERE name = 'kim'").await;
        let report = world.again(Kind::SubAdmin, "root", "kim").await;
        assert_eq!(report.action, Action::Repaired);
        let email = "SELECT email || ' ' || email_key || COALESCE(pending_email, '') FROM account WHERE name = 'kim'";
        assert_eq!(world.by_hand(email).await.as_deref(), Some("kim@example.org kim@example.org"));
        assert_eq!(world.by_hand(mails).await, sent, "somebody was asked to prove an address");
        // It is the person's: proof, activation and password stay as they are.
        world.by_hand("UPDATE account SET password_hash = 'x' WHERE name = 'kim'").await;
        assert_eq!(world.again(Kind::SubAdmin, "root", "kim").await.action, Action::Unchanged);
    }
}

on_both! {
    async fn r10_an_ordinary_change_is_no_repair(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(MORE).await);
        for there in ["manageableDevices: 4", "manageableDevices: 3"] {
            let changed = MORE.replace("manageableDevices: 3", there);
            let reports = world.apply(changed.split("\n---\n").nth(1).unwrap()).await;
            all_ready(&reports);
        }
        let entries = "SELECT CAST(count(*) AS text) FROM audit WHERE action = 'repaired'";
        assert_eq!(world.by_hand(entries).await.as_deref(), Some("0"));
    }
}

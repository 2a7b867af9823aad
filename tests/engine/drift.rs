//! R10: what somebody changes in the database by hand goes back, and what
//! differed is recorded; passwords, activations and proofs are people's.

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
    let report = world.again(kind, "root", name).await;
    assert!(report.ready(), "{statement}: {:?}", report.conditions);
    assert_eq!(report.action, Action::Repaired, "{statement}");
    assert_eq!(world.by_hand(column).await, before, "{statement}");
    assert_ne!(world.by_hand(entries).await, count, "{statement} leaves no trace in the audit trail");
    assert_eq!(world.again(kind, "root", name).await.action, Action::Unchanged, "{statement}");
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
        ] {
            let own = if table == "account" { "kim" } else { name };
            let statement = format!("UPDATE {table} SET {column} = {value} WHERE name = '{own}'");
            let look = format!("SELECT CAST({column} AS text) FROM {table} WHERE name = '{own}'");
            puts_back(&mut world, kind, name, &statement, &look).await;
        }
        let groups = "SELECT CAST(count(*) AS text) FROM account_group WHERE name = 'crew'";
        puts_back(&mut world, Kind::SubAdmin, "kim", "DELETE FROM account_group", groups).await;
        let receivers = "SELECT group_name FROM grant_receiver";
        puts_back(&mut world, Kind::DeviceGrant, "fleet", "UPDATE grant_receiver SET group_name = 'boss'", receivers).await;
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

//! What becomes of authority later: lost, regained, handed over; who is told,
//! and what judging it costs (R2).

use crate::authority::{account, grant, in_tenant, refused, role, tenant};
use crate::on_both;
use crate::world::{ACME, World, all_ready, reason};
use tenantry::domain::authority::account_key;
use tenantry::domain::object::Kind::{DeviceGrant, Role, SubAdmin, Tenant};
use tenantry::engine::Report;

const VIEW: &str = "permissions: {allow: [{resources: [device], operations: [view]}]}";

/// Applies `lose`, which must cost `bob` the authority it stands on, and
/// `regain`, which must give it back; nothing of bob's rows changes meanwhile.
async fn loses_and_regains(world: &mut World, lose: &str, regain: &str, words: &str) {
    let id = |report: &Report| report.status["accountId"].clone();
    let before = world.again(SubAdmin, "root", "bob").await;
    assert!(before.ready(), "{:?}", before.conditions);
    let reports = world.apply(lose).await;
    refused(&reports, SubAdmin, "bob", "AuthorityLost", &[words, "what is in force stays"]);
    let lost = &reports[&account_key("root", "bob")];
    assert!(lost.condition("Reconciling").unwrap().status);
    assert_eq!((id(lost), lost.applied_generation), (id(&before), before.applied_generation));
    assert_eq!(lost.status["effective"], before.status["effective"], "the last good state stays");
    // Judged again, nothing is written and nobody is woken.
    let writes = world.engine.store().writes();
    world.again(SubAdmin, "root", "bob").await;
    assert_eq!(world.engine.store().writes(), writes);
    let reports = world.apply(regain).await;
    assert_eq!(reason(&reports, SubAdmin, "root", "bob"), "Reconciled", "heals by itself after {words}");
}

on_both! {
    async fn r2_authority_that_is_lost_leaves_what_is_in_force_and_heals_when_it_returns(world) {
        world.apply(ACME).await;
        world.apply(&tenant("north", "acme", "")).await;
        world.apply(&role("lead", "ada", "capabilities: [ManageUsers], permissions: {allow: [{resources: [bucket], operations: [view]}]}")).await;
        let kim = |more: &str| in_tenant("north", "kim", "ada", more);
        let good = "tier: Admin, capabilities: {from: List, names: []}, roles: [{name: lead}], permissions: {allow: [{resources: [device], operations: [view]}]}";
        all_ready(&world.apply(&kim(good)).await);
        all_ready(&world.apply(&in_tenant("north", "bob", "kim", "permissions: {allow: [{resources: [device, bucket], operations: [view]}]}, manageableScope: {from: List, groups: [field]}")).await);
        let good = kim(good);
        for (lose, words) in [
            (good.replace("tier: Admin", "tier: Basic"), "is Basic and may create nobody"),
            (good.replace("tier: Admin", "tier: Admin, enabled: false"), "is disabled"),
            (good.replace(", roles: [{name: lead}]", ", roles: []"), "lacks the capability ManageUsers"),
            (good.replace("operations: [view]", "operations: [operate]"), "view on device"),
            (good.replace("tier: Admin", "tier: Admin, manageableScope: {from: List, groups: [other]}"), "spec.manageableScope.groups of SubAdmin root/bob lists field"),
        ] {
            loses_and_regains(&mut world, &lose, &good, words).await;
        }
        loses_and_regains(&mut world, &tenant("north", "acme", "enabled: false"), &tenant("north", "acme", ""), "disabled tenant").await;
        // The tenant of the manager's account cannot move away from under it,
        // but that of an object can.
        world.apply(&tenant("south", "acme", "")).await;
        all_ready(&world.apply(&tenant("east", "north", "managedByRef: {name: ada}")).await);
        all_ready(&world.apply(&in_tenant("east", "eva", "kim", "")).await);
        let reports = world.apply(&tenant("east", "south", "managedByRef: {name: ada}")).await;
        refused(&reports, SubAdmin, "eva", "AuthorityLost", &["neither the object's nor above it"]);
        let reports = world.apply(&tenant("east", "north", "managedByRef: {name: ada}")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "eva"), "Reconciled");
    }
}

on_both! {
    async fn r2_roles_grants_and_tenants_lose_and_regain_authority_too(world) {
        world.apply(ACME).await;
        let kim = |names: &str| account("kim", "ada", &format!("tier: SuperAdmin, capabilities: {{from: List, names: [{names}]}}"));
        let all = kim("ManageTenants, ManageRoles, AssignAssetPermissions");
        all_ready(&world.apply(&all).await);
        let document = [
            tenant("north", "acme", "managedByRef: {name: kim}"),
            role("viewer", "kim", VIEW),
            grant("g", "kim", &format!("mode: Share, to: {{groups: [field]}}, {VIEW}")),
        ];
        all_ready(&world.apply(&document.join("\n---\n")).await);
        let reports = world.apply(&kim("ManageUsers")).await;
        for (kind, name) in [(Tenant, "north"), (Role, "viewer"), (DeviceGrant, "g")] {
            refused(&reports, kind, name, "AuthorityLost", &["lacks the capability", "what is in force stays"]);
        }
        let reports = world.apply(&all).await;
        for (kind, name) in [(Tenant, "north"), (Role, "viewer"), (DeviceGrant, "g")] {
            assert_eq!(reason(&reports, kind, "root", name), "Reconciled", "{name}");
        }
    }
}

on_both! {
    async fn r2_a_new_generation_is_refused_for_what_it_asks(world) {
        world.apply(ACME).await;
        world.apply(&account("kim", "ada", "tier: Admin")).await;
        world.apply(&account("bob", "kim", "")).await;
        let reports = world.apply(&account("kim", "ada", "tier: Admin, enabled: false")).await;
        refused(&reports, SubAdmin, "bob", "AuthorityLost", &["is disabled"]);
        let reports = world.apply(&account("bob", "kim", "company: ACME")).await;
        refused(&reports, SubAdmin, "bob", "ManagerDisabled", &["enable it or name another account in spec.managedByRef"]);
        let bob = &reports[&account_key("root", "bob")];
        assert_eq!((bob.generation, bob.applied_generation), (2, Some(1)));
        let reports = world.apply(&account("kim", "ada", "tier: Admin")).await;
        assert_eq!(reports[&account_key("root", "bob")].applied_generation, Some(2), "what waited goes on");
    }
}

on_both! {
    async fn r2_a_change_of_a_manager_wakes_what_it_answers_for_and_nobody_else(world) {
        world.apply(ACME).await;
        for (name, manager) in [("kim", "ada"), ("lea", "ada")] {
            world.apply(&account(name, manager, "tier: Admin")).await;
        }
        for (name, manager) in [("bob", "kim"), ("tim", "kim"), ("eve", "lea")] {
            world.apply(&account(name, manager, "")).await;
        }
        let reports = world.apply(&account("kim", "ada", "tier: Admin, capabilities: {from: List, names: []}")).await;
        let judged: Vec<&str> = reports.keys().filter(|k| k.kind == SubAdmin).map(|k| k.name.as_str()).collect();
        assert_eq!(judged, ["bob", "kim", "tim"]);
    }
}

/// Statements that applying these documents takes.
async fn statements(world: &mut World, documents: &str) -> u64 {
    world.settle().await;
    let manifest = world.manifest(documents);
    let before = world.engine.store().statements();
    let report = world.pass(&manifest).await;
    assert!(report.ready(), "{:?}", report.conditions);
    world.engine.store().statements() - before
}

on_both! {
    async fn r2_judging_many_takes_as_many_statements_as_judging_two(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&account("kim", "ada", "tier: SuperAdmin, manageableScope: {from: List, tenants: [{name: acme}]}")).await);
        for n in 0..16 {
            world.apply(&role(&format!("r{n}"), "ada", "")).await;
            world.apply(&account(&format!("m{n}"), "kim", "")).await;
        }
        let roles = |n: usize| (0..n).map(|n| format!("{{name: r{n}}}")).collect::<Vec<_>>().join(", ");
        let two = statements(&mut world, &account("x", "kim", &format!("roles: [{}]", roles(2)))).await;
        let many = statements(&mut world, &account("y", "kim", &format!("roles: [{}]", roles(16)))).await;
        assert_eq!(two, many, "roles of an account");
        let refs = |n: usize| (0..n).map(|n| format!("{{name: m{n}}}")).collect::<Vec<_>>().join(", ");
        let two = statements(&mut world, &grant("g", "kim", &format!("mode: Share, to: {{subAdminRefs: [{}]}}, {VIEW}", refs(2)))).await;
        let many = statements(&mut world, &grant("h", "kim", &format!("mode: Share, to: {{subAdminRefs: [{}]}}, {VIEW}", refs(16)))).await;
        assert_eq!(two, many, "receivers of a grant");
    }
}

on_both! {
    async fn r2_handing_over_many_takes_as_many_statements_as_handing_over_two(world) {
        world.apply(ACME).await;
        let mut taken = vec![];
        for (manager, n) in [("few", 2), ("many", 12)] {
            world.apply(&account(manager, "ada", "tier: SuperAdmin")).await;
            for n in 0..n {
                world.apply(&account(&format!("{manager}-{n}"), manager, "tier: Admin")).await;
                world.apply(&account(&format!("{manager}-{n}-below"), &format!("{manager}-{n}"), "")).await;
            }
            let mut manifest = world.manifest(&account(manager, "ada", "tier: SuperAdmin"));
            manifest.deleting = true;
            let before = world.engine.store().statements();
            assert!(world.pass(&manifest).await.finished);
            taken.push(world.engine.store().statements() - before);
        }
        assert_eq!(taken[0], taken[1]);
        let mut tx = world.engine.store().begin(tenantry::store::Access::Read).await.unwrap();
        let ada = tx.account_named("ada").await.unwrap().unwrap().account.id;
        let child = tx.account_named("many-7").await.unwrap().unwrap().account;
        let below = tx.account_named("many-7-below").await.unwrap().unwrap().account;
        assert_eq!((child.managed_by, below.managed_by), (Some(ada), Some(child.id)));
        assert_eq!(tx.managers_above(below.id).await.unwrap(), [below.id, child.id, ada]);
        assert_eq!(tx.managers_above(child.id).await.unwrap(), [child.id, ada]);
    }
}

on_both! {
    async fn r2_a_grant_that_lost_its_authority_keeps_what_it_gave_and_gives_nothing_more(world) {
        all_ready(&world.apply(ACME).await);
        let mia = "
kind: SubAdmin
metadata: {namespace: root, name: mia}
spec: {tenantRef: {name: acme}, managedByRef: {name: ada}, username: mia, email: mia@example.org, tier: SuperAdmin}";
        all_ready(&world.apply(mia).await);
        all_ready(&world.apply("
kind: SubAdmin
metadata: {namespace: root, name: low}
spec: {tenantRef: {name: acme}, managedByRef: {name: mia}, username: low, email: low@example.org}").await);
        world.import(&[("d1", Some("/acme"))]).await;
        for (name, mode) in [("assign", "Assign"), ("share", "Share")] {
            let devices = if mode == "Assign" { "deviceIds: [d1, d2]" } else { "all: true" };
            world.apply(&format!("
kind: DeviceGrant
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: acme}}, managedByRef: {{name: mia}}, mode: {mode}, to: {{subAdminRefs: [{{name: low}}]}}, devices: {{{devices}}}, permissions: {{allow: [{{resources: [device], operations: [view]}}]}}}}")).await;
        }
        let applied = |world: &World| {
            let engine = world.engine.clone();
            async move {
                let reports = engine.last_reports().await.unwrap();
                let of = |name: &str| {
                    let found = reports.iter().find(|(key, _)| key.kind == DeviceGrant && key.name == name);
                    found.unwrap().1.as_ref().unwrap().status["devices"]["applied"].as_i64().unwrap()
                };
                (of("assign"), of("share"))
            }
        };
        assert_eq!(applied(&world).await, (1, 1));
        world.apply(&mia.replace("tier: SuperAdmin", "tier: SuperAdmin, enabled: false")).await;
        world.import(&[("d2", Some("/acme"))]).await;
        world.settle().await;
        assert_eq!(applied(&world).await, (1, 1), "a disabled account gave devices");
        assert_eq!(world.holders().await["d2"], "/acme");
        world.apply(mia).await;
        world.settle().await;
        assert_eq!(applied(&world).await, (2, 2));
        assert_eq!(world.holders().await["d2"], "/acme:low");
    }
}

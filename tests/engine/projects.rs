//! Projects: the view `project_members`, read as another program would, and
//! compared with the pure rule about whom a grant reaches.

use std::collections::BTreeSet;

use sqlx::Row as _;
use tenantry::domain::access::facts::{Covers, Giver, Offer, Subject};
use tenantry::domain::access::reach::reaches;
use tenantry::domain::object::Kind::{DeviceGrant, SubAdmin, Tenant};
use tenantry::domain::object::ObjectKey;
use tenantry::store::Access;

use crate::on_both;
use crate::world::{ACME, World, all_ready};

/// A member as the view shows it: project, username, grant, via.
type Member = (String, String, String, String);

/// Every row of the view, with the path of the granting tenant before the project.
async fn members(world: &World) -> BTreeSet<Member> {
    let sql = "SELECT tenant_path || ' ' || project AS project, username, grant_namespace || '/' || grant_name AS grant_key, via FROM project_members";
    let member = |project, username, grant, via| (project, username, grant, via);
    let rows: Vec<Member> = if world.url.starts_with("sqlite") {
        let pool = sqlx::SqlitePool::connect(&world.url).await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
        rows.iter()
            .map(|r| member(r.get("project"), r.get("username"), r.get("grant_key"), r.get("via")))
            .collect()
    } else {
        let pool = sqlx::PgPool::connect(&world.url).await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
        rows.iter()
            .map(|r| member(r.get("project"), r.get("username"), r.get("grant_key"), r.get("via")))
            .collect()
    };
    let set: BTreeSet<Member> = rows.iter().cloned().collect();
    assert_eq!(set.len(), rows.len(), "an account is listed once for each grant: {rows:?}");
    set
}

/// What the pure rule says about these grants and accounts.
async fn reached(world: &World, grants: &[(&str, &str)], accounts: &[&str]) -> BTreeSet<Member> {
    let mut tx = world.engine.store().begin(Access::Read).await.unwrap();
    let mut reached = BTreeSet::new();
    for (path, name) in grants {
        let tenant = tx.tenant_at(path).await.unwrap().unwrap();
        let Some(grant) = tx.grant_named(tenant.id, name).await.unwrap() else { continue };
        let giver = match grant.managed_by {
            None => Giver::Platform,
            Some(id) => {
                let giver = tx.account(id).await.unwrap().unwrap().account;
                Giver::Account { id, tier: giver.settings.tier }
            }
        };
        let offer = Offer {
            key: ObjectKey::new(DeviceGrant, &grant.namespace, &grant.name),
            tenant: grant.tenant,
            mode: grant.mode,
            receivers: grant.receivers,
            permissions: grant.permissions,
            not_before: grant.not_before,
            expires_at: grant.expires_at,
            giver,
            covers: Covers::NoDevices,
        };
        let (Some(project), true) = (grant.project, offer.in_effect(tx.now())) else { continue };
        for username in accounts {
            let Some(found) = tx.account_named(username).await.unwrap() else { continue };
            let tenant = (&tx.chain(found.account.tenant).await.unwrap()).into();
            let settings = found.account.settings;
            let subject = Subject {
                id: found.account.id,
                key: found.key,
                username: settings.username,
                tier: settings.tier,
                enabled: settings.enabled,
                tenant,
                groups: found.groups,
                roles: found.roles,
                permissions: settings.permissions,
                individual_access: found.account.effective.individual_access,
                scope: settings.scope,
            };
            if let Some(via) = reaches(&offer, &subject) {
                let key = format!("{}/{}", grant.namespace, grant.name);
                reached.insert((
                    format!("{path} {project}"),
                    (*username).to_owned(),
                    key,
                    via.as_str().to_owned(),
                ));
            }
        }
    }
    reached
}

fn account(name: &str, tenant: &str, more: &str) -> String {
    format!(
        "
kind: SubAdmin
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: {tenant}}}, username: {name}, email: {name}@example.org{more}}}"
    )
}

fn share(name: &str, tenant: &str, to: &str, more: &str) -> String {
    format!(
        "
kind: DeviceGrant
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: {tenant}}}, mode: Share, project: greenhouse, to: {to}, permissions: {{allow: [{{resources: [dashboard], operations: [view]}}]}}{more}}}"
    )
}

const NORTH: &str = "
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}}";

const GRANTS: [(&str, &str); 6] = [
    ("/acme", "one"),
    ("/acme", "team"),
    ("/acme", "all"),
    ("/acme", "below"),
    ("/acme", "self"),
    ("/acme/north", "northern"),
];
const ACCOUNTS: [&str; 6] = ["ada", "sue", "kim", "lee", "nan", "max"];

/// `username via grant` of each member, after the view and the rule agreed.
async fn agreed(world: &World) -> Vec<String> {
    let members = members(world).await;
    assert_eq!(members, reached(world, &GRANTS, &ACCOUNTS).await);
    let mut shown: Vec<String> =
        members.into_iter().map(|(_, username, grant, via)| format!("{username} {via} {grant}")).collect();
    shown.sort();
    shown
}

async fn people(world: &mut World) {
    all_ready(&world.apply(ACME).await);
    all_ready(&world.apply(NORTH).await);
    all_ready(&world.apply(&account("sue", "acme", ", tier: Admin, managedByRef: {name: ada}, permissions: {allow: [{resources: [dashboard], operations: [view]}]}")).await);
    all_ready(&world.apply(&account("kim", "acme", ", groups: [field, office]")).await);
    all_ready(&world.apply(&account("lee", "acme", "")).await);
    all_ready(&world.apply(&account("nan", "north", ", groups: [field]")).await);
    all_ready(&world.apply(&account("max", "north", ", tier: Admin")).await);
}

on_both! {
    async fn r4_a_projects_members_are_the_accounts_that_its_grants_reach(world) {
        people(&mut world).await;
        assert_eq!(agreed(&world).await, Vec::<String>::new());
        all_ready(&world.apply(&share("one", "acme", "{subAdminRefs: [{name: lee}, {name: nan}]}", "")).await);
        all_ready(&world.apply(&share("team", "acme", "{groups: [field, office]}", "")).await);
        all_ready(&world.apply(&share("below", "acme", "{tenantRef: {name: north}}", "")).await);
        all_ready(&world.apply(&share("northern", "north", "{groups: [field]}", "")).await);
        let nobodys = share("loose", "acme", "{tenantRef: {name: acme}}", "").replace("project: greenhouse, ", "");
        all_ready(&world.apply(&nobodys).await);
        let expected = [
            // The group `field` of acme is not that of north.
            "kim group root/team", "lee account root/one", "max tenant root/below", "nan account root/one",
            "nan group root/northern", "nan tenant root/below",
        ];
        assert_eq!(agreed(&world).await, expected);
    }
}

on_both! {
    async fn r2_a_grant_makes_members_only_of_those_whom_its_giver_outranks(world) {
        people(&mut world).await;
        all_ready(&world.apply(&share("all", "acme", "{tenantRef: {name: acme}}", ", managedByRef: {name: sue}")).await);
        all_ready(&world.apply(&share("self", "acme", "{subAdminRefs: [{name: sue}]}", ", managedByRef: {name: sue}")).await);
        assert_eq!(
            agreed(&world).await,
            ["kim tenant root/all", "lee tenant root/all", "sue account root/self"]
        );
        all_ready(&world.apply(&share("all", "acme", "{tenantRef: {name: acme}}", ", managedByRef: {name: ada}")).await);
        assert!(agreed(&world).await.contains(&"sue tenant root/all".to_owned()));
        assert!(!agreed(&world).await.contains(&"ada tenant root/all".to_owned()), "Root does not outrank itself");
        all_ready(&world.apply(&share("all", "acme", "{tenantRef: {name: acme}}", "")).await);
        assert!(agreed(&world).await.contains(&"ada tenant root/all".to_owned()), "the platform outranks everybody");
    }
}

on_both! {
    async fn membership_of_a_project_follows_groups_times_moves_and_removal(world) {
        people(&mut world).await;
        let team = |more: &str| share("team", "acme", "{groups: [field]}", more);
        all_ready(&world.apply(&team("")).await);
        assert_eq!(agreed(&world).await, ["kim group root/team"]);
        all_ready(&world.apply(&account("lee", "acme", ", groups: [field]")).await);
        assert_eq!(agreed(&world).await, ["kim group root/team", "lee group root/team"]);
        all_ready(&world.apply(&account("kim", "acme", ", groups: [office]")).await);
        assert_eq!(agreed(&world).await, ["lee group root/team"]);

        world.apply(&team(", notBefore: '2999-01-01T00:00:00Z'")).await;
        assert_eq!(agreed(&world).await, Vec::<String>::new());
        world.apply(&team(", expiresAt: '2001-01-01T00:00:00Z'")).await;
        assert_eq!(agreed(&world).await, Vec::<String>::new());
        world.apply(&team(", notBefore: '2001-01-01T00:00:00Z', expiresAt: '2999-01-01T00:00:00Z'")).await;
        assert_eq!(agreed(&world).await, ["lee group root/team"]);

        all_ready(&world.apply(&account("lee", "acme", ", enabled: false, groups: [field]")).await);
        assert_eq!(agreed(&world).await, ["lee group root/team"], "a disabled member is one that may do nothing");
        assert!(world.delete(SubAdmin, "root", "lee").await.finished);
        assert_eq!(agreed(&world).await, Vec::<String>::new());

        all_ready(&world.apply(&share("below", "acme", "{tenantRef: {name: north}}", "")).await);
        assert_eq!(agreed(&world).await, ["max tenant root/below", "nan tenant root/below"]);
        // Moved to another tree, the tenant is out of the grant's reach.
        all_ready(&world.apply("
kind: Tenant
metadata: {namespace: root, name: bolt}
spec: {}").await);
        let moved = world.apply(&NORTH.replace("acme", "bolt")).await;
        assert!(moved[&ObjectKey::new(Tenant, "root", "north")].ready());
        assert_eq!(members(&world).await, BTreeSet::new());
        world.apply(NORTH).await;
        assert_eq!(agreed(&world).await, ["max tenant root/below", "nan tenant root/below"]);
        assert!(world.delete(DeviceGrant, "root", "below").await.finished);
        assert_eq!(agreed(&world).await, Vec::<String>::new());
    }
}

on_both! {
    async fn a_project_has_no_members_by_a_grant_that_was_deleted_though_its_devices_stay(world) {
        people(&mut world).await;
        world.import(&[("d1", Some("/acme"))]).await;
        let assign = share("one", "acme", "{subAdminRefs: [{name: lee}]}", ", reclaim: Retain, devices: {deviceIds: [d1]}")
            .replace("mode: Share", "mode: Assign");
        all_ready(&world.apply(&assign).await);
        assert_eq!(agreed(&world).await, ["lee account root/one"]);
        assert!(world.delete(DeviceGrant, "root", "one").await.finished);
        assert_eq!(world.holders().await["d1"], "/acme:lee");
        assert_eq!(members(&world).await, BTreeSet::new());
    }
}

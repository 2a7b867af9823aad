//! R1 and R2 without a database.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::domain::account::{DeletionPolicy, Settings, effective};
use crate::domain::permission::{Pattern, Permissions, Rule};
use crate::domain::tenant::{self, Level, Limits, NamespacePolicy, Tenant};

const ACME: Uuid = Uuid::from_u128(1);
const NORTH: Uuid = Uuid::from_u128(2);

fn level(id: Uuid, name: &str, distance: i64) -> Level {
    Level {
        tenant: Tenant {
            id,
            object: None,
            parent: None,
            root: ACME,
            name: name.into(),
            path: format!("/{name}"),
            permitted: true,
            settings: tenant::Settings {
                display_name: name.into(),
                enabled: true,
                allowed_namespaces: NamespacePolicy::Same,
                limits: Limits::default(),
                owner: None,
                mail: None,
                branding: None,
                deletion_policy: tenant::DeletionPolicy::Refuse,
            },
            managed_by: None,
            created_at: Timestamp::UNIX_EPOCH,
        },
        key: Some(tenant::key("ns", name)),
        source: None,
        distance,
    }
}

/// `acme`, and `north` in it.
fn acme() -> Chain {
    Chain(vec![level(ACME, "acme", 0)])
}
fn north() -> Chain {
    Chain(vec![level(NORTH, "north", 0), level(ACME, "acme", 1)])
}

fn reference(name: &str) -> Ref {
    Ref { namespace: "ns".into(), name: name.into() }
}

/// A SuperAdmin of `acme` with a scope, changed as a test needs it.
fn manager(scope: Option<Scope>, change: impl FnOnce(&mut Settings)) -> Authority {
    let mut settings = Settings {
        username: "kim".into(),
        email: "kim@example.org".into(),
        company: None,
        mobile: None,
        tier: Tier::SuperAdmin,
        enabled: true,
        email_verified: false,
        manageable_devices: None,
        capabilities: None,
        scope,
        permissions: Permissions::default(),
        individual_access: None,
        locale: "en".into(),
        link_lifetime: 3600,
        deletion_policy: DeletionPolicy::Delete,
    };
    change(&mut settings);
    let account = Account {
        id: Uuid::from_u128(9),
        object: None,
        tenant: ACME,
        name: "kim".into(),
        effective: effective(&settings, &[], None),
        settings,
        pending_email: None,
        proved: false,
        has_password: false,
        activated_at: None,
        managed_by: None,
        created_at: Timestamp::UNIX_EPOCH,
    };
    Authority::Account(Box::new(Manager {
        key: account_key("ns", "kim"),
        account,
        roles: vec![],
        blocked: false,
    }))
}

fn listed(tenants: &[&str], groups: &[&str], roles: &[&str]) -> Option<Scope> {
    Some(Scope {
        tenants: tenants.iter().map(|name| reference(name)).collect(),
        groups: groups.iter().map(|name| (*name).to_owned()).collect(),
        roles: roles.iter().map(|name| reference(name)).collect(),
    })
}

fn reason(result: Result<(), Refusal>) -> Option<Reason> {
    result.err().map(|refusal| refusal.reason)
}

fn on_account(authority: &Authority, within: &Chain, reach: Reach) -> Option<Reason> {
    let key = account_key("ns", "bob");
    let target = Target::Account(Subject { key: &key, tier: Tier::Basic, reach });
    reason(permit(authority, &Act { key: &key, needs: Capability::ManageUsers, within, target }))
}

#[test]
fn r2_an_account_is_in_scope_by_tenant_group_role_or_creation() {
    let others = |group: &str, role: &str| Reach::Others {
        groups: [group.to_owned()].into(),
        roles: [reference(role)].into(),
    };
    let out = Some(Reason::OutOfScope);
    let kim = manager(listed(&["north"], &["field"], &["operator"]), |_| ());
    assert_eq!(on_account(&kim, &north(), Reach::New), None);
    assert_eq!(on_account(&kim, &acme(), Reach::New), out);
    assert_eq!(on_account(&kim, &acme(), Reach::Own), None);
    assert_eq!(on_account(&kim, &acme(), others("field", "none")), None);
    assert_eq!(on_account(&kim, &acme(), others("none", "operator")), None);
    assert_eq!(on_account(&kim, &acme(), others("none", "none")), out);
    let groups_only = manager(listed(&[], &["field"], &[]), |_| ());
    assert_eq!(on_account(&groups_only, &north(), others("field", "none")), out, "north's own group");
    let nothing = manager(listed(&[], &[], &[]), |_| ());
    assert_eq!(on_account(&nothing, &acme(), Reach::Own), None);
    assert_eq!(on_account(&nothing, &acme(), Reach::New), out);
    let restricted = manager(None, |s| s.individual_access = Some(true));
    assert_eq!(on_account(&restricted, &acme(), others("none", "none")), out);
    assert_eq!(on_account(&restricted, &acme(), Reach::New), None);
}

#[test]
fn r2_the_first_thing_that_is_missing_is_named() {
    let new = || Reach::New;
    let tier = |tier| move |s: &mut Settings| s.tier = tier;
    assert_eq!(on_account(&Authority::Platform, &acme(), new()), None);
    assert_eq!(
        on_account(&manager(None, |s| s.enabled = false), &acme(), new()),
        Some(Reason::ManagerDisabled)
    );
    assert_eq!(on_account(&manager(None, tier(Tier::Basic)), &acme(), new()), Some(Reason::TierNotAllowed));
    let without = manager(None, |s| s.capabilities = Some(BTreeSet::new()));
    assert_eq!(on_account(&without, &acme(), new()), Some(Reason::CapabilityMissing));
    let elsewhere = Chain(vec![level(Uuid::from_u128(7), "globex", 0)]);
    assert_eq!(on_account(&manager(None, |_| ()), &elsewhere, new()), Some(Reason::OutOfScope));
}

#[test]
fn r2_groups_are_assigned_created_or_new_in_a_listed_tenant() {
    let key = account_key("ns", "bob");
    let asked = |authority: &Authority, name, created| {
        let target = Target::Group { name, created };
        let within = acme();
        reason(permit(
            authority,
            &Act { key: &key, needs: Capability::ManageUserGroups, within: &within, target },
        ))
    };
    let out = Some(Reason::OutOfScope);
    let kim = manager(listed(&["acme"], &["field"], &[]), |_| ());
    assert_eq!(asked(&kim, "field", Created::ByOthers), None);
    assert_eq!(asked(&kim, "office", Created::ByOthers), out);
    assert_eq!(asked(&kim, "office", Created::ByManager), None);
    assert_eq!(asked(&kim, "office", Created::NotYet), None);
    let unlisted = manager(listed(&[], &["field"], &[]), |_| ());
    assert_eq!(asked(&unlisted, "office", Created::NotYet), out);
    assert_eq!(asked(&unlisted, "field", Created::NotYet), None);
    assert_eq!(asked(&manager(None, |_| ()), "office", Created::ByOthers), None);
}

#[test]
fn r2_a_scope_is_compared_by_the_tree() {
    let key = account_key("ns", "bob");
    let kim = manager(listed(&["north"], &["field"], &["operator"]), |_| ());
    let above: Above = BTreeMap::from([(reference("east"), [reference("east"), reference("north")].into())]);
    let asked = |scope: Option<Scope>, within: &Chain| {
        reason(within_scope(&kim, &key, scope.as_ref(), within, &above))
    };
    let wide = Some(Reason::ExceedsManager);
    assert_eq!(asked(listed(&["east"], &["field"], &["operator"]), &acme()), None);
    assert_eq!(asked(listed(&["south"], &[], &[]), &acme()), wide);
    assert_eq!(asked(listed(&[], &["office"], &[]), &acme()), wide);
    assert_eq!(asked(listed(&[], &[], &["chief"]), &acme()), wide);
    assert_eq!(asked(None, &acme()), wide);
    assert_eq!(asked(None, &north()), None);
    assert_eq!(asked(listed(&["anywhere"], &["office"], &[]), &north()), None, "all of north is covered");
}

#[test]
fn r2_a_share_to_oneself_reaches_as_far_as_those_below_may_go() {
    let key = ObjectKey::new(Kind::DeviceGrant, "ns", "mine");
    let rules =
        |operation: &str| Permissions { allow: vec![Rule::single("device", operation)], deny: vec![] };
    let theirs = |operation: &str| Theirs { key: None, holding: Holding::Rules(rules(operation)) };
    let kim = manager(None, |s| s.permissions = rules("view"));
    let asked = |wanted: &str, theirs: &[Theirs]| {
        reason(within_theirs(&kim, &key, "spec.permissions.allow", &rules(wanted), theirs))
    };
    let exceeds = Some(Reason::ExceedsManager);
    assert_eq!(asked("view", &[]), None, "its own");
    assert_eq!(asked("operate", &[]), exceeds);
    assert_eq!(asked("operate", &[theirs("operate")]), None);
    assert_eq!(asked("operate", &[theirs("operate"), theirs("view")]), exceeds, "every one of them");
}

fn rules() -> impl proptest::strategy::Strategy<Value = Permissions> {
    use proptest::prelude::*;
    let pattern = |words: &'static [&'static str]| proptest::sample::select(words);
    let rule = (
        pattern(&["device", "device.*", "device.lock", "*", "bucket"]),
        pattern(&["view", "view.*", "operate", "*"]),
    )
        .prop_map(|(resource, operation)| Rule::single(resource, operation));
    let list = proptest::collection::vec(rule, 0..3);
    (list.clone(), list).prop_map(|(allow, deny)| Permissions { allow, deny })
}

proptest::proptest! {
    #[test]
    fn r2_what_is_handed_on_is_held_for_each_part_of_the_devices(
        own in rules(),
        given in proptest::collection::vec(rules(), 0..3),
        others in proptest::bool::ANY,
        written in rules(),
    ) {
        let words = |list: &[&str]| list.iter().map(|word| Pattern::new(*word)).collect::<Vec<_>>();
        let (resources, operations) = (words(&["device", "device.lock", "bucket", "x"]), words(&["view", "view.live", "operate", "manage"]));
        let key = |n: usize| ObjectKey::new(Kind::DeviceGrant, "ns", format!("g{n}"));
        let by = given.iter().cloned().enumerate().map(|(n, rules)| (key(n), rules)).collect();
        let received = Received { by, others };
        // An Admin, so that nothing is held but what rules say.
        let authority = manager(None, |settings| {
            settings.tier = Tier::Admin;
            settings.permissions = own.clone();
        });
        let holder = authority.manager().unwrap();
        let mut parts: Vec<Holding> = given.iter().map(|rules| holder.holding().with(rules)).collect();
        if others || parts.is_empty() {
            parts.push(holder.holding());
        }
        let held = |resource: &Pattern, operation: &Pattern| parts.iter().all(|part| part.allows(resource, operation));
        let handed_on = Holding::Rules(received.passes_on(holder, &Pattern::new("device")));
        let accepted = within_received(&authority, &key(9), "f", &written, &received).is_ok();
        for resource in &resources {
            for operation in &operations {
                proptest::prop_assert!(!handed_on.allows(resource, operation) || held(resource, operation), "{resource:?} {operation:?}");
                let asked = written.allowing(resource, operation).is_some();
                proptest::prop_assert!(!(accepted && asked) || held(resource, operation), "{resource:?} {operation:?}");
                // Whatever single operation all parts hold on the whole of devices comes along.
                let whole = held(&Pattern::new("device"), operation);
                proptest::prop_assert!(!whole || handed_on.allows(&Pattern::new("device"), operation), "{operation:?}");
            }
        }
    }
}

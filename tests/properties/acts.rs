//! What can happen to a world: random acts, each of which the pure rules accept
//! or refuse as the engine would (see `lawful`). Numbers in an act are taken modulo what there
//! is, so that every act means something in every world.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use tenantry::domain::capability::Capability;
use tenantry::domain::permission::{Pattern, Permissions, Rule};
use tenantry::domain::role::Content;
use tenantry::domain::tenant::{FinerLimits, Limits, RoleLimit};
use tenantry::domain::tier::Tier;

use crate::model::{Held, World};

/// What an author writes into a SubAdmin.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) tier: Tier,
    pub(crate) enabled: bool,
    pub(crate) quota: Option<i64>,
    pub(crate) capabilities: Option<BTreeSet<Capability>>,
    pub(crate) scope: Option<(BTreeSet<usize>, BTreeSet<String>, BTreeSet<usize>)>,
    pub(crate) permissions: Permissions,
    pub(crate) individual_access: Option<bool>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) roles: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Tenant {
        by: Option<usize>,
        parent: Option<usize>,
        root: bool,
        limits: Limits,
    },
    Account {
        by: Option<usize>,
        tenant: usize,
        written: Written,
    },
    Role {
        by: Option<usize>,
        tenant: usize,
        content: Content,
    },
    Share {
        by: Option<usize>,
        tenant: usize,
        to: (u8, BTreeSet<usize>),
        devices: Option<BTreeSet<usize>>,
        permissions: Permissions,
        times: u8,
    },
    Assign {
        by: Option<usize>,
        tenant: usize,
        to: (bool, usize),
        device: usize,
        permissions: Permissions,
    },
    Import {
        device: usize,
        tenant: usize,
    },
    Remove {
        account: usize,
    },
    // The following may take away what others rest on.
    Rewrite {
        account: usize,
        written: Written,
    },
    Limit {
        tenant: usize,
        limits: Limits,
    },
    Move {
        tenant: usize,
        parent: usize,
    },
    Switch {
        tenant: usize,
        enabled: bool,
        permitted: bool,
    },
}

pub(crate) const GROUPS: [&str; 2] = ["field", "office"];
const RESOURCES: [&str; 8] = [
    "*",
    "device",
    "device.*",
    "cameras.*",
    "cameras.archive",
    "cameras.archive.*",
    "bucket.*",
    "bucket.north",
];
const OPERATIONS: [&str; 5] = ["*", "view", "operate", "manage", "view.*"];
/// Words that questions are made of.
pub(crate) const WORDS: [&str; 8] = [
    "device",
    "device.clip",
    "cameras",
    "cameras.archive",
    "cameras.archive.clip",
    "cameras.logins",
    "bucket.north",
    "other",
];
pub(crate) const VERBS: [&str; 4] = ["view", "operate", "manage", "view.raw"];

fn rule() -> impl Strategy<Value = Rule> {
    (vec(prop::sample::select(&RESOURCES[..]), 1..3), vec(prop::sample::select(&OPERATIONS[..]), 1..3))
        .prop_map(|(resources, operations)| Rule {
            resources: resources.into_iter().map(Pattern::new).collect(),
            operations: operations.into_iter().map(Pattern::new).collect(),
        })
}

pub(crate) fn permissions() -> impl Strategy<Value = Permissions> {
    let allow = prop_oneof![
        2 => Just(vec![]),
        2 => Just(vec![Rule::single("*", "*")]),
        2 => Just(vec![Rule::single("device", "view")]),
        4 => vec(rule(), 1..3),
    ];
    (allow, prop_oneof![3 => Just(vec![]), 1 => vec(rule(), 1..2)])
        .prop_map(|(allow, deny)| Permissions { allow, deny })
}

fn capabilities() -> impl Strategy<Value = BTreeSet<Capability>> {
    btree_set(prop::sample::select(&Capability::GIVEN[..6]), 0..5)
}

pub(crate) fn content() -> impl Strategy<Value = Content> {
    (permissions(), capabilities(), prop::bool::weighted(0.2)).prop_map(
        |(permissions, capabilities, individual_access)| Content {
            permissions,
            capabilities,
            individual_access,
        },
    )
}

fn limits() -> impl Strategy<Value = Limits> {
    let max = || prop_oneof![5 => Just(None), 1 => (1i64..8).prop_map(Some)];
    (max(), max(), max(), max(), max()).prop_map(|(devices, tenants, accounts, basic, role)| Limits {
        devices,
        tenants,
        accounts,
        finer: FinerLimits {
            by_tier: basic.map(|max| (Tier::Basic, max)).into_iter().collect(),
            by_role: role
                .map(|max| RoleLimit { namespace: "root".into(), name: "r0".into(), max })
                .into_iter()
                .collect(),
        },
    })
}

fn groups() -> impl Strategy<Value = BTreeSet<String>> {
    btree_set(prop::sample::select(&GROUPS[..]).prop_map(str::to_owned), 0..3)
}

fn written() -> impl Strategy<Value = Written> {
    let tier =
        prop::sample::select(vec![Tier::Root, Tier::SuperAdmin, Tier::Admin, Tier::Admin, Tier::Basic]);
    let scope = option::weighted(0.3, (btree_set(0usize..5, 0..3), groups(), btree_set(0usize..3, 0..2)));
    (
        (
            tier,
            prop::bool::weighted(0.95),
            option::weighted(0.3, 0i64..5),
            option::weighted(0.2, capabilities()),
            scope,
        ),
        (
            permissions(),
            prop_oneof![4 => Just(None), 1 => any::<bool>().prop_map(Some)],
            groups(),
            btree_set(0usize..3, 0..3),
        ),
    )
        .prop_map(
            |(
                (tier, enabled, quota, capabilities, scope),
                (permissions, individual_access, groups, roles),
            )| Written {
                tier,
                enabled,
                quota,
                capabilities,
                scope,
                permissions,
                individual_access,
                groups,
                roles,
            },
        )
}

fn by() -> impl Strategy<Value = Option<usize>> {
    option::weighted(0.75, 0usize..16)
}

/// Acts that take nothing away from who is in charge of somebody.
fn growing() -> impl Strategy<Value = Act> {
    let devices = || btree_set(0usize..6, 1..4);
    prop_oneof![
        4 => (by(), option::weighted(0.85, 0usize..6), prop::bool::weighted(0.85), limits())
            .prop_map(|(by, parent, root, limits)| Act::Tenant { by, parent, root, limits }),
        12 => (by(), 0usize..6, written()).prop_map(|(by, tenant, written)| Act::Account { by, tenant, written }),
        4 => (by(), 0usize..6, content()).prop_map(|(by, tenant, content)| Act::Role { by, tenant, content }),
        8 => (by(), 0usize..6, (0u8..3, btree_set(0usize..16, 1..3)), option::weighted(0.7, devices()), permissions(), 0u8..8)
            .prop_map(|(by, tenant, to, devices, permissions, times)| Act::Share { by, tenant, to, devices, permissions, times }),
        4 => (by(), 0usize..6, (any::<bool>(), 0usize..16), 0usize..6, permissions())
            .prop_map(|(by, tenant, to, device, permissions)| Act::Assign { by, tenant, to, device, permissions }),
        4 => (0usize..6, 0usize..6).prop_map(|(device, tenant)| Act::Import { device, tenant }),
        1 => (0usize..16).prop_map(|account| Act::Remove { account }),
    ]
}

/// Every act.
fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        16 => growing(),
        3 => (0usize..16, written()).prop_map(|(account, written)| Act::Rewrite { account, written }),
        1 => (0usize..6, limits()).prop_map(|(tenant, limits)| Act::Limit { tenant, limits }),
        3 => (0usize..6, 0usize..6).prop_map(|(tenant, parent)| Act::Move { tenant, parent }),
        1 => (0usize..6, prop::bool::weighted(0.9), prop::bool::weighted(0.9))
            .prop_map(|(tenant, enabled, permitted)| Act::Switch { tenant, enabled, permitted }),
    ]
}

/// A root tenant with its Root and a tenant below it, so that worlds do not
/// have to find the beginning by chance.
pub(crate) fn beginning() -> World {
    let mut world = World { devices: vec![Held::Nobody; 6], ..World::default() };
    let root = Written {
        tier: Tier::Root,
        enabled: true,
        quota: None,
        capabilities: None,
        scope: None,
        permissions: Permissions::default(),
        individual_access: None,
        groups: BTreeSet::new(),
        roles: BTreeSet::new(),
    };
    let all = [
        Act::Tenant { by: None, parent: None, root: true, limits: Limits::default() },
        Act::Account { by: None, tenant: 0, written: root.clone() },
        Act::Tenant { by: Some(0), parent: Some(0), root: true, limits: Limits::default() },
        Act::Account { by: Some(0), tenant: 1, written: Written { tier: Tier::SuperAdmin, ..root } },
        Act::Import { device: 0, tenant: 0 },
        Act::Import { device: 1, tenant: 0 },
        Act::Import { device: 2, tenant: 1 },
    ];
    for act in all {
        world.accept(&act).expect("the beginning is lawful");
    }
    world
}

pub(crate) fn growing_acts() -> impl Strategy<Value = Vec<Act>> {
    vec(growing(), 20..80)
}

pub(crate) fn acts() -> impl Strategy<Value = Vec<Act>> {
    vec(any_act(), 20..80)
}

/// A world that came into being by random acts, the lawful ones accepted.
pub(crate) fn any_world() -> impl Strategy<Value = World> {
    acts().prop_map(lived)
}

fn lived(acts: Vec<Act>) -> World {
    let mut world = beginning();
    for act in &acts {
        let _ = world.accept(act);
    }
    world
}

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::domain::object::Kind;
use crate::domain::tenant::{DeletionPolicy, NamespacePolicy, RoleLimit, Settings};

fn id(n: usize) -> Uuid {
    Uuid::from_u128(n as u128 + 1)
}

fn level(n: usize, limits: Limits) -> Level {
    let tenant = Tenant {
        id: id(n),
        object: None,
        parent: None,
        root: id(0),
        name: format!("t{n}"),
        path: format!("/t{n}"),
        permitted: true,
        settings: Settings {
            display_name: String::new(),
            enabled: true,
            allowed_namespaces: NamespacePolicy::Same,
            limits,
            owner: None,
            mail: None,
            branding: None,
            deletion_policy: DeletionPolicy::Refuse,
        },
        managed_by: None,
        created_at: Timestamp::UNIX_EPOCH,
    };
    Level {
        tenant,
        key: Some(ObjectKey::new(Kind::Tenant, "root", format!("t{n}"))),
        source: None,
        distance: 0,
    }
}

fn operator() -> Ref {
    Ref { namespace: "root".to_owned(), name: "operator".to_owned() }
}

fn limits() -> impl Strategy<Value = Limits> {
    let max = || proptest::option::of(0..4_i64);
    (max(), max(), max(), max(), max()).prop_map(|(devices, tenants, accounts, basic, operators)| {
        let mut limits = Limits { devices, tenants, accounts, ..Limits::default() };
        limits.finer.by_tier = basic.map(|max| (Tier::Basic, max)).into_iter().collect();
        let role = operator();
        let by_role = operators.map(|max| RoleLimit { namespace: role.namespace, name: role.name, max });
        limits.finer.by_role = by_role.into_iter().collect();
        limits
    })
}

/// A tree of tenants: each stands below an earlier one, the first is the root.
#[derive(Clone, Debug)]
struct Forest {
    parents: Vec<usize>,
    limits: Vec<Limits>,
    uses: BTreeMap<Uuid, TenantUse>,
}

impl Forest {
    fn chain(&self, mut at: usize) -> Chain {
        let mut levels = vec![level(at, self.limits[at].clone())];
        while at > 0 {
            at = self.parents[at - 1] % at;
            levels.push(level(at, self.limits[at].clone()));
        }
        Chain(levels)
    }

    fn add(&mut self, chain: &Chain, addition: &[(Counted, i64)]) {
        for level in &chain.0 {
            let entry = self.uses.entry(level.tenant.id).or_default();
            entry.tenant = level.tenant.id;
            for (counted, more) in addition {
                match counted {
                    Counted::Devices => entry.devices += more,
                    Counted::Tenants => entry.tenants += more,
                    Counted::Accounts => entry.accounts += more,
                    Counted::Tier(tier) => {
                        let now = entry.of(counted);
                        entry.by_tier = vec![(*tier, now + more)];
                    }
                    Counted::Role(role) => {
                        let now = entry.of(counted);
                        entry.by_role = vec![(role.clone(), now + more)];
                    }
                }
            }
        }
    }
}

fn addition(kind: u8, more: i64) -> Vec<(Counted, i64)> {
    match kind % 4 {
        0 => vec![(Counted::Devices, more)],
        1 => vec![(Counted::Tenants, more)],
        2 => vec![(Counted::Accounts, 1), (Counted::Tier(Tier::Basic), 1), (Counted::Role(operator()), 1)],
        _ => vec![(Counted::Accounts, 1), (Counted::Tier(Tier::Admin), 1)],
    }
}

proptest! {
    #[test]
    fn r3_no_limit_of_any_ancestor_is_ever_exceeded_and_none_refuses_without_need(
        parents in proptest::collection::vec(0..8_usize, 0..8),
        set in proptest::collection::vec(limits(), 9),
        wishes in proptest::collection::vec((0..9_usize, 0..4_u8, 1..4_i64), 0..60),
    ) {
        let mut forest = Forest { parents, limits: set, uses: BTreeMap::new() };
        for (at, kind, more) in wishes {
            let chain = forest.chain(at % (forest.parents.len() + 1));
            let addition = addition(kind, more);
            let uses: Vec<TenantUse> = forest.uses.values().cloned().collect();
            // Only what `binding` asks for is counted: it must be enough to decide.
            let (tenants, _) = binding(&chain, &addition);
            let counted: Vec<TenantUse> = uses.iter().filter(|u| tenants.contains(&u.tenant)).cloned().collect();
            let short = shortfall(&chain, &counted, &addition);
            prop_assert_eq!(&short, &shortfall(&chain, &uses, &addition));
            match short {
                Some(short) => prop_assert!(short.used + short.more > short.max),
                None => forest.add(&chain, &addition),
            }
            for level in &forest.chain(at % (forest.parents.len() + 1)).0 {
                let used = forest.uses.get(&level.tenant.id).cloned().unwrap_or_default();
                for (counted, max) in level.tenant.settings.limits.each() {
                    prop_assert!(used.of(&counted) <= max, "{counted} is {max}");
                }
            }
        }
    }

    #[test]
    fn r4_a_refusal_below_the_holder_says_no_number_but_the_limit(used in 10..1000_i64) {
        let holder = level(0, Limits { accounts: Some(7), ..Limits::default() });
        let viewer = level(1, Limits::default()).tenant;
        let short = Shortfall { holder: &holder, counted: Counted::Accounts, max: 7, used, more: 1 };
        let key = ObjectKey::new(Kind::SubAdmin, "root", "kim");
        let words = short.refusal(&key, Some(&viewer), &[]).message;
        prop_assert!(!words.contains(&used.to_string()), "{words}");
        prop_assert!(words.contains("is 7"), "{words}");
    }
}

#[test]
fn r3_a_limit_may_be_raised_although_more_is_in_use_but_not_lowered() {
    let key = ObjectKey::new(Kind::Tenant, "root", "acme");
    let limit = |max| Limits { devices: Some(max), ..Limits::default() };
    let used = TenantUse { devices: 8, ..TenantUse::default() };
    let change = |old: &Limits, new| not_below_use(&key, id(0), old, &limit(new), &used);
    change(&limit(5), 7).unwrap();
    change(&limit(5), 5).unwrap();
    assert_eq!(change(&limit(5), 4).unwrap_err().reason, Reason::LimitBelowUse);
    assert_eq!(change(&Limits::default(), 7).unwrap_err().reason, Reason::LimitBelowUse);
    change(&Limits::default(), 8).unwrap();
}

#[test]
fn r3_a_quota_may_be_raised_although_more_is_in_use_but_not_lowered() {
    let key = ObjectKey::new(Kind::SubAdmin, "root", "kim");
    let used = AccountUse { held: 3, delegated: 5 };
    let change = |old, new| own_not_below_use(&key, id(0), old, new, used);
    change(Some(5), Some(7)).unwrap();
    change(Some(9), None).unwrap();
    assert_eq!(change(Some(9), Some(7)).unwrap_err().reason, Reason::LimitBelowUse);
    assert_eq!(change(None, Some(7)).unwrap_err().reason, Reason::LimitBelowUse);
}

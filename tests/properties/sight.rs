//! R4 and R5: what is seen never lies above or beside.

use proptest::prelude::*;
use tenantry::domain::access::answer::Ground;
use tenantry::domain::access::decide;
use tenantry::domain::access::reach::reaches;
use tenantry::domain::access::sight::{Sight, of_device, of_person, shown_by};
use tenantry::domain::permission::{Permissions, Rule};
use tenantry::domain::tenant::Limits;
use tenantry::domain::tier::Tier;

use crate::acts::{Act, Written, any_world, beginning};
use crate::model::{Asked, Held, World, now};
use crate::naive::Naive;

fn seen_by_itself(world: &World, who: usize, device: usize) -> Sight {
    let offers = world.offers(Some(device));
    let offers: Vec<_> = offers.iter().filter(|offer| offer.in_effect(now())).collect();
    of_device(&world.subject(who), &world.device(device), &offers)
}

fn may_view(world: &World, who: usize, device: usize) -> bool {
    let asked =
        Asked { operation: "view".into(), resource: "device".into(), device: Some(device), creator: None };
    decide(Some(&world.subject(who)), &world.question(&asked), &world.offers(Some(device)), now()).allowed
}

/// Everybody may do everything on what they see, so that only sight decides.
fn permissive(mut world: World) -> World {
    for row in &mut world.accounts {
        let allow = vec![Rule::single("*", "*")];
        row.account.settings.permissions = Permissions { allow, deny: vec![] };
        for role in &mut row.roles {
            role.content.permissions.deny.clear();
        }
    }
    for grant in &mut world.grants {
        grant.permissions.deny.clear();
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r4_nobody_sees_up_or_sideways(world in any_world()) {
        for who in world.living() {
            let own = world.accounts[who].tenant;
            for other in world.living() {
                if of_person(&world.subject(who), &world.person(other)) == Sight::Seen {
                    prop_assert!(Naive(&world).at_or_below(world.accounts[other].tenant, own), "a{who} sees a{other}");
                    prop_assert!(world.tier(who) != Tier::Basic || who == other, "a{who} sees a{other}");
                }
            }
            for device in 0..world.devices.len() {
                let sight = seen_by_itself(&world, who, device);
                prop_assert_eq!(sight == Sight::Seen, Naive(&world).sees_by_itself(who, device));
                if sight == Sight::Seen {
                    let holder = world.tenant_of(world.devices[device]).unwrap();
                    prop_assert!(Naive(&world).at_or_below(holder, own), "a{who} sees d{device}");
                    let stranger = matches!(world.devices[device], Held::ByAccount(at) if at != who);
                    prop_assert!(!(stranger && world.tier(who) == Tier::Basic), "a{who} sees d{device}");
                }
            }
        }
    }

    #[test]
    fn r4_outside_of_its_range_an_account_uses_a_device_only_through_a_share_to_it(world in any_world().prop_map(permissive)) {
        for who in world.living() {
            let subject = world.subject(who);
            for device in 0..world.devices.len() {
                let blocked = !subject.enabled || subject.tenant.blocked_by().is_some();
                let offers = world.offers(Some(device));
                let shared = offers.iter().any(|o| o.in_effect(now()) && shown_by(o) && reaches(o, &subject).is_some());
                let seen = seen_by_itself(&world, who, device) == Sight::Seen;
                let may = may_view(&world, who, device);
                prop_assert!(!may || seen || shared, "a{who} uses d{device}");
                prop_assert!(may || !seen || blocked, "a{who} is kept from d{device}");
            }
        }
    }

    #[test]
    fn r5_individual_access_only_ever_narrows(world in any_world(), at in 0usize..16) {
        let living = world.living();
        let who = living[at % living.len()];
        let mut narrowed = world.clone();
        narrowed.accounts[who].account.effective.individual_access = true;
        for other in &living {
            let before = of_person(&world.subject(who), &world.person(*other));
            let after = of_person(&narrowed.subject(who), &world.person(*other));
            prop_assert!(after != Sight::Seen || before == Sight::Seen);
            if world.tier(who) == Tier::Root {
                prop_assert_eq!(before, after);
            } else if after == Sight::Seen {
                prop_assert!(world.managers(*other).contains(&who), "a{who} sees a{other}");
            }
        }
    }
}

/// The picture of nested customers: a top account with an administrator, and
/// two customers below it, each with an administrator and a user.
#[test]
fn r4_each_customer_sees_its_own_devices_and_the_account_above_sees_all() {
    let mut world = beginning();
    let person = |tier| Written {
        tier,
        enabled: true,
        quota: None,
        capabilities: None,
        scope: None,
        permissions: Permissions { allow: vec![Rule::single("device", "view")], deny: vec![] },
        individual_access: None,
        groups: Default::default(),
        roles: Default::default(),
    };
    // Devices 0 and 1 are the top account's, 2 is customer A's, 3 and 4 are B's.
    let all = [
        Act::Tenant { by: None, parent: Some(0), root: true, limits: Limits::default() },
        Act::Import { device: 3, tenant: 2 },
        Act::Import { device: 4, tenant: 2 },
        Act::Account { by: None, tenant: 2, written: person(Tier::Admin) },
        Act::Account { by: None, tenant: 1, written: person(Tier::Basic) },
        Act::Account { by: None, tenant: 2, written: person(Tier::Basic) },
        Act::Assign { by: None, tenant: 2, to: (false, 2), device: 4, permissions: Permissions::default() },
    ];
    for act in all {
        world.accept(&act).unwrap();
    }
    let used = |who| (0..6).filter(|device| may_view(&world, who, *device)).collect::<Vec<_>>();
    let (top, admin_a, admin_b, user_a, user_b) = (0, 1, 2, 3, 4);
    assert_eq!(used(top), [0, 1, 2, 3, 4]);
    assert_eq!(used(admin_a), [2]);
    assert_eq!(used(admin_b), [3, 4]);
    assert_eq!(used(user_a), [2]);
    assert_eq!(used(user_b), [3], "what an account of B holds is not its own");
}

/// Outside of its range, what a Share allows is all that is allowed.
#[test]
fn r4_a_share_to_view_is_no_share_to_operate_for_somebody_who_may_operate_devices_of_its_own() {
    let mut world = beginning();
    let view = Permissions { allow: vec![Rule::single("device", "view")], deny: vec![] };
    let share = |devices: [usize; 1], permissions| Act::Share {
        by: None,
        tenant: 0,
        to: (0, [1].into()),
        devices: Some(devices.into()),
        permissions,
        times: 9,
    };
    world.accept(&share([0], view)).unwrap();
    let deny = Permissions { allow: vec![], deny: vec![Rule::single("device", "manage")] };
    world.accept(&share([1], deny)).unwrap();
    let ask = |operation: &str, device| {
        let asked = Asked {
            operation: operation.into(),
            resource: "device".into(),
            device: Some(device),
            creator: None,
        };
        decide(Some(&world.subject(1)), &world.question(&asked), &world.offers(Some(device)), now()).reason
    };
    // a1 is a SuperAdmin of the tenant below and holds everything there.
    assert_eq!(ask("operate", 2), Ground::SuperAdminHoldsAll);
    assert_eq!(ask("view", 0), Ground::AllowedByGrant);
    assert_eq!(ask("operate", 0), Ground::NotAllowed);
    assert_eq!(ask("view", 1), Ground::DeviceNotVisible, "a deny shows nothing");
}

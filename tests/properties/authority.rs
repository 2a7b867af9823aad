//! R1 and R2: no account ever exceeds its manager.
//!
//! In a world in which nothing is taken away from anybody who is in charge of
//! somebody, this holds at every moment. Where a manager's own rights, scope or
//! tier are narrowed later, or its tenant moves, R2 makes an exception: the last
//! good state of what it created stays in force and says `AuthorityLost`. Then
//! it still holds for what is written from that moment on, which the second
//! property checks. A SuperAdmin's managers are Root or the platform, whom no
//! deny binds, and a grant is nobody's own right, so neither is an exception.

use proptest::prelude::*;
use tenantry::domain::access::sight::{Sight, of_device, of_person};
use tenantry::domain::permission::Pattern;

use crate::acts::{Act, VERBS, WORDS, acts, beginning, growing_acts};
use crate::model::World;

/// How an account exceeds its manager.
fn excess(world: &World, at: usize) -> Option<String> {
    let manager = world.accounts[at].manager?;
    let (own, above) = (world.manager(at), world.manager(manager));
    let (who, whose) = (&own.key, &above.key);
    if !world.tier(manager).outranks(world.tier(at)) {
        return Some(format!("{who} ranks with {whose}"));
    }
    let more = own.account.effective.capabilities.difference(&above.account.effective.capabilities).next();
    if let Some(capability) = more {
        return Some(format!("{who} has {capability}, {whose} has not"));
    }
    if above.account.effective.individual_access && !own.account.effective.individual_access {
        return Some(format!("{who} escapes the Individual access of {whose}"));
    }
    if !world.line(world.accounts[at].tenant).contains(&world.accounts[manager].tenant) {
        return Some(format!("{who} is not below the tenant of {whose}"));
    }
    for resource in WORDS {
        for operation in VERBS {
            let (resource, operation) = (Pattern::new(resource), Pattern::new(operation));
            if own.holding().allows(&resource, &operation) && !above.holding().allows(&resource, &operation) {
                return Some(format!("{who} may {operation:?} on {resource:?}, {whose} may not"));
            }
        }
    }
    None
}

/// What an account sees by itself and its manager does not.
fn sees_more(world: &World, at: usize) -> Option<String> {
    let manager = world.accounts[at].manager?;
    let (own, above) = (world.subject(at), world.subject(manager));
    for other in world.living() {
        let person = world.person(other);
        if of_person(&own, &person) == Sight::Seen && of_person(&above, &person) != Sight::Seen {
            return Some(format!("a{at} sees a{other}, a{manager} does not"));
        }
    }
    for device in 0..world.devices.len() {
        let known = world.device(device);
        let offers = world.offers(Some(device));
        let now = crate::model::now();
        let offers: Vec<_> = offers.iter().filter(|offer| offer.in_effect(now)).collect();
        if of_device(&own, &known, &offers) == Sight::Seen
            && of_device(&above, &known, &offers) != Sight::Seen
        {
            return Some(format!("a{at} sees d{device}, a{manager} does not"));
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r2_no_account_ever_exceeds_its_manager(acts in growing_acts()) {
        let mut world = beginning();
        for act in acts {
            if world.accept(&act).is_ok() {
                for at in world.living() {
                    prop_assert_eq!(excess(&world, at), None, "after {:?}", act);
                    prop_assert_eq!(sees_more(&world, at), None, "after {:?}", act);
                }
            }
        }
    }

    #[test]
    fn r2_whatever_was_lost_before_nothing_is_written_beyond_what_the_manager_has_now(acts in acts()) {
        let mut world = beginning();
        for act in acts {
            let written = match act {
                Act::Account { .. } => Some(world.accounts.len()),
                Act::Rewrite { account, .. } => world.pick(Some(account)),
                _ => None,
            };
            if world.accept(&act).is_ok()
                && let Some(at) = written
            {
                prop_assert_eq!(excess(&world, at), None, "after {:?}", act);
            }
        }
    }
}

//! The decision about access on generated worlds (R4, R5, R7).

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use tenantry::domain::access::answer::{Decision, Effect, Ground};
use tenantry::domain::access::decide;
use tenantry::domain::account::holds_everything;
use tenantry::domain::permission::Permissions;
use tenantry::domain::tier::Tier;

use crate::acts::{VERBS, WORDS, any_world, permissions};
use crate::model::{Asked, World, now};
use crate::naive::{Answer, Naive};

fn asked() -> impl Strategy<Value = Asked> {
    (
        prop::sample::select(&VERBS[..]),
        prop::sample::select(&WORDS[..]),
        // Beyond the lists lie devices and accounts that do not exist.
        prop::option::weighted(0.6, 0usize..7),
        prop::option::weighted(0.3, 0usize..17),
    )
        .prop_map(|(operation, resource, device, creator)| Asked {
            operation: operation.to_owned(),
            resource: resource.to_owned(),
            device,
            creator,
        })
}

fn questions() -> impl Strategy<Value = Vec<Asked>> {
    prop::collection::vec(asked(), 12)
}

fn ask(world: &World, who: usize, asked: &Asked) -> Decision {
    let subject = world.accounts.get(who).filter(|row| !row.removed).map(|_| world.subject(who));
    decide(subject.as_ref(), &world.question(asked), &world.offers(asked.device), now())
}

/// A place where a rule can be written: an account, a role's copy, or a grant.
fn rules_at(world: &mut World, at: usize) -> Option<&mut Permissions> {
    let (accounts, grants) = (world.accounts.len(), world.grants.len());
    match at % 3 {
        0 => Some(&mut world.accounts[at % accounts].account.settings.permissions),
        1 => world.accounts[at % accounts].roles.first_mut().map(|role| &mut role.content.permissions),
        _ if grants > 0 => Some(&mut world.grants[at % grants].permissions),
        _ => None,
    }
}

/// Worlds in which nothing happens prove nothing.
#[test]
fn the_worlds_are_rich_enough_to_meet_every_reason() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met = BTreeMap::<&str, usize>::new();
    for _ in 0..150 {
        let world = any_world().new_tree(&mut runner).unwrap().current();
        let questions = questions().new_tree(&mut runner).unwrap().current();
        for who in 0..=world.accounts.len() {
            for asked in &questions {
                let decision = ask(&world, who, asked);
                *met.entry(decision.reason.as_str()).or_default() += 1;
                *met.entry("filtered").or_default() += usize::from(decision.filtered);
                let shown =
                    decision.allowed && decision.message.starts_with("DeviceGrant") && asked.device.is_some();
                *met.entry("by a Share").or_default() += usize::from(shown);
            }
        }
    }
    let rare: Vec<_> =
        Ground::ALL.iter().filter(|(g, _)| met.get(g.as_str()).is_none_or(|n| *n < 10)).collect();
    assert!(rare.is_empty() && met["filtered"] > 10 && met["by a Share"] > 10, "{rare:?} {met:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r7_the_decision_agrees_with_the_contract_read_sentence_by_sentence(world in any_world(), questions in questions()) {
        for who in 0..=world.accounts.len() {
            for asked in &questions {
                let decision = ask(&world, who, asked);
                let expected = Naive(&world).ask(who, asked);
                let answer = Answer { allowed: decision.allowed, filtered: decision.filtered };
                prop_assert_eq!(answer, expected, "a{} {:?}: {:?}", who, asked, decision);
            }
        }
    }

    #[test]
    fn every_answer_has_its_reason_among_its_steps(world in any_world(), questions in questions()) {
        for who in world.living() {
            for asked in &questions {
                let decision = ask(&world, who, asked);
                prop_assert_eq!(decision.allowed, decision.reason.allows());
                let denies = decision.steps.iter().any(|step| step.effect == Effect::Denies);
                let allows = decision.steps.iter().any(|step| step.effect == Effect::Allows);
                prop_assert_eq!(decision.allowed, allows && !denies, "{:?}", decision);
                let said = |step: &tenantry::domain::access::answer::Step| decision.message.starts_with(&step.message);
                prop_assert!(decision.steps.iter().any(said), "{:?}", decision);
                prop_assert!(!decision.message.contains('\n') && !decision.message.is_empty());
            }
        }
    }

    #[test]
    fn r7_a_deny_more_never_allows_and_an_allow_more_never_denies(
        world in any_world(), questions in questions(), at in any::<usize>(), more in permissions(),
    ) {
        let (mut denying, mut allowing) = (world.clone(), world.clone());
        let (Some(deny), Some(allow)) = (rules_at(&mut denying, at), rules_at(&mut allowing, at)) else { return Ok(()) };
        // Rules that are there already are the world as it was; the first
        // allow rule of a SuperAdmin ends that it holds everything, which is
        // what R7 says and no deny.
        deny.deny.extend(more.allow.clone());
        allow.allow.extend(more.allow);
        for who in world.living() {
            let row = &world.accounts[who];
            let everything = holds_everything(world.tier(who), !row.roles.is_empty(), &row.account.settings.permissions);
            for asked in &questions {
                let before = ask(&world, who, asked).allowed;
                prop_assert!(before || !ask(&denying, who, asked).allowed, "a{who} {asked:?}");
                prop_assert!(!before || everything || ask(&allowing, who, asked).allowed, "a{who} {asked:?}");
                if world.tier(who) == Tier::Root {
                    prop_assert_eq!(before, ask(&denying, who, asked).allowed, "a Root is bound by no deny");
                }
            }
        }
    }

    #[test]
    fn r7_a_deny_beats_every_allow_wherever_it_stands(world in any_world(), questions in questions(), at in any::<usize>()) {
        let everything = tenantry::domain::permission::Rule::single("*", "*");
        let mut denying = world.clone();
        let account = at % world.accounts.len();
        denying.accounts[account].account.settings.permissions.deny.push(everything);
        for asked in &questions {
            let decision = ask(&denying, account, asked);
            prop_assert!(!decision.allowed || world.tier(account) == Tier::Root, "{decision:?}");
        }
    }

    #[test]
    fn the_first_reason_to_deny_counts_in_the_documented_order(world in any_world(), questions in questions()) {
        use Ground::{
            AccountDisabled, CreatorNotVisible, DeniedByAccount, DeviceNotVisible, IndividualAccess, TenantDisabled,
            TenantNotPermitted,
        };
        let everything = tenantry::domain::permission::Rule::single("*", "*");
        let unseen = [DeviceNotVisible, CreatorNotVisible, IndividualAccess];
        for who in world.living() {
            let (mut disabled, mut closed, mut denied) = (world.clone(), world.clone(), world.clone());
            disabled.accounts[who].account.settings.enabled = false;
            closed.tenants[world.accounts[who].tenant].tenant.settings.enabled = false;
            denied.accounts[who].account.settings.permissions.deny.push(everything.clone());
            for asked in &questions {
                let before = ask(&world, who, asked).reason;
                prop_assert_eq!(ask(&disabled, who, asked).reason, AccountDisabled);
                let expected = if before == AccountDisabled { before } else { TenantDisabled };
                prop_assert_eq!(ask(&closed, who, asked).reason, expected);
                let earlier = unseen.contains(&before)
                    || [AccountDisabled, TenantDisabled, TenantNotPermitted].contains(&before);
                let expected = if earlier || world.tier(who) == Tier::Root { before } else { DeniedByAccount };
                prop_assert_eq!(ask(&denied, who, asked).reason, expected);
            }
        }
    }

    #[test]
    fn r2_nobody_below_takes_anything_from_those_above_by_a_grant(world in any_world(), questions in questions(), at in 0usize..16) {
        let living = world.living();
        let giver = living[at % living.len()];
        let mut without = world.clone();
        without.grants.retain(|grant| grant.giver != Some(giver));
        for who in living.into_iter().filter(|who| world.tier(*who) >= world.tier(giver) && *who != giver) {
            for asked in &questions {
                let (with, without) = (ask(&world, who, asked), ask(&without, who, asked));
                prop_assert!(with.allowed || !without.allowed, "a{giver} took {asked:?} from a{who}");
            }
        }
    }
}

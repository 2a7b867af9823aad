//! Patterns and rules against plain words: a pattern is the set of words that
//! it matches, and everything said about patterns must be true of those sets.

use proptest::prelude::*;
use tenantry::domain::account::holding;
use tenantry::domain::permission::{Holding, Pattern, Permissions, Rule};

use crate::acts::{content, permissions};
use crate::naive::matches;
use crate::roles::copy;

/// Every word of up to three letters over a small alphabet. Patterns below use
/// at most two letters, and never `z`: it stands for whatever nobody thought of.
fn universe() -> Vec<String> {
    let letters = ["a", "b", "ab", "z"];
    let mut words: Vec<String> = letters.iter().map(|l| (*l).to_owned()).collect();
    let mut longer = words.clone();
    for _ in 0..2 {
        longer = longer.iter().flat_map(|w| letters.iter().map(move |l| format!("{w}.{l}"))).collect();
        words.extend(longer.clone());
    }
    words
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let letter = || prop::sample::select(vec!["a", "b", "ab"]);
    prop_oneof![
        1 => Just("*".to_owned()),
        3 => letter().prop_map(str::to_owned),
        3 => letter().prop_map(|l| format!("{l}.*")),
        3 => (letter(), letter()).prop_map(|(l, m)| format!("{l}.{m}")),
        3 => (letter(), letter()).prop_map(|(l, m)| format!("{l}.{m}.*")),
    ]
    .prop_map(Pattern::new)
}

fn rule() -> impl Strategy<Value = Rule> {
    let some = || prop::collection::vec(pattern(), 1..3);
    (some(), some()).prop_map(|(resources, operations)| Rule { resources, operations })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec(rule(), 0..3)
}

fn any_matches(patterns: &[Pattern], word: &str) -> bool {
    patterns.iter().any(|p| matches(p.as_str(), word))
}

fn rule_matches(rules: &[Rule], resource: &str, operation: &str) -> bool {
    rules.iter().any(|r| any_matches(&r.resources, resource) && any_matches(&r.operations, operation))
}

/// Whether a holding permits two plain words, by its own words.
fn may(holding: &Holding, resource: &str, operation: &str) -> bool {
    match holding {
        Holding::Everything { deny } => !rule_matches(deny, resource, operation),
        Holding::Rules(own) => {
            rule_matches(&own.allow, resource, operation) && !rule_matches(&own.deny, resource, operation)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r7_a_pattern_covers_another_exactly_if_it_matches_every_word_of_it(a in pattern(), b in pattern()) {
        let words = universe();
        let within = words.iter().filter(|w| matches(b.as_str(), w)).all(|w| matches(a.as_str(), w));
        prop_assert_eq!(a.covers(&b), within);
        let share = words.iter().any(|w| matches(a.as_str(), w) && matches(b.as_str(), w));
        prop_assert_eq!(a.overlaps(&b), share);
        for word in &words {
            prop_assert_eq!(a.covers(&Pattern::new(word)), matches(a.as_str(), word));
            prop_assert_eq!(a.overlaps(&Pattern::new(word)), matches(a.as_str(), word));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r2_what_is_given_without_excess_is_held_word_by_word_and_an_excess_names_a_word_that_is_not(
        everything in any::<bool>(), allow in rules(), deny in rules(), given in rules(),
    ) {
        let held = match everything {
            true => Holding::Everything { deny },
            false => Holding::Rules(Permissions { allow, deny }),
        };
        let words = universe();
        let pairs = || words.iter().flat_map(|r| words.iter().map(move |o| (r, o)));
        match held.excess(&given) {
            None => {
                for (resource, operation) in pairs().filter(|(r, o)| rule_matches(&given, r, o)) {
                    prop_assert!(may(&held, resource, operation), "{resource} {operation}");
                }
            }
            Some(excess) => {
                let named = |(r, o): &(&String, &String)| matches(&excess.resource, r) && matches(&excess.operation, o);
                prop_assert!(pairs().filter(named).any(|(r, o)| !may(&held, r, o)), "{excess:?} is held");
                let written = |r: &Rule| r.resources.contains(&Pattern::new(&excess.resource))
                    && r.operations.contains(&Pattern::new(&excess.operation));
                prop_assert!(given.iter().any(written), "{excess:?} was not given");
            }
        }
    }

    #[test]
    fn r7_an_allow_never_takes_away_and_a_deny_never_gives(
        own in permissions(), copied in content(), more in permissions(), at in 0usize..3,
    ) {
        let tier = [tenantry::domain::tier::Tier::Basic, tenantry::domain::tier::Tier::Admin, tenantry::domain::tier::Tier::SuperAdmin][at];
        let roles = [copy("r0", copied)];
        let before = holding(&crate::roles::settings(tier, own.clone()), &roles);
        let allowing = Permissions { allow: [own.allow.clone(), more.allow].concat(), deny: own.deny.clone() };
        let denying = Permissions { allow: own.allow.clone(), deny: [own.deny, more.deny].concat() };
        let (wider, narrower) = (holding(&crate::roles::settings(tier, allowing), &roles), holding(&crate::roles::settings(tier, denying), &roles));
        for resource in crate::acts::WORDS {
            for operation in crate::acts::VERBS {
                let may = |h: &Holding| h.allows(&Pattern::new(resource), &Pattern::new(operation));
                prop_assert!(!may(&before) || may(&wider));
                prop_assert!(!may(&narrower) || may(&before));
            }
        }
    }
}

//! What an explanation says would flip the answer really does.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use tenantry::domain::access::decide;
use tenantry::domain::access::flip::{Change, apply, flip};

use crate::acts::any_world;
use crate::asked;
use crate::model::now;

#[test]
fn what_is_said_to_suffice_for_the_opposite_answer_does() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut sufficed, mut met) = (0, BTreeMap::<String, usize>::new());
    for _ in 0..120 {
        let world = any_world().new_tree(&mut runner).unwrap().current();
        let asked = prop::collection::vec(asked(), 8).new_tree(&mut runner).unwrap().current();
        for who in world.living() {
            for asked in &asked {
                let (mut subject, question, mut offers) =
                    (world.subject(who), world.question(asked), world.offers(asked.device));
                let before = decide(Some(&subject), &question, &offers, now());
                let advice = flip(Some(&subject), &question, &offers, now());
                assert!(!advice.changes.is_empty(), "{before:?}");
                for change in &advice.changes {
                    apply(change, &mut subject, &mut offers);
                    let kind = format!("{change:?}");
                    *met.entry(kind.split('(').next().unwrap().to_owned()).or_default() += 1;
                }
                let after = decide(Some(&subject), &question, &offers, now());
                assert_eq!(
                    after.allowed != before.allowed,
                    advice.suffices,
                    "{before:?} {advice:?} {after:?}"
                );
                sufficed += usize::from(advice.suffices);
                // Only what a stranger would learn from stays a hint.
                let hint = |c: &Change| matches!(c, Change::ShowDevice(_) | Change::OtherCreator(_));
                assert!(advice.suffices || advice.changes.iter().any(hint), "{before:?} {advice:?}");
            }
        }
    }
    assert!(sufficed > 1_000 && met.len() >= 8, "{sufficed} {met:?}");
}

//! R6: revisions and copies of roles.

use proptest::prelude::*;
use tenantry::domain::account::{DeletionPolicy, Settings};
use tenantry::domain::object::{Kind, ObjectKey};
use tenantry::domain::permission::{Permissions, Rule};
use tenantry::domain::role::{Assigned, Content, Propagation, Role, Template, Wanted, assign};
use tenantry::domain::tier::Tier;
use uuid::Uuid;

use crate::acts::content;
use crate::model::now;

pub(crate) fn settings(tier: Tier, permissions: Permissions) -> Settings {
    Settings {
        username: "kim".into(),
        email: "kim@example.org".into(),
        company: None,
        mobile: None,
        tier,
        enabled: true,
        email_verified: true,
        manageable_devices: None,
        capabilities: None,
        scope: None,
        permissions,
        individual_access: None,
        locale: "en".into(),
        link_lifetime: 3600,
        deletion_policy: DeletionPolicy::Delete,
    }
}

pub(crate) fn copy(name: &str, content: Content) -> Assigned {
    Assigned {
        role: None,
        namespace: "root".into(),
        name: name.into(),
        revision: content.revision(),
        pinned: false,
        content,
    }
}

fn template(content: &Content, propagation: Propagation) -> Template {
    let role = Role {
        id: Uuid::from_u128(1),
        object: None,
        tenant: Uuid::from_u128(2),
        name: "ops".into(),
        display_name: "Operations".into(),
        content: content.clone(),
        revision: content.revision(),
        number: 1,
        propagation,
        managed_by: None,
        created_at: now(),
    };
    Template { role, pinned: None, held: None }
}

/// The same content, written in another order and with repetitions.
fn rewritten(content: &Content, seed: usize) -> Content {
    let turned = |rules: &[Rule]| {
        let mut rules: Vec<Rule> = rules
            .iter()
            .map(|rule| {
                let mut rule = rule.clone();
                rule.resources.reverse();
                let turn = seed % rule.operations.len();
                rule.operations.rotate_left(turn);
                rule.operations.push(rule.operations[0].clone());
                rule
            })
            .collect();
        if !rules.is_empty() {
            let at = seed % rules.len();
            rules.rotate_left(at);
            rules.push(rules[0].clone());
        }
        rules
    };
    let Content { permissions, capabilities, individual_access } = content.clone();
    Content {
        permissions: Permissions { allow: turned(&permissions.allow), deny: turned(&permissions.deny) },
        capabilities,
        individual_access,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r6_a_revision_depends_on_what_is_said_and_on_nothing_else(a in content(), b in content(), seed in 0usize..7) {
        prop_assert_eq!(a.revision(), rewritten(&a, seed).revision());
        prop_assert_eq!(a.revision().len(), 12);
        let mut flipped = a.clone();
        flipped.individual_access = !a.individual_access;
        prop_assert_ne!(a.revision(), flipped.revision());
        let mut swapped = a.clone();
        std::mem::swap(&mut swapped.permissions.allow, &mut swapped.permissions.deny);
        prop_assert_eq!(a.revision() == swapped.revision(), rewritten(&a, 0).permissions == rewritten(&swapped, 0).permissions);
        // Two contents with one revision say the same: nothing is lost in it.
        if a.revision() == b.revision() {
            prop_assert_eq!((a.capabilities, a.individual_access), (b.capabilities, b.individual_access));
        }
    }

    #[test]
    fn r6_a_copy_follows_its_template_only_when_it_is_asked_to_and_back_again(a in content(), b in content()) {
        let key = ObjectKey::new(Kind::SubAdmin, "root", "kim");
        let wanted = Wanted { namespace: "root".into(), name: "ops".into(), pin: None };
        let (first, second) = (template(&a, Propagation::OnReassign), template(&b, Propagation::OnReassign));
        let held = assign(&key, &wanted, None, Some(&first), false).unwrap();
        prop_assert_eq!(&assign(&key, &wanted, Some(&held), Some(&second), false).unwrap(), &held);
        let orphan = Assigned { role: None, ..held.clone() };
        prop_assert_eq!(&assign(&key, &wanted, Some(&held), None, true).unwrap(), &orphan);
        let moved = assign(&key, &wanted, Some(&held), Some(&second), true).unwrap();
        prop_assert_eq!(&moved.content, &b);
        let at_once = assign(&key, &wanted, Some(&held), Some(&template(&b, Propagation::Immediate)), false).unwrap();
        prop_assert_eq!(&at_once.content, &b);
        // A to B to A is A again, revision and all.
        prop_assert_eq!(&assign(&key, &wanted, Some(&moved), Some(&first), true).unwrap(), &held);
        // A pin beats the template and a request to reassign.
        let pinned = Wanted { pin: Some(a.revision()), ..wanted };
        let kept = assign(&key, &pinned, Some(&held), Some(&second), true).unwrap();
        prop_assert!(kept.pinned && kept.content == a);
    }
}

//! What an account may do apart from any device: the rules that answer
//! questions without an id, each with where it comes from. For lists that
//! people read; a question is decided by [`super::decide`], and a test keeps
//! the two from disagreeing.

use jiff::Timestamp;

use super::answer::Ground;
use super::facts::{Covers, Offer, Subject};
use super::reach;
use crate::domain::account::holds_everything;
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::permission::{Permissions, Rule};
use crate::domain::tier::Tier;

/// A rule in force for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Why it counts: `AllowedByRole`, `DeniedByGrant`, `RootHoldsAll` and so on.
    pub ground: Ground,
    /// What it says.
    pub rule: Rule,
    /// The object that says so; none: an unmanaged account.
    pub object: Option<ObjectKey>,
}

/// Every rule that counts for questions without an id, in the order in which
/// the decision takes them; none for an account that is denied everything. A
/// deny that does not bind (a Root) is left out.
pub fn without_device(subject: &Subject, offers: &[Offer], now: Timestamp) -> Vec<InForce> {
    if !subject.enabled || subject.tenant.blocked_by().is_some() {
        return vec![];
    }
    let root = subject.tier == Tier::Root;
    let mut rules = vec![];
    if holds_everything(subject.tier, !subject.roles.is_empty(), &subject.permissions) {
        let ground = if root { Ground::RootHoldsAll } else { Ground::SuperAdminHoldsAll };
        rules.push(InForce { ground, rule: Rule::single("*", "*"), object: subject.key.clone() });
    }
    let mut add = |object: Option<ObjectKey>, from: &Permissions, allowed, denied| {
        let denies = from.deny.iter().filter(|_| !root).map(|rule| (denied, rule));
        let allows = from.allow.iter().map(|rule| (allowed, rule));
        rules.extend(denies.chain(allows).map(|(ground, rule)| InForce {
            ground,
            rule: rule.clone(),
            object: object.clone(),
        }));
    };
    add(subject.key.clone(), &subject.permissions, Ground::AllowedByAccount, Ground::DeniedByAccount);
    for role in &subject.roles {
        let key = ObjectKey::new(Kind::Role, &role.namespace, &role.name);
        add(Some(key), &role.content.permissions, Ground::AllowedByRole, Ground::DeniedByRole);
    }
    for offer in offers.iter().filter(|offer| {
        offer.covers == Covers::NoDevices && offer.in_effect(now) && reach::reaches(offer, subject).is_some()
    }) {
        let key = Some(offer.key.clone());
        add(key, &offer.permissions, Ground::AllowedByGrant, Ground::DeniedByGrant);
    }
    rules
}

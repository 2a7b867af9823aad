//! R4 and R5: what an account sees. Top down only, siblings and parents never;
//! Individual access narrows it further; a Share is the only way to see a
//! device outside of it.
//!
//! Where the contract leaves room, this was chosen:
//! - An account always sees itself and what it holds.
//! - Seeing an account is seeing what it holds. So under a `List` scope the
//!   devices held by accounts of its groups and roles are seen, too.
//! - A `List` scope narrows and never widens: whatever it names outside of the
//!   account's tenant and below stays hidden. It narrows a Root as well (R4
//!   names all three tiers), and says nothing about Basic accounts, whose
//!   range is narrower anyway.
//! - Own creations under a `List` scope are the accounts below it in the
//!   managed-by tree, as in R5 and as authority counts them (R2).
//! - Groups of a scope are groups of the account's own tenant. Devices granted
//!   to one are those of any Share in effect that names it, whoever the giver
//!   outranks: this is about what is seen, not about rights. Its own Shares do
//!   not count: nobody keeps in sight what one gives to others oneself.
//! - Under Individual access a device that a tenant itself holds has no
//!   creator and is hidden.
//! - A Share without any allow rule shows nothing: a deny never opens anything.

use super::facts::{Covers, Device, Giver, Holder, Lineage, Offer, Person, Subject};
use crate::domain::grant::{Mode, Receiver};
use crate::domain::tier::Tier;

/// Whether something lies within what an account sees by itself, Shares apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It does.
    Seen,
    /// R4: it lies outside of the account's range.
    OutOfRange,
    /// R5: it lies within the range, but neither the account nor anybody below
    /// it created it.
    NotOwn,
}

/// Whether the account sees what `other` created: logins, recordings, claims.
pub fn of_person(subject: &Subject, other: &Person) -> Sight {
    if !in_range(subject, other) {
        Sight::OutOfRange
    } else if individual(subject) && !other.is_or_is_below(subject.id) {
        Sight::NotOwn
    } else {
        Sight::Seen
    }
}

/// Whether the account sees a device without any Share of it. `offers` in
/// effect matter for devices granted to groups of a scope.
pub fn of_device(subject: &Subject, device: &Device, offers: &[&Offer]) -> Sight {
    let (tenant, person) = match &device.holder {
        Holder::Nobody => return Sight::OutOfRange,
        Holder::Tenant(tenant) => (tenant, None),
        Holder::Account(person) => (&person.tenant, Some(person)),
    };
    let in_range = person.is_some_and(|person| in_range(subject, person))
        || (person.is_none() && tenant_in_range(subject, tenant))
        || granted_to_scope(subject, tenant, offers);
    if !in_range {
        Sight::OutOfRange
    } else if individual(subject) && !person.is_some_and(|person| person.is_or_is_below(subject.id)) {
        Sight::NotOwn
    } else {
        Sight::Seen
    }
}

/// R5, as far as it binds: never a Root.
pub fn individual(subject: &Subject) -> bool {
    subject.individual_access && subject.tier != Tier::Root
}

/// R4 for an account and what it holds.
fn in_range(subject: &Subject, other: &Person) -> bool {
    if other.id == subject.id {
        return true;
    }
    if subject.tier == Tier::Basic || !below(subject, &other.tenant) {
        return false;
    }
    let Some(scope) = &subject.scope else { return true };
    let same_tenant = other.tenant.own().is_some_and(|own| subject.tenant.is(own.id));
    other.tenant.within_any(&scope.tenants)
        || other.is_or_is_below(subject.id)
        || !scope.roles.is_disjoint(&other.roles)
        || (same_tenant && !scope.groups.is_disjoint(&other.groups))
}

/// R4 for what a tenant itself holds.
fn tenant_in_range(subject: &Subject, tenant: &Lineage) -> bool {
    if subject.tier == Tier::Basic {
        return tenant.own().is_some_and(|own| subject.tenant.is(own.id));
    }
    below(subject, tenant) && subject.scope.as_ref().is_none_or(|scope| tenant.within_any(&scope.tenants))
}

/// Whether a tenant is the account's own or lies below it.
fn below(subject: &Subject, tenant: &Lineage) -> bool {
    subject.tenant.own().is_some_and(|own| tenant.within(own.id))
}

fn granted_to_scope(subject: &Subject, tenant: &Lineage, offers: &[&Offer]) -> bool {
    let Some(scope) = subject.scope.as_ref().filter(|_| subject.tier != Tier::Basic) else { return false };
    let to_scope = |receiver: &Receiver| match receiver {
        Receiver::Group { tenant, name } => subject.tenant.is(*tenant) && scope.groups.contains(name),
        Receiver::Tenant(_) | Receiver::Account { .. } => false,
    };
    let given_itself = |o: &Offer| matches!(o.giver, Giver::Account { id, .. } if id == subject.id);
    below(subject, tenant)
        && offers.iter().any(|o| shown_by(o) && !given_itself(o) && o.receivers.iter().any(to_scope))
}

/// Whether a grant shows the device asked about to those whom it reaches.
pub fn shown_by(offer: &Offer) -> bool {
    offer.mode == Mode::Share && offer.covers == Covers::Asked && !offer.permissions.allow.is_empty()
}

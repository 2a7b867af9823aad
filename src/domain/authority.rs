//! R2: on whose authority something is written, and whether that is enough.
//! Whoever judges an object resolves its `managedByRef`, asks [`permit`] for
//! each act that the change consists of, and then whether what it writes stays
//! within what the manager has (`escalation`).

mod escalation;
mod sight;
mod subscription;
#[cfg(test)]
mod tests;
pub mod why;

use std::collections::BTreeSet;

use uuid::Uuid;

use super::account::{Account, Ref, Scope, holding};
use super::audit::Actor;
use super::capability::Capability;
use super::object::{Kind, ObjectKey, Topic};
use super::permission::Holding;
use super::role::Assigned;
use super::tenant::{Chain, missing};
use super::tier::Tier;
use super::verdict::{Reason, Refusal};

pub use escalation::{
    Above, Received, Theirs, within_capabilities, within_holding, within_received, within_scope,
    within_theirs,
};
pub use sight::{Sight, sight};
pub use subscription::{capabilities_at_home, subscription};

/// The account that answers for an object, with what its authority rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// Its object.
    pub key: ObjectKey,
    /// Its state in force.
    pub account: Account,
    /// Its roles in force.
    pub roles: Vec<Assigned>,
    /// Whether its tenant or one above it is disabled or not permitted.
    pub blocked: bool,
}

impl Manager {
    /// What it may pass on.
    pub fn holding(&self) -> Holding {
        holding(&self.account.settings, &self.roles)
    }
}

/// Who answers for an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The platform itself.
    Platform,
    /// An account.
    Account(Box<Manager>),
}

impl Authority {
    /// The managing account's identifier; none for the platform.
    pub fn id(&self) -> Option<Uuid> {
        self.manager().map(|m| m.account.id)
    }
    /// The managing account; none for the platform.
    pub fn manager(&self) -> Option<&Manager> {
        match self {
            Self::Platform => None,
            Self::Account(manager) => Some(manager),
        }
    }
    /// As it stands in the audit trail.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Platform => Actor::platform(),
            Self::Account(manager) => {
                Actor::account(manager.account.id, manager.account.tenant, Some(&manager.key))
            }
        }
    }
}

/// What `managedByRef` leads to.
#[derive(Clone, Debug)]
pub enum Reference {
    /// It is absent.
    Absent,
    /// It names something that is not in force.
    Missing(ObjectKey),
    /// It names an account.
    Found(Box<Manager>),
}

/// Who answers for `key`: the platform only in root namespaces; elsewhere an
/// account whose tenant lives in the object's own namespace, because a
/// namespace's author can never speak for anybody above.
pub fn resolve(key: &ObjectKey, in_root_namespace: bool, reference: Reference) -> Result<Authority, Refusal> {
    let named = match &reference {
        Reference::Absent if in_root_namespace => return Ok(Authority::Platform),
        Reference::Absent => {
            return Err(Refusal::edit(
                Reason::ManagerRequired,
                format!(
                    "{key} has no managedByRef, and namespace {} is not a root namespace; set spec.managedByRef to the account in this namespace that answers for it",
                    key.namespace
                ),
            ));
        }
        Reference::Missing(named) => named,
        Reference::Found(manager) => &manager.key,
    };
    // The same words whether it exists or not: nobody learns what other
    // namespaces hold.
    if !in_root_namespace && named.namespace != key.namespace {
        return Err(Refusal::edit(
            Reason::ManagerRequired,
            format!(
                "spec.managedByRef of {key} names {named}, but outside root namespaces it must name an account in the object's own namespace {}",
                key.namespace
            ),
        ));
    }
    match reference {
        Reference::Found(manager) => Ok(Authority::Account(manager)),
        Reference::Missing(named) => Err(missing(key, "spec.managedByRef", &named)),
        Reference::Absent => Ok(Authority::Platform),
    }
}

/// What is about to be done, on somebody's authority.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// The object that asks for it.
    pub key: &'a ObjectKey,
    /// The right that it takes.
    pub needs: Capability,
    /// The tenant in which it happens, and all above it.
    pub within: &'a Chain,
    /// What it happens to.
    pub target: Target<'a>,
}

/// What an act happens to: what a listed scope can cover it by.
#[derive(Clone, Debug)]
pub enum Target<'a> {
    /// Something that does not exist yet, or moves here: it must lie in the
    /// scope's tenants.
    New,
    /// Something that the manager, or an account below it, created: always in
    /// scope.
    Own,
    /// An account, new or not.
    Account(Subject<'a>),
    /// A role that others created: in scope only if assigned by name.
    Role(Ref),
    /// A group of the act's tenant.
    Group {
        /// Its name.
        name: &'a str,
        /// Who created it.
        created: Created,
    },
    /// A tenant that others created.
    Tenant(&'a ObjectKey),
}

/// Who created a group: put the first member into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The manager, or an account below it.
    ByManager,
    /// Somebody else.
    ByOthers,
    /// Nobody: it has no members.
    NotYet,
}

/// An account to which something happens, as it stands before the act: what
/// is written in the same change cannot bring it into a scope.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Its object.
    pub key: &'a ObjectKey,
    /// Its tier: the higher one of existing and wanted.
    pub tier: Tier,
    /// How far a scope may reach it.
    pub reach: Reach,
}

/// By what an account can lie in a listed scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It is new: only by its tenant.
    New,
    /// The manager, or an account below it, created it: always.
    Own,
    /// Others created it: by its tenant, its groups or its roles.
    Others {
        /// Its groups.
        groups: BTreeSet<String>,
        /// Its roles.
        roles: BTreeSet<Ref>,
    },
}

/// Whether the authority is enough for the act (R1, R2).
pub fn permit(authority: &Authority, act: &Act<'_>) -> Result<(), Refusal> {
    let Authority::Account(manager) = authority else {
        return Ok(());
    };
    let Act { key, needs, within, target } = act;
    let refuse = |reason, message: String| {
        let mut topics = vec![Topic::object(&manager.key)];
        if let (Target::Group { name, .. }, Some(tenant)) = (target, within.own()) {
            topics.push(Topic::group(tenant.id, name));
        }
        Err(Refusal::wait(reason, message, topics))
    };
    let who = &manager.key;
    let settings = &manager.account.settings;
    if !settings.enabled || manager.blocked {
        return refuse(
            Reason::ManagerDisabled,
            format!(
                "{who}, which answers for {key}, is disabled or lies in a disabled tenant; enable it or name another account in spec.managedByRef"
            ),
        );
    }
    if !within.contains(manager.account.tenant) {
        return refuse(
            Reason::OutOfScope,
            format!(
                "{who} answers for {key} but belongs to a tenant that is neither the object's nor above it; name an account of the same tenant or one above in spec.managedByRef"
            ),
        );
    }
    if let Target::Account(subject) = target
        && !settings.tier.outranks(subject.tier)
    {
        let (own, creates) = (settings.tier, settings.tier.creates());
        let message = if subject.key == *key {
            format!(
                "{who} is {own} and may create {creates}, but spec.tier of {key} is or was {}; choose a lower tier or a manager of a higher one",
                subject.tier
            )
        } else {
            format!(
                "{who} is {own} and gives to accounts below that tier ({creates}), but {}, named in spec.to.subAdminRefs of {key}, has tier {}; remove it or name a manager of a higher tier",
                subject.key, subject.tier
            )
        };
        return refuse(Reason::TierNotAllowed, message);
    }
    if !manager.account.effective.capabilities.contains(needs) {
        return refuse(
            Reason::CapabilityMissing,
            format!(
                "{who} lacks the capability {needs} that {key} needs; give it to the account (spec.capabilities) or name another in spec.managedByRef"
            ),
        );
    }
    if let Some(why) = outside(manager, key, within, target) {
        return refuse(Reason::OutOfScope, why);
    }
    Ok(())
}

/// Why the manager may not act on a target: Individual access keeps it away, or
/// it lies outside its scope. None if it may.
fn outside(manager: &Manager, key: &ObjectKey, within: &Chain, target: &Target<'_>) -> Option<String> {
    if let Some(other) = creation_of_others(manager, key, target) {
        let who = &manager.key;
        return Some(format!(
            "{other} was not created by {who} or an account below it, and Individual access restricts {who} to those; name another manager for {key}"
        ));
    }
    beyond_scope(manager, key, within, target)
}

/// Why a target lies outside the manager's scope; none if it lies within.
fn beyond_scope(manager: &Manager, key: &ObjectKey, within: &Chain, target: &Target<'_>) -> Option<String> {
    let who = &manager.key;
    let scope = manager.account.settings.scope.as_ref();
    let listed = scope.is_none_or(|scope| lists(scope, within));
    // Groups are those of the manager's own tenant.
    let at_home = within.own().is_some_and(|t| t.id == manager.account.tenant);
    let (covered, why) = match target {
        Target::Own => (true, String::new()),
        Target::New | Target::Account(Subject { reach: Reach::New, .. }) => (
            listed,
            format!(
                "{key} would lie in a tenant that spec.manageableScope.tenants of {who} does not cover; list the tenant there or name another manager"
            ),
        ),
        Target::Account(Subject { reach: Reach::Own, .. }) => (true, String::new()),
        Target::Account(Subject { reach: reach @ Reach::Others { .. }, key: subject, .. }) => (
            manager.reaches(within, reach),
            format!(
                "{subject} lies outside the manageable scope of {who}: not in its tenants, its groups or its roles, nor created by it; extend spec.manageableScope of {who} or name another manager for {key}"
            ),
        ),
        Target::Role(role) => (
            scope.is_none_or(|scope| scope.roles.contains(role)),
            format!(
                "{key} was neither created by {who} nor assigned to it; list it in spec.manageableScope.roles of {who} or name another manager"
            ),
        ),
        Target::Group { name, created } => (
            *created == Created::ByManager
                || (*created == Created::NotYet && listed)
                || scope.is_none_or(|scope| at_home && scope.groups.contains(*name)),
            format!(
                "the group {name}, named by {key}, was neither created by {who} nor assigned to it; {} or name another manager",
                assigning(who, at_home)
            ),
        ),
        Target::Tenant(tenant) => (
            listed,
            format!(
                "{tenant}, named by {key}, lies outside the manageable scope of {who}; list it or a tenant above it in spec.manageableScope.tenants of {who} or name another manager"
            ),
        ),
    };
    (!covered).then_some(why)
}

/// R5: what Individual access keeps the manager from, if it does: whatever
/// neither it nor an account below it has created, be it an account, a role, a
/// group or a tenant.
fn creation_of_others(manager: &Manager, key: &ObjectKey, target: &Target<'_>) -> Option<String> {
    if !manager.account.effective.individual_access {
        return None;
    }
    match target {
        Target::Account(Subject { reach: Reach::Others { .. }, key: subject, .. }) => {
            Some(subject.to_string())
        }
        Target::Role(_) => Some(key.to_string()),
        Target::Group { name, created: Created::ByOthers } => {
            Some(format!("the group {name}, named by {key},"))
        }
        Target::Tenant(tenant) => Some(tenant.to_string()),
        Target::Own | Target::New | Target::Account(_) | Target::Group { .. } => None,
    }
}

/// How a group gets into a manager's scope. Only those of its own tenant can be
/// listed.
fn assigning(who: &ObjectKey, at_home: bool) -> String {
    match at_home {
        true => format!("list it in spec.manageableScope.groups of {who}"),
        false => format!(
            "groups of other tenants than its own cannot be listed: write from: Tenant in spec.manageableScope of {who}"
        ),
    }
}

/// Whether a scope lists the tenant that a chain begins with, or one above it.
fn lists(scope: &Scope, chain: &Chain) -> bool {
    chain.0.iter().any(|level| {
        level.key.as_ref().is_some_and(|key| {
            scope.tenants.contains(&Ref { namespace: key.namespace.clone(), name: key.name.clone() })
        })
    })
}

impl Manager {
    /// Whether it matters to it who created a group: not every group of its
    /// tenant is its own.
    pub fn minds_creators(&self) -> bool {
        self.account.settings.scope.is_some() || self.account.effective.individual_access
    }

    /// Whether it manages everything in the tenant that a chain begins with:
    /// it has no listed scope, or one that lists the tenant or one above it.
    pub fn covers(&self, chain: &Chain) -> bool {
        chain.contains(self.account.tenant)
            && self.account.settings.scope.as_ref().is_none_or(|scope| lists(scope, chain))
    }

    /// Whether an account of the tenant that a chain begins with lies in its
    /// manageable scope: by its tenant, its groups, its roles, or because it
    /// was created by the manager or below it.
    pub fn reaches(&self, within: &Chain, reach: &Reach) -> bool {
        match reach {
            Reach::Own => true,
            Reach::New => self.covers(within),
            Reach::Others { groups, roles } => {
                // Groups are those of the manager's own tenant.
                let at_home = within.own().is_some_and(|t| t.id == self.account.tenant);
                self.covers(within)
                    || self.account.settings.scope.as_ref().is_some_and(|scope| {
                        (at_home && !scope.groups.is_disjoint(groups)) || !scope.roles.is_disjoint(roles)
                    })
            }
        }
    }
}

/// The object key of an account reference.
pub fn account_key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(Kind::SubAdmin, namespace, name)
}

//! R2: on whose authority something is written, and whether that is enough.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::account::{Account, Ref, Scope, holding};
use super::audit::Actor;
use super::capability::Capability;
use super::object::{Kind, ObjectKey, Topic};
use super::permission::{Holding, Permissions};
use super::role::Assigned;
use super::tenant::{Chain, missing};
use super::tier::Tier;
use super::verdict::{Reason, Refusal};

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

/// What is about to be done to whom.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// The object that asks for it.
    pub key: &'a ObjectKey,
    /// The right that it takes.
    pub needs: Capability,
    /// The tenant in which it happens, and all above it.
    pub within: &'a Chain,
    /// The account that it happens to, if one: its tier (existing and
    /// wanted, the higher), groups, roles and who created it.
    pub target: Option<Target<'a>>,
}

/// An account as the target of an act.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Its tier.
    pub tier: Tier,
    /// Its groups in the tenant of the act.
    pub groups: &'a BTreeSet<String>,
    /// Its roles.
    pub roles: BTreeSet<Ref>,
    /// Whether the manager itself created it.
    pub own_creation: bool,
}

/// Whether the authority is enough for the act (R1, R2).
pub fn permit(authority: &Authority, act: &Act<'_>) -> Result<(), Refusal> {
    let Authority::Account(manager) = authority else {
        return Ok(());
    };
    let Act { key, needs, within, target } = act;
    let wait =
        |reason, message: String| Err(Refusal::wait(reason, message, vec![Topic::object(&manager.key)]));
    if !manager.account.settings.enabled || manager.blocked {
        return wait(
            Reason::ManagerDisabled,
            format!(
                "{}, which answers for {key}, is disabled or lies in a disabled tenant; enable it or name another account in spec.managedByRef",
                manager.key
            ),
        );
    }
    if !within.contains(manager.account.tenant) {
        return wait(
            Reason::OutOfScope,
            format!(
                "{} answers for {key} but belongs to a tenant that is neither the object's nor above it; name an account of the same tenant or one above",
                manager.key
            ),
        );
    }
    if let Some(target) = target
        && !manager.account.settings.tier.outranks(target.tier)
    {
        return wait(
            Reason::TierNotAllowed,
            format!(
                "{} is {} and may create {}, but {key} has tier {}; choose a lower tier or a manager of a higher one",
                manager.key,
                manager.account.settings.tier,
                manager.account.settings.tier.creates(),
                target.tier
            ),
        );
    }
    if !manager.account.effective.capabilities.contains(needs) {
        return wait(
            Reason::CapabilityMissing,
            format!(
                "{} lacks the capability {needs} that {key} needs; give it to the account or name another in spec.managedByRef",
                manager.key
            ),
        );
    }
    if !in_scope(manager, within, target.as_ref()) {
        return wait(
            Reason::OutOfScope,
            format!(
                "{key} lies outside the manageable scope of {}; extend spec.manageableScope of the account or name another manager",
                manager.key
            ),
        );
    }
    Ok(())
}

/// Whether the manager's scope covers a target in a tenant. Its own creations
/// are always in scope, but what it creates must lie in the scope's tenants.
pub(super) fn in_scope(manager: &Manager, within: &Chain, target: Option<&Target<'_>>) -> bool {
    let Some(scope) = &manager.account.settings.scope else {
        return true;
    };
    let tenant_listed = within.0.iter().any(|level| {
        level.key.as_ref().is_some_and(|key| {
            scope.tenants.contains(&Ref { namespace: key.namespace.clone(), name: key.name.clone() })
        })
    });
    // Groups are those of the manager's own tenant.
    let in_own_tenant = within.own().is_some_and(|t| t.id == manager.account.tenant);
    tenant_listed
        || target.is_some_and(|target| {
            target.own_creation
                || (in_own_tenant && !scope.groups.is_disjoint(target.groups))
                || !scope.roles.is_disjoint(&target.roles)
        })
}

/// Refuses rules beyond what the manager holds (R2), wildcards included.
pub fn within_holding(
    authority: &Authority,
    key: &ObjectKey,
    field: &str,
    rules: &Permissions,
) -> Result<(), Refusal> {
    let Authority::Account(manager) = authority else {
        return Ok(());
    };
    match manager.holding().excess(&rules.allow) {
        None => Ok(()),
        Some(excess) => Err(exceeds(
            manager,
            format!(
                "{field} of {key} gives {} on {}, which {} does not wholly have; narrow the rule or name a manager that has it",
                excess.operation, excess.resource, manager.key
            ),
        )),
    }
}

/// Refuses capabilities that the manager does not have (R2).
pub fn within_capabilities(
    authority: &Authority,
    key: &ObjectKey,
    field: &str,
    capabilities: &BTreeSet<Capability>,
) -> Result<(), Refusal> {
    let Authority::Account(manager) = authority else {
        return Ok(());
    };
    match capabilities.difference(&manager.account.effective.capabilities).next() {
        None => Ok(()),
        Some(missing) => Err(exceeds(
            manager,
            format!(
                "{field} of {key} gives {missing}, which {} does not have; remove it or name a manager that has it",
                manager.key
            ),
        )),
    }
}

/// Refuses a scope wider than the manager's (R2). An absent scope is the
/// account's whole tenant, so under a manager with a list only an account of a
/// tenant on that list may leave it absent.
pub fn within_scope(
    authority: &Authority,
    key: &ObjectKey,
    scope: Option<&Scope>,
    within: &Chain,
) -> Result<(), Refusal> {
    let Authority::Account(manager) = authority else {
        return Ok(());
    };
    let Some(own) = &manager.account.settings.scope else {
        return Ok(());
    };
    let covered = match scope {
        None => in_scope(manager, within, None),
        Some(scope) => {
            scope.tenants.is_subset(&own.tenants)
                && scope.groups.is_subset(&own.groups)
                && scope.roles.is_subset(&own.roles)
        }
    };
    if covered {
        return Ok(());
    }
    Err(exceeds(
        manager,
        format!(
            "spec.manageableScope of {key} is wider than that of {}; list only tenants, groups and roles that the manager has",
            manager.key
        ),
    ))
}

fn exceeds(manager: &Manager, message: String) -> Refusal {
    Refusal::wait(Reason::ExceedsManager, message, vec![Topic::object(&manager.key)])
}

/// The object key of an account reference.
pub fn account_key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(Kind::SubAdmin, namespace, name)
}

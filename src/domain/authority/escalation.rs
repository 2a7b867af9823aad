//! R2: nobody gives what they do not have. What an object writes for others is
//! compared with what its manager has: permissions (wildcards covered properly),
//! capabilities and scope; roles by their content, through the first two.

use std::collections::{BTreeMap, BTreeSet};

use super::{Authority, Manager, lists};
use crate::domain::account::{Ref, Scope};
use crate::domain::capability::Capability;
use crate::domain::object::{ObjectKey, Topic};
use crate::domain::permission::{Holding, Pattern, Permissions, Rule};
use crate::domain::tenant::Chain;
use crate::domain::verdict::{Reason, Refusal, Remedy};

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

/// What the giver of a grant was given its devices with, as far as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Each Assign to it that is about some of the devices, with its rules.
    pub by: Vec<(ObjectKey, Permissions)>,
    /// Some of the devices are none that it was given.
    pub others: bool,
}

impl Received {
    /// What it may do with each part of the devices: own rules and those of its
    /// roles, and with those that came with the devices.
    fn holdings(&self, own: &Holding) -> Vec<Holding> {
        let mut holdings: Vec<_> = self.by.iter().map(|(_, rules)| own.clone().with(rules)).collect();
        if self.others || holdings.is_empty() {
            holdings.push(own.clone());
        }
        holdings
    }

    /// What it may do with all of the devices, as rules to hand on.
    pub fn passes_on(&self, manager: &Manager, resource: &Pattern) -> Permissions {
        let each: Vec<Permissions> =
            self.holdings(&manager.holding()).iter().map(|holding| holding.on(resource)).collect();
        let operations: BTreeSet<&Pattern> =
            each.iter().flat_map(|rules| &rules.allow).flat_map(|rule| &rule.operations).collect();
        let operations: Vec<Pattern> = operations
            .into_iter()
            .filter(|operation| each.iter().all(|rules| rules.allowing(resource, operation).is_some()))
            .cloned()
            .collect();
        let mut deny = vec![];
        for rule in each.iter().flat_map(|rules| &rules.deny) {
            if !deny.contains(rule) {
                deny.push(rule.clone());
            }
        }
        let allow = match operations.is_empty() {
            true => vec![],
            false => vec![Rule { resources: vec![resource.clone()], operations }],
        };
        Permissions { allow, deny }
    }
}

/// Refuses rules of a grant beyond what its giver may do with the devices (R2):
/// by its own rules and its roles, and by those with which it was given them.
pub fn within_received(
    authority: &Authority,
    key: &ObjectKey,
    field: &str,
    rules: &Permissions,
    received: &Received,
) -> Result<(), Refusal> {
    let Authority::Account(manager) = authority else {
        return Ok(());
    };
    let holdings = received.holdings(&manager.holding());
    match holdings.iter().find_map(|holding| holding.excess(&rules.allow)) {
        None => Ok(()),
        Some(excess) => Err(exceeds(
            manager,
            format!(
                "{field} of {key} gives {} on {}, which {} does not wholly have, nor was it given all of the devices with that; narrow the rule or name a manager that has it",
                excess.operation, excess.resource, manager.key
            ),
        )),
    }
}

/// What an account below a manager may do with devices that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theirs {
    /// Its object; none while unmanaged.
    pub key: Option<ObjectKey>,
    /// Its own rules, its roles' and those with which it was given the devices.
    pub holding: Holding,
}

/// Refuses rules of a Share to oneself beyond what the account may do and what
/// those who hold the devices may do (R2): adding one's own permission gives
/// nobody more than the accounts below have.
pub fn within_theirs(
    authority: &Authority,
    key: &ObjectKey,
    field: &str,
    rules: &Permissions,
    theirs: &[Theirs],
) -> Result<(), Refusal> {
    let Authority::Account(manager) = authority else {
        return Ok(());
    };
    let own = manager.holding();
    let pairs = rules.allow.iter().flat_map(|rule| {
        rule.resources.iter().flat_map(|resource| {
            rule.operations.iter().map(|operation| Rule {
                resources: vec![resource.clone()],
                operations: vec![operation.clone()],
            })
        })
    });
    for pair in pairs {
        let pair = [pair];
        let Some(excess) = own.excess(&pair) else { continue };
        let lacking = theirs.iter().find(|theirs| theirs.holding.excess(&pair).is_some());
        if lacking.is_none() && !theirs.is_empty() {
            continue;
        }
        let mut refusal = exceeds(
            manager,
            format!(
                "{field} of {key} gives {} on {}, which neither {} nor every account below it that holds the devices may do; narrow the rule",
                excess.operation, excess.resource, manager.key
            ),
        );
        if let (Remedy::Wait(topics), Some(lacking)) = (&mut refusal.remedy, lacking) {
            topics.extend(lacking.key.as_ref().map(Topic::object));
        }
        return Err(refusal);
    }
    Ok(())
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

/// Tenants with all that lie above each, itself included: what covering by
/// the tree rests on.
pub type Above = BTreeMap<Ref, BTreeSet<Ref>>;

/// Refuses a scope wider than the manager's (R2). Covered means by the tree: a
/// tenant below a listed one is narrower. An absent scope is the account's
/// whole tenant, and so is any list if the manager covers that tenant. Groups
/// are those of the account's own tenant, so they compare only within one.
pub fn within_scope(
    authority: &Authority,
    key: &ObjectKey,
    scope: Option<&Scope>,
    within: &Chain,
    above: &Above,
) -> Result<(), Refusal> {
    let Authority::Account(manager) = authority else {
        return Ok(());
    };
    let Some(own) = &manager.account.settings.scope else {
        return Ok(());
    };
    if lists(own, within) {
        return Ok(());
    }
    let who = &manager.key;
    let Some(scope) = scope else {
        return Err(exceeds(
            manager,
            format!(
                "{key} has no spec.manageableScope, which means its whole tenant, but {who} manages only a list; write from: List with no more than {who} has"
            ),
        ));
    };
    let at_home = within.own().is_some_and(|t| t.id == manager.account.tenant);
    let beyond = |field: &str, what: String| {
        Err(exceeds(
            manager,
            format!(
                "spec.manageableScope.{field} of {key} lists {what}, which the manageable scope of {who} does not cover; remove it or name a manager whose scope does"
            ),
        ))
    };
    let covered = |tenant: &Ref| {
        own.tenants.contains(tenant) || above.get(tenant).is_some_and(|above| !own.tenants.is_disjoint(above))
    };
    if let Some(tenant) = scope.tenants.iter().find(|tenant| !covered(tenant)) {
        return beyond("tenants", format!("{}/{}", tenant.namespace, tenant.name));
    }
    if let Some(group) = scope.groups.iter().find(|group| !at_home || !own.groups.contains(*group)) {
        return beyond("groups", group.clone());
    }
    if let Some(role) = scope.roles.difference(&own.roles).next() {
        return beyond("roles", format!("{}/{}", role.namespace, role.name));
    }
    Ok(())
}

fn exceeds(manager: &Manager, message: String) -> Refusal {
    Refusal::wait(Reason::ExceedsManager, message, vec![Topic::object(&manager.key)])
}

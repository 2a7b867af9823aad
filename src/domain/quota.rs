//! R3: limits of tenants and quotas of accounts. The store counts inside the
//! transaction; here it is decided whether there is room.

use uuid::Uuid;

use super::account::Ref;
use super::object::{ObjectKey, Topic};
use super::tenant::{Chain, Level, Limits};
use super::tier::Tier;
use super::verdict::{Reason, Refusal};

/// What the subtree of one tenant contains now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantUse {
    /// The tenant.
    pub tenant: Uuid,
    /// Devices held in the subtree.
    pub devices: i64,
    /// Tenants below it.
    pub tenants: i64,
    /// Accounts in the subtree.
    pub accounts: i64,
    /// Accounts by tier.
    pub by_tier: Vec<(Tier, i64)>,
    /// Accounts by role.
    pub by_role: Vec<(Ref, i64)>,
}

impl TenantUse {
    /// Accounts of one tier.
    pub fn of_tier(&self, tier: Tier) -> i64 {
        let mut counts = self.by_tier.iter();
        counts.find(|(t, _)| *t == tier).map_or(0, |(_, n)| *n)
    }
    /// Accounts with one role.
    pub fn of_role(&self, namespace: &str, name: &str) -> i64 {
        let mut counts = self.by_role.iter();
        counts.find(|(r, _)| r.namespace == namespace && r.name == name).map_or(0, |(_, n)| *n)
    }
}

/// What a change adds to a subtree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addition {
    /// More devices.
    pub devices: i64,
    /// More tenants.
    pub tenants: i64,
    /// More accounts.
    pub accounts: i64,
    /// More accounts by tier.
    pub by_tier: Vec<(Tier, i64)>,
    /// More accounts by role.
    pub by_role: Vec<(Ref, i64)>,
}

/// A limit in words, how much is used, and how much there may be.
type Line = (String, i64, i64);

fn lines(limits: &Limits, used: &TenantUse) -> Vec<Line> {
    let mut lines = vec![];
    let mut push = |name: String, used: i64, max: Option<i64>| {
        if let Some(max) = max {
            lines.push((name, used, max));
        }
    };
    push("limits.devices".into(), used.devices, limits.devices);
    push("limits.tenants".into(), used.tenants, limits.tenants);
    push("limits.accounts.total".into(), used.accounts, limits.accounts);
    for (tier, max) in &limits.finer.by_tier {
        push(format!("limits.accounts.byTier {tier}"), used.of_tier(*tier), Some(*max));
    }
    for role in &limits.finer.by_role {
        push(
            format!("limits.accounts.byRole {}/{}", role.namespace, role.name),
            used.of_role(&role.namespace, &role.name),
            Some(role.max),
        );
    }
    lines
}

/// Whether every tenant of the chain has room for the addition. `consumers`
/// names the largest consumers that the object's own tenant may see, for the
/// message.
pub fn room(
    key: &ObjectKey,
    chain: &Chain,
    uses: &[TenantUse],
    addition: &Addition,
    consumers: &str,
) -> Result<(), Refusal> {
    for level in &chain.0 {
        let used = uses.iter().find(|u| u.tenant == level.tenant.id);
        let before = used.cloned().unwrap_or_default();
        let mut after = before.clone();
        after.devices += addition.devices;
        after.tenants += addition.tenants;
        after.accounts += addition.accounts;
        for (tier, more) in &addition.by_tier {
            let now = after.of_tier(*tier);
            after.by_tier.retain(|(t, _)| t != tier);
            after.by_tier.push((*tier, now + more));
        }
        for (role, more) in &addition.by_role {
            let now = after.of_role(&role.namespace, &role.name);
            after.by_role.retain(|(r, _)| r != role);
            after.by_role.push((role.clone(), now + more));
        }
        let limits = &level.tenant.settings.limits;
        for ((name, now, max), (_, then, _)) in lines(limits, &before).into_iter().zip(lines(limits, &after))
        {
            if then > max && then > now {
                return Err(exceeded(key, level, &name, now, max, consumers));
            }
        }
    }
    Ok(())
}

fn exceeded(key: &ObjectKey, level: &Level, name: &str, used: i64, max: i64, consumers: &str) -> Refusal {
    let holder = level.key.as_ref().map_or_else(|| level.tenant.path.clone(), ToString::to_string);
    let consumers =
        if consumers.is_empty() { String::new() } else { format!("; the largest consumers are {consumers}") };
    Refusal::wait(
        Reason::QuotaExceeded,
        format!(
            "no room for {key}: {name} of {holder} is {max} and {used} are used{consumers}; raise the limit or remove something"
        ),
        vec![Topic::tenant_room(level.tenant.id)],
    )
}

/// Refuses limits lower than what is in use; the old ones stay.
pub fn not_below_use(
    key: &ObjectKey,
    tenant: Uuid,
    old: &Limits,
    new: &Limits,
    used: &TenantUse,
) -> Result<(), Refusal> {
    for (name, used_now, max) in lines(new, used) {
        let unchanged = lines(old, used).iter().any(|(n, _, m)| *n == name && *m <= max);
        if used_now > max && !unchanged {
            return Err(Refusal::wait(
                Reason::LimitBelowUse,
                format!(
                    "{name} of {key} would be {max}, but {used_now} are used; remove {} of them first or set a higher limit",
                    used_now - max
                ),
                vec![Topic::tenant_room(tenant), Topic::contents(tenant)],
            ));
        }
    }
    Ok(())
}

/// What an account holds and has passed on (R3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountUse {
    /// Devices assigned to the account itself, or to accounts below it that
    /// have no quota of their own.
    pub held: i64,
    /// `manageableDevices` of the nearest accounts below that have one.
    pub delegated: i64,
}

/// The nearest account, from a manager upwards, whose quota bounds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The account.
    pub account: Uuid,
    /// Its object, for the message.
    pub key: String,
    /// Its `manageableDevices`.
    pub quota: i64,
    /// What it holds and has delegated.
    pub used: AccountUse,
}

/// Whether the account that bounds `key` can delegate `more` devices.
pub fn delegate(key: &ObjectKey, bound: Option<&Bound>, more: i64) -> Result<(), Refusal> {
    let Some(bound) = bound else { return Ok(()) };
    let used = bound.used.held + bound.used.delegated;
    if more <= 0 || used + more <= bound.quota {
        return Ok(());
    }
    Err(Refusal::wait(
        Reason::QuotaExceeded,
        format!(
            "spec.manageableDevices of {key} needs {more} more from {}, which may manage {}, holds {} and has delegated {}; lower the number or raise the manager's",
            bound.key, bound.quota, bound.used.held, bound.used.delegated
        ),
        vec![Topic::account_room(bound.account)],
    ))
}

/// Refuses a quota lower than what is held and delegated; the old one stays.
pub fn own_not_below_use(
    key: &ObjectKey,
    account: Uuid,
    quota: Option<i64>,
    used: &AccountUse,
) -> Result<(), Refusal> {
    match quota {
        Some(quota) if used.held + used.delegated > quota => Err(Refusal::wait(
            Reason::LimitBelowUse,
            format!(
                "spec.manageableDevices of {key} would be {quota}, but it holds {} and has delegated {}; take some back first or set a higher number",
                used.held, used.delegated
            ),
            vec![Topic::account_room(account)],
        )),
        _ => Ok(()),
    }
}

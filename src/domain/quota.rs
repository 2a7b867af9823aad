//! R3: limits of tenants and quotas of accounts. The store counts inside the
//! transaction; here it is decided whether there is room, and what a refusal
//! says. A refusal names the limit and who holds it, and beyond that only what
//! the refused object's own tenant may see (R4): numbers of tenants above, and
//! whatever lies beside it, stay unsaid.

use std::fmt;

use uuid::Uuid;

use super::account::Ref;
use super::object::{ObjectKey, Topic};
use super::tenant::{Chain, Level, Limits, Tenant};
use super::tier::Tier;
use super::verdict::{Reason, Refusal};

/// What a limit of a tenant counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// Devices held in the subtree.
    Devices,
    /// Tenants below.
    Tenants,
    /// Accounts of any kind.
    Accounts,
    /// Accounts of one tier.
    Tier(Tier),
    /// Accounts that bear one role.
    Role(Ref),
}

impl Counted {
    /// The line of `status.quota`.
    pub fn line(&self) -> String {
        match self {
            Self::Devices => "devices".to_owned(),
            Self::Tenants => "tenants".to_owned(),
            Self::Accounts => "accounts".to_owned(),
            Self::Tier(tier) => format!("accounts.{tier}"),
            Self::Role(role) => format!("accounts.role.{}/{}", role.namespace, role.name),
        }
    }

    /// So many of them, in words.
    fn amount(&self, n: i64) -> String {
        let plural = if n == 1 { "" } else { "s" };
        match self {
            Self::Devices => format!("{n} device{plural}"),
            Self::Tenants => format!("{n} tenant{plural}"),
            Self::Accounts => format!("{n} account{plural}"),
            Self::Tier(tier) => format!("{n} account{plural} of tier {tier}"),
            Self::Role(role) => format!("{n} account{plural} with role {}/{}", role.namespace, role.name),
        }
    }
}

/// The field that sets the limit.
impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Devices => f.write_str("limits.devices"),
            Self::Tenants => f.write_str("limits.tenants"),
            Self::Accounts => f.write_str("limits.accounts.total"),
            Self::Tier(tier) => write!(f, "limits.accounts.byTier {tier}"),
            Self::Role(role) => write!(f, "limits.accounts.byRole {}/{}", role.namespace, role.name),
        }
    }
}

impl Limits {
    /// Each limit that is set, with its number.
    pub fn each(&self) -> Vec<(Counted, i64)> {
        let total = [
            (Counted::Devices, self.devices),
            (Counted::Tenants, self.tenants),
            (Counted::Accounts, self.accounts),
        ];
        let total = total.into_iter().filter_map(|(counted, max)| Some((counted, max?)));
        let tiers = self.finer.by_tier.iter().map(|(tier, max)| (Counted::Tier(*tier), *max));
        let roles = self.finer.by_role.iter().map(|role| {
            let bearer = Ref { namespace: role.namespace.clone(), name: role.name.clone() };
            (Counted::Role(bearer), role.max)
        });
        total.chain(tiers).chain(roles).collect()
    }
}

/// How many there are of each thing: in the subtree of one tenant, or in the
/// part of it that lies below the tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantUse {
    /// The tenant.
    pub tenant: Uuid,
    /// Devices held there.
    pub devices: i64,
    /// Tenants below it.
    pub tenants: i64,
    /// Accounts.
    pub accounts: i64,
    /// Accounts by tier.
    pub by_tier: Vec<(Tier, i64)>,
    /// Accounts by role.
    pub by_role: Vec<(Ref, i64)>,
}

impl TenantUse {
    /// How many there are of what a limit counts.
    pub fn of(&self, counted: &Counted) -> i64 {
        match counted {
            Counted::Devices => self.devices,
            Counted::Tenants => self.tenants,
            Counted::Accounts => self.accounts,
            Counted::Tier(tier) => self.by_tier.iter().find(|(t, _)| t == tier).map_or(0, |(_, n)| *n),
            Counted::Role(role) => self.by_role.iter().find(|(r, _)| r == role).map_or(0, |(_, n)| *n),
        }
    }

    /// Everything that a tenant brings along when it moves, itself included.
    pub fn brought(&self) -> Vec<(Counted, i64)> {
        let one = [
            (Counted::Devices, self.devices),
            (Counted::Tenants, self.tenants + 1),
            (Counted::Accounts, self.accounts),
        ];
        let tiers = self.by_tier.iter().map(|(tier, n)| (Counted::Tier(*tier), *n));
        let roles = self.by_role.iter().map(|(role, n)| (Counted::Role(role.clone()), *n));
        one.into_iter().chain(tiers).chain(roles).collect()
    }
}

/// The limits that an addition could break: which tenants must be counted, and
/// for what. Nothing, if none is set.
pub fn binding(chain: &Chain, addition: &[(Counted, i64)]) -> (Vec<Uuid>, Vec<Counted>) {
    let (mut tenants, mut kinds) = (vec![], vec![]);
    for level in &chain.0 {
        for (counted, _) in level.tenant.settings.limits.each() {
            if addition.iter().any(|(what, more)| *what == counted && *more > 0) {
                tenants.push(level.tenant.id);
                kinds.push(counted);
            }
        }
    }
    tenants.dedup();
    kinds.sort();
    kinds.dedup();
    (tenants, kinds)
}

/// A limit that leaves no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall<'a> {
    /// The tenant that holds the limit.
    pub holder: &'a Level,
    /// What it counts.
    pub counted: Counted,
    /// How many there may be.
    pub max: i64,
    /// How many there are.
    pub used: i64,
    /// How many would be added.
    pub more: i64,
}

/// The nearest limit of the chain that an addition would break. A limit that
/// does not grow is not broken, however much is in use.
pub fn shortfall<'a>(
    chain: &'a Chain,
    uses: &[TenantUse],
    addition: &[(Counted, i64)],
) -> Option<Shortfall<'a>> {
    let per_level = chain.0.iter().flat_map(|holder| {
        holder.tenant.settings.limits.each().into_iter().map(move |(counted, max)| (holder, counted, max))
    });
    for (holder, counted, max) in per_level {
        let more = addition.iter().find(|(what, _)| *what == counted).map_or(0, |(_, more)| *more);
        let used = uses.iter().find(|u| u.tenant == holder.tenant.id).map_or(0, |u| u.of(&counted));
        if more > 0 && used + more > max {
            return Some(Shortfall { holder, counted, max, used, more });
        }
    }
    None
}

/// Who uses how much of what is short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The path of a tenant, or an account.
    pub who: String,
    /// How much.
    pub amount: i64,
}

impl Shortfall<'_> {
    /// The refusal. `viewer` is the refused object's own tenant, if it exists;
    /// `consumers` lie in it or below it.
    pub fn refusal(&self, key: &ObjectKey, viewer: Option<&Tenant>, consumers: &[Consumer]) -> Refusal {
        let Self { holder, counted, max, used, more } = self;
        let name = holder.key.as_ref().map_or_else(|| holder.tenant.path.clone(), ToString::to_string);
        // The number in use at a tenant above would tell about siblings.
        let own = viewer.is_some_and(|viewer| viewer.id == holder.tenant.id);
        let used = if own { format!(" ({used} used)") } else { String::new() };
        let brought = if *more > 1 { format!(" with its {}", counted.amount(*more)) } else { String::new() };
        let within = match (viewer, consumers) {
            (Some(viewer), [_, ..]) => {
                let named = consumers.iter().map(|c| format!("{} ({})", c.who, counted.amount(c.amount)));
                format!("; the largest consumers in {} are {}", viewer.path, list(named))
            }
            _ => String::new(),
        };
        Refusal::wait(
            Reason::QuotaExceeded,
            format!(
                "{counted} of {name} is {max}{used} and leaves no room for {key}{brought}{within}; raise the limit or remove something that counts under it"
            ),
            vec![Topic::tenant_room(holder.tenant.id)],
        )
    }
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// Refuses limits lower than what is in use; the old ones stay. A limit that
/// is not lowered may stand below what is in use.
pub fn not_below_use(
    key: &ObjectKey,
    tenant: Uuid,
    old: &Limits,
    new: &Limits,
    used: &TenantUse,
) -> Result<(), Refusal> {
    let before = old.each();
    for (counted, max) in new.each() {
        let lowered = !before.iter().any(|(what, old)| *what == counted && *old <= max);
        let used = used.of(&counted);
        if lowered && used > max {
            return Err(Refusal::wait(
                Reason::LimitBelowUse,
                format!(
                    "{counted} of {key} would be {max}, but {used} are used; remove {} first or set a higher limit",
                    counted.amount(used - max)
                ),
                vec![Topic::tenant_room(tenant), Topic::contents(tenant)],
            ));
        }
    }
    Ok(())
}

/// What an account holds and has passed on (R3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountUse {
    /// Devices assigned to the account itself, or to accounts below it that
    /// have no quota of their own.
    pub held: i64,
    /// `manageableDevices` of the nearest accounts below that have one.
    pub delegated: i64,
}

impl AccountUse {
    /// Both together.
    pub fn total(&self) -> i64 {
        self.held + self.delegated
    }
}

/// The nearest account, from a manager upwards, whose quota bounds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The account.
    pub account: Uuid,
    /// Its tenant.
    pub tenant: Uuid,
    /// Its object, for the message.
    pub key: String,
    /// Its `manageableDevices`.
    pub quota: i64,
    /// What it holds and has delegated.
    pub used: AccountUse,
}

impl Bound {
    /// Whether the account can delegate so many devices.
    pub fn has_room_for(&self, devices: i64) -> bool {
        self.used.total() + devices <= self.quota
    }

    /// Why `key`, an account of the tenant `viewer`, cannot have `devices`.
    /// `consumers` lie below the bounding account and in `viewer` or below it.
    pub fn refusal(&self, key: &ObjectKey, devices: i64, viewer: &Tenant, consumers: &[Consumer]) -> Refusal {
        let Self { key: manager, quota, used, .. } = self;
        // What an account of a tenant above has given to others stays unsaid.
        let used = if self.tenant == viewer.id {
            format!(" ({} held, {} delegated)", used.held, used.delegated)
        } else {
            String::new()
        };
        let named = consumers.iter().map(|c| format!("{} ({})", c.who, c.amount));
        let named = if consumers.is_empty() {
            String::new()
        } else {
            format!("; the most below it in {} goes to {}", viewer.path, list(named))
        };
        Refusal::wait(
            Reason::QuotaExceeded,
            format!(
                "spec.manageableDevices of {manager} is {quota}{used} and leaves no room for the {devices} that {key} asks for{named}; ask for less, raise that number, or take devices back"
            ),
            vec![Topic::account_room(self.account)],
        )
    }
}

/// Refuses a quota lower than what is held and delegated; the old one stays. A
/// quota that is not lowered may stand below what is in use.
pub fn own_not_below_use(
    key: &ObjectKey,
    account: Uuid,
    old: Option<i64>,
    new: Option<i64>,
    used: AccountUse,
) -> Result<(), Refusal> {
    match new {
        Some(quota) if used.total() > quota && old.is_none_or(|old| quota < old) => Err(Refusal::wait(
            Reason::LimitBelowUse,
            format!(
                "spec.manageableDevices of {key} would be {quota}, but it holds {} and has delegated {}; take {} back first or set a higher number",
                used.held,
                used.delegated,
                used.total() - quota
            ),
            vec![Topic::account_room(account)],
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

//! `ManageSubscription`, the right that is never given: the owner of a tenant
//! has it, and where no owner is named, the Root.

use std::collections::BTreeSet;

use super::Manager;
use crate::domain::account::Account;
use crate::domain::capability::Capability;
use crate::domain::object::{ObjectKey, Topic};
use crate::domain::tenant::Chain;
use crate::domain::tier::Tier;
use crate::domain::verdict::{Reason, Refusal};

/// The rights of an account in its own tenant, with which `chain` begins: those
/// that it was given, and the subscription if it owns that. Enabled or not.
pub fn capabilities_at_home(account: &Account, chain: &Chain) -> BTreeSet<Capability> {
    let mut capabilities = account.effective.capabilities.clone();
    if chain.own().is_some_and(|tenant| owns_subscription(account, tenant.settings.owner.as_deref())) {
        capabilities.insert(Capability::ManageSubscription);
    }
    capabilities
}

/// Whether an account has the right over its own tenant, which names this owner.
fn owns_subscription(account: &Account, owner: Option<&str>) -> bool {
    owner.map_or(account.settings.tier == Tier::Root, |owner| account.name == owner)
}

/// Whether an account manages the subscription of the tenant `key`, with which
/// `chain` begins and whose `spec.ownerRef` names `owner`: why, or why not. An
/// owner that is named but missing keeps the right from everybody.
pub fn subscription(
    manager: &Manager,
    key: &ObjectKey,
    chain: &Chain,
    owner: Option<&str>,
) -> Result<String, Refusal> {
    let who = &manager.key;
    let refuse =
        |reason, message| Err(Refusal::wait(reason, message, vec![Topic::object(who), Topic::object(key)]));
    if !manager.account.settings.enabled || manager.blocked {
        return refuse(
            Reason::ManagerDisabled,
            format!("{who} is disabled or lies in a disabled tenant; enable it"),
        );
    }
    let capability = Capability::ManageSubscription;
    match owner {
        Some(owner) => {
            let its_own = chain.own().is_some_and(|tenant| tenant.id == manager.account.tenant);
            if its_own && owns_subscription(&manager.account, Some(owner)) {
                return Ok(format!("{who} is the owner of {key} and so has {capability} there"));
            }
            refuse(
                Reason::CapabilityMissing,
                format!(
                    "{who} is not the owner of {key}; {capability} is the owner's alone and is never given"
                ),
            )
        }
        None if manager.account.settings.tier == Tier::Root && chain.contains(manager.account.tenant) => {
            Ok(format!("{key} names no owner, and {who} is the Root and so has {capability} there"))
        }
        None => refuse(
            Reason::CapabilityMissing,
            format!(
                "{key} names no owner, so that only the Root has {capability}; name the owner in spec.ownerRef of {key}"
            ),
        ),
    }
}

//! Who receives a grant: in the granting tenant or below it (R4), outranked by
//! the account on whose authority it is given, and in its scope (R2). However
//! many accounts a grant names, they are read in one statement.

use std::collections::{BTreeMap, BTreeSet};

use super::super::authority::{groups_created, own_creation};
use super::super::pass::{Pass, Step};
use crate::api;
use crate::domain::authority::{Act, Authority, Manager, Reach, Subject, Target, permit};
use crate::domain::capability::Capability;
use crate::domain::grant::{Grant, Mode, Receiver};
use crate::domain::object::{ObjectKey, Topic};
use crate::domain::tenant::{Chain, Level};
use crate::domain::verdict::{Reason, Refusal};
use crate::store::authority::Receiving;

const NEEDS: Capability = Capability::AssignAssetPermissions;

/// The receivers as written, if the authority reaches all of them. Changing a
/// grant that somebody else gives also takes authority over those who receive
/// it now.
pub(super) async fn judge(
    pass: &mut Pass<'_>,
    spec: &api::DeviceGrantSpec,
    chain: &Chain,
    mode: Mode,
    authority: &Authority,
    own: Option<&Grant>,
) -> Step<Vec<Receiver>> {
    let Some(home) = chain.own() else { return Ok(vec![]) };
    let namespace = &pass.key().namespace;
    let mut receivers = vec![];
    if let Some(reference) = &spec.to.tenant_ref {
        let to = crate::domain::tenant::key(reference.namespace_from(namespace), &reference.name);
        pass.depend_on(&to);
        let found = pass.tx.chain_of(pass.source(), &to).await?;
        // Outside of the tenant's reach and not there at all are told in the
        // same words: a refusal reveals nothing about strangers.
        match found.own() {
            Some(tenant) if found.contains(home.id) => receivers.push(Receiver::Tenant(tenant.id)),
            _ => return Err(unreachable_receiver(pass, "spec.to.tenantRef", &to).into()),
        }
        tenant(pass, authority, &found).await?;
    }
    let named: Vec<ObjectKey> = spec
        .to
        .sub_admin_refs
        .iter()
        .map(|r| crate::domain::authority::account_key(r.namespace_from(namespace), &r.name))
        .collect();
    if !named.is_empty() {
        let keys: BTreeSet<ObjectKey> = named.iter().cloned().collect();
        for to in &keys {
            pass.depend_on(to);
        }
        let found = pass.tx.receiving(pass.source(), &keys, home.id, authority.id()).await?;
        let by_key: BTreeMap<&ObjectKey, &Receiving> = found.iter().map(|r| (&r.key, r)).collect();
        let mut seen = BTreeSet::new();
        for to in &named {
            let Some(found) = by_key.get(to) else {
                return Err(unreachable_receiver(pass, "spec.to.subAdminRefs", to).into());
            };
            if seen.insert(found.id) {
                receivers.push(Receiver::Account { account: found.id, tenant: found.tenant });
            }
        }
        accounts(pass, authority, mode, &found).await?;
    }
    let names: BTreeSet<String> = spec.to.groups.iter().cloned().collect();
    groups(pass, authority, chain, &names).await?;
    receivers
        .extend(spec.to.groups.iter().map(|name| Receiver::Group { tenant: home.id, name: name.clone() }));
    if let Some(own) = own
        && !own_creation(pass, authority, own.managed_by).await?
    {
        in_force(pass, authority, chain, own).await?;
    }
    Ok(receivers)
}

/// The same for those who receive a grant now that somebody else gives.
async fn in_force(pass: &mut Pass<'_>, authority: &Authority, chain: &Chain, own: &Grant) -> Step<()> {
    if authority.manager().is_none() {
        return Ok(());
    }
    let (mut ids, mut tenants, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for receiver in &own.receivers {
        match receiver {
            Receiver::Account { account, .. } => ids.extend([*account]),
            Receiver::Tenant(tenant) => tenants.extend([*tenant]),
            Receiver::Group { name, .. } => names.extend([name.clone()]),
        }
    }
    for found in pass.tx.chains(&tenants).await?.values() {
        tenant(pass, authority, found).await?;
    }
    let found = pass.tx.receivers_in_force(&ids, own.tenant, authority.id()).await?;
    accounts(pass, authority, own.mode, &found).await?;
    groups(pass, authority, chain, &names).await
}

/// Each account is outranked and in scope, except that an account may share to
/// itself.
async fn accounts(pass: &mut Pass<'_>, authority: &Authority, mode: Mode, found: &[Receiving]) -> Step<()> {
    let Some(manager) = authority.manager() else { return Ok(()) };
    let key = pass.key();
    let tenants: BTreeSet<_> = found.iter().map(|r| r.tenant).collect();
    let chains = pass.tx.chains(&tenants).await?;
    for receiving in found {
        if mode == Mode::Share && receiving.id == manager.account.id {
            if found.len() > 1 {
                return Err(Refusal::edit(
                    Reason::Invalid,
                    format!(
                        "spec.to.subAdminRefs of {key} names {} itself among others; write a Share to oneself as a DeviceGrant of its own",
                        manager.key
                    ),
                )
                .into());
            }
            continue;
        }
        let Some(within) = chains.get(&receiving.tenant) else { continue };
        let reach = if receiving.own_creation {
            Reach::Own
        } else {
            Reach::Others { groups: receiving.groups.clone(), roles: receiving.roles.clone() }
        };
        let target = Target::Account(Subject { key: &receiving.key, tier: receiving.tier, reach });
        permit(authority, &Act { key, needs: NEEDS, within, target })?;
    }
    Ok(())
}

/// A tenant is covered by the scope, or an own creation.
async fn tenant(pass: &mut Pass<'_>, authority: &Authority, found: &Chain) -> Step<()> {
    let Some(Level { tenant, key: Some(to), .. }) = found.0.first() else { return Ok(()) };
    if own_creation(pass, authority, tenant.managed_by).await? {
        return Ok(());
    }
    let act = Act { key: pass.key(), needs: NEEDS, within: found, target: Target::Tenant(to) };
    Ok(permit(authority, &act)?)
}

/// Groups are assigned to the giver or created by it, unless its scope covers
/// the whole tenant and Individual access does not restrict it.
async fn groups(
    pass: &mut Pass<'_>,
    authority: &Authority,
    chain: &Chain,
    names: &BTreeSet<String>,
) -> Step<()> {
    let restricted = |m: &Manager| !m.covers(chain) || m.account.effective.individual_access;
    let Some(home) = chain.own().filter(|_| authority.manager().is_some_and(restricted)) else {
        return Ok(());
    };
    let key = pass.key();
    for (name, created) in groups_created(pass, authority, home.id, names).await? {
        let target = Target::Group { name, created };
        permit(authority, &Act { key, needs: NEEDS, within: chain, target })?;
    }
    Ok(())
}

fn unreachable_receiver(pass: &Pass<'_>, field: &str, to: &ObjectKey) -> Refusal {
    Refusal::wait(
        Reason::RefNotFound,
        format!(
            "{field} of {} names {to}, which does not exist in the granting tenant or below it; create it or correct the name",
            pass.key()
        ),
        vec![Topic::object(to)],
    )
}

//! On whose authority a SubAdmin stands, and whether it is enough: for the
//! account itself, for its groups, and for what it is given (R1, R2).

use std::collections::BTreeSet;

use crate::api::{self, annotation};
use crate::domain::account::{Ref, Settings, effective};
use crate::domain::authority::{
    Act, Authority, Reach, Subject, Target, permit, within_capabilities, within_holding, within_scope,
};
use crate::domain::capability::Capability;
use crate::domain::object::{ObjectKey, Topic};
use crate::domain::role::Assigned;
use crate::domain::tenant::{Chain, Tenant};
use crate::domain::tier::Tier;
use crate::domain::verdict::{Reason, Refusal};
use crate::engine::authority::{above, groups_created, own_creation};
use crate::engine::pass::{Pass, Step, Stop};
use crate::store::accounts::Found;

/// Who answers for the account: neither itself, nor anybody below it, nor
/// anybody who waits for it to come into force.
pub(super) async fn authority(
    pass: &mut Pass<'_>,
    spec: &api::SubAdminSpec,
    own: Option<&Found>,
) -> Step<Authority> {
    let key = pass.key();
    let named = spec
        .managed_by_ref
        .as_ref()
        .map(|reference| super::key(reference.namespace_from(&key.namespace), &reference.name));
    let circle = |named: &ObjectKey| {
        Refusal::edit(
            Reason::Invalid,
            format!(
                "spec.managedByRef of {key} names {named}, which is {key} itself or below it; name an account above"
            ),
        )
    };
    if let Some(named) = named.as_ref().filter(|named| *named == key) {
        return Err(circle(named).into());
    }
    let authority = match pass.authority(spec.managed_by_ref.as_ref()).await {
        Ok(authority) => authority,
        Err(Stop::Refused(refusal)) => {
            if let Some(named) = named.filter(|_| refusal.reason == Reason::RefNotFound)
                && own.is_none()
                && pass.tx.waits_for(pass.source(), &named, key).await?
            {
                // Everybody in the circle shall say the same, whoever came
                // last; once said, it need not be repeated.
                if pass.last_reason() != Some(Reason::Invalid) {
                    pass.publish(Topic::object(key));
                }
                return Err(circle(&named).into());
            }
            return Err(refusal.into());
        }
        Err(other) => return Err(other),
    };
    if let (Some(own), Some(manager)) = (own, authority.manager())
        && pass.tx.manages(own.account.id, manager.account.id).await?
    {
        return Err(circle(&manager.key).into());
    }
    Ok(authority)
}

/// What the account shall be, as far as authority asks about it.
pub(super) struct Asked<'a> {
    pub(super) settings: &'a Settings,
    pub(super) groups: &'a BTreeSet<String>,
    pub(super) roles: &'a [Assigned],
}

/// R1 and R2 for accounts. An adopted account passes as a new one would.
pub(super) async fn authorize(
    pass: &mut Pass<'_>,
    own: Option<&Found>,
    existing: Option<&Found>,
    authority: &Authority,
    chain: &Chain,
    asked: &Asked<'_>,
) -> Step<()> {
    let key = pass.key();
    let Asked { settings, groups, roles } = asked;
    // What is written in this very change brings nobody into a scope.
    let reach = match own {
        None => Reach::New,
        Some(own) if own_creation(pass, authority, own.account.managed_by).await? => Reach::Own,
        Some(own) => {
            Reach::Others { groups: own.groups.clone(), roles: own.roles.iter().map(as_ref).collect() }
        }
    };
    let tier = existing.map_or(settings.tier, |e| e.account.settings.tier.max(settings.tier));
    let subject = Target::Account(Subject { key, tier, reach });
    permit(authority, &Act { key, needs: Capability::ManageUsers, within: chain, target: subject })?;
    let none = BTreeSet::new();
    let had = existing.map_or(&none, |e| &e.groups);
    membership(pass, authority, chain, had, groups).await?;

    within_holding(authority, key, "spec.permissions.allow", &settings.permissions)?;
    if let Some(written) = &settings.capabilities {
        within_capabilities(authority, key, "spec.capabilities.names", written)?;
    }
    for (index, role) in roles.iter().enumerate() {
        let field = format!("spec.roles[{index}] ({}/{})", role.namespace, role.name);
        within_holding(authority, key, &field, &role.content.permissions)?;
        within_capabilities(authority, key, &field, &role.content.capabilities)?;
    }
    // Without any right there is nothing that an absent scope would widen.
    let manager = authority.manager().map(|m| &m.account.effective);
    let rights = settings.tier > Tier::Basic || !effective(settings, roles, manager).capabilities.is_empty();
    if settings.scope.is_some() || rights {
        let above = above(pass, authority, settings.scope.as_ref(), chain).await?;
        within_scope(authority, key, settings.scope.as_ref(), chain, &above)?;
    }
    Ok(())
}

/// Putting an account into a group, or taking it out, needs the right to
/// manage groups, and that group in scope: assigned to the manager, created by
/// it, or created by this.
async fn membership(
    pass: &mut Pass<'_>,
    authority: &Authority,
    chain: &Chain,
    had: &BTreeSet<String>,
    wanted: &BTreeSet<String>,
) -> Step<()> {
    let changed: BTreeSet<String> = had.symmetric_difference(wanted).cloned().collect();
    let (Some(tenant), false) = (chain.own(), changed.is_empty()) else {
        return Ok(());
    };
    let key = pass.key();
    let act = |target| Act { key, needs: Capability::ManageUserGroups, within: chain, target };
    permit(authority, &act(Target::Own))?;
    for (name, created) in groups_created(pass, authority, tenant.id, &changed).await? {
        permit(authority, &act(Target::Group { name, created }))?;
    }
    Ok(())
}

pub(super) fn as_ref(role: &Assigned) -> Ref {
    Ref { namespace: role.namespace.clone(), name: role.name.clone() }
}

/// R1: one Root per root tenant, and only there.
pub(super) async fn root_is_alone(
    pass: &mut Pass<'_>,
    existing: Option<&Found>,
    tenant: &Tenant,
    chain: &Chain,
    tier: Tier,
) -> Step<()> {
    if tier != Tier::Root {
        return Ok(());
    }
    let key = pass.key();
    if tenant.parent.is_some() {
        let root = chain.0.last().map_or("", |l| l.tenant.path.as_str());
        return Err(Refusal::edit(
            Reason::RootExists,
            format!("{key} has tier Root, but {} is not a root tenant; a Root belongs to {root}. Choose SuperAdmin here", tenant.path),
        )
        .into());
    }
    let other = pass.tx.root_of_tree(tenant.id, existing.map(|e| e.account.id)).await?;
    if let Some((_, false)) = other {
        return Err(Refusal::wait(
            Reason::RootExists,
            format!(
                "{} has a Root already, whose account was kept when its object went; adopt it with the annotation {} or choose another tier for {key}",
                tenant.path,
                annotation::ADOPT
            ),
            vec![Topic::contents(tenant.id)],
        )
        .into());
    }
    if let Some((other, _)) = other {
        let other = super::key(&key.namespace, &other);
        return Err(Refusal::wait(
            Reason::RootExists,
            format!(
                "{} has a Root already: {other}; a root tenant has one. Choose another tier for {key}",
                tenant.path
            ),
            vec![Topic::object(&other)],
        )
        .into());
    }
    Ok(())
}

//! What authority rests on, gathered for every kind that asks `domain::authority`:
//! whose creation an object is, who created a group, what lies above the
//! tenants of a scope. Kinds call this while they judge; nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::pass::{Pass, Step};
use crate::domain::account::Scope;
use crate::domain::authority::{Above, Authority, Created};
use crate::domain::tenant::{Chain, key};

/// Whether the manager, or an account below it, answers for what `managed_by`
/// answers for. The platform's creations are nobody's own.
pub(super) async fn own_creation(
    pass: &mut Pass<'_>,
    authority: &Authority,
    managed_by: Option<Uuid>,
) -> Step<bool> {
    Ok(match (authority.id(), managed_by) {
        (Some(manager), Some(other)) => manager == other || pass.tx.manages(manager, other).await?,
        (None, managed_by) => managed_by.is_none(),
        (Some(_), None) => false,
    })
}

/// Who created each of these groups of a tenant. Asked only for a manager with
/// a listed scope or under Individual access: others manage every group.
pub(super) async fn groups_created<'a>(
    pass: &mut Pass<'_>,
    authority: &Authority,
    tenant: Uuid,
    names: &'a BTreeSet<String>,
) -> Step<BTreeMap<&'a str, Created>> {
    let Some(manager) = authority.manager().filter(|m| m.minds_creators()) else {
        return Ok(BTreeMap::new());
    };
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let known = pass.tx.groups_created(tenant, names, manager.account.id).await?;
    let created = |name: &String| match known.get(name) {
        None => Created::NotYet,
        Some(true) => Created::ByManager,
        Some(false) => Created::ByOthers,
    };
    Ok(names.iter().map(|name| (name.as_str(), created(name))).collect())
}

/// What lies above the tenants of a wanted scope, as far as the answer depends
/// on it; the object is judged again when one of them moves.
pub(super) async fn above(
    pass: &mut Pass<'_>,
    authority: &Authority,
    scope: Option<&Scope>,
    within: &Chain,
) -> Step<Above> {
    let (Some(manager), Some(scope)) = (authority.manager(), scope) else {
        return Ok(Above::new());
    };
    let Some(own) = manager.account.settings.scope.as_ref().filter(|_| !manager.covers(within)) else {
        return Ok(Above::new());
    };
    let asked: BTreeSet<_> = scope.tenants.difference(&own.tenants).cloned().collect();
    if asked.is_empty() {
        return Ok(Above::new());
    }
    let above = pass.tx.above(pass.source(), &asked).await?;
    for tenant in asked.iter().chain(above.values().flatten()) {
        pass.depend_on(&key(&tenant.namespace, &tenant.name));
    }
    Ok(above)
}

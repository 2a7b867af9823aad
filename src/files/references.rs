//! What can be said about references without a database, for `validate`: a
//! name that leads to nothing in these files, and circles. A source may well
//! refer to what another pass brought in, so `apply` does not ask this.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::Fault;
use super::load::Loaded;
use super::object::Object;
use crate::domain::object::{Kind, ObjectKey};
use crate::engine::Spec;

/// Every reference that leads nowhere, and every circle of parents or managers.
pub fn reference_faults(loaded: &Loaded) -> Vec<Fault> {
    let here: BTreeMap<&ObjectKey, &Object> =
        loaded.objects.iter().map(|object| (&object.key, object)).collect();
    let mut faults = vec![];
    for object in &loaded.objects {
        for (field, to) in references(object) {
            if !here.contains_key(&to) {
                faults.push(object.fault(
                    &field,
                    format!("names {to}, which is not in these files: add it or correct the name"),
                ));
            }
        }
        if let Some(field) = circle(object, &here) {
            let what = if field == "spec.parentRef" { "parent" } else { "manager" };
            faults.push(
                object.fault(field, format!("leads back to {} itself: name another {what}", object.key)),
            );
        }
    }
    faults.sort();
    faults
}

/// Field and target of every reference to one of the four kinds.
pub(super) fn references(object: &Object) -> Vec<(String, ObjectKey)> {
    let own = object.key.namespace.as_str();
    let mut found = vec![];
    let mut add = |field: String, kind: Kind, namespace: &str, name: &str| {
        found.push((field, ObjectKey::new(kind, namespace, name)));
    };
    let (home, manager) = match &object.spec {
        None => return found,
        Some(Spec::Tenant(spec)) => {
            if let Some(parent) = &spec.parent_ref {
                add("spec.parentRef".to_owned(), Kind::Tenant, parent.namespace_from(own), &parent.name);
            }
            if let Some(owner) = &spec.owner_ref {
                add("spec.ownerRef".to_owned(), Kind::SubAdmin, own, &owner.name);
            }
            for (index, limit) in spec.limits.accounts.by_role.iter().enumerate() {
                let role = &limit.role_ref;
                let field = format!("spec.limits.accounts.byRole[{index}].roleRef");
                add(field, Kind::Role, role.namespace_from(own), &role.name);
            }
            (None, &spec.managed_by_ref)
        }
        Some(Spec::Role(spec)) => (Some(&spec.tenant_ref), &spec.managed_by_ref),
        Some(Spec::SubAdmin(spec)) => {
            for (index, role) in spec.roles.iter().enumerate() {
                add(format!("spec.roles[{index}]"), Kind::Role, role.namespace_from(own), &role.name);
            }
            for (index, tenant) in spec.manageable_scope.tenants.iter().enumerate() {
                let field = format!("spec.manageableScope.tenants[{index}]");
                add(field, Kind::Tenant, tenant.namespace_from(own), &tenant.name);
            }
            for (index, role) in spec.manageable_scope.roles.iter().enumerate() {
                let field = format!("spec.manageableScope.roles[{index}]");
                add(field, Kind::Role, role.namespace_from(own), &role.name);
            }
            (Some(&spec.tenant_ref), &spec.managed_by_ref)
        }
        Some(Spec::DeviceGrant(spec)) => {
            if let Some(tenant) = &spec.to.tenant_ref {
                add("spec.to.tenantRef".to_owned(), Kind::Tenant, tenant.namespace_from(own), &tenant.name);
            }
            for (index, account) in spec.to.sub_admin_refs.iter().enumerate() {
                let field = format!("spec.to.subAdminRefs[{index}]");
                add(field, Kind::SubAdmin, account.namespace_from(own), &account.name);
            }
            (Some(&spec.tenant_ref), &spec.managed_by_ref)
        }
    };
    if let Some(home) = home {
        add("spec.tenantRef".to_owned(), Kind::Tenant, own, &home.name);
    }
    if let Some(manager) = manager {
        add("spec.managedByRef".to_owned(), Kind::SubAdmin, manager.namespace_from(own), &manager.name);
    }
    found
}

/// The field by which an object is above itself.
pub(super) fn circle(object: &Object, here: &BTreeMap<&ObjectKey, &Object>) -> Option<&'static str> {
    let field = match object.key.kind {
        Kind::Tenant => "spec.parentRef",
        Kind::SubAdmin => "spec.managedByRef",
        Kind::Role | Kind::DeviceGrant => return None,
    };
    let next =
        |object: &Object| references(object).into_iter().find(|(name, _)| name == field).map(|(_, to)| to);
    let mut seen = BTreeSet::new();
    let mut at = next(object)?;
    while at != object.key && seen.insert(at.clone()) {
        at = next(here.get(&at)?)?;
    }
    (at == object.key).then_some(field)
}

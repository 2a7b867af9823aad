//! What the tests about devices have in common: documents of tenants, accounts
//! and grants, written short.

use std::collections::BTreeMap;

use crate::world::{ACME, World, all_ready};
use tenantry::domain::object::Kind::DeviceGrant;
use tenantry::domain::object::ObjectKey;
use tenantry::engine::Report;

/// A tenant below another one; `more` goes into its spec.
pub(crate) fn tenant(name: &str, parent: &str, more: &str) -> String {
    format!(
        "
kind: Tenant
metadata: {{namespace: root, name: {name}}}
spec: {{parentRef: {{name: {parent}}}, {more}}}"
    )
}

/// An account; `more` goes into its spec.
pub(crate) fn account(name: &str, tenant: &str, more: &str) -> String {
    format!(
        "
kind: SubAdmin
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: {tenant}}}, username: {name}, email: {name}@example.org, {more}}}"
    )
}

/// A grant: `from` is the tenant, `to` the receivers, `devices` the selection.
/// `more` goes into its spec.
pub(crate) fn grant(name: &str, from: &str, mode: &str, to: &str, devices: &str, more: &str) -> String {
    format!(
        "
kind: DeviceGrant
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: {from}}}, mode: {mode}, to: {to}, devices: {devices}, {more}}}"
    )
}

/// An Assign to a tenant.
pub(crate) fn to_tenant(name: &str, from: &str, to: &str, devices: &str, more: &str) -> String {
    grant(name, from, "Assign", &format!("{{tenantRef: {{name: {to}}}}}"), devices, more)
}

/// An Assign to an account.
pub(crate) fn to_account(name: &str, from: &str, to: &str, devices: &str, more: &str) -> String {
    grant(name, from, "Assign", &format!("{{subAdminRefs: [{{name: {to}}}]}}"), devices, more)
}

/// The same document, created at a time.
pub(crate) fn aged(document: &str, at: &str) -> String {
    document.replacen("metadata: {", &format!("metadata: {{creationTimestamp: '{at}', "), 1)
}

/// The root tenant `acme` with `north` and `south` below it.
pub(crate) async fn lands(world: &mut World) {
    all_ready(&world.apply(ACME).await);
    all_ready(&world.apply(&tenant("north", "acme", "")).await);
    all_ready(&world.apply(&tenant("south", "acme", "")).await);
}

/// What the last pass over a grant said.
pub(crate) async fn said(world: &World, name: &str) -> Report {
    let key = ObjectKey::new(DeviceGrant, "root", name);
    let all = world.engine.last_reports().await.unwrap();
    all.into_iter().find(|(known, _)| *known == key).and_then(|(_, report)| report).expect("no such grant")
}

/// The reason of `Ready` of a grant.
pub(crate) async fn why(world: &World, name: &str) -> String {
    said(world, name).await.condition("Ready").unwrap().reason.to_string()
}

/// `applied`, `pending` and `refused` of a grant.
pub(crate) async fn counts(world: &World, name: &str) -> [i64; 3] {
    let status = said(world, name).await.status;
    ["applied", "pending", "refused"].map(|what| status["devices"][what].as_i64().unwrap())
}

/// Who holds one device.
pub(crate) async fn holder(world: &World, device: &str) -> String {
    let holders: BTreeMap<String, String> = world.holders().await;
    holders[device].clone()
}

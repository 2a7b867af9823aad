//! What the controller reports about a Tenant. Types only; anything may use them.

#![expect(unreachable_pub, reason = "the derived schemas repeat each type inside a function, `pub` included")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::bounds;
use super::super::shared::{Condition, QuotaLine, unseen};

/// What the controller reports about a Tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// Names of the tenants above and of this one, such as `/acme/north`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::report")]
    pub path: Option<String>,
    /// How much of each limit is used; up to 10 seconds late.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::quota")]
    pub quota: Vec<QuotaLine>,
    /// What is in this tenant and below; up to 10 seconds late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// What a deletion with `deletionPolicy: Cascade` would remove; written while one is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<Impact>,
    /// The mail settings in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailInForce>,
    /// The last generation that was judged; -1: none yet.
    #[serde(default = "unseen")]
    #[schemars(schema_with = "bounds::generation")]
    pub observed_generation: i64,
    /// The generation in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::generation")]
    pub applied_generation: Option<i64>,
    /// Facts about this object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::conditions")]
    pub conditions: Vec<Condition>,
}

/// The status of an object that nobody has looked at.
impl Default for TenantStatus {
    fn default() -> Self {
        Self {
            path: None,
            quota: Vec::new(),
            counts: None,
            impact: None,
            mail: None,
            observed_generation: unseen(),
            applied_generation: None,
            conditions: Vec::new(),
        }
    }
}

/// What is in a tenant and below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Tenants below.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub tenants: i64,
    /// Accounts.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub accounts: i64,
    /// Roles.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub roles: i64,
    /// Device grants.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub grants: i64,
    /// Devices.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub devices: i64,
}

/// What a cascading deletion would remove.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Impact {
    /// Over the ids of the tenants and accounts; the annotation `tenantry.dev/confirm-delete` must
    /// equal it.
    #[schemars(schema_with = "bounds::mark")]
    pub digest: String,
    /// Tenants, this one included.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub tenants: i64,
    /// Accounts.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub accounts: i64,
    /// Devices that lose their holder.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub devices: i64,
}

/// The mail settings in force for a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailInForce {
    /// The sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::report")]
    pub from: Option<String>,
    /// The Tenant whose server is used, as namespace/name; absent: the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::report")]
    pub server_from: Option<String>,
}

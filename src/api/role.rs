//! The kind Role: a template of permissions. Types only; anything may use them.

#![expect(unreachable_pub, reason = "the derived schemas repeat each type inside a function, `pub` included")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds;
use super::shared::{Capability, Condition, LocalRef, ObjectRef, Permissions};

/// A template of permissions.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "tenantry.dev",
    version = "v1alpha1",
    kind = "Role",
    plural = "accountroles",
    singular = "accountrole",
    shortname = "arole",
    category = "tenantry",
    namespaced,
    status = "RoleStatus",
    derive = "PartialEq",
    doc = "A template of permissions. Assigning it copies its content at the current revision; a later edit changes no account until the Role is reassigned.",
    selectable = ".spec.tenantRef.name",
    printcolumn = r#"{"name": "Tenant", "type": "string", "jsonPath": ".spec.tenantRef.name", "description": "The tenant that the Role belongs to"}"#,
    printcolumn = r#"{"name": "Revision", "type": "string", "jsonPath": ".status.revision", "description": "The current revision of the content"}"#,
    printcolumn = r#"{"name": "Number", "type": "integer", "jsonPath": ".status.number", "description": "How many revisions there have been", "priority": 1}"#,
    printcolumn = r#"{"name": "Assigned", "type": "integer", "jsonPath": ".status.assigned", "description": "Accounts that have this Role"}"#,
    printcolumn = r#"{"name": "Outdated", "type": "integer", "jsonPath": ".status.outdated", "description": "Accounts that have an older revision"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status", "description": "Whether the database holds what this object says"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].reason", "description": "Why it is ready or not"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "Time since creation"}"#
)]
#[x_kube(
    validation = Rule::new("self.tenantRef == oldSelf.tenantRef")
        .message("cannot be changed: create the Role in the other tenant instead")
        .field_path(".tenantRef")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleSpec {
    /// The Tenant, in the same namespace; the Role is usable there and below. Cannot be changed.
    pub tenant_ref: LocalRef,
    /// The account that created this object and answers for it; absent: the platform itself,
    /// accepted only in a root namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by_ref: Option<ObjectRef>,
    /// Name shown to people; absent: the name of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::line")]
    pub display_name: Option<String>,
    /// What an account with this Role is allowed and denied.
    #[serde(default, skip_serializing_if = "Permissions::is_empty")]
    pub permissions: Permissions,
    /// Capabilities that an account with this Role has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::capabilities")]
    pub capabilities: Vec<Capability>,
    /// Whether an account with this Role sees only what it or accounts below it created. Default
    /// false; on if any of its Roles has it on.
    #[serde(default)]
    pub individual_access: bool,
    /// When an edit reaches accounts that have this Role. Default `OnReassign`.
    #[serde(default)]
    pub propagation: Propagation,
}

/// When an edit of a Role reaches accounts that have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Propagation {
    /// When the Role is assigned again.
    #[default]
    OnReassign,
    /// At once, except where a revision is pinned.
    Immediate,
}

/// What the controller reports about a Role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleStatus {
    /// The current revision: the first 12 hex digits of SHA-256 over the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::revision")]
    pub revision: Option<String>,
    /// The number of the current revision, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::count")]
    pub number: Option<i64>,
    /// Accounts that have this Role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::count")]
    pub assigned: Option<i64>,
    /// Accounts that have an older revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::count")]
    pub outdated: Option<i64>,
    /// The last generation that was judged; -1: none yet.
    #[serde(default = "super::shared::unseen")]
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
impl Default for RoleStatus {
    fn default() -> Self {
        Self {
            revision: None,
            number: None,
            assigned: None,
            outdated: None,
            observed_generation: super::shared::unseen(),
            applied_generation: None,
            conditions: Vec::new(),
        }
    }
}

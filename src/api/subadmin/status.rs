//! What the controller reports about a SubAdmin. Types only; anything may use them.

#![expect(unreachable_pub, reason = "the derived schemas repeat each type inside a function, `pub` included")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::bounds;
use super::super::shared::{Condition, QuotaLine, unseen};

/// What the controller reports about a SubAdmin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubAdminStatus {
    /// Id of the account in the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::mark")]
    pub account_id: Option<String>,
    /// Where the account is on its way, for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// How the invitation went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<ActivationStatus>,
    /// The Roles as they were copied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub roles: Vec<AssignedRole>,
    /// What is in force after Roles and defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
    /// How much of each limit is used; up to 10 seconds late.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::quota")]
    pub quota: Vec<QuotaLine>,
    /// The value of the annotation `tenantry.dev/resend-activation` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::mark")]
    pub last_handled_resend: Option<String>,
    /// The value of the annotation `tenantry.dev/reassign-roles` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::mark")]
    pub last_handled_reassign: Option<String>,
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
impl Default for SubAdminStatus {
    fn default() -> Self {
        Self {
            account_id: None,
            phase: None,
            activation: None,
            roles: Vec::new(),
            effective: None,
            quota: Vec::new(),
            last_handled_resend: None,
            last_handled_reassign: None,
            observed_generation: unseen(),
            applied_generation: None,
            conditions: Vec::new(),
        }
    }
}

/// Where an account is on its way, for display.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// No mail has been sent yet.
    #[default]
    Pending,
    /// The invitation has been sent.
    Invited,
    /// The account can sign in.
    Active,
    /// The account is disabled.
    Disabled,
    /// A tenant above is disabled.
    Blocked,
}

impl Phase {
    /// The word used in a status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Invited => "Invited",
            Self::Active => "Active",
            Self::Disabled => "Disabled",
            Self::Blocked => "Blocked",
        }
    }
}

/// How an invitation went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivationStatus {
    /// When the last mail was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::time")]
    pub sent_at: Option<String>,
    /// When the link stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::time")]
    pub expires_at: Option<String>,
    /// When the person used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::time")]
    pub activated_at: Option<String>,
    /// How many mails were sent.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub sends: i64,
}

/// A Role as it was copied to an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssignedRole {
    /// Name of the Role.
    #[schemars(schema_with = "bounds::object_name")]
    pub name: String,
    /// Namespace of the Role, if it is not the object's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::namespace")]
    pub namespace: Option<String>,
    /// The revision in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::revision")]
    pub revision: Option<String>,
    /// The Role's current revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::revision")]
    pub latest: Option<String>,
    /// Whether the two differ.
    #[serde(default)]
    pub outdated: bool,
}

/// What is in force for an account after Roles and defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Effective {
    /// Capabilities, `ManageSubscription` among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::effective_capabilities")]
    pub capabilities: Vec<String>,
    /// Whether individual access is on.
    #[serde(default)]
    pub individual_access: bool,
    /// Who decided that: the account itself, a Role, or its manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::report")]
    pub individual_access_source: Option<String>,
}

//! What more than one of the four kinds is made of: references, permissions, selectors, conditions,
//! quota. Anything may use these types; they use only the bounds beside them.

#![expect(unreachable_pub, reason = "the derived schemas repeat each type inside a function, `pub` included")]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds;

/// The name of an object in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct LocalRef {
    /// Name of the object.
    #[schemars(schema_with = "bounds::object_name")]
    pub name: String,
}

/// The name of an object, in another namespace if one is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ObjectRef {
    /// Name of the object.
    #[schemars(schema_with = "bounds::object_name")]
    pub name: String,
    /// Namespace of the object; absent: the namespace of the object that refers to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::namespace")]
    pub namespace: Option<String>,
}

impl ObjectRef {
    /// The namespace that is meant by an object in `own`.
    pub fn namespace_from<'a>(&'a self, own: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(own)
    }
}

/// A Secret in the object's own namespace. The Secret must carry the label `tenantry.dev/use`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(schema_with = "bounds::object_name")]
    pub name: String,
    /// Key inside the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::secret_key")]
    pub key: Option<String>,
}

/// What is allowed and what is denied. A deny beats every allow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Permissions {
    /// Rules that allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::rules")]
    pub allow: Vec<PermissionRule>,
    /// Rules that deny; they beat every allow, whoever gave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::rules")]
    pub deny: Vec<PermissionRule>,
}

impl Permissions {
    /// Whether nothing is said, which means the same as an absent block.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }
}

/// Every one of the operations on every one of the resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermissionRule {
    /// Dotted words such as `device` or `cameras.logins`; `a.*` is `a` and all under it, `*` is
    /// everything.
    #[schemars(schema_with = "bounds::dotted_list")]
    pub resources: Vec<String>,
    /// Dotted words such as `view` or `operate`; `*` is everything.
    #[schemars(schema_with = "bounds::dotted_list")]
    pub operations: Vec<String>,
}

/// Which labelled things are meant. All the requirements must hold; there is at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(
    validation = Rule::new("(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)")
        .message("is empty, which would match everything: name at least one label, or remove the selector")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    /// Labels with exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "bounds::labels")]
    #[x_kube(
        validation = Rule::new("self.all(key, size(key) > 0 && size(key) <= 317)")
            .message("a key of a label has 1 to 317 characters: shorten it")
    )]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<LabelRequirement>,
}

impl LabelSelector {
    /// Whether there is no requirement at all. Such a selector is refused.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }
}

/// A requirement on one label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)")
        .message("In and NotIn compare with values: name at least one")
        .field_path(".values"),
    validation = Rule::new("self.operator in ['In', 'NotIn'] || !has(self.values) || size(self.values) == 0")
        .message("Exists and DoesNotExist take no values: remove them")
        .field_path(".values")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelRequirement {
    /// Key of the label.
    #[schemars(schema_with = "bounds::label_key")]
    pub key: String,
    /// `In` and `NotIn` compare with `values`; `Exists` and `DoesNotExist` take none.
    pub operator: LabelOperator,
    /// Values for `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::label_values")]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is missing.
    NotIn,
    /// The label is there.
    #[default]
    Exists,
    /// The label is missing.
    DoesNotExist,
}

/// The rank of an account. A later tier outranks an earlier one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Tier {
    /// Creates nobody.
    #[default]
    Basic,
    /// Creates Basic accounts.
    Admin,
    /// Creates Admin and Basic accounts.
    SuperAdmin,
    /// Creates SuperAdmin, Admin and Basic accounts; one for each root tenant.
    Root,
}

impl Tier {
    /// All tiers, the lowest first.
    pub const ALL: [Self; 4] = [Self::Basic, Self::Admin, Self::SuperAdmin, Self::Root];

    /// The word used in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Admin => "Admin",
            Self::SuperAdmin => "SuperAdmin",
            Self::Root => "Root",
        }
    }
}

/// A right of an administrator. `ManageSubscription` is missing on purpose: it is never given, the
/// owner of the tenant has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Capability {
    /// Create, change and remove tenants.
    ManageTenants,
    /// Create, change and remove accounts; export the user list.
    ManageUsers,
    /// Put accounts into groups.
    ManageUserGroups,
    /// Create, change and remove Roles.
    ManageRoles,
    /// Give devices and permissions on them to accounts, groups and tenants.
    AssignAssetPermissions,
    /// Manage the applications of the tenant.
    ManageApplications,
    /// See and export the audit trail.
    ManageAuditLogs,
    /// Manage resources other than devices.
    ManageResources,
    /// Work with plugins.
    ManagePlugins,
    /// Group resources into projects.
    ManageProjects,
    /// Change names, logos and domains shown to people.
    ManageBranding,
}

impl Capability {
    /// All capabilities that can be given.
    pub const ALL: [Self; 11] = [
        Self::ManageTenants,
        Self::ManageUsers,
        Self::ManageUserGroups,
        Self::ManageRoles,
        Self::AssignAssetPermissions,
        Self::ManageApplications,
        Self::ManageAuditLogs,
        Self::ManageResources,
        Self::ManagePlugins,
        Self::ManageProjects,
        Self::ManageBranding,
    ];

    /// The word used in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ManageTenants => "ManageTenants",
            Self::ManageUsers => "ManageUsers",
            Self::ManageUserGroups => "ManageUserGroups",
            Self::ManageRoles => "ManageRoles",
            Self::AssignAssetPermissions => "AssignAssetPermissions",
            Self::ManageApplications => "ManageApplications",
            Self::ManageAuditLogs => "ManageAuditLogs",
            Self::ManageResources => "ManageResources",
            Self::ManagePlugins => "ManagePlugins",
            Self::ManageProjects => "ManageProjects",
            Self::ManageBranding => "ManageBranding",
        }
    }
}

/// One fact about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the fact is about, such as `Ready`.
    #[serde(rename = "type")]
    #[schemars(schema_with = "bounds::condition_type")]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One CamelCase word for programs.
    #[schemars(schema_with = "bounds::reason")]
    pub reason: String,
    /// What to do, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(schema_with = "bounds::report")]
    pub message: String,
    /// When `status` changed last.
    #[schemars(schema_with = "bounds::time")]
    pub last_transition_time: String,
    /// The generation of the object that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::generation")]
    pub observed_generation: Option<i64>,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows yet.
    #[default]
    Unknown,
}

impl ConditionStatus {
    /// The word used in a status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// How much of one quota is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaLine {
    /// What is counted, such as `devices` or `accounts`.
    #[schemars(schema_with = "bounds::mark")]
    pub name: String,
    /// The most that there may be; absent: bounded only from above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::count")]
    pub limit: Option<i64>,
    /// How many there are.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub used: i64,
    /// How many of the limit are handed on to others.
    #[serde(default)]
    #[schemars(schema_with = "bounds::count")]
    pub delegated: i64,
    /// How many more there may be; absent: bounded only from above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::balance")]
    pub available: Option<i64>,
}

/// True, for defaults.
pub(super) fn yes() -> bool {
    true
}

/// The generation of an object that nobody has looked at, for defaults.
pub(super) fn unseen() -> i64 {
    -1
}

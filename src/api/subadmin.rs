//! The kind SubAdmin: an account of any level below the platform itself. Types only; anything may
//! use them.

#![expect(unreachable_pub, reason = "the derived schemas repeat each type inside a function, `pub` included")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod status;

pub use status::{ActivationStatus, AssignedRole, Effective, Phase, SubAdminStatus};

use super::bounds;
use super::shared::{Capability, LocalRef, ObjectRef, Permissions, SecretRef, Tier, yes};

/// An account of any level below the platform itself.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "tenantry.dev",
    version = "v1alpha1",
    kind = "SubAdmin",
    plural = "subadmins",
    singular = "subadmin",
    shortname = "subadm",
    category = "tenantry",
    namespaced,
    status = "SubAdminStatus",
    derive = "PartialEq",
    doc = "An account of any level below the platform itself. Creating one sends an invitation by mail.",
    selectable = ".spec.tenantRef.name",
    selectable = ".spec.tier",
    selectable = ".status.phase",
    printcolumn = r#"{"name": "Tenant", "type": "string", "jsonPath": ".spec.tenantRef.name", "description": "The tenant that the account belongs to"}"#,
    printcolumn = r#"{"name": "Tier", "type": "string", "jsonPath": ".spec.tier", "description": "The rank of the account"}"#,
    printcolumn = r#"{"name": "Phase", "type": "string", "jsonPath": ".status.phase", "description": "Where the account is on its way from invited to active"}"#,
    printcolumn = r#"{"name": "Devices", "type": "integer", "jsonPath": ".status.quota[?(@.name==\"devices\")].used", "description": "Devices that the account holds"}"#,
    printcolumn = r#"{"name": "Max Devices", "type": "integer", "jsonPath": ".status.quota[?(@.name==\"devices\")].limit", "description": "The most devices that it may hold and delegate"}"#,
    printcolumn = r#"{"name": "Delegated", "type": "integer", "jsonPath": ".status.quota[?(@.name==\"devices\")].delegated", "description": "Devices that accounts below it may hold", "priority": 1}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status", "description": "Whether the database holds what this object says"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].reason", "description": "Why it is ready or not"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "Time since creation"}"#
)]
#[x_kube(
    validation = Rule::new("self.tenantRef == oldSelf.tenantRef")
        .message("cannot be changed: create the account in the other tenant instead")
        .field_path(".tenantRef"),
    validation = Rule::new("self.tier != 'Root' || !has(self.individualAccess)")
        .message("is refused on tier: Root, which it does not bind: remove it")
        .field_path(".individualAccess"),
    validation = Rule::new("self.tier != 'Root' || !has(self.permissions) || !has(self.permissions.deny) || size(self.permissions.deny) == 0")
        .message("is refused on tier: Root, which a deny does not bind: remove it")
        .field_path(".permissions.deny")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubAdminSpec {
    /// The Tenant, in the same namespace, that the account belongs to. Cannot be changed.
    pub tenant_ref: LocalRef,
    /// The account that created this object and answers for it; absent: the platform itself,
    /// accepted only in a root namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by_ref: Option<ObjectRef>,
    /// Name of the account, unique in the whole database whatever the case of its letters; without
    /// `@`.
    #[schemars(schema_with = "bounds::username")]
    pub username: String,
    /// The login, unique in the whole database whatever the case of its letters. A changed address
    /// becomes the login only when its new owner has proved it, or `emailVerified` is set.
    #[schemars(schema_with = "bounds::email")]
    pub email: String,
    /// Company of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::short_line")]
    pub company: Option<String>,
    /// Telephone number of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::short_line")]
    pub mobile: Option<String>,
    /// Rank of the account. Root creates SuperAdmin, Admin, Basic; SuperAdmin: Admin, Basic; Admin:
    /// Basic; Basic: nobody. Default `Basic`.
    #[serde(default)]
    pub tier: Tier,
    /// Default true; false: the account cannot sign in and is allowed nothing.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether the address is known to belong to the person. Default false: a mail asks for proof.
    #[serde(default)]
    pub email_verified: bool,
    /// Secret with the initial password, labelled `tenantry.dev/use: password` and read once, at
    /// creation: plain text or an argon2id PHC string. The key is `password` unless one is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretRef>,
    /// The most devices that the account may hold and delegate; absent: bounded by the nearest
    /// account above that has a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::count")]
    pub manageable_devices: Option<i64>,
    /// Groups of its own tenant that the account belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::groups")]
    pub groups: Vec<String>,
    /// Roles of its own tenant or of one above. Assigning a Role copies its content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(
        validation = Rule::new("self.all(x, self.exists_one(y, y.name == x.name && (has(y.__namespace__) ? y.__namespace__ : '') == (has(x.__namespace__) ? x.__namespace__ : '')))")
            .message("names the same Role twice: keep one of the entries")
    )]
    pub roles: Vec<RoleRef>,
    /// Rights of an administrator. Default: those of the tier.
    #[serde(default)]
    pub capabilities: CapabilityChoice,
    /// Over what the account uses its rights. Default: its own tenant and everything below.
    #[serde(default)]
    pub manageable_scope: ManageableScope,
    /// What the account itself is allowed and denied, besides its Roles and grants.
    #[serde(default, skip_serializing_if = "Permissions::is_empty")]
    pub permissions: Permissions,
    /// Whether the account sees only what it or accounts below it created. Absent: its Roles
    /// decide; `true` or `false` overrides them. Refused on `tier: Root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub individual_access: Option<bool>,
    /// The invitation.
    #[serde(default)]
    pub activation: ActivationSettings,
    /// What happens to the account when this object is deleted. Default `Delete`.
    #[serde(default)]
    pub deletion_policy: AccountDeletionPolicy,
}

impl SubAdminSpec {
    /// An account with nothing but what every account needs; the rest is as the schema defaults it.
    pub fn new(tenant: impl Into<String>, username: impl Into<String>, email: impl Into<String>) -> Self {
        Self {
            tenant_ref: LocalRef { name: tenant.into() },
            managed_by_ref: None,
            username: username.into(),
            email: email.into(),
            company: None,
            mobile: None,
            tier: Tier::default(),
            enabled: true,
            email_verified: false,
            password_secret_ref: None,
            manageable_devices: None,
            groups: Vec::new(),
            roles: Vec::new(),
            capabilities: CapabilityChoice::default(),
            manageable_scope: ManageableScope::default(),
            permissions: Permissions::default(),
            individual_access: None,
            activation: ActivationSettings::default(),
            deletion_policy: AccountDeletionPolicy::default(),
        }
    }
}

/// A Role that an account has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleRef {
    /// Name of the Role.
    #[schemars(schema_with = "bounds::object_name")]
    pub name: String,
    /// Namespace of the Role, which may be one of a tenant above; absent: the object's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::namespace")]
    pub namespace: Option<String>,
    /// The revision to use, as in the Role's status; it beats everything. Absent: the one that was
    /// current when the Role was assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::revision")]
    pub revision: Option<String>,
}

impl RoleRef {
    /// The namespace that is meant by an object in `own`.
    pub fn namespace_from<'a>(&'a self, own: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(own)
    }
}

/// Which capabilities an account has besides those of its Roles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("self.from == 'List' || !has(self.names) || size(self.names) == 0")
        .message("is read only with from: List: set that or remove the names")
        .field_path(".names")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CapabilityChoice {
    /// `Tier` (default): those of the tier; `List`: exactly those in `names`.
    #[serde(default)]
    pub from: CapabilitySource,
    /// Capabilities; only with `from: List`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::capabilities")]
    pub names: Vec<Capability>,
}

/// Where capabilities come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CapabilitySource {
    /// From the tier: Root and SuperAdmin all; Admin `ManageUsers`, `ManageUserGroups`,
    /// `AssignAssetPermissions`; Basic none.
    #[default]
    Tier,
    /// From the list.
    List,
}

/// Over what an account uses its rights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("self.from == 'List' || ((!has(self.tenants) || size(self.tenants) == 0) && (!has(self.groups) || size(self.groups) == 0) && (!has(self.roles) || size(self.roles) == 0))")
        .message("tenants, groups and roles are read only with from: List: set that or remove them")
        .field_path(".from")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManageableScope {
    /// `Tenant` (default): its own tenant and everything below; `List`: exactly what is listed, and
    /// what the account itself created.
    #[serde(default)]
    pub from: ScopeSource,
    /// Tenants with everything below them; only with `from: List`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::refs")]
    pub tenants: Vec<ObjectRef>,
    /// Groups of its own tenant; only with `from: List`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::groups")]
    pub groups: Vec<String>,
    /// Roles, and the accounts that have them; only with `from: List`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "bounds::refs")]
    pub roles: Vec<ObjectRef>,
}

/// Where a scope comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ScopeSource {
    /// The account's own tenant and everything below.
    #[default]
    Tenant,
    /// What is listed.
    List,
}

/// The invitation of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActivationSettings {
    /// How long the link works, from 10m to 720h. Default `72h`.
    #[serde(default = "three_days")]
    #[schemars(schema_with = "bounds::duration")]
    #[x_kube(
        validation = Rule::new("duration(self) >= duration('10m') && duration(self) <= duration('720h')")
            .message("must lie between 10m and 720h")
    )]
    pub expires_after: String,
    /// Language of the mail. Default `en`.
    #[serde(default = "english")]
    #[schemars(schema_with = "bounds::locale")]
    pub locale: String,
}

impl Default for ActivationSettings {
    fn default() -> Self {
        Self { expires_after: three_days(), locale: english() }
    }
}

fn three_days() -> String {
    "72h".to_owned()
}

fn english() -> String {
    "en".to_owned()
}

/// What happens to the account of a deleted object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AccountDeletionPolicy {
    /// The account and its personal data are removed.
    #[default]
    Delete,
    /// The account stays, disabled.
    Disable,
}

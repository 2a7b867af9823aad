//! The kind Tenant: an isolated customer account, nested to any depth. Types only; anything may use
//! them.

#![expect(unreachable_pub, reason = "the derived schemas repeat each type inside a function, `pub` included")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

mod status;

pub use status::{Counts, Impact, MailInForce, TenantStatus};

use super::bounds;
use super::shared::{LabelSelector, LocalRef, ObjectRef, SecretRef, Tier, yes};

/// An isolated customer account, nested to any depth.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "tenantry.dev",
    version = "v1alpha1",
    kind = "Tenant",
    plural = "tenants",
    singular = "tenant",
    shortname = "tn",
    category = "tenantry",
    namespaced,
    status = "TenantStatus",
    derive = "PartialEq",
    doc = "An isolated customer account, nested to any depth. Customers see what is theirs and what is below them, never what is above or beside them.",
    printcolumn = r#"{"name": "Path", "type": "string", "jsonPath": ".status.path", "description": "Names of the tenants above and of this one"}"#,
    printcolumn = r#"{"name": "Accounts", "type": "integer", "jsonPath": ".status.quota[?(@.name==\"accounts\")].used", "description": "Accounts in this tenant and below"}"#,
    printcolumn = r#"{"name": "Max Accounts", "type": "integer", "jsonPath": ".status.quota[?(@.name==\"accounts\")].limit", "description": "The most accounts that there may be", "priority": 1}"#,
    printcolumn = r#"{"name": "Devices", "type": "integer", "jsonPath": ".status.quota[?(@.name==\"devices\")].used", "description": "Devices in this tenant and below"}"#,
    printcolumn = r#"{"name": "Max Devices", "type": "integer", "jsonPath": ".status.quota[?(@.name==\"devices\")].limit", "description": "The most devices that there may be"}"#,
    printcolumn = r#"{"name": "Enabled", "type": "boolean", "jsonPath": ".spec.enabled", "description": "Whether anybody in here can sign in", "priority": 1}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status", "description": "Whether the database holds what this object says"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].reason", "description": "Why it is ready or not"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "Time since creation"}"#
)]
#[x_kube(
    validation = Rule::new("!has(oldSelf.ownerRef) || (has(self.ownerRef) && self.ownerRef == oldSelf.ownerRef)")
        .message("the owner of a tenant cannot be changed or removed: put the old one back")
        .field_path(".ownerRef")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSpec {
    /// Name shown to people; absent: the name of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::line")]
    pub display_name: Option<String>,
    /// The tenant above; absent: a root, accepted only in a root namespace. Changing it moves
    /// everything below along, and limits are checked on both sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_ref: Option<ObjectRef>,
    /// The account that created this object and answers for it; absent: the platform itself,
    /// accepted only in a root namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by_ref: Option<ObjectRef>,
    /// Where Tenants that name this one as their parent may live. Default: in the same namespace.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
    /// Default true; false: nobody in this tenant or below can sign in or is allowed anything.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The most that there may be in this tenant and everything below it.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// The original account of this tenant, which alone has `ManageSubscription`. Cannot be changed
    /// once set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_ref: Option<LocalRef>,
    /// Outgoing mail for this tenant and below, unless a nearer one says otherwise.
    #[serde(default, skip_serializing_if = "Mail::is_empty")]
    pub mail: Mail,
    /// What people see in mails and pages.
    #[serde(default, skip_serializing_if = "Branding::is_empty")]
    pub branding: Branding,
    /// What happens to what is inside when this object is deleted. Default `Refuse`.
    #[serde(default)]
    pub deletion_policy: TenantDeletionPolicy,
}

/// A spec that says nothing: every default of the schema.
impl Default for TenantSpec {
    fn default() -> Self {
        Self {
            display_name: None,
            parent_ref: None,
            managed_by_ref: None,
            allowed_namespaces: AllowedNamespaces::default(),
            enabled: true,
            limits: Limits::default(),
            owner_ref: None,
            mail: Mail::default(),
            branding: Branding::default(),
            deletion_policy: TenantDeletionPolicy::default(),
        }
    }
}

/// Namespaces in which child Tenants may live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("self.from != 'Selector' || has(self.selector)")
        .message("is needed with from: Selector: name the labels of the namespaces")
        .field_path(".selector"),
    validation = Rule::new("self.from == 'Selector' || !has(self.selector)")
        .message("is read only with from: Selector: set that or remove the selector")
        .field_path(".selector")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllowedNamespaces {
    /// `Same` (default): the Tenant's own namespace; `All`: any; `Selector`: those whose labels
    /// match, besides its own.
    #[serde(default)]
    pub from: NamespacesFrom,
    /// Labels of namespaces; required with `from: Selector` and refused otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// Which namespaces are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum NamespacesFrom {
    /// The object's own namespace.
    #[default]
    Same,
    /// Every namespace.
    All,
    /// Namespaces whose labels match the selector.
    Selector,
}

/// Limits of a tenant. They count rows in the whole subtree, enabled or not; a missing one is
/// bounded only by those above.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// The most devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::count")]
    pub devices: Option<i64>,
    /// The most tenants below this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::count")]
    pub tenants: Option<i64>,
    /// The most accounts.
    #[serde(default, skip_serializing_if = "AccountLimits::is_empty")]
    pub accounts: AccountLimits,
}

impl Limits {
    /// Whether nothing is limited, which means the same as an absent block.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// Limits of accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountLimits {
    /// The most accounts of any kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::count")]
    pub total: Option<i64>,
    /// The most accounts of one tier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 4),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["tier"]
        )
    )]
    pub by_tier: Vec<TierLimit>,
    /// The most accounts that have one Role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(
        validation = Rule::new("self.all(x, self.exists_one(y, y.roleRef == x.roleRef))")
            .message("the same Role is limited twice: keep one of the entries")
    )]
    pub by_role: Vec<RoleLimit>,
}

impl AccountLimits {
    /// Whether nothing is limited, which means the same as an absent block.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// The most accounts of one tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TierLimit {
    /// The tier.
    pub tier: Tier,
    /// The most accounts of it.
    #[schemars(schema_with = "bounds::count")]
    pub max: i64,
}

/// The most accounts that have one Role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleLimit {
    /// The Role.
    pub role_ref: ObjectRef,
    /// The most accounts that have it.
    #[schemars(schema_with = "bounds::count")]
    pub max: i64,
}

/// Outgoing mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mail {
    /// The sender: `kim@example.org` or `ACME <kim@example.org>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::mailbox")]
    pub from: Option<String>,
    /// Where answers go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::mailbox")]
    pub reply_to: Option<String>,
    /// The outgoing mail server; inherited as one unit, never merged with the one above.
    #[serde(default, deserialize_with = "server_unless_empty", skip_serializing_if = "Option::is_none")]
    pub server: Option<MailServer>,
}

impl Mail {
    /// Whether nothing is said, which means the same as an absent block.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// An outgoing mail server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(
    validation = Rule::new("has(self.host) || (!has(self.port) && !has(self.credentialsSecretRef) && self.tls == 'StartTLS')")
        .message("is missing: name the mail server, or remove the whole server block")
        .field_path(".host"),
    validation = Rule::new("self.tls != 'None' || !has(self.credentialsSecretRef)")
        .message("is refused with tls: None, which would send the password in the open: use StartTLS or Implicit, or remove it")
        .field_path(".credentialsSecretRef")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MailServer {
    /// Host name or address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(schema_with = "bounds::host")]
    pub host: String,
    /// Port; absent: 587 for `StartTLS`, 465 for `Implicit`, 25 for `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::port")]
    pub port: Option<i32>,
    /// How the connection is protected. Default `StartTLS`.
    #[serde(default)]
    pub tls: MailTls,
    /// Secret with the keys `username` and `password`, labelled `tenantry.dev/use: mail`; refused
    /// with `tls: None`, which would send the password in the open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
}

impl MailServer {
    /// The port, by the kind of protection if none is given.
    pub fn port(&self) -> u16 {
        match (self.port.and_then(|port| u16::try_from(port).ok()), self.tls) {
            (Some(port), _) => port,
            (None, MailTls::StartTls) => 587,
            (None, MailTls::Implicit) => 465,
            (None, MailTls::None) => 25,
        }
    }
}

/// An empty block can remain when a field manager withdraws its fields; it means the same as none.
fn server_unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MailServer>, D::Error> {
    let server = Option::<MailServer>::deserialize(deserializer)?;
    Ok(server.filter(|server| server != &MailServer::default()))
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MailTls {
    /// Begins in the open and must be upgraded before anything is said.
    #[default]
    #[serde(rename = "StartTLS")]
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// No protection; no credentials are sent.
    None,
}

/// What people see in mails and pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Branding {
    /// Name of the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::short_line")]
    pub product_name: Option<String>,
    /// Where people can ask for help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "bounds::email")]
    pub support_email: Option<String>,
}

impl Branding {
    /// Whether nothing is said, which means the same as an absent block.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// What happens to what is inside a deleted tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TenantDeletionPolicy {
    /// The deletion waits while anything but the owner is inside.
    #[default]
    Refuse,
    /// The rows stay, disabled and unmanaged.
    Retain,
    /// Everything inside is removed for good, once the annotation `tenantry.dev/confirm-delete`
    /// equals `status.impact.digest`.
    Cascade,
}

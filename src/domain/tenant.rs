//! Tenants: their state in force and the rules about where one may stand (R4).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::object::{Kind, ObjectKey, Topic};
use super::tier::Tier;
use super::verdict::{Reason, Refusal};

/// Limits that a tenant sets for its whole subtree; a missing one is bounded
/// only by the ancestors'.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Devices held in the subtree.
    pub devices: Option<i64>,
    /// Tenants below this one.
    pub tenants: Option<i64>,
    /// Accounts in the subtree.
    pub accounts: Option<i64>,
    /// Finer limits for accounts.
    pub finer: FinerLimits,
}

/// Limits for accounts by tier and by role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinerLimits {
    /// At most so many of a tier.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_tier: BTreeMap<Tier, i64>,
    /// At most so many with a role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_role: Vec<RoleLimit>,
}

impl FinerLimits {
    /// A role that two entries limit: one may name its namespace and the other
    /// leave it out, which the schema cannot tell.
    pub fn limited_twice(&self) -> Option<&RoleLimit> {
        let same = |a: &RoleLimit, b: &RoleLimit| (&a.namespace, &a.name) == (&b.namespace, &b.name);
        let mut each = self.by_role.iter().enumerate();
        each.find(|(at, limit)| self.by_role[..*at].iter().any(|other| same(limit, other)))
            .map(|(_, limit)| limit)
    }
}

/// At most `max` accounts with one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleLimit {
    /// The role's namespace.
    pub namespace: String,
    /// The role's name.
    pub name: String,
    /// How many accounts may have it.
    pub max: i64,
}

/// Where child tenants may live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamespacePolicy {
    /// In the tenant's own namespace.
    #[default]
    Same,
    /// Anywhere.
    All,
    /// In namespaces with these labels.
    Selector(Selector),
}

/// A label selector; every requirement must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// Exact values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Set-based requirements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expressions: Vec<Requirement>,
}

/// One set-based requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what; empty for Exists and DoesNotExist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Comparison of a label, as in Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of Kubernetes' label selectors")]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Whether `labels` satisfy every requirement. As in Kubernetes, NotIn and
    /// DoesNotExist also hold for a label that is absent.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|(k, v)| labels.get(k) == Some(v))
            && self.expressions.iter().all(|r| {
                let value = labels.get(&r.key);
                match r.operator {
                    Operator::In => value.is_some_and(|v| r.values.contains(v)),
                    Operator::NotIn => value.is_none_or(|v| !r.values.contains(v)),
                    Operator::Exists => value.is_some(),
                    Operator::DoesNotExist => value.is_none(),
                }
            })
    }
}

/// What happens to what is inside when a tenant is deleted (R9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "explained at `deletionPolicy` in the CRD")]
pub enum DeletionPolicy {
    #[default]
    Refuse,
    Retain,
    Cascade,
}

/// Outgoing mail of a tenant and below, unless a nearer one says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailSettings {
    /// Sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Where answers go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The server, inherited as one unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<MailServer>,
}

/// A mail server as a tenant names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailServer {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `StartTLS`, `Implicit` or `None`.
    pub tls: String,
    /// Name of the Secret with `username` and `password`, in the tenant's own
    /// namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
}

impl MailServer {
    /// Tells these settings from others. The credentials themselves are not
    /// part of it.
    pub fn fingerprint(&self) -> String {
        let Self { host, port, tls, credentials } = self;
        super::key::digest(&serde_json::json!([host, port, tls, credentials]).to_string())
    }
}

/// What people see of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branding {
    /// Name of the product in mails and pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// Whom to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support_email: Option<String>,
}

/// What a Tenant object asks for, apart from where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Shown to people.
    pub display_name: String,
    /// False: nobody here or below may do anything.
    pub enabled: bool,
    /// Where child tenants may live.
    pub allowed_namespaces: NamespacePolicy,
    /// Limits for the subtree.
    pub limits: Limits,
    /// Name of the SubAdmin that owns the subscription.
    pub owner: Option<String>,
    /// Outgoing mail.
    pub mail: Option<MailSettings>,
    /// Names and addresses shown to people.
    pub branding: Option<Branding>,
    /// What deletion does.
    pub deletion_policy: DeletionPolicy,
}

/// A tenant as the database holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Identifier.
    pub id: Uuid,
    /// The object that manages it; none: unmanaged.
    pub object: Option<Uuid>,
    /// The tenant above.
    pub parent: Option<Uuid>,
    /// The root of its tree; itself for a root.
    pub root: Uuid,
    /// Unique below its parent.
    pub name: String,
    /// Names from the root: `/acme/north`.
    pub path: String,
    /// False while the parent does not admit its namespace: as if disabled.
    pub permitted: bool,
    /// What its object asks for.
    pub settings: Settings,
    /// The account that answers for it; none: the platform.
    pub managed_by: Option<Uuid>,
    /// When the row was made.
    pub created_at: Timestamp,
}

/// A tenant seen from below: what judging something inside needs to know of
/// each tenant above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The tenant itself.
    pub tenant: Tenant,
    /// Namespace and name of its object; none while unmanaged.
    pub key: Option<ObjectKey>,
    /// The source of that object: another one's Secrets are not in reach.
    pub source: Option<String>,
    /// Levels between it and the tenant asked about, which has 0.
    pub distance: i64,
}

/// A tenant and all above it, nearest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain(pub Vec<Level>);

impl Chain {
    /// The tenant that the chain was asked for.
    pub fn own(&self) -> Option<&Tenant> {
        self.0.first().map(|level| &level.tenant)
    }
    /// Whether the tenant is the one asked for or above it.
    pub fn contains(&self, id: Uuid) -> bool {
        self.0.iter().any(|level| level.tenant.id == id)
    }
    /// The nearest tenant that blocks everything below it (R4).
    pub fn blocked_by(&self) -> Option<&Tenant> {
        self.0.iter().map(|level| &level.tenant).find(|tenant| !tenant.settings.enabled || !tenant.permitted)
    }
    /// Sender, answers and server for mail from here; each from the nearest
    /// that sets it, the server with the namespace of its credentials.
    pub fn mail(&self) -> InheritedMail<'_> {
        let settings = || self.0.iter().filter_map(|l| Some((l, l.tenant.settings.mail.as_ref()?)));
        let server = settings().find_map(|(level, m)| Some((level, level.key.as_ref()?, m.server.as_ref()?)));
        InheritedMail {
            from: settings().find_map(|(_, m)| m.from.as_deref()),
            reply_to: settings().find_map(|(_, m)| m.reply_to.as_deref()),
            server: server.map(|(_, key, server)| (key, server)),
            server_source: server.and_then(|(level, ..)| level.source.as_deref()),
        }
    }
    /// Product name and support address, each from the nearest that sets it.
    pub fn branding(&self) -> Branding {
        let settings = || self.0.iter().filter_map(|l| l.tenant.settings.branding.as_ref());
        Branding {
            product_name: settings().find_map(|b| b.product_name.clone()),
            support_email: settings().find_map(|b| b.support_email.clone()),
        }
    }
}

/// Mail settings in effect for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InheritedMail<'a> {
    /// Sender.
    pub from: Option<&'a str>,
    /// Where answers go.
    pub reply_to: Option<&'a str>,
    /// The server and the Tenant object that sets it.
    pub server: Option<(&'a ObjectKey, &'a MailServer)>,
    /// The source of that object.
    pub server_source: Option<&'a str>,
}

/// What a Tenant's `parentRef` leads to.
#[derive(Clone, Debug)]
pub enum Parent {
    /// No `parentRef`: a root.
    None,
    /// It does not exist yet.
    Missing(ObjectKey),
    /// It exists.
    Found {
        /// Its object.
        key: ObjectKey,
        /// It and all above it.
        chain: Chain,
        /// Whether its `allowedNamespaces` admit the child's namespace.
        admits: bool,
    },
}

/// Where a tenant may stand: below an existing parent that admits it and that
/// is not below itself, or as a root in a root namespace.
pub fn place<'a>(
    key: &ObjectKey,
    own: Option<Uuid>,
    parent: &'a Parent,
    in_root_namespace: bool,
) -> Result<Option<&'a Chain>, Refusal> {
    match parent {
        Parent::None if in_root_namespace => Ok(None),
        Parent::None => Err(Refusal::edit(
            Reason::RootNotAllowed,
            format!(
                "{key} has no parentRef, and namespace {} is not a root namespace; set spec.parentRef, or let the platform create root tenants (--root-namespaces)",
                key.namespace
            ),
        )),
        Parent::Missing(parent) => Err(missing(key, "spec.parentRef", parent)),
        Parent::Found { key: above, chain, admits } => {
            if own.is_some_and(|id| chain.contains(id)) {
                return Err(parent_cycle(key, above));
            }
            if !admits {
                return Err(Refusal::wait(
                    Reason::RefNotPermitted,
                    format!(
                        "{above} does not admit tenants from namespace {}; its spec.allowedNamespaces must admit it, or {key} must name another parent",
                        key.namespace
                    ),
                    vec![Topic::object(above)],
                ));
            }
            Ok(Some(chain))
        }
    }
}

/// Tenants that would become their own ancestors.
pub fn parent_cycle(key: &ObjectKey, above: &ObjectKey) -> Refusal {
    Refusal::edit(
        Reason::ParentCycle,
        format!(
            "{key} names {above} as its parent, which is itself below {key}; change spec.parentRef of one of them"
        ),
    )
}

/// A reference to something that does not exist yet.
pub fn missing(from: &ObjectKey, field: &str, to: &ObjectKey) -> Refusal {
    Refusal::wait(
        Reason::RefNotFound,
        format!(
            "{field} of {from} names {to}, which does not exist or is not in force; create it or correct the name"
        ),
        vec![Topic::object(to)],
    )
}

/// The path of a tenant called `name` below `parent`.
pub fn path(parent: Option<&Tenant>, name: &str) -> String {
    format!("{}/{name}", parent.map_or("", |p| p.path.as_str()))
}

/// The key under which a tenant's own namespace is compared with a policy.
pub fn admits(
    policy: &NamespacePolicy,
    parent_namespace: &str,
    child_namespace: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> bool {
    match policy {
        NamespacePolicy::All => true,
        NamespacePolicy::Same => parent_namespace == child_namespace,
        // Its own namespace needs no label: the selector opens others.
        NamespacePolicy::Selector(selector) => {
            parent_namespace == child_namespace || labels.is_some_and(|labels| selector.matches(labels))
        }
    }
}

/// The object key of a tenant reference.
pub fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Tenant, namespace, name)
}

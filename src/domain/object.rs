//! What identifies an object, and what an object can wait for. Everybody may
//! use this; it uses nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The four kinds, in the order in which a set of objects is judged: parents
/// first (R12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// An isolated customer account.
    Tenant,
    /// A template of permissions.
    Role,
    /// An account of any level below the platform.
    SubAdmin,
    /// Which devices, to whom, to do what.
    DeviceGrant,
}

impl Kind {
    /// All of them, parents first.
    pub const ALL: [Self; 4] = [Self::Tenant, Self::Role, Self::SubAdmin, Self::DeviceGrant];

    /// The Kubernetes kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "Tenant",
            Self::Role => "Role",
            Self::SubAdmin => "SubAdmin",
            Self::DeviceGrant => "DeviceGrant",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of one of the four kinds.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a kind of Tenantry; the kinds are Tenant, SubAdmin, Role and DeviceGrant")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// Names one object within its source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// The object of `kind` called `namespace/name`.
    pub fn new(kind: Kind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }
}

/// Written as in messages: `SubAdmin acme/kim`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// Something that an object may depend on or wait for. A change publishes the
/// topics that it touches, in the same transaction; whoever subscribed is
/// judged again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(String);

impl Topic {
    /// The object itself: that it appears, changes or goes.
    pub fn object(key: &ObjectKey) -> Self {
        Self(format!("object/{}/{}/{}", key.kind, key.namespace, key.name))
    }
    /// Room under the limits of a tenant.
    pub fn tenant_room(tenant: Uuid) -> Self {
        Self(format!("room/tenant/{tenant}"))
    }
    /// Room under an account's `manageableDevices`.
    pub fn account_room(account: Uuid) -> Self {
        Self(format!("room/account/{account}"))
    }
    /// What a tenant contains: counts, and whether anything is inside.
    pub fn contents(tenant: Uuid) -> Self {
        Self(format!("contents/{tenant}"))
    }
    /// A natural key that somebody else holds, by its digest: topics are
    /// rows that outlive nobody, but need not hold personal data.
    pub fn taken(natural_key: &str) -> Self {
        Self(format!("taken/{}", super::key::digest(natural_key)))
    }
    /// An e-mail address that somebody has or waits to have.
    pub fn email(address: &str) -> Self {
        Self::taken(&format!("email {}", super::key::fold(address)))
    }
    /// A username that somebody has.
    pub fn username(name: &str) -> Self {
        Self::taken(&format!("username {}", super::key::fold(name)))
    }
    /// A place among the tenants, by the object of the tenant above.
    pub fn place(above: Option<&ObjectKey>, name: &str) -> Self {
        let above = above.map(ToString::to_string).unwrap_or_default();
        Self::taken(&format!("place {above}/{name}"))
    }
    /// To be the one Root of a root tenant (R1).
    pub fn root_of(tenant: &ObjectKey) -> Self {
        Self::taken(&format!("root {tenant}"))
    }
    /// A group of a tenant: that it appears or goes. By its digest, because a
    /// name may hold anything.
    pub fn group(tenant: Uuid, name: &str) -> Self {
        Self(format!("group/{tenant}/{}", super::key::digest(name)))
    }
    /// The inventory, and who holds what, within a tenant's reach.
    pub fn devices(tenant: Uuid) -> Self {
        Self(format!("devices/{tenant}"))
    }
    /// What an account is given to hold: that an Assign to it appears, changes
    /// or goes.
    pub fn given(account: Uuid) -> Self {
        Self(format!("given/{account}"))
    }
    /// As stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

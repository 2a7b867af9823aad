//! The four kinds as a value, for code that handles an object before it knows its type. Anything
//! may use it.

use std::fmt;

/// One of the four kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`Tenant`](super::Tenant)
    Tenant,
    /// [`Role`](super::Role)
    Role,
    /// [`SubAdmin`](super::SubAdmin)
    SubAdmin,
    /// [`DeviceGrant`](super::DeviceGrant)
    DeviceGrant,
}

impl Kind {
    /// All four, each after those that it refers to.
    pub const ALL: [Self; 4] = [Self::Tenant, Self::Role, Self::SubAdmin, Self::DeviceGrant];

    /// The word after `kind:` in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "Tenant",
            Self::Role => "Role",
            Self::SubAdmin => "SubAdmin",
            Self::DeviceGrant => "DeviceGrant",
        }
    }

    /// The name that `kubectl get` and the file in `crds/` use.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Tenant => "tenants",
            Self::Role => "accountroles",
            Self::SubAdmin => "subadmins",
            Self::DeviceGrant => "devicegrants",
        }
    }

    /// The kind of this name, exactly as manifests write it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

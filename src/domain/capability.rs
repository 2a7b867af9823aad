//! Administrative rights: their names, and which ones a tier brings.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::tier::Tier;

/// A right to administer something. `ManageSubscription` is never given: the
/// owner of a tenant has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's vocabulary and say what they mean")]
pub enum Capability {
    ManageTenants,
    ManageUsers,
    ManageUserGroups,
    ManageRoles,
    AssignAssetPermissions,
    ManageApplications,
    ManageAuditLogs,
    ManageResources,
    ManagePlugins,
    ManageProjects,
    ManageBranding,
    ManageSubscription,
}

impl Capability {
    /// Every right that can be given.
    pub const GIVEN: [Self; 11] = [
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

    /// As written in a spec.
    pub const fn as_str(self) -> &'static str {
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
            Self::ManageSubscription => "ManageSubscription",
        }
    }

    /// What a tier brings when nothing is written.
    pub fn of_tier(tier: Tier) -> BTreeSet<Self> {
        match tier {
            Tier::Root | Tier::SuperAdmin => Self::GIVEN.into(),
            Tier::Admin => [Self::ManageUsers, Self::ManageUserGroups, Self::AssignAssetPermissions].into(),
            Tier::Basic => BTreeSet::new(),
        }
    }
}

impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

//! Accounts: their state in force, and what follows from tier, roles and own
//! rules (R5, R6, R7).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::capability::Capability;
use super::permission::{Holding, Permissions};
use super::role::Assigned;
use super::tier::Tier;

/// A reference as written, with its namespace filled in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ref {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
}

/// A manageable scope as a list. Without one, an account manages its own
/// tenant and everything below.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// These tenants and what lies below them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tenants: BTreeSet<Ref>,
    /// Groups of its own tenant.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// Bearers of these roles.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<Ref>,
}

/// What happens to the row when its object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// Personal data goes at once (R9).
    #[default]
    Delete,
    /// The row stays, disabled and unmanaged.
    Disable,
}

/// What a SubAdmin object asks for, apart from roles, groups and references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// As written.
    pub username: String,
    /// As written.
    pub email: String,
    /// Optional.
    pub company: Option<String>,
    /// Optional.
    pub mobile: Option<String>,
    /// Level.
    pub tier: Tier,
    /// False: denied everything.
    pub enabled: bool,
    /// The author vouches for the address.
    pub email_verified: bool,
    /// How many devices it may hold and delegate (R3).
    pub manageable_devices: Option<i64>,
    /// Capabilities as a list; none: by tier.
    pub capabilities: Option<BTreeSet<Capability>>,
    /// Scope as a list; none: its tenant and below.
    pub scope: Option<Scope>,
    /// Own rules.
    pub permissions: Permissions,
    /// Override of Individual access; none: roles decide (R5).
    pub individual_access: Option<bool>,
    /// Language of its mails.
    pub locale: String,
    /// Seconds that a link stays valid.
    pub link_lifetime: i64,
    /// What deletion does.
    pub deletion_policy: DeletionPolicy,
}

/// What decides whether Individual access is on (R5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndividualSource {
    /// The account's own override.
    Override,
    /// The named role has it on.
    Role(String),
    /// Its manager has it on.
    Manager,
    /// Nothing: off.
    None,
}

/// What an account may do as administrator, computed when it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effective {
    /// Rights, by block and roles.
    pub capabilities: BTreeSet<Capability>,
    /// Whether it sees only its own creations (R5).
    pub individual_access: bool,
    /// Why.
    pub individual_source: IndividualSource,
}

/// An account as the database holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Identifier.
    pub id: Uuid,
    /// The object that manages it; none: unmanaged.
    pub object: Option<Uuid>,
    /// The tenant that it belongs to.
    pub tenant: Uuid,
    /// Name of its SubAdmin.
    pub name: String,
    /// What its object asks for. `email` is the login; a new address that its
    /// owner has not proved is in `pending_email`.
    pub settings: Settings,
    /// A new address waiting for proof.
    pub pending_email: Option<String>,
    /// The login address is proved.
    pub proved: bool,
    /// Whether it has a password.
    pub has_password: bool,
    /// When the invitation was completed.
    pub activated_at: Option<Timestamp>,
    /// Computed rights.
    pub effective: Effective,
    /// The account that answers for it; none: the platform.
    pub managed_by: Option<Uuid>,
    /// When the row was made.
    pub created_at: Timestamp,
}

/// R5: the override if set, else on if any role has it on; under a manager
/// with it on it is on. Root is not bound by it.
pub fn individual_access(
    settings: &Settings,
    roles: &[Assigned],
    manager: Option<&Effective>,
) -> (bool, IndividualSource) {
    if settings.tier == Tier::Root {
        return (false, IndividualSource::None);
    }
    if manager.is_some_and(|m| m.individual_access) {
        return (true, IndividualSource::Manager);
    }
    if let Some(on) = settings.individual_access {
        return (on, IndividualSource::Override);
    }
    match roles.iter().find(|r| r.content.individual_access) {
        Some(role) => (true, IndividualSource::Role(format!("{}/{}", role.namespace, role.name))),
        None => (false, IndividualSource::None),
    }
}

/// Effective rights: the block's (or the tier's, cut to what the manager has)
/// plus those of the assigned roles.
pub fn effective(settings: &Settings, roles: &[Assigned], manager: Option<&Effective>) -> Effective {
    let mut capabilities = match &settings.capabilities {
        Some(written) => written.clone(),
        None => {
            let defaults = Capability::of_tier(settings.tier);
            match manager {
                Some(manager) => defaults.intersection(&manager.capabilities).copied().collect(),
                None => defaults,
            }
        }
    };
    for role in roles {
        capabilities.extend(&role.content.capabilities);
    }
    let (individual_access, individual_source) = individual_access(settings, roles, manager);
    Effective { capabilities, individual_access, individual_source }
}

/// R7: Root holds every permission in its tree, a SuperAdmin too while neither
/// roles nor allow rules of its own are given.
pub fn holds_everything(tier: Tier, bears_roles: bool, own: &Permissions) -> bool {
    match tier {
        Tier::Root => true,
        Tier::SuperAdmin => !bears_roles && own.allow.is_empty(),
        Tier::Admin | Tier::Basic => false,
    }
}

/// What an account holds and may pass on (R7).
pub fn holding(settings: &Settings, roles: &[Assigned]) -> Holding {
    holding_of(settings.tier, &settings.permissions, roles.iter().map(|r| &r.content.permissions))
}

/// What an account of a tier holds by its own rules and those of its roles (R7).
pub fn holding_of<'a>(
    tier: Tier,
    own: &Permissions,
    roles: impl ExactSizeIterator<Item = &'a Permissions>,
) -> Holding {
    let everything = holds_everything(tier, roles.len() > 0, own);
    let mut all = own.clone();
    for role in roles {
        all.allow.extend_from_slice(&role.allow);
        all.deny.extend_from_slice(&role.deny);
    }
    match tier {
        Tier::Root => Holding::Everything { deny: vec![] },
        _ if everything => Holding::Everything { deny: all.deny },
        _ => Holding::Rules(all),
    }
}

/// Where an account stands, for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "explained at `phase` in the CRD")]
pub enum Phase {
    Pending,
    Invited,
    Active,
    Disabled,
    Blocked,
}

impl Phase {
    /// As it stands in status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Invited => "Invited",
            Self::Active => "Active",
            Self::Disabled => "Disabled",
            Self::Blocked => "Blocked",
        }
    }
}

/// The phase of an account: `blocked` by a tenant above, `sent` once any mail
/// to it was accepted; a new link does not undo that.
pub fn phase(account: &Account, blocked: bool, sent: bool) -> Phase {
    match (account.settings.enabled, blocked, account.activated_at) {
        (false, _, _) => Phase::Disabled,
        (true, true, _) => Phase::Blocked,
        (true, false, Some(_)) => Phase::Active,
        (true, false, None) if sent => Phase::Invited,
        (true, false, None) => Phase::Pending,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::role::Content;

    fn settings(tier: Tier) -> Settings {
        Settings {
            username: "kim".into(),
            email: "kim@example.org".into(),
            company: None,
            mobile: None,
            tier,
            enabled: true,
            email_verified: false,
            manageable_devices: None,
            capabilities: None,
            scope: None,
            permissions: Permissions::default(),
            individual_access: None,
            locale: "en".into(),
            link_lifetime: 3600,
            deletion_policy: DeletionPolicy::Delete,
        }
    }

    /// An account that nothing is known of.
    pub(in crate::domain) fn plain() -> Account {
        Account {
            id: Uuid::nil(),
            object: None,
            tenant: Uuid::nil(),
            name: "kim".into(),
            settings: settings(Tier::Basic),
            pending_email: None,
            proved: false,
            has_password: false,
            activated_at: None,
            effective: Effective {
                capabilities: BTreeSet::new(),
                individual_access: false,
                individual_source: IndividualSource::None,
            },
            managed_by: None,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn role(individual_access: bool) -> Assigned {
        Assigned {
            role: None,
            namespace: "acme".into(),
            name: "ops".into(),
            revision: String::new(),
            pinned: false,
            content: Content { individual_access, ..Content::default() },
        }
    }

    #[test]
    fn r5_the_override_beats_the_roles_and_the_manager_beats_both() {
        let mut own = settings(Tier::Admin);
        let on = Effective {
            capabilities: BTreeSet::new(),
            individual_access: true,
            individual_source: IndividualSource::None,
        };
        assert!(!individual_access(&own, &[role(false)], None).0);
        assert!(individual_access(&own, &[role(false), role(true)], None).0);
        own.individual_access = Some(false);
        assert!(!individual_access(&own, &[role(true)], None).0);
        assert!(individual_access(&own, &[], Some(&on)).0);
        assert!(!individual_access(&settings(Tier::Root), &[role(true)], None).0);
    }

    #[test]
    fn r2_tier_defaults_are_cut_to_what_the_manager_has() {
        let manager = Effective {
            capabilities: [Capability::ManageUsers].into(),
            individual_access: false,
            individual_source: IndividualSource::None,
        };
        let own = effective(&settings(Tier::SuperAdmin), &[], Some(&manager));
        assert_eq!(own.capabilities, [Capability::ManageUsers].into());
    }
}

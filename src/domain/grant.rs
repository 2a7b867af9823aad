//! Device grants: their state in force, and when one has effect. What becomes
//! of its devices is decided in [`devices`], how far limits let it go in
//! [`room`].

pub mod chain;
pub mod devices;
pub mod room;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::permission::Permissions;
use super::tenant::Selector;

/// Whether devices move or only permissions are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// The devices move to the receiver, exclusively.
    Assign,
    /// The receiver gets permissions; the devices stay.
    Share,
}

impl Mode {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assign => "Assign",
            Self::Share => "Share",
        }
    }
}

/// What becomes of the devices when an Assign ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reclaim {
    /// They go back to the giver.
    #[default]
    ReturnToGrantor,
    /// They stay where they are.
    Retain,
}

/// Which devices a grant is about; any of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// By identifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device_ids: Vec<String>,
    /// By second identifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unit_ids: Vec<String>,
    /// By labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// Everything that the giver holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

impl Selection {
    /// A Share without devices: its rules answer questions without an id.
    pub fn is_empty(&self) -> bool {
        self.device_ids.is_empty() && self.unit_ids.is_empty() && self.selector.is_none() && !self.all
    }
}

/// Who receives, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// A tenant with all its accounts.
    Tenant(Uuid),
    /// One account, of a tenant.
    Account {
        /// The account.
        account: Uuid,
        /// Its tenant.
        tenant: Uuid,
    },
    /// A group of the granting tenant.
    Group {
        /// The granting tenant.
        tenant: Uuid,
        /// The group's name.
        name: String,
    },
}

/// Who gives the devices of an Assign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Giver {
    /// A tenant that holds them.
    Tenant(Uuid),
    /// An account that holds them.
    Account(Uuid),
}

/// A grant as the database holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Identifier.
    pub id: Uuid,
    /// The object that manages it; none: unmanaged.
    pub object: Option<Uuid>,
    /// The granting tenant.
    pub tenant: Uuid,
    /// Namespace of its object.
    pub namespace: String,
    /// Unique in its tenant.
    pub name: String,
    /// Assign or Share.
    pub mode: Mode,
    /// Label that groups grants.
    pub project: Option<String>,
    /// Which devices.
    pub selection: Selection,
    /// Allow and deny rules.
    pub permissions: Permissions,
    /// Inclusive; none: at once.
    pub not_before: Option<Timestamp>,
    /// Exclusive; none: never.
    pub expires_at: Option<Timestamp>,
    /// What becomes of the devices when an Assign ends.
    pub reclaim: Reclaim,
    /// The account that gives; none: the platform.
    pub managed_by: Option<Uuid>,
    /// Age of the claim.
    pub born: Timestamp,
    /// Who receives.
    pub receivers: Vec<Receiver>,
    /// When the row was made.
    pub created_at: Timestamp,
}

impl Grant {
    /// The account that receives an Assign, if one does.
    pub fn receiving_account(&self) -> Option<Uuid> {
        match self.receivers.first() {
            Some(Receiver::Account { account, .. }) if self.mode == Mode::Assign => Some(*account),
            _ => None,
        }
    }

    /// Whether the account that gives is the only one that receives: a Share
    /// to oneself (R2).
    pub fn to_itself(&self) -> bool {
        let giver = self.managed_by;
        self.mode == Mode::Share
            && matches!(self.receivers.as_slice(), [Receiver::Account { account, .. }] if Some(*account) == giver)
    }

    /// An Assign as a claim on devices.
    pub fn claim(&self) -> devices::Claim {
        devices::Claim {
            grant: self.id,
            born: self.born,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            manager: self.managed_by,
            receiver: self.receiving_account(),
            not_before: self.not_before,
            expires_at: self.expires_at,
        }
    }
}

/// Whether a grant is in effect at a time, or on which side of its window the
/// time lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Before `notBefore`.
    NotYet,
    /// Within.
    Open,
    /// At or after `expiresAt`.
    Over,
}

/// Where `now` lies; `not_before` is inclusive, `expires_at` exclusive.
pub fn window(not_before: Option<Timestamp>, expires_at: Option<Timestamp>, now: Timestamp) -> Window {
    if expires_at.is_some_and(|end| now >= end) {
        Window::Over
    } else if not_before.is_some_and(|start| now < start) {
        Window::NotYet
    } else {
        Window::Open
    }
}

/// What became of each device of a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Ids named and devices selected.
    pub requested: i64,
    /// Of these, in the inventory and within reach.
    pub matched: i64,
    /// In force.
    pub applied: i64,
    /// Not in the inventory or not within reach.
    pub pending: i64,
    /// Refused by a limit.
    pub refused: i64,
    /// Held by an older grant of the same giver.
    pub waiting: i64,
}

/// Labels of a device.
pub type Labels = BTreeMap<String, String>;

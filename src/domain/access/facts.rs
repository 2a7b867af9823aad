//! What a decision about access is made from. Whoever asks gathers these facts
//! (the store in one transaction, `validate` from files, a test from nothing);
//! the rules beside this file only read them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::account::{Ref, Scope};
use crate::domain::grant::{Mode, Receiver, Window, window};
use crate::domain::object::ObjectKey;
use crate::domain::permission::{Pattern, Permissions};
use crate::domain::role::Assigned;
use crate::domain::tenant::Chain;
use crate::domain::tier::Tier;

/// A tenant, as far as access is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The tenant.
    pub id: Uuid,
    /// Its object; none while unmanaged. Scopes name tenants by it.
    pub key: Option<ObjectKey>,
    /// Names from the root, for messages.
    pub path: String,
    /// False: nobody here or below is allowed anything.
    pub enabled: bool,
    /// False while the tenant above does not admit its namespace; as if disabled.
    pub permitted: bool,
}

/// A tenant and all above it, nearest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage(pub Vec<Level>);

impl Lineage {
    /// The tenant itself.
    pub fn own(&self) -> Option<&Level> {
        self.0.first()
    }
    /// Whether the tenant itself is `id`.
    pub fn is(&self, id: Uuid) -> bool {
        self.own().is_some_and(|level| level.id == id)
    }
    /// Whether the tenant is `id` or lies below it.
    pub fn within(&self, id: Uuid) -> bool {
        self.0.iter().any(|level| level.id == id)
    }
    /// Whether the tenant is one of these or lies below one.
    pub fn within_any(&self, tenants: &BTreeSet<Ref>) -> bool {
        self.0.iter().any(|level| {
            level.key.as_ref().is_some_and(|key| {
                tenants.contains(&Ref { namespace: key.namespace.clone(), name: key.name.clone() })
            })
        })
    }
    /// The nearest tenant that blocks everything in it and below.
    pub fn blocked_by(&self) -> Option<&Level> {
        self.0.iter().find(|level| !level.enabled || !level.permitted)
    }
}

impl From<&Chain> for Lineage {
    fn from(chain: &Chain) -> Self {
        let level = |level: &crate::domain::tenant::Level| Level {
            id: level.tenant.id,
            key: level.key.clone(),
            path: level.tenant.path.clone(),
            enabled: level.tenant.settings.enabled,
            permitted: level.tenant.permitted,
        };
        Self(chain.0.iter().map(level).collect())
    }
}

/// The account that a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The account.
    pub id: Uuid,
    /// Its object; none while unmanaged.
    pub key: Option<ObjectKey>,
    /// For messages.
    pub username: String,
    /// Its level.
    pub tier: Tier,
    /// False: denied everything.
    pub enabled: bool,
    /// Its tenant and all above it.
    pub tenant: Lineage,
    /// Its groups; a group is (tenant, name).
    pub groups: BTreeSet<String>,
    /// Its roles as copied (R6).
    pub roles: Vec<Assigned>,
    /// Its own rules.
    pub permissions: Permissions,
    /// Whether Individual access is in effect for it (R5), however that came.
    pub individual_access: bool,
    /// Its manageable scope as a list; none: its tenant and below.
    pub scope: Option<Scope>,
}

/// Another account, which created or holds what a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub id: Uuid,
    /// Its object; none while unmanaged.
    pub key: Option<ObjectKey>,
    /// Its tenant and all above it.
    pub tenant: Lineage,
    /// Itself and all above it in the managed-by tree, nearest first.
    pub managers: Vec<Uuid>,
    /// Its groups.
    pub groups: BTreeSet<String>,
    /// Its roles.
    pub roles: BTreeSet<Ref>,
}

impl Person {
    /// Whether `account` is this one or above it in the managed-by tree.
    pub fn is_or_is_below(&self, account: Uuid) -> bool {
        self.managers.contains(&account)
    }
}

/// Who holds a device at the time of the question. An Assign outside of its
/// times has no effect whether or not a controller has run since: who gathers
/// the facts leaves it out (unless it retains).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody yet: it is in the inventory and no tenant has it.
    Nobody,
    /// A tenant itself.
    Tenant(Lineage),
    /// An account.
    Account(Person),
}

/// A device of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its identifier.
    pub id: String,
    /// Who holds it now.
    pub holder: Holder,
}

/// Something that a question names, and whether it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named<T> {
    /// Nothing is called so.
    Unknown(String),
    /// It exists.
    Known(T),
}

/// May an account do `operation` on `resource`?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// A word such as `view`. A pattern asks whether all of it is allowed.
    pub operation: Pattern,
    /// A word such as `device` or `cameras.archive`, likewise.
    pub resource: Pattern,
    /// The device that it is about; none: the resource as such.
    pub device: Option<Named<Device>>,
    /// Whose data it is about; none: the section as such.
    pub creator: Option<Named<Person>>,
}

/// On whose authority a grant is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Giver {
    /// The platform's.
    Platform,
    /// An account's, with the tier that it has now.
    Account {
        /// The account.
        id: Uuid,
        /// Its tier.
        tier: Tier,
    },
}

/// Which devices a grant is about, seen from one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covers {
    /// A Share without `devices`: it answers questions without an id.
    NoDevices,
    /// It has `devices`, and the one asked about is among them: in the
    /// inventory, within reach, and neither refused nor waiting. Its times are
    /// the rules' business.
    Asked,
    /// It has `devices`, and the one asked about, if any, is not among them.
    Others,
}

/// A grant that may reach the account, or a group of its scope. Whether it
/// does, and whether it counts now, the rules decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its object.
    pub key: ObjectKey,
    /// The granting tenant.
    pub tenant: Uuid,
    /// Assign or Share.
    pub mode: Mode,
    /// Who receives.
    pub receivers: Vec<Receiver>,
    /// Its rules.
    pub permissions: Permissions,
    /// Inclusive; none: at once.
    pub not_before: Option<Timestamp>,
    /// Exclusive; none: never.
    pub expires_at: Option<Timestamp>,
    /// On whose authority.
    pub giver: Giver,
    /// Its devices, seen from the question.
    pub covers: Covers,
}

impl Offer {
    /// Whether it is in effect at `now`, whether or not a controller runs.
    pub fn in_effect(&self, now: Timestamp) -> bool {
        window(self.not_before, self.expires_at, now) == Window::Open
    }
}

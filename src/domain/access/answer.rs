//! How a decision about access is put into words: the deciding reason, and the
//! steps that led to it.

use serde::{Deserialize, Serialize};

use crate::domain::object::ObjectKey;

macro_rules! grounds {
    ($($(#[doc = $doc:literal])+ $name:ident $allows:literal),+ $(,)?) => {
        /// Why an account may or may not do something.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Ground { $($(#[doc = $doc])+ $name),+ }

        impl Ground {
            /// Every reason with its explanation, for the documentation.
            pub const ALL: &'static [(Self, &'static str)] =
                &[$((Self::$name, concat!($($doc),+))),+];

            /// As programs read it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }

            /// Whether it is a reason to allow.
            pub const fn allows(self) -> bool {
                match self { $(Self::$name => $allows),+ }
            }
        }
    };
}

grounds! {
    /// No account has this username or e-mail (R7).
    UnknownAccount false,
    /// The account is disabled (R7).
    AccountDisabled false,
    /// The account's tenant, or one above it, is disabled (R4).
    TenantDisabled false,
    /// The account's tenant, or one above it, is not admitted by its parent any more (R4).
    TenantNotPermitted false,
    /// The device is not in the inventory or lies outside of what the account sees (R4).
    DeviceNotVisible false,
    /// The creator does not exist or lies outside of what the account sees (R4).
    CreatorNotVisible false,
    /// Under Individual access: neither the account nor anybody below it created it (R5).
    IndividualAccess false,
    /// A rule of the account itself denies it (R7).
    DeniedByAccount false,
    /// A rule of a role denies it (R7).
    DeniedByRole false,
    /// A rule of a grant denies it (R7).
    DeniedByGrant false,
    /// No rule allows it, and the default is deny (R7).
    NotAllowed false,
    /// Root holds every permission in its tree (R7).
    RootHoldsAll true,
    /// A SuperAdmin without roles and allow rules holds every permission in its tree (R7).
    SuperAdminHoldsAll true,
    /// A rule of the account itself allows it (R7).
    AllowedByAccount true,
    /// A rule of a role allows it (R7).
    AllowedByRole true,
    /// A rule of a grant allows it (R7).
    AllowedByGrant true,
}

impl std::fmt::Display for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one step does to the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// It speaks for allowing.
    Allows,
    /// It is enough to deny.
    Denies,
    /// It brings something into sight.
    Shows,
    /// It was looked at and does not count, and the message says why.
    Ignored,
}

/// One fact that mattered, or that one might expect to matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The rule's number: `R4`, `R5` or `R7`.
    pub rule: String,
    /// The object that it comes from; none: an unmanaged row, or nothing at all.
    pub object: Option<ObjectKey>,
    /// What it does to the answer.
    pub effect: Effect,
    /// For people.
    pub message: String,
}

/// The answer to a question about access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// What decided.
    pub reason: Ground,
    /// What decided, in words.
    pub message: String,
    /// Allowed, but under Individual access the section shows only what the
    /// account or anybody below it created (R5).
    pub filtered: bool,
    /// What was looked at, in order.
    pub steps: Vec<Step>,
}

//! R1: which tier may create which.

use serde::{Deserialize, Serialize};

/// The level of an account. Ordered by rank: `Basic < Admin < SuperAdmin < Root`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tier {
    /// Task-based permissions; creates nobody.
    Basic,
    /// Creates Basic accounts.
    Admin,
    /// Creates Admin and Basic accounts.
    SuperAdmin,
    /// One per root tenant; creates every other tier.
    Root,
}

impl Tier {
    /// As written in a spec.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Admin => "Admin",
            Self::SuperAdmin => "SuperAdmin",
            Self::Root => "Root",
        }
    }

    /// Whether an account of this tier outranks one of `other` (R1).
    pub fn outranks(self, other: Self) -> bool {
        self > other
    }

    /// The tiers that this one may create, in words for a message.
    pub const fn creates(self) -> &'static str {
        match self {
            Self::Root => "SuperAdmin, Admin and Basic",
            Self::SuperAdmin => "Admin and Basic",
            Self::Admin => "Basic",
            Self::Basic => "nobody",
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Tier::{self, *};

    #[test]
    fn r1_each_tier_creates_exactly_those_below_it() {
        let matrix: [(Tier, &[Tier]); 4] = [
            (Root, &[SuperAdmin, Admin, Basic]),
            (SuperAdmin, &[Admin, Basic]),
            (Admin, &[Basic]),
            (Basic, &[]),
        ];
        for (creator, created) in matrix {
            for tier in [Root, SuperAdmin, Admin, Basic] {
                assert_eq!(creator.outranks(tier), created.contains(&tier), "{creator} creates {tier}");
            }
        }
    }
}

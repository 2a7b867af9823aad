//! R7: allow and deny rules, and when one set of rules covers another.
//! Default is deny, and a deny beats every allow.

use serde::{Deserialize, Serialize};

/// A dotted word, `a.*` (matches `a` and all under it), or `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern as written; its form is the schema's business.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether everything that `other` matches, this matches too. A plain word
    /// is a pattern for itself, so this also answers whether a word matches.
    pub fn covers(&self, other: &Self) -> bool {
        if self.0 == "*" || self.0 == other.0 {
            return true;
        }
        let Some(stem) = self.0.strip_suffix(".*") else {
            return false;
        };
        let other = other.0.strip_suffix(".*").unwrap_or(&other.0);
        other == stem || other.strip_prefix(stem).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Whether some word matches both.
    pub fn overlaps(&self, other: &Self) -> bool {
        // Patterns are sub-trees of one tree: two of them share a word
        // exactly when one lies within the other.
        self.covers(other) || other.covers(self)
    }
}

/// Some operations on some resources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// What.
    pub resources: Vec<Pattern>,
    /// To do what.
    pub operations: Vec<Pattern>,
}

impl Rule {
    /// One operation on one resource.
    pub fn single(resource: &str, operation: &str) -> Self {
        Self { resources: vec![Pattern::new(resource)], operations: vec![Pattern::new(operation)] }
    }

    /// Whether the rule is about all of it. For plain words: whether it is
    /// about them.
    pub fn covers(&self, resource: &Pattern, operation: &Pattern) -> bool {
        self.resources.iter().any(|p| p.covers(resource))
            && self.operations.iter().any(|p| p.covers(operation))
    }

    /// Whether the rule is about some of it. For plain words the same as
    /// [`Rule::covers`].
    pub fn overlaps(&self, resource: &Pattern, operation: &Pattern) -> bool {
        self.resources.iter().any(|p| p.overlaps(resource))
            && self.operations.iter().any(|p| p.overlaps(operation))
    }
}

/// Written as in messages: `view, operate on device`.
impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |patterns: &[Pattern]| patterns.iter().map(Pattern::as_str).collect::<Vec<_>>().join(", ");
        write!(f, "{} on {}", list(&self.operations), list(&self.resources))
    }
}

/// Allow and deny rules, as written on an account, a role or a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    /// What is allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Rule>,
    /// What is denied, whatever allows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Rule>,
}

impl Permissions {
    /// The rule that allows all of it, leaving denies aside. It must lie
    /// wholly within one rule: patterns are sub-trees without a bottom, so
    /// several smaller ones never add up to a larger one.
    pub fn allowing(&self, resource: &Pattern, operation: &Pattern) -> Option<&Rule> {
        self.allow.iter().find(|rule| rule.covers(resource, operation))
    }

    /// The rule that denies any of it.
    pub fn denying(&self, resource: &Pattern, operation: &Pattern) -> Option<&Rule> {
        self.deny.iter().find(|rule| rule.overlaps(resource, operation))
    }
}

/// What an account may pass on: everything, or what its rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Root, and a SuperAdmin without roles or allow rules of its own (R7).
    Everything {
        /// Denies that bind it nevertheless (never Root).
        deny: Vec<Rule>,
    },
    /// What these rules allow and do not deny.
    Rules(Permissions),
}

/// A pair of patterns that somebody tried to give without holding it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The resource pattern as written.
    pub resource: String,
    /// The operation pattern as written.
    pub operation: String,
}

impl Holding {
    /// This holding with further rules that allow and deny.
    #[must_use]
    pub fn with(self, more: &Permissions) -> Self {
        match self {
            Self::Everything { mut deny } => {
                deny.extend_from_slice(&more.deny);
                Self::Everything { deny }
            }
            Self::Rules(mut own) => {
                own.allow.extend_from_slice(&more.allow);
                own.deny.extend_from_slice(&more.deny);
                Self::Rules(own)
            }
        }
    }

    /// What it may do with a resource as a whole, as rules to hand on: every
    /// operation that is allowed on all of it, with the denies that touch it.
    pub fn on(&self, resource: &Pattern) -> Permissions {
        let (mut operations, deny) = match self {
            Self::Everything { deny } => (vec![Pattern::new("*")], deny),
            Self::Rules(own) => {
                let covering = own.allow.iter().filter(|r| r.resources.iter().any(|p| p.covers(resource)));
                (covering.flat_map(|rule| rule.operations.clone()).collect(), &own.deny)
            }
        };
        operations.sort();
        operations.dedup();
        let allow = if operations.is_empty() {
            vec![]
        } else {
            vec![Rule { resources: vec![resource.clone()], operations }]
        };
        let touches = |rule: &&Rule| rule.resources.iter().any(|p| p.overlaps(resource));
        Permissions { allow, deny: deny.iter().filter(touches).cloned().collect() }
    }

    /// Whether all of it is held: one rule allows it and no deny touches it.
    pub fn allows(&self, resource: &Pattern, operation: &Pattern) -> bool {
        match self {
            Self::Everything { deny } => !deny.iter().any(|rule| rule.overlaps(resource, operation)),
            Self::Rules(own) => {
                own.allowing(resource, operation).is_some() && own.denying(resource, operation).is_none()
            }
        }
    }

    /// The first thing that `rules` would give beyond this holding.
    pub fn excess(&self, rules: &[Rule]) -> Option<Excess> {
        let pairs = rules
            .iter()
            .flat_map(|rule| rule.resources.iter().flat_map(|r| rule.operations.iter().map(move |o| (r, o))));
        pairs.into_iter().find(|(resource, operation)| !self.allows(resource, operation)).map(
            |(resource, operation)| Excess {
                resource: resource.as_str().to_owned(),
                operation: operation.as_str().to_owned(),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(a: &str, b: &str) -> bool {
        Pattern::new(a).covers(&Pattern::new(b))
    }

    #[test]
    fn r7_patterns_cover_themselves_and_what_lies_below() {
        assert!(covers("*", "device") && covers("*", "a.*") && covers("*", "*"));
        assert!(covers("cameras.*", "cameras") && covers("cameras.*", "cameras.archive"));
        assert!(covers("cameras.*", "cameras.archive.*"));
        assert!(!covers("cameras.*", "camerasx") && !covers("cameras.archive", "cameras.*"));
        assert!(!covers("cameras.*", "*") && !covers("cameras", "cameras.archive"));
    }

    #[test]
    fn r2_nobody_gives_a_wildcard_who_has_only_a_part_of_it() {
        let own = Holding::Rules(Permissions {
            allow: vec![Rule::single("cameras.archive", "view")],
            deny: vec![],
        });
        let excess = own.excess(&[Rule::single("cameras.*", "view")]).unwrap();
        assert_eq!(excess.resource, "cameras.*");
        assert_eq!(own.excess(&[Rule::single("cameras.archive", "view")]), None);
        assert!(own.excess(&[Rule::single("cameras.archive", "*")]).is_some());
    }

    #[test]
    fn r2_nobody_gives_what_is_denied_to_oneself() {
        let own = Holding::Rules(Permissions {
            allow: vec![Rule::single("device", "*")],
            deny: vec![Rule::single("device", "share")],
        });
        assert!(own.excess(&[Rule::single("device", "*")]).is_some());
        assert_eq!(own.excess(&[Rule::single("device", "view")]), None);
    }
}

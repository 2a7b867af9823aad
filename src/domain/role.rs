//! R6: roles are templates. Assigning copies their content; a later edit
//! changes no account until the role is reassigned.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::capability::Capability;
use super::object::{Kind, ObjectKey};
use super::permission::{Permissions, Rule};
use super::verdict::{Reason, Refusal};

/// What a role gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Allow and deny rules.
    pub permissions: Permissions,
    /// Administrative rights.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities: BTreeSet<Capability>,
    /// Whether it restricts its bearers to their own creations (R5).
    #[serde(default)]
    pub individual_access: bool,
}

impl Content {
    /// First 12 hex digits of SHA-256 over the canonical content: sorted and
    /// without repetitions, so that writing the same thing in another order is
    /// the same revision, and a database rebuilt from Git has the same ones.
    pub fn revision(&self) -> String {
        fn canonical(rules: &[Rule]) -> Vec<Rule> {
            let mut rules: Vec<_> = rules
                .iter()
                .map(|rule| {
                    let mut rule = rule.clone();
                    rule.resources.sort();
                    rule.resources.dedup();
                    rule.operations.sort();
                    rule.operations.dedup();
                    rule
                })
                .collect();
            rules.sort();
            rules.dedup();
            rules
        }
        let canonical = Self {
            permissions: Permissions {
                allow: canonical(&self.permissions.allow),
                deny: canonical(&self.permissions.deny),
            },
            capabilities: self.capabilities.clone(),
            individual_access: self.individual_access,
        };
        let text = serde_json::to_string(&canonical).unwrap_or_default();
        let mut hex = data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
        hex.truncate(12);
        hex
    }
}

/// When an edit of the template reaches the accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// When the role is reassigned.
    #[default]
    OnReassign,
    /// At once.
    Immediate,
}

/// A role as the database holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Identifier.
    pub id: Uuid,
    /// The object that manages it; none: unmanaged.
    pub object: Option<Uuid>,
    /// Usable there and below.
    pub tenant: Uuid,
    /// Unique in its tenant.
    pub name: String,
    /// Shown to people.
    pub display_name: String,
    /// What it gives.
    pub content: Content,
    /// Digest of the content.
    pub revision: String,
    /// Counts revisions, for people.
    pub number: i64,
    /// When edits reach accounts.
    pub propagation: Propagation,
    /// The account that answers for it; none: the platform.
    pub managed_by: Option<Uuid>,
    /// When the row was made.
    pub created_at: Timestamp,
}

/// A role as copied to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The template; none when it is gone, the copy stays.
    pub role: Option<Uuid>,
    /// Namespace of the template.
    pub namespace: String,
    /// Name of the template.
    pub name: String,
    /// The revision copied.
    pub revision: String,
    /// Whether the spec names this revision.
    pub pinned: bool,
    /// The copy in force.
    pub content: Content,
}

/// One entry of an account's `roles`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Namespace of the template.
    pub namespace: String,
    /// Name of the template.
    pub name: String,
    /// The revision to hold on to.
    pub pin: Option<String>,
}

impl Wanted {
    /// The template's object.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(Kind::Role, &self.namespace, &self.name)
    }
}

/// The template behind a wanted role: as it stands, and the pinned revision's
/// content if it has ever had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The role as it stands.
    pub role: Role,
    /// Content of the pinned revision.
    pub pinned: Option<Content>,
    /// Content of the revision that the account has, as it was; only where the
    /// account's copy is not like that.
    pub held: Option<Content>,
}

/// The copy that an account shall have: a pin beats everything; otherwise the
/// copy it has, unless it is to be reassigned; otherwise the template as it
/// stands (R6).
pub fn assign(
    account: &ObjectKey,
    wanted: &Wanted,
    held: Option<&Assigned>,
    template: Option<&Template>,
    reassign: bool,
) -> Result<Assigned, Refusal> {
    let copy = |role: &Role, revision: &str, content: &Content| Assigned {
        role: Some(role.id),
        namespace: wanted.namespace.clone(),
        name: wanted.name.clone(),
        revision: revision.to_owned(),
        pinned: wanted.pin.is_some(),
        content: content.clone(),
    };
    // A copy stays in force whatever becomes of its template; it belongs to the
    // one that has the name now, if any.
    let kept = |held: &Assigned| Assigned {
        role: template.map(|t| t.role.id),
        pinned: wanted.pin.is_some(),
        ..intact(held, template)
    };
    match (&wanted.pin, template, held) {
        (None, None, Some(held)) => Ok(kept(held)),
        (Some(pin), _, Some(held)) if *pin == held.revision => Ok(kept(held)),
        (_, None, _) => Err(super::tenant::missing(account, "spec.roles", &wanted.key())),
        (Some(pin), Some(template), _) => match &template.pinned {
            Some(content) => Ok(copy(&template.role, pin, content)),
            None => Err(Refusal::wait(
                Reason::RevisionUnknown,
                format!(
                    "spec.roles of {account} pins revision {pin} of {}, which has never had it; the present one is {}",
                    wanted.key(),
                    template.role.revision
                ),
                vec![super::object::Topic::object(&wanted.key())],
            )),
        },
        (None, Some(template), Some(held))
            if !reassign && template.role.propagation == Propagation::OnReassign =>
        {
            Ok(kept(held))
        }
        (None, Some(template), _) => {
            Ok(copy(&template.role, &template.role.revision, &template.role.content))
        }
    }
}

impl Assigned {
    /// Whether the copy is what its revision says: a revision is a digest of
    /// the content.
    pub fn is_intact(&self) -> bool {
        self.content.revision() == self.revision
    }
}

/// A copy as it was when it was assigned: what was changed by hand since goes
/// back, as far as the template still knows it (R10).
fn intact(held: &Assigned, template: Option<&Template>) -> Assigned {
    if held.is_intact() {
        return held.clone();
    }
    let original = template.and_then(|template| {
        let present = Some(&template.role.content).filter(|_| template.role.revision == held.revision);
        present.or(template.held.as_ref())
    });
    Assigned { content: original.unwrap_or(&held.content).clone(), ..held.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r6_the_order_of_writing_does_not_make_a_revision() {
        let a = Content {
            permissions: Permissions {
                allow: vec![Rule::single("device", "view"), Rule::single("bucket", "view")],
                deny: vec![],
            },
            ..Content::default()
        };
        let mut b = a.clone();
        b.permissions.allow.reverse();
        assert_eq!(a.revision(), b.revision());
        assert_eq!(a.revision().len(), 12);
        b.individual_access = true;
        assert_ne!(a.revision(), b.revision());
    }
}

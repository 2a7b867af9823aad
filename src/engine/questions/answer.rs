//! The answer to a question in the shapes that programs rely on.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::access::answer::{Decision, Effect, Ground};
use crate::domain::access::flip::Advice;
use crate::domain::object::{Kind, ObjectKey};
use crate::store::questions::Asker;

/// An object that mattered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its generation in force; none: it is gone, and what it gave has stayed.
    pub generation: Option<i64>,
    /// For a role: the revision that the account has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// One fact that mattered, or that one might expect to matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The rule's number.
    pub rule: String,
    /// The object that it comes from; none: an unmanaged row, or nothing at all.
    pub object: Option<Object>,
    /// What it does to the answer.
    pub effect: Effect,
    /// For people.
    pub message: String,
}

/// The answer to a question about access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Whether the account's invitation has been completed; the answer is about
    /// rights and does not depend on it.
    pub active: bool,
    /// What decided.
    pub reason: Ground,
    /// What decided, in words.
    pub message: String,
    /// Allowed, but under Individual access the section shows only what the
    /// account or anybody below it created (R5).
    pub filtered: bool,
    /// What was looked at, in order.
    pub steps: Vec<Step>,
    /// What would have to change for the opposite answer.
    pub advice: Advice,
}

/// The answer to a question about access, without the way that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Whether the account's invitation has been completed.
    pub active: bool,
    /// What decided.
    pub reason: Ground,
    /// What decided, in words.
    pub message: String,
    /// As in [`Answer`].
    pub filtered: bool,
}

impl From<Answer> for Checked {
    fn from(answer: Answer) -> Self {
        let Answer { allowed, active, reason, message, filtered, steps: _, advice: _ } = answer;
        Self { allowed, active, reason, message, filtered }
    }
}

impl Answer {
    pub(super) fn new(
        decision: Decision,
        advice: Advice,
        asker: Option<&Asker>,
        generations: &BTreeMap<ObjectKey, i64>,
    ) -> Self {
        let Decision { allowed, reason, message, filtered, steps } = decision;
        let revision = |key: &ObjectKey| {
            let roles = &asker?.subject.roles;
            let role = roles.iter().find(|r| r.namespace == key.namespace && r.name == key.name)?;
            (key.kind == Kind::Role).then(|| role.revision.clone())
        };
        let object = |key: ObjectKey| Object {
            generation: generations.get(&key).copied(),
            revision: revision(&key),
            kind: key.kind,
            namespace: key.namespace,
            name: key.name,
        };
        let steps = steps.into_iter().map(|step| Step {
            rule: step.rule,
            object: step.object.map(object),
            effect: step.effect,
            message: step.message,
        });
        Self {
            allowed,
            active: asker.is_some_and(|asker| asker.active),
            reason,
            message,
            filtered,
            steps: steps.collect(),
            advice,
        }
    }
}

//! Answers in the shapes that `tenantry check -o json` and `explain -o json`
//! have, too.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::access::answer::Effect;
use crate::engine::questions::{self, Said};

/// Whether it is allowed, and what decided.
#[derive(Serialize, JsonSchema)]
pub(super) struct Answer {
    /// Whether it is allowed
    allowed: bool,
    /// Whether the account's invitation has been accepted; the answer is about
    /// rights and does not depend on it
    active: bool,
    /// What decided, as one word
    #[schemars(regex(pattern = "^[A-Z][A-Za-z]+$"))]
    reason: &'static str,
    /// What decided, in words
    message: String,
    /// Allowed, but under Individual access the section shows only what the
    /// account or accounts below it created
    filtered: bool,
}

/// Whether it is allowed, what decided, and all that was looked at.
#[derive(Serialize, JsonSchema)]
pub(super) struct Explanation {
    /// Whether it is allowed
    allowed: bool,
    /// Whether the account's invitation has been accepted; the answer is about
    /// rights and does not depend on it
    active: bool,
    /// What decided, as one word
    #[schemars(regex(pattern = "^[A-Z][A-Za-z]+$"))]
    reason: &'static str,
    /// What decided, in words
    message: String,
    /// Allowed, but under Individual access the section shows only what the
    /// account or accounts below it created
    filtered: bool,
    /// What was looked at, in order
    steps: Vec<Step>,
    /// What would lead to the opposite answer
    #[serde(rename = "toFlip")]
    to_flip: Flip,
}

/// One fact that mattered, or that one might expect to matter.
#[derive(Serialize, JsonSchema)]
struct Step {
    /// The rule's number, such as R7
    #[schemars(regex(pattern = "^R[0-9]+$"))]
    rule: String,
    /// The object that it comes from, if it comes from one
    object: Option<Object>,
    /// What it does to the answer
    #[schemars(extend("enum" = ["Allows", "Denies", "Shows", "Ignored"]))]
    effect: &'static str,
    /// For people
    message: String,
}

/// An object that mattered.
#[derive(Serialize, JsonSchema)]
struct Object {
    /// Its kind
    #[schemars(extend("enum" = ["Tenant", "Role", "SubAdmin", "DeviceGrant"]))]
    kind: &'static str,
    /// Its namespace
    namespace: String,
    /// Its name
    name: String,
    /// Its generation in force; null: it is gone, and what it gave has stayed
    generation: Option<i64>,
    /// For a role: the revision that the account has
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
}

/// What leads to the opposite answer.
#[derive(Serialize, JsonSchema)]
struct Flip {
    /// Changes, in words
    changes: Vec<String>,
    /// Whether they are enough
    suffices: bool,
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        let Said { allowed, active, reason, message, filtered, steps: _, changes: _, suffices: _ } = said;
        Self { allowed, active, reason, message, filtered }
    }
}

impl From<Said> for Explanation {
    fn from(said: Said) -> Self {
        let Said { allowed, active, reason, message, filtered, steps, changes, suffices } = said;
        let steps = steps.into_iter().map(Step::from).collect();
        Self { allowed, active, reason, message, filtered, steps, to_flip: Flip { changes, suffices } }
    }
}

impl From<questions::Step> for Step {
    fn from(step: questions::Step) -> Self {
        let questions::Step { rule, object, effect, message } = step;
        let effect = match effect {
            Effect::Allows => "Allows",
            Effect::Denies => "Denies",
            Effect::Shows => "Shows",
            Effect::Ignored => "Ignored",
        };
        Self { rule, object: object.map(Object::from), effect, message }
    }
}

impl From<questions::Object> for Object {
    fn from(object: questions::Object) -> Self {
        let questions::Object { kind, namespace, name, generation, revision } = object;
        Self { kind: kind.as_str(), namespace, name, generation, revision }
    }
}

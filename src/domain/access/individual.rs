//! R5: where Individual access comes from. It is told beside an answer that
//! Individual access has decided or narrowed; the answer does not depend on it.

use super::answer::{Decision, Effect, Step};
use super::facts::Subject;
use crate::domain::account::IndividualSource;
use crate::domain::object::{Kind, ObjectKey};

/// What switches Individual access on for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The override, a role or the manager.
    pub source: IndividualSource,
    /// The object of its manager; none: the platform, or an unmanaged account.
    pub manager: Option<ObjectKey>,
}

impl Origin {
    /// The step that tells it; none where Individual access did not matter.
    pub fn told(&self, subject: &Subject, decision: &Decision) -> Option<Step> {
        let denied = decision.steps.iter().any(|step| step.rule == "R5");
        if !denied && !decision.filtered {
            return None;
        }
        let (object, why) = match &self.source {
            IndividualSource::None => return None,
            IndividualSource::Override => {
                (subject.key.clone(), "spec.individualAccess of the account is true".to_owned())
            }
            IndividualSource::Role(role) => (role_key(role), format!("its Role {role} has it on")),
            IndividualSource::Manager => {
                let manager = self.manager.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
                let why = format!("its manager{manager} is under it, and so is everybody below");
                (self.manager.clone(), why)
            }
        };
        let message = format!("Individual access is on for {}: {why}", subject.username);
        let effect = if decision.allowed { Effect::Shows } else { Effect::Denies };
        Some(Step { rule: "R5".to_owned(), object, effect, message })
    }
}

/// The object of a role that is written `namespace/name`.
fn role_key(role: &str) -> Option<ObjectKey> {
    let (namespace, name) = role.split_once('/')?;
    Some(ObjectKey::new(Kind::Role, namespace, name))
}

//! What would have to change for the opposite answer. The changes are tried on
//! the facts themselves and the rules are asked again, until the answer is
//! another one: a list that says it suffices has been seen to suffice. Called
//! by whoever explains an answer.

use std::fmt;

use jiff::Timestamp;

use super::answer::{Effect, Ground};
use super::decide;
use super::facts::{Offer, Question, Subject};
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::permission::{Permissions, Rule};
use crate::domain::tier::Tier;

/// Changes tried at most: each takes a block or a rule away.
const MOST: usize = 256;

/// One change towards the opposite answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The account is enabled.
    EnableAccount(String),
    /// The account is disabled.
    DisableAccount(String),
    /// A tenant is enabled, by its path.
    EnableTenant(String),
    /// A tenant is admitted by the one above it, by its path.
    AdmitTenant(String),
    /// Individual access of the account is switched off.
    LiftIndividualAccess(String),
    /// A deny rule goes from the account itself (no object), a role or a grant.
    RemoveDeny(Option<ObjectKey>, Rule),
    /// The account itself gets a rule that allows.
    AllowAccount(String, Rule),
    /// A Share gets a rule that allows.
    AllowShare(ObjectKey, Rule),
    /// The account itself gets a rule that denies.
    DenyAccount(String, Rule),
    /// The device comes into sight.
    ShowDevice(String),
    /// Another creator is asked about.
    OtherCreator(String),
    /// The account is created.
    CreateAccount,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnableAccount(name) => write!(f, "set spec.enabled of the account {name} to true"),
            Self::DisableAccount(name) => {
                write!(f, "set spec.enabled of the account {name} to false: nothing else binds a Root")
            }
            Self::EnableTenant(path) => write!(f, "set spec.enabled of the tenant {path} to true"),
            Self::AdmitTenant(path) => {
                write!(f, "let spec.allowedNamespaces of the tenant above {path} admit its namespace")
            }
            Self::LiftIndividualAccess(name) => write!(
                f,
                "switch Individual access off for {name}, where it comes from: spec.individualAccess of the account, a Role of it, or its manager"
            ),
            Self::RemoveDeny(None, rule) => {
                write!(f, "take the rule that denies {rule} out of spec.permissions.deny of the account")
            }
            Self::RemoveDeny(Some(key), rule) if key.kind == Kind::Role => write!(
                f,
                "take the rule that denies {rule} out of spec.permissions.deny of {key} and assign the role again, or take the role from the account"
            ),
            Self::RemoveDeny(Some(key), rule) => {
                write!(f, "take the rule that denies {rule} out of spec.permissions.deny of {key}")
            }
            Self::AllowAccount(name, rule) => {
                write!(
                    f,
                    "allow {rule} in spec.permissions.allow of the account {name}, in a Role of it, or in a grant that reaches it"
                )
            }
            Self::AllowShare(key, rule) => write!(f, "allow {rule} in spec.permissions.allow of {key}"),
            Self::DenyAccount(name, rule) => {
                write!(
                    f,
                    "deny {rule} in spec.permissions.deny of the account {name}: a deny beats every allow"
                )
            }
            Self::ShowDevice(name) => write!(
                f,
                "import the device if it is not in the inventory, and assign it to {name} or share it with {name} by a DeviceGrant that allows this"
            ),
            Self::OtherCreator(name) => {
                write!(f, "name a creator that exists and lies within what {name} sees")
            }
            Self::CreateAccount => {
                f.write_str("correct the name, or apply a SubAdmin with this username or e-mail")
            }
        }
    }
}

/// What leads to the opposite answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// All of these together.
    pub changes: Vec<Change>,
    /// Whether they suffice: they have been tried. Otherwise they are needed,
    /// and more may be.
    pub suffices: bool,
}

/// What would have to change for the opposite answer.
pub fn flip(subject: Option<&Subject>, question: &Question, offers: &[Offer], now: Timestamp) -> Advice {
    let Some(subject) = subject else {
        return Advice { changes: vec![Change::CreateAccount], suffices: false };
    };
    let allowed = decide(Some(subject), question, offers, now).allowed;
    let (mut subject, mut offers) = (subject.clone(), offers.to_vec());
    let mut advice = Advice::default();
    while advice.changes.len() < MOST {
        let decision = decide(Some(&subject), question, &offers, now);
        if decision.allowed != allowed {
            advice.suffices = true;
            break;
        }
        let changes = if allowed {
            vec![against(&subject, question)]
        } else {
            let shown = decision.steps.iter().find(|step| step.effect == Effect::Shows);
            let share = shown.and_then(|step| step.object.clone()).filter(|k| k.kind == Kind::DeviceGrant);
            towards(&subject, question, &offers, decision.reason, share)
        };
        let before = (subject.clone(), offers.clone());
        for change in &changes {
            apply(change, &mut subject, &mut offers);
        }
        advice.changes.extend(changes);
        // What cannot be tried ends the search.
        if before == (subject.clone(), offers.clone()) {
            break;
        }
    }
    advice
}

/// What takes away an allowed thing.
fn against(subject: &Subject, question: &Question) -> Change {
    match subject.tier {
        Tier::Root => Change::DisableAccount(subject.username.clone()),
        _ => Change::DenyAccount(subject.username.clone(), asked(question)),
    }
}

/// What takes the reason of a denial away.
fn towards(
    subject: &Subject,
    question: &Question,
    offers: &[Offer],
    reason: Ground,
    share: Option<ObjectKey>,
) -> Vec<Change> {
    let name = || subject.username.clone();
    let denying = |rules: &Permissions, key: Option<&ObjectKey>| -> Vec<Change> {
        let rules = rules.deny.iter().filter(|r| r.overlaps(&question.resource, &question.operation));
        rules.map(|rule| Change::RemoveDeny(key.cloned(), rule.clone())).collect()
    };
    match reason {
        Ground::UnknownAccount => vec![Change::CreateAccount],
        Ground::AccountDisabled => vec![Change::EnableAccount(name())],
        Ground::TenantDisabled | Ground::TenantNotPermitted => {
            let blocking = subject.tenant.0.iter().filter(|level| !level.enabled || !level.permitted);
            let changes = blocking.flat_map(|level| {
                let enable = (!level.enabled).then(|| Change::EnableTenant(level.path.clone()));
                let admit = (!level.permitted).then(|| Change::AdmitTenant(level.path.clone()));
                enable.into_iter().chain(admit)
            });
            changes.collect()
        }
        // In the same words whether or not the device exists (R4).
        Ground::DeviceNotVisible => vec![Change::ShowDevice(name())],
        Ground::CreatorNotVisible => vec![Change::OtherCreator(name())],
        Ground::IndividualAccess => vec![Change::LiftIndividualAccess(name())],
        Ground::DeniedByAccount => denying(&subject.permissions, None),
        Ground::DeniedByRole => {
            let roles = subject.roles.iter().flat_map(|role| {
                let key = ObjectKey::new(Kind::Role, &role.namespace, &role.name);
                denying(&role.content.permissions, Some(&key))
            });
            roles.collect()
        }
        Ground::DeniedByGrant => {
            let grants = offers.iter().filter(|offer| {
                super::concerns(question, offer) && super::reach::reaches(offer, subject).is_some()
            });
            grants.flat_map(|offer| denying(&offer.permissions, Some(&offer.key))).collect()
        }
        Ground::NotAllowed => match share {
            Some(key) => vec![Change::AllowShare(key, asked(question))],
            None => vec![Change::AllowAccount(name(), asked(question))],
        },
        _ => vec![],
    }
}

fn asked(question: &Question) -> Rule {
    Rule { resources: vec![question.resource.clone()], operations: vec![question.operation.clone()] }
}

/// Makes a change to the facts. What the facts cannot show is left.
pub fn apply(change: &Change, subject: &mut Subject, offers: &mut [Offer]) {
    let level = |subject: &mut Subject, path: &str| subject.tenant.0.iter().position(|l| l.path == path);
    match change {
        Change::EnableAccount(_) => subject.enabled = true,
        Change::DisableAccount(_) => subject.enabled = false,
        Change::EnableTenant(path) => {
            if let Some(at) = level(subject, path) {
                subject.tenant.0[at].enabled = true;
            }
        }
        Change::AdmitTenant(path) => {
            if let Some(at) = level(subject, path) {
                subject.tenant.0[at].permitted = true;
            }
        }
        Change::LiftIndividualAccess(_) => subject.individual_access = false,
        Change::RemoveDeny(None, rule) => subject.permissions.deny.retain(|other| other != rule),
        Change::RemoveDeny(Some(key), rule) => {
            for role in &mut subject.roles {
                if ObjectKey::new(Kind::Role, &role.namespace, &role.name) == *key {
                    role.content.permissions.deny.retain(|other| other != rule);
                }
            }
            for offer in offers.iter_mut().filter(|offer| offer.key == *key) {
                offer.permissions.deny.retain(|other| other != rule);
            }
        }
        Change::AllowAccount(_, rule) => subject.permissions.allow.push(rule.clone()),
        Change::AllowShare(key, rule) => {
            for offer in offers.iter_mut().filter(|offer| offer.key == *key) {
                offer.permissions.allow.push(rule.clone());
            }
        }
        Change::DenyAccount(_, rule) => subject.permissions.deny.push(rule.clone()),
        Change::ShowDevice(_) | Change::OtherCreator(_) | Change::CreateAccount => {}
    }
}

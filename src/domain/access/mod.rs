//! R4, R5 and R7: may an account do this? One pure decision over facts that
//! the caller brings, with the reason that decided and the steps that led to
//! it. Command line, HTTP, SQL views and tests use or agree with [`decide`];
//! nothing else answers the question. Times are judged here, when the question
//! is asked.
//!
//! Where the contract leaves room, this was chosen (visibility has its own
//! list in [`sight`], reach in [`reach`]):
//! - A device that only a Share shows is used by what Shares of it allow, and
//!   by nothing else: rules of the account, its roles or its tier are for what
//!   lies within its own range. Otherwise a Share to `view` would be one to
//!   operate for everybody who may operate something of their own, though its
//!   giver may not even operate it. Denies count from everywhere.
//! - Root is the exception to that, too: a Share never leads out of its tree.
//! - A Share without `devices` answers questions without an id and no others,
//!   in its allow and in its deny rules alike: a grant's rules count only for
//!   its devices.
//! - The rules of an Assign count for its receiver as those of a Share do: the
//!   account, or every account of the tenant, as far as its giver outranks it.
//! - Copies of roles are the account's own rules: they answer questions
//!   without an id.
//! - A device or creator that does not exist and one that lies out of range
//!   are answered in the same words (R4).
//! - A creator is judged by R4 whatever the resource; by Individual access
//!   only where the resource is a section of the table, or a device.
//! - A question may be a pattern: it is allowed if all of it is, so a deny of
//!   any part of it denies it.
//! - Of several reasons to deny, the first one counts in this order: account,
//!   tenant, device, creator, denies (account, roles, grants), nothing allows
//!   it. Of several to allow: tier, account, roles, grants. All are among the
//!   steps.

pub mod answer;
pub mod facts;
pub mod flip;
pub mod individual;
pub mod reach;
pub mod rules;
pub mod sections;
pub mod sight;

use jiff::Timestamp;

use self::answer::{Decision, Effect, Ground, Step};
use self::facts::{Covers, Device, Holder, Named, Offer, Question, Subject};
use self::reach::Via;
use self::sight::Sight;
use crate::domain::account::holds_everything;
use crate::domain::grant::{Window, window};
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::permission::Permissions;
use crate::domain::tier::Tier;

/// Whether `subject` may do what is asked at `now`. No subject is an account
/// that does not exist. `offers` are the grants that may reach the account or
/// a group of its scope; more of them do no harm.
pub fn decide(subject: Option<&Subject>, question: &Question, offers: &[Offer], now: Timestamp) -> Decision {
    let Some(subject) = subject else {
        let message = "there is no such account; everything is denied to it".to_owned();
        return Decision {
            allowed: false,
            reason: Ground::UnknownAccount,
            message: message.clone(),
            filtered: false,
            steps: vec![Step { rule: "R7".to_owned(), object: None, effect: Effect::Denies, message }],
        };
    };
    let mut weighing = Weighing { subject, question, denied: None, allowed: None, steps: vec![] };
    weighing.enabled();
    let in_effect: Vec<&Offer> = offers.iter().filter(|offer| offer.in_effect(now)).collect();
    let reaching: Vec<&Offer> =
        offers.iter().filter(|offer| reach::reaches(offer, subject).is_some()).collect();
    weighing.out_of_time(&reaching, now);
    let reaching: Vec<&Offer> = reaching.into_iter().filter(|offer| offer.in_effect(now)).collect();
    let in_range = weighing.device(&in_effect, &reaching);
    weighing.creator();
    weighing.rules(in_range, &reaching);
    weighing.decide()
}

/// A decision being made: the first reason on each side, and every step.
struct Weighing<'a> {
    subject: &'a Subject,
    question: &'a Question,
    denied: Option<(Ground, String)>,
    allowed: Option<(Ground, String)>,
    steps: Vec<Step>,
}

impl Weighing<'_> {
    fn step(&mut self, rule: &str, object: Option<ObjectKey>, effect: Effect, message: &str) {
        self.steps.push(Step { rule: rule.to_owned(), object, effect, message: message.to_owned() });
    }

    fn deny(&mut self, rule: &str, object: Option<ObjectKey>, ground: Ground, message: String) {
        self.step(rule, object, Effect::Denies, &message);
        self.denied.get_or_insert((ground, message));
    }

    fn allow(&mut self, object: Option<ObjectKey>, ground: Ground, message: String) {
        self.step("R7", object, Effect::Allows, &message);
        self.allowed.get_or_insert((ground, message));
    }

    /// A disabled account is denied everything, and so is everybody in a
    /// disabled tenant or below one.
    fn enabled(&mut self) {
        let subject = self.subject;
        let name = &subject.username;
        if !subject.enabled {
            let message = format!("account {name} is disabled");
            self.deny("R7", subject.key.clone(), Ground::AccountDisabled, message);
        }
        match subject.tenant.blocked_by() {
            None => {}
            Some(level) if !level.enabled => self.deny(
                "R4",
                level.key.clone(),
                Ground::TenantDisabled,
                format!("tenant {}, where {name} belongs or below which it does, is disabled", level.path),
            ),
            Some(level) => self.deny(
                "R4",
                level.key.clone(),
                Ground::TenantNotPermitted,
                format!(
                    "tenant {}, where {name} belongs or below which it does, is not admitted by its parent",
                    level.path
                ),
            ),
        }
    }

    /// Names the grants that would concern the question at another time.
    fn out_of_time(&mut self, reaching: &[&Offer], now: Timestamp) {
        let question = self.question;
        for offer in reaching.iter().filter(|offer| concerns(question, offer) && !offer.in_effect(now)) {
            let message =
                match (window(offer.not_before, offer.expires_at, now), offer.not_before, offer.expires_at) {
                    (Window::NotYet, Some(start), _) => format!("{} has no effect before {start}", offer.key),
                    (Window::Over, _, Some(end)) => format!("{} has had no effect since {end}", offer.key),
                    _ => continue,
                };
            self.step("R7", Some(offer.key.clone()), Effect::Ignored, &message);
        }
    }

    /// R4 and R5 for the device. Whether rules for the account's own range
    /// count: they do not for a device that only a Share shows.
    fn device(&mut self, in_effect: &[&Offer], reaching: &[&Offer]) -> bool {
        let question = self.question;
        let subject = self.subject;
        let name = &subject.username;
        let (id, sight) = match &question.device {
            None => return true,
            Some(Named::Unknown(id)) => (id, Sight::OutOfRange),
            Some(Named::Known(device)) => (&device.id, sight::of_device(subject, device, in_effect)),
        };
        let known = matches!(question.device, Some(Named::Known(_)));
        let share = reaching.iter().find(|offer| known && sight::shown_by(offer));
        match (sight, share) {
            (Sight::Seen, _) => {
                let (object, held) = held_by(subject, question.device.as_ref());
                let message = format!("device {id} is held by {held}, which lies within what {name} sees");
                self.step("R4", object, Effect::Shows, &message);
                true
            }
            (_, Some(share)) => {
                let message = format!(
                    "{} shows device {id} to {name}; only rules of such Shares allow anything on it",
                    share.key
                );
                self.step("R4", Some(share.key.clone()), Effect::Shows, &message);
                subject.tier == Tier::Root
            }
            (Sight::NotOwn, None) => {
                let message = format!(
                    "{name} is under Individual access, and device {id} is held neither by it nor by an account below it"
                );
                self.deny("R5", subject.key.clone(), Ground::IndividualAccess, message);
                true
            }
            (Sight::OutOfRange, None) => {
                let message = format!("device {id} is not in the inventory or not within what {name} sees");
                self.deny("R4", subject.key.clone(), Ground::DeviceNotVisible, message);
                true
            }
        }
    }

    /// R4 and R5 for whose data it is.
    fn creator(&mut self) {
        let subject = self.subject;
        let name = &subject.username;
        let sight = match &self.question.creator {
            None => return,
            Some(Named::Unknown(_)) => Sight::OutOfRange,
            Some(Named::Known(creator)) => sight::of_person(subject, creator),
        };
        match sight {
            Sight::OutOfRange => {
                let message = format!("the creator does not exist or is not within what {name} sees");
                self.deny("R4", subject.key.clone(), Ground::CreatorNotVisible, message);
            }
            Sight::NotOwn if sections::filtered(&self.question.resource) => {
                let message = format!(
                    "{name} is under Individual access, and the creator is neither it nor an account below it"
                );
                self.deny("R5", subject.key.clone(), Ground::IndividualAccess, message);
            }
            Sight::NotOwn | Sight::Seen => {
                let message = format!("the creator lies within what {name} sees");
                self.step("R4", subject.key.clone(), Effect::Shows, &message);
            }
        }
    }

    /// R7: what denies and what allows.
    fn rules(&mut self, in_range: bool, reaching: &[&Offer]) {
        let subject = self.subject;
        let name = &subject.username;
        let root = subject.tier == Tier::Root;
        if in_range && holds_everything(subject.tier, !subject.roles.is_empty(), &subject.permissions) {
            let (ground, message) = if root {
                (Ground::RootHoldsAll, format!("{name} is Root and holds every permission in its tree"))
            } else {
                let message = format!(
                    "{name} is a SuperAdmin without roles and allow rules and holds every permission in its tree"
                );
                (Ground::SuperAdminHoldsAll, message)
            };
            self.allow(subject.key.clone(), ground, message);
        }
        let own = Source {
            object: subject.key.clone(),
            name: format!("account {name}"),
            rules: &subject.permissions,
            denied: Ground::DeniedByAccount,
            allowed: Ground::AllowedByAccount,
        };
        self.source(&own, in_range, root);
        for role in &subject.roles {
            let key = ObjectKey::new(Kind::Role, &role.namespace, &role.name);
            let copy = Source {
                name: format!("{key} (revision {})", role.revision),
                object: Some(key),
                rules: &role.content.permissions,
                denied: Ground::DeniedByRole,
                allowed: Ground::AllowedByRole,
            };
            self.source(&copy, in_range, root);
        }
        let question = self.question;
        for offer in reaching.iter().filter(|offer| concerns(question, offer)) {
            let grant = Source {
                object: Some(offer.key.clone()),
                name: format!("{}{}", offer.key, given_to(offer, subject)),
                rules: &offer.permissions,
                denied: Ground::DeniedByGrant,
                allowed: Ground::AllowedByGrant,
            };
            self.source(&grant, in_range || sight::shown_by(offer), root);
        }
    }

    /// What one set of rules says. `may_allow` is false for rules about the
    /// account's own range when the device lies outside of it.
    fn source(&mut self, source: &Source<'_>, may_allow: bool, root: bool) {
        let Question { resource, operation, .. } = self.question;
        let Source { object, name, rules, denied, allowed } = source;
        if let Some(rule) = rules.denying(resource, operation) {
            if root {
                let message = format!("{name} denies {rule}, which does not bind a Root");
                self.step("R7", object.clone(), Effect::Ignored, &message);
            } else {
                self.deny("R7", object.clone(), *denied, format!("{name} denies {rule}"));
            }
        }
        if let Some(rule) = rules.allowing(resource, operation) {
            if may_allow {
                self.allow(object.clone(), *allowed, format!("{name} allows {rule}"));
            } else {
                let message = format!("{name} allows {rule}, but not on a device that only a Share shows");
                self.step("R7", object.clone(), Effect::Ignored, &message);
            }
        }
    }

    fn decide(mut self) -> Decision {
        if self.denied.is_none() && self.allowed.is_none() {
            let Question { operation, resource, .. } = self.question;
            let message = format!(
                "no rule allows {} to {} {}, and the default is deny",
                self.subject.username,
                operation.as_str(),
                resource.as_str()
            );
            self.deny("R7", self.subject.key.clone(), Ground::NotAllowed, message);
        }
        let Self { subject, question, denied, allowed, steps } = self;
        // One of them is there.
        let default = || (Ground::NotAllowed, String::new());
        let (reason, mut message) = denied.or(allowed).unwrap_or_else(default);
        let about_section = question.device.is_none() && question.creator.is_none();
        let filtered = reason.allows()
            && about_section
            && sight::individual(subject)
            && sections::filtered(&question.resource);
        if filtered {
            message.push_str(
                "; under Individual access it shows only what the account or accounts below it created",
            );
        }
        Decision { allowed: reason.allows(), reason, message, filtered, steps }
    }
}

/// By which of its receivers a grant reaches the account.
fn given_to(offer: &Offer, subject: &Subject) -> String {
    let path = || subject.tenant.own().map(|level| level.path.as_str()).unwrap_or_default();
    match reach::reaches(offer, subject) {
        None => String::new(),
        Some(Via::Account) => format!(" (given to {} by name)", subject.username),
        Some(Via::Group(group)) => format!(" (given to the group {group})"),
        Some(Via::Tenant) => format!(" (given to the accounts of tenant {})", path()),
    }
}

/// Who holds the device that is asked about, and how that is said.
fn held_by(subject: &Subject, device: Option<&Named<Device>>) -> (Option<ObjectKey>, String) {
    let Some(Named::Known(device)) = device else { return (None, "nobody".to_owned()) };
    match &device.holder {
        Holder::Nobody => (None, "nobody".to_owned()),
        Holder::Tenant(line) => {
            let path = line.own().map(|level| level.path.as_str()).unwrap_or_default();
            (line.own().and_then(|level| level.key.clone()), format!("tenant {path} itself"))
        }
        Holder::Account(person) if person.id == subject.id => {
            (subject.key.clone(), format!("the account {} itself", subject.username))
        }
        Holder::Account(person) => {
            let path = person.tenant.own().map(|level| level.path.as_str()).unwrap_or_default();
            let who = person.key.as_ref().map_or_else(|| "an account".to_owned(), ToString::to_string);
            (person.key.clone(), format!("{who} of tenant {path}"))
        }
    }
}

/// Whether a grant's rules can answer the question: by the device asked about,
/// or, without one, as a Share without `devices`.
fn concerns(question: &Question, offer: &Offer) -> bool {
    offer.covers == if question.device.is_some() { Covers::Asked } else { Covers::NoDevices }
}

/// One set of rules and how to speak of it.
struct Source<'a> {
    object: Option<ObjectKey>,
    name: String,
    rules: &'a Permissions,
    denied: Ground,
    allowed: Ground,
}

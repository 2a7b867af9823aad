//! How a decision is put into words: reasons, refusals and conditions. Every
//! reason that Tenantry can give stands here once; `docs/reasons.md` is
//! checked against this list.

use serde::{Deserialize, Serialize};

use super::object::Topic;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// Why a condition has the status that it has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Reason { $($(#[doc = $doc])+ $name),+ }

        impl Reason {
            /// Every reason with its explanation, for the documentation.
            pub const ALL: &'static [(Self, &'static str)] =
                &[$((Self::$name, concat!($($doc),+))),+];

            /// As it stands in a condition.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }
    };
}

reasons! {
    /// The database holds what this generation says.
    Reconciled,
    /// The object breaks its schema or one of its validation rules.
    Invalid,
    /// Outside root namespaces every object needs `managedByRef`.
    ManagerRequired,
    /// A Tenant without `parentRef` is accepted only in a root namespace.
    RootNotAllowed,
    /// Something that this object refers to does not exist yet.
    RefNotFound,
    /// The parent tenant does not admit this namespace.
    RefNotPermitted,
    /// The tenants would become their own ancestors.
    ParentCycle,
    /// The manager's tier may not create this tier (R1).
    TierNotAllowed,
    /// A root tenant has one Root, and only there (R1).
    RootExists,
    /// The manager lacks the capability for this (R2).
    CapabilityMissing,
    /// The target lies outside the manager's tenant or scope (R2).
    OutOfScope,
    /// The object would give more than its manager has (R2).
    ExceedsManager,
    /// The manager or a tenant above it is disabled (R2).
    ManagerDisabled,
    /// The manager lost the authority for what is in force (R2).
    AuthorityLost,
    /// A limit or quota leaves no room (R3).
    QuotaExceeded,
    /// The new limit is lower than what is in use (R3).
    LimitBelowUse,
    /// The role has never had this revision (R6).
    RevisionUnknown,
    /// Objects that are judged before this one may claim the same; this one is judged right after them (R12).
    ClaimsAhead,
    /// An immutable field was changed.
    Immutable,
    /// A row with this natural key exists and is managed by nobody or by another object.
    AlreadyExists,
    /// The row belongs to another source.
    ManagedElsewhere,
    /// An older grant by the same giver holds the devices.
    Conflict,
    /// The Secret does not exist.
    SecretNotFound,
    /// The Secret is not labelled for this use.
    SecretNotPermitted,
    /// The Secret lacks the key, or its value cannot be used.
    SecretInvalid,
    /// The tenant was removed with all it held; `adopt` is needed to create it again.
    TenantGone,
    /// Deletion waits: something is still inside.
    NotEmpty,
    /// Deletion waits for the annotation `confirm-delete`.
    ConfirmationRequired,
    /// The object is being deleted.
    Deleting,
    /// The annotation `paused` is set.
    Paused,
    /// The mail is queued and not sent yet.
    Queued,
    /// The mail was accepted by the mail server.
    Sent,
    /// The mail server refused for good, or the address cannot be written to.
    MailRefused,
    /// Sending failed and is tried again.
    MailRetrying,
    /// The mail could not be sent in time and is not tried again.
    MailGivenUp,
    /// The account is disabled; its mail waits until it is enabled.
    AccountDisabled,
    /// No mail is needed.
    NotNeeded,
    /// The person has not completed the activation.
    AwaitingActivation,
    /// The link expired before it was used.
    LinkExpired,
    /// The account is activated.
    Completed,
    /// Some devices are not in the inventory or not within reach.
    DevicesPending,
    /// Some devices were refused by a limit.
    DevicesRefused,
    /// The grant's time has not come.
    NotYet,
    /// The grant's time is over.
    Expired,
    /// The grant is in effect.
    InEffect,
    /// A role has a newer revision than the copy.
    RolesOutdated,
    /// The tenant's mail server takes connections, TLS and the sign-in.
    MailServerReady,
    /// The tenant's mail server was not tried yet.
    MailServerUntried,
    /// The tenant's mail server cannot be found or reached, or does not answer.
    MailServerUnreachable,
    /// The tenant's mail server has an inward address that `--mail-allow-hosts` does not permit.
    MailHostNotPermitted,
    /// The tenant's mail server has no TLS as it is set, or no certificate that can be accepted.
    MailTlsFailed,
    /// The tenant's mail server refuses the user name and password, or offers no way to sign in.
    MailSignInFailed,
    /// The tenant's mail server refuses to talk, for now or for good.
    MailServerRefuses,
    /// The settings or credentials of the tenant's mail server cannot be used.
    MailServerUnusable,
    /// The owner account does not exist yet.
    OwnerMissing,
}

impl Reason {
    /// The reason of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().map(|(reason, _)| *reason).find(|reason| reason.as_str() == name)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What can end a refusal. The refusal says it for itself; nothing else
/// decides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Only an edit of this object helps (`Stalled=True`).
    Edit,
    /// A change elsewhere helps, and these topics tell when (`Reconciling=True`).
    Wait(Vec<Topic>),
}

/// A rule said no. The last good state stays in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub reason: Reason,
    /// For people: what, why, and what to do.
    pub message: String,
    /// What can end it.
    pub remedy: Remedy,
}

impl Refusal {
    /// Only an edit of the object helps.
    pub fn edit(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), remedy: Remedy::Edit }
    }

    /// Something else must change first.
    pub fn wait(reason: Reason, message: impl Into<String>, topics: Vec<Topic>) -> Self {
        Self { reason, message: message.into(), remedy: Remedy::Wait(topics) }
    }
}

/// One condition without times; whoever reports it adds when it last changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// `Ready`, `Stalled`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// True or False.
    pub status: bool,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people. Contains no times and no counters.
    pub message: String,
}

impl Condition {
    /// A condition that holds.
    pub fn yes(kind: &str, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(kind, true, reason, message)
    }
    /// A condition that does not hold.
    pub fn no(kind: &str, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(kind, false, reason, message)
    }
    fn new(kind: &str, status: bool, reason: Reason, message: impl Into<String>) -> Self {
        let mut message: String = message.into();
        // The CRD bounds messages; a cut is better than a status that the API
        // server refuses.
        if message.chars().count() > MESSAGE_CHARS {
            message = message.chars().take(MESSAGE_CHARS - 1).collect();
            message.push('…');
        }
        Self { kind: kind.to_owned(), status, reason, message }
    }
}

/// An error with what caused it, in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.replace(['\n', '\r'], " ")
}

/// The longest message, in characters.
pub const MESSAGE_CHARS: usize = 2048;

/// `Ready` with what accompanies it: `Reconciling` or `Stalled` when it is
/// false (both are absent otherwise).
pub fn ready(outcome: Result<&str, &Refusal>) -> Vec<Condition> {
    match outcome {
        Ok(message) => vec![Condition::yes("Ready", Reason::Reconciled, message)],
        Err(refusal) => {
            let companion = match refusal.remedy {
                Remedy::Edit => "Stalled",
                Remedy::Wait(_) => "Reconciling",
            };
            vec![
                Condition::no("Ready", refusal.reason, &refusal.message),
                Condition::yes(companion, refusal.reason, &refusal.message),
            ]
        }
    }
}

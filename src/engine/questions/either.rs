//! A question of either sort, about access or about an administrative right,
//! how it is written, and what is said to it in one shape. Command line, access
//! tests and program interface ask here, so that all say the same.

use super::answer::{Answer, Checked, Step};
use super::asked::{Asked, Malformed};
use super::right::{self, AskedRight, RightAnswer};
use super::{Questions, RERUNS, answer_in, checked_in};
use crate::store::{Access, StoreError, Tx};

/// A well-formed question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// May this account do that?
    Access(Asked),
    /// May it use that right?
    Right(AskedRight),
}

/// A question as one writes it on a command line or in a file: its second word
/// decides of which sort it is.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    /// Who asks: a username or an e-mail.
    pub account: &'a str,
    /// What it wants to do: an operation or a capability.
    pub operation: &'a str,
    /// On what: a resource, with the id of a device behind a slash if it is
    /// about one; for a capability an object or a group.
    pub resource: &'a str,
    /// Whose data it is about.
    pub creator: Option<&'a str>,
    /// Whose objects a question about a right means, if several sources have
    /// one of the name.
    pub source: Option<&'a str>,
}

impl Ask {
    /// The question, if it is well-formed.
    pub fn read(words: Words<'_>) -> Result<Self, Malformed> {
        let Words { account, operation, resource, creator, source } = words;
        if let Some(capability) = AskedRight::capability(operation) {
            if creator.is_some() {
                return Err(Malformed::Creator);
            }
            return AskedRight::new(account, capability, resource, source).map(Self::Right);
        }
        if let Some(capability) = AskedRight::meant(operation) {
            return Err(Malformed::Spelling(capability));
        }
        let (resource, device) = match resource.split_once('/') {
            Some((resource, device)) => (resource, Some(device)),
            None => (resource, None),
        };
        Asked::new(account, operation, resource, device, creator).map(Self::Access)
    }
}

/// What is said to a question of either sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Whether the account's invitation has been completed.
    pub active: bool,
    /// What decided.
    pub reason: &'static str,
    /// What decided, in words.
    pub message: String,
    /// As in [`Answer`]; never of a right, which shows nothing.
    pub filtered: bool,
    /// What was looked at, in order; nothing unless it was asked for.
    pub steps: Vec<Step>,
    /// What would have to change for the opposite answer.
    pub changes: Vec<String>,
    /// Whether that is all that would have to change.
    pub suffices: bool,
}

impl From<Answer> for Said {
    fn from(answer: Answer) -> Self {
        let Answer { allowed, active, reason, message, filtered, steps, advice } = answer;
        let changes = advice.changes.iter().map(ToString::to_string).collect();
        let reason = reason.as_str();
        Self { allowed, active, reason, message, filtered, steps, changes, suffices: advice.suffices }
    }
}

impl From<Checked> for Said {
    fn from(answer: Checked) -> Self {
        let Checked { allowed, active, reason, message, filtered } = answer;
        let (reason, steps, changes) = (reason.as_str(), vec![], vec![]);
        Self { allowed, active, reason, message, filtered, steps, changes, suffices: false }
    }
}

impl From<RightAnswer> for Said {
    fn from(answer: RightAnswer) -> Self {
        let RightAnswer { allowed, active, reason, message, objects: _, steps, changes, suffices } = answer;
        Self { allowed, active, reason, message, filtered: false, steps, changes, suffices }
    }
}

impl Questions {
    /// Says to a question whether and, if `why`, by which steps, as things
    /// stand now.
    pub async fn say(&self, ask: &Ask, why: bool) -> Result<Said, StoreError> {
        Ok(match ask {
            Ask::Right(asked) => self.ask_right(asked, why).await?.into(),
            Ask::Access(asked) if why => self.ask(asked).await?.into(),
            Ask::Access(asked) => self.check(asked).await?.into(),
        })
    }

    /// Says the same to many questions, as things stand at one moment, in
    /// their order.
    pub async fn say_all(&self, asks: &[Ask], why: bool) -> Result<Vec<Said>, StoreError> {
        again!(self.store, |tx| all_said_in(tx, asks, why))
    }
}

async fn all_said_in(tx: &mut Tx, asks: &[Ask], why: bool) -> Result<Vec<Said>, StoreError> {
    let mut said = Vec::with_capacity(asks.len());
    for ask in asks {
        said.push(say_in(tx, ask, why).await?);
    }
    Ok(said)
}

/// Says to a question inside of a transaction.
pub(super) async fn say_in(tx: &mut Tx, ask: &Ask, why: bool) -> Result<Said, StoreError> {
    Ok(match ask {
        Ask::Right(asked) => right::answer(tx, asked, why).await?.into(),
        Ask::Access(asked) if why => answer_in(tx, asked).await?.into(),
        Ask::Access(asked) => checked_in(tx, asked).await?.into(),
    })
}

//! A question of either sort, about access or about an administrative right,
//! and what is said to it in one shape. Command line and program interface ask
//! here, so that both say the same.

use super::answer::{Answer, Checked, Step};
use super::asked::Asked;
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
    /// What was looked at, in order; nothing unless it was asked for.
    pub steps: Vec<Step>,
    /// What would have to change for the opposite answer.
    pub changes: Vec<String>,
    /// Whether that is all that would have to change.
    pub suffices: bool,
}

impl From<Answer> for Said {
    fn from(answer: Answer) -> Self {
        let Answer { allowed, active, reason, message, filtered: _, steps, advice } = answer;
        let changes = advice.changes.iter().map(ToString::to_string).collect();
        let reason = reason.as_str();
        Self { allowed, active, reason, message, steps, changes, suffices: advice.suffices }
    }
}

impl From<Checked> for Said {
    fn from(answer: Checked) -> Self {
        let Checked { allowed, active, reason, message, filtered: _ } = answer;
        let (steps, changes) = (vec![], vec![]);
        Self { allowed, active, reason: reason.as_str(), message, steps, changes, suffices: false }
    }
}

impl From<RightAnswer> for Said {
    fn from(answer: RightAnswer) -> Self {
        let RightAnswer { allowed, active, reason, message, objects: _, steps, changes, suffices } = answer;
        Self { allowed, active, reason, message, steps, changes, suffices }
    }
}

impl Questions {
    /// Says to a question whether and, if `why`, by which steps, as things
    /// stand now.
    pub async fn say(&self, ask: &Ask, why: bool) -> Result<Said, StoreError> {
        Ok(match ask {
            Ask::Right(asked) => self.ask_right(asked).await?.into(),
            Ask::Access(asked) if why => self.ask(asked).await?.into(),
            Ask::Access(asked) => self.check(asked).await?.into(),
        })
    }

    /// Says the same to many questions, as things stand at one moment, in
    /// their order.
    pub async fn say_all(&self, asks: &[Ask], why: bool) -> Result<Vec<Said>, StoreError> {
        let mut reruns = 0;
        loop {
            match self.attempt_to_say(asks, why).await {
                Err(error) if error.is_transient() && reruns < RERUNS => reruns += 1,
                other => return other,
            }
        }
    }

    async fn attempt_to_say(&self, asks: &[Ask], why: bool) -> Result<Vec<Said>, StoreError> {
        let mut tx = self.store().begin(Access::Read).await?;
        let mut said = Vec::with_capacity(asks.len());
        for ask in asks {
            said.push(say_in(&mut tx, ask, why).await?);
        }
        tx.commit().await?;
        Ok(said)
    }
}

async fn say_in(tx: &mut Tx, ask: &Ask, why: bool) -> Result<Said, StoreError> {
    Ok(match ask {
        Ask::Right(asked) => right::answer(tx, asked).await?.into(),
        Ask::Access(asked) if why => answer_in(tx, asked).await?.into(),
        Ask::Access(asked) => checked_in(tx, asked).await?.into(),
    })
}

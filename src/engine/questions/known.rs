//! Questions of somebody who may know everything, such as the operator who
//! keeps assertions about access. An answer denies what nobody knows in the
//! words for what is out of sight (R4); here it is told apart, because a name
//! with a slip in it is allowed nothing, and that proves nothing.

use super::either::{Ask, Said, say_in};
use super::{NoObject, Questions, RERUNS, names, right};
use crate::store::{Access, StoreError, Tx};

/// What a question names and the database does not know, so that an answer
/// would prove nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The account, or the creator.
    #[error("there is no account {0}: correct the name, or apply a SubAdmin with this username or e-mail")]
    Account(String),
    /// The device.
    #[error("there is no device {0} in the inventory: correct the id, or import the device")]
    Device(String),
    /// The object of a right, or which one is meant.
    #[error(transparent)]
    Object(#[from] NoObject),
}

impl Unknown {
    /// For programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Account(_) => "UnknownAccount",
            Self::Device(_) => "UnknownDevice",
            Self::Object(NoObject::Missing(_)) => "UnknownObject",
            Self::Object(NoObject::Ambiguous(..)) => "Ambiguous",
        }
    }
}

impl Questions {
    /// Says to many questions, as things stand at one moment and in their
    /// order, whether, or what they name that nobody knows.
    pub async fn judge_all(&self, asks: &[Ask]) -> Result<Vec<Result<Said, Unknown>>, StoreError> {
        again!(self.store, |tx| all_judged_in(tx, asks))
    }
}

async fn all_judged_in(tx: &mut Tx, asks: &[Ask]) -> Result<Vec<Result<Said, Unknown>>, StoreError> {
    let mut judged = Vec::with_capacity(asks.len());
    for ask in asks {
        let said = say_in(tx, ask, false).await?;
        // Nothing is allowed to somebody, or on something, that is not there.
        let unknown = if said.allowed { None } else { unknown_in(tx, ask).await? };
        judged.push(unknown.map_or(Ok(said), Err));
    }
    Ok(judged)
}

/// The first thing that a question names and that is not there.
async fn unknown_in(tx: &mut Tx, ask: &Ask) -> Result<Option<Unknown>, StoreError> {
    let account = |name: &str| Unknown::Account(name.to_owned());
    match ask {
        Ask::Access(asked) => {
            let facts = tx.facts(&names(asked)).await?;
            let asker = facts.asker.is_none().then(|| account(asked.account()));
            let device = asked.device().filter(|_| facts.device.is_none());
            let creator = asked.creator().filter(|_| facts.creator.is_none());
            Ok(asker.or(device.map(|id| Unknown::Device(id.to_owned()))).or(creator.map(account)))
        }
        Ask::Right(asked) => match tx.account_named(&asked.account).await? {
            None => Ok(Some(account(&asked.account))),
            Some(_) => Ok(right::place(tx, asked).await?.err().map(Unknown::Object)),
        },
    }
}

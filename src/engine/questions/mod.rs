//! May this account do that? Facts from the database, by one statement, and the
//! rules' decision over them (`domain::access`). Command line, program
//! interface and access tests all ask here, so that there is one answer. Calls
//! the store and the rules and changes nothing.

/// Reads in one snapshot, again if the connection was lost. A macro, because
/// the future of a function that takes an asynchronous closure is `Send` for
/// one lifetime only, which a server of pages cannot use.
macro_rules! again {
    ($store:expr, |$tx:ident| $read:expr) => {{
        let mut reruns = 0;
        loop {
            let attempt = async {
                let mut snapshot = $store.begin(Access::Read).await?;
                let $tx = &mut snapshot;
                let value = $read.await?;
                snapshot.commit().await?;
                Ok::<_, StoreError>(value)
            };
            match attempt.await {
                Err(error) if error.is_transient() && reruns < RERUNS => reruns += 1,
                other => break other,
            }
        }
    }};
}

mod answer;
mod asked;
mod either;
mod known;
mod reverse;
mod right;

use crate::domain::access::answer::Decision;
use crate::domain::access::decide;
use crate::domain::access::facts::{Covers, Device, Holder, Named, Offer, Question};
use crate::domain::access::flip::flip;
use crate::domain::grant::Mode;
use crate::domain::grant::chain::{Link, in_force};
use crate::store::questions::{Brief, Facts, Found, Names};
use crate::store::{Access, Store, StoreError, Tx};

pub use crate::store::questions::reverse::Right;
pub use answer::{Answer, Checked, Object, Step};
pub use asked::{Asked, Malformed, account_name};
pub use either::{Ask, Said, Words};
pub use known::Unknown;
pub use reverse::{Creator, DeviceRights, NoList, OPERATIONS, Page, Rules, Who};
pub use right::{AskedRight, NoObject, RightAnswer, Thing};

/// How often a question is asked again when the connection was lost.
const RERUNS: u32 = 3;

/// Answers questions about access. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Questions {
    store: Store,
}

impl Questions {
    /// Answers from this database.
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// The database that answers.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Answers a question as things stand now.
    pub async fn ask(&self, asked: &Asked) -> Result<Answer, StoreError> {
        let mut reruns = 0;
        loop {
            match self.attempt(asked).await {
                Err(error) if error.is_transient() && reruns < RERUNS => reruns += 1,
                other => return other,
            }
        }
    }

    async fn attempt(&self, asked: &Asked) -> Result<Answer, StoreError> {
        let facts = self.store.facts(&names(asked)).await?;
        if held_as_stored(&facts) {
            return Ok(answer(asked, facts, None));
        }
        // Time has ended an Assign that no pass has looked at since: who holds
        // the device is another question, to the same snapshot.
        let mut tx = self.store.begin(Access::Read).await?;
        let answer = answer_in(&mut tx, asked).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// Whether it is allowed and what decided, at the least cost; the same as
    /// [`Questions::ask`] says, without the steps that led there.
    pub async fn check(&self, asked: &Asked) -> Result<Checked, StoreError> {
        // Whose data it is about is a rarer question. (On the heap, so that
        // the usual one is small.)
        if asked.creator().is_some() {
            return Ok(Box::pin(self.ask(asked)).await?.into());
        }
        let mut reruns = 0;
        loop {
            match self.store.brief(asked.account(), asked.device()).await {
                // Time has ended something since the database last looked.
                Ok(Some(brief)) if brief.stale => return Ok(Box::pin(self.ask(asked)).await?.into()),
                Ok(brief) => return Ok(checked(asked, brief)),
                Err(error) if error.is_transient() && reruns < RERUNS => reruns += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Answers a question about an administrative right as things stand now;
    /// `why` asks for the steps that led there, too.
    pub async fn ask_right(&self, asked: &AskedRight, why: bool) -> Result<RightAnswer, StoreError> {
        again!(self.store, |tx| right::answer(tx, asked, why))
    }

    /// Answers many questions as things stand at one moment, in their order.
    pub async fn ask_all(&self, asked: &[Asked]) -> Result<Vec<Answer>, StoreError> {
        again!(self.store, |tx| answers_in(tx, asked))
    }
}

async fn answers_in(tx: &mut Tx, asked: &[Asked]) -> Result<Vec<Answer>, StoreError> {
    let mut answers = Vec::with_capacity(asked.len());
    for asked in asked {
        answers.push(answer_in(tx, asked).await?);
    }
    Ok(answers)
}

/// Decides over what a check has looked up.
fn checked(asked: &Asked, brief: Option<Brief>) -> Checked {
    let question = |device: Option<Device>| Question {
        operation: asked.operation().clone(),
        resource: asked.resource().clone(),
        device: asked.device().map(|id| device.map_or_else(|| Named::Unknown(id.to_owned()), Named::Known)),
        creator: None,
    };
    let (active, decision) = match brief {
        None => (false, decide(None, &question(None), &[], jiff::Timestamp::UNIX_EPOCH)),
        Some(Brief { now, asker, device, offers, stale: _ }) => {
            (asker.active, decide(Some(&asker.subject), &question(device), &offers, now))
        }
    };
    let Decision { allowed, reason, message, filtered, steps: _ } = decision;
    Checked { allowed, active, reason, message, filtered }
}

/// Checks inside of a transaction, at the least cost.
async fn checked_in(tx: &mut Tx, asked: &Asked) -> Result<Checked, StoreError> {
    if asked.creator().is_none() {
        match tx.brief(asked.account(), asked.device()).await? {
            // Time has ended something since the database last looked.
            Some(brief) if brief.stale => {}
            brief => return Ok(checked(asked, brief)),
        }
    }
    Ok(answer_in(tx, asked).await?.into())
}

/// Answers a question inside of a transaction.
async fn answer_in(tx: &mut Tx, asked: &Asked) -> Result<Answer, StoreError> {
    let facts = tx.facts(&names(asked)).await?;
    let holder = match &facts.device {
        Some(device) if !held_as_stored(&facts) => Some(match held(device, facts.now) {
            (Some(tenant), account) => tx.holder(tenant, account).await?,
            (None, _) => Holder::Nobody,
        }),
        _ => None,
    };
    Ok(answer(asked, facts, holder))
}

fn names(asked: &Asked) -> Names<'_> {
    Names { account: asked.account(), device: asked.device(), creator: asked.creator() }
}

/// Who holds a device at the time of the question.
fn held(device: &Found, now: jiff::Timestamp) -> (Option<uuid::Uuid>, Option<uuid::Uuid>) {
    in_force(&device.links, now).last().map_or((device.home, None), |link| (Some(link.tenant), link.account))
}

/// Whether whoever held the device when the database last looked holds it now.
fn held_as_stored(facts: &Facts) -> bool {
    facts.device.as_ref().is_none_or(|device| held(device, facts.now) == device.stored_by())
}

/// Decides. `holder` is who holds the device, if that is not as stored.
fn answer(asked: &Asked, facts: Facts, holder: Option<Holder>) -> Answer {
    let Facts { now, asker, individual, device, creator, offers, generations } = facts;
    let links = device.as_ref().map_or_else(Vec::new, |device| device.links.clone());
    let device = asked.device().map(|id| match device {
        None => Named::Unknown(id.to_owned()),
        Some(found) => Named::Known(Device { id: found.id, holder: holder.unwrap_or(found.stored) }),
    });
    let holder = match &device {
        Some(Named::Known(device)) => &device.holder,
        _ => &Holder::Nobody,
    };
    let offers = about(holder, &links, offers, now);
    let question = Question {
        operation: asked.operation().clone(),
        resource: asked.resource().clone(),
        device,
        creator: asked.creator().map(|name| match creator {
            None => Named::Unknown(name.to_owned()),
            Some(person) => Named::Known(person),
        }),
    };
    let subject = asker.as_ref().map(|asker| &asker.subject);
    let mut decision = decide(subject, &question, &offers, now);
    let origin = individual.zip(subject).and_then(|(origin, subject)| origin.told(subject, &decision));
    decision.steps.extend(origin);
    let advice = flip(subject, &question, &offers, now);
    Answer::new(decision, advice, asker.as_ref(), &generations)
}

/// What the grants are about, seen from a device with these links and this
/// holder.
fn about(
    holder: &Holder,
    links: &[Link],
    offers: Vec<(uuid::Uuid, Offer)>,
    now: jiff::Timestamp,
) -> Vec<Offer> {
    let lineage = match holder {
        Holder::Nobody => None,
        Holder::Tenant(tenant) => Some(tenant),
        Holder::Account(person) => Some(&person.tenant),
    };
    let grants: Vec<_> = in_force(links, now).iter().filter_map(|link| link.by.map(|by| by.grant)).collect();
    offers
        .into_iter()
        .map(|(grant, mut offer)| {
            // A Share is about what is held in its tenant or below; an Assign
            // about what it has given. What time has ended is named for what
            // it is.
            let about = match offer.mode {
                Mode::Share => lineage.is_some_and(|lineage| lineage.within(offer.tenant)),
                Mode::Assign => grants.contains(&grant) || !offer.in_effect(now),
            };
            if offer.covers == Covers::Asked && !about {
                offer.covers = Covers::Others;
            }
            offer
        })
        .collect()
}

/// A device as it is held at the time of the question, and what the grants are
/// about then.
async fn current(
    tx: &mut Tx,
    device: Found,
    offers: Vec<(uuid::Uuid, Offer)>,
    now: jiff::Timestamp,
) -> Result<(Device, Vec<Offer>), StoreError> {
    let holder = match held(&device, now) {
        as_stored if as_stored == device.stored_by() => device.stored,
        (Some(tenant), account) => tx.holder(tenant, account).await?,
        (None, _) => Holder::Nobody,
    };
    let offers = about(&holder, &device.links, offers, now);
    Ok((Device { id: device.id, holder }, offers))
}

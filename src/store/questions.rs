//! Everything that one question about access has to know, by one statement:
//! it is its own snapshot, brings the database's clock with it (R13), and looks
//! things up by their indexes alone, however much the database holds. Called by
//! `engine::questions`, which asks the rules.

mod check;
pub mod reverse;
mod rows;
mod statement;

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::sql::{args, json};
use super::{Store, StoreError, Tx};
use crate::domain::access::facts::{Holder, Lineage, Offer, Person, Subject};
use crate::domain::access::individual::Origin;
use crate::domain::grant::chain::Link;
use crate::domain::key::fold;
use crate::domain::object::ObjectKey;
pub use check::Brief;
use statement::{HOLDER, Shape};

/// What a question names. Accounts are named by username or e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    /// The account that asks.
    pub account: &'a str,
    /// The device that it asks about.
    pub device: Option<&'a str>,
    /// The account whose data it asks about.
    pub creator: Option<&'a str>,
}

/// The account that asks, with what is only reported beside the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// What the rules want to know.
    pub subject: Subject,
    /// Whether the invitation has been completed.
    pub active: bool,
}

/// A device as the database has it; who holds it at the time of the question is
/// the rules' business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its identifier.
    pub id: String,
    /// The tenant that holds it when nothing is assigned.
    pub home: Option<Uuid>,
    /// Who gave it to whom, from its home on.
    pub links: Vec<Link>,
    /// Who held it when the database last looked.
    pub stored: Holder,
}

impl Found {
    /// Which tenant and account held it when the database last looked.
    pub fn stored_by(&self) -> (Option<Uuid>, Option<Uuid>) {
        match &self.stored {
            Holder::Nobody => (None, None),
            Holder::Tenant(tenant) => (tenant.own().map(|level| level.id), None),
            Holder::Account(person) => (person.tenant.own().map(|level| level.id), Some(person.id)),
        }
    }
}

/// What the database knows about a question, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The database's time.
    pub now: Timestamp,
    /// The account; none: nobody is called so.
    pub asker: Option<Asker>,
    /// Where Individual access of the account comes from.
    pub individual: Option<Origin>,
    /// The device, if one is named and in the inventory.
    pub device: Option<Found>,
    /// The creator, if one is named and exists.
    pub creator: Option<Person>,
    /// The grants that may reach the account or a group of its scope. Whether
    /// those with devices are about the one asked about at the time of the
    /// question depends on who holds it then.
    pub offers: Vec<(Uuid, Offer)>,
    /// The generation in force of every object that is named above.
    pub generations: BTreeMap<ObjectKey, i64>,
}

impl Store {
    /// What is known about a question, in one statement that is its own
    /// snapshot.
    pub async fn facts(&self, names: &Names<'_>) -> Result<Facts, StoreError> {
        let (shape, args) = asked(names);
        let rows = self.alone(shape.sql(), args).await?;
        rows::facts(rows.first().ok_or(StoreError::Statement(sqlx::Error::RowNotFound))?, names)
    }

    /// What the answer to a question without a creator depends on, in one
    /// statement that is its own snapshot; none if there is no such account.
    pub async fn brief(&self, account: &str, device: Option<&str>) -> Result<Option<Brief>, StoreError> {
        let args = match device {
            None => args![fold(account)],
            Some(device) => args![fold(account), device],
        };
        let rows = self.alone(check::sql(account.contains('@'), device.is_some()), args).await?;
        check::brief(&rows, device.is_some())
    }

    /// The plainest question that there is: who holds a device, by its key.
    /// What others cost is measured against it.
    pub async fn holder_of(&self, device: &str) -> Result<Option<(Option<Uuid>, Option<Uuid>)>, StoreError> {
        let rows = self.alone("SELECT * FROM device WHERE id = $1", args![device]).await?;
        rows.first()
            .map(|row| Ok((row.opt_uuid("holder_tenant")?, row.opt_uuid("holder_account")?)))
            .transpose()
    }
}

impl Tx {
    /// What the answer to a question without a creator depends on; none if
    /// there is no such account.
    pub async fn brief(&mut self, account: &str, device: Option<&str>) -> Result<Option<Brief>, StoreError> {
        let args = match device {
            None => args![fold(account)],
            Some(device) => args![fold(account), device],
        };
        let rows = self.rows(check::sql(account.contains('@'), device.is_some()), args).await?;
        check::brief(&rows, device.is_some())
    }

    /// What the answers to one question depend on for many accounts, by one
    /// statement: those that there are, in the order of their usernames.
    pub async fn briefs(&mut self, keys: &[&str], device: Option<&str>) -> Result<Vec<Brief>, StoreError> {
        let args = match device {
            None => args![json(&keys)],
            Some(device) => args![json(&keys), device],
        };
        let rows = self.rows(check::sql_of_many(device.is_some()), args).await?;
        check::briefs(&rows, device.is_some())
    }

    /// What is known about a question.
    pub async fn facts(&mut self, names: &Names<'_>) -> Result<Facts, StoreError> {
        let (shape, args) = asked(names);
        rows::facts(&self.one(shape.sql(), args).await?, names)
    }

    /// A holder by its tenant and account: asked only about a device whose
    /// chain has come to its end since the database last looked.
    pub async fn holder(&mut self, tenant: Uuid, account: Option<Uuid>) -> Result<Holder, StoreError> {
        let row = self.one(HOLDER, args![tenant, account]).await?;
        rows::holder(&row, Some(tenant), &mut BTreeMap::new())
    }

    /// A tenant and all above it, as far as access is concerned.
    pub async fn lineage(&mut self, tenant: Uuid) -> Result<Lineage, StoreError> {
        Ok(Lineage::from(&self.chain(tenant).await?))
    }
}

fn asked(names: &Names<'_>) -> (Shape, Vec<super::sql::Value>) {
    let shape = Shape {
        by_email: names.account.contains('@'),
        device: names.device.is_some(),
        creator: names.creator.map(|name| name.contains('@')),
    };
    let args = match (names.device, names.creator) {
        (None, None) => args![fold(names.account)],
        (Some(device), None) => args![fold(names.account), device],
        (None, Some(creator)) => args![fold(names.account), fold(creator)],
        (Some(device), Some(creator)) => args![fold(names.account), device, fold(creator)],
    };
    (shape, args)
}

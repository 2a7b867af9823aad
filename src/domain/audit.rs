//! R11: the audit trail as a chain. Each sealed entry has a keyed digest over
//! itself, its place and the digest before it, and a keyed record of the head
//! stands beside the trail; so whoever can write the database, but has no key
//! file, can neither change nor remove what is sealed unnoticed. The engine
//! seals and verifies with these functions; [`reading`] says who may see what.

pub mod reading;
mod verify;

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretSlice};
use serde_json::{Value, json};
use uuid::Uuid;

use super::key::mac;
use super::object::ObjectKey;

pub use verify::{Break, Fault, Unsealed, Verified, Verifier};

/// On whose authority something was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// As people read it: `platform`, or `SubAdmin acme/kim`.
    pub name: String,
    /// The account; none for the platform.
    pub account: Option<Uuid>,
    /// The tenant of the account.
    pub tenant: Option<Uuid>,
}

impl Actor {
    /// The platform itself.
    pub fn platform() -> Self {
        Self { name: "platform".to_owned(), account: None, tenant: None }
    }
    /// An account of a tenant by its object, or by its identifier while
    /// unmanaged.
    pub fn account(id: Uuid, tenant: Uuid, key: Option<&ObjectKey>) -> Self {
        let name = key.map_or_else(|| format!("account {id}"), ToString::to_string);
        Self { name, account: Some(id), tenant: Some(tenant) }
    }
}

/// Words for somebody who is no account.
impl From<String> for Actor {
    fn from(name: String) -> Self {
        Self { name, account: None, tenant: None }
    }
}

/// What one entry says, as the database holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Identifier.
    pub id: Uuid,
    /// Order of appending.
    pub appended: i64,
    /// When.
    pub at: Timestamp,
    /// On whose authority, in words.
    pub actor: String,
    /// The account on whose authority; none for the platform.
    pub actor_account: Option<Uuid>,
    /// The tenant of that account.
    pub actor_tenant: Option<Uuid>,
    /// The account concerned.
    pub account: Option<Uuid>,
    /// What was done.
    pub action: String,
    /// Kind of the object.
    pub kind: Option<String>,
    /// Namespace of the object.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: Option<String>,
    /// The tenant it lies in.
    pub tenant: Option<Uuid>,
    /// Generation of the object.
    pub generation: Option<i64>,
    /// State before.
    pub before: Option<Value>,
    /// State after.
    pub after: Option<Value>,
}

impl Record {
    /// The one form in which an entry is digested: JSON without spaces, keys
    /// in order of bytes, every field present. Databases differ in how they
    /// keep JSON and times; what they mean is the same, and so is this.
    fn canonical(&self) -> String {
        let Self {
            id,
            appended,
            at,
            actor,
            actor_account,
            actor_tenant,
            account,
            action,
            kind,
            namespace,
            name,
            tenant,
            generation,
            before,
            after,
        } = self;
        let value = json!({
            "id": id, "appended": appended, "at": at.to_string(), "actor": actor,
            "actorAccount": actor_account, "actorTenant": actor_tenant, "account": account, "action": action, "kind": kind,
            "namespace": namespace, "name": name, "tenant": tenant, "generation": generation,
            "before": before, "after": after,
        });
        let mut text = String::new();
        write(&value, &mut text);
        text
    }
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            text.push('{');
            for (n, (name, value)) in fields.into_iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (n, value) in items.iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                write(value, text);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

/// An entry with its place in the chain, as it is found there.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Its place, from 1.
    pub sequence: i64,
    /// Its digest, in hex.
    pub digest: String,
    /// What it says; none if the row cannot be read as an entry any more.
    pub record: Option<Record>,
}

/// The key of the chain.
#[derive(Clone, Debug)]
pub struct TrailKey(SecretSlice<u8>);

impl TrailKey {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// The digest of an entry at its place, from the digest before it (empty
    /// for the first); 64 hex digits.
    pub fn digest(&self, before: &str, sequence: i64, record: &Record) -> String {
        let (place, content) = (sequence.to_be_bytes(), record.canonical());
        let parts: [&[u8]; 3] = [before.as_bytes(), &place, content.as_bytes()];
        HEXLOWER.encode(&mac(self.0.expose_secret(), "tenantry trail entry v1", &parts))
    }

    /// The record of a head.
    pub fn attest(&self, sequence: i64, digest: &str) -> Head {
        let place = sequence.to_be_bytes();
        let parts: [&[u8]; 2] = [&place, digest.as_bytes()];
        let proof = HEXLOWER.encode(&mac(self.0.expose_secret(), "tenantry trail head v1", &parts));
        Head { sequence, digest: digest.to_owned(), proof }
    }

    fn is_ours(&self, head: &Head) -> bool {
        self.attest(head.sequence, &head.digest) == *head
    }

    /// Where sealing goes on: the place and the digest before it. `last` is
    /// the last entry that is found in the chain. What was cut off after it
    /// leaves a hole for ever; so does a head that is not ours, because
    /// nobody can say any more what stood after that entry.
    pub fn resume(&self, head: Option<&Head>, last: Option<(i64, &str)>) -> (i64, String) {
        let found = last.map_or(0, |(sequence, _)| sequence);
        match (head, last) {
            (Some(head), _) if self.is_ours(head) => {
                (head.sequence.max(found).saturating_add(1), head.digest.clone())
            }
            (None, None) => (1, String::new()),
            (_, last) => {
                (found.saturating_add(2), last.map(|(_, digest)| digest.to_owned()).unwrap_or_default())
            }
        }
    }
}

/// What is remembered of the last entry sealed. Entries that were cut off at
/// the end are missed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The place of the last entry.
    pub sequence: i64,
    /// The digest of the last entry.
    pub digest: String,
    proof: String,
}

/// As stored.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.sequence, self.digest, self.proof)
    }
}

/// The stored text is no record of a head.
#[derive(Debug, thiserror::Error)]
#[error("not a record of the trail's head")]
pub struct NoHead;

impl FromStr for Head {
    type Err = NoHead;
    fn from_str(text: &str) -> Result<Self, NoHead> {
        let mut words = text.split(' ');
        match (words.next().map(str::parse), words.next(), words.next(), words.next()) {
            (Some(Ok(sequence)), Some(digest), Some(proof), None) => {
                Ok(Self { sequence, digest: digest.to_owned(), proof: proof.to_owned() })
            }
            _ => Err(NoHead),
        }
    }
}

#[cfg(test)]
mod tests;

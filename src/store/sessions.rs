//! Who is signed in. A session is found by a digest of its token; the token
//! itself is never here.

use uuid::Uuid;

use super::sql::args;
use super::{StoreError, Tx};
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::signin::Span;

/// What signing in needs to know of an account.
#[derive(Clone)]
pub struct Entrant {
    /// Identifier.
    pub id: Uuid,
    /// Its tenant.
    pub tenant: Uuid,
    /// Its object; none while unmanaged.
    pub key: Option<ObjectKey>,
    /// The hash of its password, if it has one.
    pub password_hash: Option<String>,
    /// It is enabled.
    pub enabled: bool,
    /// Its invitation was completed.
    pub activated: bool,
    /// Its address is proved.
    pub proved: bool,
}

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Digest of the token.
    pub digest: String,
    /// Whose.
    pub account: Uuid,
    /// Where it began.
    pub via: String,
    /// Its times.
    pub span: Span,
}

impl Tx {
    /// Who signs in with the address whose folded form this is.
    pub async fn entrant(&mut self, email_key: &str) -> Result<Option<Entrant>, StoreError> {
        let sql = "SELECT c.id, c.tenant_id, c.password_hash, c.enabled, c.activated_at, c.email_verified, o.namespace, o.name
            FROM account c LEFT JOIN object o ON o.id = c.object_id WHERE c.email_key = $1";
        let Some(row) = self.row(sql, args![email_key]).await? else { return Ok(None) };
        let key = row.opt_text("namespace")?.zip(row.opt_text("name")?);
        Ok(Some(Entrant {
            id: row.uuid("id")?,
            tenant: row.uuid("tenant_id")?,
            key: key.map(|(namespace, name)| ObjectKey::new(Kind::SubAdmin, namespace, name)),
            password_hash: row.opt_text("password_hash")?,
            enabled: row.bool("enabled")?,
            activated: row.opt_time("activated_at")?.is_some(),
            proved: row.bool("email_verified")?,
        }))
    }

    /// Makes the hash of the same password anew; the sessions stay.
    pub async fn renew_hash(&mut self, account: Uuid, old: &str, new: &str) -> Result<(), StoreError> {
        let sql = "UPDATE account SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
        self.write(sql, args![account, old, new]).await?;
        Ok(())
    }

    /// Begins a session. Of the account's others, the newest `keep` stay; those
    /// of anybody that have ended by themselves are cleared away.
    pub async fn insert_session(&mut self, session: &Session, keep: i64) -> Result<(), StoreError> {
        let now = self.now();
        self.write("DELETE FROM session WHERE ends_at <= $1", args![now]).await?;
        let sql = "DELETE FROM session WHERE account_id = $1 AND digest NOT IN
            (SELECT digest FROM session WHERE account_id = $1 ORDER BY began_at DESC, digest LIMIT $2)";
        self.write(sql, args![session.account, keep]).await?;
        let sql = "INSERT INTO session (digest, account_id, via, began_at, used_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6)";
        let Session { digest, account, via, span } = session;
        self.write(sql, args![digest, *account, via, span.began, span.used, span.ends]).await?;
        Ok(())
    }

    /// The session with this digest, whether or not it still stands.
    pub async fn session(&mut self, digest: &str) -> Result<Option<Session>, StoreError> {
        let sql = "SELECT digest, account_id, via, began_at, used_at, ends_at FROM session WHERE digest = $1";
        self.row(sql, args![digest])
            .await?
            .map(|row| {
                let span = Span {
                    began: row.time("began_at")?,
                    used: row.time("used_at")?,
                    ends: row.time("ends_at")?,
                };
                Ok(Session {
                    digest: row.text("digest")?,
                    account: row.uuid("account_id")?,
                    via: row.text("via")?,
                    span,
                })
            })
            .transpose()
    }

    /// Notes that a session is used.
    pub async fn note_use(&mut self, digest: &str) -> Result<(), StoreError> {
        let now = self.now();
        self.write("UPDATE session SET used_at = $2 WHERE digest = $1", args![digest, now]).await?;
        Ok(())
    }

    /// Ends a session; false if it had ended before.
    pub async fn end_session(&mut self, digest: &str) -> Result<bool, StoreError> {
        Ok(self.write("DELETE FROM session WHERE digest = $1", args![digest]).await? == 1)
    }

    /// Ends every session of an account.
    pub async fn end_sessions(&mut self, account: Uuid) -> Result<(), StoreError> {
        self.write("DELETE FROM session WHERE account_id = $1", args![account]).await?;
        Ok(())
    }

    /// Ends every session in a tenant and below it.
    pub async fn end_sessions_below(&mut self, tenant: Uuid) -> Result<(), StoreError> {
        let sql = "DELETE FROM session WHERE account_id IN
            (SELECT c.id FROM tenant_ancestor a JOIN account c ON c.tenant_id = a.tenant_id WHERE a.ancestor_id = $1)";
        self.write(sql, args![tenant]).await?;
        Ok(())
    }
}

//! Links sent to people (R8): issued with the account or a resend, read by
//! the page, consumed once.

use jiff::Timestamp;
use uuid::Uuid;

use super::sql::{Row, args};
use super::{Inner, StoreError, Tx};
use crate::domain::activation::Purpose;

/// A link as stored: the nonce, never the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    /// Identifier; part of the token.
    pub id: Uuid,
    /// Whose.
    pub account: Uuid,
    /// What following it achieves.
    pub purpose: Purpose,
    /// Random; useless without the key.
    pub nonce: String,
    /// When it was queued.
    pub issued_at: Timestamp,
    /// No longer valid from then on.
    pub expires_at: Timestamp,
    /// `open`, `used` or `replaced`.
    pub state: String,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

pub(super) fn activation(row: &Row) -> Result<Activation, StoreError> {
    Ok(Activation {
        id: row.uuid("id")?,
        account: row.uuid("account_id")?,
        purpose: row
            .text("purpose")?
            .parse()
            .map_err(|_| StoreError::Shape("purpose of an activation".to_owned()))?,
        nonce: row.text("nonce")?,
        issued_at: row.time("issued_at")?,
        expires_at: row.time("expires_at")?,
        state: row.text("state")?,
        used_at: row.opt_time("used_at")?,
    })
}

impl Tx {
    /// Issues a link and queues its mail, replacing any open one: the earlier
    /// link stops working and its mail, if still queued, is dropped.
    pub async fn issue(&mut self, a: &Activation, message_id: &str) -> Result<(), StoreError> {
        self.close_links(a.account).await?;
        let sql = "INSERT INTO activation (id, account_id, purpose, nonce, issued_at, expires_at, state) VALUES ($1, $2, $3, $4, $5, $6, 'open')";
        self.write(sql, args![a.id, a.account, a.purpose.as_str(), &a.nonce, a.issued_at, a.expires_at])
            .await?;
        let sql = "INSERT INTO outbox (id, activation_id, account_id, message_id, state, attempts, queued_at, due_at)
            VALUES ($1, $1, $2, $3, 'queued', 0, $4, $4)";
        self.write(sql, args![a.id, a.account, message_id, a.issued_at]).await?;
        Ok(())
    }

    /// Withdraws open links and queued mails of an account.
    pub async fn close_links(&mut self, account: Uuid) -> Result<(), StoreError> {
        self.write(
            "UPDATE activation SET state = 'replaced' WHERE account_id = $1 AND state = 'open'",
            args![account],
        )
        .await?;
        self.write(
            "UPDATE outbox SET state = 'dropped' WHERE account_id = $1 AND state = 'queued'",
            args![account],
        )
        .await?;
        Ok(())
    }

    /// One link by its identifier.
    pub async fn activation(&mut self, id: Uuid) -> Result<Option<Activation>, StoreError> {
        self.row("SELECT * FROM activation WHERE id = $1", args![id])
            .await?
            .map(|row| activation(&row))
            .transpose()
    }

    /// Whom a mail to an address would concern: the account that signs in with
    /// it, else the one that waits to.
    pub async fn account_waiting_at(&mut self, email_key: &str) -> Result<Option<Uuid>, StoreError> {
        let sql = "SELECT id FROM account WHERE email_key = $1
            UNION ALL SELECT id FROM account WHERE pending_email_key = $1 AND NOT EXISTS (SELECT 1 FROM account WHERE email_key = $1)";
        self.row(sql, args![email_key]).await?.map(|row| row.uuid("id")).transpose()
    }

    /// The open link of an account, else its newest. Times are whole seconds,
    /// so of two links of the same second only the state says which replaced
    /// the other.
    pub async fn latest_activation(&mut self, account: Uuid) -> Result<Option<Activation>, StoreError> {
        let sql = "SELECT * FROM activation WHERE account_id = $1 ORDER BY (state = 'open') DESC, issued_at DESC, id DESC LIMIT 1";
        self.row(sql, args![account]).await?.map(|row| activation(&row)).transpose()
    }

    /// Waits until no other transaction works on the tree of an account's
    /// tenant, like [`Tx::lock_tree_of`]: a reconciliation that has read the
    /// account writes all of it back.
    pub async fn lock_tree_of_account(&mut self, account: Uuid) -> Result<(), StoreError> {
        let Inner::Postgres(_) = self.inner else { return Ok(()) };
        let find = "SELECT t.root_id FROM account c JOIN tenant t ON t.id = c.tenant_id WHERE c.id = $1";
        let lock = "SELECT held.root_id FROM (SELECT t.root_id, pg_advisory_xact_lock(hashtextextended(t.root_id::text, 7301)) FROM account c JOIN tenant t ON t.id = c.tenant_id WHERE c.id = $1) AS held";
        let Some(locked) = self.row(lock, args![account]).await? else { return Ok(()) };
        let locked = locked.uuid("root_id")?;
        // The root may have changed while this waited.
        match self.row(find, args![account]).await? {
            Some(row) if row.uuid("root_id")? != locked => Err(StoreError::Moved),
            _ => Ok(()),
        }
    }

    /// Uses a link up: one statement that also checks that it is open and not
    /// expired. False if somebody else was first or it is too late.
    pub async fn consume(&mut self, id: Uuid) -> Result<bool, StoreError> {
        let now = self.now();
        let sql = "UPDATE activation SET state = 'used', used_at = $2 WHERE id = $1 AND state = 'open' AND expires_at > $2";
        Ok(self.write(sql, args![id, now]).await? == 1)
    }
}

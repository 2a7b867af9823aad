//! The mails that wait to be sent. A worker claims a few, sends them outside
//! of any transaction, and marks each; a claim that is not marked in time is
//! free again, so a crash repeats at most the mail in flight.

use jiff::Timestamp;
use uuid::Uuid;

use super::sql::{Sql, args, json};
use super::{StoreError, Tx};

/// A claimed mail with what is needed to compose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Identifier in the outbox.
    pub id: Uuid,
    /// The link to send.
    pub activation: Uuid,
    /// To whom.
    pub account: Uuid,
    /// Stable over attempts.
    pub message_id: String,
    /// Attempts so far.
    pub attempts: i64,
    /// When it was decided.
    pub queued_at: Timestamp,
}

/// How the mails of an account stand, for its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailState {
    /// `queued`, `sent` or `failed` for the newest mail.
    pub state: Option<String>,
    /// When the newest accepted mail was accepted.
    pub sent_at: Option<Timestamp>,
    /// How many mails were accepted in all.
    pub sends: i64,
    /// Why the last attempt failed.
    pub problem: Option<String>,
}

impl Tx {
    /// Claims up to `limit` due mails for `worker` until `until`.
    pub async fn claim_mails(
        &mut self,
        worker: Uuid,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        let now = self.now();
        let sql = Sql {
            postgres: "UPDATE outbox SET claimed_by = $1, claimed_until = $2 WHERE id IN (
                    SELECT id FROM outbox WHERE state = 'queued' AND due_at <= $3 AND (claimed_until IS NULL OR claimed_until <= $3)
                    ORDER BY due_at, id LIMIT $4 FOR UPDATE SKIP LOCKED)
                RETURNING id, activation_id, account_id, message_id, attempts, queued_at",
            sqlite: "UPDATE outbox SET claimed_by = $1, claimed_until = $2 WHERE id IN (
                    SELECT id FROM outbox WHERE state = 'queued' AND due_at <= $3 AND (claimed_until IS NULL OR claimed_until <= $3)
                    ORDER BY due_at, id LIMIT $4)
                RETURNING id, activation_id, account_id, message_id, attempts, queued_at",
        };
        let rows = self.rows(sql, args![worker, until, now, limit]).await?;
        rows.iter()
            .map(|row| {
                Ok(Claimed {
                    id: row.uuid("id")?,
                    activation: row.uuid("activation_id")?,
                    account: row.uuid("account_id")?,
                    message_id: row.text("message_id")?,
                    attempts: row.int("attempts")?,
                    queued_at: row.time("queued_at")?,
                })
            })
            .collect()
    }

    /// Whether any mail is due that nobody has claimed; a plain read, so that
    /// an idle worker writes nothing.
    pub async fn any_mail_due(&mut self) -> Result<bool, StoreError> {
        let now = self.now();
        let sql = "SELECT 1 AS one FROM outbox WHERE state = 'queued' AND due_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1) LIMIT 1";
        Ok(self.row(sql, args![now]).await?.is_some())
    }

    /// Marks a claimed mail as accepted and wakes its account's object. False
    /// if it was replaced or taken over in the meantime.
    pub async fn mark_sent(&mut self, id: Uuid, worker: Uuid) -> Result<bool, StoreError> {
        let now = self.now();
        let sql = "UPDATE outbox SET state = 'sent', sent_at = $3, attempts = attempts + 1, claimed_by = NULL, claimed_until = NULL, problem = NULL
            WHERE id = $1 AND claimed_by = $2 AND state = 'queued'";
        let marked = self.write(sql, args![id, worker, now]).await? == 1;
        self.wake_recipient(id).await?;
        Ok(marked)
    }

    /// Records a failed attempt: `again` is the next one, none gives up.
    pub async fn mark_failed(
        &mut self,
        id: Uuid,
        worker: Uuid,
        problem: &str,
        again: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let sql = "UPDATE outbox SET state = $3, due_at = $4, attempts = attempts + 1, claimed_by = NULL, claimed_until = NULL, problem = $5
            WHERE id = $1 AND claimed_by = $2 AND state = 'queued'";
        let state = if again.is_some() { "queued" } else { "failed" };
        self.write(sql, args![id, worker, state, again.unwrap_or(now), problem]).await?;
        self.wake_recipient(id).await
    }

    /// Gives claimed mails back without counting an attempt, to be claimed
    /// again from `due_at` on.
    pub async fn postpone_mails(
        &mut self,
        ids: &[Uuid],
        worker: Uuid,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = Sql {
            postgres: "UPDATE outbox SET due_at = $3, claimed_by = NULL, claimed_until = NULL
                WHERE claimed_by = $2 AND state = 'queued' AND id IN (SELECT jsonb_array_elements_text($1)::uuid)",
            sqlite: "UPDATE outbox SET due_at = $3, claimed_by = NULL, claimed_until = NULL
                WHERE claimed_by = $2 AND state = 'queued' AND id IN (SELECT value FROM json_each($1))",
        };
        self.write(sql, args![json(&ids), worker, due_at]).await?;
        Ok(())
    }

    /// Takes a claimed mail out that nobody should get any more, and wakes its
    /// account's object.
    pub async fn mark_dropped(&mut self, id: Uuid, worker: Uuid) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET state = 'dropped', claimed_by = NULL, claimed_until = NULL WHERE id = $1 AND claimed_by = $2 AND state = 'queued'";
        self.write(sql, args![id, worker]).await?;
        self.wake_recipient(id).await
    }

    async fn wake_recipient(&mut self, outbox: Uuid) -> Result<(), StoreError> {
        let now = self.now();
        let sql = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at) SELECT c.object_id, $2::timestamptz FROM outbox b JOIN account c ON c.id = b.account_id
                WHERE b.id = $1 AND c.object_id IS NOT NULL ON CONFLICT (object_id) DO UPDATE SET due_at = excluded.due_at",
            sqlite: "INSERT INTO wakeup (object_id, due_at) SELECT c.object_id, $2 FROM outbox b JOIN account c ON c.id = b.account_id
                WHERE b.id = $1 AND c.object_id IS NOT NULL ON CONFLICT (object_id) DO UPDATE SET due_at = excluded.due_at",
        };
        self.write(sql, args![outbox, now]).await?;
        Ok(())
    }

    /// How the mails of one account stand.
    pub async fn mail_state(&mut self, account: Uuid) -> Result<MailState, StoreError> {
        let sql = "SELECT (SELECT state FROM outbox WHERE account_id = $1 AND state <> 'dropped' ORDER BY queued_at DESC, id DESC LIMIT 1) AS state,
                (SELECT problem FROM outbox WHERE account_id = $1 AND state <> 'dropped' ORDER BY queued_at DESC, id DESC LIMIT 1) AS problem,
                (SELECT MAX(sent_at) FROM outbox WHERE account_id = $1) AS sent_at,
                (SELECT count(*) FROM outbox WHERE account_id = $1 AND state = 'sent') AS sends";
        let row = self.one(sql, args![account]).await?;
        Ok(MailState {
            state: row.opt_text("state")?,
            sent_at: row.opt_time("sent_at")?,
            sends: row.int("sends")?,
            problem: row.opt_text("problem")?,
        })
    }

    /// How many mails wait, and since when the oldest does.
    pub async fn mails_waiting(&mut self) -> Result<(i64, Option<Timestamp>), StoreError> {
        let row = self
            .one("SELECT count(*) AS n, MIN(queued_at) AS oldest FROM outbox WHERE state = 'queued'", args![])
            .await?;
        Ok((row.int("n")?, row.opt_time("oldest")?))
    }

    /// Lets every queued mail of these accounts be tried at once, for a
    /// command that sends before it exits.
    pub async fn hurry_mails(&mut self, accounts: &[Uuid]) -> Result<(), StoreError> {
        let now = self.now();
        let sql = Sql {
            postgres: "UPDATE outbox SET due_at = $2 WHERE state = 'queued' AND due_at > $2 AND account_id IN (SELECT jsonb_array_elements_text($1)::uuid)",
            sqlite: "UPDATE outbox SET due_at = $2 WHERE state = 'queued' AND due_at > $2 AND account_id IN (SELECT value FROM json_each($1))",
        };
        self.write(sql, args![json(&accounts), now]).await?;
        Ok(())
    }
}

//! The mails that wait to be sent. A worker claims a few for a short time,
//! keeps its claims while it lives, sends outside of any transaction, and marks
//! each mail. A claim that is not kept runs out by itself, so that mails of a
//! worker that went away are free again soon.
//!
//! A mail belongs to the source of its account's object: only processes of that
//! source claim it, because only they have its mail server and the Secrets of
//! its tenants. A mail to an account that no object manages belongs to the
//! source of the account's tenant; if no object manages that either, any
//! process takes it, so that it is sent or dropped and does not wait for ever.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::activations::{Activation, activation};
use super::sql::{Row, Sql, args, json};
use super::{Access, Pool, Store, StoreError, Tx};
use crate::domain::object::{Kind, ObjectKey};
use crate::failpoint;

/// A claimed mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Identifier in the outbox.
    pub id: Uuid,
    /// Stable over attempts.
    pub message_id: String,
    /// Attempts so far.
    pub attempts: i64,
    /// When it was decided.
    pub queued_at: Timestamp,
}

/// What a mail says and to whom, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// The link to send.
    pub link: Activation,
    /// The account's object; none while unmanaged.
    pub key: Option<ObjectKey>,
    /// The source that the mail belongs to; none if any process may send it.
    pub source: Option<String>,
    /// The account's tenant.
    pub tenant: Uuid,
    /// Whether the account may sign in.
    pub enabled: bool,
    /// Its username.
    pub username: String,
    /// Its address.
    pub email: String,
    /// The address that is to become its own.
    pub pending_email: Option<String>,
    /// Its language.
    pub locale: String,
    /// Why the last attempt failed.
    pub problem: Option<String>,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another one, then.
    At(Timestamp),
    /// None: this mail will never be taken.
    Never,
    /// None: it would come after the end of the link, which is then.
    TooLate(Timestamp),
}

impl Next {
    /// State and time as stored. A mail that came too late is known by a time
    /// that its link did not live to see.
    fn stored(self, now: Timestamp) -> (&'static str, Timestamp) {
        match self {
            Self::At(at) => ("queued", at),
            Self::Never => ("failed", now),
            Self::TooLate(end) => ("failed", end.max(now)),
        }
    }
}

/// How the mails of an account stand, for its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailState {
    /// `queued`, `sent`, `failed` or `dropped` for the newest mail; none if
    /// there never was one.
    pub state: Option<String>,
    /// When the newest accepted mail was accepted.
    pub sent_at: Option<Timestamp>,
    /// How many mails were accepted in all.
    pub sends: i64,
    /// Why the last attempt failed.
    pub problem: Option<String>,
    /// Whether the newest mail failed because time ran out, and not because it
    /// was refused.
    pub too_late: bool,
}

fn claimed(row: &Row) -> Result<Claimed, StoreError> {
    Ok(Claimed {
        id: row.uuid("id")?,
        message_id: row.text("message_id")?,
        attempts: row.int("attempts")?,
        queued_at: row.time("queued_at")?,
    })
}

fn addressed(row: &Row) -> Result<Addressed, StoreError> {
    let key = row.opt_text("object_namespace")?.zip(row.opt_text("object_name")?);
    Ok(Addressed {
        link: activation(row)?,
        key: key.map(|(namespace, name)| ObjectKey::new(Kind::SubAdmin, namespace, name)),
        source: row.opt_text("mail_source")?,
        tenant: row.uuid("tenant_id")?,
        enabled: row.bool("enabled")?,
        username: row.text("username")?,
        email: row.text("email")?,
        pending_email: row.opt_text("pending_email")?,
        locale: row.text("locale")?,
        problem: row.opt_text("problem")?,
    })
}

/// The queue with what says whose a mail is: `o` is its account's object,
/// `above` that of the account's tenant.
macro_rules! queue {
    () => {
        "outbox b JOIN account c ON c.id = b.account_id JOIN tenant t ON t.id = c.tenant_id
            LEFT JOIN object o ON o.id = c.object_id LEFT JOIN object above ON above.id = t.object_id"
    };
}

/// That a mail of the queue belongs to the source in this parameter, or to none.
macro_rules! of_source {
    ($source:literal) => {
        concat!(
            "(o.source = ",
            $source,
            " OR (o.source IS NULL AND (above.source IS NULL OR above.source = ",
            $source,
            ")))"
        )
    };
}

impl Store {
    /// Whether any mail of a source is due that nobody has claimed, leaving out
    /// those of some tenants; one plain read, so that an idle worker writes
    /// nothing. In order, because that begins at the queue and not at the
    /// accounts, however many there are.
    pub async fn any_mail_due(&self, source: &str, except: &[Uuid]) -> Result<bool, StoreError> {
        let sql = Sql {
            postgres: concat!(
                "SELECT 1 AS one FROM ",
                queue!(),
                " WHERE b.state = 'queued' AND b.due_at <= now() AND (b.claimed_until IS NULL OR b.claimed_until <= date_trunc('second', now()))
                AND c.tenant_id NOT IN (SELECT jsonb_array_elements_text($1)::uuid) AND ",
                of_source!("$2"),
                " ORDER BY b.due_at, b.id LIMIT 1"
            ),
            sqlite: concat!(
                "SELECT 1 AS one FROM ",
                queue!(),
                " WHERE b.state = 'queued' AND b.due_at <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now') AND (b.claimed_until IS NULL OR b.claimed_until <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
                AND c.tenant_id NOT IN (SELECT value FROM json_each($1)) AND ",
                of_source!("$2"),
                " ORDER BY b.due_at, b.id LIMIT 1"
            ),
        };
        Ok(!self.alone(sql, args![json(&except), source]).await?.is_empty())
    }

    /// Marks a mail as accepted and wakes its account's object, whoever has
    /// claimed it: that a server has taken it is a fact. False if it was
    /// replaced in the meantime. The next mail waits for this one, so it is as
    /// short as it can be: one statement where statements travel.
    pub async fn mark_sent(&self, id: Uuid) -> Result<bool, StoreError> {
        failpoint::reach("mark");
        let marked = match &self.pool {
            Pool::Postgres(..) => {
                let sql = "WITH marked AS (
                        UPDATE outbox SET state = 'sent', sent_at = date_trunc('second', now()), attempts = attempts + 1, claimed_by = NULL, claimed_until = NULL, problem = NULL
                        WHERE id = $1 AND state = 'queued' RETURNING account_id),
                    woken AS (
                        INSERT INTO wakeup (object_id, due_at) SELECT c.object_id, date_trunc('second', now()) FROM marked m JOIN account c ON c.id = m.account_id
                        WHERE c.object_id IS NOT NULL ON CONFLICT (object_id) DO UPDATE SET due_at = excluded.due_at)
                    SELECT 1 AS one FROM marked";
                self.counted(self.alone(sql, args![id]).await?.len())
            }
            Pool::Sqlite(_) | Pool::Rehearsed(_) => {
                let mut tx = self.begin(Access::Write).await?;
                let now = tx.now();
                let sql = "UPDATE outbox SET state = 'sent', sent_at = $2, attempts = attempts + 1, claimed_by = NULL, claimed_until = NULL, problem = NULL
                    WHERE id = $1 AND state = 'queued'";
                let marked = tx.write(sql, args![id, now]).await?;
                if marked > 0 {
                    tx.wake_recipient(id).await?;
                }
                tx.commit().await?;
                marked
            }
        };
        failpoint::reach("marked");
        Ok(marked > 0)
    }

    /// Keeps the claims of a worker on these mails for another while; those
    /// that it still has. The others were replaced, or taken over.
    pub async fn keep_mails(
        &self,
        ids: &[Uuid],
        worker: Uuid,
        lease: SignedDuration,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut tx = self.begin(Access::Write).await?;
        let until = tx.now().saturating_add(lease).unwrap_or(tx.now());
        let sql = Sql {
            postgres: "UPDATE outbox SET claimed_until = $3 WHERE claimed_by = $2 AND state = 'queued' AND id IN (SELECT jsonb_array_elements_text($1)::uuid) RETURNING id",
            sqlite: "UPDATE outbox SET claimed_until = $3 WHERE claimed_by = $2 AND state = 'queued' AND id IN (SELECT value FROM json_each($1)) RETURNING id",
        };
        let rows = tx.rows(sql, args![json(&ids), worker, until]).await?;
        self.counted(rows.len());
        tx.commit().await?;
        rows.iter().map(|row| row.uuid("id")).collect()
    }
}

impl Tx {
    /// Claims up to `limit` due mails of a source for `worker` until `until`,
    /// oldest first, leaving out those of some tenants.
    pub async fn claim_mails(
        &mut self,
        source: &str,
        worker: Uuid,
        until: Timestamp,
        limit: i64,
        except: &[Uuid],
    ) -> Result<Vec<Claimed>, StoreError> {
        let now = self.now();
        let sql = Sql {
            postgres: concat!(
                "WITH due AS MATERIALIZED (
                    SELECT b.id FROM ",
                queue!(),
                " WHERE b.state = 'queued' AND b.due_at <= $3 AND (b.claimed_until IS NULL OR b.claimed_until <= $3)
                    AND c.tenant_id NOT IN (SELECT jsonb_array_elements_text($5)::uuid) AND ",
                of_source!("$6"),
                " ORDER BY b.due_at, b.id LIMIT $4 FOR UPDATE OF b SKIP LOCKED)
                UPDATE outbox SET claimed_by = $1, claimed_until = $2 FROM due WHERE outbox.id = due.id
                RETURNING outbox.id, outbox.message_id, outbox.attempts, outbox.queued_at"
            ),
            sqlite: concat!(
                "UPDATE outbox SET claimed_by = $1, claimed_until = $2 WHERE id IN (
                    SELECT b.id FROM ",
                queue!(),
                " WHERE b.state = 'queued' AND b.due_at <= $3 AND (b.claimed_until IS NULL OR b.claimed_until <= $3)
                    AND c.tenant_id NOT IN (SELECT value FROM json_each($5)) AND ",
                of_source!("$6"),
                " ORDER BY b.due_at, b.id LIMIT $4)
                RETURNING id, message_id, attempts, queued_at"
            ),
        };
        let rows = self.rows(sql, args![worker, until, now, limit, json(&except), source]).await?;
        self.writes.fetch_add(rows.len() as u64, std::sync::atomic::Ordering::Relaxed);
        let mut mails = rows.iter().map(claimed).collect::<Result<Vec<_>, _>>()?;
        mails.sort_by_key(|mail| (mail.queued_at, mail.id));
        Ok(mails)
    }

    /// Claims what is queued for one account, due or not, unless another worker
    /// has it: for somebody who has named the account, whatever its source.
    pub async fn claim_mails_to(
        &mut self,
        account: Uuid,
        worker: Uuid,
        until: Timestamp,
    ) -> Result<Vec<Claimed>, StoreError> {
        let now = self.now();
        let sql = "UPDATE outbox SET claimed_by = $1, claimed_until = $2
            WHERE account_id = $4 AND state = 'queued' AND (claimed_until IS NULL OR claimed_until <= $3)
            RETURNING id, message_id, attempts, queued_at";
        let rows = self.rows(sql, args![worker, until, now, account]).await?;
        self.writes.fetch_add(rows.len() as u64, std::sync::atomic::Ordering::Relaxed);
        rows.iter().map(claimed).collect()
    }

    /// What these mails say and to whom; those that nobody waits for any more
    /// are left out.
    pub async fn addressed(&mut self, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Addressed>, StoreError> {
        let sql = Sql {
            postgres: "SELECT v.*, b.id AS outbox_id, b.problem, c.username, c.email, c.pending_email, c.locale, c.enabled, c.tenant_id,
                    o.namespace AS object_namespace, o.name AS object_name, COALESCE(o.source, above.source) AS mail_source
                FROM outbox b JOIN activation v ON v.id = b.activation_id JOIN account c ON c.id = b.account_id LEFT JOIN object o ON o.id = c.object_id
                JOIN tenant t ON t.id = c.tenant_id LEFT JOIN object above ON above.id = t.object_id
                WHERE b.state = 'queued' AND b.id IN (SELECT jsonb_array_elements_text($1)::uuid)",
            sqlite: "SELECT v.*, b.id AS outbox_id, b.problem, c.username, c.email, c.pending_email, c.locale, c.enabled, c.tenant_id,
                    o.namespace AS object_namespace, o.name AS object_name, COALESCE(o.source, above.source) AS mail_source
                FROM outbox b JOIN activation v ON v.id = b.activation_id JOIN account c ON c.id = b.account_id LEFT JOIN object o ON o.id = c.object_id
                JOIN tenant t ON t.id = c.tenant_id LEFT JOIN object above ON above.id = t.object_id
                WHERE b.state = 'queued' AND b.id IN (SELECT value FROM json_each($1))",
        };
        let rows = self.rows(sql, args![json(&ids)]).await?;
        rows.iter().map(|row| Ok((row.uuid("outbox_id")?, addressed(row)?))).collect()
    }

    /// Records a failed attempt and what follows. The account's object is woken
    /// if there is something new to tell.
    pub async fn mark_failed(
        &mut self,
        id: Uuid,
        worker: Uuid,
        problem: &str,
        next: Next,
    ) -> Result<(), StoreError> {
        let (state, due_at) = next.stored(self.now());
        let given_up = state == "failed";
        let news = "SELECT 1 AS one FROM outbox WHERE id = $1 AND claimed_by = $2 AND state = 'queued' AND ($4 OR problem IS DISTINCT FROM $3)";
        let news = self.row(news, args![id, worker, problem, given_up]).await?.is_some();
        let sql = "UPDATE outbox SET state = $3, due_at = $4, attempts = attempts + 1, claimed_by = NULL, claimed_until = NULL, problem = $5
            WHERE id = $1 AND claimed_by = $2 AND state = 'queued'";
        self.write(sql, args![id, worker, state, due_at, problem]).await?;
        if news {
            self.wake_recipient(id).await?;
        }
        Ok(())
    }

    /// Lets claimed mails wait that cannot be tried yet; that is no attempt.
    /// Their accounts' objects are woken if there is something new to tell.
    pub async fn put_off_mails(
        &mut self,
        ids: &[Uuid],
        worker: Uuid,
        why: &str,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let wake = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at) SELECT c.object_id, $4::timestamptz FROM outbox b JOIN account c ON c.id = b.account_id
                WHERE b.claimed_by = $2 AND b.state = 'queued' AND b.id IN (SELECT jsonb_array_elements_text($1)::uuid)
                AND b.problem IS DISTINCT FROM $3 AND c.object_id IS NOT NULL ON CONFLICT (object_id) DO UPDATE SET due_at = excluded.due_at",
            sqlite: "INSERT INTO wakeup (object_id, due_at) SELECT c.object_id, $4 FROM outbox b JOIN account c ON c.id = b.account_id
                WHERE b.claimed_by = $2 AND b.state = 'queued' AND b.id IN (SELECT value FROM json_each($1))
                AND b.problem IS DISTINCT FROM $3 AND c.object_id IS NOT NULL ON CONFLICT (object_id) DO UPDATE SET due_at = excluded.due_at",
        };
        self.write(wake, args![json(&ids), worker, why, now]).await?;
        let sql = Sql {
            postgres: "UPDATE outbox SET due_at = $4, problem = $3, claimed_by = NULL, claimed_until = NULL
                WHERE claimed_by = $2 AND state = 'queued' AND id IN (SELECT jsonb_array_elements_text($1)::uuid)",
            sqlite: "UPDATE outbox SET due_at = $4, problem = $3, claimed_by = NULL, claimed_until = NULL
                WHERE claimed_by = $2 AND state = 'queued' AND id IN (SELECT value FROM json_each($1))",
        };
        self.write(sql, args![json(&ids), worker, why, until]).await?;
        Ok(())
    }

    /// Gives claimed mails back untried. They stay as due as they were.
    pub async fn release_mails(&mut self, ids: &[Uuid], worker: Uuid) -> Result<(), StoreError> {
        let sql = Sql {
            postgres: "UPDATE outbox SET claimed_by = NULL, claimed_until = NULL
                WHERE claimed_by = $2 AND state = 'queued' AND id IN (SELECT jsonb_array_elements_text($1)::uuid)",
            sqlite: "UPDATE outbox SET claimed_by = NULL, claimed_until = NULL
                WHERE claimed_by = $2 AND state = 'queued' AND id IN (SELECT value FROM json_each($1))",
        };
        self.write(sql, args![json(&ids), worker]).await?;
        Ok(())
    }

    /// Takes claimed mails out that nobody should get any more, and wakes their
    /// accounts' objects.
    pub async fn mark_dropped(&mut self, ids: &[Uuid], worker: Uuid) -> Result<(), StoreError> {
        let sql = Sql {
            postgres: "UPDATE outbox SET state = 'dropped', claimed_by = NULL, claimed_until = NULL
                WHERE claimed_by = $2 AND state = 'queued' AND id IN (SELECT jsonb_array_elements_text($1)::uuid)",
            sqlite: "UPDATE outbox SET state = 'dropped', claimed_by = NULL, claimed_until = NULL
                WHERE claimed_by = $2 AND state = 'queued' AND id IN (SELECT value FROM json_each($1))",
        };
        self.write(sql, args![json(&ids), worker]).await?;
        for id in ids {
            self.wake_recipient(*id).await?;
        }
        Ok(())
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
        // An open link is the newest, and its mail is, also among those of one second.
        let sql = "SELECT told.sent_at, told.sends, newest.state, newest.problem, newest.due_at, newest.expires_at
            FROM (SELECT MAX(sent_at) AS sent_at, count(sent_at) AS sends FROM outbox WHERE account_id = $1) AS told
            LEFT JOIN (SELECT b.state, b.problem, b.due_at, v.expires_at FROM outbox b JOIN activation v ON v.id = b.activation_id
                WHERE b.account_id = $1 ORDER BY v.state = 'open' DESC, b.queued_at DESC, b.id DESC LIMIT 1) AS newest ON true";
        let row = self.one(sql, args![account]).await?;
        let state = row.opt_text("state")?;
        let over =
            row.opt_time("due_at")?.zip(row.opt_time("expires_at")?).is_some_and(|(at, end)| at >= end);
        Ok(MailState {
            too_late: over && state.as_deref() == Some("failed"),
            state,
            sent_at: row.opt_time("sent_at")?,
            sends: row.int("sends")?,
            problem: row.opt_text("problem")?,
        })
    }

    /// How many mails of a source wait.
    pub async fn mails_waiting_of(&mut self, source: &str) -> Result<i64, StoreError> {
        let sql = concat!(
            "SELECT count(*) AS n FROM ",
            queue!(),
            " WHERE b.state = 'queued' AND ",
            of_source!("$1")
        );
        self.one(sql, args![source]).await?.int("n")
    }

    /// How many mails wait, of every source, and since when the oldest does.
    pub async fn mails_waiting(&mut self) -> Result<(i64, Option<Timestamp>), StoreError> {
        let row = self
            .one("SELECT count(*) AS n, MIN(queued_at) AS oldest FROM outbox WHERE state = 'queued'", args![])
            .await?;
        Ok((row.int("n")?, row.opt_time("oldest")?))
    }

    /// Lets the mails of a tenant and those below it be tried at once that wait
    /// for a later attempt: what was in their way may be gone. Those that are
    /// being tried are left alone.
    pub async fn hurry_mails_below(&mut self, tenant: Uuid) -> Result<(), StoreError> {
        let now = self.now();
        // From the queue, which is short, and not from the accounts.
        let sql = "UPDATE outbox SET due_at = $2 WHERE state = 'queued' AND due_at > $2 AND (claimed_until IS NULL OR claimed_until <= $2)
            AND EXISTS (SELECT 1 FROM account c JOIN tenant_ancestor a ON a.tenant_id = c.tenant_id WHERE c.id = outbox.account_id AND a.ancestor_id = $1)";
        self.write(sql, args![tenant, now]).await?;
        Ok(())
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

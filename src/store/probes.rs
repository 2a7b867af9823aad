//! Mail servers that tenants name, and what trying them out came to. A pass
//! over a Tenant asks for a try by a row; whoever tries claims a few rows,
//! connects outside of any transaction, and writes the answer, which wakes the
//! Tenant only if it differs from the last one.

use jiff::Timestamp;
use uuid::Uuid;

use super::sql::{Sql, args};
use super::{StoreError, Tx};

/// What is known of a tenant's mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Digest of the settings that this is about.
    pub target: String,
    /// What the last try came to; none before the first.
    pub answer: Option<Answer>,
}

/// What a try came to, in a condition's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// A reason's name.
    pub reason: String,
    /// What to do.
    pub message: String,
}

/// A Tenant whose mail server was found not to work, `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The Tenant.
    pub tenant: String,
    /// A reason's name.
    pub reason: String,
}

/// A mail server that is to be tried now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueProbe {
    /// The tenant that names it.
    pub tenant: Uuid,
    /// Digest of the settings that were meant.
    pub target: String,
    /// Failures in a row so far.
    pub failures: i64,
}

impl Tx {
    /// What is known of the mail server that a tenant names.
    pub async fn probe(&mut self, tenant: Uuid) -> Result<Option<Probe>, StoreError> {
        let sql = "SELECT target, reason, message FROM mail_probe WHERE tenant_id = $1";
        let Some(row) = self.row(sql, args![tenant]).await? else { return Ok(None) };
        let answer = row.opt_text("reason")?.zip(row.opt_text("message")?);
        Ok(Some(Probe {
            target: row.text("target")?,
            answer: answer.map(|(reason, message)| Answer { reason, message }),
        }))
    }

    /// Asks for a try now; what was known is forgotten.
    pub async fn ask_probe(&mut self, tenant: Uuid, target: &str) -> Result<(), StoreError> {
        let now = self.now();
        let sql = "INSERT INTO mail_probe (tenant_id, target, due_at, failures) VALUES ($1, $2, $3, 0)
            ON CONFLICT (tenant_id) DO UPDATE SET target = excluded.target, due_at = excluded.due_at, failures = 0,
                reason = NULL, message = NULL, claimed_by = NULL, claimed_until = NULL";
        self.write(sql, args![tenant, target, now]).await?;
        Ok(())
    }

    /// The tenant names no server any more.
    pub async fn forget_probe(&mut self, tenant: Uuid) -> Result<(), StoreError> {
        self.write("DELETE FROM mail_probe WHERE tenant_id = $1", args![tenant]).await?;
        Ok(())
    }

    /// Whether a server of this source's tenants is due that nobody tries; a
    /// plain read, so that an idle look writes nothing.
    pub async fn any_probe_due(&mut self, source: &str) -> Result<bool, StoreError> {
        let now = self.now();
        let sql = "SELECT 1 AS one FROM mail_probe p JOIN tenant t ON t.id = p.tenant_id JOIN object o ON o.id = t.object_id
            WHERE p.due_at <= $1 AND (p.claimed_until IS NULL OR p.claimed_until <= $1) AND o.source = $2 LIMIT 1";
        Ok(self.row(sql, args![now, source]).await?.is_some())
    }

    /// Claims up to `limit` due servers for `worker` until `until`.
    pub async fn claim_probes(
        &mut self,
        source: &str,
        worker: Uuid,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<DueProbe>, StoreError> {
        let now = self.now();
        let sql = Sql {
            postgres: "UPDATE mail_probe SET claimed_by = $1, claimed_until = $2 WHERE tenant_id IN (
                    SELECT p.tenant_id FROM mail_probe p JOIN tenant t ON t.id = p.tenant_id JOIN object o ON o.id = t.object_id
                    WHERE p.due_at <= $3 AND (p.claimed_until IS NULL OR p.claimed_until <= $3) AND o.source = $4
                    ORDER BY p.due_at, p.tenant_id LIMIT $5 FOR UPDATE OF p SKIP LOCKED)
                RETURNING tenant_id, target, failures",
            sqlite: "UPDATE mail_probe SET claimed_by = $1, claimed_until = $2 WHERE tenant_id IN (
                    SELECT p.tenant_id FROM mail_probe p JOIN tenant t ON t.id = p.tenant_id JOIN object o ON o.id = t.object_id
                    WHERE p.due_at <= $3 AND (p.claimed_until IS NULL OR p.claimed_until <= $3) AND o.source = $4
                    ORDER BY p.due_at, p.tenant_id LIMIT $5)
                RETURNING tenant_id, target, failures",
        };
        let rows = self.rows(sql, args![worker, until, now, source, limit]).await?;
        rows.iter()
            .map(|row| {
                Ok(DueProbe {
                    tenant: row.uuid("tenant_id")?,
                    target: row.text("target")?,
                    failures: row.int("failures")?,
                })
            })
            .collect()
    }

    /// Writes down what a claimed try came to, unless the tenant has asked for
    /// another one meanwhile, and wakes the Tenant if that is news. Without an
    /// answer nothing was tried, and what was known stays.
    pub async fn answer_probe(
        &mut self,
        probe: &DueProbe,
        worker: Uuid,
        answer: Option<&Answer>,
        failures: i64,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let known = "SELECT target, reason, message FROM mail_probe WHERE tenant_id = $1 AND target = $2 AND claimed_by = $3";
        let Some(row) = self.row(known, args![probe.tenant, &probe.target, worker]).await? else {
            return Ok(());
        };
        let known = row.opt_text("reason")?.zip(row.opt_text("message")?);
        let known = known.map(|(reason, message)| Answer { reason, message });
        let said = answer.or(known.as_ref());
        let sql = "UPDATE mail_probe SET reason = $4, message = $5, failures = $6, due_at = $7, claimed_by = NULL, claimed_until = NULL
            WHERE tenant_id = $1 AND target = $2 AND claimed_by = $3";
        let (reason, message) = (said.map(|said| said.reason.clone()), said.map(|said| said.message.clone()));
        self.write(sql, args![probe.tenant, &probe.target, worker, reason, message, failures, due_at])
            .await?;
        if said != known.as_ref() {
            let sql = Sql {
                postgres: "INSERT INTO wakeup (object_id, due_at) SELECT object_id, $2::timestamptz FROM tenant WHERE id = $1 AND object_id IS NOT NULL
                    ON CONFLICT (object_id) DO UPDATE SET due_at = LEAST(wakeup.due_at, excluded.due_at)",
                sqlite: "INSERT INTO wakeup (object_id, due_at) SELECT object_id, $2 FROM tenant WHERE id = $1 AND object_id IS NOT NULL
                    ON CONFLICT (object_id) DO UPDATE SET due_at = MIN(wakeup.due_at, excluded.due_at)",
            };
            self.write(sql, args![probe.tenant, now]).await?;
        }
        Ok(())
    }

    /// How many tenants name a server, and those whose server was found not to
    /// work, up to `limit` of them.
    pub async fn broken_servers(
        &mut self,
        ready: &str,
        limit: i64,
    ) -> Result<(i64, Vec<Broken>), StoreError> {
        let count = self.one("SELECT count(*) AS n FROM mail_probe", args![]).await?.int("n")?;
        let sql = "SELECT o.namespace, o.name, p.reason FROM mail_probe p JOIN tenant t ON t.id = p.tenant_id
            JOIN object o ON o.id = t.object_id WHERE p.reason <> $1 ORDER BY o.namespace, o.name LIMIT $2";
        let rows = self.rows(sql, args![ready, limit]).await?;
        let broken = rows.iter().map(|row| {
            let tenant = format!("{}/{}", row.text("namespace")?, row.text("name")?);
            Ok(Broken { tenant, reason: row.text("reason")? })
        });
        Ok((count, broken.collect::<Result<_, StoreError>>()?))
    }

    /// Lets every server of this source's tenants be tried at once that was not
    /// tried yet or failed last, for a command that looks at them before it
    /// exits.
    pub async fn hurry_probes(&mut self, source: &str, ready: &str) -> Result<(), StoreError> {
        let now = self.now();
        let sql = "UPDATE mail_probe SET due_at = $1 WHERE due_at > $1 AND (reason IS NULL OR reason <> $3)
            AND tenant_id IN (SELECT t.id FROM tenant t JOIN object o ON o.id = t.object_id WHERE o.source = $2)";
        self.write(sql, args![now, source, ready]).await?;
        Ok(())
    }
}

//! The end of a pass: what is said of the object, and what of that differs from
//! the register and is written. A pass that is paused or steps back says again
//! what was said last.
use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::{Action, Report};
use super::{Attempt, Outcome, Pass, Step, Stop};
use crate::api::annotation;
use crate::domain::verdict::{Condition, Reason, Refusal, Remedy, ready};
use crate::store::StoreError;
use crate::store::objects::Registered;

/// How soon an object that waits for a Secret looks again.
const SECRET_LOOK: SignedDuration = SignedDuration::from_secs(30);

/// What the register keeps of the last pass.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    report: Option<Report>,
    /// Digest of what the rows were last made to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) applied: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spec_digest: Option<String>,
    /// What this generation vouches for is not proved by it: the row was taken
    /// over unproved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    taken_over: bool,
}

impl<'a> Pass<'a> {
    /// The rows say what this generation says, although something that it
    /// wants is refused to it for the moment: devices that others hold, or that
    /// a limit has no room for.
    pub(crate) fn takes_effect(&mut self) {
        self.took_effect = true;
    }

    /// The row is taken over unproved: taking over proves nothing, now and as
    /// long as nobody asks for anything else.
    pub(crate) fn takes_over_unproved(&mut self) {
        self.taken_over = true;
    }

    /// Whether this generation took its row over unproved.
    pub(crate) fn took_over_unproved(&self) -> bool {
        self.same_generation() && self.before.as_ref().is_some_and(|before| kept(before).taken_over)
    }

    fn same_generation(&self) -> bool {
        let (uid, generation) = (&self.manifest.uid, self.manifest.generation);
        self.before.as_ref().is_some_and(|before| (&before.uid, before.generation) == (uid, generation))
    }

    /// The object's rows are gone; so is its entry in the register.
    pub(crate) fn forget(&mut self) {
        self.forgotten = true;
    }

    /// Ends the attempt: writes what differs from the last one and commits, or
    /// leaves no trace.
    pub(crate) async fn finish(mut self, outcome: Step<Outcome>) -> Result<Attempt, StoreError> {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(Stop::Needs(need)) => return Ok(Attempt::Needs(need)),
            Err(Stop::Behind) => return Ok(Attempt::Behind),
            Err(Stop::Store(error)) => return Err(error),
            Err(Stop::Refused(refusal)) => Outcome {
                verdict: Err(refusal),
                conditions: vec![],
                status: serde_json::json!({}),
                action: Action::Refused,
                again_at: None,
            },
        };
        let outcome = Outcome {
            action: match outcome.action {
                Action::Updated if self.repaired => Action::Repaired,
                action => action,
            },
            ..outcome
        };
        let paused = outcome.action == Action::Paused;
        if (outcome.verdict.is_ok() || self.took_effect) && !paused && !self.forgotten {
            self.object.applied_generation = Some(self.manifest.generation);
            self.object.cascaded = false;
        }
        if !paused {
            self.object.generation = self.manifest.generation;
        }
        let waits_elsewhere = outcome.verdict.as_ref().err().is_some_and(rests_on_others);
        let report = self.report(outcome);
        let mut listens_anew = false;
        if self.forgotten {
            if self.before.is_some() || self.registered {
                self.tx.delete_object(self.object.id).await?;
                self.changed = true;
            }
        } else {
            listens_anew = self.keep(&report, paused).await?;
        }
        // SQLite lets nobody write between the look and the commit.
        let unsure = self.tx.is_concurrent()
            && (waits_elsewhere || self.expects_more)
            && (listens_anew || self.changed);
        let now = self.now();
        if report.condition("Ready").is_some_and(|ready| ready.reason == Reason::ClaimsAhead) {
            // It is judged again right after those whom it let go first.
            self.tx.wake(self.object.id, now).await?;
        }
        let published: Vec<_> = std::mem::take(&mut self.published).into_iter().collect();
        let publisher = (!self.forgotten).then_some(self.object.id);
        self.tx.publish(&published, publisher, now).await?;
        let later: Vec<_> = std::mem::take(&mut self.published_later).into_iter().collect();
        let due = self.counts_due();
        self.tx.publish(&later, publisher, due).await?;
        if !self.counts_changed.is_empty() {
            let tenants: Vec<_> = std::mem::take(&mut self.counts_changed).into_iter().collect();
            let due = self.counts_due();
            self.tx.wake_upwards(&tenants, due).await?;
        }
        self.tx.commit().await?;
        Ok(Attempt::Done { report: Box::new(report), unsure })
    }

    fn report(&self, outcome: Outcome) -> Report {
        let Outcome { mut verdict, conditions: more, status, action, again_at } = outcome;
        if let Err(refusal) = &mut verdict
            && self.in_force()
            && matches!(
                refusal.reason,
                Reason::TierNotAllowed
                    | Reason::CapabilityMissing
                    | Reason::OutOfScope
                    | Reason::ExceedsManager
                    | Reason::ManagerDisabled
            )
        {
            // Nothing new was asked: what is in force stays (R2).
            refusal.reason = Reason::AuthorityLost;
            refusal.message.push_str("; what is in force stays until then");
        }
        let mut conditions = ready(verdict.as_ref().map(|()| "in force as written"));
        conditions.extend(more);
        // Secrets may be read one at a time and not watched (least privilege),
        // so whoever waits for one looks again.
        let for_a_secret = conditions.iter().any(|c| {
            matches!(c.reason, Reason::SecretNotFound | Reason::SecretNotPermitted | Reason::SecretInvalid)
        });
        let again_at = match again_at {
            None if for_a_secret => self.now().saturating_add(SECRET_LOOK).ok(),
            other => other,
        };
        Report {
            key: self.manifest.key.clone(),
            generation: self.object.generation,
            applied_generation: self.object.applied_generation,
            conditions,
            status,
            judged_at: self.now(),
            changed: self.changed,
            action,
            finished: self.forgotten,
            again_at,
        }
    }

    /// The inventory is not of the tree that was locked: devices may appear
    /// before anybody can see that this object waits for them.
    pub(crate) fn expects_more(&mut self) {
        self.expects_more = true;
    }

    /// Writes the register's entry and subscriptions if they differ. Whether
    /// the object listens to something that it did not listen to before.
    async fn keep(&mut self, report: &Report, paused: bool) -> Result<bool, StoreError> {
        let mut topics: BTreeSet<String> = self.topics.iter().map(|t| t.as_str().to_owned()).collect();
        let known = match self.before {
            Some(_) => self.tx.subscriptions(self.object.id).await?,
            None => vec![],
        };
        if !self.manifest.faults.is_empty() {
            // What cannot be read still stands where it stood, and follows that.
            topics.extend(known.iter().cloned());
        }
        let topics: Vec<String> = topics.into_iter().collect();
        // The register holds what was said, not when, nor whether that pass
        // happened to change something: otherwise every pass would differ.
        let mut said = report.clone();
        said.changed = false;
        said.action = Action::Unchanged;
        said.judged_at = Timestamp::UNIX_EPOCH;
        said.again_at = None;
        let last = self.before.as_ref().map(kept).unwrap_or_default();
        let kept = Kept {
            report: Some(said),
            applied: self.applied.take().or(last.applied),
            // What was not judged has no generation yet, and so no digest.
            taken_over: self.taken_over || (last.taken_over && self.same_generation()),
            spec_digest: match paused {
                true => last.spec_digest,
                false => self.manifest.spec_digest.clone().or(last.spec_digest),
            },
        };
        self.object.verdict = serde_json::to_value(&kept).unwrap_or(serde_json::Value::Null);
        if self.before.as_ref() != Some(&self.object) {
            self.tx.put_object(&self.object).await?;
        }
        if known != topics {
            self.tx.put_subscriptions(self.object.id, &topics).await?;
        }
        Ok(topics.iter().any(|topic| !known.contains(topic)))
    }

    /// The reason that `Ready` had after the last pass.
    pub(crate) fn last_reason(&self) -> Option<Reason> {
        let report = self.before.as_ref().and_then(|b| kept(b).report)?;
        report.condition("Ready").map(|c| c.reason)
    }

    /// What a condition said after the last pass; none if it was not there.
    pub(crate) fn last_said(&self, kind: &str) -> Option<bool> {
        let report = self.before.as_ref().and_then(|b| kept(b).report)?;
        report.condition(kind).map(|c| c.status)
    }

    /// Nothing has been decided yet: what was said last is said again, but for
    /// this refusal.
    pub(crate) fn as_before(&self, refusal: Refusal) -> Outcome {
        let last = self.before.as_ref().and_then(|b| kept(b).report);
        let (conditions, status) = last.map_or_else(
            || (vec![], serde_json::json!({})),
            |last| (beside_ready(last.conditions), last.status),
        );
        Outcome { verdict: Err(refusal), conditions, status, action: Action::Refused, again_at: None }
    }

    /// `paused`: nothing changes, rights already given stay, a deletion waits.
    pub(crate) fn paused(&self) -> Option<Outcome> {
        if !self.manifest.flag(annotation::PAUSED) {
            return None;
        }
        let last = self.before.as_ref().and_then(|b| kept(b).report);
        let refusal = Refusal {
            reason: Reason::Paused,
            message: format!(
                "the annotation {} is set; remove it to let {} be reconciled again",
                annotation::PAUSED,
                self.key()
            ),
            remedy: Remedy::Wait(vec![]),
        };
        let (verdict, conditions, status) = match last {
            Some(last) if last.ready() && self.in_force() => {
                (Ok(()), beside_ready(last.conditions), last.status)
            }
            Some(last) => (Err(refusal.clone()), vec![], last.status),
            None => (Err(refusal.clone()), vec![], serde_json::json!({})),
        };
        let mut conditions: Vec<Condition> = conditions;
        conditions.push(Condition::yes("Paused", Reason::Paused, refusal.message));
        Some(Outcome { verdict, conditions, status, action: Action::Paused, again_at: None })
    }
}

/// Whether what ends a refusal may happen in a transaction that does not wait
/// for this one: everything but room, which lies in the tree that was locked,
/// and the turn, which brings its own wake-up.
fn rests_on_others(refusal: &Refusal) -> bool {
    matches!(refusal.remedy, Remedy::Wait(_))
        && !matches!(refusal.reason, Reason::ClaimsAhead | Reason::QuotaExceeded | Reason::LimitBelowUse)
}

/// Conditions that neither say whether the object is ready nor go with that.
fn beside_ready(conditions: Vec<Condition>) -> Vec<Condition> {
    let goes = |kind: &str| matches!(kind, "Ready" | "Reconciling" | "Stalled" | "Paused");
    conditions.into_iter().filter(|condition| !goes(&condition.kind)).collect()
}

/// What the register keeps of an object.
pub(super) fn kept(object: &Registered) -> Kept {
    serde_json::from_value(object.verdict.clone()).unwrap_or_default()
}

/// The report of an object's last pass, from its entry in the register.
pub(crate) fn last_report(object: &Registered) -> Option<Report> {
    kept(object).report
}

/// The digest of the spec that a file had at the last pass.
pub(crate) fn last_digest(object: &Registered) -> Option<String> {
    kept(object).spec_digest
}

//! Events: what changed about an object, for `kubectl describe`. The worker
//! says what changed; a task of its own writes it, so that a pass neither waits
//! for an Event nor fails with it. It calls the API server only.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde_json::Value;
use tokio::sync::mpsc;

use super::metrics::Metrics;
use super::{CALL_TIMEOUT, failure, status};
use crate::api;
use crate::domain::object::ObjectKey;
use crate::domain::verdict::Reason;
use crate::engine::{Action, Report};

/// Events that may wait to be written; more are dropped and counted.
const WAITING_MAX: usize = 1024;
/// The API server's bound on the text of an Event, in bytes.
const NOTE_MAX: usize = 1024;
/// What goes on when the controller stops is written only within this time.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Companions of `Ready` that say the same once more.
const COMPANIONS: [&str; 2] = ["Reconciling", "Stalled"];

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    warning: bool,
    reason: String,
    action: String,
    note: Option<String>,
}

/// The parts of a text that may appear outside of the object itself: a message
/// that could hold a mail address is kept back whole.
pub(super) fn public(message: &str) -> Option<&str> {
    (!message.contains('@')).then_some(message)
}

/// What a pass changed about an object, compared with the status that it had.
pub(super) fn remarks(before: Option<&Value>, report: &Report) -> Vec<Remark> {
    let mut remarks = vec![];
    let done = match report.action {
        Action::Created => Some("Created"),
        Action::Updated => Some("Updated"),
        Action::Repaired => Some("Repaired"),
        Action::Deleted => Some("Deleted"),
        Action::Unchanged | Action::Refused | Action::Paused => None,
    };
    if let Some(done) = done {
        remarks.push(Remark {
            warning: false,
            reason: done.to_owned(),
            action: "Apply".to_owned(),
            note: Some(format!("the database holds generation {}", report.generation))
                .filter(|_| done != "Deleted"),
        });
    }
    if report.finished {
        return remarks;
    }
    for condition in &report.conditions {
        let kind = condition.kind.as_str();
        let truth = if condition.status { "True" } else { "False" };
        let known = status::said(before, kind);
        // Fulfilled and said with the creation already; a condition that was
        // never there and does not hold is no news either, unless it says that
        // a mail is on its way.
        let is_news = match known {
            Some(known) => known != (truth, condition.reason.as_str()),
            None if kind == "Ready" => !condition.status || done.is_none(),
            None if kind == "InvitationSent" => condition.reason != Reason::NotNeeded,
            None => condition.status,
        };
        if is_news && !COMPANIONS.contains(&kind) {
            let given_up = matches!(condition.reason, Reason::MailRefused | Reason::MailGivenUp);
            remarks.push(Remark {
                warning: (kind == "Ready" && !condition.status) || given_up,
                reason: condition.reason.as_str().to_owned(),
                action: kind.to_owned(),
                note: public(&condition.message).map(|text| cut(text, NOTE_MAX)),
            });
        }
    }
    remarks
}

/// At most `most` bytes, ending at a character.
fn cut(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// Where the worker leaves its remarks.
pub(super) struct Events {
    sender: mpsc::Sender<(ObjectReference, Remark)>,
    metrics: Metrics,
}

/// What writes them.
pub(super) struct Publisher {
    receiver: mpsc::Receiver<(ObjectReference, Remark)>,
    recorder: Recorder,
    metrics: Metrics,
}

/// Both ends.
pub(super) fn channel(client: Client, instance: Option<String>, metrics: Metrics) -> (Events, Publisher) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let reporter = Reporter { controller: "tenantry".to_owned(), instance };
    let publisher =
        Publisher { receiver, recorder: Recorder::new(client, reporter), metrics: metrics.clone() };
    (Events { sender, metrics }, publisher)
}

impl Events {
    /// Leaves remarks about an object to be written.
    pub(super) fn say(&self, key: &ObjectKey, uid: Option<&str>, remarks: Vec<Remark>) {
        for remark in remarks {
            let about = ObjectReference {
                api_version: Some(api::API_VERSION.to_owned()),
                kind: Some(key.kind.as_str().to_owned()),
                namespace: Some(key.namespace.clone()),
                name: Some(key.name.clone()),
                uid: uid.map(str::to_owned),
                ..ObjectReference::default()
            };
            if self.sender.try_send((about, remark)).is_err() {
                self.metrics.dropped_event();
            }
        }
    }
}

impl Publisher {
    /// Writes what comes in until nobody is left who could say anything.
    pub(super) async fn run(mut self) {
        let mut refused = false;
        let mut last_call = None;
        while let Some((about, remark)) = self.receiver.recv().await {
            if self.receiver.is_closed() || self.receiver.sender_strong_count() == 0 {
                let end = *last_call.get_or_insert_with(|| tokio::time::Instant::now() + LAST_WORDS);
                if tokio::time::Instant::now() > end {
                    return;
                }
            }
            let Remark { warning, reason, action, note } = remark;
            let type_ = if warning { EventType::Warning } else { EventType::Normal };
            let event = Event { type_, reason, note, action, secondary: None };
            let written = tokio::time::timeout(CALL_TIMEOUT, self.recorder.publish(&event, &about)).await;
            match written {
                Ok(Ok(())) => self.metrics.wrote("event"),
                // A namespace that is being deleted takes no more Events.
                Ok(Err(kube::Error::Api(status)))
                    if status.is_forbidden() && !status.message.contains("being terminated") =>
                {
                    if !std::mem::replace(&mut refused, true) {
                        tracing::warn!(
                            "Events cannot be written: {}; grant create and patch on events.events.k8s.io as in manifests/base",
                            status.message
                        );
                    }
                }
                Ok(Err(error)) => tracing::debug!("an Event was not written: {}", failure::told(&error)),
                Err(_) => tracing::debug!("an Event was not written in time"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::object::Kind;
    use crate::domain::verdict::Condition;

    fn report(action: Action, conditions: Vec<Condition>) -> Report {
        Report {
            key: ObjectKey::new(Kind::SubAdmin, "acme", "kim"),
            generation: 1,
            applied_generation: Some(1),
            conditions,
            status: json!({}),
            judged_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            changed: action == Action::Created,
            action,
            finished: false,
            again_at: None,
        }
    }
    fn reasons(before: Option<&Value>, report: &Report) -> Vec<String> {
        remarks(before, report).into_iter().map(|r| r.reason).collect()
    }

    #[test]
    fn a_mail_is_remarked_when_it_is_queued_sent_put_off_or_given_up() {
        let queued = Condition::no("InvitationSent", Reason::Queued, "the mail is queued");
        let ready = Condition::yes("Ready", Reason::Reconciled, "in force as written");
        let created = report(Action::Created, vec![ready.clone(), queued]);
        let fresh = json!({ "observedGeneration": -1 });
        assert_eq!(reasons(Some(&fresh), &created), ["Created", "Queued"]);

        let before = status::wanted(&created, Some(&fresh));
        let sent = Condition::yes("InvitationSent", Reason::Sent, "the mail was accepted");
        assert_eq!(reasons(Some(&before), &report(Action::Unchanged, vec![ready.clone(), sent])), ["Sent"]);
        assert_eq!(reasons(Some(&before), &created), ["Created"]);
        for (reason, warning) in
            [(Reason::MailRetrying, false), (Reason::MailRefused, true), (Reason::MailGivenUp, true)]
        {
            let failed = Condition::no("InvitationSent", reason, "550 5.1.1 no such mailbox");
            let remarks = remarks(Some(&before), &report(Action::Unchanged, vec![ready.clone(), failed]));
            assert_eq!(remarks.len(), 1);
            assert_eq!((remarks[0].reason.as_str(), remarks[0].warning), (reason.as_str(), warning));
        }
    }

    #[test]
    fn a_refusal_is_said_once_and_its_companion_not_at_all() {
        let refused = vec![
            Condition::no("Ready", Reason::RefNotFound, "create Tenant acme/acme"),
            Condition::yes("Reconciling", Reason::RefNotFound, "create Tenant acme/acme"),
        ];
        let report = report(Action::Refused, refused);
        assert_eq!(reasons(None, &report), ["RefNotFound"]);
        assert!(remarks(None, &report)[0].warning);
        let before = status::wanted(&report, None);
        assert_eq!(reasons(Some(&before), &report), Vec::<String>::new());
    }

    #[test]
    fn a_message_that_may_hold_an_address_is_kept_back() {
        let taken = Condition::no("Ready", Reason::AlreadyExists, "kim@example.org is taken");
        assert_eq!(remarks(None, &report(Action::Refused, vec![taken]))[0].note, None);
        assert_eq!(cut("aüb", 2), "a");
    }
}

//! What an object's status should say, and the smallest patch that makes it say
//! so. Pure functions on JSON: the worker calls them, they call the API types.
//!
//! A merge patch on `/status` with the object's `resourceVersion`: fields that
//! vanished are set to null, and a state that somebody else has changed
//! meanwhile answers with a conflict instead of being overwritten. Server-side
//! apply would need `force` to take back a field that somebody edited by hand.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::api;
use crate::domain::object::Kind;
use crate::engine::Report;

/// The status that a report calls for. A condition keeps its time while its
/// status is the same.
pub(super) fn wanted(report: &Report, old: Option<&Value>) -> Value {
    let mut status = match &report.status {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    let conditions: Vec<Value> = report
        .conditions
        .iter()
        .map(|condition| {
            let truth = api::shared::ConditionStatus::from(condition.status).as_str();
            let since = old
                .and_then(|old| self::condition(old, &condition.kind))
                .filter(|known| text(known, "status") == Some(truth))
                .and_then(|known| text(known, "lastTransitionTime"))
                .map_or_else(|| report.judged_at.to_string(), str::to_owned);
            json!({
                "type": condition.kind,
                "status": truth,
                "reason": condition.reason.as_str(),
                "message": condition.message,
                "lastTransitionTime": since,
                "observedGeneration": report.generation,
            })
        })
        .collect();
    status.insert("conditions".to_owned(), conditions.into());
    status.insert("observedGeneration".to_owned(), report.generation.into());
    if let Some(applied) = report.applied_generation {
        status.insert("appliedGeneration".to_owned(), applied.into());
    }
    as_stored(report.key.kind, Value::Object(status))
}

/// The merge patch from one status to another; none if they are the same.
pub(super) fn patch(old: Option<&Value>, new: &Value, version: Option<&str>) -> Option<Value> {
    let nothing = json!({});
    let change = difference(old.unwrap_or(&nothing), new)?;
    Some(json!({ "metadata": { "resourceVersion": version }, "status": change }))
}

/// One condition of a status.
pub(super) fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = status.get("conditions")?.as_array()?;
    conditions.iter().find(|condition| text(condition, "type") == Some(kind))
}

/// Status and reason of one condition of a status.
pub(super) fn said<'a>(status: Option<&'a Value>, kind: &str) -> Option<(&'a str, &'a str)> {
    let condition = condition(status?, kind)?;
    Some((text(condition, "status")?, text(condition, "reason")?))
}

/// What `Ready` says, for counting: `True`, `False` or `Unknown`.
pub(super) fn readiness(status: Option<&Value>) -> &'static str {
    match said(status, "Ready") {
        Some(("True", _)) => "True",
        Some(("False", _)) => "False",
        _ => "Unknown",
    }
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}

/// As the API server keeps it: with the schema's defaults, without nulls and
/// without fields that the schema lacks. Otherwise a status would differ from
/// itself forever.
fn as_stored(kind: Kind, status: Value) -> Value {
    fn through<T: Serialize + DeserializeOwned>(status: &Value) -> serde_json::Result<Value> {
        serde_json::to_value(T::deserialize(status)?)
    }
    let typed = match kind {
        Kind::Tenant => through::<api::TenantStatus>(&status),
        Kind::Role => through::<api::RoleStatus>(&status),
        Kind::SubAdmin => through::<api::SubAdminStatus>(&status),
        Kind::DeviceGrant => through::<api::DeviceGrantStatus>(&status),
    };
    typed.unwrap_or_else(|error| {
        tracing::error!(%kind, %error, "a status does not fit its own schema");
        status
    })
}

/// What to merge into `old` to get `new` (RFC 7396). Lists are replaced whole.
fn difference(old: &Value, new: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return (old != new).then(|| new.clone());
    };
    let mut change = Map::new();
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        change.insert(name.clone(), Value::Null);
    }
    for (name, value) in after {
        let part = match before.get(name) {
            Some(known) => difference(known, value),
            None => Some(value.clone()),
        };
        if let Some(part) = part {
            change.insert(name.clone(), part);
        }
    }
    (!change.is_empty()).then_some(Value::Object(change))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::object::ObjectKey;
    use crate::domain::verdict::{Condition, Reason};
    use crate::engine::Action;

    const EARLY: &str = "2026-01-02T03:04:05Z";
    const LATE: &str = "2026-01-02T03:04:09Z";

    fn report(conditions: Vec<Condition>, status: Value, at: &str) -> Report {
        Report {
            key: ObjectKey::new(Kind::Role, "acme", "operators"),
            generation: 2,
            applied_generation: Some(1),
            conditions,
            status,
            judged_at: at.parse::<Timestamp>().unwrap(),
            changed: false,
            action: Action::Unchanged,
            finished: false,
            again_at: None,
        }
    }
    fn ready(message: &str) -> Vec<Condition> {
        vec![Condition::yes("Ready", Reason::Reconciled, message)]
    }
    fn refused() -> Vec<Condition> {
        vec![Condition::no("Ready", Reason::RefNotFound, "create it")]
    }

    #[test]
    fn a_fresh_status_names_the_generation_everywhere() {
        let status = wanted(&report(ready("fine"), json!({ "revision": "0123456789ab" }), EARLY), None);
        assert_eq!(
            status,
            json!({
                "revision": "0123456789ab",
                "observedGeneration": 2,
                "appliedGeneration": 1,
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "Reconciled", "message": "fine",
                    "lastTransitionTime": EARLY, "observedGeneration": 2,
                }],
            })
        );
    }

    #[test]
    fn the_same_judgement_at_another_time_needs_no_patch() {
        let old = wanted(&report(ready("fine"), json!({}), EARLY), None);
        let new = wanted(&report(ready("fine"), json!({}), LATE), Some(&old));
        assert_eq!(patch(Some(&old), &new, Some("7")), None);
    }

    #[test]
    fn a_condition_keeps_its_time_until_its_status_flips() {
        let old = wanted(&report(ready("fine"), json!({}), EARLY), None);
        let reworded = wanted(&report(ready("better"), json!({}), LATE), Some(&old));
        assert_eq!(condition(&reworded, "Ready").unwrap()["lastTransitionTime"], EARLY);
        let flipped = wanted(&report(refused(), json!({}), LATE), Some(&old));
        assert_eq!(condition(&flipped, "Ready").unwrap()["lastTransitionTime"], LATE);
        assert_eq!(said(Some(&flipped), "Ready"), Some(("False", "RefNotFound")));
    }

    #[test]
    fn a_patch_carries_the_version_and_nulls_what_vanished() {
        let old = json!({ "observedGeneration": 2, "assigned": 4, "revision": "0123456789ab" });
        let new = json!({ "observedGeneration": 2, "assigned": 5 });
        assert_eq!(
            patch(Some(&old), &new, Some("7")),
            Some(json!({
                "metadata": { "resourceVersion": "7" },
                "status": { "assigned": 5, "revision": null },
            }))
        );
    }

    #[test]
    fn nested_blocks_are_merged_and_lists_replaced() {
        let old = json!({ "counts": { "a": 1, "b": 2 }, "list": [1, 2] });
        let new = json!({ "counts": { "a": 1, "c": 3 }, "list": [2] });
        assert_eq!(difference(&old, &new), Some(json!({ "counts": { "b": null, "c": 3 }, "list": [2] })));
        assert_eq!(difference(&new, &new), None);
    }

    #[test]
    fn nulls_unknown_fields_and_missing_defaults_make_no_difference() {
        let status = json!({ "revision": null, "no-such-field": 1 });
        let status = wanted(&report(vec![], status, EARLY), None);
        assert_eq!(status, json!({ "observedGeneration": 2, "appliedGeneration": 1 }));
    }

    #[test]
    fn readiness_is_unknown_until_somebody_has_looked() {
        assert_eq!(readiness(None), "Unknown");
        assert_eq!(readiness(Some(&json!({ "observedGeneration": -1 }))), "Unknown");
        assert_eq!(readiness(Some(&wanted(&report(refused(), json!({}), EARLY), None))), "False");
    }
}

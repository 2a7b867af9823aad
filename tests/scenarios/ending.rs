//! What a step comes to, seen from outside: the rows in words, and what each
//! object says about itself.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tenantry::api;

use crate::diff;
use crate::rows::Rows;
use crate::scenario::Step;

/// Tables that tell of the past: going back does not undo them.
const HISTORY: [&str; 5] = ["activation", "audit", "object", "outbox", "role_revision"];

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ending {
    pub(crate) rows: Vec<String>,
    acts: Vec<String>,
    pub(crate) holders: BTreeMap<String, String>,
    pub(crate) objects: BTreeMap<String, Said>,
}

/// What one object says: its conditions by type, and its other status.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) conditions: BTreeMap<String, Value>,
    pub(crate) status: Value,
}

impl Said {
    /// From conditions as they stand in a status or in the output of `apply`,
    /// and the status beside them.
    pub(crate) fn new(kind: &str, conditions: Option<&Value>, status: &Value) -> Self {
        let mut said = Self { conditions: BTreeMap::new(), status: typed(kind, status) };
        for condition in conditions.and_then(Value::as_array).into_iter().flatten() {
            let mut condition = condition.clone();
            let fields = condition.as_object_mut().unwrap();
            fields.retain(|name, _| matches!(name.as_str(), "type" | "status" | "reason" | "message"));
            let Some(Value::String(kind)) = fields.remove("type") else { panic!("a condition without type") };
            said.conditions.insert(kind, condition);
        }
        said
    }

    fn reason(&self) -> &str {
        self.conditions.get("Ready").and_then(|ready| ready["reason"].as_str()).unwrap_or("nothing")
    }

    fn is(&self, kind: &str, status: &str) -> bool {
        self.conditions.get(kind).is_some_and(|condition| condition["status"] == status)
    }
}

impl Ending {
    pub(crate) fn new(rows: &Rows, objects: BTreeMap<String, Said>) -> Self {
        Self { rows: rows.lines(), acts: rows.acts(), holders: rows.holders(), objects }
    }

    /// Without what depends on the order in which a step was judged.
    pub(crate) fn in_any_order(mut self) -> Self {
        self.rows.retain(|line| !line.starts_with("audit: "));
        self.rows.append(&mut self.acts);
        self
    }

    /// Everything, line by line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = self.said();
        lines.extend(self.rows.iter().cloned());
        lines
    }

    /// Everything but the past.
    pub(crate) fn present(&self) -> Vec<String> {
        let past = |line: &&String| HISTORY.iter().any(|table| line.starts_with(&format!("{table}: ")));
        let mut lines = self.said();
        lines.extend(self.rows.iter().filter(|line| !past(line)).cloned());
        lines
    }

    fn said(&self) -> Vec<String> {
        let mut lines = vec![];
        for (object, said) in &self.objects {
            for (kind, condition) in &said.conditions {
                let text = |field: &str| condition[field].as_str().unwrap_or_default();
                let (status, reason, message) = (text("status"), text("reason"), text("message"));
                lines.push(format!("{object} says {kind}={status} {reason}: {message}"));
            }
            lines.push(format!("{object} has {}", said.status));
        }
        lines
    }

    /// Compares with what `expect.yaml` says about the step.
    #[track_caller]
    pub(crate) fn is_expected(&self, step: &Step, at: &str) {
        let mut wanted = vec![];
        let mut found = vec![];
        for (object, said) in &self.objects {
            let words = step.expected.get(object).map(Vec::as_slice).unwrap_or_default();
            let reason = words.first().map_or("Reconciled", String::as_str);
            // Some things may be told in either of two words.
            let reason = reason.split('|').find(|one| *one == said.reason()).unwrap_or(reason);
            wanted.push(format!("{object}: {reason}"));
            found.push(match said.is("Ready", "True") == (reason == "Reconciled") {
                true => format!("{object}: {}", said.reason()),
                false => format!("{object}: {} in {:?}", said.reason(), said.conditions.get("Ready")),
            });
            for word in words.iter().skip(1) {
                let (kind, status) =
                    word.strip_prefix('-').map_or((word.as_str(), "True"), |kind| (kind, "False"));
                wanted.push(format!("{object}: {kind}={status}"));
                found.push(match said.is(kind, status) {
                    true => format!("{object}: {kind}={status}"),
                    false => format!("{object}: {kind} is {:?}", said.conditions.get(kind)),
                });
            }
        }
        for (object, words) in step.expected.iter().filter(|(object, _)| !self.objects.contains_key(*object))
        {
            wanted.push(format!("{object}: {}", words[0]));
            found.push(format!("{object}: is not there"));
        }
        for (device, holder) in &step.holders {
            wanted.push(format!("device {device}: {holder}"));
            let found_holder = self.holders.get(device).map_or("is not there", String::as_str);
            found.push(format!("device {device}: {found_holder}"));
        }
        if let Some(told) = diff::told(("expected", &wanted), ("found", &found)) {
            panic!("{at} does not end as expected\n{told}");
        }
    }
}

/// The status as an API server keeps it, without times, identifiers and
/// generations.
fn typed(kind: &str, status: &Value) -> Value {
    fn through<T: Serialize + DeserializeOwned>(status: &Value) -> Value {
        serde_json::to_value(T::deserialize(status).unwrap()).unwrap()
    }
    let status = if status.is_null() { Value::Object(Map::new()) } else { status.clone() };
    let mut status = match kind {
        "Tenant" => through::<api::TenantStatus>(&status),
        "Role" => through::<api::RoleStatus>(&status),
        "SubAdmin" => through::<api::SubAdminStatus>(&status),
        _ => through::<api::DeviceGrantStatus>(&status),
    };
    let fields = status.as_object_mut().unwrap();
    for name in ["conditions", "observedGeneration", "appliedGeneration", "accountId"] {
        fields.remove(name);
    }
    for (block, names) in
        [("activation", ["sentAt", "expiresAt", "activatedAt"].as_slice()), ("impact", &["digest"])]
    {
        for name in names {
            if let Some(value) = fields.get_mut(block).and_then(|block| block.get_mut(name)) {
                *value = "<its own>".into();
            }
        }
    }
    status
}

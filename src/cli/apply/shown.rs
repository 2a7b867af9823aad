//! What became of each object, as a table for people and a list for programs.

use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use super::super::out::tame;
use crate::engine::Report;
use crate::files::Done;

/// One object for programs; pipelines rely on this shape.
#[derive(Serialize)]
pub(super) struct Value<'a> {
    kind: &'static str,
    namespace: &'a str,
    name: &'a str,
    ready: bool,
    reason: &'a str,
    message: &'a str,
    conditions: Vec<ConditionValue<'a>>,
}

#[derive(Serialize)]
struct ConditionValue<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    status: &'static str,
    reason: &'static str,
    message: &'a str,
}

const fn word(status: bool) -> &'static str {
    if status { "True" } else { "False" }
}

/// The list for programs.
pub(super) fn values(done: &[Done]) -> Vec<Value<'_>> {
    done.iter()
        .map(|done| {
            let (reason, message) = why(done);
            let conditions =
                done.report.iter().filter(|report| !report.finished).flat_map(|report| &report.conditions);
            Value {
                kind: done.key.kind.as_str(),
                namespace: &done.key.namespace,
                name: &done.key.name,
                ready: done.is_ready(),
                reason,
                message,
                conditions: conditions
                    .map(|condition| ConditionValue {
                        kind: &condition.kind,
                        status: word(condition.status),
                        reason: condition.reason.as_str(),
                        message: &condition.message,
                    })
                    .collect(),
            }
        })
        .collect()
}

/// Reason and message of what is most worth knowing of an object.
pub(in super::super) fn why(done: &Done) -> (&str, &str) {
    if let Some(problem) = &done.problem {
        return ("Unavailable", problem);
    }
    match &done.report {
        Some(Report { finished: true, .. }) => ("Deleted", "removed: the source no longer holds it"),
        Some(report) => match report.condition("Ready") {
            Some(ready) => (ready.reason.as_str(), &ready.message),
            None => ("Unknown", "nothing was said about it"),
        },
        None => ("Unavailable", "not looked at, because the pass ended early"),
    }
}

/// What happened to an object, in one word.
pub(in super::super) const fn action(done: &Done) -> &'static str {
    match (&done.problem, &done.report, done.action) {
        (Some(_), _, _) | (None, None, _) | (_, _, None) => "failed",
        (None, Some(Report { finished: true, .. }), _) => "deleted",
        (None, Some(_), Some(action)) => action.as_str(),
    }
}

/// The table for people, without borders, as kubectl prints it.
pub(super) fn table(done: &[Done], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.set_header(["KIND", "NAMESPACE/NAME", "ACTION", "READY", "REASON", "MESSAGE"]);
    for done in done {
        let (reason, message) = why(done);
        table.add_row([
            done.key.kind.as_str().to_owned(),
            tame(&format!("{}/{}", done.key.namespace, done.key.name)),
            action(done).to_owned(),
            word(done.is_ready()).to_owned(),
            reason.to_owned(),
            tame(message),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if width.is_some() {
        // Only the message is worth breaking.
        for column in table.column_iter_mut().take(5) {
            column.set_constraint(comfy_table::ColumnConstraint::ContentWidth);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

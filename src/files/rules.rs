//! What the rules say of a set of files on an empty database, for `validate`:
//! the same engine judges them in a database in memory, so that no rule is
//! written twice. Nothing leaves: no mail, no file.

use std::collections::BTreeSet;

use super::fault::Fault;
use super::load::Loaded;
use super::object::Object;
use super::references::{circle, references};
use super::rehearse::{in_memory, rehearse};
use crate::domain::object::ObjectKey;
use crate::domain::verdict::Reason;
use crate::engine::{EngineError, Report, RootNamespaces};

/// Every object that a rule refuses. What its schema or a missing reference
/// says against it is found by others, and not repeated here; nor is what only
/// follows from that.
pub async fn rule_faults(loaded: &Loaded, roots: RootNamespaces) -> Result<Vec<Fault>, EngineError> {
    let store = in_memory().await?;
    let passes = rehearse(&store, loaded, "files", roots).await?;
    let here = loaded.objects.iter().map(|object| (&object.key, object)).collect();
    let reports = || passes.done().filter_map(|done| Some((&done.key, done.report.as_ref()?)));
    let ready: BTreeSet<&ObjectKey> =
        reports().filter(|(_, report)| report.ready()).map(|(key, _)| key).collect();
    let mut faults = vec![];
    for (key, report) in reports() {
        let object = loaded.objects.iter().find(|object| object.key == *key);
        if let (Some(object), Some((reason, field, message))) = (object, refusal(report)) {
            let told_elsewhere = match reason {
                Reason::Paused => true,
                Reason::Invalid => !object.faults.is_empty() || circle(object, &here).is_some(),
                Reason::ParentCycle => circle(object, &here).is_some(),
                Reason::RefNotFound => leads_to_nothing(object, &ready),
                _ => false,
            };
            if !told_elsewhere {
                faults.push(object.fault(&field, message));
            }
        }
    }
    store.close().await;
    faults.sort();
    Ok(faults)
}

/// Whether something that an object refers to is not there, or refused itself.
fn leads_to_nothing(object: &Object, ready: &BTreeSet<&ObjectKey>) -> bool {
    references(object).iter().any(|(_, to)| !ready.contains(to))
}

/// Reason, field and message of a refusal.
fn refusal(report: &Report) -> Option<(Reason, String, String)> {
    let ready = report.condition("Ready").filter(|ready| !ready.status)?;
    let field = first_field(&ready.message);
    Some((ready.reason, field, format!("{}: {}", ready.reason, ready.message)))
}

/// The first field that a message names; messages name the field to change
/// first.
fn first_field(message: &str) -> String {
    let Some(at) = message.find("spec.") else { return String::new() };
    let of_a_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '[' | ']');
    let rest = &message[at..];
    let end = rest.find(|c| !of_a_path(c)).unwrap_or(rest.len());
    rest[..end].trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::first_field;

    #[test]
    fn the_field_is_the_first_that_the_message_names() {
        assert_eq!(first_field("spec.roles[0] (acme/ops) of SubAdmin acme/kim gives x"), "spec.roles[0]");
        assert_eq!(first_field("lower it in spec.limits.accounts.total."), "spec.limits.accounts.total");
        assert_eq!(first_field("nothing"), "");
    }
}

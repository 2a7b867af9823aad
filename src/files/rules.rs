//! What the rules say of a set of files on an empty database, for `validate`:
//! the same engine judges them in a database in memory, so that no rule is
//! written twice. Nothing leaves: no mail, no file.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fault::Fault;
use super::load::Loaded;
use super::pass::{Passes, Prune};
use super::surroundings::FileSurroundings;
use crate::domain::activation::LinkKey;
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::verdict::Reason;
use crate::engine::{Engine, EngineError, Report, RootNamespaces, Spec};
use crate::store::{Store, StoreError};

/// Far enough for everything that would be judged again later.
const AHEAD: Duration = Duration::from_secs(3600);

/// Every object that a rule refuses. What its schema or a missing reference
/// says against it is found by others, and not repeated here; nor is what only
/// follows from that.
pub async fn rule_faults(loaded: &Loaded, roots: RootNamespaces) -> Result<Vec<Fault>, EngineError> {
    let store = in_memory().await.map_err(of_no_object)?;
    // A key that nobody guesses is not needed where no link is sent.
    let key = LinkKey::new(vec![0; 32]).ok_or_else(|| EngineError::Key("the key is too short".to_owned()))?;
    let engine = Engine::new(store.clone(), "files", roots, key, [0; 32]);
    let mut passes = Passes::new(engine, FileSurroundings::new(None), Prune::default());
    passes.take(&without_absent_secrets(loaded)).await?;
    passes.all(AHEAD, &mut |_| {}).await?;
    let mut faults = vec![];
    for done in passes.done() {
        let Some(report) = &done.report else { continue };
        let object = loaded.objects.iter().find(|object| object.key == done.key);
        if let (Some(object), Some((field, message))) = (object, refusal(report)) {
            faults.push(object.fault(&field, message));
        }
    }
    store.close().await;
    faults.sort();
    Ok(faults)
}

async fn in_memory() -> Result<Store, StoreError> {
    let store = Store::in_memory().await?;
    store.migrate().await?;
    Ok(store)
}

fn of_no_object(source: StoreError) -> EngineError {
    EngineError::Store { key: Box::new(ObjectKey::new(Kind::Tenant, "", "")), source }
}

/// Secrets may well live elsewhere: an account whose Secret is not in these
/// files is judged without a password.
fn without_absent_secrets(loaded: &Loaded) -> Loaded {
    let mut loaded = loaded.clone();
    for object in &mut loaded.objects {
        if let Some(Spec::SubAdmin(spec)) = &mut object.spec {
            let namespace = &object.key.namespace;
            spec.password_secret_ref = spec
                .password_secret_ref
                .take()
                .filter(|secret| loaded.facts.has_secret(namespace, &secret.name));
        }
    }
    loaded
}

/// Field and message of a refusal that is told here.
fn refusal(report: &Report) -> Option<(String, String)> {
    let ready = report.condition("Ready").filter(|ready| !ready.status)?;
    let told_elsewhere =
        BTreeSet::from([Reason::Invalid, Reason::RefNotFound, Reason::ParentCycle, Reason::Paused]);
    if told_elsewhere.contains(&ready.reason) {
        return None;
    }
    let field = first_field(&ready.message);
    Some((field, format!("{}: {}", ready.reason, ready.message)))
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

//! Assertions about access, kept beside the objects in Git: who may do what, and
//! who may not. `tenantry test` asks them; everybody else leaves them aside.
//!
//! A document holds them if it is `kind: AccessTest`, has a list `assertions`,
//! or is a list of entries with `account`. One entry says what an account may
//! (`may`) and may not do (`mayNot`): operations on the entry's `resource`, or
//! questions with an operation and a resource of their own.

use serde_json::Value;

use super::origin::{Excerpt, Origin};

/// The kind of a document with assertions.
pub(super) const KIND: &str = "AccessTest";
/// The most questions of one entry.
const MAX_QUESTIONS: usize = 1_000;

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Where it stands.
    pub at: Origin,
    /// Username or e-mail.
    pub account: String,
    /// Whether it must be allowed.
    pub may: bool,
    /// An operation such as `view`, or a capability such as `ManageUsers`.
    pub operation: String,
    /// A resource such as `device/cam-17`, or what the capability is about,
    /// such as `subadmin/acme/kim`.
    pub resource: String,
    /// Whose data it is about.
    pub creator: Option<String>,
}

/// Field and message of what is wrong with an entry.
type Wrong = (String, String);

/// The list of assertions in a document, with the path at which it stands;
/// none if the document is about something else.
pub(super) fn list(document: &Value) -> Option<(&'static str, &Vec<Value>)> {
    if let Value::Array(entries) = document {
        let all = !entries.is_empty() && entries.iter().all(|entry| entry.get("account").is_some());
        return all.then_some(("", entries));
    }
    let at = |path: &'static str| {
        Some((path, document.pointer(&format!("/{}", path.replace('.', "/")))?.as_array()?))
    };
    match document.get("kind").and_then(Value::as_str) {
        Some(KIND) => at("assertions").or_else(|| at("spec.assertions")),
        Some(_) => None,
        None => at("assertions"),
    }
}

/// What is wrong with a document that is meant to hold assertions and has no
/// list of them: left aside, it would read as if everything in it held.
pub(super) fn misspelt(document: &Value) -> Option<Wrong> {
    let kind = document.get("kind").and_then(Value::as_str)?;
    if kind == KIND {
        let message = "is missing or no list: write one entry for each account under it, such as - {account: kim, resource: device/cam-17, may: view}";
        return Some(("assertions".to_owned(), message.to_owned()));
    }
    let nearly = kind.to_ascii_lowercase();
    let meant = nearly.trim_end_matches('s') == KIND.to_ascii_lowercase();
    meant.then(|| ("kind".to_owned(), format!("is not known here: write {KIND}, letter for letter")))
}

/// Reads the assertions of a document, and what is wrong with some of them.
pub(super) fn read(path: &str, entries: &[Value], excerpt: &Excerpt) -> (Vec<Assertion>, Vec<Wrong>) {
    let (mut assertions, mut wrong) = (vec![], vec![]);
    for (index, entry) in entries.iter().enumerate() {
        let field = format!("{path}[{index}]");
        match read_entry(entry, &excerpt.origin(&field)) {
            Ok(read) => assertions.extend(read),
            Err((inner, message)) if inner.is_empty() => wrong.push((field, message)),
            Err((inner, message)) => wrong.push((format!("{field}.{inner}"), message)),
        }
    }
    (assertions, wrong)
}

fn read_entry(entry: &Value, at: &Origin) -> Result<Vec<Assertion>, Wrong> {
    let fields = entry
        .as_object()
        .ok_or_else(|| (String::new(), "must have an account and may or mayNot".to_owned()))?;
    let known = ["account", "may", "mayNot", "operation", "resource", "creator", "name"];
    if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
        let message = format!("is not known here: an entry has {}", known.join(", "));
        return Err((unknown.clone(), message));
    }
    let account = text(entry, "account")?
        .ok_or_else(|| ("account".to_owned(), "is missing: give a username or an e-mail".to_owned()))?;
    if !fields.contains_key("may") && !fields.contains_key("mayNot") {
        return Err(("may".to_owned(), "is missing: say what the account may or mayNot do".to_owned()));
    }
    let mut assertions = vec![];
    for (key, may) in [("may", true), ("mayNot", false)] {
        let Some(value) = fields.get(key) else { continue };
        for (operation, resource, creator) in questions(entry, key, value)? {
            let (at, account) = (at.clone(), account.clone());
            assertions.push(Assertion { at, account, may, operation, resource, creator });
        }
    }
    match assertions.len() {
        0 => Err(("may".to_owned(), "asks nothing: give at least one operation".to_owned())),
        1..=MAX_QUESTIONS => Ok(assertions),
        more => {
            Err((String::new(), format!("asks {more} questions: at most {MAX_QUESTIONS} stand in one entry")))
        }
    }
}

type Question = (String, String, Option<String>);

/// What `may` or `mayNot` asks: `true` (operation and resource stand in the
/// entry), operations (the resource stands in the entry), or questions.
fn questions(entry: &Value, key: &str, value: &Value) -> Result<Vec<Question>, Wrong> {
    let missing = |field: &str| (field.to_owned(), format!("is missing: {key} needs it here"));
    let creator = || text(entry, "creator");
    let resource = || text(entry, "resource")?.ok_or_else(|| missing("resource"));
    match value {
        Value::Bool(true) => {
            let operation = text(entry, "operation")?.ok_or_else(|| missing("operation"))?;
            Ok(vec![(operation, resource()?, creator()?)])
        }
        Value::String(operation) => Ok(vec![(operation.clone(), resource()?, creator()?)]),
        Value::Array(items) => {
            let mut all = vec![];
            for item in items {
                if item.is_array() || item.is_boolean() {
                    return Err((key.to_owned(), "holds operations or questions, such as view or {operation: view, resource: device/cam-17}".to_owned()));
                }
                all.extend(questions(entry, key, item)?);
            }
            Ok(all)
        }
        Value::Object(_) => {
            let within = |field: &str| (format!("{key}.{field}"), "is missing: give text".to_owned());
            let operation = text(value, "operation")?.ok_or_else(|| within("operation"))?;
            let resource = match text(value, "resource")? {
                Some(resource) => resource,
                None => text(entry, "resource")?.ok_or_else(|| within("resource"))?,
            };
            let creator = match text(value, "creator")? {
                None => creator()?,
                own => own,
            };
            Ok(vec![(operation, resource, creator)])
        }
        _ => Err((
            key.to_owned(),
            "must be an operation, a list of them, or questions; write mayNot for the opposite".to_owned(),
        )),
    }
}

fn text(of: &Value, field: &str) -> Result<Option<String>, Wrong> {
    match of.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
        Some(_) => Err((field.to_owned(), "must be text that is not empty".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(entry: &Value) -> Vec<(bool, String, String, Option<String>)> {
        let read = read_entry(entry, &Origin::file(std::path::Path::new("t.yaml"))).unwrap();
        read.into_iter().map(|a| (a.may, a.operation, a.resource, a.creator)).collect()
    }

    #[test]
    fn an_entry_is_written_as_short_as_it_can_be() {
        let one = |may, operation: &str| (may, operation.to_owned(), "device/d1".to_owned(), None);
        for entry in [
            json!({"account": "kim", "may": "view", "resource": "device/d1"}),
            json!({"account": "kim", "may": true, "operation": "view", "resource": "device/d1"}),
            json!({"account": "kim", "may": {"operation": "view", "resource": "device/d1"}}),
            json!({"account": "kim", "may": [{"operation": "view", "resource": "device/d1"}]}),
        ] {
            assert_eq!(asked(&entry), [one(true, "view")], "{entry}");
        }
        let both = json!({"account": "kim", "resource": "device/d1", "may": ["view"], "mayNot": ["operate", "manage"]});
        assert_eq!(asked(&both), [one(true, "view"), one(false, "operate"), one(false, "manage")]);
        let whose = json!({"account": "na", "creator": "kim", "may": "view", "resource": "cameras.archive"});
        assert_eq!(asked(&whose)[0].3.as_deref(), Some("kim"));
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_named() {
        for (entry, field) in [
            (json!("kim"), ""),
            (json!({"may": "view", "resource": "device"}), "account"),
            (json!({"account": "kim"}), "may"),
            (json!({"account": "kim", "may": "view"}), "resource"),
            (json!({"account": "kim", "may": false, "resource": "device"}), "may"),
            (json!({"account": "kim", "may": [], "resource": "device"}), "may"),
            (json!({"account": "kim", "may": [["view"]], "resource": "device"}), "may"),
            (json!({"account": "kim", "may": {"resource": "device"}}), "may.operation"),
            (json!({"account": "kim", "may": "view", "ressource": "device"}), "ressource"),
        ] {
            let wrong = read_entry(&entry, &Origin::file(std::path::Path::new("t.yaml"))).unwrap_err();
            assert_eq!(wrong.0, field, "{entry}: {wrong:?}");
        }
    }

    #[test]
    fn a_document_that_is_meant_to_hold_assertions_says_what_is_wrong_with_it() {
        for (document, field) in [
            (json!({"kind": KIND}), "assertions"),
            (json!({"kind": KIND, "assertion": [{"account": "kim"}]}), "assertions"),
            (json!({"kind": KIND, "assertions": {"account": "kim"}}), "assertions"),
            (json!({"kind": "accesstest", "assertions": [{"account": "kim"}]}), "kind"),
            (json!({"kind": "AccessTests", "assertions": [{"account": "kim"}]}), "kind"),
        ] {
            assert!(list(&document).is_none(), "{document}");
            assert_eq!(misspelt(&document).map(|wrong| wrong.0).as_deref(), Some(field), "{document}");
        }
        for other in [json!({"kind": "Tenant"}), json!({"kind": "Deployment"}), json!({}), json!([1])] {
            assert_eq!(misspelt(&other), None, "{other}");
        }
    }

    #[test]
    fn documents_about_something_else_hold_none() {
        assert!(list(&json!({"kind": "Tenant", "assertions": []})).is_none());
        assert!(list(&json!([])).is_none() && list(&json!([1])).is_none());
        assert!(list(&json!({"kind": KIND, "spec": {"assertions": []}})).is_some());
        assert!(list(&json!({"assertions": []})).is_some());
        assert!(list(&json!([{"account": "kim"}])).is_some());
    }
}

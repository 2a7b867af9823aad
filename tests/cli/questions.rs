//! `tenantry check` and `tenantry explain` from outside.

use serde_json::{Value, json};

use super::{Finished, Place, account, tenant};

const ROLE: &str = "
kind: Role
metadata: {name: operator}
spec:
  tenantRef: {name: acme}
  permissions:
    allow: [{resources: [device], operations: [view]}]
";

/// A Root, somebody with a role, and two devices.
async fn place() -> Place {
    let place = Place::with(&tenant("acme", "{}"));
    place.write("objects/b.yaml", account("ada", "  tier: Root\n"));
    place.write("objects/c.yaml", account("kim", "  roles: [{name: operator}]\n"));
    place.write("objects/d.yaml", format!("apiVersion: tenantry.dev/v1alpha1{ROLE}"));
    let applied = place.apply().await;
    assert_eq!(applied.code(), Some(0), "{applied:?}");
    place.write("devices.csv", "device_id,unit_id,name,labels,tenant\ncam/17,u1,Door,,default/acme\n");
    let imported = place.call(&["devices", "import", "devices.csv"]).await;
    assert_eq!(imported.code(), Some(0), "{imported:?}");
    place
}

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

#[tokio::test]
async fn check_says_allowed_or_denied_with_the_reason_and_exits_by_it() {
    let place = place().await;
    let finished = place.call(&["check", "KIM", "view", "device/cam/17"]).await;
    assert_eq!((finished.code(), finished.stderr.as_str()), (Some(0), ""), "{finished:?}");
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(lines[0], "allowed: KIM may view device/cam/17");
    assert!(lines[1].starts_with("AllowedByRole: Role default/operator (revision "), "{lines:?}");
    assert!(lines[2].starts_with("The invitation has not been accepted yet"), "{lines:?}");

    // Denied is an answer, and no error.
    let finished = place.call(&["check", "kim@acme.example", "operate", "device/cam/17", "-o", "json"]).await;
    assert_eq!((finished.code(), finished.stderr.as_str()), (Some(1), ""), "{finished:?}");
    let answer = json(&finished);
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["active", "allowed", "filtered", "message", "reason"]);
    assert_eq!((&answer["allowed"], &answer["reason"]), (&json!(false), &json!("NotAllowed")));

    let unknown = json(&place.call(&["check", "nobody", "view", "device", "-o", "json"]).await);
    assert_eq!(unknown["reason"], "UnknownAccount");
    let creator = place.call(&["check", "ada", "view", "cameras.archive", "--creator", "nobody"]).await;
    assert!(creator.stdout.contains("CreatorNotVisible"), "{creator:?}");
}

#[tokio::test]
async fn explain_names_every_object_and_what_would_flip_the_answer() {
    let place = place().await;
    let finished = place.call(&["explain", "kim", "view", "device/cam/17", "-o", "json"]).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    let answer = json(&finished);
    let step = answer["steps"].as_array().unwrap().iter().find(|step| step["effect"] == "Allows").unwrap();
    assert_eq!(step["rule"], "R7");
    let object = &step["object"];
    assert_eq!(
        (&object["kind"], &object["name"], &object["generation"]),
        (&json!("Role"), &json!("operator"), &json!(1))
    );
    assert_eq!(object["revision"].as_str().unwrap().len(), 12);
    assert_eq!(answer["toFlip"]["suffices"], true);

    // The advice against it is followed, and the answer is another one.
    let text = place.call(&["explain", "kim", "view", "device/cam/17"]).await.stdout;
    assert!(text.contains("Role default/operator, generation 1, revision "), "{text}");
    assert!(text.contains("deny view on device in spec.permissions.deny of the account kim"), "{text}");
    let deny =
        "  roles: [{name: operator}]\n  permissions: {deny: [{resources: [device], operations: [view]}]}\n";
    place.write("objects/c.yaml", account("kim", deny));
    assert_eq!(place.apply().await.code(), Some(0));
    let finished = place.call(&["explain", "kim", "view", "device/cam/17"]).await;
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    assert!(finished.stdout.contains("DeniedByAccount"), "{finished:?}");
    assert!(finished.stdout.contains("SubAdmin default/kim, generation 2"), "{finished:?}");
    assert!(
        finished.stdout.contains("To allow it:\n  - take the rule that denies view on device out"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn rights_are_asked_by_capability_and_object() {
    let place = place().await;
    let ask = async |arguments: &[&str]| place.call(arguments).await;
    let finished = ask(&["check", "ada", "ManageUsers", "subadmin/default/kim"]).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    assert!(
        finished
            .stdout
            .contains("Permitted: account ada is Root and outranks SubAdmin default/kim, which is Basic"),
        "{finished:?}"
    );
    let finished = ask(&["explain", "ada", "ManageUsers", "subadmin/default/kim", "-o", "json"]).await;
    let explained = json(&finished);
    let rules: Vec<_> = explained["steps"].as_array().unwrap().iter().map(|step| &step["rule"]).collect();
    assert_eq!(rules, ["R4", "R1", "R2", "R2"], "{explained}");
    let kinds: Vec<_> =
        explained["steps"].as_array().unwrap().iter().map(|step| &step["object"]["kind"]).collect();
    assert_eq!(kinds, ["Tenant", "SubAdmin", "SubAdmin", "SubAdmin"], "{explained}");
    assert!(explained["toFlip"].to_string().contains("leaves ManageUsers out"), "{explained}");
    let finished = ask(&["explain", "kim", "ManageUsers", "subadmin/default/ada", "-o", "json"]).await;
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    let refused = json(&finished);
    assert_eq!(refused["reason"], "TierNotAllowed");
    assert_eq!(refused["message"], "account kim is Basic and manages nobody; SubAdmin default/ada is Root");
    // Everything that stands in the way, not only the first.
    assert_eq!(refused["toFlip"]["changes"].as_array().unwrap().len(), 2, "{refused}");
    // Nobody and a stranger sound alike.
    let nobody = ask(&["explain", "kim", "ManageUsers", "subadmin/default/nobody"]).await;
    assert!(nobody.stdout.contains("denied: kim may not use ManageUsers on subadmin/default/nobody\nOutOfScope: SubAdmin default/nobody does not exist, or does not lie where kim may administer"), "{nobody:?}");
    let owner =
        json(&ask(&["check", "ada", "ManageSubscription", "tenant/default/acme", "-o", "json"]).await);
    assert_eq!((&owner["allowed"], &owner["reason"]), (&json!(true), &json!("Permitted")));
    for group in ["group/default/acme/field", "role/default/operator"] {
        let right = if group.starts_with("group") { "ManageUserGroups" } else { "ManageRoles" };
        assert_eq!(ask(&["check", "ada", right, group]).await.code(), Some(0), "{group}");
        assert_eq!(ask(&["check", "kim", right, group]).await.code(), Some(1), "{group}");
    }
}

#[tokio::test]
async fn a_malformed_question_is_wrong_usage_and_said_in_one_line() {
    let place = Place::new();
    for (arguments, says) in [
        (&["check", "kim", "View", "device"][..], "operation must be a dotted word"),
        (&["check", "kim", "manageusers", "subadmin/a/b"], "operation must be spelt ManageUsers"),
        (
            &["explain", "kim", "managesubscription", "tenant/a/b"],
            "operation must be spelt ManageSubscription",
        ),
        (&["who-can", "MANAGEROLES", "role/a/b"], "operation must be spelt ManageRoles"),
        (&["check", "kim", "view", "device/"], "the id of a device must have 1 to"),
        (&["check", "kim", "view", "a..b"], "resource must be a dotted word"),
        (&["explain", "", "view", "device"], "account must be a username or an e-mail"),
        (&["check", "kim", "ManageUsers", "device/x"], "the object must be tenant/NAMESPACE/NAME"),
        (&["check", "kim", "ManageSubscription", "role/a/b"], "ManageSubscription is about a tenant"),
        (&["check", "kim", "ManageUsers", "role/a/b", "--creator", "na"], "a creator belongs to"),
    ] {
        let finished = place.call(arguments).await;
        assert_eq!(finished.code(), Some(2), "{finished:?}");
        assert!(finished.stderr.contains(says), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    }
    assert!(!place.path("tenantry.db").exists(), "nothing was opened");
    let finished = place.call(&["what-can", ""]).await;
    assert_eq!(finished.code(), Some(2), "{finished:?}");

    // An empty database in a wrong place would say that all is denied, that
    // nothing has happened and that there is nothing.
    place.write("test.yaml", "- {account: kim, may: view, resource: device}\n");
    for arguments in [
        &["check", "kim", "view", "device"][..],
        &["explain", "kim", "ManageUsers", "tenant/a/b"],
        &["who-can", "view", "device"],
        &["what-can", "kim"],
        &["test", "-f", "test.yaml"],
        &["export", "users", "--format", "csv"],
        &["audit", "list"],
        &["audit", "verify"],
        &["devices", "list"],
        &["activation", "list"],
        &["activation", "resend", "kim"],
    ] {
        let missing = "error: there is no database tenantry.db: name it by --database-url, or make it by `tenantry apply` or `tenantry run`";
        super::fails(&place.call(arguments).await, 1, missing);
        assert!(!place.path("tenantry.db").exists(), "{arguments:?}");
    }
    // What would be if files were applied can be asked before any are.
    place.write("objects/a.yaml", super::tenant("acme", "{}"));
    place.write("objects/b.yaml", account("ada", "  tier: Root\n"));
    let finished = place.call(&["check", "ada", "view", "dashboard", "-f", "objects"]).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    assert_eq!(
        finished.stderr,
        "note: there is no database tenantry.db: the files are judged alone, without an inventory of devices; name it by --database-url if there should be one\n"
    );
    assert!(!place.path("tenantry.db").exists());
}

//! `tenantry test`, and questions with `-f`: what would be if these files were
//! applied. On files alone, on a database as it is, and on top of one, of which
//! nothing stays.

use serde_json::Value;

use super::{Place, account, tenant};

const DEVICES: &str = "device_id,unit_id,name,labels,tenant\nd1,,One,,default/acme\nd2,,Two,,default/acme\n";
const SHARE: &str = "kind: DeviceGrant
apiVersion: tenantry.dev/v1alpha1
metadata: {name: watch}
spec: {tenantRef: {name: acme}, mode: Share, to: {subAdminRefs: [{name: kim}]}, devices: {deviceIds: [d1]}, permissions: {allow: [{resources: [device], operations: [view]}]}}
";
const ASSERTIONS: &str = "kind: AccessTest
assertions:
- {account: kim, resource: device/d1, may: view, mayNot: [operate, manage]}
- {account: kim@acme.example, mayNot: {operation: view, resource: device/d2}}
- account: kim
  mayNot: operate
  resource: device/d2
";

/// An account that sees what its tenant holds and may do nothing with it.
fn place() -> Place {
    let place = Place::with(&tenant("acme", "{}"));
    place.write("objects/b.yaml", account("kim", "  tier: Basic\n"));
    place.write("devices.csv", DEVICES);
    place
}

async fn json(place: &Place, arguments: &[&str]) -> (Option<i32>, Value) {
    let finished = place.call(arguments).await;
    let value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    (finished.code(), value)
}

#[tokio::test]
async fn assertions_beside_the_objects_are_asked_without_any_database() {
    let place = place();
    place.write("objects/c.yaml", SHARE);
    place.write("objects/test.yaml", ASSERTIONS);
    let arguments = ["test", "-f", "objects", "--devices", "devices.csv"];
    let finished = place.call(&arguments).await;
    assert_eq!((finished.code(), finished.stderr.as_str()), (Some(0), ""), "{finished:?}");
    assert!(finished.stdout.ends_with("5 passed, 0 failed\n"), "{finished:?}");
    assert!(!place.path("tenantry.db").exists() && !place.path("outbox").exists());

    // Others leave them aside.
    assert_eq!(place.apply().await.code(), Some(0));
    assert_eq!(place.validate().await.code(), Some(0));

    // A change that opens something is found, with where it is forbidden.
    place.write("objects/c.yaml", SHARE.replace("[view]", "['*']"));
    let finished = place.call(&arguments).await;
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    assert!(
        finished.stdout.contains(
            "FAIL  kim may not operate device/d1\n      objects/test.yaml:3: it is allowed: AllowedByGrant: "
        ),
        "{finished:?}"
    );
    assert!(finished.stdout.ends_with("3 passed, 2 failed\n"), "{finished:?}");
    let (code, list) =
        json(&place, &["test", "-f", "objects", "--devices", "devices.csv", "-o", "json"]).await;
    assert_eq!(code, Some(1));
    let failed: Vec<_> = list.as_array().unwrap().iter().filter(|one| one["passed"] == false).collect();
    assert_eq!(failed.len(), 2);
    assert_eq!(
        (&failed[0]["operation"], &failed[0]["line"], &failed[0]["allowed"]),
        (&"operate".into(), &3.into(), &true.into())
    );
}

#[tokio::test]
async fn assertions_alone_are_asked_of_the_database_as_it_is() {
    let place = place();
    assert_eq!(place.apply().await.code(), Some(0));
    assert_eq!(place.call(&["devices", "import", "devices.csv"]).await.code(), Some(0));
    place.write("test.yaml", ASSERTIONS);
    let finished = place.call(&["test", "-f", "test.yaml"]).await;
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    assert!(
        finished
            .stdout
            .starts_with("FAIL  kim may view device/d1\n      test.yaml:3: it is denied: NotAllowed: "),
        "{finished:?}"
    );

    // On top of it, with the share: it holds, and nothing of it stays.
    place.write("more/c.yaml", format!("{SHARE}---\n{ASSERTIONS}"));
    let finished = place.call(&["test", "-f", "more", "--on-database"]).await;
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    assert!(
        finished
            .stdout
            .starts_with("FAIL  DeviceGrant default/watch is ready\n      more/c.yaml:1: it would not be: "),
        "another source: {finished:?}"
    );
    let source = place.path("objects").canonicalize().unwrap().display().to_string();
    let finished = place.call(&["test", "-f", "more", "--on-database", "--source", &source]).await;
    assert_eq!((finished.code(), finished.stderr.as_str()), (Some(0), ""), "{finished:?}");
    assert_eq!(place.call(&["test", "-f", "test.yaml"]).await.code(), Some(1), "it has stayed");
}

#[tokio::test]
async fn questions_are_answered_as_if_files_were_applied_and_nothing_stays() {
    let place = place();
    assert_eq!(place.apply().await.code(), Some(0));
    assert_eq!(place.call(&["devices", "import", "devices.csv"]).await.code(), Some(0));
    let mails = super::files_in(&place.path("outbox"));
    let source = place.path("objects").canonicalize().unwrap().display().to_string();
    let ask = ["check", "kim", "view", "device/d1", "-o", "json"];
    let what_if = [&ask[..], &["-f", "more", "--source", &source]].concat();
    place.write("more/c.yaml", SHARE);
    for _ in 0..2 {
        let (code, now) = json(&place, &ask).await;
        assert_eq!((code, &now["allowed"], &now["reason"]), (Some(1), &false.into(), &"NotAllowed".into()));
        let (code, then) = json(&place, &what_if).await;
        assert_eq!(
            (code, &then["allowed"], &then["reason"]),
            (Some(0), &true.into(), &"AllowedByGrant".into())
        );
    }
    let (_, explained) = json(
        &place,
        &["explain", "kim", "view", "device/d1", "-o", "json", "-f", "more", "--source", &source],
    )
    .await;
    assert!(explained["steps"].to_string().contains("watch"), "{explained}");
    let (_, what) = json(&place, &["what-can", "kim", "-o", "json", "-f", "more", "--source", &source]).await;
    assert_eq!(what["devices"].as_array().unwrap().len(), 1, "{what}");
    let (_, who) =
        json(&place, &["who-can", "view", "device/d1", "-o", "json", "-f", "more", "--source", &source])
            .await;
    assert_eq!(who.as_array().unwrap().len(), 1, "{who}");
    assert_eq!(super::files_in(&place.path("outbox")), mails, "a mail has left");

    // A new account, too, and nobody hears of it.
    place.write("more/d.yaml", account("lee", "  tier: SuperAdmin\n"));
    let finished =
        place.call(&["check", "lee", "view", "device/d2", "-f", "more", "--source", &source]).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    let (_, now) = json(&place, &["check", "lee", "view", "device/d2", "-o", "json"]).await;
    assert_eq!(now["reason"], "UnknownAccount");
}

#[tokio::test]
async fn what_is_wrong_with_assertions_is_one_line_each() {
    let place = place();
    let finished = place.call(&["test", "-f", "objects"]).await;
    assert_eq!(finished.code(), Some(1));
    assert!(finished.stderr.starts_with("error: objects holds no assertion: "), "{finished:?}");
    // Assertions without objects are asked of the database.
    place.call(&["apply", "-f", "objects"]).await;
    place.write("t.yaml", "- account: kim\n  may: view\n- account: kim\n  may: View\n  resource: device\n");
    let finished = place.call(&["test", "-f", "t.yaml"]).await;
    assert_eq!(finished.code(), Some(1));
    assert_eq!(finished.stderr, "error: t.yaml:1: [0].resource: is missing: may needs it here\n");
    assert!(
        finished.stdout.contains("t.yaml:3: it cannot be asked: Malformed: operation must be "),
        "{finished:?}"
    );
    let finished = place.call(&["test", "-f", "t.yaml", "--devices", "devices.csv"]).await;
    assert_eq!(finished.code(), Some(2), "{finished:?}");
}

#[tokio::test]
async fn administrative_rights_are_asserted_beside_access() {
    let place = Place::with(&tenant("acme", "{}"));
    place.write("objects/b.yaml", account("ada", "  tier: Root\n"));
    place.write("objects/c.yaml", account("kim", "  tier: Basic\n"));
    place.write(
        "objects/test.yaml",
        "kind: AccessTest
assertions:
- {account: ada, may: ManageUsers, resource: subadmin/default/kim}
- {account: ada, may: view, resource: device/d9}
- {account: kim, mayNot: ManageUsers, resource: subadmin/default/ada}
- {account: kim, may: ManageUsers, resource: subadmin/default/ada}
- {account: ada, may: ManageUsers, resource: device/d1}
- {account: ada, may: ManageUsers, resource: subadmin/default/kim, creator: kim}
",
    );
    let (code, list) = json(&place, &["test", "-f", "objects", "-o", "json"]).await;
    assert_eq!(code, Some(1));
    let outcomes: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["passed"].as_bool().unwrap(), one["reason"].as_str().unwrap()))
        .collect();
    let expected = [
        (true, "Permitted"),
        (false, "UnknownDevice"),
        (true, "TierNotAllowed"),
        (false, "TierNotAllowed"),
        (false, "Malformed"),
        (false, "Malformed"),
    ];
    assert_eq!(outcomes, expected, "{list}");
}

#[tokio::test]
async fn an_assertion_about_what_is_not_there_proves_nothing() {
    let place = place();
    place.write("objects/c.yaml", SHARE);
    let wrong = [
        ("account: kmi, {}: view, resource: device/d1", "UnknownAccount", "there is no account kmi: "),
        (
            "account: kim, {}: view, resource: device/d9",
            "UnknownDevice",
            "there is no device d9 in the inventory: ",
        ),
        (
            "account: kim, {}: view, resource: cameras.archive, creator: kmi",
            "UnknownAccount",
            "there is no account kmi: ",
        ),
        (
            "account: kmi, {}: ManageUsers, resource: subadmin/default/kim",
            "UnknownAccount",
            "there is no account kmi: ",
        ),
        (
            "account: kim, {}: ManageUsers, resource: subadmin/default/kmi",
            "UnknownObject",
            "there is no SubAdmin default/kmi ",
        ),
        (
            "account: kim, {}: ManageUserGroups, resource: group/default/acmee/field",
            "UnknownObject",
            "there is no Tenant default/acmee ",
        ),
        (
            "account: kim, {}: manageusers, resource: subadmin/default/kim",
            "Malformed",
            "operation must be spelt ManageUsers: ",
        ),
    ];
    let entries = wrong.map(|(entry, ..)| {
        ["may", "mayNot"].map(|may| format!("- {{{}}}\n", entry.replace("{}", may))).concat()
    });
    place.write("objects/test.yaml", format!("kind: AccessTest\nassertions:\n{}", entries.concat()));
    let arguments = ["test", "-f", "objects", "--devices", "devices.csv"];
    let (code, list) = json(&place, &[&arguments[..], &["-o", "json"]].concat()).await;
    assert_eq!(code, Some(1));
    assert_eq!(list.as_array().unwrap().len(), 2 * wrong.len());
    for (outcome, at) in list.as_array().unwrap().iter().zip(0..) {
        let (_, reason, message) = wrong[at / 2];
        assert_eq!((&outcome["passed"], &outcome["allowed"]), (&false.into(), &Value::Null), "{outcome}");
        assert_eq!(outcome["reason"], reason, "{outcome}");
        assert!(outcome["message"].as_str().unwrap().starts_with(message), "{outcome}");
    }
    let finished = place.call(&arguments).await;
    assert!(
        finished.stdout.contains(
            "FAIL  kmi may not view device/d1\n      objects/test.yaml:4: it cannot be judged: UnknownAccount: there is no account kmi: "
        ),
        "{finished:?}"
    );
    assert!(finished.stdout.ends_with("0 passed, 14 failed\n"), "{finished:?}");
}

#[tokio::test]
async fn an_assertion_about_one_of_two_objects_names_neither() {
    let place = Place::new();
    for (source, root) in [("one", account("ada", "  tier: Root\n")), ("two", String::new())] {
        let role = format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Role\nmetadata: {{name: operator}}\nspec: {{tenantRef: {{name: {source}}}}}\n"
        );
        let root = root.replace("name: acme", "name: one");
        place.write(&format!("{source}/a.yaml"), format!("{}{root}{role}", tenant(source, "{}")));
        let finished = place.call(&["apply", "-f", source, "--source", source]).await;
        assert_eq!(finished.code(), Some(0), "{finished:?}");
    }
    place.write("t.yaml", "- {account: ada, mayNot: ManageRoles, resource: role/default/operator}\n");
    let (code, list) = json(&place, &["test", "-f", "t.yaml", "-o", "json"]).await;
    assert_eq!((code, &list[0]["passed"], &list[0]["reason"]), (Some(1), &false.into(), &"Ambiguous".into()));
    let finished = place.call(&["test", "-f", "t.yaml", "--source", "two"]).await;
    assert_eq!(finished.code(), Some(0), "a stranger, and one that is there: {finished:?}");
}

#[tokio::test]
async fn an_object_that_would_not_be_ready_fails_the_test_and_a_device_to_come_does_not() {
    let place = place();
    place.write("objects/c.yaml", SHARE.replace("[d1]", "[d1, later]"));
    place.write("objects/test.yaml", ASSERTIONS);
    let arguments = ["test", "-f", "objects", "--devices", "devices.csv"];
    let finished = place.call(&arguments).await;
    assert_eq!((finished.code(), finished.stderr.as_str()), (Some(0), ""), "{finished:?}");

    place.write("objects/d.yaml", account("lee", "  tier: Basic\n").replace("name: acme", "name: nowhere"));
    let finished = place.call(&arguments).await;
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    assert!(
        finished.stdout.starts_with(
            "FAIL  SubAdmin default/lee is ready\n      objects/d.yaml:1: it would not be: RefNotFound: "
        ),
        "{finished:?}"
    );
    assert!(finished.stdout.ends_with("5 passed, 0 failed, 1 object would not be ready\n"), "{finished:?}");
    let (code, list) = json(&place, &[&arguments[..], &["-o", "json"]].concat()).await;
    assert_eq!(code, Some(1));
    let failed: Vec<_> = list.as_array().unwrap().iter().filter(|one| one["passed"] == false).collect();
    assert_eq!(
        (failed.len(), &failed[0]["name"], &failed[0]["reason"]),
        (1, &"lee".into(), &"RefNotFound".into())
    );
    std::fs::remove_file(place.path("objects/d.yaml")).unwrap();

    // The same files under another name: told, and how to name them.
    assert_eq!(place.call(&["apply", "-f", "objects", "--source", "git"]).await.code(), Some(0));
    assert_eq!(place.call(&["devices", "import", "devices.csv"]).await.code(), Some(0));
    let on_database = ["test", "-f", "objects", "--on-database"];
    let finished = place.call(&on_database).await;
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    assert!(finished.stdout.starts_with("FAIL  Tenant default/acme is ready\n"), "{finished:?}");
    assert!(
        finished.stderr.starts_with("note: ManagedElsewhere: ") && finished.stderr.contains("--source"),
        "{finished:?}"
    );
    let finished = place.call(&[&on_database[..], &["--source", "git"]].concat()).await;
    assert_eq!((finished.code(), finished.stderr.as_str()), (Some(0), ""), "{finished:?}");
}

#[tokio::test]
async fn a_misspelt_document_of_assertions_is_a_fault_for_everybody_and_notes_are_told() {
    let place = place();
    place.write("objects/c.yaml", SHARE);
    place.write("objects/test.yaml", ASSERTIONS);
    place.write(
        "objects/u.yaml",
        "kind: AccessTest\nassertion:\n- {account: kim, may: view, resource: device/d1}\n",
    );
    let fault = "objects/u.yaml:1: assertions: is missing or no list: write one entry for each account under it, such as ";
    for command in ["test", "apply", "validate"] {
        let finished = place.call(&[command, "-f", "objects"]).await;
        assert_eq!(finished.code(), Some(1), "{command}: {finished:?}");
        assert!(finished.stderr.contains(fault), "{command}: {finished:?}");
    }
    place.write("objects/u.yaml", "apiVersion: v1\nkind: ConfigMap\n");
    let note = "note: 1 object of kind ConfigMap (v1) left aside: not a kind of Tenantry\n";
    for arguments in [
        &["test", "-f", "objects", "--devices", "devices.csv"][..],
        &["check", "kim", "view", "device/d1", "-f", "objects"],
    ] {
        assert_eq!(place.call(arguments).await.stderr.matches(note).count(), 1, "{arguments:?}");
    }
}

#[tokio::test]
async fn there_is_no_answer_from_files_that_cannot_be_read() {
    let place = place();
    assert_eq!(place.apply().await.code(), Some(0));
    place.write("objects/b.yaml", account("ada", "  tier: Root\n"));
    place.write("objects/x.yaml", "kind: [\n");
    for arguments in [
        &["check", "ada", "view", "dashboard"][..],
        &["explain", "ada", "view", "dashboard"],
        &["who-can", "view", "dashboard"],
        &["what-can", "ada"],
    ] {
        let finished = place.call(&[arguments, &["-f", "objects"]].concat()).await;
        assert_eq!((finished.code(), finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
        let told: Vec<_> = finished.stderr.lines().collect();
        assert!(told[0].starts_with("error: objects/x.yaml:"), "{told:?}");
        assert!(told[1].starts_with("error: there is no answer, because "), "{told:?}");
        assert_eq!(told.len(), 2, "{told:?}");
    }
    // What was read and is wrong is refused as apply would, and the others are in force.
    place.write("objects/x.yaml", tenant("other", "{displayNam: Other}"));
    let finished = place.call(&["check", "ada", "view", "dashboard", "-f", "objects"]).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    assert!(finished.stderr.starts_with("note: objects/x.yaml:5: Tenant default/other: "), "{finished:?}");
}

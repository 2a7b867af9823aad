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
- account: nobody
  mayNot: view
  resource: device/d1
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
        finished.stderr.contains("note: DeviceGrant default/watch would not be ready"),
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
        (false, "DeviceNotVisible"),
        (true, "TierNotAllowed"),
        (false, "TierNotAllowed"),
        (false, "Malformed"),
        (false, "Malformed"),
    ];
    assert_eq!(outcomes, expected, "{list}");
}

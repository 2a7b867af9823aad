//! Every folder in `examples/` does what it says, as a newcomer would try it:
//! with the built binary, on SQLite, mails into a folder.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod harness;

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Finished, Postgres, Tenantry, in_tree};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(120);

fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(in_tree("examples")).unwrap();
    let mut folders: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 6, "{folders:?}");
    folders
}

async fn call(place: &Path, arguments: &[&str]) -> Finished {
    Tenantry::new(arguments).dir(place).finish(PATIENCE).await
}

async fn applied(place: &Path, example: &str) -> Vec<Value> {
    let finished = call(place, &["apply", "-f", example, "-o", "json"]).await;
    let list: Vec<Value> = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
    for object in &list {
        assert_eq!(object["ready"], true, "{example}: {object:#}");
    }
    assert_eq!(finished.code(), Some(0), "{example}: {finished:?}");
    list
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == kind)
}

fn holds(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

#[tokio::test]
async fn nothing_is_wrong_with_any_example() {
    for folder in folders() {
        let finished = call(&in_tree(""), &["validate", "-f", folder.to_str().unwrap()]).await;
        assert_eq!((finished.code(), finished.stderr.as_str()), (Some(0), ""), "{finished:?}");
    }
}

#[tokio::test]
async fn every_object_of_every_example_is_ready_and_stays_as_it_is() {
    for folder in folders() {
        let place = tempfile::tempdir().unwrap();
        let example = folder.to_str().unwrap();
        let list = applied(place.path(), example).await;
        assert!(!list.is_empty());
        let again = call(place.path(), &["apply", "-f", example]).await;
        assert_eq!(again.code(), Some(0), "{again:?}");
        for line in again.stdout.lines().skip(1) {
            assert!(line.contains(" unchanged "), "{example}: {line}");
        }
        let invited = list
            .iter()
            .filter(|object| {
                condition(object, "InvitationSent").is_some_and(|condition| condition["reason"] == "Sent")
            })
            .count();
        let mails = std::fs::read_dir(place.path().join("outbox")).unwrap().count();
        assert!(mails >= 1 && invited == mails, "{example}: {invited} invited, {mails} mails");
    }
}

#[tokio::test]
async fn the_devices_of_an_example_take_effect_when_they_are_imported() {
    for folder in folders() {
        let devices = folder.join("devices.csv");
        if !devices.exists() {
            continue;
        }
        let place = tempfile::tempdir().unwrap();
        let example = folder.to_str().unwrap();
        let pending = |list: &[Value]| list.iter().filter(|object| holds(object, "DevicesPending")).count();
        let before = applied(place.path(), example).await;
        let named = before.iter().filter(|object| object["kind"] == "DeviceGrant").count();
        assert!(named > 0, "{example}");
        let imported = call(place.path(), &["devices", "import", devices.to_str().unwrap()]).await;
        assert_eq!((imported.code(), imported.stderr.as_str()), (Some(0), ""), "{imported:?}");
        let after = applied(place.path(), example).await;
        assert_eq!(pending(&after), 0, "{example}: {after:#?}");
    }
}

#[tokio::test]
async fn the_quickstart_waits_for_its_devices_and_then_hands_them_over() {
    let place = tempfile::tempdir().unwrap();
    let example = in_tree("examples/quickstart");
    let example = example.to_str().unwrap();
    let list = applied(place.path(), example).await;
    let grant = list.iter().find(|object| object["kind"] == "DeviceGrant").unwrap();
    assert!(holds(grant, "DevicesPending"), "{grant:#}");
    let csv = format!("{example}/devices.csv");
    call(place.path(), &["devices", "import", &csv]).await;
    applied(place.path(), example).await;
    let north =
        call(place.path(), &["devices", "list", "--tenant", "default/acme-north", "-o", "json"]).await;
    let north: Vec<Value> = serde_json::from_str(&north.stdout).unwrap();
    let ids: Vec<_> = north.iter().map(|device| device["deviceId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["door-001", "door-002"]);
}

/// Whether an account has each of these rights over a thing.
async fn rights(place: &Path, account: &str, thing: &str, rights: &[&str]) -> Vec<bool> {
    let mut has = vec![];
    for right in rights {
        let finished = call(place, &["check", account, right, thing, "-o", "json"]).await;
        let answer: Value = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
        assert_eq!(finished.code(), Some(i32::from(answer["allowed"] != true)), "{finished:?}");
        has.push(answer["allowed"] == true);
    }
    has
}

#[tokio::test]
async fn each_level_of_account_has_exactly_the_rights_that_its_article_ticks() {
    let place = tempfile::tempdir().unwrap();
    applied(place.path(), in_tree("examples/projects").to_str().unwrap()).await;
    let instance = "tenant/instance/instance";
    let ticks = [
        "ManageResources",
        "ManagePlugins",
        "ManageProjects",
        "ManageUsers",
        "ManageBranding",
        "ManageSubscription",
    ];
    for (account, expected) in [
        ("owner", [true, true, true, true, true, true]),
        ("administrator", [true, true, true, true, true, false]),
        ("developer", [true, true, true, false, false, false]),
        ("guest", [false, false, false, false, false, false]),
    ] {
        assert_eq!(rights(place.path(), account, instance, &ticks).await, expected, "{account}");
    }
    let accounts = ["ManageUsers"];
    assert_eq!(rights(place.path(), "administrator", "subadmin/instance/guest", &accounts).await, [true]);
    assert_eq!(rights(place.path(), "developer", "subadmin/instance/guest", &accounts).await, [false]);
    let listed = call(place.path(), &["what-can", "guest", "-o", "json"]).await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert!(!listed["rules"].to_string().contains("plugin"), "{listed:#}");
}

#[tokio::test]
async fn company_and_mobile_stand_in_the_user_list_where_they_were_given() {
    let place = tempfile::tempdir().unwrap();
    applied(place.path(), in_tree("examples/tiers-and-quotas").to_str().unwrap()).await;
    let list = call(place.path(), &["export", "users", "--format", "csv"]).await.stdout;
    let of = |name: &str| {
        let line = list.lines().find(|line| line.starts_with(name)).unwrap();
        line.split(',').skip(2).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    // What a spreadsheet would take for a formula is marked as text.
    assert_eq!(of("regional-manager,"), ["Hub Installers Ltd", "'+49 30 000000"]);
    assert_eq!(of("branch-admin,"), ["", ""]);
}

/// The devices that an account is shown, each with the account that holds it.
async fn shown(place: &Path, account: &str) -> Vec<(String, Option<String>)> {
    let finished = call(place, &["devices", "list", "--as", account, "-o", "json"]).await;
    let list: Vec<Value> = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
    let text = |device: &Value, field: &str| device[field].as_str().map(str::to_owned);
    list.iter().map(|device| (text(device, "deviceId").unwrap(), text(device, "account"))).collect()
}

#[tokio::test]
async fn a_manager_lists_the_devices_under_its_sub_accounts_and_these_only_their_own() {
    let place = tempfile::tempdir().unwrap();
    let example = in_tree("examples/tiers-and-quotas");
    let example = example.to_str().unwrap();
    applied(place.path(), example).await;
    call(place.path(), &["devices", "import", &format!("{example}/devices.csv")]).await;
    applied(place.path(), example).await;
    let held = |id: &str, by: Option<&str>| (id.to_owned(), by.map(str::to_owned));
    let region = shown(place.path(), "regional-manager").await;
    assert!(region.contains(&held("gateway-02", Some("branch-admin"))), "{region:?}");
    assert!(region.contains(&held("gateway-01", Some("regional-manager"))), "{region:?}");
    // What is only shared with it does not say who holds it.
    assert!(shown(place.path(), "installer").await.contains(&held("gateway-01", None)));
    assert!(!shown(place.path(), "support").await.iter().any(|(_, holder)| holder.is_some()));
    let stranger = call(place.path(), &["devices", "list", "--as", "nobody"]).await;
    assert_eq!(stranger.code(), Some(1), "{stranger:?}");
    assert!(stranger.stderr.contains("no account has this username or e-mail"), "{stranger:?}");
}

#[tokio::test]
async fn the_quickstart_works_on_postgresql_too() {
    let place = tempfile::tempdir().unwrap();
    let url = Postgres::shared().await.database("quickstart").await;
    std::fs::write(place.path().join("key"), "6f".repeat(32)).unwrap();
    for action in [" created ", " unchanged "] {
        let finished = Tenantry::new(["apply", "-f", in_tree("examples/quickstart").to_str().unwrap()])
            .env("TENANTRY_DATABASE_URL", &url)
            .env("TENANTRY_KEY_FILE", "key")
            .dir(place.path())
            .finish(PATIENCE)
            .await;
        assert_eq!(finished.code(), Some(0), "{finished:?}");
        let lines: Vec<_> = finished.stdout.lines().skip(1).collect();
        assert_eq!(lines.len(), 7, "{finished:?}");
        assert!(lines.iter().all(|line| line.contains(action)), "{finished:?}");
    }
}

#[test]
fn examples_name_only_people_and_places_that_do_not_exist() {
    for folder in folders() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for word in text.split_whitespace().filter(|word| word.contains('@')) {
                let host = word.rsplit('@').next().unwrap().trim_matches(['>', '"', '}', ',']);
                assert!(host.ends_with(".example"), "{}: {word}", path.display());
            }
        }
    }
}

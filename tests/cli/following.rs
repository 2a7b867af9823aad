//! `run --from`: a folder that is followed.

use std::time::Duration;

use super::{Place, account, tenant};

fn place() -> Place {
    let place = Place::with(&tenant("acme", "{}"));
    place.write("objects/b.yaml", account("kim", ""));
    place
}

#[tokio::test]
async fn it_tells_what_it_did_where_the_mail_is_and_which_link_to_open() {
    let place = place();
    let (running, port) = place.run(&[]).await;
    let link = running.wait_for_line("/activate?token=", super::PATIENCE).await;
    let link = link.split_whitespace().last().unwrap().to_owned();
    assert!(link.starts_with(&format!("http://127.0.0.1:{port}/activate?token=")), "{link}");
    let told = running.stdout();
    for words in ["Tenantry follows objects: 2 objects in 2 files", "default/acme", "kim is invited"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let mail = told.lines().find_map(|line| line.trim().strip_prefix("mail  ")).unwrap();
    assert!(place.path(mail).exists(), "{mail}");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(client.get(&link).send().await.unwrap().status().is_success());
    assert_eq!(running.stderr(), "");
    assert_eq!(running.terminate(Duration::from_secs(20)).await.code(), Some(0));
}

#[tokio::test]
async fn a_change_is_followed_and_a_broken_file_keeps_what_it_had_and_is_told_once() {
    let place = place();
    let (running, _) = place.run(&[]).await;
    place.write("objects/c.yaml", tenant("later", "{parentRef: {name: acme}}"));
    running.wait_for_line("default/later", super::PATIENCE).await;

    place.write("objects/a.yaml", "kind: [\n");
    running.wait_for_line("objects/a.yaml:", super::PATIENCE).await;
    place.write("objects/d.yaml", tenant("after", "{parentRef: {name: acme}}"));
    let line = running.wait_for_line("default/after", super::PATIENCE).await;
    assert!(line.contains("created"), "the tenant of the broken file is still in force: {line}");
    assert_eq!(running.stderr().matches("objects/a.yaml:").count(), 1, "{}", running.stderr());

    place.write("objects/a.yaml", tenant("acme", "{displayName: Repaired}"));
    let updated = async || {
        running.stdout().lines().any(|line| line.contains("default/acme") && line.contains("updated"))
    };
    super::harness::eventually("the repaired file is applied", super::PATIENCE, async || {
        updated().await.then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_prune_nothing_is_removed_and_with_it_what_is_gone() {
    let place = place();
    let (running, _) = place.run(&[]).await;
    std::fs::remove_file(place.path("objects/b.yaml")).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(place.call(&["activation", "list"]).await.stdout.contains("default/kim"));
    running.terminate(Duration::from_secs(20)).await;

    let running = place.start(super::free_port(), super::free_port(), &["--prune"]);
    running.wait_for_line("deleted", super::PATIENCE).await;
    let list = place.call(&["activation", "list", "-o", "json"]).await;
    assert_eq!(list.stdout.trim(), "[]");
}

#[tokio::test]
async fn a_restart_writes_nothing_new_and_sends_nothing_again() {
    let place = place();
    let (running, _) = place.run(&[]).await;
    running.wait_for_line("kim is invited", super::PATIENCE).await;
    running.terminate(Duration::from_secs(20)).await;
    let (running, _) = place.run(&[]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(super::files_in(&place.path("outbox")), 1);
    assert!(!running.stdout().contains("created"), "{}", running.stdout());
}

#[tokio::test]
async fn a_kill_loses_nothing() {
    let place = place();
    let (running, _) = place.run(&[]).await;
    running.kill().await;
    let (running, _) = place.run(&[]).await;
    running.wait_for_line("kim is invited", super::PATIENCE).await;
    assert_eq!(super::files_in(&place.path("outbox")), 1);
}

#[expect(clippy::disallowed_methods, reason = "people write the times of a grant by their own clock")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

#[tokio::test]
async fn a_grant_switches_on_and_off_by_itself_and_apply_finds_what_time_has_changed() {
    let place =
        Place::with(&format!("{}{}", tenant("acme", "{}"), tenant("north", "{parentRef: {name: acme}}")));
    assert_eq!(place.apply().await.code(), Some(0));
    place.write("devices.csv", "device_id,unit_id,name,labels,tenant\nd1,,,,default/acme\n");
    assert_eq!(place.call(&["devices", "import", "devices.csv"]).await.code(), Some(0));
    let grant = |times: String| {
        let spec = format!(
            "{{tenantRef: {{name: acme}}, mode: Assign, to: {{tenantRef: {{name: north}}}}, devices: {{deviceIds: [d1]}}, {times}}}"
        );
        format!("apiVersion: tenantry.dev/v1alpha1\nkind: DeviceGrant\nmetadata:\n  name: g\nspec: {spec}\n")
    };
    let holder = async || {
        let list = place.call(&["devices", "list", "-o", "json"]).await;
        let list: Vec<serde_json::Value> = serde_json::from_str(&list.stdout).unwrap();
        list[0]["tenant"].as_str().unwrap().to_owned()
    };
    let at = async |path: &str| {
        let what = format!("the device is at {path}");
        super::harness::eventually(&what, super::PATIENCE, async || (holder().await == path).then_some(()))
            .await;
    };
    let later = |seconds| jiff::Timestamp::from_second(now().as_second() + seconds).unwrap();

    let (running, _) = place.run(&[]).await;
    place.write("objects/g.yaml", grant(format!("notBefore: '{}', expiresAt: '{}'", later(6), later(12))));
    running.wait_for_line("default/g", super::PATIENCE).await;
    assert_eq!(holder().await, "/acme");
    at("/acme/north").await;
    at("/acme").await;
    assert_eq!(running.terminate(Duration::from_secs(20)).await.code(), Some(0));

    let end = later(3);
    place.write("objects/g.yaml", grant(format!("expiresAt: '{end}'")));
    assert_eq!(place.apply().await.code(), Some(0));
    assert_eq!(holder().await, "/acme/north");
    while now() < end {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(holder().await, "/acme/north", "nothing runs");
    assert_eq!(place.apply().await.code(), Some(0));
    assert_eq!(holder().await, "/acme");
}

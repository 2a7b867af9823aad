//! What the commands do when nothing is wrong, as programs rely on it.

use super::{Place, account, fails, tenant};

#[tokio::test]
async fn apply_lists_each_object_in_the_shape_that_pipelines_rely_on() {
    let place = Place::with(&tenant("acme", "{}"));
    let list = place.applied(&[]).await;
    let fields: Vec<_> = list[0].as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = ["kind", "namespace", "name", "ready", "reason", "message", "conditions"];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    let ready = &list[0]["conditions"][0];
    assert_eq!(ready["type"], "Ready");
    assert_eq!(ready["status"], "True");
    let fields: Vec<_> = ready.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["message", "reason", "status", "type"]);
}

#[tokio::test]
async fn applying_twice_changes_nothing_and_back_again_restores() {
    let place = Place::with(&tenant("acme", "{displayName: One}"));
    let action = async || {
        let finished = place.apply().await;
        assert_eq!(finished.code(), Some(0), "{finished:?}");
        finished.stdout.lines().nth(1).unwrap().split_whitespace().nth(2).unwrap().to_owned()
    };
    assert_eq!(action().await, "created");
    assert_eq!(action().await, "unchanged");
    place.write("objects/a.yaml", tenant("acme", "{displayName: Two}"));
    assert_eq!(action().await, "updated");
    place.write("objects/a.yaml", tenant("acme", "{displayName: One}"));
    assert_eq!(action().await, "updated");
}

#[tokio::test]
async fn a_mail_is_written_before_apply_ends() {
    let place = Place::with(&format!("{}{}", tenant("acme", "{}"), account("kim", "")));
    let finished = place.apply().await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    assert_eq!(finished.stderr.trim_end(), "note: 1 mail written to ./outbox");
    assert_eq!(super::files_in(&place.path("outbox")), 1);
    let again = place.apply().await;
    assert_eq!(again.stderr, "", "no second mail");
}

#[tokio::test]
async fn prune_removes_what_is_gone_and_nothing_when_a_file_cannot_be_read() {
    let place = Place::with(&tenant("acme", "{}"));
    place.write("objects/b.yaml", account("kim", ""));
    assert_eq!(place.apply().await.code(), Some(0));
    std::fs::remove_file(place.path("objects/b.yaml")).unwrap();
    let kept = place.applied(&[]).await;
    assert_eq!(kept.len(), 1, "without --prune nobody looks at it");

    place.write("objects/c.yaml", "kind: [\n");
    let finished = place.call(&["apply", "-f", "objects", "--prune"]).await;
    assert!(
        finished.stderr.contains("note: nothing is removed, because not every file could be read"),
        "{finished:?}"
    );
    assert!(!finished.stdout.contains("default/kim"), "{finished:?}");

    std::fs::remove_file(place.path("objects/c.yaml")).unwrap();
    let finished = place.call(&["apply", "-f", "objects", "--prune"]).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    let line = finished.stdout.lines().find(|line| line.contains("default/kim")).unwrap();
    assert!(line.contains("deleted"), "{line}");
    let list = place.call(&["activation", "list", "-o", "json"]).await;
    assert_eq!(list.stdout.trim(), "[]");
}

#[tokio::test]
async fn a_cascade_waits_for_its_digest() {
    let place = Place::with(&tenant("acme", "{deletionPolicy: Cascade}"));
    place.write("objects/b.yaml", account("kim", ""));
    place.write("objects/c.yaml", tenant("other", "{}"));
    assert_eq!(place.apply().await.code(), Some(0));
    std::fs::remove_file(place.path("objects/a.yaml")).unwrap();
    let list = place.applied(&["--prune"]).await;
    let acme = list.iter().find(|object| object["name"] == "acme").unwrap();
    assert_eq!((&acme["ready"], &acme["reason"]), (&false.into(), &"ConfirmationRequired".into()), "{acme}");
    let told = place.call(&["apply", "-f", "objects", "--prune"]).await.stderr;
    let confirm = told.lines().find_map(|line| line.split_once("--confirm-delete ")).unwrap().1;
    let wrong = place.applied(&["--prune", "--confirm-delete", "default/acme=0123456789abcdef"]).await;
    assert_eq!(wrong.iter().find(|object| object["name"] == "acme").unwrap()["ready"], false);
    let list = place.applied(&["--prune", "--confirm-delete", confirm]).await;
    let acme = list.iter().find(|object| object["name"] == "acme").unwrap();
    assert_eq!((&acme["ready"], &acme["reason"]), (&true.into(), &"Deleted".into()), "{acme}");
}

#[tokio::test]
async fn devices_come_in_line_by_line_and_wrong_lines_are_named() {
    let place = Place::with(&tenant("acme", "{}"));
    assert_eq!(place.apply().await.code(), Some(0));
    place.write(
        "devices.csv",
        "device_id,unit_id,name,labels,tenant\nd1,u1,Door,site=north;kind=door,default/acme\nd 2,,,,\nd3,,,,default/nowhere\nd1,,,,\nd4,,,,\n",
    );
    let finished = place.call(&["devices", "import", "devices.csv"]).await;
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    let told: Vec<_> = finished.stderr.lines().collect();
    assert_eq!(
        told,
        [
            "devices.csv:3: device_id: holds a space or a control character: remove it",
            "devices.csv:4: tenant: no tenant default/nowhere is in the database: apply it first, or correct the name",
            "devices.csv:5: device_id: stands on an earlier line already: remove one of the two",
        ]
    );
    assert_eq!(finished.stdout.trim(), "2 added, 0 changed, 0 unchanged, 3 left out");
    let again = place.call(&["devices", "import", "devices.csv"]).await;
    assert_eq!(again.stdout.trim(), "0 added, 0 changed, 2 unchanged, 3 left out");
    let list = place.call(&["devices", "list", "--tenant", "default/acme", "-o", "json"]).await;
    let list: Vec<serde_json::Value> = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["labels"]["site"], "north");
}

#[tokio::test]
async fn many_devices_are_imported_in_batches() {
    let place = Place::new();
    let lines: String =
        (0..2_500).map(|n| format!("{{\"device_id\":\"d{n:05}\",\"labels\":{{\"n\":\"{n}\"}}}}\n")).collect();
    place.write("devices.ndjson", lines);
    let finished = place.call(&["devices", "import", "devices.ndjson"]).await;
    assert_eq!(finished.stdout.trim(), "2500 added, 0 changed, 0 unchanged", "{finished:?}");
    let list = place.call(&["devices", "list"]).await;
    assert_eq!(list.stdout.lines().count(), 2_501);
}

#[tokio::test]
async fn validate_lists_faults_for_programs() {
    let place = Place::with(&tenant("acme", "\n  displayNam: ACME"));
    let finished = place.call(&["validate", "-f", "objects", "-o", "json"]).await;
    assert_eq!(finished.code(), Some(1));
    let list: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(list[0]["file"], "objects/a.yaml");
    assert_eq!(list[0]["line"], 6);
    assert_eq!(list[0]["field"], "spec.displayNam");
    assert_eq!(list[0]["name"], "acme");
}

#[tokio::test]
async fn definitions_are_written_as_they_are_in_the_tree() {
    let place = Place::new();
    assert_eq!(place.call(&["crd", "--out-dir", "crds"]).await.code(), Some(0));
    for name in ["tenants", "subadmins", "accountroles", "devicegrants"] {
        let written = std::fs::read_to_string(place.path(&format!("crds/{name}.yaml"))).unwrap();
        let kept = std::fs::read_to_string(super::harness::in_tree(&format!("crds/{name}.yaml"))).unwrap();
        assert!(written == kept, "crds/{name}.yaml is stale: run `make crds`");
    }
    let printed = place.call(&["crd"]).await.stdout;
    assert_eq!(printed.matches("kind: CustomResourceDefinition").count(), 4);
}

#[tokio::test]
async fn completions_and_migrations_and_the_doctor_answer() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let finished = place.call(&["completions", shell]).await;
        assert!(finished.code() == Some(0) && finished.stdout.contains("tenantry"), "{shell}");
    }
    let finished = place.call(&["migrate"]).await;
    assert!(finished.stdout.starts_with("the schema is up to date (SQLite "), "{finished:?}");
    let finished = Doctor { place: &place }.call(&[]).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    let finished = Doctor { place: &place }.call(&["--key-file", "nowhere"]).await;
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    assert!(
        finished.stdout.contains("FAIL  key          the key file nowhere does not exist"),
        "{finished:?}"
    );
}

struct Doctor<'a> {
    place: &'a Place,
}

impl Doctor<'_> {
    async fn call(&self, more: &[&str]) -> super::Finished {
        let (pages, operations) =
            (format!("127.0.0.1:{}", super::free_port()), format!("127.0.0.1:{}", super::free_port()));
        let mut arguments = vec!["doctor", "--no-cluster", "--listen", &pages, "--ops-listen", &operations];
        arguments.extend(more);
        self.place.call(&arguments).await
    }
}

#[tokio::test]
async fn commands_of_later_releases_are_not_there_yet() {
    let place = Place::new();
    let help = place.call(&["--help"]).await.stdout;
    assert!(!help.contains("\n  plan "));
    for words in [&["plan", "-f", "objects"][..], &["export"], &["export", "tenants"]] {
        assert_eq!(place.call(words).await.code(), Some(2), "{words:?}");
    }
}

#[tokio::test]
async fn run_without_a_cluster_says_what_to_do() {
    let place = Place::new();
    let finished = super::Tenantry::new(["run"])
        .dir(place.path(""))
        .env("HOME", place.path(""))
        .env("KUBERNETES_SERVICE_HOST", "")
        .finish(super::PATIENCE)
        .await;
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    assert!(
        finished.stderr.starts_with(
            "error: no cluster is configured; set KUBECONFIG, run inside a pod, or use --from PATH"
        ),
        "{finished:?}"
    );
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    fails(
        &place.call(&["run", "--prune"]).await,
        2,
        "error: --prune and --secrets-dir are for files: give --from PATH as well",
    );
}

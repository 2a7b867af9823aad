//! `tenantry audit` from outside: sealed when `apply` ends and while `run`
//! goes on, listed in every form, proved, and refused in one line.

use serde_json::Value;

use super::{Finished, Place, account, fails, tenant};

/// A root with the right to see everything, and somebody without it.
fn place() -> Place {
    let place = Place::with(&tenant("acme", "{}"));
    place.write("objects/b.yaml", account("ada", "  tier: Root\n  company: Acme Doors Ltd\n"));
    place.write("objects/c.yaml", account("kim", "  managedByRef: {name: ada}\n"));
    place
}

async fn sealed() -> Place {
    let place = place();
    assert_eq!(place.apply().await.code(), Some(0));
    place
}

async fn json(place: &Place, arguments: &[&str]) -> Value {
    let finished = place.call(arguments).await;
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

fn lines(finished: &Finished) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    finished.stdout.lines().skip(1).map(words).collect()
}

#[tokio::test]
async fn r11_apply_seals_what_it_did_and_verify_proves_it() {
    let place = sealed().await;
    let finished = place.call(&["audit", "verify"]).await;
    assert_eq!((finished.code(), finished.stderr.as_str()), (Some(0), ""), "{finished:?}");
    assert!(finished.stdout.starts_with("3 entries  sealed and whole\nhead       "), "{finished:?}");
    let found = json(&place, &["audit", "verify", "-o", "json"]).await;
    assert_eq!(
        (&found["whole"], &found["sealed"], &found["broken"]),
        (&true.into(), &3.into(), &Value::Null)
    );
    assert_eq!(found["unsealed"]["count"], 0);
    let head = found["head"].as_str().unwrap().to_owned();
    place.write("objects/a.yaml", tenant("acme", "{displayName: Two}"));
    place.apply().await;
    let finished = place.call(&["audit", "verify", "--expect", &head]).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");

    let finished = place.call(&["audit", "verify", "--expect", &"0".repeat(64)]).await;
    assert_eq!(finished.code(), Some(1), "{finished:?}");
    assert!(
        finished.stderr.starts_with("error: the digest of --expect is not in the proved part"),
        "{finished:?}"
    );
    assert_eq!(place.call(&["audit", "verify", "--expect", "xyz"]).await.code(), Some(2));
}

#[tokio::test]
async fn r11_a_broken_entry_is_named_and_the_exit_code_says_so() {
    let place = sealed().await;
    let url = format!("sqlite://{}", place.path("tenantry.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("UPDATE audit SET actor = 'SubAdmin default/kim' WHERE sequence = 2")
        .execute(&pool)
        .await
        .unwrap();
    fails(
        &place.call(&["audit", "verify"]).await,
        1,
        "error: entry 2 was changed after it was sealed, or never sealed by this key (proved before that: 1 entry)",
    );
    let found = json(&place, &["audit", "verify", "-o", "json"]).await;
    assert_eq!((&found["broken"]["sequence"], &found["broken"]["fault"]), (&2.into(), &"changed".into()));
    sqlx::query("UPDATE audit SET actor = 'platform' WHERE sequence = 2").execute(&pool).await.unwrap();
    assert_eq!(place.call(&["audit", "verify"]).await.code(), Some(0));

    // Without the key nothing is proved, and another key is not taken.
    std::fs::rename(place.path("tenantry.key"), place.path("away")).unwrap();
    assert_eq!(place.call(&["audit", "verify"]).await.code(), Some(1));
    place.write("other.key", "07".repeat(32));
    fails(
        &place.call(&["audit", "verify", "--key-file", "other.key"]).await,
        1,
        "error: this database was used with another key: give the old one with --key-file",
    );
    assert!(!place.path("tenantry.key").exists(), "and none is made");
}

#[tokio::test]
async fn r11_an_unused_database_has_nothing_to_prove_and_gets_no_key() {
    let place = Place::new();
    assert_eq!(place.call(&["migrate"]).await.code(), Some(0));
    let finished = place.call(&["audit", "verify"]).await;
    assert_eq!((finished.code(), finished.stdout.as_str()), (Some(0), "0 entries  sealed and whole\n"));
    assert!(!place.path("tenantry.key").exists());
    let finished = place.call(&["audit", "list"]).await;
    assert_eq!((finished.code(), finished.stderr.trim()), (Some(0), "no entries"), "{finished:?}");
}

#[tokio::test]
async fn r11_run_seals_by_itself() {
    let place = place();
    let (running, _) = place.run(&[]).await;
    super::harness::eventually("everything is sealed", super::PATIENCE, async || {
        let found = json(&place, &["audit", "verify", "-o", "json"]).await;
        assert_eq!(found["whole"], true, "{found}");
        (found["sealed"] == 3 && found["unsealed"]["count"] == 0).then_some(())
    })
    .await;
    assert_eq!(running.stderr(), "");
    assert_eq!(running.terminate(std::time::Duration::from_secs(20)).await.code(), Some(0));
}

#[tokio::test]
async fn the_trail_is_listed_for_people_and_for_programs() {
    let place = sealed().await;
    let finished = place.call(&["audit", "list"]).await;
    assert_eq!(
        lines(&finished),
        [
            "created Tenant default/acme platform",
            "created SubAdmin default/ada platform",
            "created SubAdmin default/kim SubAdmin default/ada"
        ],
        "{finished:?}"
    );
    place.write("objects/a.yaml", tenant("acme", "{displayName: Two, enabled: false}"));
    place.apply().await;
    let finished =
        place.call(&["audit", "list", "--object", "tenant/default/acme", "--action", "updated"]).await;
    assert_eq!(
        lines(&finished),
        ["updated Tenant default/acme platform displayName, enabled"],
        "{finished:?}"
    );

    let list = json(&place, &["audit", "list", "--actor", "kim@acme.example", "-o", "json"]).await;
    assert_eq!(list, serde_json::json!([]));
    let list = json(&place, &["audit", "list", "--actor", "subadmin/default/ada", "-o", "json"]).await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    let entry = &list[0];
    assert_eq!(
        (&entry["sequence"], &entry["tenant"], &entry["generation"]),
        (&3.into(), &"/acme".into(), &1.into())
    );
    assert_eq!((&entry["before"], &entry["after"]["tier"]), (&Value::Null, &"Basic".into()));
    for format in ["json", "yaml", "csv"] {
        let text = place.call(&["audit", "list", "-o", format]).await.stdout;
        for secret in ["kim@acme.example", "ada@acme.example", "Acme Doors"] {
            assert!(!text.contains(secret), "{format}: {text}");
        }
    }
    let csv = place.call(&["audit", "list", "-o", "csv"]).await.stdout;
    let mut rows = csv.lines();
    assert_eq!(
        rows.next().unwrap(),
        "sequence,time,actor,action,kind,namespace,name,tenant,generation,before,after"
    );
    assert!(rows.next().unwrap().contains(",platform,created,Tenant,default,acme,/acme,1,,\"{"), "{csv}");
}

#[tokio::test]
async fn a_list_that_is_cut_says_so_and_times_narrow_it() {
    let place = sealed().await;
    let finished = place.call(&["audit", "list", "--limit", "2"]).await;
    assert_eq!(lines(&finished).len(), 2);
    assert!(
        finished.stderr.starts_with("note: only the newest 2 are shown and there are older ones"),
        "{finished:?}"
    );
    for (arguments, count) in [
        (["--since", "24h"], 3),
        (["--until", "24h"], 0),
        (["--since", "2020-01-01T00:00:00Z"], 3),
        (["--until", "2020-01-01T00:00:00Z"], 0),
        (["--tenant", "default/acme"], 3),
    ] {
        let finished = place.call(&[&["audit", "list"], &arguments[..]].concat()).await;
        assert_eq!(lines(&finished).len(), count, "{arguments:?} {finished:?}");
    }
    for wrong in [["--since", "soon"], ["--object", "acme/kim"], ["--limit", "0"], ["--actor", "user/a/b"]] {
        assert_eq!(place.call(&[&["audit", "list"], &wrong[..]].concat()).await.code(), Some(2), "{wrong:?}");
    }
    fails(
        &place.call(&["audit", "list", "--tenant", "default/nowhere"]).await,
        1,
        "error: no tenant default/nowhere is in the database: apply it first, or correct the name",
    );
}

#[tokio::test]
async fn r11_as_an_account_shows_what_that_account_may_see_or_refuses() {
    let place = sealed().await;
    place.write("objects/d.yaml", tenant("other", "{}"));
    place.apply().await;
    let finished = place.call(&["audit", "list", "--as", "ADA@acme.example"]).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    assert_eq!(lines(&finished).len(), 3, "its own tree and nothing of the other: {finished:?}");
    fails(
        &place.call(&["audit", "list", "--as", "kim"]).await,
        1,
        "error: SubAdmin default/kim lacks the capability ManageAuditLogs, so it sees nothing of the audit trail; give it to the account or ask for another one",
    );
    fails(
        &place.call(&["audit", "list", "--as", "nobody"]).await,
        1,
        "error: no account has this username or e-mail: correct --as",
    );
    let stranger = |name: &str| {
        format!("error: no tenant default/{name} is in the database: apply it first, or correct the name")
    };
    for name in ["other", "nowhere"] {
        let tenant = format!("default/{name}");
        let finished = place.call(&["audit", "list", "--as", "ada", "--tenant", &tenant]).await;
        fails(&finished, 1, &stranger(name));
    }
}

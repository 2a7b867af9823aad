//! `tenantry activation resend`: the same rule as the annotation, and the mail
//! is out when the command ends.

use super::harness::{Mail, free_port};
use super::{PATIENCE, Place, account, condition, object, tenant};

#[tokio::test]
async fn r8_a_resend_sends_a_new_link_before_it_ends_and_the_earlier_one_is_replaced() {
    let mail = Mail::shared().await;
    let address = mail.address("ada");
    let objects = tenant("acme", "{mail: {from: acme@example.org}}") + &account("ada", "acme", &address, "");
    let place = Place::with(&objects);
    let url = mail.plain_url();
    place.applied(&["--mail-url", &url]).await;
    mail.wait_for_mail(&address, PATIENCE).await;

    let done = place.call(&["activation", "resend", "ada", "-o", "json", "--mail-url", &url]).await;
    assert_eq!(done.code(), Some(0), "{done:?}");
    let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        (&told["state"], &told["purpose"], &told["object"], &told["username"]),
        (&"sent".into(), &"Activate".into(), &"default/ada".into(), &"ada".into())
    );
    let mails = mail.wait_for_mails(&address, 2, PATIENCE).await;
    let links: Vec<_> = mails.iter().map(|mail| mail.link("https://accounts.example.org").unwrap()).collect();
    assert_ne!(links[0], links[1]);
    for text in [&done.stdout, &done.stderr] {
        assert!(!text.contains("token") && !text.contains(&address), "{text}");
    }

    // By the address as well, in the spelling of whoever types it.
    let done = place.call(&["activation", "resend", &address.to_uppercase(), "--mail-url", &url]).await;
    assert_eq!(done.code(), Some(0), "{done:?}");
    assert!(done.stdout.starts_with("sent to ada (SubAdmin default/ada); the link works once"), "{done:?}");
    mail.wait_for_mails(&address, 3, PATIENCE).await;

    // Only the last link is open; who asked is in the trail; status follows.
    let list = place.applied(&["--mail-url", &url]).await;
    assert_eq!(condition(object(&list, "SubAdmin", "ada"), "InvitationSent").1, "Sent");
    let trail = place.call(&["audit", "list", "-o", "json"]).await;
    let entries: Vec<serde_json::Value> = serde_json::from_str(&trail.stdout).unwrap();
    assert_eq!(entries.iter().filter(|entry| entry["action"] == "resent").count(), 2, "{trail:?}");
    let states = links_of(&place).await;
    assert_eq!(states, ["open", "replaced", "replaced"]);
}

/// States of all links, sorted.
async fn links_of(place: &Place) -> Vec<String> {
    let url = format!("sqlite://{}", place.path("tenantry.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let mut states: Vec<String> =
        sqlx::query_scalar("SELECT state FROM activation").fetch_all(&pool).await.unwrap();
    states.sort();
    states
}

#[tokio::test]
async fn who_is_not_invited_gets_no_mail_and_the_command_says_why() {
    let objects = tenant("acme", "{}")
        + &account("off", "acme", "off@acme.example", ", enabled: false")
        + &account("done", "acme", "done@acme.example", "");
    let place = Place::with(&objects);
    place.applied(&[]).await;
    let url = format!("sqlite://{}", place.path("tenantry.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("UPDATE account SET activated_at = created_at WHERE username = 'done'")
        .execute(&pool)
        .await
        .unwrap();
    let before = std::fs::read_dir(place.path("outbox")).unwrap().count();
    for (name, words) in [
        ("nobody", "no account has this username or e-mail"),
        ("off", "the account is disabled, so it gets no mail: set spec.enabled first"),
        ("done", "nothing is left to invite to: the account is activated"),
    ] {
        let done = place.call(&["activation", "resend", name]).await;
        assert_eq!(done.code(), Some(1), "{done:?}");
        assert!(done.stderr.starts_with(&format!("error: {words}")), "{done:?}");
    }
    assert_eq!(std::fs::read_dir(place.path("outbox")).unwrap().count(), before);
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_stays_queued_and_the_command_says_so() {
    let objects =
        tenant("acme", "{mail: {from: acme@example.org}}") + &account("ada", "acme", "ada@acme.example", "");
    let place = Place::with(&objects);
    place.applied(&[]).await;
    let away = format!("smtp://127.0.0.1:{}?tls=none", free_port());
    let done = place.call(&["activation", "resend", "ada", "--mail-url", &away, "-o", "json"]).await;
    assert_eq!(done.code(), Some(1), "{done:?}");
    let told: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(told["state"], "queued");
    assert!(told["problem"].as_str().unwrap().contains("cannot be reached"), "{told}");
    let told = done.stderr.lines().last().unwrap();
    assert!(told.starts_with("error: the mail is queued: mail server "), "{done:?}");
    // The next command that sends finds it.
    place.applied(&[]).await;
    assert_eq!(links_of(&place).await, ["open", "replaced"]);
    assert_eq!(std::fs::read_dir(place.path("outbox")).unwrap().count(), 2);
}

#[tokio::test]
async fn only_the_mail_of_this_account_is_sent() {
    let objects = tenant("acme", "{mail: {from: acme@example.org}}")
        + &account("ada", "acme", "ada@acme.example", "")
        + &account("kim", "acme", "kim@acme.example", "");
    let place = Place::with(&objects);
    let away = format!("smtp://127.0.0.1:{}?tls=none", free_port());
    place.applied(&["--mail-url", &away]).await;
    let done = place.call(&["activation", "resend", "ada"]).await;
    assert_eq!(done.code(), Some(0), "{done:?}");
    assert_eq!(std::fs::read_dir(place.path("outbox")).unwrap().count(), 1);
}

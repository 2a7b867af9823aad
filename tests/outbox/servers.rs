//! A real mail server: encrypted in both ways, with a password that is right
//! or wrong, and with certificates that cannot be believed.

use super::harness::Mail;
use super::{Database, PATIENCE, Place, objects};

/// Applies one account; the condition `InvitationSent` as reason and message.
async fn invite(address: &str, mail_url: &str, ca: Option<&std::path::Path>) -> (String, String) {
    let place = Place::new(Database::Sqlite, 0).await;
    let yaml = objects(1).replace("kim-0@acme.example", address);
    std::fs::write(place.path().join("objects/all.yaml"), yaml).unwrap();
    let mut call = place.call(&["apply", "-f", "objects", "-o", "json"], mail_url);
    if let Some(ca) = ca {
        call = call.env("TENANTRY_MAIL_CA_FILE", ca);
    }
    let done = call.env("TENANTRY_PUBLIC_URL", "https://accounts.example.org").finish(PATIENCE).await;
    assert_eq!(done.code(), Some(0), "people and mail do not hold back Ready: {done:?}");
    let all: Vec<serde_json::Value> = serde_json::from_str(&done.stdout).unwrap();
    let account = all.into_iter().find(|object| object["kind"] == "SubAdmin").unwrap();
    let conditions = account["conditions"].as_array().unwrap();
    let sent = conditions.iter().find(|condition| condition["type"] == "InvitationSent").unwrap();
    let text = |field: &str| sent[field].as_str().unwrap().to_owned();
    (text("reason"), text("message"))
}

#[tokio::test]
async fn a_mail_goes_by_starttls_and_by_implicit_tls_with_a_password() {
    let mail = Mail::shared().await;
    for url in [mail.starttls_url(), mail.smtps_url()] {
        let address = mail.address("kim");
        let (reason, message) = invite(&address, &url, Some(mail.ca())).await;
        assert_eq!(reason, "Sent", "{message}");
        let letter = mail.wait_for_mail(&address, PATIENCE).await;
        assert!(letter.link("https://accounts.example.org/activate?token=").is_some());
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_told_with_what_to_do_and_waits_for_it() {
    let mail = Mail::shared().await;
    let wrong = |url: String| url.replace(mail.password(), "not-the-password");
    for (url, ca, advice) in [
        (wrong(mail.starttls_url()), Some(mail.ca()), "check the user name and password"),
        (wrong(mail.smtps_url()), Some(mail.ca()), "check the user name and password"),
        (mail.starttls_url(), None, "name its CA certificate with --mail-ca-file"),
        (mail.smtps_url(), None, "name its CA certificate with --mail-ca-file"),
        (mail.expired_url(), Some(mail.ca()), "has an expired certificate; renew it on the server"),
    ] {
        let address = mail.address("kim");
        let (reason, message) = invite(&address, &url, ca).await;
        assert_eq!(reason, "MailRetrying", "{message}");
        assert!(message.contains(advice), "{message}");
        assert!(!message.contains(mail.password()) && !message.contains("not-the-password"), "{message}");
        assert!(mail.messages_to(&address).is_empty());
    }
}

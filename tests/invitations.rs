//! Invitations through a real mail server: accepted, refused for good, put
//! off, and a server that is not there. Accounts are created either way.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod harness;

use std::time::Duration;

use harness::{Mail, Tenantry, free_port};

const PATIENCE: Duration = Duration::from_secs(60);

/// Applies one tenant with one account and returns the account's entry of
/// `-o json`, with whether the command succeeded.
async fn invite(folder: &std::path::Path, address: &str, mail_url: &str) -> (serde_json::Value, bool) {
    let yaml = format!(
        "
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {{name: acme}}
spec: {{mail: {{from: 'ACME <acme@example.org>'}}, branding: {{productName: ACME Doors}}}}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {{name: ada}}
spec: {{tenantRef: {{name: acme}}, username: ada, email: '{address}', tier: Root, activation: {{locale: de}}}}
"
    );
    let source = folder.join("source");
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("all.yaml"), yaml).unwrap();
    let done = Tenantry::new(["apply", "-f", "source", "-o", "json"])
        .env("TENANTRY_MAIL_URL", mail_url)
        .env("TENANTRY_PUBLIC_URL", "https://accounts.example.org")
        .dir(folder)
        .finish(PATIENCE)
        .await;
    for text in [&done.stdout, &done.stderr] {
        assert!(!text.contains(address), "an address has leaked: {text}");
    }
    let all: Vec<serde_json::Value> = serde_json::from_str(&done.stdout).unwrap();
    (all.into_iter().find(|o| o["kind"] == "SubAdmin").unwrap(), done.code() == Some(0))
}

fn condition(object: &serde_json::Value, kind: &str) -> (String, String, String) {
    let all = object["conditions"].as_array().unwrap();
    let found = all.iter().find(|c| c["type"] == kind).unwrap();
    let text = |field: &str| found[field].as_str().unwrap().to_owned();
    (text("status"), text("reason"), text("message"))
}

#[tokio::test]
async fn an_invitation_arrives_in_the_language_and_under_the_name_that_were_asked_for() {
    let mail = Mail::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let address = mail.address("ada");
    let (account, ok) = invite(folder.path(), &address, &mail.plain_url()).await;
    assert!(ok && account["ready"] == true, "{account}");
    assert_eq!(condition(&account, "InvitationSent").1, "Sent");
    let letter = mail.wait_for_mail(&address, PATIENCE).await;
    assert_eq!(letter.header("From"), Some("ACME <acme@example.org>"));
    assert!(letter.subject().contains("ACME Doors"), "{}", letter.subject());
    assert!(letter.link("https://accounts.example.org/activate?token=").is_some());
    assert!(letter.html.is_some());

    // Once more changes nothing and sends nothing.
    let (account, ok) = invite(folder.path(), &address, &mail.plain_url()).await;
    assert!(ok && account["ready"] == true, "{account}");
    assert_eq!(mail.messages_to(&address).len(), 1);
}

#[tokio::test]
async fn a_server_that_refuses_for_good_is_told_in_its_own_words() {
    let mail = Mail::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let (account, ok) = invite(folder.path(), &format!("ada@{}", Mail::REFUSED), &mail.plain_url()).await;
    assert!(ok, "people and mail do not hold back Ready");
    let (status, reason, message) = condition(&account, "InvitationSent");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "MailRefused"));
    assert!(message.contains("550") && message.contains("resend-activation"), "{message}");
}

#[tokio::test]
async fn a_server_that_puts_off_or_is_not_there_is_tried_again() {
    let mail = Mail::shared().await;
    let away = format!("smtp://127.0.0.1:{}?tls=none", free_port());
    for (address, url) in [(format!("ada@{}", Mail::LATER), mail.plain_url()), (mail.address("ada"), away)] {
        let folder = tempfile::tempdir().unwrap();
        let (account, ok) = invite(folder.path(), &address, &url).await;
        assert!(ok && account["ready"] == true, "{account}");
        let (status, reason, message) = condition(&account, "InvitationSent");
        assert_eq!((status.as_str(), reason.as_str()), ("False", "MailRetrying"), "{message}");
    }
}

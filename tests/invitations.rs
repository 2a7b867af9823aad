//! Invitations through a real mail server: accepted, refused for good, put
//! off, and a server that is not there. Accounts are created either way. Beside
//! that: servers of tenants, `mail test`, `activation resend`, and letters.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod harness;

#[path = "invitations/letters.rs"]
mod letters;
#[path = "invitations/looks.rs"]
mod looks;
#[path = "invitations/mail_test.rs"]
mod mail_test;
#[path = "invitations/resend.rs"]
mod resend;
#[path = "invitations/servers.rs"]
mod servers;

use std::path::PathBuf;
use std::time::Duration;

use harness::{Finished, Mail, Tenantry, free_port};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with objects in `source/`, and a database beside it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn with(objects: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.write("source/all.yaml", objects);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Tenantry {
        Tenantry::new(arguments)
            .env("TENANTRY_PUBLIC_URL", "https://accounts.example.org")
            .dir(self.folder.path())
    }

    async fn call(&self, arguments: &[&str]) -> Finished {
        self.command(arguments).finish(PATIENCE).await
    }

    /// `apply -o json` with more flags, as a list.
    async fn applied(&self, more: &[&str]) -> Vec<serde_json::Value> {
        let mut arguments = vec!["apply", "-f", "source", "-o", "json"];
        arguments.extend(more);
        let done = self.call(&arguments).await;
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
    }
}

fn object<'a>(list: &'a [serde_json::Value], kind: &str, name: &str) -> &'a serde_json::Value {
    list.iter().find(|o| o["kind"] == kind && o["name"] == name).unwrap()
}

fn tenant(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"
    )
}

fn account(name: &str, tenant: &str, email: &str, more: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: SubAdmin\nmetadata: {{name: {name}}}\nspec: {{tenantRef: {{name: {tenant}}}, username: {name}, email: '{email}'{more}}}\n---\n"
    )
}

/// Credentials of a mail server.
fn secret(name: &str, user: &str, password: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, labels: {{tenantry.dev/use: mail}}}}\nstringData: {{username: {user}, password: '{password}'}}\n---\n"
    )
}

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

//! Mail servers of tenants: which one serves whom, and what their condition
//! `MailReady` says of them.

use super::harness::{Mail, eventually, free_port};
use super::{PATIENCE, Place, account, condition, object, secret, tenant};

/// `mail: {server: ...}` at a port of this machine.
fn server(port: u16, tls: &str, credentials: Option<&str>) -> String {
    let credentials =
        credentials.map(|name| format!(", credentialsSecretRef: {{name: {name}}}")).unwrap_or_default();
    format!("server: {{host: 127.0.0.1, port: {port}, tls: {tls}{credentials}}}")
}

#[tokio::test]
async fn a_tenants_server_serves_those_below_as_one_unit_until_a_nearer_one_does() {
    let mail = Mail::shared().await;
    let addresses = ["top", "below", "apart", "under"].map(|name| mail.address(name));
    let [top, below, apart, under] = &addresses;
    let objects = [
        secret("login", mail.user(), mail.password()),
        tenant(
            "top",
            &format!(
                "{{mail: {{from: 'Top <top@example.org>', replyTo: help@example.org, {}}}, branding: {{productName: Top Doors}}}}",
                server(mail.starttls_port(), "StartTLS", Some("login"))
            ),
        ),
        // Only a sender of its own: the server above serves it, password and all.
        tenant("below", "{parentRef: {name: top}, mail: {from: 'Below <below@example.org>'}}"),
        // A server of its own is a whole one: nothing of the credentials above it.
        tenant(
            "apart",
            &format!("{{parentRef: {{name: below}}, mail: {{{}}}}}", server(mail.plain_port(), "None", None)),
        ),
        tenant("under", "{parentRef: {name: apart}, branding: {productName: Under Doors}}"),
        account("top", "top", top, ""),
        account("below", "below", below, ""),
        account("apart", "apart", apart, ""),
        account("under", "under", under, ""),
    ];
    let place = Place::with(&objects.concat());
    // The process's own way leads nowhere: nobody is to take it.
    let nowhere = format!("smtp://127.0.0.1:{}?tls=none", free_port());
    let ca = mail.ca().to_str().unwrap();
    let list = place.applied(&["--mail-url", &nowhere, "--mail-ca-file", ca]).await;
    for name in ["top", "below", "apart", "under"] {
        let sent = condition(object(&list, "SubAdmin", name), "InvitationSent");
        assert_eq!(sent.1, "Sent", "{name}: {sent:?}");
    }
    for (address, from, way, product) in [
        (top, "Top <top@example.org>", "ESMTPSA", "Top Doors"),
        (below, "Below <below@example.org>", "ESMTPSA", "Top Doors"),
        (apart, "Below <below@example.org>", "ESMTP", "Top Doors"),
        (under, "Below <below@example.org>", "ESMTP", "Under Doors"),
    ] {
        let letter = mail.wait_for_mail(address, PATIENCE).await;
        assert_eq!(letter.header("From"), Some(from));
        assert_eq!(letter.header("Reply-To"), Some("help@example.org"));
        let received = letter.header("Received").unwrap();
        assert!(received.contains(&format!("with {way} ")), "{from}: {received}");
        assert!(letter.subject().contains(product), "{}", letter.subject());
    }
    // Each that names a server says how it is; those that inherit one do not.
    for (name, says) in [("top", true), ("below", false), ("apart", true), ("under", false)] {
        let conditions = object(&list, "Tenant", name)["conditions"].as_array().unwrap();
        let ready = conditions.iter().find(|condition| condition["type"] == "MailReady");
        assert_eq!(ready.is_some(), says, "{name}");
        if let Some(ready) = ready {
            assert_eq!((&ready["status"], &ready["reason"]), (&"True".into(), &"MailServerReady".into()));
        }
    }
}

#[tokio::test]
async fn a_servers_condition_says_what_is_wrong_and_accounts_are_created_all_the_same() {
    let mail = Mail::shared().await;
    let right = |secret| server(mail.starttls_port(), "StartTLS", Some(secret));
    let cases = [
        ("works", right("right"), "MailServerReady", "takes connections"),
        ("wrong", right("wrong"), "MailSignInFailed", "check the user name and password"),
        ("missing", right("nowhere"), "SecretNotFound", "Secret nowhere does not exist in namespace default"),
        ("shut", right("shut"), "SecretNotPermitted", "lacks the label tenantry.dev/use: mail"),
        ("away", server(free_port(), "None", None), "MailServerUnreachable", "cannot be reached"),
        ("plain", server(mail.plain_port(), "Implicit", None), "MailTlsFailed", "does not speak TLS"),
    ];
    let mut objects = secret("right", mail.user(), mail.password());
    objects += &secret("wrong", mail.user(), "not the password");
    objects += &secret("shut", mail.user(), mail.password()).replace("tenantry.dev/use: mail", "for: mail");
    for (name, server, ..) in &cases {
        objects += &tenant(name, &format!("{{mail: {{from: {name}@example.org, {server}}}}}"));
        objects += &account(name, name, &mail.address(name), "");
    }
    let place = Place::with(&objects);
    let ca = mail.ca().to_str().unwrap();
    let list = place.applied(&["--mail-ca-file", ca]).await;
    for (name, _, reason, words) in &cases {
        let tenant = object(&list, "Tenant", name);
        assert_eq!(tenant["ready"], true, "mail never holds back Ready: {tenant}");
        let (status, said, message) = condition(tenant, "MailReady");
        assert_eq!(said, *reason, "{name}: {message}");
        assert_eq!(status == "True", *name == "works", "{name}");
        assert!(message.contains(words), "{name}: {message}");
        let account = object(&list, "SubAdmin", name);
        assert_eq!(account["ready"], true, "{account}");
        let (_, said, message) = condition(account, "InvitationSent");
        let expected = if *name == "works" { "Sent" } else { "MailRetrying" };
        assert_eq!(said, expected, "{name}: {message}");
        for text in [tenant.to_string(), account.to_string()] {
            assert!(!text.contains(mail.password()) && !text.contains("not the password"), "{text}");
        }
    }

    // Without the authority the same server is not trusted; mending it is seen
    // by the next look, without an edit of the Tenant.
    let place = Place::with(&objects);
    let list = place.applied(&[]).await;
    let (_, reason, message) = condition(object(&list, "Tenant", "works"), "MailReady");
    assert_eq!(reason, "MailTlsFailed", "{message}");
    assert!(message.contains("--mail-ca-file"), "{message}");
    let list = place.applied(&["--mail-ca-file", ca]).await;
    assert_eq!(condition(object(&list, "Tenant", "works"), "MailReady").1, "MailServerReady");
}

#[tokio::test]
async fn validating_files_connects_nowhere_and_refuses_nothing_for_a_servers_sake() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = Place::with(&tenant("acme", &format!("{{mail: {{{}}}}}", server(port, "None", None))));
    let done = place.call(&["validate", "-f", "source"]).await;
    assert_eq!(done.code(), Some(0), "{done:?}");
    let came = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept()).await;
    assert!(came.is_err(), "somebody connected");
}

#[tokio::test]
async fn a_folder_that_is_followed_has_its_servers_tried_while_it_is() {
    let mail = Mail::shared().await;
    let dead = free_port();
    let spec = |port| format!("{{mail: {{{}}}}}", server(port, "None", None));
    let place = Place::with(&tenant("acme", &spec(dead)));
    let (pages, operations) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
    let running =
        place.command(&["run", "--from", "source", "--listen", &pages, "--ops-listen", &operations]).spawn();
    says(&place, "MailServerUnreachable").await;
    place.write("source/all.yaml", &tenant("acme", &spec(mail.plain_port())));
    says(&place, "MailServerReady").await;
    running.terminate(PATIENCE).await;
}

/// Waits until the Tenant's status says so.
async fn says(place: &Place, reason: &str) {
    let url = format!("sqlite://{}", place.path("tenantry.db").display());
    eventually(reason, PATIENCE, async || {
        let pool = sqlx::SqlitePool::connect(&url).await.ok()?;
        let sql = "SELECT verdict FROM object WHERE kind = 'Tenant'";
        let verdict: String = sqlx::query_scalar(sql).fetch_one(&pool).await.ok()?;
        verdict.contains(reason).then_some(())
    })
    .await;
}

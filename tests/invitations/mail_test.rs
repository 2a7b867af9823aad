//! `tenantry mail test` against the real mail server: each step, and each way
//! in which it can end.

use serde_json::Value;

use super::harness::{Finished, Mail, free_port};
use super::{PATIENCE, Place, secret, tenant};

fn steps(document: &Value) -> Vec<&str> {
    document["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

fn step<'a>(document: &'a Value, name: &str) -> &'a Value {
    document["steps"].as_array().unwrap().iter().find(|step| step["step"] == name).unwrap()
}

fn document(done: &Finished) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

const FROM: [&str; 2] = ["--mail-from", "ACME <acme@example.org>"];

async fn mail_test(place: &Place, mail: &Mail, to: &str, url: &str, more: &[&str]) -> Finished {
    let mut arguments = vec!["mail", "test", "--to", to];
    arguments.extend(FROM);
    arguments.extend(more);
    let done = place.command(&arguments).env("TENANTRY_MAIL_URL", url).finish(PATIENCE).await;
    for text in [&done.stdout, &done.stderr] {
        assert!(!text.contains(mail.password()), "the password has leaked: {text}");
    }
    done
}

#[tokio::test]
async fn a_test_message_arrives_and_each_step_is_told_with_facts_of_the_certificate() {
    let mail = Mail::shared().await;
    let place = Place::with("");
    let ca = mail.ca().to_str().unwrap();
    for (url, tls, before) in
        [(mail.plain_url(), false, false), (mail.starttls_url(), true, false), (mail.smtps_url(), true, true)]
    {
        let to = mail.address("kim");
        let done = mail_test(&place, mail, &to, &url, &["--mail-ca-file", ca, "-o", "json"]).await;
        assert_eq!((done.code(), done.stderr.as_str()), (Some(0), ""), "{done:?}");
        let told = document(&done);
        let mut expected = vec!["resolve", "connect", "greeting"];
        match (tls, before) {
            (true, true) => expected.insert(2, "tls"),
            (true, false) => expected.push("tls"),
            _ => {}
        }
        expected.extend(tls.then_some("signIn"));
        expected.extend(["sender", "recipient", "data", "message"]);
        assert_eq!(steps(&told), expected, "{told:#}");
        assert_eq!(told["sent"], true);
        assert!(told["steps"].as_array().unwrap().iter().all(|step| step["ok"] == true), "{told:#}");
        assert_eq!(step(&told, "resolve")["addresses"], serde_json::json!(["127.0.0.1"]));
        let greeting = step(&told, "greeting")["greeting"]["words"].as_str().unwrap();
        assert!(greeting.starts_with("220 localhost ESMTP"), "{greeting}");
        if tls {
            let encryption = &step(&told, "tls")["encryption"];
            assert_eq!(encryption["trusted"], true);
            assert!(encryption["protocol"].as_str().unwrap().starts_with("TLS 1."), "{encryption}");
            assert!(encryption["cipher"].as_str().unwrap().starts_with("TLS_"), "{encryption}");
            let certificate = &encryption["certificate"];
            assert_eq!(certificate["subject"], "CN=localhost");
            assert_eq!(certificate["issuer"], "CN=tests");
            assert_eq!(certificate["names"], serde_json::json!(["localhost", "127.0.0.1"]));
            assert!(certificate["notBefore"].as_str() < certificate["notAfter"].as_str(), "{certificate}");
            assert!(step(&told, "signIn")["signIn"]["reply"].as_str().unwrap().starts_with("235 "));
        }
        assert!(step(&told, "message")["reply"].as_str().unwrap().starts_with("250 "));
        let letter = mail.wait_for_mail(&to, PATIENCE).await;
        assert_eq!(letter.header("From"), Some("ACME <acme@example.org>"));
        assert_eq!(letter.header("Message-ID"), told["messageId"].as_str());
        assert!(letter.subject().starts_with("Test message"), "{}", letter.subject());
        assert!(letter.html.is_some() && !letter.text.contains("://"));
    }
    assert!(!place.path("tenantry.db").exists(), "the process's own server needs no database");
}

#[tokio::test]
async fn people_see_the_steps_as_lines() {
    let mail = Mail::shared().await;
    let place = Place::with("");
    let ca = mail.ca().to_str().unwrap();
    let done =
        mail_test(&place, mail, &mail.address("kim"), &mail.starttls_url(), &["--mail-ca-file", ca]).await;
    assert_eq!(done.code(), Some(0), "{done:?}");
    let begins: Vec<&str> = done.stdout.lines().filter_map(|line| line.get(..11)).map(str::trim).collect();
    let expected = [
        "server",
        "sender",
        "Message-ID",
        "address",
        "connect",
        "greeting",
        "",
        "TLS",
        "",
        "",
        "",
        "",
        "AUTH",
        "MAIL",
        "RCPT",
        "DATA",
        "message",
        "sent",
    ];
    assert_eq!(begins, expected, "{}", done.stdout);
    assert!(done.stdout.contains("issuer   CN=tests"), "{}", done.stdout);
}

#[tokio::test]
async fn each_failure_ends_at_its_step_with_what_to_do_and_exit_code_1() {
    let mail = Mail::shared().await;
    let place = Place::with("");
    let ca = ["--mail-ca-file", mail.ca().to_str().unwrap()];
    let wrong = format!("smtp://{}:wrong@127.0.0.1:{}", mail.user(), mail.starttls_port());
    let (refused, later) = (format!("kim@{}", Mail::REFUSED), format!("kim@{}", Mail::LATER));
    let kim = "kim@example.org".to_owned();
    let away = format!("smtp://127.0.0.1:{}?tls=none", free_port());
    let nowhere = "smtp://mail.nowhere.invalid?tls=none".to_owned();
    let (plain, implicit) = (mail.plain_url(), mail.plain_url().replace("smtp://", "smtps://"));
    let implicit = implicit.replace("?tls=none", "");
    for (to, url, trusts, step, class, words) in [
        (&kim, &nowhere, true, "resolve", "network", "check its host and port"),
        (&kim, &away, true, "connect", "network", "check its host and port"),
        (&kim, &implicit, true, "tls", "settings", "does not speak TLS on this port"),
        (&kim, &mail.starttls_url(), false, "tls", "settings", "--mail-ca-file"),
        (&kim, &wrong, true, "signIn", "settings", "check the user name and password"),
        (&refused, &plain, true, "recipient", "permanent", "no such mailbox"),
        (&later, &plain, true, "recipient", "transient", "451"),
    ] {
        let mut more = vec!["-o", "json"];
        more.extend(trusts.then_some(ca).into_iter().flatten());
        let done = mail_test(&place, mail, to, url, &more).await;
        assert_eq!(done.code(), Some(1), "{step}: {done:?}");
        let told = document(&done);
        assert_eq!(told["sent"], false);
        assert_eq!(
            (&told["error"]["step"], &told["error"]["class"]),
            (&step.into(), &class.into()),
            "{told:#}"
        );
        assert!(told["error"]["message"].as_str().unwrap().contains(words), "{told:#}");
        assert!(
            done.stderr.starts_with("error: mail server ") && done.stderr.lines().count() == 1,
            "{done:?}"
        );
        assert!(!done.stderr.contains(to.as_str()), "{done:?}");
    }
    // The certificate that was not accepted is shown.
    let done = mail_test(&place, mail, &kim, &mail.smtps_url(), &["-o", "json"]).await;
    let told = document(&done);
    let looked = step(&told, "tls");
    assert_eq!((&looked["ok"], &looked["encryption"]["trusted"]), (&false.into(), &false.into()), "{told:#}");
    assert_eq!(looked["encryption"]["certificate"]["issuer"], "CN=tests", "{told:#}");
    assert!(!steps(&told).contains(&"signIn"), "nothing secret is said to whom nobody trusts");
}

#[tokio::test]
async fn wrong_usage_is_exit_code_2_and_a_missing_sender_is_told() {
    let place = Place::with(&tenant("acme", "{}"));
    for to in ["kim", "kim@acme.example\nBcc: all@acme.example", ""] {
        let done = place.call(&["mail", "test", "--to", to]).await;
        assert_eq!(done.code(), Some(2), "{done:?}");
    }
    assert_eq!(place.call(&["mail", "test"]).await.code(), Some(2));
    let done = place
        .call(&["mail", "test", "--to", "kim@acme.example", "--mail-url", "smtp://127.0.0.1:1?tls=none"])
        .await;
    assert_eq!(done.code(), Some(1));
    assert_eq!(
        done.stderr.trim(),
        "error: there is no sender: give --mail-from, or spec.mail.from of a Tenant"
    );
    place.applied(&[]).await;
    let done = place.call(&["mail", "test", "--to", "kim@acme.example", "--tenant", "default/nobody"]).await;
    assert_eq!(done.code(), Some(1));
    assert!(done.stderr.contains("no tenant default/nobody is in the database"), "{done:?}");
}

#[tokio::test]
async fn a_folder_of_mails_takes_a_test_message_too() {
    let place = Place::with("");
    let done = place.call(&["mail", "test", "--to", "kim@acme.example", "--mail-url", "dir:letters"]).await;
    assert_eq!(done.code(), Some(0), "{done:?}");
    assert!(done.stdout.contains("written to  letters/"), "{done:?}");
    assert_eq!(std::fs::read_dir(place.path("letters")).unwrap().count(), 1);
}

#[tokio::test]
async fn for_a_tenant_it_goes_the_way_of_its_invitations_with_secrets_from_files() {
    let mail = Mail::shared().await;
    let own = format!(
        "{{mail: {{from: 'Top <top@example.org>', server: {{host: 127.0.0.1, port: {}, tls: StartTLS, credentialsSecretRef: {{name: login}}}}}}, branding: {{productName: Top Doors}}}}",
        mail.starttls_port()
    );
    let objects = tenant("top", &own) + &tenant("below", "{parentRef: {name: top}}");
    let whole = Place::with(&(objects.clone() + &secret("login", mail.user(), mail.password())));
    let ca = mail.ca().to_str().unwrap();
    let nowhere = format!("smtp://127.0.0.1:{}?tls=none", free_port());
    let common = ["--mail-ca-file", ca, "--mail-url", &nowhere, "-o", "json"];

    // Files that nobody has applied yet.
    let to = mail.address("kim");
    let mut arguments = vec!["mail", "test", "--to", &to, "--tenant", "default/below", "-f", "source"];
    arguments.extend(common);
    let done = whole.call(&arguments).await;
    assert_eq!((done.code(), done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let told = document(&done);
    assert_eq!(
        (&told["serverFrom"], &told["from"]),
        (&"default/top".into(), &"Top <top@example.org>".into())
    );
    let letter = mail.wait_for_mail(&to, PATIENCE).await;
    assert_eq!(letter.subject(), "Test message of Top Doors");

    // In the database, with the Secret in a folder.
    let place = Place::with(&objects);
    place.write("secrets/default/login/username", mail.user());
    place.write("secrets/default/login/password", mail.password());
    place.applied(&["--mail-ca-file", ca]).await;
    let to = mail.address("kim");
    let mut arguments =
        vec!["mail", "test", "--to", &to, "--tenant", "default/top", "--secrets-dir", "secrets"];
    arguments.extend(common);
    let done = place.call(&arguments).await;
    assert_eq!(done.code(), Some(0), "{done:?}");
    mail.wait_for_mail(&to, PATIENCE).await;

    // Without the Secret it says so, for those who may mend it.
    let mut arguments = vec!["mail", "test", "--to", &to, "--tenant", "default/top"];
    arguments.extend(common);
    let done = place.command(&arguments).env("KUBECONFIG", "/nonexistent").finish(PATIENCE).await;
    assert_eq!(done.code(), Some(1));
    assert!(done.stderr.starts_with("error: Secret login in namespace default does not exist"), "{done:?}");
}

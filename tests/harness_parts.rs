//! The harness proves itself: every part is real, answers, and says no where
//! it should.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod harness;

use std::time::Duration;

use harness::{Cluster, Feature, Gate, Mail, Message, Postgres, Tenantry, needs};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ListParams, PostParams};
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use sqlx::{Connection, PgConnection};

type Transport = AsyncSmtpTransport<Tokio1Executor>;
const SHORT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn every_test_has_a_postgres_database_of_its_own() {
    let postgres = Postgres::shared().await;
    println!("{}", postgres.version());
    let (one, two) = (postgres.database("one").await, postgres.database("two").await);
    assert_ne!(one, two);

    let mut one = PgConnection::connect(&one).await.unwrap();
    sqlx::query("CREATE TABLE mine (id BIGINT PRIMARY KEY)").execute(&mut one).await.unwrap();
    let mut two = PgConnection::connect(&two).await.unwrap();
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE tablename = 'mine'")
        .fetch_one(&mut two)
        .await
        .unwrap();
    assert_eq!(seen, 0);
}

#[tokio::test]
async fn a_test_role_in_postgres_is_no_superuser_and_text_sorts_by_language() {
    let postgres = Postgres::shared().await;
    let mut connection = PgConnection::connect(&postgres.database("plain").await).await.unwrap();
    let superuser: String = sqlx::query_scalar("SHOW is_superuser").fetch_one(&mut connection).await.unwrap();
    assert_eq!(superuser, "off");
    let first: String = sqlx::query_scalar("SELECT min(x) FROM (VALUES ('a'), ('B')) AS words (x)")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(first, "a");
}

#[tokio::test]
async fn a_postgres_of_ones_own_stops_and_comes_back_with_its_rows() {
    let postgres = Postgres::alone().await;
    let url = postgres.database("kept").await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::query("CREATE TABLE kept AS SELECT 7::bigint AS id").execute(&mut connection).await.unwrap();

    postgres.stop().await;
    assert!(PgConnection::connect(&url).await.is_err());
    postgres.start().await;

    let mut connection = PgConnection::connect(&url).await.unwrap();
    let id: i64 = sqlx::query_scalar("SELECT id FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(id, 7);
}

fn trust(mail: &Mail) -> TlsParameters {
    let pem = std::fs::read(mail.ca()).unwrap();
    let authority = Certificate::from_pem(&pem).unwrap();
    TlsParameters::builder("localhost".to_owned()).add_root_certificate(authority).build_rustls().unwrap()
}

fn starttls(mail: &Mail, port: u16, password: &str) -> Transport {
    Transport::builder_dangerous("127.0.0.1")
        .port(port)
        .tls(Tls::Required(trust(mail)))
        .credentials(Credentials::new(mail.user().to_owned(), password.to_owned()))
        .timeout(Some(SHORT))
        .build()
}

fn letter(to: &str) -> lettre::Message {
    lettre::Message::builder()
        .from("Plätze <noreply@platform.example>".parse().unwrap())
        .to(to.parse().unwrap())
        .subject("Willkommen, Jörg")
        .header(ContentType::TEXT_PLAIN)
        .body("Öffnen Sie http://127.0.0.1:8080/activate?token=abc\nbald.\n".to_owned())
        .unwrap()
}

#[tokio::test]
async fn mail_by_starttls_with_a_password_arrives_in_the_maildir() {
    let mail = Mail::shared().await;
    println!("{}", mail.version());
    let to = mail.address("joerg");
    starttls(mail, mail.starttls_port(), mail.password()).send(letter(&to)).await.unwrap();

    let message: Message = mail.wait_for_mail(&to, SHORT).await;
    assert_eq!(message.subject(), "Willkommen, Jörg");
    assert_eq!(message.return_path, "noreply@platform.example");
    assert_eq!(message.header("from"), Some("Plätze <noreply@platform.example>"));
    assert!(message.text.starts_with("Öffnen Sie"), "{}", message.text);
    assert_eq!(message.link("http://"), Some("http://127.0.0.1:8080/activate?token=abc"));
}

#[tokio::test]
async fn mail_by_implicit_tls_and_by_none_arrives_too() {
    let mail = Mail::shared().await;
    let (one, two) = (mail.address("smtps"), mail.address("plain"));
    let smtps = Transport::builder_dangerous("127.0.0.1")
        .port(mail.smtps_port())
        .tls(Tls::Wrapper(trust(mail)))
        .credentials(Credentials::new(mail.user().to_owned(), mail.password().to_owned()))
        .build();
    smtps.send(letter(&one)).await.unwrap();
    let plain = Transport::builder_dangerous("127.0.0.1").port(mail.plain_port()).build();
    plain.send(letter(&two)).await.unwrap();
    mail.wait_for_mail(&one, SHORT).await;
    mail.wait_for_mail(&two, SHORT).await;
}

#[tokio::test]
async fn the_mail_server_refuses_a_wrong_password_and_a_missing_one() {
    let mail = Mail::shared().await;
    let to = mail.address("nobody");
    let error = starttls(mail, mail.starttls_port(), "wrong").send(letter(&to)).await.unwrap_err();
    assert!(error.is_permanent(), "{error}");
    let without = Transport::builder_dangerous("127.0.0.1")
        .port(mail.starttls_port())
        .tls(Tls::Required(trust(mail)))
        .build();
    assert!(without.send(letter(&to)).await.unwrap_err().is_permanent());
    assert!(mail.messages_to(&to).is_empty());
}

#[tokio::test]
async fn the_mail_server_refuses_for_good_and_for_now_where_it_is_told_to() {
    let mail = Mail::shared().await;
    let transport = starttls(mail, mail.starttls_port(), mail.password());
    let refused = transport.send(letter(&format!("kim@{}", Mail::REFUSED))).await.unwrap_err();
    assert!(refused.is_permanent(), "{refused}");
    let later = transport.send(letter(&format!("kim@{}", Mail::LATER))).await.unwrap_err();
    assert!(later.is_transient(), "{later}");
}

#[tokio::test]
async fn a_gate_takes_the_mail_server_away_and_gives_it_back() {
    let mail = Mail::shared().await;
    let gate = Gate::to(mail.starttls_port());
    let to = mail.address("late");
    let transport = starttls(mail, gate.port(), mail.password());
    gate.close();
    assert!(transport.send(letter(&to)).await.is_err());
    gate.open();
    transport.send(letter(&to)).await.unwrap();
    mail.wait_for_mail(&to, SHORT).await;
    gate.close();
    assert!(transport.send(letter(&to)).await.is_err(), "a connection outlived its gate");
    assert_eq!(mail.messages_to(&to).len(), 1);
}

#[tokio::test]
async fn the_cluster_answers_and_keeps_namespaces_apart() {
    let cluster = Cluster::shared().await;
    println!("Kubernetes {}", cluster.git_version());
    assert!(cluster.version() >= (1, 20));
    let (one, two) = (cluster.namespace("one").await, cluster.namespace("two").await);
    let api: Api<ConfigMap> = Api::namespaced(cluster.admin().await, &one);
    let map: ConfigMap = serde_json::from_value(serde_json::json!({ "metadata": { "name": "x" } })).unwrap();
    api.create(&PostParams::default(), &map).await.unwrap();

    let names = cluster.kubectl_ok(&["get", "configmap", "-n", &one, "-o", "name"], "").await;
    assert!(names.contains("configmap/x"), "{names}");
    let names = cluster.kubectl_ok(&["get", "configmap", "-n", &two, "-o", "name"], "").await;
    assert!(!names.contains("configmap/x"), "{names}");
}

#[tokio::test]
async fn the_cluster_takes_manifests_from_kubectl() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("piped").await;
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: piped}\n";
    cluster.kubectl_ok(&["apply", "-n", &namespace, "-f", "-"], yaml).await;
    let refused = cluster.kubectl(&["apply", "-n", &namespace, "-f", "-"], "kind: Nothing").await;
    assert!(!refused.status.success());
}

#[tokio::test]
async fn the_cluster_lets_the_controller_list_no_secrets() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("secrets").await;
    let client = cluster.controller().await;
    let one: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    for api in [one, Api::all(client)] {
        match api.list(&ListParams::default()).await {
            Err(kube::Error::Api(status)) => assert!(status.is_forbidden(), "{status:?}"),
            other => panic!("the controller listed secrets: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_cluster_of_ones_own_restarts_with_its_objects() {
    let cluster = Cluster::alone().await;
    let namespace = cluster.namespace("kept").await;
    cluster.restart().await;
    let names = cluster.kubectl_ok(&["get", "namespaces", "-o", "name"], "").await;
    assert!(names.contains(&namespace), "{names}");
}

#[tokio::test]
async fn the_cluster_reads_the_validation_rules_of_a_crd() {
    let cluster = Cluster::shared().await;
    needs!(cluster, Feature::Cel);
    let yaml = include_str!("harness/cel_probe.yaml");
    cluster.kubectl_ok(&["apply", "--server-side", "-f", "-"], yaml).await;
    let rules = "jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.spec.x-kubernetes-validations[0].rule}";
    let rule = cluster.kubectl_ok(&["get", "crd", "probes.harness.test", "-o", rules], "").await;
    assert_eq!(rule, "self.low <= self.high");
}

#[tokio::test]
async fn the_binary_runs_and_its_output_is_caught() {
    let finished = Tenantry::new(["--version"]).finish(SHORT).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    assert!(finished.stdout.contains(env!("CARGO_PKG_VERSION")), "{finished:?}");
}

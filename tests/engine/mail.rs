//! What a tenant's mail server costs a pass, who tries it, and sending an
//! invitation again: on both databases.

use std::collections::BTreeMap;
use std::time::Duration;

use tenantry::domain::object::Kind::{SubAdmin, Tenant};
use tenantry::domain::object::ObjectKey;
use tenantry::domain::verdict::Reason;
use tenantry::engine::{Report, Resent};
use tenantry::store::probes::{Answer, DueProbe};
use tenantry::store::{Access, Store};
use uuid::Uuid;

use crate::on_both;
use crate::world::{ACME, all_ready};

fn acme(mail: &str) -> String {
    format!(
        "\nkind: Tenant\nmetadata: {{namespace: root, name: acme}}\nspec: {{displayName: ACME, mail: {mail}}}"
    )
}

const SERVER: &str = "{server: {host: mail.acme.example, tls: None}}";

fn mail_ready(report: &Report) -> Option<(bool, Reason)> {
    report.condition("MailReady").map(|condition| (condition.status, condition.reason))
}

fn of_acme(reports: &BTreeMap<ObjectKey, Report>) -> Option<(bool, Reason)> {
    mail_ready(&reports[&ObjectKey::new(Tenant, "root", "acme")])
}

async fn claim(store: &Store, worker: Uuid) -> Vec<DueProbe> {
    for _ in 0..20 {
        let claimed = async {
            let mut tx = store.begin(Access::Write).await?;
            let until = tx.now() + jiff::SignedDuration::from_mins(5);
            let claimed = tx.claim_probes("test", worker, until, 8).await?;
            tx.commit().await?;
            Ok::<_, tenantry::store::StoreError>(claimed)
        };
        match claimed.await {
            Ok(claimed) => return claimed,
            Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("others were always in the way");
}

async fn answer(store: &Store, probe: &DueProbe, worker: Uuid, reason: Reason, message: &str) {
    let answer = Answer { reason: reason.as_str().to_owned(), message: message.to_owned() };
    let mut tx = store.begin(Access::Write).await.unwrap();
    let due = tx.now() + jiff::SignedDuration::from_mins(15);
    tx.answer_probe(probe, worker, Some(&answer), 0, due).await.unwrap();
    tx.commit().await.unwrap();
}

on_both! {
    async fn a_tenants_mail_server_is_asked_about_once_and_its_answer_becomes_the_condition(world) {
        let store = world.engine.store().clone();
        assert_eq!(of_acme(&world.apply(ACME).await), None, "it names no server");
        assert!(claim(&store, Uuid::from_u128(1)).await.is_empty());

        let reports = world.apply(&acme(SERVER)).await;
        all_ready(&reports);
        assert_eq!(of_acme(&reports), Some((false, Reason::MailServerUntried)));
        // Another look asks no more and writes nothing.
        let writes = store.writes();
        let report = world.once(Tenant, "root", "acme").await;
        assert_eq!((mail_ready(&report), store.writes()), (Some((false, Reason::MailServerUntried)), writes));

        let worker = Uuid::from_u128(1);
        let [probe] = &claim(&store, worker).await[..] else { panic!("not one") };
        answer(&store, probe, worker, Reason::MailServerUnreachable, "it cannot be reached").await;
        let reports = world.settle().await;
        assert_eq!(of_acme(&reports), Some((false, Reason::MailServerUnreachable)));
        let told = reports.values().next().unwrap().condition("MailReady").unwrap();
        assert_eq!(told.message, "it cannot be reached");
        assert!(reports.values().all(Report::ready), "mail never holds back Ready");

        // Another server is another question; an answer about the old one comes too late.
        let mut tx = store.begin(Access::Write).await.unwrap();
        tx.hurry_probes("test", Reason::MailServerReady.as_str()).await.unwrap();
        tx.commit().await.unwrap();
        let [old] = &claim(&store, worker).await[..] else { panic!("not one") };
        let reports = world.apply(&acme("{server: {host: other.acme.example, tls: None}}")).await;
        assert_eq!(of_acme(&reports), Some((false, Reason::MailServerUntried)));
        answer(&store, old, worker, Reason::MailServerReady, "it works").await;
        assert!(world.settle().await.is_empty());
        let [new] = &claim(&store, worker).await[..] else { panic!("not one") };
        assert_ne!(new.target, old.target);
        answer(&store, new, worker, Reason::MailServerReady, "it works").await;
        assert_eq!(of_acme(&world.settle().await), Some((true, Reason::MailServerReady)));

        // Without a server there is nothing to say and nothing to try.
        assert_eq!(of_acme(&world.apply(&acme("{from: acme@acme.example}")).await), None);
        assert_eq!(world.by_hand("SELECT target FROM mail_probe").await, None);
    }
}

on_both! {
    async fn of_sixteen_replicas_one_claims_a_server(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(&acme(SERVER)).await);
        let store = world.engine.store().clone();
        let mut replicas = tokio::task::JoinSet::new();
        for worker in 0..16 {
            let store = store.clone();
            replicas.spawn(async move { claim(&store, Uuid::from_u128(worker)).await.len() });
        }
        assert_eq!(replicas.join_all().await.into_iter().sum::<usize>(), 1);
    }
}

on_both! {
    async fn what_was_wrong_with_a_secret_is_asked_about_again_when_it_is_mended(world) {
        all_ready(&world.apply(ACME).await);
        let server = "{server: {host: mail.acme.example, credentialsSecretRef: {name: login}}}";
        let reports = world.apply(&acme(server)).await;
        all_ready(&reports);
        assert_eq!(of_acme(&reports), Some((false, Reason::SecretNotFound)));
        let store = world.engine.store().clone();
        assert!(claim(&store, Uuid::from_u128(1)).await.is_empty(), "without it there is nothing to try");
        let data = [("username", "acme"), ("password", "right")];
        let data: BTreeMap<_, _> = data.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let at = ("root".to_owned(), "login".to_owned());
        world.outside.secrets.insert(at, ("mail".to_owned(), data));
        let report = world.once(Tenant, "root", "acme").await;
        assert_eq!(mail_ready(&report), Some((false, Reason::MailServerUntried)));
        // It went again while the server was tried, and came back.
        let worker = Uuid::from_u128(1);
        let [probe] = &claim(&store, worker).await[..] else { panic!("not one") };
        answer(&store, probe, worker, Reason::SecretNotFound, "gone").await;
        let reports = world.settle().await;
        assert_eq!(of_acme(&reports), Some((false, Reason::MailServerUntried)));
        assert_eq!(claim(&store, worker).await.len(), 1, "asked about again");
        let secret = world.by_hand("SELECT CAST(target AS text) FROM mail_probe").await.unwrap();
        assert!(!secret.contains("right"), "{secret}");
    }
}

on_both! {
    async fn r8_a_pass_that_corrects_an_address_and_is_asked_to_resend_issues_one_link(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply("
kind: SubAdmin
metadata: {namespace: root, name: ada, annotations: {tenantry.dev/resend-activation: again}}
spec: {tenantRef: {name: acme}, username: ada, email: ada@acme.example, tier: Root}").await);
        let count = async |sql: &str| world.by_hand(sql).await.unwrap();
        assert_eq!(count("SELECT CAST(count(*) AS text) FROM activation").await, "2", "one at first, one now");
        assert_eq!(count("SELECT CAST(count(*) AS text) FROM activation WHERE state = 'open'").await, "1");
        assert_eq!(count("SELECT CAST(count(*) AS text) FROM outbox WHERE state = 'queued'").await, "1");
        assert_eq!(count("SELECT CAST(count(*) AS text) FROM audit WHERE action = 'resent'").await, "1");
    }
}

on_both! {
    async fn r8_of_sixteen_resends_at_once_one_link_stays_open(world) {
        all_ready(&world.apply(ACME).await);
        let mut replicas = tokio::task::JoinSet::new();
        for seed in 0..16 {
            let engine = world.twin(seed + 10);
            replicas.spawn(async move { engine.resend_to(if seed % 2 == 0 { "ada" } else { "ADA@example.org" }).await.unwrap() });
        }
        for resent in replicas.join_all().await {
            let Resent::Queued(queued) = resent else { panic!("{resent:?}") };
            assert_eq!((queued.username.as_str(), queued.blocked), ("ada", false));
        }
        let count = async |sql: &str| world.by_hand(sql).await.unwrap().parse::<i64>().unwrap();
        assert_eq!(count("SELECT CAST(count(*) AS text) FROM activation WHERE state = 'open'").await, 1);
        assert_eq!(count("SELECT CAST(count(*) AS text) FROM activation WHERE state = 'replaced'").await, 16);
        assert_eq!(count("SELECT CAST(count(*) AS text) FROM outbox WHERE state = 'queued'").await, 1);
        assert_eq!(count("SELECT CAST(count(*) AS text) FROM audit WHERE action = 'resent' AND actor = 'platform'").await, 16);
        // Of links and mails of one second the open and the queued one are the newest.
        world.by_hand("UPDATE activation SET issued_at = (SELECT MAX(issued_at) FROM activation)").await;
        world.by_hand("UPDATE outbox SET queued_at = (SELECT MAX(queued_at) FROM outbox)").await;
        let mut tx = world.engine.store().begin(Access::Read).await.unwrap();
        let ada = tx.account_named("ada").await.unwrap().unwrap().account.id;
        assert_eq!(tx.latest_activation(ada).await.unwrap().unwrap().state, "open");
        assert_eq!(tx.mail_state(ada).await.unwrap().state.as_deref(), Some("queued"));
        drop(tx);
        // The object is woken, and says when the new link ends.
        let reports = world.settle().await;
        assert!(reports.contains_key(&ObjectKey::new(SubAdmin, "root", "ada")));
        assert_eq!(world.engine.resend_to("nobody").await.unwrap(), Resent::Unknown);
    }
}

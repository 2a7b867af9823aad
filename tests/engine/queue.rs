//! Whose mails a process sends, and when those are tried again that could not
//! be sent: on both databases.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use tenantry::domain::object::Kind::{SubAdmin, Tenant};
use tenantry::engine::{Engine, SecretFact, Surroundings, Unavailable};
use tenantry::mail::{AddressPolicy, DirectoryTransport, Mailbox, Templates, Transport};
use tenantry::outbox::{Drained, Metrics, Outbox, Sender, Servers};
use tenantry::store::outbox::{MailState, Next};
use tenantry::store::probes::Answer;
use tenantry::store::{Access, Store};
use uuid::Uuid;

use crate::on_both;
use crate::world::{ACME, World, all_ready};

const LONG: Duration = Duration::from_secs(30);
const WORKER: Uuid = Uuid::from_u128(7);

/// Objects of the source `elsewhere`.
const OTHERS: [&str; 2] = [
    "
kind: Tenant
metadata: {namespace: root, name: other}
spec: {displayName: Other}",
    "
kind: SubAdmin
metadata: {namespace: root, name: bob}
spec: {tenantRef: {name: other}, username: bob, email: bob@example.org, tier: Root}",
];

/// A world outside that counts who asks for Secrets, and has none.
#[derive(Default)]
struct Asked(AtomicUsize);

#[async_trait]
impl Surroundings for Asked {
    async fn secret(&self, _: &str, _: &str) -> Result<SecretFact, Unavailable> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(SecretFact::Absent)
    }
    async fn namespace_labels(
        &self,
        _: &str,
    ) -> Result<Option<std::collections::BTreeMap<String, String>>, Unavailable> {
        Ok(None)
    }
}

/// A worker of this engine's source that writes into a folder.
fn outbox(engine: &Engine, folder: &Path, outside: &Arc<Asked>) -> Outbox {
    let own = Transport::Directory(DirectoryTransport::new(folder));
    let sender = Sender {
        templates: Arc::new(Templates::embedded().unwrap()),
        from: Some(Mailbox::parse("accounts@fleet.example").unwrap()),
        base: Some("https://accounts.fleet.example".to_owned()),
    };
    let servers = Servers::new(own, AddressPolicy::Any, None, outside.clone());
    Outbox::new(engine.clone(), servers, sender, Metrics::default())
}

async fn drained(engine: &Engine, folder: &Path) -> (usize, usize) {
    let Drained { sent, left } = outbox(engine, folder, &Arc::default()).drain(LONG).await.unwrap();
    (sent, left)
}

/// How many mails in a folder go to this address.
fn to(folder: &Path, address: &str) -> usize {
    let files = std::fs::read_dir(folder).unwrap();
    let mails = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    mails.filter(|mail| mail.contains(&format!("To: {address}"))).count()
}

async fn mail_of(store: &Store, name: &str) -> MailState {
    let mut tx = store.begin(Access::Read).await.unwrap();
    let account = tx.account_named(name).await.unwrap().unwrap().account.id;
    tx.mail_state(account).await.unwrap()
}

/// Every mail that is due fails, and is to be tried in an hour.
async fn all_fail(store: &Store) {
    let mut tx = store.begin(Access::Write).await.unwrap();
    let now = tx.now();
    let mails = tx.claim_mails("test", WORKER, now + SignedDuration::from_mins(1), 48, &[]).await.unwrap();
    assert_eq!(mails.len(), 1);
    for mail in mails {
        let later = now + SignedDuration::from_hours(1);
        tx.mark_failed(mail.id, WORKER, "nobody answers", Next::At(later)).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert!(!is_due(store).await);
}

async fn is_due(store: &Store) -> bool {
    store.any_mail_due("test", &[]).await.unwrap()
}

fn acme(spec: &str) -> String {
    format!("\nkind: Tenant\nmetadata: {{namespace: root, name: acme}}\nspec: {{displayName: ACME{spec}}}")
}

/// Answers what is asked about the one server.
async fn answer(world: &mut World, reason: &str) {
    let mut tx = world.engine.store().begin(Access::Write).await.unwrap();
    tx.hurry_probes("test", "MailServerReady").await.unwrap();
    let now = tx.now();
    let later = now + SignedDuration::from_mins(5);
    let probes = tx.claim_probes("test", WORKER, later, 8).await.unwrap();
    let [probe] = &probes[..] else { panic!("{probes:?}") };
    let answer = Answer { reason: reason.to_owned(), message: "as it was found".to_owned() };
    tx.answer_probe(probe, WORKER, Some(&answer), 0, later).await.unwrap();
    tx.commit().await.unwrap();
    world.settle().await;
}

on_both! {
    async fn a_process_sends_only_the_mails_of_its_own_source(world) {
        all_ready(&world.apply(ACME).await);
        let other = world.other_source();
        for object in OTHERS {
            let manifest = world.manifest(object);
            assert!(other.reconcile(&manifest, &world.outside).await.unwrap().ready());
        }
        let store = world.engine.store().clone();
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [own, elsewhere] = folders.each_ref().map(|folder| folder.path());
        assert_eq!(drained(&world.engine, own).await, (1, 0), "what waits elsewhere is not its own");
        assert_eq!((to(own, "ada@example.org"), to(own, "bob@example.org")), (1, 0));
        assert_eq!(mail_of(&store, "bob").await.state.as_deref(), Some("queued"));
        assert!(!is_due(&store).await, "nothing wakes it any more");
        assert!(store.any_mail_due("elsewhere", &[]).await.unwrap());
        assert_eq!(store.begin(Access::Read).await.unwrap().mails_waiting().await.unwrap().0, 1, "all are counted");
        assert_eq!(drained(&other, elsewhere).await, (1, 0));
        assert_eq!((to(elsewhere, "ada@example.org"), to(elsewhere, "bob@example.org")), (0, 1));
    }
}

on_both! {
    async fn a_mail_to_an_account_without_an_object_goes_with_its_tenant_or_with_anybody(world) {
        all_ready(&world.apply(ACME).await);
        let other = world.other_source();
        let folder = tempfile::tempdir().unwrap();
        world.by_hand("UPDATE account SET object_id = NULL").await;
        assert_eq!(drained(&other, folder.path()).await, (0, 0), "its tenant is of another source");
        assert!(is_due(world.engine.store()).await);
        world.by_hand("UPDATE tenant SET object_id = NULL").await;
        assert_eq!(drained(&other, folder.path()).await, (1, 0), "nobody is nearer");
    }
}

on_both! {
    async fn nobody_signs_in_with_a_secret_of_another_source(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(&acme(", mail: {server: {host: mail.acme.example, credentialsSecretRef: {name: login}}}")).await);
        // Another source has adopted the tenant; the account stays what it was.
        world.by_hand("UPDATE object SET source = 'elsewhere' WHERE kind = 'Tenant'").await;
        let (folder, outside) = (tempfile::tempdir().unwrap(), Arc::<Asked>::default());
        let drained = outbox(&world.engine, folder.path(), &outside).drain(LONG).await.unwrap();
        assert_eq!((drained.sent, drained.left, outside.0.load(Ordering::SeqCst)), (0, 1, 0));
        let problem = mail_of(world.engine.store(), "ada").await.problem.unwrap();
        assert!(problem.contains("a Tenant of another source"), "{problem}");
        // In its own source the same name is the Secret that is meant.
        world.by_hand("UPDATE object SET source = 'test'").await;
        world.by_hand("UPDATE outbox SET due_at = queued_at").await;
        outbox(&world.engine, folder.path(), &outside).drain(LONG).await.unwrap();
        assert_eq!(outside.0.load(Ordering::SeqCst), 1);
    }
}

on_both! {
    async fn mails_are_tried_at_once_when_settings_or_enabling_may_have_mended_it(world) {
        all_ready(&world.apply(ACME).await);
        let store = world.engine.store().clone();
        all_fail(&store).await;
        world.apply(&acme(", branding: {productName: ACME}")).await;
        assert!(!is_due(&store).await, "a name mends nothing");
        world.apply(&acme(", mail: {from: acme@acme.example}")).await;
        assert!(is_due(&store).await);

        all_fail(&store).await;
        world.apply(&acme(", enabled: false")).await;
        assert!(is_due(&store).await, "its mail settings have changed");
        all_fail(&store).await;
        world.apply(&acme(", enabled: false, branding: {productName: ACME}")).await;
        assert!(!is_due(&store).await);
        world.apply(&acme("")).await;
        assert!(is_due(&store).await);
    }
}

on_both! {
    async fn mails_are_tried_at_once_when_a_server_or_its_secret_is_mended(world) {
        let data = [("username", "acme"), ("password", "right")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let (at, login) = (("root".to_owned(), "login".to_owned()), ("mail".to_owned(), data.into()));
        world.outside.secrets.insert(at.clone(), login);
        all_ready(&world.apply(ACME).await);
        world.apply(&acme(", mail: {server: {host: mail.acme.example, credentialsSecretRef: {name: login}}}")).await;
        let store = world.engine.store().clone();
        all_fail(&store).await;
        answer(&mut world, "MailServerUnreachable").await;
        assert!(!is_due(&store).await);
        answer(&mut world, "MailServerReady").await;
        assert!(is_due(&store).await);

        all_fail(&store).await;
        world.again(Tenant, "root", "acme").await;
        assert!(!is_due(&store).await, "it worked before");
        let login = world.outside.secrets.remove(&at).unwrap();
        world.again(Tenant, "root", "acme").await;
        assert!(!is_due(&store).await);
        world.outside.secrets.insert(at, login);
        let report = world.again(Tenant, "root", "acme").await;
        assert!(report.condition("MailReady").unwrap().status);
        assert!(is_due(&store).await);
    }
}

on_both! {
    async fn a_mail_that_is_being_tried_is_not_hurried(world) {
        all_ready(&world.apply(ACME).await);
        let store = world.engine.store().clone();
        all_fail(&store).await;
        let mut tx = store.begin(Access::Write).await.unwrap();
        let ada = tx.account_named("ada").await.unwrap().unwrap().account;
        let until = tx.now() + SignedDuration::from_mins(1);
        let [mail] = &tx.claim_mails_to(ada.id, WORKER, until).await.unwrap()[..] else { panic!("not one") };
        tx.hurry_mails_below(ada.tenant).await.unwrap();
        tx.release_mails(&[mail.id], WORKER).await.unwrap();
        tx.commit().await.unwrap();
        assert!(!is_due(&store).await);
        let mut tx = store.begin(Access::Write).await.unwrap();
        tx.hurry_mails_below(ada.tenant).await.unwrap();
        tx.commit().await.unwrap();
        assert!(is_due(&store).await);
    }
}

on_both! {
    async fn a_mail_of_a_disabled_tenant_waits_without_an_attempt_and_goes_when_it_is_enabled(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(&acme(", enabled: false")).await);
        let store = world.engine.store().clone();
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(drained(&world.engine, folder.path()).await, (0, 1));
        let problem = mail_of(&store, "ada").await.problem.unwrap();
        assert!(problem.contains("disabled"), "{problem}");
        assert_eq!(world.by_hand("SELECT CAST(attempts AS text) FROM outbox").await.as_deref(), Some("0"));
        assert!(world.settle().await.keys().any(|key| key.kind == SubAdmin), "its status says why");
        assert!(!is_due(&store).await);
        all_ready(&world.apply(&acme("")).await);
        assert_eq!(drained(&world.engine, folder.path()).await, (1, 0));
    }
}

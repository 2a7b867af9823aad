//! The worker on a real database; mails into a folder, or to ports where
//! nothing good happens.

mod faults;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Drained, Metrics, Outbox, Sender, Servers};
use crate::domain::activation::Purpose;
use crate::domain::tenant::{MailServer, MailSettings};
use crate::engine::{SecretFact, Surroundings, Unavailable};
use crate::mail::{AddressPolicy, DirectoryTransport, MailUrl, Mailbox, Templates, Transport};
use crate::store::Access;
use crate::store::outbox::MailState;
use crate::testing::{ADDRESS, World};

const LONG: Duration = Duration::from_secs(30);

/// A world outside that has one Secret with these labels, or none.
struct Outside(Option<&'static str>);

#[async_trait]
impl Surroundings for Outside {
    async fn secret(&self, _: &str, _: &str) -> Result<SecretFact, Unavailable> {
        let Some(label) = self.0 else { return Ok(SecretFact::Absent) };
        let labels = BTreeMap::from([(crate::api::USE_LABEL.to_owned(), label.to_owned())]);
        let pair = |name: &str| (name.to_owned(), format!("the-{name}").into());
        Ok(SecretFact::Found { labels, data: BTreeMap::from([pair("username"), pair("password")]) })
    }

    async fn namespace_labels(&self, _: &str) -> Result<Option<BTreeMap<String, String>>, Unavailable> {
        Ok(None)
    }
}

fn outbox_to(world: &World, own: Transport, policy: AddressPolicy, outside: Outside) -> Outbox {
    let servers = Servers::new(own, policy, None, Arc::new(outside));
    let sender = Sender {
        templates: Arc::new(Templates::embedded().unwrap()),
        from: Some(Mailbox::parse("accounts@fleet.example").unwrap()),
        base: Some("https://accounts.fleet.example/start".to_owned()),
    };
    Outbox::new(world.engine.clone(), servers, sender, Metrics::default())
}

fn outbox(world: &World, folder: &Path) -> Outbox {
    let own = Transport::Directory(DirectoryTransport::new(folder));
    outbox_to(world, own, AddressPolicy::Any, Outside(None))
}

/// A transport to a port of this machine.
fn smtp(port: u16) -> Transport {
    let url = MailUrl::parse(&format!("smtp://127.0.0.1:{port}?tls=none")).unwrap();
    Transport::from_url(url, None).unwrap()
}

/// A tenant's own server at a port of this machine.
fn own_server(port: u16, credentials: Option<&str>) -> MailSettings {
    let server = MailServer {
        host: "127.0.0.1".to_owned(),
        port,
        tls: if credentials.is_some() { "StartTLS" } else { "None" }.to_owned(),
        credentials: credentials.map(str::to_owned),
    };
    MailSettings { from: None, reply_to: None, server: Some(server) }
}

/// A port that nobody listens on.
async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn mail_of(world: &World) -> MailState {
    let mut tx = world.engine.store().begin(Access::Read).await.unwrap();
    tx.mail_state(world.account.id).await.unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder)
        .map(|entries| entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect())
        .unwrap_or_default()
}

/// The whole link in a mail in a folder.
fn unfolded(mail: &str) -> String {
    mail.replace("=\r\n", "").replace("=3D", "=")
}

#[tokio::test]
async fn r8_a_queued_mail_is_sent_once_with_the_link_and_wakes_its_account() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (_, token) = world.invite(Purpose::Activate).await;
    let outbox = outbox(&world, folder.path());
    assert_eq!(outbox.drain(LONG).await.unwrap(), Drained { sent: 1, left: 0 });
    assert_eq!(outbox.drain(LONG).await.unwrap(), Drained { sent: 0, left: 0 });
    let mails = files(folder.path());
    assert_eq!(mails.len(), 1);
    let link = format!("https://accounts.fleet.example/start/activate?token={token}");
    assert!(unfolded(&mails[0]).contains(&link), "{}", mails[0]);
    assert!(mails[0].contains(&format!("To: {ADDRESS}")), "{}", mails[0]);
    let state = mail_of(&world).await;
    assert_eq!((state.state.as_deref(), state.sends), (Some("sent"), 1));
    let woken = world.engine.take_woken(Duration::ZERO, 10).await.unwrap();
    assert_eq!(woken.iter().map(ToString::to_string).collect::<Vec<_>>(), ["SubAdmin acme/kim"]);
}

#[tokio::test]
async fn r8_a_changed_address_is_asked_for_proof_at_the_new_one() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    world.change(|account| account.pending_email = Some("kim@new.example".to_owned())).await;
    world.invite(Purpose::ChangeEmail).await;
    outbox(&world, folder.path()).drain(LONG).await.unwrap();
    let mail = files(folder.path()).pop().unwrap();
    assert!(mail.contains("To: kim@new.example") && !mail.contains(ADDRESS), "{mail}");
}

#[tokio::test]
async fn an_idle_worker_writes_nothing() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let outbox = outbox(&world, folder.path());
    world.invite(Purpose::Activate).await;
    outbox.drain(LONG).await.unwrap();
    let (writes, statements) = (world.engine.store().writes(), world.engine.store().statements());
    let stop = CancellationToken::new();
    let running = tokio::spawn(outbox.clone().run(stop.clone()));
    tokio::time::sleep(Duration::from_millis(1800)).await;
    stop.cancel();
    running.await.unwrap();
    assert!(world.engine.store().statements() > statements, "it looked");
    assert_eq!(world.engine.store().writes(), writes);
}

#[tokio::test]
async fn a_running_worker_sends_what_is_queued_within_a_second() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(outbox(&world, folder.path()).run(stop.clone()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.invite(Purpose::Activate).await;
    let queued = Instant::now();
    while mail_of(&world).await.sent_at.is_none() {
        assert!(queued.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(queued.elapsed() < Duration::from_secs(1), "{:?}", queued.elapsed());
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_failed_mail_is_tried_again_later_and_its_problem_holds_no_address_and_no_token() {
    let world = World::new().await;
    let (_, token) = world.invite(Purpose::Activate).await;
    let broken = outbox_to(&world, smtp(closed_port().await), AddressPolicy::Any, Outside(None));
    assert_eq!(broken.drain(LONG).await.unwrap(), Drained { sent: 0, left: 1 });
    let state = mail_of(&world).await;
    let problem = state.problem.unwrap();
    assert_eq!(state.state.as_deref(), Some("queued"));
    assert!(problem.contains("127.0.0.1") && problem.contains("can be reached from here"), "{problem}");
    assert!(!problem.contains('@') && !problem.contains(&token), "{problem}");

    // Not due yet, so nothing happens; once due it goes out with the same link.
    let folder = tempfile::tempdir().unwrap();
    let mended = outbox(&world, folder.path());
    assert_eq!(mended.drain(LONG).await.unwrap(), Drained { sent: 0, left: 1 });
    let mut tx = world.write().await;
    tx.hurry_mails(&[world.account.id]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(mended.drain(LONG).await.unwrap(), Drained { sent: 1, left: 0 });
    assert!(unfolded(&files(folder.path())[0]).contains(&token));
    assert_eq!(mail_of(&world).await.problem, None);
}

#[tokio::test]
async fn r8_a_mail_that_nobody_should_get_any_more_is_dropped() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let outbox = outbox(&world, folder.path());
    world.invite(Purpose::Activate).await;
    world.change(|account| account.settings.enabled = false).await;
    assert_eq!(outbox.drain(LONG).await.unwrap(), Drained { sent: 0, left: 0 });
    world.change(|account| account.settings.enabled = true).await;
    world.invite_for(world.account.id, Purpose::Activate, SignedDuration::ZERO).await;
    assert_eq!(outbox.drain(LONG).await.unwrap(), Drained { sent: 0, left: 0 });
    assert!(files(folder.path()).is_empty());
}

#[tokio::test]
async fn r8_a_mail_whose_link_ends_soon_is_tried_before_that_and_then_given_up() {
    let world = World::new().await;
    let port = closed_port().await;
    let broken = || outbox_to(&world, smtp(port), AddressPolicy::Any, Outside(None));
    // After so many attempts the wait would be an hour.
    world.invite_for(world.account.id, Purpose::Activate, SignedDuration::from_mins(40)).await;
    world.raw("UPDATE outbox SET attempts = 20").await;
    assert_eq!(broken().drain(LONG).await.unwrap(), Drained { sent: 0, left: 1 });
    let left = "SELECT CAST(strftime('%s', v.expires_at) - strftime('%s', b.due_at) AS TEXT)
        FROM outbox b JOIN activation v ON v.id = b.activation_id";
    let left: i64 = world.raw(left).await[0].parse().unwrap();
    assert!((1150..=1200).contains(&left), "{left}");
    assert!(!mail_of(&world).await.too_late);

    world.invite_for(world.account.id, Purpose::Activate, SignedDuration::from_secs(9)).await;
    assert_eq!(broken().drain(LONG).await.unwrap(), Drained { sent: 0, left: 0 });
    let state = mail_of(&world).await;
    let problem = state.problem.unwrap();
    assert_eq!((state.state.as_deref(), state.too_late), (Some("failed"), true));
    assert!(problem.contains("too soon for another attempt") && problem.contains("127.0.0.1"), "{problem}");
    assert!(!problem.contains("tried again"), "{problem}");
}

#[tokio::test]
async fn r8_a_mail_that_failed_once_and_expired_says_both() {
    let world = World::new().await;
    let broken = outbox_to(&world, smtp(closed_port().await), AddressPolicy::Any, Outside(None));
    world.invite(Purpose::Activate).await;
    broken.drain(LONG).await.unwrap();
    world.raw("UPDATE activation SET expires_at = '2026-01-01T00:00:00Z'").await;
    let mut tx = world.write().await;
    tx.hurry_mails(&[world.account.id]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(broken.drain(LONG).await.unwrap(), Drained { sent: 0, left: 0 });
    let state = mail_of(&world).await;
    let problem = state.problem.unwrap();
    assert_eq!((state.state.as_deref(), state.too_late), (Some("failed"), true));
    assert!(problem.starts_with("the link expired at 2026-01-01T00:00:00Z before the mail"), "{problem}");
    assert!(problem.contains("the last attempt failed: mail server 127.0.0.1"), "{problem}");
}

#[tokio::test]
async fn r8_two_workers_send_each_mail_once() {
    let world = World::new().await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for number in 0..20 {
        let name = format!("lou{number}");
        let account = world.another(&name, &format!("{name}@fleet.example")).await;
        world.invite_for(account.id, Purpose::Activate, SignedDuration::from_hours(1)).await;
    }
    let [one, two] = folders.each_ref().map(|folder| outbox(&world, folder.path()));
    let (one, two) = tokio::join!(one.drain(LONG), two.drain(LONG));
    assert_eq!(one.unwrap().sent + two.unwrap().sent, 20);
    assert_eq!(folders.iter().map(|folder| files(folder.path()).len()).sum::<usize>(), 20);
}

#[tokio::test]
async fn credentials_come_only_from_a_secret_that_is_labelled_for_mail() {
    let mail = own_server(closed_port().await, Some("smtp-login"));
    for (label, expected) in
        [(None, "does not exist"), (Some("password"), "lacks the label"), (Some("mail"), "127.0.0.1")]
    {
        let world = World::with_mail(Some(mail.clone())).await;
        world.invite(Purpose::Activate).await;
        let own = Transport::Directory(DirectoryTransport::new(tempfile::tempdir().unwrap().path()));
        outbox_to(&world, own, AddressPolicy::Any, Outside(label)).drain(LONG).await.unwrap();
        let problem = mail_of(&world).await.problem.unwrap();
        assert!(problem.contains(expected) && !problem.contains("the-password"), "{problem}");
    }
}

#[tokio::test]
async fn a_server_of_a_tenant_on_an_inward_address_is_refused_unless_allowed() {
    let port = closed_port().await;
    for (allow_hosts, expected) in
        [(vec![], "--mail-allow-hosts"), (vec!["127.0.0.1".to_owned()], "can be reached from here")]
    {
        let world = World::with_mail(Some(own_server(port, None))).await;
        world.invite(Purpose::Activate).await;
        let own = Transport::Directory(DirectoryTransport::new(tempfile::tempdir().unwrap().path()));
        let policy = AddressPolicy::Public { allow_hosts };
        outbox_to(&world, own, policy, Outside(None)).drain(LONG).await.unwrap();
        let problem = mail_of(&world).await.problem.unwrap();
        assert!(problem.contains(expected), "{problem}");
    }
}

/// More mails than the worker has room for wait for a server that accepts
/// connections and never says a word, before a mail to one that does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_does_not_hold_up_the_mail_of_others() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = hanging.local_addr().unwrap().port();
    let world = World::new().await;
    let stuck = world.another_tenant("south", Some(own_server(port, None))).await;
    for number in 0..80 {
        let name = format!("lou{number}");
        let account = world.another_of(&stuck, &name, &format!("{name}@fleet.example")).await;
        world.invite_for(account.id, Purpose::Activate, SignedDuration::from_hours(1)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(outbox(&world, folder.path()).run(stop.clone()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.invite(Purpose::Activate).await;
    let queued = Instant::now();
    while mail_of(&world).await.sent_at.is_none() {
        assert!(queued.elapsed() < Duration::from_secs(3), "still waiting");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.abort();
    drop(hanging);
}

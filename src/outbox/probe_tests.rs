//! The prober on a real database, with servers that are ports of this machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Prober, Servers};
use crate::domain::tenant::{MailServer, MailSettings};
use crate::files::FileSurroundings;
use crate::mail::{AddressPolicy, DirectoryTransport, Transport};
use crate::store::Access;
use crate::store::probes::{Answer, Probe};
use crate::testing::World;

const LONG: Duration = Duration::from_secs(30);

fn prober(world: &World, policy: AddressPolicy) -> Prober {
    let own = Transport::Directory(DirectoryTransport::new("/nonexistent"));
    let servers = Servers::new(own, policy, None, Arc::new(FileSurroundings::new(None)));
    Prober::new(world.engine.clone(), servers)
}

fn server(port: u16, credentials: Option<&str>) -> MailServer {
    let tls = if credentials.is_some() { "StartTLS" } else { "None" };
    let credentials = credentials.map(str::to_owned);
    MailServer { host: "127.0.0.1".to_owned(), port, tls: tls.to_owned(), credentials }
}

/// A world whose tenant has asked for its server to be tried.
async fn asking(server: &MailServer) -> World {
    let mail = MailSettings { from: None, reply_to: None, server: Some(server.clone()) };
    let world = World::with_mail(Some(mail)).await;
    ask(&world, server).await;
    world
}

async fn ask(world: &World, server: &MailServer) {
    let mut tx = world.write().await;
    tx.ask_probe(world.tenant.id, &server.fingerprint()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn known(world: &World) -> Option<Probe> {
    let mut tx = world.engine.store().begin(Access::Read).await.unwrap();
    tx.probe(world.tenant.id).await.unwrap()
}

async fn answer(world: &World) -> (String, String) {
    let Answer { reason, message } = known(world).await.unwrap().answer.unwrap();
    (reason, message)
}

async fn woken(world: &World) -> usize {
    world.engine.take_woken(Duration::ZERO, 10).await.unwrap().len()
}

/// A server that greets, answers EHLO and QUIT, and counts who comes.
async fn polite(counter: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut words = [0; 512];
                let _ = stream.write_all(b"220 polite\r\n").await;
                while stream.read(&mut words).await.is_ok_and(|count| count > 0) {
                    let _ = stream.write_all(b"250 polite\r\n").await;
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_works_is_found_to_once_and_told_once() {
    let visits = Arc::new(AtomicUsize::new(0));
    let world = asking(&server(polite(visits.clone()).await, None)).await;
    let prober = prober(&world, AddressPolicy::Any);
    prober.settle(LONG).await.unwrap();
    assert_eq!(answer(&world).await.0, "MailServerReady");
    assert_eq!((visits.load(Ordering::SeqCst), woken(&world).await), (1, 1));
    // It is left alone now, by whoever looks.
    let writes = world.engine.store().writes();
    prober.round().await.unwrap();
    prober.settle(LONG).await.unwrap();
    assert_eq!((visits.load(Ordering::SeqCst), woken(&world).await), (1, 0));
    assert!(world.engine.store().writes() <= writes + 1, "but for the one that hurries others");
}

#[tokio::test]
async fn the_same_answer_again_wakes_nobody_and_another_one_does() {
    let visits = Arc::new(AtomicUsize::new(0));
    let port = polite(visits.clone()).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let world = asking(&server(closed, None)).await;
    let prober = prober(&world, AddressPolicy::Any);
    for wakes in [1, 0, 0] {
        prober.settle(LONG).await.unwrap();
        let (reason, message) = answer(&world).await;
        assert_eq!((reason.as_str(), woken(&world).await), ("MailServerUnreachable", wakes), "{message}");
    }
    // The tenant names another server, and asks.
    let other = server(port, None);
    let mut tenant = world.tenant.clone();
    tenant.settings.mail = Some(MailSettings { server: Some(other.clone()), ..MailSettings::default() });
    let mut tx = world.write().await;
    tx.update_tenant(&tenant).await.unwrap();
    tx.commit().await.unwrap();
    // Until it has asked, what was claimed for the old settings changes nothing.
    prober.settle(LONG).await.unwrap();
    assert_eq!(
        (answer(&world).await.0.as_str(), visits.load(Ordering::SeqCst)),
        ("MailServerUnreachable", 0)
    );
    ask(&world, &other).await;
    assert_eq!(known(&world).await.unwrap().answer, None);
    prober.settle(LONG).await.unwrap();
    assert_eq!((answer(&world).await.0.as_str(), woken(&world).await), ("MailServerReady", 1));
}

#[tokio::test]
async fn of_several_replicas_one_tries() {
    let visits = Arc::new(AtomicUsize::new(0));
    let world = asking(&server(polite(visits.clone()).await, None)).await;
    let stop = CancellationToken::new();
    let replicas: Vec<_> =
        (0..4).map(|_| tokio::spawn(prober(&world, AddressPolicy::Any).run(stop.clone()))).collect();
    while known(&world).await.unwrap().answer.is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stop.cancel();
    for replica in replicas {
        replica.await.unwrap();
    }
    assert_eq!(visits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_keeps_a_server_from_being_used_has_a_reason_of_its_own() {
    let visits = Arc::new(AtomicUsize::new(0));
    let port = polite(visits.clone()).await;
    for (server, policy, reason, words) in [
        (server(port, Some("login")), AddressPolicy::Any, "SecretNotFound", "Secret login in namespace acme"),
        (
            server(port, None),
            AddressPolicy::Public { allow_hosts: vec![] },
            "MailHostNotPermitted",
            "--mail-allow-hosts",
        ),
        (
            MailServer { tls: "StartTLS".to_owned(), ..server(port, None) },
            AddressPolicy::Any,
            "MailTlsFailed",
            "does not offer STARTTLS",
        ),
        (
            MailServer { tls: "Implicit".to_owned(), ..server(port, None) },
            AddressPolicy::Any,
            "MailTlsFailed",
            "does not speak TLS",
        ),
        (
            MailServer { host: "no such host".to_owned(), ..server(port, None) },
            AddressPolicy::Any,
            "MailServerUnusable",
            "neither a DNS name nor an IP address",
        ),
    ] {
        let world = asking(&server).await;
        prober(&world, policy).settle(LONG).await.unwrap();
        let (said, message) = answer(&world).await;
        assert_eq!(said, reason, "{message}");
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn nobody_connects_anywhere_for_a_tenant_that_is_disabled() {
    let visits = Arc::new(AtomicUsize::new(0));
    let world = asking(&server(polite(visits.clone()).await, None)).await;
    let mut tenant = world.tenant.clone();
    tenant.settings.enabled = false;
    let mut tx = world.write().await;
    tx.update_tenant(&tenant).await.unwrap();
    tx.commit().await.unwrap();
    prober(&world, AddressPolicy::Any).round().await.unwrap();
    assert_eq!(known(&world).await.unwrap().answer, None);
    assert_eq!((visits.load(Ordering::SeqCst), woken(&world).await), (0, 0));
}

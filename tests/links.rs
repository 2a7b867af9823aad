//! R8 as people and attackers meet it, on both databases: objects judged by the
//! engine, mails written by the outbox, links followed over a port, and what
//! status says of it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on shall stop")]

mod harness;

#[path = "engine/world.rs"]
#[expect(dead_code, reason = "the scenarios of the engine use the rest")]
mod world;

#[path = "links/account.rs"]
mod account;
#[path = "links/addresses.rs"]
mod addresses;
#[path = "links/attacks.rs"]
mod attacks;
#[path = "links/combinations.rs"]
mod combinations;
#[path = "links/resend.rs"]
mod resend;
#[path = "links/unsent.rs"]
mod unsent;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::Message;
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use tenantry::domain::object::Kind::SubAdmin;
use tenantry::engine::{Attempt, Report, SignedIn, Via};
use tenantry::mail::{AddressPolicy, DirectoryTransport, Mailbox, Templates, Transport};
use tenantry::outbox::{Metrics, Outbox, Sender, Servers};
use tenantry::web;
use tokio_util::sync::CancellationToken;

use world::{Outside, World};

const PASSWORD: &str = "my aunt paints boats in october";
const BASE: &str = "https://accounts.example.org/below";

const ACME: &str = "
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME}
---
kind: Tenant
metadata: {namespace: root, name: north}
spec: {displayName: North Fleet, parentRef: {name: acme}, branding: {productName: Fleet, supportEmail: help@example.org}}";

/// Runs a scenario on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! on_both_sites {
    (async fn $name:ident($site:ident) $body:block) => {
        mod $name {
            use super::*;
            async fn scenario(mut $site: $crate::Site) $body
            #[tokio::test]
            async fn sqlite() {
                scenario($crate::Site::of($crate::world::World::sqlite().await).await).await
            }
            #[tokio::test]
            async fn postgres() {
                scenario($crate::Site::of($crate::world::World::postgres(stringify!($name)).await).await).await
            }
        }
    };
}

/// A SubAdmin of the tenant `north`, whose address is its name's.
fn person(name: &str, more: &str) -> String {
    with_address(name, &format!("{name}@example.org"), more)
}

fn with_address(name: &str, email: &str, more: &str) -> String {
    format!(
        "
kind: SubAdmin
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: north}}, username: {name}, email: {email}{more}}}"
    )
}

/// A world with its pages on a port and its mails in a folder.
struct Site {
    world: World,
    client: reqwest::Client,
    pages: String,
    post: Outbox,
    folder: tempfile::TempDir,
    seen: Vec<PathBuf>,
    _stop: tokio_util::sync::DropGuard,
}

/// A mail as its reader has it.
#[derive(Debug)]
struct Letter {
    to: String,
    subject: String,
    token: String,
    message: Message,
}

struct Page {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Page {
    fn title(&self) -> &str {
        let (_, rest) = self.body.split_once("<h1>").unwrap_or_else(|| panic!("{}", self.body));
        rest.split_once("</h1>").unwrap().0
    }

    fn says(&self) -> (u16, &str) {
        (self.status, self.title())
    }
}

impl Site {
    async fn of(mut world: World) -> Self {
        let data = [("password".to_owned(), PASSWORD.to_owned())].into();
        world.outside.secrets.insert(("root".to_owned(), "pw".to_owned()), ("password".to_owned(), data));
        world::all_ready(&world.apply(ACME).await);
        let folder = tempfile::tempdir().unwrap();
        let transport = Transport::Directory(DirectoryTransport::new(folder.path()));
        let servers = Servers::new(transport, AddressPolicy::Any, None, Arc::new(Outside::default()));
        let sender = Sender {
            templates: Arc::new(Templates::embedded().unwrap()),
            from: Some(Mailbox::parse("Tenantry <tenantry@example.org>").unwrap()),
            base: Some(BASE.to_owned()),
        };
        let post = Outbox::new(world.engine.clone(), servers, sender, Metrics::default());
        let listener = web::listen("127.0.0.1:0".parse().unwrap(), "--listen").await.unwrap();
        let pages = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let outside = web::Outside::new(Some(BASE), vec![]);
        tokio::spawn(web::serve(listener, web::pages(world.engine.clone(), outside), stop.clone()));
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { world, client, pages, post, folder, seen: vec![], _stop: stop.drop_guard() }
    }

    /// Sends what is queued, lets status follow, and opens what is new.
    async fn letters(&mut self) -> Vec<Letter> {
        self.post.drain(Duration::from_secs(20)).await.unwrap();
        self.world.settle().await;
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
        let mut new: Vec<_> = files.filter(|file| !self.seen.contains(file)).collect();
        new.sort();
        self.seen.extend(new.iter().cloned());
        new.iter().map(|file| opened(Message::parse(std::fs::read(file).unwrap()).unwrap())).collect()
    }

    /// The one mail that is new. One that a person has asked for is queued
    /// beside the answer.
    async fn letter(&mut self) -> Letter {
        let start = Instant::now();
        let mut letters = self.letters().await;
        while letters.is_empty() && start.elapsed() < Duration::from_secs(30) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            letters = self.letters().await;
        }
        assert_eq!(letters.len(), 1, "{:?}", letters.iter().map(|l| (&l.to, &l.subject)).collect::<Vec<_>>());
        letters.remove(0)
    }

    /// Nothing was sent, also not beside an answer.
    async fn silence(&mut self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(self.letters().await.len(), 0);
    }

    async fn get(&self, token: &str) -> Page {
        page(self.client.get(format!("{}/activate?token={token}", self.pages)).send().await.unwrap()).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        page(self.client.post(format!("{}{path}", self.pages)).form(form).send().await.unwrap()).await
    }

    /// Follows a link and chooses a password, if it asks for one.
    async fn follow(&self, token: &str, password: &str) -> Page {
        self.post("/activate", &[("token", token), ("password", password), ("again", password)]).await
    }

    /// Status as it is after everything that was woken.
    async fn report(&mut self, name: &str) -> Report {
        self.world.settle().await;
        self.world.again(SubAdmin, "root", name).await
    }

    /// `phase`, and the reasons of `InvitationSent` and `Activated`.
    async fn stands(&mut self, name: &str) -> [String; 3] {
        let report = self.report(name).await;
        assert!(report.ready(), "people and mail hold nothing back: {:?}", report.conditions);
        let phase = report.status["phase"].as_str().unwrap().to_owned();
        [
            phase,
            report.condition("InvitationSent").unwrap().reason.to_string(),
            report.condition("Activated").unwrap().reason.to_string(),
        ]
    }

    async fn sign_in(&self, email: &str, password: &str) -> SignedIn {
        let password = SecretString::from(password.to_owned());
        let attempt =
            Attempt { email, password, client: None, device: None, replaces: None, via: Via::Pages };
        self.world.engine.sign_in(attempt).await.unwrap()
    }

    async fn signs_in(&self, email: &str, password: &str) -> bool {
        matches!(self.sign_in(email, password).await, SignedIn::Entered(_))
    }

    /// The page of somebody with the password of all.
    async fn account(&self, email: &str) -> Page {
        let SignedIn::Entered(entered) = self.sign_in(email, PASSWORD).await else {
            panic!("{email} cannot sign in")
        };
        let cookie = format!("__Host-tenantry-session={}", entered.token.expose());
        let request = self.client.get(format!("{}/account", self.pages)).header("Cookie", cookie);
        page(request.send().await.unwrap()).await
    }

    /// One text of the database.
    async fn value(&self, statement: &str) -> String {
        self.world.by_hand(statement).await.unwrap_or_default()
    }

    /// Everything that following a link could change.
    async fn state(&self) -> String {
        let mut all = vec![];
        for what in [
            "SELECT CAST(count(*) AS TEXT) FROM audit",
            "SELECT CAST(count(*) AS TEXT) FROM wakeup",
            "SELECT CAST(count(*) AS TEXT) FROM session",
            "SELECT CAST(count(*) AS TEXT) FROM activation WHERE state = 'open'",
            "SELECT CAST(count(*) AS TEXT) FROM account WHERE activated_at IS NOT NULL",
            "SELECT CAST(count(*) AS TEXT) FROM account WHERE password_hash IS NOT NULL",
            "SELECT CAST(count(*) AS TEXT) FROM outbox",
        ] {
            all.push(self.value(what).await);
        }
        all.join(" ")
    }

    /// Lets every open link be over.
    async fn expire(&self) {
        self.value("UPDATE activation SET expires_at = '2026-01-01T00:00:00Z' WHERE state = 'open'").await;
    }
}

fn opened(message: Message) -> Letter {
    let link = message.link(BASE).unwrap();
    let token = link.strip_prefix(&format!("{BASE}/activate?token=")).unwrap().to_owned();
    let header = |name: &str| message.header(name).unwrap().to_owned();
    Letter { to: header("To"), subject: header("Subject"), token, message }
}

async fn page(response: reqwest::Response) -> Page {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    Page { status, headers, body: response.text().await.unwrap() }
}

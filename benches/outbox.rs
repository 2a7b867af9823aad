//! The outbox beside a bare lettre pool with as many connections to the same
//! real mail server, in turns, on SQLite and on PostgreSQL; then passes of an
//! unrelated object while ten thousand invitations leave, beside the same
//! passes in an idle process. Prints the ratios. `TENANTRY_BENCH_MAILS` sets
//! how many mails a round has, `TENANTRY_BENCH_ROUNDS` how many there are.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made shall stop")]

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::StreamExt as _;
use harness::{Mail, Postgres};
use jiff::SignedDuration;
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tenantry::api::{SubAdminSpec, TenantSpec};
use tenantry::domain::activation::{LinkKey, Purpose};
use tenantry::domain::object::{Kind, ObjectKey};
use tenantry::engine::{Engine, Manifest, RootNamespaces, SecretFact, Spec, Surroundings, Unavailable};
use tenantry::mail::{AddressPolicy, Envelope, Letter, MailUrl, Mailbox, Templates, Transport};
use tenantry::outbox::{Metrics, Outbox, Sender, Servers};
use tenantry::store::activations::Activation;
use tenantry::store::{Access, Store};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the outbox has for one server.
const CONNECTIONS: u32 = 4;
const LONG: Duration = Duration::from_secs(600);
/// Invitations that leave beside the unrelated passes.
const FLOOD: usize = 10_000;
const PASSES: usize = 200;

struct Nothing;

#[async_trait]
impl Surroundings for Nothing {
    async fn secret(&self, _: &str, _: &str) -> Result<SecretFact, Unavailable> {
        Ok(SecretFact::Absent)
    }
    async fn namespace_labels(&self, _: &str) -> Result<Option<BTreeMap<String, String>>, Unavailable> {
        Ok(None)
    }
}

fn manifest(kind: Kind, name: &str, generation: i64, spec: Spec) -> Manifest {
    Manifest {
        key: ObjectKey::new(kind, "root", name),
        uid: None,
        generation,
        created: None,
        depth: 0,
        tree: None,
        deleting: false,
        annotations: BTreeMap::new(),
        spec: Some(spec),
        spec_digest: None,
        faults: vec![],
    }
}

fn tenant(name: &str, generation: i64) -> Manifest {
    let spec = serde_json::json!({"displayName": format!("{name} {generation}")});
    let spec: TenantSpec = serde_json::from_value(spec).unwrap();
    manifest(Kind::Tenant, name, generation, Spec::Tenant(Box::new(spec)))
}

async fn judge(engine: &Engine, object: &Manifest) {
    let report = engine.reconcile(object, &Nothing).await.unwrap();
    assert!(report.ready(), "{:?}", report.conditions);
}

/// A database with so many accounts.
struct World {
    engine: Engine,
    accounts: Vec<Uuid>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(url: Option<String>, accounts: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = url.unwrap_or_else(|| format!("sqlite://{}", folder.path().join("t.db").display()));
        let store = Store::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        let key = LinkKey::new(vec![1; 32]).unwrap();
        let engine = Engine::new(store, "bench", RootNamespaces::Any, key, [3; 32]);
        judge(&engine, &tenant("acme", 1)).await;
        judge(&engine, &tenant("unrelated", 1)).await;
        let mut ids = vec![];
        for n in 0..accounts {
            let spec = serde_json::json!({"tenantRef": {"name": "acme"}, "username": format!("user-{n}"),
                "email": format!("user-{n}@bench.example")});
            let spec: SubAdminSpec = serde_json::from_value(spec).unwrap();
            let object = manifest(Kind::SubAdmin, &format!("user-{n}"), 1, Spec::SubAdmin(Box::new(spec)));
            let report = engine.reconcile(&object, &Nothing).await.unwrap();
            ids.push(report.status["accountId"].as_str().unwrap().parse().unwrap());
        }
        Self { engine, accounts: ids, _folder: folder }
    }

    /// A new link and mail for each account.
    async fn queue(&self) {
        for some in self.accounts.chunks(500) {
            let mut tx = self.engine.store().begin(Access::Write).await.unwrap();
            let now = tx.now();
            for account in some {
                let activation = Activation {
                    id: Uuid::new_v4(),
                    account: *account,
                    purpose: Purpose::Activate,
                    nonce: Uuid::new_v4().to_string(),
                    issued_at: now,
                    expires_at: now + SignedDuration::from_hours(72),
                    state: "open".to_owned(),
                    used_at: None,
                };
                tx.issue(&activation, &format!("<{}@tenantry.invalid>", activation.id)).await.unwrap();
            }
            tx.commit().await.unwrap();
        }
    }

    fn outbox(&self, port: u16) -> (Outbox, Metrics) {
        let url = MailUrl::parse(&format!("smtp://127.0.0.1:{port}?tls=none")).unwrap();
        let own = Transport::from_url(url, None).unwrap();
        let servers = Servers::new(own, AddressPolicy::Any, None, Arc::new(Nothing));
        let sender = Sender {
            templates: Arc::new(Templates::embedded().unwrap()),
            from: Some(Mailbox::parse("accounts@bench.example").unwrap()),
            base: Some("https://accounts.bench.example".to_owned()),
        };
        let metrics = Metrics::default();
        (Outbox::new(self.engine.clone(), servers, sender, metrics.clone()), metrics)
    }
}

/// The same letters as the outbox sends, composed beforehand.
fn letters(count: usize) -> Vec<lettre::Message> {
    let templates = Templates::embedded().unwrap();
    let now = "2026-11-28T12:00:00Z".parse().unwrap();
    let letter = |n: usize| {
        let envelope = Envelope {
            from: Mailbox::parse("accounts@bench.example").unwrap(),
            reply_to: None,
            to: format!("user-{n}@bench.example"),
            message_id: format!("<{}@tenantry.invalid>", Uuid::new_v4()),
            date: now,
        };
        let letter = Letter {
            purpose: tenantry::mail::Purpose::Activate,
            locale: "en".to_owned(),
            product_name: String::new(),
            support_email: None,
            username: format!("user-{n}"),
            tenant_display_name: "acme 1".to_owned(),
            link: format!("https://accounts.bench.example/activate?token={:064x}", rand::random::<u128>())
                .parse()
                .unwrap(),
            expires_at: now + SignedDuration::from_hours(72),
        };
        tenantry::mail::compose(&templates, &envelope, &letter).unwrap()
    };
    (0..count).map(letter).collect()
}

/// Mails a second through lettre's own pool.
async fn bare(port: u16, count: usize) -> f64 {
    let letters = letters(count);
    let pool = PoolConfig::new().max_size(CONNECTIONS);
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(port)
        .pool_config(pool)
        .build();
    let start = Instant::now();
    let sent = letters.into_iter().map(|letter| {
        let transport = transport.clone();
        tokio::spawn(async move {
            // This server takes a hundred mails over one connection, and says
            // so in answer to the next.
            let mut tries = 0;
            while let Err(error) = transport.send(letter.clone()).await {
                tries += 1;
                assert!(tries < 10, "{error}");
            }
        })
    });
    let mut sent = futures::stream::iter(sent).buffer_unordered(CONNECTIONS as usize);
    while let Some(done) = sent.next().await {
        done.unwrap();
    }
    count as f64 / start.elapsed().as_secs_f64()
}

/// Mails a second through the outbox.
async fn through(world: &World, port: u16) -> f64 {
    world.queue().await;
    let (outbox, _) = world.outbox(port);
    let start = Instant::now();
    let drained = outbox.drain(LONG).await.unwrap();
    assert_eq!((drained.sent, drained.left), (world.accounts.len(), 0));
    drained.sent as f64 / start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Until the server has delivered what it took, so that it is idle again.
async fn settled(mail: &Mail) {
    let mut before = usize::MAX;
    loop {
        let now = mail.delivered();
        if now == before {
            return;
        }
        before = now;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn rates(name: &str, world: &World, mail: &Mail, rounds: usize) {
    let (mut ours, mut theirs) = (vec![], vec![]);
    for _ in 0..rounds {
        theirs.push(bare(mail.plain_port(), world.accounts.len()).await);
        settled(mail).await;
        ours.push(through(world, mail.plain_port()).await);
        settled(mail).await;
    }
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    println!(
        "{name:<11} {} mails, {rounds} rounds, {CONNECTIONS} connections: lettre {:.0}/s, outbox {:.0}/s, ratio {:.2} (median of rounds; at least 0.80 is wanted)",
        world.accounts.len(),
        median(theirs),
        median(ours),
        median(ratios),
    );
}

/// Passes of an unrelated object that changes each time; their durations in ms.
async fn passes(engine: &Engine, from: i64) -> Vec<f64> {
    let mut took = vec![];
    for generation in 0..PASSES {
        let object = tenant("unrelated", from + i64::try_from(generation).unwrap());
        let start = Instant::now();
        judge(engine, &object).await;
        took.push(start.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    took
}

async fn beside(name: &str, world: &World, mail: &Mail) {
    let part = |values: &[f64], part: f64| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values[((values.len() - 1) as f64 * part) as usize]
    };
    let idle = passes(&world.engine, 2).await;
    world.queue().await;
    let (outbox, metrics) = world.outbox(mail.plain_port());
    let stop = CancellationToken::new();
    let running = tokio::spawn(outbox.run(stop.clone()));
    while metrics.sent() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = (metrics.sent(), Instant::now());
    let busy = passes(&world.engine, 2 + PASSES as i64).await;
    let rate = (metrics.sent() - before.0) as f64 / before.1.elapsed().as_secs_f64();
    assert!((metrics.sent() as usize) < world.accounts.len(), "the mails were gone too soon");
    stop.cancel();
    running.await.unwrap();
    println!(
        "{name:<11} a pass beside {} queued mails leaving at {rate:.0}/s: p50 {:.1} ms, idle {:.1} ms, ratio {:.2} (at most 2 is wanted); p95 {:.1} ms, idle {:.1} ms, ratio {:.2}",
        world.accounts.len(),
        part(&busy, 0.5),
        part(&idle, 0.5),
        part(&busy, 0.5) / part(&idle, 0.5),
        part(&busy, 0.95),
        part(&idle, 0.95),
        part(&busy, 0.95) / part(&idle, 0.95),
    );
}

#[tokio::main]
async fn main() {
    let setting = |name: &str, usual| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (mails, rounds) = (setting("TENANTRY_BENCH_MAILS", 600), setting("TENANTRY_BENCH_ROUNDS", 5));
    let flood = setting("TENANTRY_BENCH_FLOOD", FLOOD);
    let mail = Mail::shared().await;
    let postgres = Postgres::shared().await;
    for (name, url) in [("SQLite", None), ("PostgreSQL", Some(postgres.database("rate").await))] {
        let world = World::new(url, mails).await;
        rates(name, &world, mail, rounds).await;
    }
    for (name, url) in [("SQLite", None), ("PostgreSQL", Some(postgres.database("beside").await))] {
        let world = World::new(url, flood).await;
        beside(name, &world, mail).await;
    }
}

//! What one check costs beside the plainest question that there is, one row by
//! its primary key, over the same connection and taking turns; in a world of
//! 10,000 devices and in one of 1,000,000, both with 1,000 tenants, 20,000
//! accounts and 3,700 grants. Beside that what one question to each view about
//! one account or one device takes. `make bench` runs this. It needs PostgreSQL
//! and writes two schemas of its own into the database.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on shall stop")]

#[path = "check/over_http.rs"]
mod over_http;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tenantry::engine::questions::{Asked, Questions};
use tenantry::store::Store;

const WORLDS: [(&str, u64); 2] = [("bench_small", 10_000), ("bench_large", 1_000_000)];
const ROUNDS: usize = 10_000;
const WARM: usize = 1_000;
/// Questions to the views that programs ask about one account or one device.
const VIEWS: [(&str, &str); 6] = [
    (
        "effective_device_access, account",
        "SELECT * FROM effective_device_access WHERE username = 'user-' || $1",
    ),
    (
        "effective_device_access, device",
        "SELECT * FROM effective_device_access WHERE device_id = 'device-0000' || $1",
    ),
    ("account_capabilities, account", "SELECT * FROM account_capabilities WHERE username = 'user-' || $1"),
    ("visible_creators, account", "SELECT * FROM visible_creators WHERE username = 'user-' || $1"),
    ("visible_creators, creator", "SELECT * FROM visible_creators WHERE creator_username = 'user-' || $1"),
    ("project_members, account", "SELECT * FROM project_members WHERE username = 'user-' || $1"),
];

/// The next number below `most`; always the same ones.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

fn at(times: &mut [Duration], share: f64) -> f64 {
    times.sort();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list"
    )]
    let place = (times.len() as f64 * share) as usize;
    times[place.min(times.len() - 1)].as_secs_f64() * 1e6
}

/// What a question to each view takes.
async fn views(connection: &mut PgConnection) {
    for (what, sql) in VIEWS {
        let mut times = vec![];
        // Accounts of leaves; devices have eight digits.
        for number in 4_000..4_060 {
            let start = Instant::now();
            sqlx::query(sql).bind(number.to_string()).fetch_all(&mut *connection).await.unwrap();
            times.push(start.elapsed());
        }
        println!("  {what:<34} {:>8.1} ms", at(&mut times, 0.5) / 1e3);
    }
}

async fn world(url: &str, schema: &str, devices: u64) -> Questions {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let fresh = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    sqlx::raw_sql(AssertSqlSafe(fresh)).execute(&mut connection).await.unwrap();
    let mark = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{mark}options[search_path]={schema}");
    let store = Store::connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let rows = include_str!("check/world.sql").replace(":DEVICES:", &devices.to_string());
    sqlx::raw_sql(AssertSqlSafe(rows)).execute(&mut connection).await.unwrap();
    // The server does so by itself, but in the midst of what is measured.
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut connection).await.unwrap();
    println!("{devices} devices: one question to a view, p50");
    views(&mut connection).await;
    Questions::new(store)
}

async fn measure(url: &str) {
    let mut worlds = vec![];
    for (schema, devices) in WORLDS {
        let start = Instant::now();
        worlds.push((devices, world(url, schema, devices).await));
        println!("{devices} devices written in {:.0} s", start.elapsed().as_secs_f64());
    }
    let mut numbers = Numbers(88_172_645_463_325_252);
    let mut times = BTreeMap::<(u64, &str), Vec<Duration>>::new();
    let mut allowed = 0;
    for round in 0..ROUNDS + WARM {
        for (devices, questions) in &worlds {
            let number = numbers.below(*devices);
            let device = format!("device-{number:08}");
            // Half of those who ask belong where the device is.
            let account = match round % 2 {
                0 => numbers.below(20_000),
                _ => (100 + number % 900) * 20 + numbers.below(20),
            };
            let account = format!("user-{account}");
            let about = Asked::new(&account, "operate", "device", Some(&device), None).unwrap();
            let section = Asked::new(&account, "view", "reports.users", None, None).unwrap();
            let mut taken = |what, start: Instant| {
                if round >= WARM {
                    times.entry((*devices, what)).or_default().push(start.elapsed());
                }
            };
            let start = Instant::now();
            assert!(questions.store().holder_of(&device).await.unwrap().is_some());
            taken("one row by its key", start);
            let start = Instant::now();
            allowed += usize::from(questions.check(&about).await.unwrap().allowed);
            taken("check of a device", start);
            let start = Instant::now();
            questions.check(&section).await.unwrap();
            taken("check of a section", start);
        }
    }
    assert!(allowed > ROUNDS / 20, "a world in which nothing is allowed: {allowed}");
    let mut of = |devices, what, share| at(times.get_mut(&(devices, what)).unwrap(), share);
    for (devices, _) in &worlds {
        println!("{devices} devices, {ROUNDS} rounds: p50 and p99 in microseconds");
        let row = [0.5, 0.99].map(|share| of(*devices, "one row by its key", share));
        println!("  {:<20} {:>8.1} {:>8.1}", "one row by its key", row[0], row[1]);
        for what in ["check of a device", "check of a section"] {
            let check = [0.5, 0.99].map(|share| of(*devices, what, share));
            println!(
                "  {what:<20} {:>8.1} {:>8.1}  {:.2} and {:.2} times the row",
                check[0],
                check[1],
                check[0] / row[0],
                check[1] / row[1]
            );
        }
    }
    for what in ["check of a device", "check of a section"] {
        let growth = [0.5, 0.99].map(|share| of(WORLDS[1].1, what, share) / of(WORLDS[0].1, what, share));
        println!("{what}: {:.2} and {:.2} times with a hundred times the devices", growth[0], growth[1]);
    }
    for (devices, questions) in worlds {
        over_http::measure(&questions, devices).await;
        questions.store().close().await;
    }
}

#[tokio::main]
async fn main() {
    match std::env::var("TENANTRY_BENCH_DATABASE_URL") {
        Ok(url) => measure(&url).await,
        Err(_) => println!("checks: not measured; TENANTRY_BENCH_DATABASE_URL names no PostgreSQL database"),
    }
}

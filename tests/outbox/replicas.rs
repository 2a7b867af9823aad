//! Two replicas on one PostgreSQL.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, PgPool};

use super::harness::{Sink, eventually, free_port};
use super::{Database, PATIENCE, Place};

const MAILS: i64 = 10_000;

/// Copies the only account, its link and its mail so many times.
async fn copy(pool: &PgPool) {
    let copy = |table: &str, change: &str| {
        format!("INSERT INTO {table} SELECT (jsonb_populate_record(t, {change})).* FROM {table} t, made")
    };
    let made = format!(
        "CREATE TEMPORARY TABLE made AS SELECT g, gen_random_uuid() AS account, gen_random_uuid() AS link FROM generate_series(1, {}) g",
        MAILS - 1
    );
    let account = copy(
        "account",
        "jsonb_build_object('id', account, 'object_id', null, 'name', 'n' || g, 'username', 'n' || g, 'username_key', 'n' || g, 'email', 'n' || g || '@acme.example', 'email_key', 'n' || g || '@acme.example')",
    );
    let link = copy("activation", "jsonb_build_object('id', link, 'account_id', account)");
    let mail = copy(
        "outbox",
        "jsonb_build_object('id', link, 'activation_id', link, 'account_id', account, 'message_id', '<' || link || '@tenantry.invalid>')",
    );
    let mut tx = pool.begin().await.unwrap();
    for statement in [made, account, link, mail] {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn sent_by(operations: u16) -> u64 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = client.get(format!("http://127.0.0.1:{operations}/metrics")).send().await.unwrap();
    let page = page.text().await.unwrap();
    let line = page.lines().find(|line| line.starts_with("tenantry_mails_sent_total")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_two_replicas_drain_ten_thousand_mails_and_send_each_once() {
    let (place, sink) = (Place::new(Database::Postgres, 1).await, Sink::start().await);
    // The first mail is queued and nobody listens.
    let away = format!("smtp://127.0.0.1:{}?tls=none", free_port());
    let applied =
        place.call(&["apply", "-f", "objects"], &away).env("TENANTRY_PUBLIC_URL", "https://a.example");
    assert_eq!(applied.finish(PATIENCE).await.code(), Some(0));
    let pool = PgPool::connect(&place.url).await.unwrap();
    copy(&pool).await;

    let start = Instant::now();
    let ports = [free_port(), free_port()];
    let replicas = ports.map(|operations| place.run_on(&sink, free_port(), operations).spawn());
    let rows = place.rows();
    eventually("all mails are sent", PATIENCE * 4, async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let waiting = rows.number("SELECT count(*) FROM outbox WHERE state <> 'sent'").await?;
        println!("{:.0?}: {waiting} mails wait", start.elapsed());
        (waiting == 0).then_some(())
    })
    .await;
    let took = start.elapsed();
    let by = [sent_by(ports[0]).await, sent_by(ports[1]).await];
    drop(replicas);
    println!("10,000 mails in {took:.1?}; by each replica: {by:?}");
    let times = sink.times();
    assert_eq!(i64::try_from(times.len()).unwrap(), MAILS);
    assert!(times.values().all(|times| *times == 1), "some mail was sent twice");
    assert!(by.iter().all(|sent| *sent > 1000), "both took part: {by:?}");
    assert_eq!(by.iter().sum::<u64>(), u64::try_from(MAILS).unwrap());
}

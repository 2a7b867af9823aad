//! The process is killed at every place between queueing and marking, by
//! enumeration: a first run tells which places there are, and then each has a
//! run of its own that ends there. A mail server that counts kills it at every
//! point of the conversation. Afterwards the account has one valid link, the
//! mail was sent, and at most once too often.

use std::process::Command;

use futures::StreamExt as _;

use super::harness::{POINTS, Running, Sink, eventually, header, link};
use super::{Database, PATIENCE, Place, opens};

/// Runs side by side: most of the time each waits for a claim to run out.
const SIDE_BY_SIDE: usize = 12;

/// The places that a run comes to until its mail is marked, and a few after.
async fn places(database: Database) -> Vec<String> {
    let (place, sink) = (Place::new(database, 1).await, Sink::start().await);
    let running = place.run(&sink).env("TENANTRY_FAILPOINT", "trace").spawn();
    running.wait_for_line("failpoint marked#1", PATIENCE).await;
    place.rows().until_sent(1).await;
    let told = running.stderr();
    let all: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("failpoint ")).collect();
    let marked = all.iter().position(|at| *at == "marked#1").unwrap();
    all.into_iter().take(marked + 4).map(str::to_owned).collect()
}

/// What must hold after a kill and a restart; how often the mail was sent too
/// often.
async fn recovers(place: &Place, sink: &Sink, at: &str) -> usize {
    let running = place.run(sink).spawn();
    let rows = place.rows();
    rows.until_sent(1).await;
    assert_eq!(rows.accounts_with_one_link().await, 1, "{at}");
    let taken = sink.taken();
    assert!(!taken.is_empty(), "{at}: marked and never sent");
    for message in &taken {
        assert_eq!(header(message, "Message-ID"), header(&taken[0], "Message-ID"), "{at}");
        assert_eq!(link(message), link(&taken[0]), "{at}");
    }
    // Its pages may not be there yet.
    let first = link(&taken[0]).unwrap();
    eventually("the link is valid", PATIENCE, async || opens(&first).await.then_some(())).await;
    assert!(taken.len() <= 2, "{at}: sent {} times", taken.len());
    drop(running);
    taken.len() - 1
}

/// Killed at one place; whether it came there, and how many duplicates.
async fn killed_inside(database: Database, at: String) -> (String, bool, usize) {
    let (place, sink) = (Place::new(database, 1).await, Sink::start().await);
    let running = place.run(&sink).env("TENANTRY_FAILPOINT", &at).spawn();
    let rows = place.rows();
    let over = eventually("the process ends or has sent the mail", PATIENCE, async || {
        if running.ended().is_some() {
            return Some(true);
        }
        let sent = rows.number("SELECT count(*) FROM outbox WHERE state = 'sent'").await?;
        (sent == 1).then_some(false)
    })
    .await;
    if !over {
        // What comes after the mail may take another order this time.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }
    let reached = running.stderr().contains("the process ends");
    running.kill().await;
    let duplicates = recovers(&place, &sink, &at).await;
    (at, reached, duplicates)
}

/// Killed from outside while the server is at one point of the conversation.
async fn killed_outside(database: Database, at: &'static str) -> (String, bool, usize) {
    let (place, sink) = (Place::new(database, 1).await, Sink::start().await);
    let running = place.run(&sink).spawn();
    let pid = running.pid().to_string();
    sink.at(at, move || {
        Command::new("kill").args(["-KILL", &pid]).status().unwrap();
    });
    running.wait(PATIENCE).await;
    let reached = !sink.is_armed();
    let duplicates = recovers(&place, &sink, at).await;
    (at.to_owned(), reached, duplicates)
}

async fn at_every_place(database: Database) {
    let places = places(database).await;
    for expected in [
        "commit#1",
        "committed#1",
        "read#1",
        "sender#1",
        "recipient#1",
        "data#1",
        "turn#1",
        "text#1",
        "answer#1",
        "mark#1",
        "marked#1",
    ] {
        assert!(places.iter().any(|place| place == expected), "{expected}: {places:?}");
    }
    let inside = places.iter().cloned().map(|at| killed_inside(database, at));
    let inside: Vec<_> = futures::stream::iter(inside).buffer_unordered(SIDE_BY_SIDE).collect().await;
    let outside = POINTS.into_iter().map(|at| killed_outside(database, at));
    let outside: Vec<_> = futures::stream::iter(outside).buffer_unordered(SIDE_BY_SIDE).collect().await;

    let again: Vec<_> =
        inside.iter().chain(&outside).filter(|(.., times)| *times > 0).map(|(at, ..)| at).collect();
    println!(
        "{database:?}: killed at {} places inside and {} outside; sent once more after {again:?}",
        inside.len(),
        outside.len()
    );
    for (at, reached, duplicates) in inside.iter().chain(&outside) {
        assert!(*reached || at.starts_with("commit"), "{at} was not reached");
        let between = matches!(at.as_str(), "answer#1" | "mark#1" | "taken");
        // Passes and claims go on beside the mail: a kill in one of them may
        // strike while the mail is between its last line and its mark.
        let beside = at.starts_with("commit") || at.starts_with("read") || at == "answered";
        assert!(
            *duplicates == usize::from(between) || beside && *duplicates == 1,
            "{at}: {duplicates} duplicates"
        );
    }
    let missed = inside.iter().filter(|(_, reached, _)| !reached).count();
    assert!(missed <= 4, "{missed} places were not reached: {inside:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_killed_at_every_place_nothing_is_lost_and_one_mail_at_most_is_repeated_on_sqlite() {
    at_every_place(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_killed_at_every_place_nothing_is_lost_and_one_mail_at_most_is_repeated_on_postgresql() {
    at_every_place(Database::Postgres).await;
}

/// Many mails over several connections, and a kill in the middle of them, again
/// and again.
async fn under_load(database: Database) {
    const ACCOUNTS: usize = 400;
    const KILLS: [&str; 8] =
        ["answer#30", "mark#7", "text#21", "answer#40", "marked#12", "turn#33", "mark#18", "recipient#40"];
    let (place, sink) = (Place::new(database, ACCOUNTS).await, Sink::start().await);
    let mut unsure = 0;
    for at in KILLS {
        let running = place.run(&sink).env("TENANTRY_FAILPOINT", at).spawn();
        running.wait(PATIENCE).await;
        assert!(running.stderr().contains("the process ends"), "{at}: {}", running.stderr());
        unsure += usize::from(at.starts_with("answer") || at.starts_with("mark#"));
    }
    let running: Running = place.run(&sink).spawn();
    let rows = place.rows();
    rows.until_sent(i64::try_from(ACCOUNTS).unwrap()).await;
    drop(running);
    assert_eq!(rows.accounts_with_one_link().await, i64::try_from(ACCOUNTS).unwrap());
    let times = sink.times();
    let duplicates: usize = times.values().map(|times| times - 1).sum();
    println!(
        "{database:?}: {ACCOUNTS} mails, {} kills, {unsure} of them between a last line and its mark: {duplicates} duplicates",
        KILLS.len()
    );
    assert_eq!(times.len(), ACCOUNTS, "every mail was sent");
    // The other kills may strike while some other mail is in that state.
    assert!((unsure..=KILLS.len()).contains(&duplicates), "{duplicates} duplicates");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_many_kills_under_load_repeat_one_mail_each_at_most_on_sqlite() {
    under_load(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_many_kills_under_load_repeat_one_mail_each_at_most_on_postgresql() {
    under_load(Database::Postgres).await;
}

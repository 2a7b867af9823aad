//! The same scenario files through `apply` on SQLite, `apply` on PostgreSQL and
//! the controller on a real API server: all three end in the same rows and the
//! same conditions, whatever the order of the files (R12).
//!
//! A scenario is a folder in `tests/scenarios/`; `scenario.rs` there says how
//! it is written. Tests whose names hold "cluster" share the API server.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod harness;

#[path = "scenarios/by_cluster.rs"]
mod by_cluster;
#[path = "scenarios/by_files.rs"]
mod by_files;
#[path = "scenarios/diff.rs"]
mod diff;
#[path = "scenarios/ending.rs"]
mod ending;
#[path = "scenarios/rows.rs"]
mod rows;
#[path = "scenarios/scenario.rs"]
mod scenario;

use std::collections::BTreeSet;

use by_cluster::Arrival;
use by_files::{Files, Order};
use harness::Postgres;
use scenario::Scenario;
use tenantry::domain::verdict::Reason;

/// Every step of a scenario from files: on SQLite, on PostgreSQL, and once more
/// with the documents in another order.
async fn from_files(name: &str) {
    let scenario = Scenario::read(name);
    let postgres = Postgres::shared().await.database(name).await;
    let mut sqlite = Files::sqlite(&scenario, Order::AsWritten);
    let mut postgres = Files::on(&scenario, Order::AsWritten, postgres);
    let mut shuffled = Files::sqlite(&scenario, Order::Shuffled);
    let mut endings = vec![];
    for step in &scenario.steps {
        let at = format!("{name} {}", step.name);
        let ending = sqlite.take(step).await;
        ending.is_expected(step, &at);
        let other = postgres.take(step).await;
        diff::none(&at, ("apply on SQLite", &ending.lines()), ("apply on PostgreSQL", &other.lines()));
        let other = shuffled.take(step).await;
        diff::none(&at, ("files as written", &ending.lines()), ("files in another order", &other.lines()));
        sqlite.changes_nothing_when_repeated().await;
        if let Some(restored) = step.restores {
            let before: &ending::Ending = &endings[restored];
            let way_back = format!("{at} restores {}", scenario.steps[restored].name);
            diff::none(&way_back, ("then", &before.present()), ("now", &ending.present()));
        }
        endings.push(ending);
    }
}

/// Every step of a scenario in a cluster, compared with `apply` on SQLite.
async fn in_a_cluster(name: &str, arrival: Arrival) {
    let scenario = Scenario::read(name);
    let mut sqlite = Files::sqlite(&scenario, Order::AsWritten);
    let mut site = by_cluster::Site::open(&scenario, arrival).await;
    for step in &scenario.steps {
        let wanted = sqlite.take(step).await;
        wanted.is_expected(step, &format!("{name} {}", step.name));
        site.take(step, &wanted).await;
    }
    site.close().await;
}

macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        const SCENARIOS: &[&str] = &[$(stringify!($name)),+];

        $(mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn r12_ends_the_same_on_both_databases_and_in_every_order_of_files() {
                from_files(stringify!($name)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn cluster_ends_with_the_rows_and_conditions_that_apply_ends_with() {
                in_a_cluster(stringify!($name), Arrival::OneByOne).await;
            }
        })+
    };
}

scenarios! {
    authority, borders, cascade, claims, elsewhere, nested, paused, pending, projects, quotas, refused, removal, secrets, subadmins, templates, transfers,
}

/// The hardest way: everything is there before the controller, nothing is older
/// than anything else, and children were made before parents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_cluster_claims_of_the_same_age_are_decided_by_their_names() {
    in_a_cluster("claims", Arrival::AllAtOnce).await;
}

#[test]
fn every_folder_of_a_scenario_is_run() {
    let folders: BTreeSet<String> = std::fs::read_dir(scenario::folder())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, SCENARIOS.iter().map(|&name| name.to_owned()).collect());
}

/// Reasons that `Ready` never has: they belong to other conditions.
const NOT_OF_READY: &[Reason] = &[
    Reason::Deleting,
    Reason::Queued,
    Reason::Sent,
    Reason::MailRefused,
    Reason::MailRetrying,
    Reason::NotNeeded,
    Reason::AwaitingActivation,
    Reason::LinkExpired,
    Reason::Completed,
    Reason::DevicesPending,
    Reason::DevicesRefused,
    Reason::NotYet,
    Reason::Expired,
    Reason::InEffect,
    Reason::RolesOutdated,
    Reason::MailSettingsFound,
    Reason::OwnerMissing,
];

#[test]
fn every_reason_that_ready_can_have_occurs_in_a_scenario() {
    let told: BTreeSet<String> =
        SCENARIOS.iter().flat_map(|name| Scenario::read(name).reasons_of_ready()).collect();
    let missing: Vec<&str> = Reason::ALL
        .iter()
        .filter(|(reason, _)| !NOT_OF_READY.contains(reason))
        .map(|(reason, _)| reason.as_str())
        .filter(|reason| !told.contains(*reason))
        .collect();
    assert!(missing.is_empty(), "no scenario has an object whose Ready says {missing:?}");
}

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
async fn in_a_cluster(scenario: Scenario, arrival: Arrival) {
    let mut sqlite = Files::sqlite(&scenario, Order::AsWritten);
    let mut site = by_cluster::Site::open(&scenario, arrival).await;
    for step in &scenario.steps {
        let wanted = sqlite.take(step).await;
        wanted.is_expected(step, &format!("{} {}", scenario.name, step.name));
        site.take(step, &wanted).await;
    }
    site.close().await;
}

#[tokio::test]
async fn r12_authority_that_is_lost_and_comes_back_end_the_same_from_all_files() {
    from_files("authority").await;
}

#[tokio::test]
async fn cluster_authority_that_is_lost_and_comes_back_end_as_from_files() {
    in_a_cluster(Scenario::read("authority"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_references_and_admission_across_namespaces_end_the_same_from_all_files() {
    from_files("borders").await;
}

#[tokio::test]
async fn cluster_references_and_admission_across_namespaces_end_as_from_files() {
    in_a_cluster(Scenario::read("borders"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_a_cascade_and_what_is_left_over_from_it_end_the_same_from_all_files() {
    from_files("cascade").await;
}

#[tokio::test]
async fn cluster_a_cascade_and_what_is_left_over_from_it_end_as_from_files() {
    in_a_cluster(Scenario::read("cascade"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_claims_to_what_only_one_can_have_end_the_same_from_all_files() {
    from_files("claims").await;
}

#[tokio::test]
async fn cluster_claims_to_what_only_one_can_have_end_as_from_files() {
    in_a_cluster(Scenario::read("claims"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_rows_of_another_source_end_the_same_from_all_files() {
    from_files("elsewhere").await;
}

#[tokio::test]
async fn cluster_rows_of_another_source_end_as_from_files() {
    in_a_cluster(Scenario::read("elsewhere"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_customers_within_customers_end_the_same_from_all_files() {
    from_files("nested").await;
}

#[tokio::test]
async fn cluster_customers_within_customers_end_as_from_files() {
    in_a_cluster(Scenario::read("nested"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_paused_objects_end_the_same_from_all_files() {
    from_files("paused").await;
}

#[tokio::test]
async fn cluster_paused_objects_end_as_from_files() {
    in_a_cluster(Scenario::read("paused"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_grants_of_devices_that_come_later_end_the_same_from_all_files() {
    from_files("pending").await;
}

#[tokio::test]
async fn cluster_grants_of_devices_that_come_later_end_as_from_files() {
    in_a_cluster(Scenario::read("pending"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_projects_with_their_members_and_times_end_the_same_from_all_files() {
    from_files("projects").await;
}

#[tokio::test]
async fn cluster_projects_with_their_members_and_times_end_as_from_files() {
    in_a_cluster(Scenario::read("projects"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_tiers_limits_and_quotas_end_the_same_from_all_files() {
    from_files("quotas").await;
}

#[tokio::test]
async fn cluster_tiers_limits_and_quotas_end_as_from_files() {
    in_a_cluster(Scenario::read("quotas"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_refused_edits_beside_the_last_good_state_end_the_same_from_all_files() {
    from_files("refused").await;
}

#[tokio::test]
async fn cluster_refused_edits_beside_the_last_good_state_end_as_from_files() {
    in_a_cluster(Scenario::read("refused"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_removal_that_waits_keeps_or_disables_end_the_same_from_all_files() {
    from_files("removal").await;
}

#[tokio::test]
async fn cluster_removal_that_waits_keeps_or_disables_end_as_from_files() {
    in_a_cluster(Scenario::read("removal"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_passwords_addresses_and_their_secrets_end_the_same_from_all_files() {
    from_files("secrets").await;
}

#[tokio::test]
async fn cluster_passwords_addresses_and_their_secrets_end_as_from_files() {
    in_a_cluster(Scenario::read("secrets"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_sub_administrators_with_their_scope_and_rights_end_the_same_from_all_files() {
    from_files("subadmins").await;
}

#[tokio::test]
async fn cluster_sub_administrators_with_their_scope_and_rights_end_as_from_files() {
    in_a_cluster(Scenario::read("subadmins"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_roles_as_templates_end_the_same_from_all_files() {
    from_files("templates").await;
}

#[tokio::test]
async fn cluster_roles_as_templates_end_as_from_files() {
    in_a_cluster(Scenario::read("templates"), Arrival::OneByOne).await;
}

#[tokio::test]
async fn r12_devices_handed_on_and_transferred_end_the_same_from_all_files() {
    from_files("transfers").await;
}

#[tokio::test]
async fn cluster_devices_handed_on_and_transferred_end_as_from_files() {
    in_a_cluster(Scenario::read("transfers"), Arrival::OneByOne).await;
}

/// Everything is there before the controller, and nothing is older than anything
/// else.
#[tokio::test]
async fn r12_cluster_claims_of_the_same_age_are_decided_by_their_names() {
    in_a_cluster(Scenario::read_as("claims", "rivals"), Arrival::AllAtOnce).await;
}

/// The folders of all scenarios.
fn scenarios() -> Vec<String> {
    let entries = std::fs::read_dir(scenario::folder()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|folder| folder.file_name().into_string().unwrap()).collect()
}

#[test]
fn every_scenario_is_run_from_files_and_in_a_cluster() {
    let own = include_str!("scenarios.rs");
    for name in scenarios() {
        assert!(own.contains(&format!("    from_files(\"{name}\").await")), "{name} is not run from files");
        assert!(
            own.contains(&format!("    in_a_cluster(Scenario::read(\"{name}\"), ")),
            "{name} is not run in a cluster"
        );
    }
}

/// Reasons that `Ready` never has: they belong to other conditions.
const NOT_OF_READY: &[Reason] = &[
    // Said between two looks, never in the end.
    Reason::ClaimsAhead,
    Reason::Deleting,
    Reason::Queued,
    Reason::Sent,
    Reason::MailRefused,
    Reason::MailRetrying,
    Reason::MailGivenUp,
    Reason::AccountDisabled,
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
    Reason::MailServerReady,
    Reason::MailServerUntried,
    Reason::MailServerUnreachable,
    Reason::MailHostNotPermitted,
    Reason::MailTlsFailed,
    Reason::MailSignInFailed,
    Reason::MailServerRefuses,
    Reason::MailServerUnusable,
    Reason::OwnerMissing,
];

#[test]
fn every_reason_that_ready_can_have_occurs_in_a_scenario() {
    let told: BTreeSet<String> =
        scenarios().iter().flat_map(|name| Scenario::read(name).reasons_of_ready()).collect();
    let missing: Vec<&str> = Reason::ALL
        .iter()
        .filter(|(reason, _)| !NOT_OF_READY.contains(reason))
        .map(|(reason, _)| reason.as_str())
        .filter(|reason| !told.contains(*reason))
        .collect();
    assert!(missing.is_empty(), "no scenario has an object whose Ready says {missing:?}");
}

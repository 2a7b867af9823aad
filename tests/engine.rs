//! The engine on both databases: the same scenarios, the same outcomes. Each
//! test runs once on SQLite and once on PostgreSQL.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on shall stop")]

mod harness;

#[path = "engine/world.rs"]
mod world;

#[path = "engine/accounts.rs"]
mod accounts;
#[path = "engine/authority.rs"]
mod authority;
#[path = "engine/authority_later.rs"]
mod authority_later;
#[path = "engine/concurrency.rs"]
mod concurrency;
#[path = "engine/devices.rs"]
mod devices;
#[path = "engine/devices_chain.rs"]
mod devices_chain;
#[path = "engine/devices_given.rs"]
mod devices_given;
#[path = "engine/devices_limits.rs"]
mod devices_limits;
#[path = "engine/devices_own.rs"]
mod devices_own;
#[path = "engine/devices_reclaim.rs"]
mod devices_reclaim;
#[path = "engine/devices_select.rs"]
mod devices_select;
#[path = "engine/devices_times.rs"]
mod devices_times;
#[path = "engine/drift.rs"]
mod drift;
#[path = "engine/fleet.rs"]
mod fleet;
#[path = "engine/limits.rs"]
mod limits;
#[path = "engine/mail.rs"]
mod mail;
#[path = "engine/moves.rs"]
mod moves;
#[path = "engine/order.rs"]
mod order;
#[path = "engine/projects.rs"]
mod projects;
#[path = "engine/questions.rs"]
mod questions;
#[path = "engine/queue.rs"]
mod queue;
#[path = "engine/quotas.rs"]
mod quotas;
#[path = "engine/rehearsal.rs"]
mod rehearsal;
#[path = "engine/removal.rs"]
mod removal;
#[path = "engine/rights.rs"]
mod rights;
#[path = "engine/role_revisions.rs"]
mod role_revisions;
#[path = "engine/scope.rs"]
mod scope;
#[path = "engine/signin.rs"]
mod signin;
#[path = "engine/speed.rs"]
mod speed;
#[path = "engine/statements.rs"]
mod statements;
#[path = "engine/tenants.rs"]
mod tenants;

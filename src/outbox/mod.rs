//! The mails that leave: a worker takes queued mails from the outbox, sends
//! them outside of any transaction, and marks each. Nothing is sent that was
//! not committed, and nothing that was is lost: what is not marked is sent
//! (again), with the same link and the same Message-ID (R8). A crash repeats
//! one mail at most, because one at a time is between its last line and its
//! mark ([`turn`]); what else a worker had claimed is free soon ([`lease`]).
//! Servers do not wait for one another ([`lanes`]).
//!
//! Beside it, the mail servers that tenants name are tried out ([`Prober`]).
//!
//! Only `app` starts it; it calls the store, the mail room, and the engine for
//! its key and for Secrets. Logs and marks name accounts by their object,
//! never by address.

mod consequence;
mod delivery;
mod lanes;
mod lease;
mod letter;
mod metrics;
mod probe;
mod servers;
mod turn;
mod worker;

#[cfg(test)]
mod probe_tests;
#[cfg(test)]
mod tests;

pub use letter::Sender;
pub use metrics::Metrics;
pub use probe::Prober;
pub use servers::{SecretProblem, Servers, Unready};
pub use worker::{Drained, Outbox};

//! The mails that leave: a worker takes queued mails from the outbox, sends
//! them outside of any transaction, and marks each. Nothing is sent that was
//! not committed; a crash repeats at most the mails in flight, with the same
//! link and the same Message-ID (R8).
//!
//! Only `app` starts it; it calls the store, the mail room, and the engine for
//! its key and for Secrets. Logs and marks name accounts by their object,
//! never by address.

mod letter;
mod metrics;
mod servers;
mod worker;

#[cfg(test)]
mod tests;

pub use letter::Sender;
pub use metrics::Metrics;
pub use servers::Servers;
pub use worker::{Drained, Outbox};

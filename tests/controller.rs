//! The controller against a real API server, as the restricted user that
//! `manifests/base` makes: what it writes, what it leaves alone, and what it
//! survives. Test names hold "cluster" because they share the API server.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod harness;

#[path = "controller/desk.rs"]
mod desk;
#[path = "controller/life.rs"]
mod life;
#[path = "controller/quiet.rs"]
mod quiet;
#[path = "controller/secrets.rs"]
mod secrets;
#[path = "controller/storms.rs"]
mod storms;
#[path = "controller/turns.rs"]
mod turns;

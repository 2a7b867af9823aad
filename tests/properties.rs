//! The pure rules under generated worlds: trees of tenants and accounts, roles,
//! grants and devices that come into being only through the rules themselves.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on shall stop")]

mod harness;

#[path = "properties/acts.rs"]
mod acts;
#[path = "properties/giving.rs"]
mod giving;
#[path = "properties/lawful.rs"]
mod lawful;
#[path = "properties/model.rs"]
mod model;

#[path = "properties/authority.rs"]
mod authority;
#[path = "properties/decision.rs"]
mod decision;
#[path = "properties/naive.rs"]
mod naive;
#[path = "properties/quota.rs"]
mod quota;
#[path = "properties/roles.rs"]
mod roles;
#[path = "properties/room.rs"]
mod room;
#[path = "properties/sections.rs"]
mod sections;
#[path = "properties/sight.rs"]
mod sight;
#[path = "properties/staffing.rs"]
mod staffing;
#[path = "properties/stored.rs"]
mod stored;
#[path = "properties/views.rs"]
mod views;
#[path = "properties/words.rs"]
mod words;

//! Tenantry: a declarative reconciler for account configuration.
//!
//! Custom resources (Tenant, SubAdmin, Role, DeviceGrant) go in; rows in an
//! account database, activation mails and status come out. `docs/architecture.md`
//! walks one object through these modules; arrows point downwards only:
//!
//! `cli` → `app` → `controller`, `files`, `web`, `outbox` → `engine` → `mail`,
//! `store`, `api` → `domain`.

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod controller;
pub mod domain;
pub mod engine;
mod failpoint;
pub mod files;
pub mod mail;
pub mod outbox;
pub mod store;
pub mod web;

#[cfg(test)]
mod testing;

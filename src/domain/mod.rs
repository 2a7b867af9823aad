//! The rules, as pure functions over plain data. Nothing here knows
//! Kubernetes, SQL or mail, reads a clock or draws a random number: whoever
//! calls brings facts and gets decisions. `run`, `apply` and every question
//! use these same functions, so that a rule exists once.
//!
//! One file per family of rules; the numbers R1 to R13 in the documentation
//! are the contract's.

pub mod access;
pub mod account;
pub mod activation;
pub mod audit;
pub mod authority;
pub mod capability;
pub mod grant;
pub mod key;
pub mod object;
pub mod password;
pub mod permission;
pub mod quota;
pub mod role;
pub mod service;
pub mod signin;
pub mod tenant;
pub mod tier;
pub mod verdict;

//! What a conversation with a mail server looks like from here, step by step,
//! for `mail test`. The conversation is the one that the outbox has
//! ([`super::talk`]); whoever watches it changes nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::failure::Step;

/// Hears of each step that went well, as soon as it has.
pub trait Observer: Send + Sync {
    /// `took` is how long the step lasted.
    fn seen(&self, step: Step, took: Duration, facts: Facts);
}

/// What a step brought. Holds nothing secret, and no address of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Facts {
    /// The host's addresses.
    Addresses(Vec<IpAddr>),
    /// The one that answered.
    Address(SocketAddr),
    /// The server's greeting and what it offers in its answer to EHLO.
    Greeting {
        /// Its first words; none if the connection does not show them.
        words: String,
        /// Those of its extensions that matter here.
        offers: Vec<String>,
    },
    /// The connection is encrypted.
    Encryption(Encryption),
    /// AUTH went well.
    SignIn {
        /// PLAIN or LOGIN.
        mechanism: String,
        /// The server's words.
        reply: String,
    },
    /// The server's words.
    Reply(String),
}

/// How a connection is encrypted, and whom it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Encryption {
    /// Such as `TLS 1.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Such as `TLS_AES_256_GCM_SHA384`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher: Option<String>,
    /// Whether the certificate was accepted. If not, nothing but this look at
    /// it was made over the connection.
    pub trusted: bool,
    /// The server's own certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The host names and addresses that it is for; at most 20 are kept.
    pub names: Vec<String>,
    /// Not valid before.
    pub not_before: Timestamp,
    /// Not valid after.
    pub not_after: Timestamp,
}

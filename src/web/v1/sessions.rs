//! `/v1/sessions`: for platforms that leave it to Tenantry to verify passwords.
//! The engine decides, as for the page `/login`: the same count of failures, the
//! same answer and the same time whoever is asked for, all of it in the trail.
//! A session that begins here is none for the pages, and the other way round.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::gate::json;
use super::problem::{Fault, Sort};
use super::{Programs, body};
use crate::domain::signin::{MAX_EMAIL, MAX_PASSWORD, SessionToken, client_of};
use crate::engine::{self, Attempt, SignedIn, Via};

/// The header that holds a session.
pub(super) const HEADER: &str = "tenantry-session";

/// What names a browser is no longer.
const MAX_BROWSER: usize = 128;

/// What somebody typed to sign in. No `Debug`: it holds a password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    /// The address, as typed
    #[schemars(length(max = 254))]
    email: String,
    /// The password, as typed; at most 4096 bytes
    #[schemars(schema_with = "password")]
    password: String,
    /// The address of the person's machine: failures are counted for it, too
    #[schemars(schema_with = "client")]
    #[serde(default)]
    client: Option<String>,
    /// What an earlier answer gave for this browser: failures of strangers do
    /// not keep it out then
    #[schemars(length(max = 128))]
    #[serde(default, rename = "knownBrowser")]
    known_browser: Option<String>,
}

fn password(_: &mut SchemaGenerator) -> Schema {
    // In bytes it is bounded; so many characters fit in any case.
    json_schema!({ "type": "string", "maxLength": MAX_PASSWORD / 4, "format": "password" })
}

fn client(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [
        { "type": "string", "format": "ipv4" },
        { "type": "string", "format": "ipv6" },
        { "type": "null" },
    ] })
}

/// A session that has begun.
#[derive(Serialize, JsonSchema)]
pub(super) struct NewSession {
    /// The session: send it as the header Tenantry-Session. Whoever has it is
    /// signed in; it is kept nowhere else
    session: String,
    /// Keep it in this browser, longer than the session, and send it when
    /// somebody signs in there again
    #[serde(rename = "knownBrowser")]
    known_browser: String,
    /// Who has signed in
    person: Person,
}

/// Somebody who is signed in.
#[derive(Serialize, JsonSchema)]
pub(super) struct Person {
    /// The account's username: ask questions about it
    account: String,
    /// The path of its tenant
    #[schemars(regex(pattern = "^/"))]
    tenant: String,
    /// Its tier
    #[schemars(extend("enum" = ["Root", "SuperAdmin", "Admin", "Basic"]))]
    tier: &'static str,
    /// Its language
    locale: String,
    /// When the session ends at the latest; it ends after 30 minutes without
    /// use, and at once when the account may not sign in any more
    #[serde(rename = "endsAt")]
    #[schemars(extend("format" = "date-time"))]
    ends_at: String,
}

impl From<engine::Person> for Person {
    fn from(person: engine::Person) -> Self {
        let settings = person.account.settings;
        Self {
            account: settings.username,
            tenant: person.chain.own().map(|tenant| tenant.path.clone()).unwrap_or_default(),
            tier: settings.tier.as_str(),
            locale: settings.locale,
            ends_at: person.span.ends.to_string(),
        }
    }
}

/// `POST /v1/sessions`
pub(super) async fn begin(State(programs): State<Programs>, request: Request) -> Result<Response, Fault> {
    let body = body::read(request).await?;
    let Credentials { email, password, client, known_browser } = body::parse(&body)?;
    let password = SecretString::from(password);
    let long = |field, most: &str| {
        Err(Fault::new(Sort::MalformedBody, format!("it may have {most} at most")).in_field(field))
    };
    if email.chars().count() > MAX_EMAIL {
        return long("email", "254 characters");
    }
    if password.expose_secret().len() > MAX_PASSWORD {
        return long("password", "4096 bytes");
    }
    if known_browser.as_ref().is_some_and(|text| text.chars().count() > MAX_BROWSER) {
        return long("knownBrowser", "128 characters");
    }
    let client = client.map(|text| text.parse::<IpAddr>().map(client_of)).transpose();
    let client = client.map_err(|_| {
        Fault::new(Sort::MalformedBody, "it must be an IPv4 or IPv6 address").in_field("client")
    })?;
    let attempt = Attempt {
        email: &email,
        password,
        client: client.as_deref(),
        device: known_browser.as_deref(),
        replaces: None,
        via: Via::Program,
    };
    let signed_in = programs.signing.work(async { Ok(programs.engine.sign_in(attempt).await?) }).await?;
    match signed_in {
        SignedIn::Entered(entered) => {
            let session = NewSession {
                session: entered.token.expose().to_owned(),
                known_browser: entered.device.clone(),
                person: entered.person.into(),
            };
            let mut answer = json(&session);
            *answer.status_mut() = StatusCode::CREATED;
            Ok(answer)
        }
        SignedIn::Refused => {
            let detail = "the answer is the same whether or not the address is known";
            Err(Fault::new(Sort::CredentialsRefused, detail))
        }
        SignedIn::Throttled(wait) => {
            let detail = "wait as long as Retry-After says, or send knownBrowser";
            Err(Fault::new(Sort::Throttled, detail).after(wait))
        }
    }
}

/// `GET /v1/sessions/current`
pub(super) async fn look(State(programs): State<Programs>, headers: HeaderMap) -> Result<Response, Fault> {
    let token = token(&headers)?;
    let found =
        programs.turns.work(async { Ok(programs.engine.person(&token, Via::Program).await?) }).await?;
    let person = found.ok_or_else(|| {
        Fault::new(Sort::UnknownSession, "it has ended, or never was: let the person sign in again")
    })?;
    Ok(json(&Person::from(person)))
}

/// `DELETE /v1/sessions/current`
pub(super) async fn end(State(programs): State<Programs>, headers: HeaderMap) -> Result<Response, Fault> {
    let token = token(&headers)?;
    programs.turns.work(async { Ok(programs.engine.sign_out(&token).await?) }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn token(headers: &HeaderMap) -> Result<SessionToken, Fault> {
    let mut given = headers.get_all(HEADER).iter();
    let token = given.next().and_then(|value| value.to_str().ok()).and_then(SessionToken::parse);
    token.filter(|_| given.next().is_none()).ok_or_else(|| {
        Fault::new(Sort::MalformedSession, "send what POST /v1/sessions has given, in one header")
    })
}

//! `/activate`: the page behind the link in a mail. GET and HEAD change
//! nothing, because mail scanners open every link; POST uses the link.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::cookie::Cookie;
use super::link::{self, Link, LinkError};
use super::outside::Outside;
use super::page::{self, Notice, Objection};
use super::text::Language;
use crate::domain::activation::Token;
use crate::domain::password;
use crate::engine::Engine;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    token: String,
}

/// What the form sends. No `Debug`: it holds a password.
#[derive(Deserialize)]
pub(super) struct Sent {
    #[serde(default)]
    token: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

/// GET and HEAD: what the link is good for.
pub(super) async fn show(
    State(engine): State<Engine>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let language = Language::accepted(&headers);
    let token = asked.map(|Query(asked)| asked.token).unwrap_or_default();
    match look(&engine, &token).await {
        Ok(link) => shown(link, &token, language, None),
        Err(error) => failed(&error, language),
    }
}

/// POST: uses the link.
pub(super) async fn perform(
    State(engine): State<Engine>,
    State(outside): State<Arc<Outside>>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let language = Language::accepted(&headers);
    let sent = match sent {
        Ok(Form(sent)) => sent,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return page::notice(Notice::TooLarge, language);
        }
        Err(_) => return page::notice(Notice::Unreadable, language),
    };
    match used(&engine, &outside, sent, language).await {
        Ok(answer) => answer,
        Err(error) => failed(&error, language),
    }
}

async fn used(
    engine: &Engine,
    outside: &Outside,
    sent: Sent,
    language: Language,
) -> Result<Response, LinkError> {
    let Sent { token: text, password, again } = sent;
    let (password, again) = (SecretString::from(password), SecretString::from(again));
    // Looked at first, so that nobody without a good link makes this process
    // compute hashes. What holds is decided again in the transaction.
    let subject = match look(engine, &text).await? {
        Link::Open(subject) => subject,
        other => return Ok(shown(other, &text, language, None)),
    };
    let hash = if subject.purpose.asks_password() {
        let checked = password::check(password.expose_secret(), &subject.username, &subject.login);
        let objection = match checked {
            Err(weakness) => Some(Objection::Weak(weakness)),
            Ok(()) if password.expose_secret() != again.expose_secret() => Some(Objection::Different),
            Ok(()) => None,
        };
        if objection.is_some() {
            return Ok(shown(Link::Open(subject), &text, language, objection));
        }
        Some(password::hash(password, engine.salt()).await?)
    } else {
        None
    };
    let Some(token) = Token::parse(&text) else {
        return Ok(shown(Link::Unknown, &text, language, None));
    };
    Ok(match link::follow(engine, &token, hash.as_deref()).await? {
        // Open before means used by this very request.
        Link::Open(subject) => {
            let mut answer = page::done(&subject, language);
            // Whoever holds the link owns the account: strangers who try its
            // address shall not keep this browser out.
            let known = engine.known_browser(subject.account);
            if let Some(cookie) = Cookie::Device.set(&known, outside) {
                answer.headers_mut().append(header::SET_COOKIE, cookie);
            }
            answer
        }
        other => shown(other, &text, language, None),
    })
}

async fn look(engine: &Engine, token: &str) -> Result<Link, LinkError> {
    match Token::parse(token) {
        Some(token) => link::look(engine, &token).await,
        None => Ok(Link::Unknown),
    }
}

fn shown(link: Link, token: &str, language: Language, objection: Option<Objection>) -> Response {
    match link {
        Link::Unknown => page::notice(Notice::Unknown, language),
        Link::Closed(why, subject) => page::closed(why, &subject, token, language),
        Link::Open(subject) => page::form(&subject, token, language, objection),
    }
}

fn failed(error: &LinkError, language: Language) -> Response {
    // Causes of a database's errors can quote rows in their debug form only;
    // what is logged here are their one-line messages.
    tracing::error!(error = %error, cause = error.cause(), "a link could not be opened or used");
    page::notice(if error.passes() { Notice::Busy } else { Notice::Internal }, language)
}

/// Any other address.
pub(super) async fn nowhere(headers: HeaderMap) -> Response {
    page::notice(Notice::Nowhere, Language::accepted(&headers))
}

/// Any other method.
pub(super) async fn not_like_this(headers: HeaderMap) -> Response {
    page::notice(Notice::Method, Language::accepted(&headers))
}

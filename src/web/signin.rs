//! `/login` and `/logout`. Who may enter is decided by the engine; here forms
//! are read, shown again, and turned into cookies. A form counts only together
//! with a cookie that no other site can set or read, so nobody is signed in or
//! out by a page elsewhere.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::cookie::Cookie;
use super::outside::{Outside, Peer};
use super::page::{self, LoginProblem, Notice};
use super::text::Language;
use crate::domain::signin::{MAX_EMAIL, SessionToken};
use crate::domain::verdict::with_causes;
use crate::engine::{Attempt, Engine, Person, SignedIn, Via};
use crate::store::StoreError;

/// What the form sends. No `Debug`: it holds a password.
#[derive(Deserialize)]
pub(super) struct Login {
    #[serde(default)]
    form: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
}

#[derive(Deserialize)]
pub(super) struct Logout {
    #[serde(default)]
    form: String,
}

/// Somebody with a session, as a page needs them.
pub(super) struct Visitor {
    pub(super) person: Person,
    /// For the form that ends the session.
    pub(super) form: String,
}

/// Who sends a request, if somebody is signed in there.
pub(super) async fn visitor(
    engine: &Engine,
    outside: &Outside,
    headers: &HeaderMap,
) -> Result<Option<Visitor>, StoreError> {
    let Some(token) = session_token(outside, headers) else { return Ok(None) };
    let person = engine.person(&token, Via::Pages).await?;
    Ok(person.map(|person| Visitor { person, form: engine.link_key().form_token(token.expose()) }))
}

fn session_token(outside: &Outside, headers: &HeaderMap) -> Option<SessionToken> {
    Cookie::Session.sent(headers, outside).and_then(SessionToken::parse)
}

/// `/`
pub(super) async fn front() -> Response {
    to("account")
}

/// GET `/login`: the form; whoever is signed in already sees their account.
pub(super) async fn show(
    State(engine): State<Engine>,
    State(outside): State<Arc<Outside>>,
    headers: HeaderMap,
) -> Response {
    match visitor(&engine, &outside, &headers).await {
        Ok(Some(_)) => to("account"),
        Ok(None) => login(&engine, &outside, &headers, "", None),
        Err(error) => failed(&error, error.is_transient(), &headers),
    }
}

/// POST `/login`.
pub(super) async fn enter(
    State(engine): State<Engine>,
    State(outside): State<Arc<Outside>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    sent: Result<Form<Login>, FormRejection>,
) -> Response {
    let Login { form, email, password } = match sent {
        Ok(Form(sent)) => sent,
        Err(rejection) => return unreadable(&rejection, &headers),
    };
    let password = SecretString::from(password);
    let cookie = Cookie::Form.sent(&headers, &outside).unwrap_or_default();
    if outside.foreign(&headers) || cookie.is_empty() || !engine.link_key().is_form_token(cookie, &form) {
        return login(&engine, &outside, &headers, &email, Some(LoginProblem::Stale));
    }
    let client = outside.client(peer, &headers);
    let earlier = session_token(&outside, &headers);
    let attempt = Attempt {
        email: &email,
        password,
        client: Some(&client),
        device: Cookie::Device.sent(&headers, &outside),
        replaces: earlier.as_ref(),
        via: Via::Pages,
    };
    match engine.sign_in(attempt).await {
        Ok(SignedIn::Entered(entered)) => with_cookies(
            to("account"),
            [
                Cookie::Session.set(entered.token.expose(), &outside),
                Cookie::Device.set(&entered.device, &outside),
                Cookie::Form.forget(&outside),
            ],
        ),
        Ok(SignedIn::Refused) => login(&engine, &outside, &headers, &email, Some(LoginProblem::Refused)),
        Ok(SignedIn::Throttled(wait)) => {
            let mut answer =
                login(&engine, &outside, &headers, &email, Some(LoginProblem::Throttled(minutes(wait))));
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
            answer
        }
        Err(error) => failed(&error, error.is_transient(), &headers),
    }
}

/// GET `/logout`: asks; changes nothing.
pub(super) async fn leaving(
    State(engine): State<Engine>,
    State(outside): State<Arc<Outside>>,
    headers: HeaderMap,
) -> Response {
    match visitor(&engine, &outside, &headers).await {
        Ok(Some(visitor)) => page::leaving(&visitor, language_of(&visitor.person, &headers), StatusCode::OK),
        Ok(None) => page::left(Language::accepted(&headers)),
        Err(error) => failed(&error, error.is_transient(), &headers),
    }
}

/// POST `/logout`.
pub(super) async fn leave(
    State(engine): State<Engine>,
    State(outside): State<Arc<Outside>>,
    headers: HeaderMap,
    sent: Result<Form<Logout>, FormRejection>,
) -> Response {
    let form = match sent {
        Ok(Form(Logout { form })) => form,
        Err(rejection) => return unreadable(&rejection, &headers),
    };
    let visitor = match visitor(&engine, &outside, &headers).await {
        Ok(visitor) => visitor,
        Err(error) => return failed(&error, error.is_transient(), &headers),
    };
    let language = visitor
        .as_ref()
        .map_or_else(|| Language::accepted(&headers), |visitor| language_of(&visitor.person, &headers));
    if let (Some(visitor), Some(token)) = (&visitor, session_token(&outside, &headers)) {
        if outside.foreign(&headers) || !engine.link_key().is_form_token(token.expose(), &form) {
            return page::leaving(visitor, language, StatusCode::FORBIDDEN);
        }
        if let Err(error) = engine.sign_out(&token).await {
            return failed(&error, error.is_transient(), &headers);
        }
    }
    with_cookies(page::left(language), [Cookie::Session.forget(&outside)])
}

/// The form, with the cookie that it counts together with.
fn login(
    engine: &Engine,
    outside: &Outside,
    headers: &HeaderMap,
    email: &str,
    problem: Option<LoginProblem>,
) -> Response {
    // Another form of the same browser may be open: it goes on to count.
    let sent = Cookie::Form.sent(headers, outside).filter(|value| is_plain(value));
    let fresh = sent.is_none().then(|| engine.nonce());
    let cookie = sent.or(fresh.as_deref()).unwrap_or_default();
    let email: String = email.chars().take(MAX_EMAIL).collect();
    let form = engine.link_key().form_token(cookie);
    let answer = page::login(&form, &email, problem, Language::accepted(headers));
    with_cookies(answer, [fresh.as_deref().and_then(|value| Cookie::Form.set(value, outside))])
}

fn is_plain(value: &str) -> bool {
    (16..=64).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The language of the account, else of the browser.
pub(super) fn language_of(person: &Person, headers: &HeaderMap) -> Language {
    Language::of_locale(&person.account.settings.locale).unwrap_or_else(|| Language::accepted(headers))
}

pub(super) fn unreadable(rejection: &FormRejection, headers: &HeaderMap) -> Response {
    let language = Language::accepted(headers);
    let large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
    page::notice(if large { Notice::TooLarge } else { Notice::Unreadable }, language)
}

pub(super) fn failed(
    error: &(dyn std::error::Error + 'static),
    passes: bool,
    headers: &HeaderMap,
) -> Response {
    tracing::error!(error = %with_causes(error), "a page of an account could not be shown");
    page::notice(if passes { Notice::Busy } else { Notice::Internal }, Language::accepted(headers))
}

/// Another page, relative to this one: what stands before it in the address
/// is a matter of the proxy.
pub(super) fn to(place: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}

fn with_cookies<const N: usize>(mut answer: Response, cookies: [Option<HeaderValue>; N]) -> Response {
    for cookie in cookies.into_iter().flatten() {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}

pub(super) fn minutes(wait: Duration) -> u64 {
    wait.as_secs().div_ceil(60).max(1)
}

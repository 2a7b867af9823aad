//! What holds for every call of a program: its token, a bound on how many are
//! let in and how many are worked on, a bound on the time of the work, and the
//! headers, the log line and the count of every answer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::Programs;
use super::metrics::Call;
use super::problem::{Cause, Fault, Sort};
use crate::domain::service::{MAX_TOKEN, Program, Scope};

/// So many calls are let in at a time, those that are still arriving among
/// them; one more is sent away at once.
const LET_IN: usize = 128;

/// So many calls of one sort are worked on at a time; the others wait. Fewer
/// than the database has connections, so that reconciling goes on.
const AT_ONCE: usize = 8;

/// How long a call waits for its turn before it is sent away.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the work on one call may take.
const AT_MOST: Duration = Duration::from_secs(15);

/// Turns at the database for one sort of calls.
#[derive(Clone)]
pub(super) struct Turns {
    at_once: Arc<Semaphore>,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { at_once: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Does the work when its turn comes, and in bounded time.
    pub(super) async fn work<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let Ok(Ok(_turn)) = tokio::time::timeout(PATIENCE, self.at_once.acquire()).await else {
            return Err(overloaded());
        };
        tokio::time::timeout(AT_MOST, work).await.unwrap_or_else(|_| Err(Fault::away()))
    }
}

/// Room for calls of any sort.
pub(super) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(LET_IN))
}

fn overloaded() -> Fault {
    Fault::new(Sort::Overloaded, "ask again after the time in Retry-After, and fewer at a time")
}

/// Lets a call in if its token is good for it.
pub(super) async fn enter(
    State((programs, scope)): State<(Programs, Scope)>,
    request: Request,
    next: Next,
) -> Response {
    let program = match whose(&programs, request.headers(), scope) {
        Ok(program) => program,
        Err(fault) => return fault.into_response(),
    };
    let mut answer = match programs.room.try_acquire() {
        Ok(_room) => next.run(request).await,
        Err(_) => overloaded().into_response(),
    };
    answer.extensions_mut().insert(program);
    answer
}

fn whose(programs: &Programs, headers: &HeaderMap, scope: Scope) -> Result<Program, Fault> {
    let malformed = |detail| Fault::new(Sort::MalformedToken, detail);
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        return Err(Fault::new(Sort::MissingToken, "send Authorization: Bearer TOKEN"));
    };
    if given.next().is_some() {
        return Err(malformed("send one Authorization header, not several"));
    }
    let Some((scheme, token)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
        return Err(malformed("send Authorization: Bearer TOKEN"));
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(malformed("the scheme must be Bearer: send Authorization: Bearer TOKEN"));
    }
    let token = token.trim_matches(' ');
    let letter = |c: u8| c.is_ascii_alphanumeric() || b"-._~+/=".contains(&c);
    if token.is_empty() || token.len() > MAX_TOKEN || !token.bytes().all(letter) {
        return Err(malformed("a token has at most 256 characters of A-Z, a-z, 0-9 and -._~+/="));
    }
    let Some(program) = programs.tokens.find(token) else {
        return Err(Fault::new(Sort::WrongToken, "its SHA-256 stands on no line of the service tokens file"));
    };
    if !program.may(scope) {
        let detail = format!("its line in the service tokens file does not name {}", scope.as_str());
        return Err(Fault::new(Sort::OutOfScope, detail));
    }
    Ok(program)
}

/// Whatever the answer is: its headers, its line in the log, its count.
pub(super) async fn leave(State(programs): State<Programs>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let called = format!("{} {}", request.method(), path.unwrap_or_default());
    let began = std::time::Instant::now();
    let mut answer = next.run(request).await;
    let sort = answer.extensions_mut().remove::<Sort>();
    let endpoint = match sort {
        // Whoever invents methods and addresses makes no new numbers.
        Some(Sort::NotFound | Sort::MethodNotAllowed) => "none".to_owned(),
        _ => called,
    };
    let program = answer.extensions_mut().remove::<Program>().map(|program| program.name);
    if let Some(Cause(error)) = answer.extensions_mut().remove::<Cause>() {
        tracing::warn!(endpoint, program, error, "a program's question was not answered");
    }
    let outcome = sort.map_or("ok", Sort::slug);
    programs.metrics.count(Call { endpoint, outcome }, began.elapsed());
    let headers = answer.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

const FIXED: [(HeaderName, &str); 3] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// An answer as JSON.
pub(super) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            (StatusCode::OK, kind, body).into_response()
        }
        Err(_) => Fault::new(Sort::Internal, "the answer could not be written").into_response(),
    }
}

//! What holds for every request to the pages: a bound on how many are worked
//! on, a bound on how long each takes, and the headers of every answer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

use super::page::{self, Notice};
use super::text::Language;

/// So many requests are worked on at a time; more wait for a moment.
const AT_ONCE: usize = 64;

/// How long a request waits for its turn before it is sent away.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the work on one request may take.
const AT_MOST: Duration = Duration::from_secs(20);

/// Shared by all requests.
#[derive(Clone)]
pub(super) struct Guard {
    turns: Arc<Semaphore>,
    at_most: Duration,
}

impl Guard {
    pub(super) fn new() -> Self {
        Self::with(AT_MOST)
    }

    pub(super) fn with(at_most: Duration) -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), at_most }
    }
}

pub(super) async fn guard(
    State(Guard { turns, at_most }): State<Guard>,
    request: Request,
    next: Next,
) -> Response {
    let language = Language::accepted(request.headers());
    let answer = async {
        let Ok(Ok(_turn)) = tokio::time::timeout(PATIENCE, turns.acquire()).await else {
            return page::notice(Notice::Busy, language);
        };
        tokio::time::timeout(at_most, next.run(request))
            .await
            .unwrap_or_else(|_| page::notice(Notice::Busy, language))
    };
    let mut answer = answer.await;
    let headers = answer.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, page::content_security_policy());
    answer
}

const FIXED: [(HeaderName, &str); 6] = [
    // The address of a page holds its token.
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

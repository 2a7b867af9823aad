//! `/v1`: what other programs ask, each with a service token. Everything that
//! goes wrong is `application/problem+json`; the OpenAPI document is made from
//! the same types and tables (`openapi`), and tests hold the two together.
//!
//! One call's way: `gate` looks at the token and lets it in, `body` reads what
//! was sent, `questions`, `lists` or `sessions` ask the engine, `problem` says
//! what went wrong, and `gate` counts it.

mod answer;
mod body;
mod gate;
mod lists;
mod metrics;
mod openapi;
mod problem;
mod questions;
mod sessions;
mod tokens;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, get, post};
use tokio::sync::Semaphore;

use crate::domain::service::Scope;
use crate::engine::Engine;
use crate::engine::questions::Questions;

use gate::Turns;
use problem::{Fault, Sort};

pub use metrics::Metrics;
pub use openapi::openapi;
pub use problem::problems;
pub use tokens::{Tokens, TokensError};

/// What every call works with.
#[derive(Clone)]
pub struct Programs {
    engine: Engine,
    questions: Questions,
    tokens: Tokens,
    metrics: Metrics,
    document: Bytes,
    room: Arc<Semaphore>,
    turns: Turns,
    signing: Turns,
}

impl Programs {
    /// For programs that have one of these tokens. `base` is how they reach
    /// `/v1`, as far as that is known.
    pub fn new(engine: Engine, tokens: Tokens, metrics: Metrics, base: Option<&str>) -> Self {
        Self {
            questions: Questions::new(engine.store().clone()),
            engine,
            tokens,
            metrics,
            document: openapi(base).to_string().into(),
            room: gate::room(),
            turns: Turns::new(),
            signing: Turns::new(),
        }
    }
}

async fn nowhere() -> Fault {
    Fault::new(Sort::NotFound, "GET /v1/openapi.json says what there is")
}

/// `/v1/` with nothing behind it, which is not under `/v1` for the router.
pub(super) fn front() -> MethodRouter {
    axum::routing::any(nowhere)
}

/// Everything under `/v1`.
pub(super) fn programs(programs: Programs) -> Router {
    let enter = |scope| from_fn_with_state((programs.clone(), scope), gate::enter);
    let document = programs.document.clone();
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Router::new()
        .route("/check", post(questions::check).route_layer(enter(Scope::Check)))
        .route("/explain", post(questions::explain).route_layer(enter(Scope::Check)))
        .route("/accounts/{email}/devices", get(lists::devices).route_layer(enter(Scope::Accounts)))
        .route("/accounts/{email}/visible-creators", get(lists::creators).route_layer(enter(Scope::Accounts)))
        .route("/sessions", post(sessions::begin).route_layer(enter(Scope::Sessions)))
        .route(
            "/sessions/current",
            get(sessions::look).delete(sessions::end).route_layer(enter(Scope::Sessions)),
        )
        .route("/openapi.json", get(async || (kind, document).into_response()))
        .fallback(nowhere)
        .method_not_allowed_fallback(async || {
            Fault::new(Sort::MethodNotAllowed, "the header Allow says which it knows")
        })
        .layer(from_fn_with_state(programs.clone(), gate::leave))
        .with_state(programs)
}

//! The operations port: is it alive, is it ready, and numbers. For probes and
//! monitoring; never reachable from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;

use crate::store::{Access, Store, StoreError};

/// How long the database may take to say that it is there.
const PROBE: Duration = Duration::from_secs(3);

/// Said by the application: whether it takes part (started, leading or
/// standing by, not about to end). Cheap to clone; clones are one flag.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether the application is ready.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the operations port reports on.
#[derive(Clone, Debug)]
pub struct Operations {
    /// The database.
    pub store: Store,
    /// The application's own word.
    pub readiness: Readiness,
    /// The numbers.
    pub registry: Arc<Registry>,
}

/// `/healthz`, `/readyz` and `/metrics`.
pub fn operations(state: Operations) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(state)
}

async fn readyz(State(Operations { store, readiness, registry: _ }): State<Operations>) -> Response {
    let not = |why: &'static str| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    if !readiness.get() {
        return not("not ready: starting or ending\n");
    }
    match tokio::time::timeout(PROBE, probe(&store)).await {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(error)) => {
            tracing::warn!(error = %error, "not ready: the database cannot be used");
            not(
                "not ready: the database cannot be reached, or its schema is not up to date (tenantry migrate)\n",
            )
        }
        Err(_) => not("not ready: the database does not answer\n"),
    }
}

/// Reads a table that the migrations make.
async fn probe(store: &Store) -> Result<(), StoreError> {
    store.begin(Access::Read).await?.setting("link-key").await?;
    Ok(())
}

async fn metrics(State(Operations { registry, .. }): State<Operations>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

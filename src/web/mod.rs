//! What browsers, programs and monitoring see: the pages behind the links in
//! mails, the questions of other programs under `/v1`, and the operations port.
//!
//! The application builds [`site`] and [`operations`] and gives each to
//! [`serve`] with its own listener. This module reads and writes through the
//! engine's store and knows the rules of links and passwords; it knows no mail,
//! no cluster and no files.
//!
//! One link's way: `activate` reads the request, `link` looks it up and uses it
//! in one transaction, `page` shows what became of it in the words of `text`;
//! for one that is over, `resend` asks the engine for another.
//! Signing in: `signin` reads the request, the engine decides, `cookie` says how
//! the browser remembers it, and `account` shows the person their account.

mod account;
mod activate;
mod connection;
mod cookie;
mod guard;
mod link;
mod operations;
mod outside;
mod page;
mod resend;
mod serve;
mod signin;
mod text;
mod v1;

#[cfg(test)]
mod signin_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::get;

use crate::engine::Engine;

pub use operations::{Operations, Readiness, operations};
pub use outside::Outside;
pub use serve::{ServeError, listen, serve};
pub use v1::{Metrics, Programs, Tokens, TokensError, openapi, problems};

/// No form is larger.
const MAX_BODY: usize = 16 * 1024;

/// What every page works with.
#[derive(Clone)]
struct Pages {
    engine: Engine,
    outside: Arc<Outside>,
}

impl FromRef<Pages> for Engine {
    fn from_ref(pages: &Pages) -> Self {
        pages.engine.clone()
    }
}

impl FromRef<Pages> for Arc<Outside> {
    fn from_ref(pages: &Pages) -> Self {
        pages.outside.clone()
    }
}

/// The pages for people, and `/v1` for programs.
pub fn site(engine: Engine, outside: Outside, programs: Programs) -> Router {
    pages(engine, outside).nest("/v1", v1::programs(programs)).route("/v1/", v1::front())
}

/// The pages for people: `/activate`, `/resend`, `/login`, `/account`, `/logout`. Every
/// answer, whatever it is, is a page with the headers that keep it from being
/// framed, cached or scripted.
pub fn pages(engine: Engine, outside: Outside) -> Router {
    guarded(engine, outside, guard::Guard::new())
}

fn guarded(engine: Engine, outside: Outside, guard: guard::Guard) -> Router {
    Router::new()
        .route("/", get(signin::front))
        .route("/activate", get(activate::show).post(activate::perform))
        .route("/resend", get(resend::show).post(resend::ask))
        .route("/login", get(signin::show).post(signin::enter))
        .route("/account", get(account::show))
        .route("/logout", get(signin::leaving).post(signin::leave))
        .fallback(activate::nowhere)
        .method_not_allowed_fallback(activate::not_like_this)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn_with_state(guard, guard::guard))
        .with_state(Pages { engine, outside: Arc::new(outside) })
}

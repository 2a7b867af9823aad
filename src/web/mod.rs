//! What browsers and monitoring see: the pages behind the links in mails, and
//! the operations port.
//!
//! The application builds [`pages`] and [`operations`] and gives each to
//! [`serve`] with its own listener. This module reads and writes through the
//! engine's store and knows the rules of links and passwords; it knows no mail,
//! no cluster and no files.
//!
//! One link's way: `activate` reads the request, `link` looks it up and uses it
//! in one transaction, `page` shows what became of it in the words of `text`.

mod activate;
mod connection;
mod guard;
mod link;
mod operations;
mod page;
mod serve;
mod text;

#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;

use crate::engine::Engine;

pub use operations::{Operations, Readiness, operations};
pub use serve::{ServeError, listen, serve};

/// No form is larger.
const MAX_BODY: usize = 16 * 1024;

/// The pages for people: `/activate`. Every answer, whatever it is, is a page
/// with the headers that keep it from being framed, cached or scripted.
pub fn pages(engine: Engine) -> Router {
    Router::new()
        .route("/activate", get(activate::show).post(activate::perform))
        .fallback(activate::nowhere)
        .method_not_allowed_fallback(activate::not_like_this)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn_with_state(guard::Guard::new(), guard::guard))
        .with_state(engine)
}

//! `/v1` as other programs meet it: the binary on a real port, on both
//! databases. Every answer that any of these tests gets is held against the
//! OpenAPI document that the same server gives out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod harness;

#[path = "http/site.rs"]
mod site;

#[path = "http/bearer.rs"]
mod bearer;
#[path = "http/document.rs"]
mod document;
#[path = "http/faults.rs"]
mod faults;
#[path = "http/fuzz.rs"]
mod fuzz;
#[path = "http/lists.rs"]
mod lists;
#[path = "http/page.rs"]
mod page;
#[path = "http/questions.rs"]
mod questions;
#[path = "http/sessions.rs"]
mod sessions;

/// Runs a scenario on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($(#[$doc:meta])* async fn $name:ident($site:pat_param) $body:block) => {
        $(#[$doc])*
        async fn $name($site: $crate::site::Site) $body
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() { super::$name($crate::site::Site::sqlite().await).await }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() { super::$name($crate::site::Site::postgres(stringify!($name)).await).await }
        }
    };
}

//! `/resend`: a new link for somebody whose link is over or gone. A link that
//! is over says whose it is; without one, the address is typed. Which account
//! it is, and whether there is one, nobody learns: the answer is the same page
//! after the same time, and the work is done beside it.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::outside::{Outside, Peer};
use super::page::{self, Notice};
use super::signin::{failed, minutes, unreadable};
use super::text::Language;
use crate::domain::activation::Token;
use crate::domain::signin::MAX_EMAIL;
use crate::domain::verdict::with_causes;
use crate::engine::{Asked, Engine};

/// How long an answer takes, whatever there is to do: far longer than looking
/// somebody up and queuing a mail.
const ANSWERED_AFTER: Duration = Duration::from_millis(300);

/// What the form sends: one of the two. No `Debug`: it holds an address.
#[derive(Deserialize)]
pub(super) struct Sent {
    #[serde(default)]
    token: String,
    #[serde(default)]
    email: String,
}

/// GET: the form. Changes nothing.
pub(super) async fn show(headers: HeaderMap) -> Response {
    page::resend("", false, StatusCode::OK, Language::accepted(&headers))
}

/// POST: asks for a new link.
pub(super) async fn ask(
    State(engine): State<Engine>,
    State(outside): State<Arc<Outside>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let answer_at = Instant::now() + ANSWERED_AFTER;
    let language = Language::accepted(&headers);
    let Sent { token, email } = match sent {
        Ok(Form(sent)) => sent,
        Err(rejection) => return unreadable(&rejection, &headers),
    };
    // Nothing here is done on the authority of a cookie; but nobody shall ask
    // in the name of visitors of another page.
    if outside.foreign(&headers) {
        return page::resend("", false, StatusCode::FORBIDDEN, language);
    }
    let asked = if token.is_empty() {
        let email = email.trim();
        let whole = email.split_once('@').is_some_and(|(to, at)| !to.is_empty() && !at.is_empty());
        if !whole || email.len() > MAX_EMAIL || email.contains(char::is_control) {
            let typed: String = email.chars().take(MAX_EMAIL).collect();
            return page::resend(&typed, true, StatusCode::OK, language);
        }
        Asked::Address(email.to_owned())
    } else {
        match Token::parse(&token) {
            Some(token) => Asked::Link(token),
            None => return page::notice(Notice::Unknown, language),
        }
    };
    match engine.charge_asking(&outside.client(peer, &headers), &asked).await {
        Err(error) => failed(&error, error.is_transient(), &headers),
        Ok(Err(wait)) => {
            let mut answer = page::asked_too_often(minutes(wait), language);
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
            answer
        }
        Ok(Ok(())) => {
            tokio::spawn(async move {
                if let Err(error) = engine.resend_asked(&asked).await {
                    tracing::error!(error = %with_causes(&error), "a new link that was asked for could not be queued");
                }
            });
            sleep_until(answer_at).await;
            page::asked(language)
        }
    }
}

//! Reading what a program sends: declared as JSON, within its bounds and its
//! time, with no field that is not documented. What was sent is never repeated.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::error::Category;

use super::problem::{Fault, Sort};

/// No body is larger.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// How much more is read and thrown away, so that the client hears the answer.
const DRAINED: usize = 8 * MAX_BODY;

/// How long a body may take to arrive.
const ARRIVES: Duration = Duration::from_secs(10);

/// The whole body of a request.
pub(super) async fn read(request: Request) -> Result<Vec<u8>, Fault> {
    if !is_json(request.headers()) {
        return Err(Fault::new(Sort::UnsupportedMediaType, "send Content-Type: application/json"));
    }
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let waits = request.headers().contains_key(header::EXPECT);
    if declared.is_some_and(|length| length > DRAINED || (waits && length > MAX_BODY)) {
        return Err(too_large());
    }
    match tokio::time::timeout(ARRIVES, collect(request.into_body())).await {
        Ok(read) => read,
        Err(_) => Err(Fault::new(Sort::TooSlow, "the body must arrive within 10 seconds")),
    }
}

fn too_large() -> Fault {
    Fault::new(Sort::BodyTooLarge, "a body may have 1 MiB: ask in several calls")
}

async fn collect(body: Body) -> Result<Vec<u8>, Fault> {
    let mut whole = vec![];
    let mut size = 0;
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Fault::new(Sort::MalformedBody, "the body broke off"))?;
        size += part.len();
        if size <= MAX_BODY {
            whole.extend_from_slice(&part);
        } else if size > DRAINED {
            break;
        }
    }
    if size > MAX_BODY { Err(too_large()) } else { Ok(whole) }
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = declared.and_then(|text| text.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

/// What a body, or a part of one, says: always an object.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    // A list would do for a structure otherwise, its fields in their order.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Fault::new(Sort::MalformedBody, "an object is wanted: {...}"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let at = format!("line {}, column {}", error.line(), error.column());
        let text = error.to_string();
        let between = |text: &str| Some(text.split_once('`')?.1.split_once('`')?.0.to_owned());
        match error.classify() {
            Category::Data if text.starts_with("unknown field") => {
                Fault::new(Sort::UnknownField, format!("the field that ends at {at} is not documented"))
            }
            Category::Data => match between(&text).filter(|_| text.starts_with("missing field")) {
                Some(field) => {
                    Fault::new(Sort::MalformedBody, format!("the field {field} is missing at {at}"))
                }
                None => Fault::new(
                    Sort::MalformedBody,
                    format!("the value at {at} is not of the documented sort"),
                ),
            },
            Category::Io | Category::Syntax | Category::Eof => {
                Fault::new(Sort::MalformedBody, format!("not JSON from {at} on"))
            }
        }
    })
}

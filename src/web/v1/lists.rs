//! `GET /v1/accounts/{email}/devices` and `.../visible-creators`: what one
//! account may do and sees, page by page. Each page is as of the moment at
//! which it is read. Nobody has an empty list, like anybody without rights.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Programs;
use super::gate::json;
use super::problem::{Fault, Sort};
use super::words;
use crate::engine::questions::{Creator, DeviceRights, Page, account_name};

/// So many rows has a page, unless it is asked for another number.
const ROWS: u16 = 100;
/// No page has more.
const MOST_ROWS: u16 = 500;
/// No longer mark is one of ours.
const MAX_AFTER: usize = 254;

/// Which part of a list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Where to go on: `next` of the part before
    #[schemars(schema_with = "words::after")]
    #[serde(default)]
    after: String,
    /// So many rows at most
    #[schemars(range(min = 1, max = 500))]
    #[serde(default = "rows")]
    limit: u16,
}

const fn rows() -> u16 {
    ROWS
}

/// Devices on which the account may do something, in order of their ids.
#[derive(Serialize, JsonSchema)]
pub(super) struct Devices {
    /// There may be fewer than asked for although more follow
    devices: Vec<Device>,
    /// What to give as `after` for the next part; absent: this was the last
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One device.
#[derive(Serialize, JsonSchema)]
struct Device {
    /// Its id
    device: String,
    /// The documented operations that are allowed
    operations: Vec<Operation>,
}

/// One operation that is allowed.
#[derive(Serialize, JsonSchema)]
struct Operation {
    /// Which
    #[schemars(extend("enum" = ["view", "operate", "manage", "share"]))]
    operation: &'static str,
    /// What decided
    #[schemars(regex(pattern = "^[A-Z][A-Za-z]+$"))]
    reason: &'static str,
}

/// Accounts whose data the account sees, in order of their usernames.
#[derive(Serialize, JsonSchema)]
pub(super) struct Creators {
    /// There may be fewer than asked for although more follow
    creators: Vec<VisibleCreator>,
    /// What to give as `after` for the next part; absent: this was the last
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One account whose data is seen.
#[derive(Serialize, JsonSchema)]
struct VisibleCreator {
    /// Its username
    account: String,
    /// Whether its data is seen in the sections that Individual access filters,
    /// too
    #[serde(rename = "inFilteredSections")]
    in_filtered_sections: bool,
}

impl From<DeviceRights> for Device {
    fn from(rights: DeviceRights) -> Self {
        let DeviceRights { device, operations } = rights;
        let operation = |(operation, ground): (_, crate::domain::access::answer::Ground)| Operation {
            operation,
            reason: ground.as_str(),
        };
        Self { device, operations: operations.into_iter().map(operation).collect() }
    }
}

impl From<Creator> for VisibleCreator {
    fn from(Creator { account, in_filtered_sections }: Creator) -> Self {
        Self { account, in_filtered_sections }
    }
}

/// `GET /v1/accounts/{email}/devices`
pub(super) async fn devices(
    State(programs): State<Programs>,
    account: Result<Path<String>, PathRejection>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Response, Fault> {
    let (account, Part { after, limit }) = (named(account)?, bounded(part)?);
    let questions = &programs.questions;
    let read = async { Ok(questions.devices_of(&account, &after, usize::from(limit)).await?) };
    let Page { items, next } = programs.turns.work(read).await?.unwrap_or_default();
    Ok(json(&Devices { devices: items.into_iter().map(Device::from).collect(), next }))
}

/// `GET /v1/accounts/{email}/visible-creators`
pub(super) async fn creators(
    State(programs): State<Programs>,
    account: Result<Path<String>, PathRejection>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Response, Fault> {
    let (account, Part { after, limit }) = (named(account)?, bounded(part)?);
    let questions = &programs.questions;
    let read = async { Ok(questions.visible_creators(&account, &after, usize::from(limit)).await?) };
    let Page { items, next } = programs.turns.work(read).await?.unwrap_or_default();
    Ok(json(&Creators { creators: items.into_iter().map(VisibleCreator::from).collect(), next }))
}

fn named(account: Result<Path<String>, PathRejection>) -> Result<String, Fault> {
    let malformed = |detail: String| Fault::new(Sort::MalformedPath, detail);
    let Path(account) =
        account.map_err(|_| malformed("the account is not UTF-8 after decoding".to_owned()))?;
    account_name(&account).map_err(|wrong| malformed(wrong.to_string()))
}

fn bounded(part: Result<Query<Part>, QueryRejection>) -> Result<Part, Fault> {
    let malformed = |detail: &str| Fault::new(Sort::MalformedQuery, detail);
    let Query(part) =
        part.map_err(|_| malformed("the parameters are after and limit, each once; limit is a number"))?;
    if !(1..=MOST_ROWS).contains(&part.limit) {
        return Err(malformed("limit must lie between 1 and 500").in_field("limit"));
    }
    let Part { after, .. } = &part;
    if after.chars().count() > MAX_AFTER || after.chars().any(char::is_control) {
        return Err(malformed("after must be the next of an earlier part").in_field("after"));
    }
    Ok(part)
}

//! Everything that can go wrong for a program, as `application/problem+json`
//! (RFC 9457). The list is what the OpenAPI document and docs/http.md name.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::verdict::with_causes;
use crate::engine::SignInError;
use crate::store::StoreError;

/// Beginning of every `type`. They name problems; nothing is fetched there.
pub(super) const BASE: &str = "https://tenantry.dev/problems/";

/// As programs get it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Problem {
    /// What sort of problem it is
    #[serde(rename = "type")]
    #[schemars(regex(pattern = r"^https://tenantry\.dev/problems/[a-z-]+$"))]
    kind: String,
    /// The same in words
    title: &'static str,
    /// The status of the answer; inside of a batch, what it would have been
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is wrong with this request, and what to do
    detail: String,
    /// The part of the question that is wrong
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

macro_rules! faults {
    ($($name:ident $slug:literal $status:literal $title:literal),+ $(,)?) => {
        /// The sorts of problems.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Sort { $($name),+ }

        impl Sort {
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),+];

            pub(super) const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug),+ }
            }
            pub(super) const fn status(self) -> u16 {
                match self { $(Self::$name => $status),+ }
            }
            pub(super) const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }
        }
    };
}

faults! {
    MalformedBody "malformed-body" 400 "The body is not JSON of the documented shape",
    UnknownField "unknown-field" 400 "The body has a field that is not documented",
    MalformedQuestion "malformed-question" 400 "The question cannot be asked",
    MalformedPath "malformed-path" 400 "The account in the path is malformed",
    MalformedQuery "malformed-query" 400 "A parameter after ? is malformed or not documented",
    MalformedSession "malformed-session" 400 "The header Tenantry-Session holds no session",
    MissingToken "missing-token" 401 "A service token is needed",
    MalformedToken "malformed-token" 401 "The Authorization header holds no service token",
    WrongToken "wrong-token" 401 "The service token is not known",
    OutOfScope "out-of-scope" 403 "The service token is not good for this",
    CredentialsRefused "credentials-refused" 403 "Address and password do not fit",
    NotFound "not-found" 404 "There is no such address",
    UnknownSession "unknown-session" 404 "There is no such session, or it has ended",
    MethodNotAllowed "method-not-allowed" 405 "This address does not know this method",
    TooSlow "too-slow" 408 "The request took too long to arrive",
    BodyTooLarge "body-too-large" 413 "The body is too large",
    BatchTooLarge "batch-too-large" 413 "The batch holds too many questions",
    UnsupportedMediaType "unsupported-media-type" 415 "The body is not declared as JSON",
    Throttled "throttled" 429 "Too many attempts have failed",
    Internal "internal" 500 "The question could not be answered",
    Overloaded "overloaded" 503 "Too much is being asked at the moment",
    DatabaseUnavailable "database-unavailable" 503 "The database cannot be reached at the moment",
}

impl Sort {
    pub(super) fn uri(self) -> String {
        format!("{BASE}{}", self.slug())
    }
}

/// Every problem, as docs/http.md lists them: status, name, title.
pub fn problems() -> impl Iterator<Item = (u16, &'static str, &'static str)> {
    Sort::ALL.iter().map(|sort| (sort.status(), sort.slug(), sort.title()))
}

/// A problem on its way out. The detail never repeats what was sent.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) sort: Sort,
    pub(super) detail: String,
    field: Option<&'static str>,
    retry: Option<Duration>,
    cause: Option<Cause>,
}

/// What the log says of a problem and the program does not hear.
#[derive(Clone, Debug)]
pub(super) struct Cause(pub(super) String);

impl Fault {
    pub(super) fn new(sort: Sort, detail: impl Into<String>) -> Self {
        let retry = match sort {
            Sort::Overloaded => Some(Duration::from_secs(1)),
            Sort::DatabaseUnavailable => Some(Duration::from_secs(5)),
            _ => None,
        };
        Self { sort, detail: detail.into(), field: None, retry, cause: None }
    }

    /// The database has not answered in time, or is not there.
    pub(super) fn away() -> Self {
        Self::new(Sort::DatabaseUnavailable, "ask again after the time in Retry-After")
    }

    fn internal(error: &dyn std::error::Error) -> Self {
        let cause = Some(Cause(with_causes(error)));
        Self { cause, ..Self::new(Sort::Internal, "the log of the server says why") }
    }

    pub(super) fn in_field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    pub(super) fn after(mut self, wait: Duration) -> Self {
        self.retry = Some(wait.max(Duration::from_secs(1)));
        self
    }

    pub(super) fn into_problem(self) -> Problem {
        let Self { sort, detail, field, retry: _, cause: _ } = self;
        Problem { kind: sort.uri(), title: sort.title(), status: sort.status(), detail, field }
    }
}

/// What the database's failure means to the program.
impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        if error.is_away() {
            Self { cause: Some(Cause(with_causes(&error))), ..Self::away() }
        } else {
            Self::internal(&error)
        }
    }
}

impl From<SignInError> for Fault {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Store(error) => error.into(),
            SignInError::Hash(_) => Self::internal(&error),
        }
    }
}

impl From<crate::engine::questions::Malformed> for Fault {
    fn from(wrong: crate::engine::questions::Malformed) -> Self {
        Self::new(Sort::MalformedQuestion, wrong.to_string()).in_field(wrong.part())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.sort.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (sort, retry, cause) = (self.sort, self.retry, self.cause.clone());
        let body = serde_json::to_vec(&self.into_problem()).unwrap_or_default();
        let mut answer = (status, body).into_response();
        answer.extensions_mut().insert(sort);
        if let Some(cause) = cause {
            answer.extensions_mut().insert(cause);
        }
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(challenge) = challenge(sort) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(wait) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        if status == StatusCode::REQUEST_TIMEOUT {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

/// What RFC 6750 wants to be said beside it.
const fn challenge(sort: Sort) -> Option<&'static str> {
    match sort {
        Sort::MissingToken => Some("Bearer realm=\"tenantry\""),
        Sort::MalformedToken | Sort::WrongToken => Some("Bearer realm=\"tenantry\", error=\"invalid_token\""),
        Sort::OutOfScope => Some("Bearer realm=\"tenantry\", error=\"insufficient_scope\""),
        _ => None,
    }
}

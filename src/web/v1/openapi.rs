//! The OpenAPI document: paths and problems from the table below, shapes from
//! the types that are read and written. Tests hold it against the router.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::lists::{Creators, Devices, Part};
use super::problem::{Problem, Sort};
use super::questions::{Body, Checked, Explained, MAX_BATCH};
use super::sessions::{Credentials, NewSession, Person};
use super::words;
use crate::domain::service::Scope;

type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path.
struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    /// What the token must be good for; none: no token is needed.
    scope: Option<Scope>,
    sends: Sends,
    status: u16,
    gets: Option<Shape>,
    problems: &'static [Sort],
}

/// What a program sends besides its token.
#[derive(Clone, Copy)]
enum Sends {
    Nothing,
    Body(Shape),
    Account,
    Session,
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const GUARDED: &[Sort] = &[
    Sort::MissingToken,
    Sort::MalformedToken,
    Sort::WrongToken,
    Sort::OutOfScope,
    Sort::Internal,
    Sort::Overloaded,
    Sort::DatabaseUnavailable,
];

const WITH_BODY: &[Sort] =
    &[Sort::MalformedBody, Sort::UnknownField, Sort::TooSlow, Sort::BodyTooLarge, Sort::UnsupportedMediaType];

const OF_QUESTIONS: &[Sort] = &[Sort::MalformedQuestion, Sort::BatchTooLarge];
const OF_LISTS: &[Sort] = &[Sort::MalformedPath, Sort::MalformedQuery];

const MANY: &str = "One question, or `{\"questions\": [...]}` with up to 500, which are answered in their \
    order as things stand at one moment; one that cannot be asked gets its problem in the place of its answer.";

const OPERATIONS: &[Operation] = &[
    Operation {
        method: "post",
        path: "/v1/check",
        id: "check",
        summary: "May this account do that?",
        description: MANY,
        scope: Some(Scope::Check),
        sends: Sends::Body(of::<Body<'_>>),
        status: 200,
        gets: Some(of::<Checked>),
        problems: OF_QUESTIONS,
    },
    Operation {
        method: "post",
        path: "/v1/explain",
        id: "explain",
        summary: "Why may this account do that, or not?",
        description: MANY,
        scope: Some(Scope::Check),
        sends: Sends::Body(of::<Body<'_>>),
        status: 200,
        gets: Some(of::<Explained>),
        problems: OF_QUESTIONS,
    },
    Operation {
        method: "get",
        path: "/v1/accounts/{email}/devices",
        id: "devices",
        summary: "On which devices may this account do something?",
        description: "An account that does not exist has none.",
        scope: Some(Scope::Accounts),
        sends: Sends::Account,
        status: 200,
        gets: Some(of::<Devices>),
        problems: OF_LISTS,
    },
    Operation {
        method: "get",
        path: "/v1/accounts/{email}/visible-creators",
        id: "visibleCreators",
        summary: "Whose data does this account see?",
        description: "An account that does not exist sees nobody's.",
        scope: Some(Scope::Accounts),
        sends: Sends::Account,
        status: 200,
        gets: Some(of::<Creators>),
        problems: OF_LISTS,
    },
    Operation {
        method: "post",
        path: "/v1/sessions",
        id: "beginSession",
        summary: "Sign somebody in with address and password",
        description: "Counts failures as the page /login does. The answer and its time are the same \
            whether or not the address is known.",
        scope: Some(Scope::Sessions),
        sends: Sends::Body(of::<Credentials>),
        status: 201,
        gets: Some(of::<NewSession>),
        problems: &[Sort::CredentialsRefused, Sort::Throttled],
    },
    Operation {
        method: "get",
        path: "/v1/sessions/current",
        id: "currentSession",
        summary: "Who is signed in with this session?",
        description: "Ask at every request of the person: a session ends by itself, and at once with the \
            account's right to sign in. Asking counts as use.",
        scope: Some(Scope::Sessions),
        sends: Sends::Session,
        status: 200,
        gets: Some(of::<Person>),
        problems: &[Sort::MalformedSession, Sort::UnknownSession],
    },
    Operation {
        method: "delete",
        path: "/v1/sessions/current",
        id: "endSession",
        summary: "Sign out",
        description: "A session that has ended already stays ended.",
        scope: Some(Scope::Sessions),
        sends: Sends::Session,
        status: 204,
        gets: None,
        problems: &[Sort::MalformedSession],
    },
    Operation {
        method: "get",
        path: "/v1/openapi.json",
        id: "openapi",
        summary: "This document",
        description: "Needs no token.",
        scope: None,
        sends: Sends::Nothing,
        status: 200,
        gets: Some(anything),
        problems: &[],
    },
];

fn anything(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object", "required": ["openapi", "info", "paths"] })
}

/// The document. `base` is where programs reach `/v1`.
pub fn openapi(base: Option<&str>) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut reads = settings.clone().for_deserialize().into_generator();
    let mut writes = settings.for_serialize().into_generator();
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let described = described(operation, &mut reads, &mut writes);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described;
    }
    let mut schemas = writes.take_definitions(true);
    schemas.extend(reads.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tenantry",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": format!(
                "May this account do that, and why? For programs with a service token. Every problem is \
                 `application/problem+json`; an address that is not here is answered by 404 `not-found`, another \
                 method by 405 `method-not-allowed`. A call holds up to {MAX_BATCH} questions and 1 MiB."
            ),
        },
        "servers": [{ "url": base.unwrap_or("/") }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "serviceToken": {
                "type": "http", "scheme": "bearer",
                "description": "A token whose SHA-256 stands in the file of --service-tokens-file."
            } },
        },
    })
}

fn described(operation: &Operation, reads: &mut SchemaGenerator, writes: &mut SchemaGenerator) -> Value {
    let Operation { method: _, path: _, id, summary, description, scope, sends, status, gets, problems } =
        operation;
    let good = match gets {
        Some(shape) => json!({
            "description": "As asked.",
            "content": { "application/json": { "schema": shape(writes) } },
        }),
        None => json!({ "description": "Done." }),
    };
    let mut responses = Map::new();
    responses.insert(status.to_string(), good);
    let with_body: &[Sort] = if matches!(sends, Sends::Body(_)) { WITH_BODY } else { &[] };
    let guarded: &[Sort] = if scope.is_some() { GUARDED } else { &[] };
    let sorts: Vec<Sort> = [*problems, with_body, guarded].concat();
    for sort in Sort::ALL.iter().filter(|sort| sorts.contains(sort)) {
        let status = sort.status();
        let here: Vec<Sort> = sorts.iter().copied().filter(|other| other.status() == status).collect();
        responses.entry(status.to_string()).or_insert_with(|| problem(status, &here, writes));
    }
    let mut described = json!({
        "operationId": id,
        "summary": summary,
        "description": description,
        "responses": responses,
    });
    match scope {
        Some(scope) => {
            described["security"] = json!([{ "serviceToken": [] }]);
            let needs = format!("{description} The token must be good for `{}`.", scope.as_str());
            described["description"] = needs.into();
        }
        None => described["security"] = json!([]),
    }
    match sends {
        Sends::Nothing => {}
        Sends::Body(shape) => {
            described["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": shape(reads) } } });
        }
        Sends::Account => {
            let mut parameters = vec![json!({
                "name": "email", "in": "path", "required": true, "schema": words::account(reads),
                "description": "The account: its e-mail, or its username",
            })];
            parameters.extend(in_query(reads));
            described["parameters"] = parameters.into();
        }
        Sends::Session => {
            described["parameters"] = json!([{
                "name": "Tenantry-Session", "in": "header", "required": true,
                "description": "What POST /v1/sessions has given as `session`",
                "schema": { "type": "string", "pattern": "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$" },
            }]);
        }
    }
    described
}

/// The fields of [`Part`], as parameters after `?`.
fn in_query(reads: &mut SchemaGenerator) -> Vec<Value> {
    let part = Part::json_schema(reads);
    let fields = part.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema })
    };
    fields.into_iter().map(parameter).collect()
}

/// The answer with one status, and which problems it can be.
fn problem(status: u16, sorts: &[Sort], writes: &mut SchemaGenerator) -> Value {
    let mut schema = writes.subschema_for::<Problem>();
    let kinds: Vec<String> = sorts.iter().map(|sort| sort.uri()).collect();
    schema
        .insert("properties".to_owned(), json!({ "type": { "enum": kinds }, "status": { "const": status } }));
    let titles: Vec<String> =
        sorts.iter().map(|sort| format!("`{}`: {}", sort.slug(), sort.title())).collect();
    let mut answer = json!({
        "description": titles.join(". ") + ".",
        "content": { "application/problem+json": { "schema": schema } },
    });
    let header = |description: &str, schema: Value| json!({ "description": description, "required": true, "schema": schema });
    match status {
        401 => {
            answer["headers"] =
                json!({ "WWW-Authenticate": header("How to show a token", json!({ "type": "string" })) });
        }
        429 | 503 => {
            let seconds = json!({ "type": "integer", "minimum": 1 });
            answer["headers"] = json!({ "Retry-After": header("When to ask again, in seconds", seconds) });
        }
        _ => {}
    }
    answer
}

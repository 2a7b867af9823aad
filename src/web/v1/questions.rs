//! `POST /v1/check` and `POST /v1/explain`: one question, or many in one call.
//! A question of many that cannot be asked gets its problem in the place of its
//! answer and takes no other one along.

use axum::extract::{Request, State};
use axum::response::Response;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Programs;
use super::answer::{Answer, Explanation};
use super::body;
use super::gate::json;
use super::problem::{Fault, Problem, Sort};
use super::words;
use crate::domain::capability::Capability;
use crate::engine::questions::{Ask, Asked, AskedRight, Malformed, Said};

/// So many questions fit into one call.
pub(super) const MAX_BATCH: usize = 500;

/// May this account do an operation on a resource?
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessQuestion {
    /// Who: a username or an e-mail
    #[schemars(schema_with = "words::account")]
    account: String,
    /// To do what, such as `view`; a pattern such as `*` asks about all of it
    #[schemars(schema_with = "words::dotted")]
    operation: String,
    /// On what, such as `device`, `cameras.archive` or `bucket.north-temps`; or
    /// a pattern
    #[schemars(schema_with = "words::dotted")]
    resource: String,
    /// The device that it is about, by its id
    #[schemars(schema_with = "words::device_or_null")]
    #[serde(default)]
    device: Option<String>,
    /// Whose data it is about: a username or an e-mail
    #[schemars(schema_with = "words::account_or_null")]
    #[serde(default)]
    creator: Option<String>,
}

/// May this account use an administrative right on an object?
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RightQuestion {
    /// Who: a username or an e-mail
    #[schemars(schema_with = "words::account")]
    account: String,
    /// The right
    #[schemars(schema_with = "given")]
    capability: String,
    /// What it is used on: `tenant/NAMESPACE/NAME`, `subadmin/NAMESPACE/NAME`,
    /// `role/NAMESPACE/NAME` or `group/NAMESPACE/TENANT/GROUP`
    #[schemars(schema_with = "words::object")]
    object: String,
    /// Whose objects are meant, if several sources have one of this name
    #[schemars(schema_with = "words::source_or_null")]
    #[serde(default)]
    source: Option<String>,
}

fn given(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Capability::GIVEN.map(Capability::as_str) })
}

/// May this account change the subscription of a tenant?
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read as a question about a right; this describes what is special about it")]
pub(super) struct SubscriptionQuestion {
    /// Who: a username or an e-mail
    #[schemars(schema_with = "words::account")]
    account: String,
    /// The right that only the owner of a tenant has
    #[schemars(schema_with = "subscription")]
    capability: String,
    /// The tenant: `tenant/NAMESPACE/NAME`
    #[schemars(schema_with = "words::tenant")]
    object: String,
    /// Whose objects are meant, if several sources have one of this name
    #[schemars(schema_with = "words::source_or_null")]
    #[serde(default)]
    source: Option<String>,
}

fn subscription(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "const": Capability::ManageSubscription.as_str() })
}

/// One question.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read one by one; this describes them")]
enum Question {
    Access(AccessQuestion),
    Right(RightQuestion),
    Subscription(SubscriptionQuestion),
}

/// Many questions in one call, answered as things stand at one moment.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Questions<'a> {
    /// In the order in which they are answered. What is no question gets its
    /// problem in the place of its answer
    #[serde(borrow)]
    #[schemars(schema_with = "many")]
    questions: Vec<&'a RawValue>,
}

fn many(generator: &mut SchemaGenerator) -> Schema {
    let question = generator.subschema_for::<Question>();
    json_schema!({ "type": "array", "maxItems": MAX_BATCH, "items": { "anyOf": [question, true] } })
}

/// The body of a call.
#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[expect(dead_code, reason = "told apart by their fields; this describes them")]
pub(super) enum Body<'a> {
    Access(AccessQuestion),
    Right(RightQuestion),
    Subscription(SubscriptionQuestion),
    Many(Questions<'a>),
}

/// The answer to a call of `check`.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum Checked {
    /// To one question
    One(Answer),
    /// To many
    Many(Answers),
}

/// The answers to many questions, in their order.
#[derive(Serialize, JsonSchema)]
pub(super) struct Answers {
    answers: Vec<AnswerOrProblem>,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum AnswerOrProblem {
    Answer(Answer),
    Problem(Problem),
}

/// The answer to a call of `explain`.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum Explained {
    /// To one question
    One(Explanation),
    /// To many
    Many(Explanations),
}

/// The explained answers to many questions, in their order.
#[derive(Serialize, JsonSchema)]
pub(super) struct Explanations {
    answers: Vec<ExplanationOrProblem>,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum ExplanationOrProblem {
    Explanation(Explanation),
    Problem(Problem),
}

/// `POST /v1/check`
pub(super) async fn check(State(programs): State<Programs>, request: Request) -> Result<Response, Fault> {
    let said = said(&programs, request, false).await?;
    let of = |said: Result<Said, Fault>| match said {
        Ok(said) => AnswerOrProblem::Answer(said.into()),
        Err(fault) => AnswerOrProblem::Problem(fault.into_problem()),
    };
    Ok(json(&match said {
        Replies::One(said) => Checked::One(said.into()),
        Replies::Many(all) => Checked::Many(Answers { answers: all.into_iter().map(of).collect() }),
    }))
}

/// `POST /v1/explain`
pub(super) async fn explain(State(programs): State<Programs>, request: Request) -> Result<Response, Fault> {
    let said = said(&programs, request, true).await?;
    let of = |said: Result<Said, Fault>| match said {
        Ok(said) => ExplanationOrProblem::Explanation(said.into()),
        Err(fault) => ExplanationOrProblem::Problem(fault.into_problem()),
    };
    Ok(json(&match said {
        Replies::One(said) => Explained::One(said.into()),
        Replies::Many(all) => Explained::Many(Explanations { answers: all.into_iter().map(of).collect() }),
    }))
}

enum Replies {
    One(Said),
    Many(Vec<Result<Said, Fault>>),
}

async fn said(programs: &Programs, request: Request, why: bool) -> Result<Replies, Fault> {
    let body = body::read(request).await?;
    let questions = &programs.questions;
    match parse(&body)? {
        Parsed::One(ask) => {
            let said = programs.turns.work(async { questions.say(&ask?, why).await.map_err(Fault::from) });
            Ok(Replies::One(said.await?))
        }
        Parsed::Many(asked) => {
            let asks: Vec<Ask> = asked.iter().filter_map(|ask| ask.as_ref().ok().cloned()).collect();
            let said = programs
                .turns
                .work(async { questions.say_all(&asks, why).await.map_err(Fault::from) })
                .await?;
            let mut said = said.into_iter();
            let missing = || Fault::new(Sort::Internal, "the log of the server says why");
            let in_place = asked.into_iter().map(|ask| ask.and_then(|_| said.next().ok_or_else(missing)));
            Ok(Replies::Many(in_place.collect()))
        }
    }
}

enum Parsed {
    One(Result<Ask, Fault>),
    Many(Vec<Result<Ask, Fault>>),
}

/// Which of the shapes a body has is told by the fields that only one has.
#[derive(Deserialize)]
struct Marks {
    #[serde(default)]
    questions: Option<IgnoredAny>,
    #[serde(default)]
    capability: Option<IgnoredAny>,
    #[serde(default)]
    object: Option<IgnoredAny>,
}

fn parse(text: &[u8]) -> Result<Parsed, Fault> {
    if body::parse::<Marks>(text)?.questions.is_none() {
        return Ok(Parsed::One(question(text)));
    }
    let Questions { questions } = body::parse(text)?;
    if questions.len() > MAX_BATCH {
        let detail = format!("a call may hold {MAX_BATCH} questions: ask in several calls");
        return Err(Fault::new(Sort::BatchTooLarge, detail));
    }
    Ok(Parsed::Many(questions.into_iter().map(|raw| question(raw.get().as_bytes())).collect()))
}

fn question(text: &[u8]) -> Result<Ask, Fault> {
    let marks: Marks = body::parse(text)?;
    if marks.capability.is_none() && marks.object.is_none() {
        let AccessQuestion { account, operation, resource, device, creator } = body::parse(text)?;
        let asked = Asked::new(&account, &operation, &resource, device.as_deref(), creator.as_deref());
        return Ok(Ask::Access(asked?));
    }
    let RightQuestion { account, capability, object, source } = body::parse(text)?;
    let capability = AskedRight::capability(&capability).ok_or(Malformed::Capability)?;
    Ok(Ask::Right(AskedRight::new(&account, capability, &object, source.as_deref())?))
}

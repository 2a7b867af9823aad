//! Questions about access asked of a real database: generated worlds written
//! into it, and the deliberately naive reading of the contract beside it. On
//! SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on shall stop")]
#![expect(dead_code, reason = "the worlds come with more than is asked here")]

mod harness;

#[path = "properties/acts.rs"]
mod acts;
#[path = "properties/giving.rs"]
mod giving;
#[path = "properties/lawful.rs"]
mod lawful;
#[path = "properties/model.rs"]
mod model;
#[path = "properties/naive.rs"]
mod naive;
#[path = "properties/room.rs"]
mod room;
#[path = "properties/staffing.rs"]
mod staffing;

#[path = "questions/flip.rs"]
mod flip;
#[path = "questions/written.rs"]
mod written;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use tenantry::engine::questions::{Answer, Asked as Question, Checked, Questions};
use tenantry::store::{Access, Store};

use acts::{VERBS, WORDS, any_world};
use model::{Asked, World};
use naive::Naive;

/// Worlds for each database; the pure rules meet thousands.
const WORLDS: usize = 12;

fn asked() -> impl Strategy<Value = Asked> {
    (
        prop::sample::select(&VERBS[..]),
        prop::sample::select(&WORDS[..]),
        // Beyond the lists lie devices and accounts that do not exist.
        prop::option::weighted(0.6, 0usize..7),
        prop::option::weighted(0.3, 0usize..17),
    )
        .prop_map(|(operation, resource, device, creator)| Asked {
            operation: operation.to_owned(),
            resource: resource.to_owned(),
            device,
            creator,
        })
}

/// The question as somebody writes it; every other account goes by its e-mail,
/// in letters of another case.
fn question(who: usize, asked: &Asked) -> Question {
    let name = |at: usize| if at.is_multiple_of(2) { format!("A{at}") } else { format!("A{at}@Example.ORG") };
    let device = asked.device.map(|at| format!("d{at}"));
    let creator = asked.creator.map(name);
    Question::new(&name(who), &asked.operation, &asked.resource, device.as_deref(), creator.as_deref())
        .unwrap()
}

async fn compare(url: &str, world: &World, asked: &[Asked], met: &mut BTreeMap<&'static str, usize>) {
    let store = Store::connect(url).await.unwrap();
    store.migrate().await.unwrap();
    let clock = store.begin(Access::Read).await.unwrap().now();
    written::write(url, world, clock).await;
    let questions = Questions::new(store);
    let all: Vec<(usize, &Asked)> =
        (0..=world.accounts.len()).flat_map(|who| asked.iter().map(move |asked| (who, asked))).collect();
    let asked: Vec<Question> = all.iter().map(|(who, asked)| question(*who, asked)).collect();
    let answers = questions.ask_all(&asked).await.unwrap();
    for (((who, asked), question), answer) in all.into_iter().zip(&asked).zip(answers) {
        let expected = Naive(world).ask(who, asked);
        let Answer { allowed, filtered, reason, .. } = answer.clone();
        let answer_is = naive::Answer { allowed, filtered };
        assert_eq!(answer_is, expected, "a{who} {asked:?}: {answer:?}");
        *met.entry(reason.as_str()).or_default() += 1;
        // One by one the same, with its objects' generations.
        if who % 3 == 0 {
            assert_eq!(questions.ask(question).await.unwrap(), answer);
            assert_eq!(questions.check(question).await.unwrap(), Checked::from(answer.clone()));
        }
        for object in answer.steps.iter().filter_map(|step| step.object.as_ref()) {
            assert_eq!(object.generation, Some(7), "{answer:?}");
        }
    }
    questions.store().close().await;
}

async fn compare_on(mut database: impl AsyncFnMut() -> String) {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met = BTreeMap::new();
    for _ in 0..WORLDS {
        let world = any_world().new_tree(&mut runner).unwrap().current();
        let asked = prop::collection::vec(asked(), 12).new_tree(&mut runner).unwrap().current();
        compare(&database().await, &world, &asked, &mut met).await;
    }
    assert!(met.len() > 10, "worlds in which little happens prove little: {met:?}");
}

#[tokio::test]
async fn r7_the_database_answers_as_the_contract_reads_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    compare_on(async || {
        count += 1;
        format!("sqlite://{}", folder.path().join(format!("{count}.db")).display())
    })
    .await;
}

#[tokio::test]
async fn r7_the_database_answers_as_the_contract_reads_on_postgres() {
    compare_on(async || harness::Postgres::shared().await.database("questions").await).await;
}

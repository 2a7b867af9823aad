//! The documented views and the reverse questions, compared with the decision
//! row by row: generated worlds in both real databases.

use std::collections::{BTreeMap, BTreeSet};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sqlx::{AssertSqlSafe, Row as _};
use tenantry::domain::access::decide;
use tenantry::domain::access::sight::{Sight, of_person};
use tenantry::domain::authority::subscription;
use tenantry::domain::permission::Pattern;
use tenantry::engine::questions::{Asked as Question, Questions};
use tenantry::store::{Access, Store};

use crate::acts::{VERBS, WORDS, any_world};
use crate::harness::Postgres;
use crate::model::{Asked, World, account_id, now};
use crate::stored::script;

const OPERATIONS: [&str; 4] = ["view", "operate", "manage", "share"];

/// A database that a world is written into and read from as by another program.
enum Database {
    Postgres(sqlx::PgPool),
    Sqlite(sqlx::SqlitePool),
}

impl Database {
    async fn run(&self, text: String) {
        match self {
            Self::Postgres(pool) => {
                let text = format!("BEGIN; {text} COMMIT;");
                sqlx::raw_sql(AssertSqlSafe(text)).execute(pool).await.unwrap();
            }
            Self::Sqlite(pool) => {
                let text = format!("BEGIN; {text} COMMIT;");
                sqlx::raw_sql(AssertSqlSafe(text)).execute(pool).await.unwrap();
            }
        }
    }

    /// Rows of three texts: `sql` casts them.
    async fn rows(&self, sql: &str) -> Vec<(String, String, String)> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(pool) => {
                let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
                rows.iter().map(|r| (r.get(0), r.get(1), r.get(2))).collect()
            }
            Self::Sqlite(pool) => {
                let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
                rows.iter().map(|r| (r.get(0), r.get(1), r.get(2))).collect()
            }
        }
    }
}

type Rows = BTreeSet<(String, String, String)>;

fn set(rows: Vec<(String, String, String)>) -> Rows {
    let set: Rows = rows.iter().cloned().collect();
    assert_eq!(set.len(), rows.len(), "a row occurs twice: {rows:?}");
    set
}

fn active(world: &World, who: usize) -> bool {
    let subject = world.subject(who);
    subject.enabled && subject.tenant.blocked_by().is_none()
}

/// What the decision says: account, device, operations and the reasons.
fn decided(world: &World) -> BTreeMap<(usize, usize), Vec<(&'static str, String)>> {
    let mut decided = BTreeMap::new();
    for who in world.living() {
        let subject = world.subject(who);
        for device in 0..world.devices.len() {
            let offers = world.offers_as_stored(device);
            let mut may = vec![];
            for operation in OPERATIONS {
                let asked = Asked {
                    operation: operation.into(),
                    resource: "device".into(),
                    device: Some(device),
                    creator: None,
                };
                let decision = decide(Some(&subject), &world.question(&asked), &offers, now());
                may.extend(decision.allowed.then(|| (operation, decision.reason.to_string())));
            }
            if !may.is_empty() {
                decided.insert((who, device), may);
            }
        }
    }
    decided
}

fn expected_access(world: &World) -> Rows {
    let words = |may: Vec<(&str, String)>| {
        may.into_iter().map(|(operation, _)| operation).collect::<Vec<_>>().join(" ")
    };
    decided(world)
        .into_iter()
        .map(|((who, device), may)| (format!("a{who}"), format!("d{device}"), words(may)))
        .collect()
}

fn expected_creators(world: &World) -> Rows {
    let mut rows = Rows::new();
    for who in world.living().into_iter().filter(|who| active(world, *who)) {
        for other in world.living() {
            match of_person(&world.subject(who), &world.person(other)) {
                Sight::OutOfRange => {}
                Sight::NotOwn => drop(rows.insert((format!("a{who}"), format!("a{other}"), "no".into()))),
                Sight::Seen => drop(rows.insert((format!("a{who}"), format!("a{other}"), "yes".into()))),
            }
        }
    }
    rows
}

fn expected_capabilities(world: &World) -> Rows {
    let mut rows = Rows::new();
    for who in world.living().into_iter().filter(|who| active(world, *who)) {
        let row = &world.accounts[who];
        for capability in &row.account.effective.capabilities {
            rows.insert((format!("a{who}"), format!("/t{}", row.tenant), capability.to_string()));
        }
        for (at, tenant) in world.tenants.iter().enumerate() {
            let owner = tenant.tenant.settings.owner.as_deref();
            if subscription(&world.manager(who), &tenant.key, &world.chain(at), owner).is_ok() {
                rows.insert((format!("a{who}"), format!("/t{at}"), "ManageSubscription".into()));
            }
        }
    }
    rows
}

const ACCESS: &str = "SELECT username, device_id, TRIM(CASE WHEN may_view THEN 'view ' ELSE '' END || CASE WHEN may_operate THEN 'operate ' ELSE '' END
    || CASE WHEN may_manage THEN 'manage ' ELSE '' END || CASE WHEN may_share THEN 'share' ELSE '' END) FROM effective_device_access";
const CREATORS: &str = "SELECT username, creator_username, CASE WHEN in_filtered_sections THEN 'yes' ELSE 'no' END FROM visible_creators";
const CAPABILITIES: &str = "SELECT username, tenant_path, capability FROM account_capabilities";

async fn views_agree(database: &Database, world: &World, seed: u64) {
    let access = expected_access(world);
    assert_eq!(set(database.rows(ACCESS).await), access, "effective_device_access of world {seed}");
    let creators = expected_creators(world);
    assert_eq!(set(database.rows(CREATORS).await), creators, "visible_creators of world {seed}");
    assert_eq!(
        set(database.rows(CAPABILITIES).await),
        expected_capabilities(world),
        "account_capabilities of world {seed}"
    );
    // A condition on one account or device changes no row, by whatever column.
    let who = world.living()[usize::try_from(seed).unwrap() % world.living().len()];
    let own = |rows: &Rows| rows.iter().filter(|row| row.0 == format!("a{who}")).cloned().collect::<Rows>();
    let id = account_id(who);
    assert_eq!(
        set(database.rows(&format!("{ACCESS} WHERE account_id = '{id}'")).await),
        own(&access),
        "a{who} of world {seed}"
    );
    assert_eq!(
        set(database.rows(&format!("{CREATORS} WHERE account_id = '{id}'")).await),
        own(&creators),
        "a{who} of world {seed}"
    );
    assert_eq!(
        set(database.rows(&format!("{ACCESS} WHERE username = 'a{who}'")).await),
        own(&access),
        "a{who} of world {seed}"
    );
    assert_eq!(
        set(database.rows(&format!("{CREATORS} WHERE username = 'a{who}'")).await),
        own(&creators),
        "a{who} of world {seed}"
    );
    let device = format!("d{}", seed % 6);
    let about: Rows = access.iter().filter(|row| row.1 == device).cloned().collect();
    assert_eq!(
        set(database.rows(&format!("{ACCESS} WHERE device_id = '{device}'")).await),
        about,
        "{device} of world {seed}"
    );
}

/// The rules listed for an account say what the decision says without a device.
async fn rules_agree(questions: &Questions, world: &World, seed: u64) {
    for who in world.living() {
        let rules = questions.rules_of(&format!("a{who}")).await.unwrap().unwrap().rules;
        for (operation, resource) in
            VERBS.iter().flat_map(|verb| WORDS.iter().map(move |word| (*verb, *word)))
        {
            let asked =
                Asked { operation: operation.into(), resource: resource.into(), device: None, creator: None };
            let expected =
                decide(Some(&world.subject(who)), &world.question(&asked), &world.offers(None), now())
                    .allowed;
            let (operation, resource) = (Pattern::new(operation), Pattern::new(resource));
            let says = |allows| {
                rules.iter().any(|r| r.ground.allows() == allows && r.rule.covers(&resource, &operation))
            };
            assert_eq!(
                says(true) && !says(false),
                expected,
                "a{who} {operation:?} {resource:?} in world {seed}"
            );
        }
    }
}

async fn questions_agree(questions: &Questions, world: &World, seed: u64) {
    let decided = decided(world);
    for who in world.living() {
        let name = format!("a{who}");
        let (mut after, mut found) = (String::new(), BTreeMap::new());
        loop {
            let page = questions.devices_of(&name, &after, 2).await.unwrap().unwrap();
            assert!(page.items.len() <= 2);
            for rights in page.items {
                let device: usize = rights.device[1..].parse().unwrap();
                let may: Vec<_> = rights.operations.into_iter().map(|(o, g)| (o, g.to_string())).collect();
                assert!(found.insert((who, device), may).is_none(), "{device} is listed twice");
            }
            let Some(next) = page.next else { break };
            after = next;
        }
        let own: BTreeMap<_, _> =
            decided.iter().filter(|((at, _), _)| *at == who).map(|(k, v)| (*k, v.clone())).collect();
        assert_eq!(found, own, "devices of {name} in world {seed}");
        let (mut after, mut seen) = (String::new(), Rows::new());
        loop {
            let page = questions.visible_creators(&name, &after, 3).await.unwrap().unwrap();
            for creator in page.items {
                let sections = if creator.in_filtered_sections { "yes" } else { "no" };
                seen.insert((name.clone(), creator.account, sections.into()));
            }
            let Some(next) = page.next else { break };
            after = next;
        }
        let own: Rows = expected_creators(world).into_iter().filter(|row| row.0 == name).collect();
        assert_eq!(seen, own, "creators of {name} in world {seed}");
    }
    let device = usize::try_from(seed).unwrap() % world.devices.len();
    for operation in OPERATIONS {
        let asked = Question::new("nobody", operation, "device", Some(&format!("d{device}")), None).unwrap();
        let (mut after, mut found) = (String::new(), BTreeSet::new());
        loop {
            let page = questions.who_can(&asked, &after, 3).await.unwrap();
            found.extend(page.items.into_iter().map(|who| (who.account, who.reason.to_string())));
            let Some(next) = page.next else { break };
            after = next;
        }
        let expected: BTreeSet<_> = decided
            .iter()
            .filter(|((_, at), _)| *at == device)
            .flat_map(|((who, _), may)| {
                may.iter()
                    .filter(|(o, _)| *o == operation)
                    .map(move |(_, reason)| (format!("a{who}"), reason.clone()))
            })
            .collect();
        assert_eq!(found, expected, "who can {operation} d{device} in world {seed}");
    }
}

/// How many worlds: few in every run; `TENANTRY_WORLDS=1000` for more.
fn worlds(few: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first: u64 = number("TENANTRY_FIRST_WORLD").unwrap_or(0);
    first..first + number("TENANTRY_WORLDS").unwrap_or(few)
}

fn world(seed: u64) -> World {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut world = any_world().new_tree(&mut runner).unwrap().current();
    // Some tenants name an owner, and some of these are missing.
    for at in 0..world.tenants.len() {
        let row = world.accounts.iter().find(|row| row.tenant == at && !row.removed);
        let owner = row.map(|row| row.account.name.clone());
        world.tenants[at].tenant.settings.owner = match (seed + at as u64) % 4 {
            0 => owner,
            1 => Some("nobody".into()),
            _ => None,
        };
    }
    world
}

async fn compare(url: &str, few: u64) {
    let store = Store::connect(url).await.unwrap();
    store.migrate().await.unwrap();
    let database = match url.starts_with("sqlite") {
        true => Database::Sqlite(sqlx::SqlitePool::connect(url).await.unwrap()),
        false => Database::Postgres(sqlx::PgPool::connect(url).await.unwrap()),
    };
    let questions = Questions::new(store);
    let mut rows = [0, 0, 0];
    for seed in worlds(few) {
        let world = world(seed);
        let real = questions.store().begin(Access::Read).await.unwrap().now();
        database.run(script(&world, seed, real)).await;
        views_agree(&database, &world, seed).await;
        rules_agree(&questions, &world, seed).await;
        questions_agree(&questions, &world, seed).await;
        rows[0] += expected_access(&world).len();
        rows[1] += expected_creators(&world).iter().filter(|row| row.2 == "no").count();
        rows[2] += database.rows("SELECT device_id, '', '' FROM overdue_device").await.len();
    }
    assert!(rows.iter().all(|rows| *rows > 0), "the worlds say nothing: {rows:?}");
}

#[tokio::test]
async fn the_views_and_the_reverse_questions_agree_with_the_decision_on_postgresql() {
    compare(&Postgres::shared().await.database("worlds").await, 12).await;
}

#[tokio::test]
async fn the_views_and_the_reverse_questions_agree_with_the_decision_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    compare(&format!("sqlite://{}", folder.path().join("t.db").display()), 12).await;
}

/// The views with one rule forgotten: the text that is changed, and into what.
/// Where the two databases say it differently, both are there.
const FORGOTTEN: [(&str, &[(&str, &str)]); 14] = [
    (
        "a disabled tenant",
        &[("u.enabled = 1 AND u.permitted = 1", "1 = 1"), ("u.enabled AND u.permitted", "1 = 1")],
    ),
    ("a grant whose object is gone", &[("g.object_id IS NOT NULL AND", "")]),
    ("devices that a grant does not have", &[("m.state IN ('applied', 'idle')", "m.state <> 'idle'")]),
    ("Shares for another time", &[("m.state IN ('applied', 'idle')", "m.state = 'applied'")]),
    (
        "Individual access",
        &[
            ("c.effective->>'individual_access' = 1", "1 = 0"),
            ("(c.effective->>'individual_access')::boolean", "1 = 0"),
        ],
    ),
    ("Assigns that are over", &[("g.reclaim <> 'Retain'", "1 = 0")]),
    (
        "what lies behind an overdue link",
        &[("x.position < p.overdue", "1 = 1"), ("x.position < d.position", "1 = 1")],
    ),
    (
        "denies of grants",
        &[("& ~(s.given >> 8)", "& ~(s.own >> 8)"), ("~(w.denies | says.denies)", "~(says.denies)")],
    ),
    (
        "denies of its own",
        &[("& ~(s.own >> 8)", "& ~(s.given >> 8)"), ("~(w.denies | says.denies)", "~(w.denies)")],
    ),
    (
        "that a Share shows no more than it allows",
        &[
            ("WHEN s.seen = 0 THEN s.given >> 4", "WHEN 1 = 0 THEN 0"),
            ("WHEN w.seen = 0 THEN w.shares", "WHEN 1 = 0 THEN 0"),
        ],
    ),
    ("rules about everything under a word", &[("'device.*'", "'nothing'"), ("\"device.*\"", "\"nothing\"")]),
    ("its own creations", &[("m.ancestor_id = c.id", "1 = 0")]),
    ("that receivers are outranked", &[("            > CASE c.tier", "            >= CASE c.tier")]),
    ("an owner who is missing", &[("t.owner_name IS NULL", "1 = 1")]),
];

/// The statements of a migration that make views, after those that drop them.
fn views(migration: &str) -> String {
    let made = |part: &&str| part.contains("CREATE VIEW ") || part.contains("CREATE FUNCTION ");
    let all: Vec<&str> = migration.split(";\n").filter(made).collect();
    let drop = |part: &&str| {
        let (sort, rest) = match part.split_once("CREATE VIEW ") {
            Some((_, rest)) => ("VIEW", rest),
            None => ("FUNCTION", part.split_once("CREATE FUNCTION ").unwrap().1),
        };
        format!("DROP {sort} IF EXISTS {};\n", rest.split([' ', '(']).next().unwrap())
    };
    let drop: String = all.iter().rev().map(drop).collect();
    drop + &all.iter().map(|part| format!("{part};\n")).collect::<String>()
}

/// Every rule that a view could forget is one that the worlds would miss.
async fn forgetting_is_noticed(url: &str, migration: &str) {
    let store = Store::connect(url).await.unwrap();
    store.migrate().await.unwrap();
    let database = match url.starts_with("sqlite") {
        true => Database::Sqlite(sqlx::SqlitePool::connect(url).await.unwrap()),
        false => Database::Postgres(sqlx::PgPool::connect(url).await.unwrap()),
    };
    let real = store.begin(Access::Read).await.unwrap().now();
    let worlds: Vec<_> = (0..60).map(|seed| (seed, world(seed))).collect();
    let mut missed: Vec<&str> = FORGOTTEN.iter().map(|(what, _)| *what).collect();
    for (seed, world) in &worlds {
        database.run(script(world, *seed, real)).await;
        let (access, creators) = (expected_access(world), expected_creators(world));
        let capabilities = expected_capabilities(world);
        for (what, ways) in &FORGOTTEN {
            if !missed.contains(what) {
                continue;
            }
            let (from, to) = ways.iter().find(|(from, _)| migration.contains(from)).unwrap();
            database.run(views(&migration.replace(from, to))).await;
            let same = database.rows(ACCESS).await.into_iter().collect::<Rows>() == access
                && database.rows(CREATORS).await.into_iter().collect::<Rows>() == creators
                && database.rows(CAPABILITIES).await.into_iter().collect::<Rows>() == capabilities;
            missed.retain(|other| same || other != what);
        }
        if missed.is_empty() {
            return;
        }
    }
    panic!("a view may forget {missed:?}, and nobody notices");
}

#[tokio::test]
async fn a_view_that_forgets_a_rule_is_noticed_on_postgresql() {
    let migration = include_str!("../../src/store/migrations/postgres/0015_access_views.sql");
    forgetting_is_noticed(&Postgres::shared().await.database("forgetting").await, migration).await;
}

#[tokio::test]
async fn a_view_that_forgets_a_rule_is_noticed_on_sqlite() {
    let migration = include_str!("../../src/store/migrations/sqlite/0015_access_views.sql");
    let folder = tempfile::tempdir().unwrap();
    forgetting_is_noticed(&format!("sqlite://{}", folder.path().join("t.db").display()), migration).await;
}

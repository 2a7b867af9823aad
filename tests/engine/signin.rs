//! Signing in on both databases: who may, what a session rests on, how
//! failures are counted, and what stands in the trail afterwards.

use std::time::Duration;

use argon2::password_hash::PasswordHasher as _;
use futures::future::join_all;
use jiff::SignedDuration;
use secrecy::SecretString;
use tenantry::app::{Reader, read_trail};
use tenantry::domain::object::Kind;
use tenantry::domain::signin::{Counted, MAX_SESSIONS, SessionToken};
use tenantry::engine::{Attempt, Entered, SignedIn, Via};
use tenantry::store::Access;
use tenantry::store::trail::Search;

use crate::on_both;
use crate::world::{World, all_ready};

const PASSWORD: &str = "my aunt paints boats in october";

const PEOPLE: &str = "
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME}
---
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}}
---
kind: SubAdmin
metadata: {namespace: root, name: ada}
spec: {tenantRef: {name: acme}, username: ada, email: ada@example.org, tier: Root, emailVerified: true, passwordSecretRef: {name: pw}}
---
kind: SubAdmin
metadata: {namespace: root, name: kim}
spec: {tenantRef: {name: north}, managedByRef: {name: ada}, username: kim, email: kim@example.org, tier: Admin, emailVerified: true, passwordSecretRef: {name: pw}, capabilities: {from: List, names: [ManageUsers, ManageAuditLogs]}}
---
kind: SubAdmin
metadata: {namespace: root, name: bo}
spec: {tenantRef: {name: north}, managedByRef: {name: kim}, username: bo, email: bo@example.org, emailVerified: true, passwordSecretRef: {name: pw}}
---
kind: SubAdmin
metadata: {namespace: root, name: off}
spec: {tenantRef: {name: north}, managedByRef: {name: kim}, username: off, email: off@example.org, enabled: false, emailVerified: true, passwordSecretRef: {name: pw}}
---
kind: SubAdmin
metadata: {namespace: root, name: unproved}
spec: {tenantRef: {name: north}, managedByRef: {name: kim}, username: unproved, email: unproved@example.org, passwordSecretRef: {name: pw}}
---
kind: SubAdmin
metadata: {namespace: root, name: invited}
spec: {tenantRef: {name: north}, managedByRef: {name: kim}, username: invited, email: invited@example.org}";

async fn fill(world: &mut World, password: &str) {
    let data = [("password".to_owned(), password.to_owned())].into();
    world.outside.secrets.insert(("root".to_owned(), "pw".to_owned()), ("password".to_owned(), data));
    all_ready(&world.apply(PEOPLE).await);
}

/// Somebody at a keyboard.
#[derive(Clone, Copy, Default)]
struct Desk<'a> {
    client: Option<&'a str>,
    device: Option<&'a str>,
    replaces: Option<&'a SessionToken>,
}

async fn sign_in(world: &World, email: &str, password: &str, desk: Desk<'_>) -> SignedIn {
    let Desk { client, device, replaces } = desk;
    let password = SecretString::from(password.to_owned());
    let attempt = Attempt { email, password, client, device, replaces, via: Via::Pages };
    world.engine.sign_in(attempt).await.unwrap()
}

async fn entered(world: &World, email: &str) -> Entered {
    match sign_in(world, email, PASSWORD, Desk::default()).await {
        SignedIn::Entered(entered) => *entered,
        SignedIn::Refused => panic!("{email}: refused"),
        SignedIn::Throttled(wait) => panic!("{email}: throttled for {wait:?}"),
    }
}

fn word(outcome: &SignedIn) -> &'static str {
    match outcome {
        SignedIn::Entered(_) => "entered",
        SignedIn::Refused => "refused",
        SignedIn::Throttled(_) => "throttled",
    }
}

async fn fail(world: &World, email: &str, desk: Desk<'_>) -> &'static str {
    word(&sign_in(world, email, "a password of somebody else", desk).await)
}

async fn stands(world: &World, token: &SessionToken) -> bool {
    world.engine.person(token, Via::Pages).await.unwrap().is_some()
}

/// The database's time so long ago, as both databases read it.
async fn ago(world: &World, ago: SignedDuration) -> String {
    let now = world.engine.store().begin(Access::Read).await.unwrap().now();
    (now - ago).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

on_both! {
    async fn a_session_is_found_by_its_token_alone_and_ends_with_it(world) {
        fill(&mut world, PASSWORD).await;
        let session = entered(&world, " KIM@Example.org").await;
        let person = world.engine.person(&session.token, Via::Pages).await.unwrap().unwrap();
        assert_eq!((person.account.name.as_str(), person.chain.0.len()), ("kim", 2));
        assert!(world.engine.person(&session.token, Via::Program).await.unwrap().is_none(), "not for programs");
        assert!(!stands(&world, &SessionToken::new([0; 32])).await);
        let stored = world.by_hand("SELECT digest FROM session").await.unwrap();
        assert!(!stored.contains(session.token.expose()) && stored.len() == 64);

        // Another sign-in of the same browser begins another session.
        let desk = Desk { replaces: Some(&session.token), ..Desk::default() };
        let SignedIn::Entered(next) = sign_in(&world, "kim@example.org", PASSWORD, desk).await else { panic!() };
        assert_ne!(next.token.expose(), session.token.expose());
        assert!(!stands(&world, &session.token).await && stands(&world, &next.token).await);
        assert!(world.engine.sign_out(&next.token).await.unwrap());
        assert!(!stands(&world, &next.token).await && !world.engine.sign_out(&next.token).await.unwrap());
    }
}

on_both! {
    async fn a_session_ends_idle_or_in_the_end_and_only_so_many_are_kept(world) {
        fill(&mut world, PASSWORD).await;
        let session = entered(&world, "kim@example.org").await;
        let noted = ago(&world, SignedDuration::from_mins(29)).await;
        world.by_hand(&format!("UPDATE session SET used_at = '{noted}'")).await;
        assert!(stands(&world, &session.token).await, "29 minutes");
        let writes = world.engine.store().writes();
        assert!(stands(&world, &session.token).await);
        assert_eq!(world.engine.store().writes(), writes, "use was noted just before");
        let idle = ago(&world, SignedDuration::from_mins(30)).await;
        world.by_hand(&format!("UPDATE session SET used_at = '{idle}'")).await;
        assert!(!stands(&world, &session.token).await, "30 minutes");
        assert!(!world.engine.sign_out(&session.token).await.unwrap(), "it had ended by itself");

        let session = entered(&world, "kim@example.org").await;
        let over = ago(&world, SignedDuration::ZERO).await;
        world.by_hand(&format!("UPDATE session SET ends_at = '{over}'")).await;
        assert!(!stands(&world, &session.token).await);

        let mut tokens = vec![];
        for _ in 0..=MAX_SESSIONS {
            tokens.push(entered(&world, "kim@example.org").await.token);
        }
        let count = world.by_hand("SELECT CAST(count(*) AS TEXT) FROM session").await;
        assert_eq!(count, Some(MAX_SESSIONS.to_string()), "those that had ended are cleared away");
        assert!(stands(&world, tokens.last().unwrap()).await);
    }
}

on_both! {
    async fn a_session_ends_with_the_account_its_tenants_and_its_password_and_does_not_come_back(world) {
        fill(&mut world, PASSWORD).await;
        let bo = "SubAdmin\nmetadata: {namespace: root, name: bo}\nspec: {tenantRef: {name: north}, managedByRef: {name: kim}, username: bo, email: bo@example.org, emailVerified: true, passwordSecretRef: {name: pw}";
        let acme = "Tenant\nmetadata: {namespace: root, name: acme}\nspec: {displayName: ACME";
        for (off, on) in [
            (format!("kind: {bo}, enabled: false}}"), format!("kind: {bo}}}")),
            (format!("kind: {acme}, enabled: false}}"), format!("kind: {acme}}}")),
        ] {
            let session = entered(&world, "bo@example.org").await;
            world.apply(&off).await;
            assert!(!stands(&world, &session.token).await, "{off}");
            assert_eq!(word(&sign_in(&world, "bo@example.org", PASSWORD, Desk::default()).await), "refused");
            world.apply(&on).await;
            assert!(!stands(&world, &session.token).await, "{on}");
        }
        // By hand, without a pass: it counts at once.
        let session = entered(&world, "bo@example.org").await;
        let disabled = if world.url.starts_with("sqlite") { "0" } else { "false" };
        world.by_hand(&format!("UPDATE account SET enabled = {disabled} WHERE username = 'bo'")).await;
        assert!(!stands(&world, &session.token).await);
        all_ready(&world.apply(&format!("kind: {bo}, company: Fleet}}")).await);

        let session = entered(&world, "bo@example.org").await;
        let mut tx = world.engine.store().begin(Access::Write).await.unwrap();
        let id = tx.account_named("bo").await.unwrap().unwrap().account.id;
        let hash = world.password_of("kim").await.unwrap();
        tx.put_password(id, &hash).await.unwrap();
        tx.commit().await.unwrap();
        assert!(!stands(&world, &session.token).await, "another password");

        let session = entered(&world, "bo@example.org").await;
        world.delete(Kind::SubAdmin, "root", "bo").await;
        assert!(!stands(&world, &session.token).await);
        assert_eq!(word(&sign_in(&world, "bo@example.org", PASSWORD, Desk::default()).await), "refused");
    }
}

on_both! {
    async fn whoever_may_not_enter_costs_the_same_work_whatever_the_reason(world) {
        fill(&mut world, PASSWORD).await;
        let long = "x".repeat(5_000);
        let far = format!("{}@example.org", "x".repeat(300));
        let mut seen = vec![];
        for (email, password) in [
            ("nobody@example.org", PASSWORD),
            ("kim@example.org", "a password of somebody else"),
            ("kim@example.org", ""),
            ("kim@example.org", &long),
            ("off@example.org", PASSWORD),
            ("off@example.org", "a password of somebody else"),
            ("unproved@example.org", PASSWORD),
            ("invited@example.org", PASSWORD),
            ("kim", PASSWORD),
            ("kim@example.org\0", PASSWORD),
            ("kim@exam\nple.org", "pass\0word"),
            ("", PASSWORD),
            (&far, PASSWORD),
        ] {
            let store = world.engine.store();
            let (statements, writes) = (store.statements(), store.writes());
            let outcome = sign_in(&world, email, password, Desk { client: Some("192.0.2.1"), ..Desk::default() }).await;
            assert_eq!(word(&outcome), "refused", "{email}");
            seen.push((store.statements() - statements, store.writes() - writes));
        }
        assert!(seen.iter().all(|work| *work == seen[0]), "{seen:?}");
        let count = world.by_hand("SELECT CAST(count(*) AS TEXT) FROM session").await;
        assert_eq!(count.as_deref(), Some("0"));
    }
}

on_both! {
    async fn failures_with_one_address_are_counted_also_at_the_same_moment(world) {
        fill(&mut world, PASSWORD).await;
        let desks = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
        let attempts = (0..16).map(|n| {
            let desk = Desk { client: Some(desks[n % 3]), ..Desk::default() };
            fail(&world, "kim@example.org", desk)
        });
        let words = join_all(attempts).await;
        let refused = words.iter().filter(|word| **word == "refused").count();
        // A slow machine may have forgotten one in the meantime.
        assert!((10..=12).contains(&refused), "{words:?}");
        assert!(words.iter().all(|word| *word != "entered"));
        let outcome = sign_in(&world, "KIM@example.org", PASSWORD, Desk::default()).await;
        let SignedIn::Throttled(wait) = outcome else { panic!("{}", word(&outcome)) };
        assert!(wait <= Duration::from_secs(60), "{wait:?}");
        // An address that nobody has is counted alike; another one is free.
        for _ in 0..10 {
            fail(&world, "nobody@example.org", Desk::default()).await;
        }
        assert_eq!(fail(&world, "nobody@example.org", Desk::default()).await, "throttled");
        entered(&world, "bo@example.org").await;
    }
}

on_both! {
    async fn strangers_who_try_an_address_cannot_keep_its_owners_browser_out(world) {
        fill(&mut world, PASSWORD).await;
        let device = entered(&world, "kim@example.org").await.device;
        let slot = world.engine.link_key().throttle_slot(Counted::Address("kim@example.org"));
        let ahead = ago(&world, SignedDuration::from_hours(-1)).await;
        world.by_hand(&format!("UPDATE throttle SET forgotten_at = '{ahead}' WHERE slot = '{slot}'")).await;
        assert_eq!(fail(&world, "kim@example.org", Desk::default()).await, "throttled");
        let known = Desk { device: Some(&device), ..Desk::default() };
        assert_eq!(word(&sign_in(&world, "kim@example.org", PASSWORD, known).await), "entered");
        let other = world.engine.known_browser(uuid::Uuid::from_u128(7));
        for made_up in ["x.y", "", "..", &other] {
            let desk = Desk { device: Some(made_up), ..Desk::default() };
            assert_eq!(word(&sign_in(&world, "kim@example.org", PASSWORD, desk).await), "throttled", "{made_up}");
        }
        // A known browser has a count of its own.
        for _ in 0..10 {
            assert_eq!(fail(&world, "kim@example.org", known).await, "refused");
        }
        assert_eq!(fail(&world, "kim@example.org", known).await, "throttled");
    }
}

on_both! {
    async fn a_client_is_held_back_whatever_addresses_it_tries_and_success_costs_nothing(world) {
        fill(&mut world, PASSWORD).await;
        let desk = Desk { client: Some("192.0.2.1"), ..Desk::default() };
        for _ in 0..12 {
            assert_eq!(word(&sign_in(&world, "kim@example.org", PASSWORD, desk).await), "entered");
        }
        let slot = world.engine.link_key().throttle_slot(Counted::Client("192.0.2.1"));
        let ahead = ago(&world, SignedDuration::from_secs(-600)).await;
        world.by_hand(&format!("UPDATE throttle SET forgotten_at = '{ahead}' WHERE slot = '{slot}'")).await;
        let outcome = sign_in(&world, "bo@example.org", PASSWORD, desk).await;
        let SignedIn::Throttled(wait) = outcome else { panic!("{}", word(&outcome)) };
        assert!((200..=246).contains(&wait.as_secs()), "{wait:?}");
        let elsewhere = Desk { client: Some("192.0.2.2"), ..Desk::default() };
        assert_eq!(word(&sign_in(&world, "bo@example.org", PASSWORD, elsewhere).await), "entered");
    }
}

on_both! {
    async fn a_hash_from_a_secret_is_made_anew_when_its_owner_signs_in(world) {
        let params = argon2::Params::new(9_728, 2, 1, None).unwrap();
        let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        let cheap = hasher.hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16]).unwrap().to_string();
        fill(&mut world, &cheap).await;
        assert_eq!(word(&sign_in(&world, "kim@example.org", &cheap, Desk::default()).await), "refused", "a hash is no password");
        let session = entered(&world, "kim@example.org").await;
        let stored = world.password_of("kim").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let again = entered(&world, "kim@example.org").await;
        assert!(stands(&world, &session.token).await && stands(&world, &again.token).await);
    }
}

/// `action object by actor` of what somebody may see of signing in.
async fn seen(world: &World, name: &str) -> Vec<String> {
    let store = world.engine.store();
    let reader = Reader::named(store, name).await.unwrap().unwrap().unwrap();
    let actions = ["signed-in", "signed-out", "sign-in-failed"].map(str::to_owned).to_vec();
    let search = Search { actions: Some(actions), ..Search::default() };
    let trail = read_trail(store, &search, Some(&reader), 100).await.unwrap();
    let line = |e: &tenantry::store::trail::Listed| {
        format!("{} {} by {}", e.record.action, e.record.name.as_deref().unwrap_or("-"), e.record.actor)
    };
    trail.entries.iter().map(line).collect()
}

on_both! {
    async fn r11_signing_in_and_out_and_failing_to_stands_in_the_trail_of_whoever_reads_the_scope(world) {
        fill(&mut world, PASSWORD).await;
        let bo = entered(&world, "bo@example.org").await;
        fail(&world, "bo@example.org", Desk::default()).await;
        fail(&world, "nobody@example.org", Desk::default()).await;
        world.engine.sign_out(&bo.token).await.unwrap();
        entered(&world, "ada@example.org").await;
        fail(&world, "ada@example.org", Desk::default()).await;
        let below = [
            "signed-in bo by SubAdmin root/bo",
            "sign-in-failed bo by somebody",
            "signed-out bo by SubAdmin root/bo",
        ];
        assert_eq!(seen(&world, "kim").await, below, "its scope, and nobody above");
        assert_eq!(seen(&world, "ada").await, [&below[..], &["signed-in ada by SubAdmin root/ada", "sign-in-failed ada by somebody"]].concat());

        let trail = read_trail(world.engine.store(), &Search::default(), None, 100).await.unwrap();
        let stranger = trail.entries.iter().find(|e| e.record.action == "sign-in-failed" && e.record.name.is_none());
        let after = stranger.unwrap().record.after.clone().unwrap().to_string();
        assert!(after.contains(&world.engine.link_key().personal("nobody@example.org")), "{after}");
        for entry in &trail.entries {
            let text = format!("{entry:?}");
            assert!(!text.contains("example.org") && !text.contains(bo.token.expose()) && !text.contains(PASSWORD), "{text}");
        }
        let rows = if world.url.starts_with("sqlite") {
            "SELECT group_concat(digest || via) || (SELECT group_concat(slot) FROM throttle) FROM session"
        } else {
            "SELECT string_agg(digest || via, ',') || (SELECT string_agg(slot, ',') FROM throttle) FROM session"
        };
        assert!(!world.by_hand(rows).await.unwrap().contains('@'));
    }
}

on_both! {
    async fn r11_invented_addresses_are_told_so_many_times_and_then_only_counted(world) {
        fill(&mut world, PASSWORD).await;
        fail(&world, "nobody@example.org", Desk::default()).await;
        let count = "SELECT CAST(count(*) AS TEXT) FROM audit WHERE action = 'sign-in-failed'";
        assert_eq!(world.by_hand(count).await.as_deref(), Some("1"));
        let ahead = ago(&world, SignedDuration::from_hours(-24)).await;
        world.by_hand(&format!("UPDATE throttle SET forgotten_at = '{ahead}' WHERE slot = 'strangers'")).await;
        let store = world.engine.store();
        let mut work = vec![];
        for email in ["nobody@example.org", "kim@example.org"] {
            let before = (store.statements(), store.writes());
            assert_eq!(fail(&world, email, Desk::default()).await, "refused");
            work.push((store.statements() - before.0, store.writes() - before.1));
        }
        assert_eq!(work[0], work[1], "the same work");
        assert_eq!(world.by_hand(count).await.as_deref(), Some("2"), "kim's alone");
    }
}

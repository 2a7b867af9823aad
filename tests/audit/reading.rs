//! Who may see what of the trail (R4, R5, and the right Manage Audit Logs of
//! the sub-administrator document), and that reading stays bounded.

use crate::world::{ACME, all_ready};
use crate::{Place, entry, on_both_raw};
use tenantry::app::{Reader, read_trail};
use tenantry::domain::audit::Actor;
use tenantry::domain::audit::reading::{SIGNED_IN, SIGNED_OUT};
use tenantry::domain::object::{Kind, ObjectKey};
use tenantry::domain::verdict::{Reason, Refusal};
use tenantry::store::Access;
use tenantry::store::audit::Entry;
use tenantry::store::trail::Search;
use uuid::Uuid;

const PEOPLE: &str = "
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}, managedByRef: {name: ada}}
---
kind: Tenant
metadata: {namespace: root, name: hill}
spec: {parentRef: {name: north}, managedByRef: {name: ada}}
---
kind: Tenant
metadata: {namespace: root, name: south}
spec: {parentRef: {name: acme}, managedByRef: {name: ada}}
---
kind: SubAdmin
metadata: {namespace: root, name: sue}
spec: {tenantRef: {name: north}, managedByRef: {name: ada}, username: sue, email: sue@example.org, tier: SuperAdmin}
---
kind: SubAdmin
metadata: {namespace: root, name: kim}
spec: {tenantRef: {name: north}, managedByRef: {name: sue}, username: kim, email: kim@example.org, tier: Admin, capabilities: {from: List, names: [ManageUsers, ManageUserGroups, ManageAuditLogs]}}
---
kind: SubAdmin
metadata: {namespace: root, name: nils}
spec: {tenantRef: {name: north}, managedByRef: {name: sue}, username: nils, email: nils@example.org, tier: Admin, capabilities: {from: List, names: [ManageAuditLogs]}, manageableScope: {from: List, groups: [night]}}
---
kind: SubAdmin
metadata: {namespace: root, name: bo}
spec: {tenantRef: {name: north}, managedByRef: {name: kim}, username: bo, email: bo@example.org, groups: [night]}
---
kind: SubAdmin
metadata: {namespace: root, name: hal}
spec: {tenantRef: {name: hill}, managedByRef: {name: sue}, username: hal, email: hal@example.org}
---
kind: SubAdmin
metadata: {namespace: root, name: sam}
spec: {tenantRef: {name: south}, managedByRef: {name: ada}, username: sam, email: sam@example.org, tier: SuperAdmin}";

async fn account(place: &Place, name: &str) -> (Uuid, Uuid) {
    let mut tx = place.engine().store().begin(Access::Read).await.unwrap();
    let account = tx.account_named(name).await.unwrap().unwrap().account;
    (account.id, account.tenant)
}

async fn session(place: &Place, name: &str, action: &'static str) {
    let (id, tenant) = account(place, name).await;
    let key = ObjectKey::new(Kind::SubAdmin, "root", name);
    let actor = Actor::account(id, tenant, Some(&key));
    place
        .append(&Entry {
            actor,
            key: Some(key),
            account: Some(id),
            tenant: Some(tenant),
            before: None,
            after: None,
            ..entry(action)
        })
        .await;
}

async fn fill(place: &mut Place) {
    all_ready(&place.world.apply(ACME).await);
    all_ready(&place.world.apply(PEOPLE).await);
    for name in ["ada", "sue", "kim", "nils", "bo", "hal", "sam"] {
        session(place, name, SIGNED_IN).await;
    }
    session(place, "bo", SIGNED_OUT).await;
}

async fn reader(place: &Place, name: &str) -> Result<Reader, Refusal> {
    Reader::named(place.engine().store(), name).await.unwrap().unwrap()
}

/// `actor action name` of what an account may see.
async fn seen(place: &Place, name: &str, search: &Search) -> Vec<String> {
    let reader = reader(place, name).await.unwrap();
    let trail = read_trail(place.engine().store(), search, Some(&reader), 1000).await.unwrap();
    assert!(!trail.cut && trail.looked_at.is_none());
    let line = |e: &tenantry::store::trail::Listed| {
        let actor = e.record.actor.trim_start_matches("SubAdmin root/");
        format!("{actor} {} {}", e.record.action, e.record.name.as_deref().unwrap())
    };
    trail.entries.iter().map(line).collect()
}

on_both_raw! {
    async fn r11_manage_audit_logs_shows_own_administrative_events_and_the_sign_ins_of_the_scope(mut place) {
        fill(&mut place).await;
        assert_eq!(seen(&place, "kim", &Search::default()).await, [
            "kim created bo",
            "sue signed-in sue", "kim signed-in kim", "nils signed-in nils", "bo signed-in bo", "hal signed-in hal",
            "bo signed-out bo",
        ]);
        // Its scope is a group: only the bearers of that, and itself.
        assert_eq!(seen(&place, "nils", &Search::default()).await, [
            "nils signed-in nils", "bo signed-in bo", "bo signed-out bo",
        ]);
        let narrowed = Search { actions: Some(vec![SIGNED_OUT.to_owned(), "created".to_owned()]), ..Search::default() };
        assert_eq!(seen(&place, "kim", &narrowed).await, ["kim created bo", "bo signed-out bo"]);
        let (bo, _) = account(&place, "bo").await;
        let by = Search { actor_account: Some(bo), ..Search::default() };
        assert_eq!(seen(&place, "kim", &by).await, ["bo signed-in bo", "bo signed-out bo"]);
    }
}

on_both_raw! {
    async fn r4_a_super_admin_sees_its_tenant_and_below_and_never_who_is_above(mut place) {
        fill(&mut place).await;
        let all = [
            "another account created north", "another account created hill", "another account created sue",
            "sue created kim", "sue created nils", "kim created bo", "sue created hal",
            "sue signed-in sue", "kim signed-in kim", "nils signed-in nils", "bo signed-in bo", "hal signed-in hal",
            "bo signed-out bo",
        ];
        assert_eq!(seen(&place, "sue", &Search::default()).await, all);
        let by_ada = Search { actor: Some("SubAdmin root/ada".to_owned()), ..Search::default() };
        assert_eq!(seen(&place, "sue", &by_ada).await, [""; 0], "a filter tells no names either");
        assert_eq!(seen(&place, "ada", &by_ada).await.len(), 6);
        assert_eq!(
            seen(&place, "sam", &Search::default()).await,
            ["another account created south", "another account created sam", "sam signed-in sam"]
        );
        // Root sees everything of its tree, also what was in a tenant that is gone.
        let before = seen(&place, "ada", &Search::default()).await;
        place.world.delete(Kind::SubAdmin, "root", "hal").await;
        assert!(place.world.delete(Kind::Tenant, "root", "hill").await.finished);
        let mut after = before.clone();
        after.extend(["sue deleted hal".to_owned(), "ada deleted hill".to_owned()]);
        assert_eq!(seen(&place, "ada", &Search::default()).await, after);
        assert_eq!(seen(&place, "sue", &Search::default()).await.len(), all.len() + 2);
        assert_eq!(seen(&place, "sam", &Search::default()).await.len(), 3);
    }
}

on_both_raw! {
    async fn r5_under_individual_access_only_what_one_and_those_below_did_or_created(mut place) {
        fill(&mut place).await;
        all_ready(&place.world.apply(&PEOPLE.replace("tier: Admin, capabilities", "tier: Admin, individualAccess: true, capabilities")).await);
        let seen = seen(&place, "kim", &Search::default()).await;
        assert_eq!(seen, ["kim created bo", "kim signed-in kim", "bo signed-in bo", "bo signed-out bo", "kim updated bo"]);
    }
}

on_both_raw! {
    async fn r11_without_the_right_nothing_is_shown(mut place) {
        fill(&mut place).await;
        let refusal = reader(&place, "bo").await.unwrap_err();
        assert_eq!(refusal.reason, Reason::CapabilityMissing);
        assert!(refusal.message.contains("ManageAuditLogs"), "{}", refusal.message);
        assert!(Reader::named(place.engine().store(), "nobody").await.unwrap().is_none());
        place.world.apply(&PEOPLE.replace("username: kim,", "username: kim, enabled: false,")).await;
        assert_eq!(reader(&place, "kim").await.unwrap_err().reason, Reason::ManagerDisabled);
        place.world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, enabled: false}").await;
        assert_eq!(reader(&place, "sue").await.unwrap_err().reason, Reason::ManagerDisabled);
    }
}

on_both_raw! {
    async fn r11_filters_narrow_and_the_newest_come_last(mut place) {
        fill(&mut place).await;
        let store = place.engine().store();
        let listed = async |search: Search, limit: usize| {
            let trail = read_trail(store, &search, None, limit).await.unwrap();
            let names: Vec<_> = trail.entries.iter().map(|e| format!("{} {}", e.record.action, e.record.name.as_deref().unwrap())).collect();
            (names, trail.cut)
        };
        let (_, hill) = account(&place, "hal").await;
        let key = |name| Some(ObjectKey::new(Kind::SubAdmin, "root", name));
        let all = listed(Search::default(), 1000).await;
        assert_eq!((all.0.len(), all.1), (19, false));
        let newest = listed(Search::default(), 2).await;
        assert_eq!(newest, (vec!["signed-in sam".to_owned(), "signed-out bo".to_owned()], true));
        assert_eq!(listed(Search { tenant: Some(hill), ..Search::default() }, 9).await.0, ["created hill", "created hal", "signed-in hal"]);
        assert_eq!(listed(Search { object: key("kim"), ..Search::default() }, 9).await.0, ["created kim", "signed-in kim"]);
        assert_eq!(listed(Search { actor: Some("platform".to_owned()), ..Search::default() }, 9).await.0, ["created acme", "created ada"]);
        let both = Search { object: key("hal"), tenant: Some(hill), actions: Some(vec!["created".to_owned()]), ..Search::default() };
        assert_eq!(listed(both, 9).await.0, ["created hal"]);
        let now = store.begin(Access::Read).await.unwrap().now();
        let hour = jiff::SignedDuration::from_hours(1);
        assert_eq!(listed(Search { since: Some(now + hour), ..Search::default() }, 99).await.0.len(), 0);
        assert_eq!(listed(Search { until: Some(now - hour), ..Search::default() }, 99).await.0.len(), 0);
        assert_eq!(listed(Search { since: Some(now - hour), until: Some(now + hour), ..Search::default() }, 99).await.0.len(), 19);
    }
}

on_both_raw! {
    async fn r11_reading_costs_a_bounded_number_of_statements(mut place) {
        fill(&mut place).await;
        for _ in 0..20 {
            for name in ["bo", "hal", "kim"] {
                session(&place, name, SIGNED_IN).await;
            }
        }
        let reader = reader(&place, "kim").await.unwrap();
        let store = place.engine().store();
        let before = store.statements();
        let trail = read_trail(store, &Search::default(), Some(&reader), 1000).await.unwrap();
        assert_eq!(trail.entries.len(), 67);
        assert!(store.statements() - before <= 12, "{}", store.statements() - before);

        // Thousands of entries are read page by page, each one once.
        place.append_many(1_300).await;
        let trail = read_trail(store, &Search::default(), None, 1_250).await.unwrap();
        assert!(trail.cut && trail.entries.len() == 1_250);
        let places: Vec<_> = trail.entries.iter().map(tenantry::store::trail::Listed::place).collect();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

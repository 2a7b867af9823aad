//! What the trail says of each change: who, what, before and after; and that
//! nobody's personal values are in it.

use std::collections::BTreeMap;

use crate::world::{ACME, all_ready};
use crate::{Place, on_both_raw};
use tenantry::domain::object::Kind;
use tenantry::store::Access;
use tenantry::store::trail::{Listed, Search};

/// Entries so far, oldest first.
async fn trail(place: &Place) -> Vec<Listed> {
    let mut tx = place.engine().store().begin(Access::Read).await.unwrap();
    let mut entries = tx.trail(&Search::default(), None, 10_000).await.unwrap();
    entries.reverse();
    entries
}

/// `actor action object` of everything after the first `skip` entries.
async fn told(place: &Place, skip: usize) -> Vec<String> {
    let line = |entry: &Listed| {
        let r = &entry.record;
        let object = [&r.kind, &r.name].map(|part| part.clone().unwrap_or_default()).join(" ");
        format!("{} {} {object}", r.actor, r.action)
    };
    trail(place).await.iter().skip(skip).map(line).collect()
}

const INSIDE: &str = "
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}, managedByRef: {name: ada}}
---
kind: Role
metadata: {namespace: root, name: operator}
spec: {tenantRef: {name: acme}, managedByRef: {name: ada}, permissions: {allow: [{resources: [device], operations: [view]}]}}
---
kind: SubAdmin
metadata: {namespace: root, name: kim}
spec: {tenantRef: {name: north}, managedByRef: {name: ada}, username: kim.larsen, email: kim@north.example, company: North Fleet Ltd, mobile: '+4712345678', tier: Admin}
---
kind: SubAdmin
metadata: {namespace: root, name: lee}
spec: {tenantRef: {name: north}, managedByRef: {name: kim}, username: lee.larsen, email: lee@north.example, tier: Basic}
---
kind: DeviceGrant
metadata: {namespace: root, name: fleet}
spec: {tenantRef: {name: acme}, managedByRef: {name: ada}, mode: Assign, to: {tenantRef: {name: north}}, devices: {deviceIds: [d1, d2]}}";

async fn fill(place: &mut Place) {
    all_ready(&place.world.apply(ACME).await);
    place.world.import(&[("d1", Some("/acme")), ("d2", Some("/acme"))]).await;
    all_ready(&place.world.apply(INSIDE).await);
}

on_both_raw! {
    async fn r11_whoever_answers_for_an_object_is_the_actor_from_its_creation_to_its_end(mut place) {
        fill(&mut place).await;
        assert_eq!(told(&place, 0).await, [
            "platform created Tenant acme",
            "platform created SubAdmin ada",
            "SubAdmin root/ada created Tenant north",
            "SubAdmin root/ada created Role operator",
            "SubAdmin root/ada created SubAdmin kim",
            "SubAdmin root/kim created SubAdmin lee",
            "SubAdmin root/ada created DeviceGrant fleet",
            "SubAdmin root/ada devices-moved DeviceGrant fleet",
        ]);
        let entries = trail(&place).await;
        let moved = entries.last().unwrap();
        assert_eq!(moved.record.after, Some(serde_json::json!({"given": 2, "returned": 0})));
        let account = entries[4].record.account.unwrap();
        assert_eq!(entries[5].record.actor_account, Some(account), "kim is one and the same");

        let so_far = entries.len();
        place.world.apply("
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}, managedByRef: {name: ada}, enabled: false}").await;
        place.world.delete(Kind::DeviceGrant, "root", "fleet").await;
        place.world.delete(Kind::Role, "root", "operator").await;
        place.world.delete(Kind::SubAdmin, "root", "kim").await;
        assert_eq!(told(&place, so_far).await, [
            "SubAdmin root/ada updated Tenant north",
            "SubAdmin root/ada devices-moved DeviceGrant fleet",
            "SubAdmin root/ada deleted DeviceGrant fleet",
            "SubAdmin root/ada deleted Role operator",
            "SubAdmin root/ada handed-over SubAdmin kim",
            "SubAdmin root/ada deleted SubAdmin kim",
        ]);
        let entries = trail(&place).await;
        let updated = &entries[so_far].record;
        let enabled = |state: &Option<serde_json::Value>| state.as_ref().unwrap()["enabled"].clone();
        assert_eq!((enabled(&updated.before), enabled(&updated.after)), (true.into(), false.into()));
        assert_eq!(updated.generation, Some(2));
        assert_eq!(entries[so_far + 4].record.before.as_ref().unwrap()["objects"], 1);
        assert!(entries.last().unwrap().record.after.is_none());
    }
}

on_both_raw! {
    async fn r11_every_setting_of_an_account_that_changes_is_told(mut place) {
        fill(&mut place).await;
        let kim = "
kind: SubAdmin
metadata: {namespace: root, name: kim}
spec: {tenantRef: {name: north}, managedByRef: {name: ada}, username: kim.larsen, email: EMAIL, company: North Fleet Ltd, mobile: '+4712345678', tier: Admin, MORE}";
        for (email, more) in [
            ("kim@south.example", "enabled: true"),
            ("kim@south.example", "activation: {locale: de}"),
            ("kim@south.example", "activation: {locale: de, expiresAfter: 24h}"),
            ("kim@south.example", "activation: {locale: de, expiresAfter: 24h}, deletionPolicy: Disable"),
            ("kim@south.example", "activation: {locale: de, expiresAfter: 24h}, deletionPolicy: Disable, groups: [night]"),
            ("kim@south.example", "activation: {locale: de, expiresAfter: 24h}, deletionPolicy: Disable, groups: [night], emailVerified: true"),
        ] {
            let before = trail(&place).await.len();
            place.world.apply(&kim.replace("EMAIL", email).replace("MORE", more)).await;
            let entries = trail(&place).await;
            assert_eq!(entries.len(), before + 1, "{more}");
            let record = &entries.last().unwrap().record;
            assert_ne!(record.before, record.after, "{more}");
        }
        let so_far = trail(&place).await.len();
        place.world.annotate(Kind::SubAdmin, "root", "kim", "resend-activation", "1");
        place.world.again(Kind::SubAdmin, "root", "kim").await;
        place.world.delete(Kind::SubAdmin, "root", "kim").await;
        let told = told(&place, so_far).await;
        assert_eq!(told, [
            "SubAdmin root/ada resent SubAdmin kim",
            "SubAdmin root/ada handed-over SubAdmin kim",
            "SubAdmin root/ada disabled SubAdmin kim",
        ]);
        let last = trail(&place).await.pop().unwrap().record;
        assert_eq!(last.after.unwrap()["enabled"], false);
    }
}

on_both_raw! {
    async fn r11_erasing_people_leaves_the_trail_whole_and_without_their_values(mut place) {
        fill(&mut place).await;
        place.seal().await;
        place.world.delete(Kind::SubAdmin, "root", "lee").await;
        place.world.apply("
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}, managedByRef: {name: ada}, deletionPolicy: Cascade, branding: {supportEmail: help@north.example}, mail: {from: 'North <post@north.example>', replyTo: reply@north.example}}").await;
        let report = place.world.delete(Kind::Tenant, "root", "north").await;
        let digest = report.impact_digest().unwrap().to_owned();
        place.world.annotate(Kind::Tenant, "root", "north", "confirm-delete", &digest);
        let so_far = trail(&place).await.len();
        place.world.again(Kind::Tenant, "root", "north").await;
        assert_eq!(told(&place, so_far).await[..2], [
            "SubAdmin root/ada deleted Tenant north",
            "SubAdmin root/ada cascaded SubAdmin kim",
        ]);
        let before = trail(&place).await.swap_remove(so_far).record.before.unwrap();
        assert_eq!(before["inside"], serde_json::json!({"tenants": 0, "accounts": 1, "devices": 2}));

        place.seal().await;
        let proved = place.prove().await;
        assert_eq!((proved.broken, proved.unsealed.count), (None, 0));
        let columns = place.columns().await;
        let mut counted = BTreeMap::new();
        for column in &columns {
            let values = place.look(format!("SELECT COALESCE(CAST({column} AS text), '') FROM audit")).await;
            let text = values.join("\n").to_lowercase();
            for secret in [
                "kim@north.example", "lee@north.example", "kim.larsen", "lee.larsen", "larsen",
                "north fleet", "4712345678", "help@north", "post@north", "reply@north", "ada@example.org", "@",
            ] {
                assert!(!text.contains(secret), "{column} holds {secret}: {text}");
            }
            counted.insert(column, text.len());
        }
        assert!(counted[&"before".to_owned()] > 500, "there was something to find: {counted:?}");
        assert_eq!(place.look("SELECT name FROM account").await, ["ada"], "the people are gone");
    }
}

on_both_raw! {
    async fn r11_moves_and_adoptions_are_told_as_such(mut place) {
        fill(&mut place).await;
        let so_far = trail(&place).await.len();
        place.world.apply("
kind: Tenant
metadata: {namespace: root, name: south}
spec: {parentRef: {name: acme}}
---
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: south}, managedByRef: {name: ada}, deletionPolicy: Retain}").await;
        place.world.delete(Kind::Tenant, "root", "north").await;
        all_ready(&place.world.apply("
kind: Tenant
metadata: {namespace: root, name: north, annotations: {tenantry.dev/adopt: 'true'}}
spec: {parentRef: {name: south}}").await);
        let told = told(&place, so_far).await;
        assert_eq!(told, [
            "platform created Tenant south",
            "SubAdmin root/ada moved Tenant north",
            "SubAdmin root/ada retained Tenant north",
            "platform adopted Tenant north",
        ]);
        let moved = trail(&place).await.swap_remove(so_far + 1).record;
        let path = |state: Option<serde_json::Value>| state.unwrap()["path"].clone();
        assert_eq!((path(moved.before), path(moved.after)), ("/acme/north".into(), "/acme/south/north".into()));
    }
}

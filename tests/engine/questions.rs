//! Questions about access, asked of what the engine has written.

use std::time::Duration;

use crate::fleet::{account, grant, lands, tenant, to_account, to_tenant};
use crate::on_both;
use crate::world::{ACME, World, all_ready};
use tenantry::domain::access::answer::{Effect, Ground};
use tenantry::domain::access::sections::SECTIONS;
use tenantry::domain::object::Kind::{DeviceGrant, Role, SubAdmin, Tenant};
use tenantry::engine::questions::{Answer, Ask, Asked, Questions, Words};
use tenantry::store::Access;

const VIEW: &str = "permissions: {allow: [{resources: [device], operations: [view]}]}";

fn asked(
    account: &str,
    operation: &str,
    resource: &str,
    device: Option<&str>,
    creator: Option<&str>,
) -> Asked {
    Asked::new(account, operation, resource, device, creator).unwrap()
}

fn questions(world: &World) -> Questions {
    Questions::new(world.engine.store().clone())
}

async fn device(world: &World, account: &str, device: &str) -> Answer {
    let asked = asked(account, "view", "device", Some(device), None);
    let answer = questions(world).ask(&asked).await.unwrap();
    assert_eq!(questions(world).check(&asked).await.unwrap(), answer.clone().into());
    answer
}

async fn sees(world: &World, account: &str, id: &str) -> bool {
    device(world, account, id).await.allowed
}

async fn section(world: &World, account: &str, section: &str, creator: Option<&str>) -> Answer {
    let asked = asked(account, "view", section, None, creator);
    let answer = questions(world).ask(&asked).await.unwrap();
    assert_eq!(questions(world).check(&asked).await.unwrap(), answer.clone().into());
    answer
}

async fn after(world: &World, seconds: i64) -> jiff::Timestamp {
    let now = world.engine.store().begin(Access::Read).await.unwrap().now();
    now + jiff::SignedDuration::from_secs(seconds)
}

async fn until(world: &World, time: jiff::Timestamp) {
    while after(world, 0).await < time {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

on_both! {
    async fn an_answer_names_every_object_with_its_generation_and_the_revision_of_a_role(world) {
        lands(&mut world).await;
        all_ready(&world.apply(&format!("
kind: Role
metadata: {{namespace: root, name: operator}}
spec: {{tenantRef: {{name: acme}}, {VIEW}}}")).await);
        all_ready(&world.apply(&account("kim", "acme", "roles: [{name: operator}]")).await);
        all_ready(&world.apply(&account("kim", "acme", "roles: [{name: operator}], company: ACME")).await);
        world.import(&[("d1", Some("/acme"))]).await;

        let answer = device(&world, "KIM@example.org", "d1").await;
        assert_eq!((answer.allowed, answer.active, answer.reason), (true, false, Ground::AllowedByRole));
        let sees = answer.steps[0].object.as_ref().unwrap();
        assert_eq!((answer.steps[0].effect, sees.name.as_str(), sees.generation), (Effect::Shows, "acme", Some(1)));
        let step = answer.steps.iter().find(|step| step.effect == Effect::Allows).unwrap();
        let role = step.object.as_ref().unwrap();
        assert_eq!((role.name.as_str(), role.generation), ("operator", Some(1)));
        let revision = world.by_hand("SELECT revision FROM role").await;
        assert_eq!(role.revision, revision);

        let nobody = device(&world, "nobody", "d1").await;
        assert_eq!((nobody.allowed, nobody.active, nobody.reason), (false, false, Ground::UnknownAccount));
        let unknown = device(&world, "kim", "d2").await;
        assert_eq!(unknown.reason, Ground::DeviceNotVisible);
    }
}

on_both! {
    async fn what_is_not_there_is_told_apart_from_what_is_out_of_sight_for_whoever_may_know(world) {
        lands(&mut world).await;
        all_ready(&world.apply(&account("kim", "north", VIEW)).await);
        all_ready(&world.apply(&account("off", "north", "enabled: false")).await);
        all_ready(&world.apply(&account("sue", "south", "")).await);
        world.import(&[("d1", Some("/acme/north")), ("d2", Some("/acme/south"))]).await;
        let expected = [
            (("kim", "view", "device/d1", None), "AllowedByAccount"),
            (("kim", "view", "device/d2", None), "DeviceNotVisible"),
            (("kim", "view", "device/d3", None), "UnknownDevice"),
            (("off", "view", "device/d3", None), "UnknownDevice"),
            (("off", "view", "device/d1", None), "AccountDisabled"),
            (("kmi", "view", "device/d1", None), "UnknownAccount"),
            (("kim", "view", "cameras.archive", Some("sue")), "CreatorNotVisible"),
            (("kim", "view", "cameras.archive", Some("seu")), "UnknownAccount"),
            (("kim", "ManageUsers", "subadmin/root/sue", None), "OutOfScope"),
            (("kim", "ManageUsers", "subadmin/root/seu", None), "UnknownObject"),
            (("kmi", "ManageUsers", "subadmin/root/sue", None), "UnknownAccount"),
            (("kim", "ManageUserGroups", "group/root/south/new", None), "OutOfScope"),
            (("kim", "ManageUserGroups", "group/root/suoth/new", None), "UnknownObject"),
        ];
        let asks = expected.map(|((account, operation, resource, creator), _)| {
            Ask::read(Words { account, operation, resource, creator, source: None }).unwrap()
        });
        let judged = questions(&world).judge_all(&asks).await.unwrap();
        for (judged, (ask, reason)) in judged.iter().zip(expected) {
            let found = judged.as_ref().map_or_else(|unknown| unknown.reason(), |said| said.reason);
            assert_eq!(found, reason, "{ask:?}: {judged:?}");
        }
    }
}

on_both! {
    async fn a_question_is_one_statement_in_a_small_world_and_in_a_large_one(world) {
        lands(&mut world).await;
        all_ready(&world.apply(&account("kim", "acme", VIEW)).await);
        world.import(&[("d1", Some("/acme"))]).await;
        let all = [
            asked("kim", "view", "device", Some("d1"), None),
            asked("kim@example.org", "view", "device", None, None),
            asked("kim", "view", "device", Some("d1"), Some("ada@example.org")),
            asked("nobody", "view", "device", Some("d2"), Some("nobody")),
        ];
        for large in [false, true] {
            if large {
                let mut above = "north".to_owned();
                for n in 0..6 {
                    all_ready(&world.apply(&tenant(&format!("deep-{n}"), &above, "")).await);
                    all_ready(&world.apply(&account(&format!("a{n}"), &format!("deep-{n}"), "groups: [field]")).await);
                    above = format!("deep-{n}");
                    let to = format!("{{subAdminRefs: [{{name: a{n}}}, {{name: kim}}]}}");
                    all_ready(&world.apply(&grant(&format!("g{n}"), "acme", "Share", &to, "{all: true}", VIEW)).await);
                }
                let ids: Vec<String> = (0..300).map(|n| format!("many-{n}")).collect();
                let devices: Vec<(&str, Option<&str>)> = ids.iter().map(|id| (id.as_str(), Some("/acme"))).collect();
                world.import(&devices).await;
                world.settle().await;
            }
            for asked in &all {
                let before = world.engine.store().statements();
                questions(&world).ask(asked).await.unwrap();
                questions(&world).check(asked).await.unwrap();
                assert_eq!(world.engine.store().statements() - before, 2, "{asked:?} large: {large}");
            }
            let before = world.engine.store().statements();
            assert_eq!(questions(&world).ask_all(&all).await.unwrap().len(), all.len());
            let sent = world.engine.store().statements() - before;
            assert_eq!(sent, all.len() as u64 + 1, "the clock, and one for each");
        }
    }
}

on_both! {
    async fn what_time_has_ended_is_ended_for_every_question_though_no_controller_runs(world) {
        lands(&mut world).await;
        all_ready(&world.apply(&account("kim", "north", VIEW)).await);
        all_ready(&world.apply(&account("lee", "north", VIEW)).await);
        all_ready(&world.apply(&account("max", "south", VIEW)).await);
        world.import(&[("d1", Some("/acme")), ("d2", Some("/acme")), ("d3", Some("/acme"))]).await;
        let end = after(&world, 4).await;
        let times = format!("expiresAt: '{end}'");
        all_ready(&world.apply(&to_tenant("a", "acme", "north", "{deviceIds: [d1]}", &times)).await);
        all_ready(&world.apply(&to_account("b", "north", "kim", "{deviceIds: [d1]}", "")).await);
        all_ready(&world.apply(&to_tenant("c", "acme", "north", "{deviceIds: [d2]}", &format!("{times}, reclaim: Retain"))).await);
        all_ready(&world.apply(&grant("s", "acme", "Share", "{subAdminRefs: [{name: max}]}", "{deviceIds: [d3]}", &format!("{VIEW}, {times}"))).await);
        // What north shares goes with the device.
        all_ready(&world.apply(&grant("t", "north", "Share", "{subAdminRefs: [{name: lee}]}", "{deviceIds: [d1]}", VIEW)).await);
        let before = [sees(&world, "kim", "d1").await, sees(&world, "lee", "d1").await, sees(&world, "lee", "d2").await, sees(&world, "max", "d3").await];
        if after(&world, 0).await < end {
            assert_eq!(before, [true; 4]);
        }
        until(&world, end).await;
        let held = world.holders().await;
        assert_eq!((held["d1"].as_str(), held["d2"].as_str()), ("/acme/north:kim", "/acme/north"), "no pass has run");
        assert_eq!([sees(&world, "kim", "d1").await, sees(&world, "lee", "d1").await, sees(&world, "lee", "d2").await, sees(&world, "max", "d3").await], [false, false, true, false]);
        assert!(sees(&world, "ada", "d1").await, "it has returned to acme");
        let answer = device(&world, "max", "d3").await;
        let step = answer.steps.iter().find(|step| step.effect == Effect::Ignored).unwrap();
        assert_eq!(step.object.as_ref().unwrap().name, "s");
        assert!(step.message.contains(" has had no effect since ") || step.message.contains(" has no effect before "), "{answer:?}");
        let all = questions(&world).ask_all(&[asked("kim", "view", "device", Some("d1"), None)]).await.unwrap();
        assert_eq!(all, [device(&world, "kim", "d1").await], "a batch says the same");
        // A pass comes to the same, and the answers stay.
        for name in ["a", "c", "s"] {
            world.again(tenantry::domain::object::Kind::DeviceGrant, "root", name).await;
        }
        assert_eq!([sees(&world, "kim", "d1").await, sees(&world, "lee", "d1").await, sees(&world, "lee", "d2").await, sees(&world, "max", "d3").await], [false, false, true, false]);
    }
}

on_both! {
    async fn r5_each_section_of_the_table_shows_an_administrator_its_own_and_what_those_below_created(world) {
        all_ready(&world.apply(ACME).await);
        let sections = SECTIONS.join(", ");
        let rights = format!("permissions: {{allow: [{{resources: [{sections}, provisioning], operations: [view]}}]}}");
        all_ready(&world.apply(&account("na", "acme", &format!("tier: Admin, individualAccess: true, managedByRef: {{name: ada}}, {rights}"))).await);
        all_ready(&world.apply(&account("below", "acme", "managedByRef: {name: na}")).await);
        all_ready(&world.apply(&account("colleague", "acme", "managedByRef: {name: ada}")).await);
        for name in SECTIONS {
            let about = section(&world, "na", name, None).await;
            assert!(about.allowed && about.filtered, "{name}: {about:?}");
            assert!(about.message.contains("only what the account or accounts below it created"), "{name}");
            for own in ["na", "below"] {
                assert!(section(&world, "na", name, Some(own)).await.allowed, "{name} {own}");
            }
            let strange = section(&world, "na", name, Some("colleague")).await;
            assert_eq!(strange.reason, Ground::IndividualAccess, "{name}");
        }
        let other = section(&world, "na", "provisioning", None).await;
        assert!(other.allowed && !other.filtered, "{other:?}");
        assert!(section(&world, "na", "provisioning", Some("colleague")).await.allowed);
        assert_eq!(section(&world, "na", "complaints.other", None).await.reason, Ground::NotAllowed);

        all_ready(&world.apply(&account("na", "acme", &format!("tier: Admin, individualAccess: false, managedByRef: {{name: ada}}, {rights}"))).await);
        for name in SECTIONS {
            let about = section(&world, "na", name, None).await;
            assert!(about.allowed && !about.filtered, "{name}: {about:?}");
            assert!(section(&world, "na", name, Some("colleague")).await.allowed, "{name}");
        }
    }
}

on_both! {
    async fn r5_an_explanation_says_where_individual_access_comes_from(world) {
        all_ready(&world.apply(ACME).await);
        world.import(&[("d1", Some("/acme"))]).await;
        all_ready(&world.apply("
kind: Role
metadata: {namespace: root, name: own}
spec: {tenantRef: {name: acme}, individualAccess: true, permissions: {allow: [{resources: [device, cameras.archive], operations: [view]}]}}").await);
        let rules = "permissions: {allow: [{resources: [device, cameras.archive], operations: [view]}]}";
        all_ready(&world.apply(&account("na", "acme", "tier: Admin, roles: [{name: own}], managedByRef: {name: ada}")).await);
        all_ready(&world.apply(&account("below", "acme", &format!("managedByRef: {{name: na}}, {rules}"))).await);
        all_ready(&world.apply(&account("boss", "acme", &format!("individualAccess: true, {rules}"))).await);
        all_ready(&world.apply(&account("free", "acme", rules)).await);
        for (who, kind, name, words) in [
            ("na", Role, "own", "its Role root/own has it on"),
            ("below", SubAdmin, "na", "its manager SubAdmin root/na is under it"),
            ("boss", SubAdmin, "boss", "spec.individualAccess of the account is true"),
        ] {
            let hidden = device(&world, who, "d1").await;
            assert_eq!(hidden.reason, Ground::IndividualAccess, "{who}");
            let narrowed = section(&world, who, "cameras.archive", None).await;
            assert!(narrowed.filtered, "{who}");
            for (answer, effect) in [(hidden, Effect::Denies), (narrowed, Effect::Shows)] {
                let step = answer.steps.last().unwrap();
                let object = step.object.as_ref().unwrap();
                assert_eq!((&*step.rule, step.effect, object.kind, &*object.name), ("R5", effect, kind, name), "{answer:?}");
                assert!(object.generation == Some(1) && step.message.contains(words), "{step:?}");
            }
            // Where it does not matter it is not told.
            let other = section(&world, who, "provisioning", None).await;
            assert!(other.steps.iter().all(|step| step.rule != "R5"), "{other:?}");
        }
        assert!(device(&world, "free", "d1").await.steps.iter().all(|step| step.rule != "R5"));
    }
}

on_both! {
    async fn what_is_kept_at_hand_follows_every_change_of_what_it_is_made_from(world) {
        lands(&mut world).await;
        world.import(&[("d1", Some("/acme")), ("d2", Some("/acme"))]).await;
        let role = |operations: &str| format!("
kind: Role
metadata: {{namespace: root, name: operator}}
spec: {{tenantRef: {{name: acme}}, propagation: Immediate, permissions: {{allow: [{{resources: [device], operations: [{operations}]}}]}}}}");
        let boss = |more: &str| account("boss", "acme", &format!("tier: SuperAdmin, managedByRef: {{name: ada}}, {more}"));
        let share = |to: &str, more: &str| grant("s", "acme", "Share", to, "{deviceIds: [d1]}", &format!("{VIEW}, {more}"));
        let listed = "manageableScope: {from: List, tenants: [{name: north}], groups: [field]}";
        let steps: Vec<(String, [bool; 3])> = vec![
            (role("view"), [false, false, false]),
            (boss(""), [false, true, false]),
            (account("kim", "north", "roles: [{name: operator}], managedByRef: {name: boss}"), [false, true, false]),
            (to_account("a", "acme", "kim", "{deviceIds: [d1]}", ""), [true, true, false]),
            (role("operate"), [true, true, false]),
            (role("view"), [true, true, false]),
            (boss(listed), [true, true, false]),
            (account("lee", "acme", "tier: Admin, groups: [field]"), [true, true, false]),
            (share("{groups: [field]}", "managedByRef: {name: boss}"), [true, true, true]),
            (account("lee", "acme", "tier: Admin, groups: []"), [true, true, false]),
            (share("{subAdminRefs: [{name: lee}]}", ""), [true, true, true]),
            (tenant("north", "south", ""), [true, true, true]),
            (tenant("south", "acme", "enabled: false"), [false, true, true]),
            (tenant("south", "acme", "enabled: true"), [true, true, true]),
            (boss("individualAccess: true"), [true, true, true]),
            (account("kim", "north", "roles: [{name: operator}], managedByRef: {name: ada}"), [true, false, true]),
        ];
        for (document, expected) in steps {
            world.apply(&document).await;
            // Each of them is asked in both ways, which must agree.
            let sees = [sees(&world, "kim", "d1").await, sees(&world, "boss", "d1").await, sees(&world, "lee", "d1").await];
            section(&world, "kim", "device", None).await;
            section(&world, "lee", "reports.users", None).await;
            assert_eq!(sees, expected, "{document}");
        }
        for (kind, name) in [(Role, "operator"), (SubAdmin, "kim"), (DeviceGrant, "s"), (SubAdmin, "boss"), (Tenant, "south")] {
            world.delete(kind, "root", name).await;
            for who in ["ada", "boss", "kim", "lee"] {
                device(&world, who, "d1").await;
                section(&world, who, "device", None).await;
            }
        }
    }
}

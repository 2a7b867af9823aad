//! Handing on rights: an account gives what it was given its devices with, and
//! nothing beyond that (R2).

use crate::fleet::{account, counts, grant, holder, said, tenant, to_account, why};
use crate::on_both;
use crate::world::{ACME, World, all_ready};
use tenantry::domain::object::Kind::DeviceGrant;
use tenantry::engine::questions::{Asked, Questions};

const BY_ANNA: &str = "managedByRef: {name: anna}";

fn rules(effect: &str, operations: &str) -> String {
    format!("permissions: {{{effect}: [{{resources: [device], operations: {operations}}}]}}")
}

async fn may(world: &World, account: &str, operation: &str, device: &str) -> bool {
    let asked = Asked::new(account, operation, "device", Some(device), None).unwrap();
    Questions::new(world.engine.store().clone()).ask(&asked).await.unwrap().allowed
}

/// An Admin without rules of its own, and somebody below it.
async fn staff(world: &mut World) {
    all_ready(&world.apply(ACME).await);
    all_ready(&world.apply(&account("anna", "acme", "tier: Admin, managedByRef: {name: ada}")).await);
    all_ready(&world.apply(&account("bob", "acme", BY_ANNA)).await);
    world.import(&[("d1", Some("/acme")), ("d2", Some("/acme")), ("d3", Some("/acme"))]).await;
}

on_both! {
    async fn r2_an_account_hands_devices_on_with_what_it_may_do_with_them_in_every_order(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(&account("anna", "acme", "tier: Admin, managedByRef: {name: ada}")).await);
        all_ready(&world.apply(&account("bob", "acme", BY_ANNA)).await);
        for (case, order) in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].into_iter().enumerate() {
            for written in ["", "permissions: {allow: [{resources: [device], operations: [view]}]}"] {
                let device = format!("d{case}{}", written.len());
                let devices = format!("{{deviceIds: [{device}]}}");
                let (hub, hand) = (format!("hub-{device}"), format!("hand-{device}"));
                let steps = [
                    None,
                    Some(to_account(&hub, "acme", "anna", &devices, "managedByRef: {name: ada}")),
                    Some(to_account(&hand, "acme", "bob", &devices, &format!("{BY_ANNA}, {written}"))),
                ];
                for step in order {
                    match &steps[step] {
                        None => {
                            world.import(&[(&device, Some("/acme"))]).await;
                            world.settle().await;
                        }
                        Some(document) => drop(world.apply(document).await),
                    }
                }
                let what = format!("{order:?} {written}");
                assert_eq!((why(&world, &hub).await, why(&world, &hand).await), ("Reconciled".into(), "Reconciled".into()), "{what}");
                assert!(may(&world, "bob", "view", &device).await, "{what}");
                assert_eq!(may(&world, "bob", "manage", &device).await, written.is_empty(), "{what}");
                // What it was given is lost, and with it what was handed on.
                world.delete(DeviceGrant, "root", &hub).await;
                assert!(!may(&world, "bob", "view", &device).await, "{what}");
                if !written.is_empty() {
                    assert_eq!(why(&world, &hand).await, "AuthorityLost", "{what}");
                    assert_eq!((holder(&world, &device).await, counts(&world, &hand).await), ("/acme".into(), [0, 0, 0]), "{what}");
                }
                world.delete(DeviceGrant, "root", &hand).await;
            }
        }
    }
}

on_both! {
    async fn r2_nobody_hands_on_more_than_what_the_devices_were_given_with(world) {
        staff(&mut world).await;
        let hub = |rules: &str| to_account("hub", "acme", "anna", "{deviceIds: [d1]}", rules);
        let hand = |rules: &str| to_account("hand", "acme", "bob", "{deviceIds: [d1]}", &format!("{BY_ANNA}, {rules}"));
        all_ready(&world.apply(&hub(&rules("allow", "[view, operate]"))).await);
        world.apply(&hand(&rules("allow", "[manage]"))).await;
        assert_eq!(why(&world, "hand").await, "ExceedsManager");
        assert!(said(&world, "hand").await.condition("Reconciling").unwrap().status);
        // More is given: what was refused heals without an edit of its own.
        world.apply(&hub(&rules("allow", "[view, operate, manage]"))).await;
        assert_eq!(why(&world, "hand").await, "Reconciled");
        assert!(may(&world, "bob", "manage", "d1").await);
        // Less is given: what was written stays, and says what it rests on no more.
        world.apply(&hub(&rules("allow", "[view]"))).await;
        assert_eq!(why(&world, "hand").await, "AuthorityLost");
        // Nothing was written: it follows what the giver may do.
        world.apply(&hand("")).await;
        assert_eq!(why(&world, "hand").await, "Reconciled");
        assert!(may(&world, "bob", "view", "d1").await && !may(&world, "bob", "manage", "d1").await);
        world.apply(&hub("permissions: {allow: [{resources: [device], operations: ['*']}], deny: [{resources: [device], operations: [view]}]}")).await;
        assert!(may(&world, "bob", "manage", "d1").await && !may(&world, "bob", "view", "d1").await);
        // The same for a Share of what it holds.
        let share = |operations: &str| {
            grant("own-share", "acme", "Share", "{subAdminRefs: [{name: bob}]}", "{deviceIds: [d1]}", &format!("{BY_ANNA}, {}", rules("allow", operations)))
        };
        world.delete(DeviceGrant, "root", "hand").await;
        world.apply(&share("[operate]")).await;
        assert_eq!(why(&world, "own-share").await, "Reconciled");
        world.apply(&share("[view]")).await;
        assert_eq!(why(&world, "own-share").await, "ExceedsManager", "it is denied to the giver itself");
    }
}

on_both! {
    async fn r2_of_several_devices_only_what_holds_for_all_of_them_is_handed_on(world) {
        staff(&mut world).await;
        all_ready(&world.apply(&to_account("one", "acme", "anna", "{deviceIds: [d1]}", &rules("allow", "[view, operate]"))).await);
        all_ready(&world.apply(&to_account("two", "acme", "anna", "{deviceIds: [d2]}", &rules("allow", "[view, manage]"))).await);
        let hand = |devices: &str, rules: &str| to_account("hand", "acme", "bob", devices, &format!("{BY_ANNA}, {rules}"));
        all_ready(&world.apply(&hand("{deviceIds: [d1, d2]}", "")).await);
        for (operation, allowed) in [("view", true), ("operate", false), ("manage", false)] {
            for device in ["d1", "d2"] {
                assert_eq!(may(&world, "bob", operation, device).await, allowed, "{operation} {device}");
            }
        }
        world.apply(&hand("{deviceIds: [d1, d2]}", &rules("allow", "[operate]"))).await;
        assert_eq!(why(&world, "hand").await, "ExceedsManager");
        all_ready(&world.apply(&hand("{deviceIds: [d1]}", &rules("allow", "[operate]"))).await);
        // What the tenant itself holds was given to nobody.
        world.apply(&hand("{deviceIds: [d1, d3]}", &rules("allow", "[operate]"))).await;
        assert_eq!(why(&world, "hand").await, "ExceedsManager");
        world.apply(&hand("{deviceIds: [d3]}", "")).await;
        assert!(!may(&world, "bob", "view", "d3").await);
    }
}

on_both! {
    async fn r4_a_strangers_device_changes_nothing_about_what_is_handed_on(world) {
        staff(&mut world).await;
        all_ready(&world.apply(&tenant("north", "acme", "")).await);
        world.import(&[("dx", Some("/acme/north"))]).await;
        all_ready(&world.apply(&to_account("hub", "acme", "anna", "{deviceIds: [d1]}", "")).await);
        let hand = |id: &str| to_account("hand", "acme", "bob", &format!("{{deviceIds: [d1, {id}]}}"), &format!("{BY_ANNA}, {}", rules("allow", "[view]")));
        for id in ["dx", "nothing"] {
            all_ready(&world.apply(&hand(id)).await);
            assert_eq!(counts(&world, "hand").await, [1, 1, 0], "{id}");
        }
    }
}

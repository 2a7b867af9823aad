//! Handing on: who gives, whatever the order in which grants are judged.

use crate::fleet::{account, aged, holder, lands, said, to_account, to_tenant, why};
use crate::on_both;
use crate::world::{ACME, World, all_ready};
use tenantry::domain::object::Kind::DeviceGrant;

async fn staff(world: &mut World) {
    all_ready(&world.apply(ACME).await);
    all_ready(&world.apply(&account("sam", "acme", "tier: SuperAdmin")).await);
    all_ready(&world.apply(&account("anna", "acme", "tier: Admin")).await);
    all_ready(&world.apply(&account("bob", "acme", "tier: Basic")).await);
}

/// Every order of so many things.
fn orders(things: usize) -> Vec<Vec<usize>> {
    if things == 0 {
        return vec![vec![]];
    }
    let shorter = orders(things - 1);
    let longer = shorter.iter().flat_map(|order| {
        (0..=order.len()).map(|at| {
            let mut order = order.clone();
            order.insert(at, things - 1);
            order
        })
    });
    longer.collect()
}

const AGES: [&str; 3] = ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"];

on_both! {
    async fn an_account_hands_on_what_it_was_assigned_in_every_order_of_import_and_grants(world) {
        staff(&mut world).await;
        let mut case = 0;
        for (turn, order) in orders(3).into_iter().enumerate() {
            for (hub, hand) in [("a-hub", "z-hand"), ("z-hub", "a-hand")] {
                // Of one age, and in turn with either the older one.
                for ages in [[0, 2], [[0, 1], [1, 0]][turn % 2]] {
                    case += 1;
                    let (hub, hand, device) = (format!("{hub}-{case}"), format!("{hand}-{case}"), format!("d{case:03}"));
                    let devices = format!("{{deviceIds: [{device}]}}");
                    let steps = [
                        None,
                        Some(aged(&to_account(&hub, "acme", "anna", &devices, ""), AGES[ages[0]])),
                        Some(aged(&to_account(&hand, "acme", "bob", &devices, "managedByRef: {name: anna}"), AGES[ages[1]])),
                    ];
                    for step in &order {
                        match &steps[*step] {
                            None => {
                                world.import(&[(&device, Some("/acme"))]).await;
                                world.settle().await;
                            }
                            Some(document) => drop(world.apply(document).await),
                        }
                    }
                    let what = format!("{order:?} {hub} {hand} {ages:?}");
                    assert_eq!(holder(&world, &device).await, "/acme:bob", "{what}");
                    for name in [&hub, &hand] {
                        assert_eq!(why(&world, name).await, "Reconciled", "{what}");
                        assert_eq!(said(&world, name).await.status["devices"]["applied"], 1, "{what}");
                    }
                    assert!(world.delete(DeviceGrant, "root", &hand).await.finished);
                    assert_eq!(holder(&world, &device).await, "/acme:anna", "{what}: it was hers to give");
                    assert!(world.delete(DeviceGrant, "root", &hub).await.finished);
                    assert_eq!(holder(&world, &device).await, "/acme", "{what}");
                }
            }
        }
    }
}

on_both! {
    async fn three_links_of_one_tenant_end_alike_in_every_order_of_judging(world) {
        staff(&mut world).await;
        // The import comes first, and in every second order last.
        for (case, mut order) in orders(3).into_iter().enumerate() {
            order.iter_mut().for_each(|step| *step += 1);
            order.insert(if case % 2 == 0 { 0 } else { 3 }, 0);
            let device = format!("d{case:03}");
            let devices = format!("{{deviceIds: [{device}]}}");
            let names = [format!("m{case}"), format!("z{case}"), format!("a{case}")];
            let steps = [
                None,
                Some(aged(&to_account(&names[0], "acme", "sam", &devices, ""), AGES[0])),
                Some(aged(&to_account(&names[1], "acme", "anna", &devices, "managedByRef: {name: sam}"), AGES[1])),
                Some(aged(&to_account(&names[2], "acme", "bob", &devices, "managedByRef: {name: anna}"), AGES[2])),
            ];
            for step in &order {
                match &steps[*step] {
                    None => {
                        world.import(&[(&device, Some("/acme"))]).await;
                        world.settle().await;
                    }
                    Some(document) => drop(world.apply(document).await),
                }
            }
            assert_eq!(holder(&world, &device).await, "/acme:bob", "{order:?}");
            for name in &names {
                assert_eq!(why(&world, name).await, "Reconciled", "{order:?} {name}");
            }
            assert!(world.delete(DeviceGrant, "root", &names[2]).await.finished);
            assert_eq!(holder(&world, &device).await, "/acme:anna", "{order:?}");
            assert!(world.delete(DeviceGrant, "root", &names[1]).await.finished);
            assert_eq!(holder(&world, &device).await, "/acme:sam", "{order:?}");
            assert!(world.delete(DeviceGrant, "root", &names[0]).await.finished);
        }
    }
}

on_both! {
    async fn of_two_grants_with_an_account_between_only_the_lowest_holds_while_nothing_joins_them(world) {
        staff(&mut world).await;
        world.import(&[("d1", Some("/acme"))]).await;
        let by_anna = aged(&to_account("by-anna", "acme", "bob", "{deviceIds: [d1]}", "managedByRef: {name: anna}"), AGES[0]);
        let to_sam = aged(&to_account("to-sam", "acme", "sam", "{deviceIds: [d1]}", ""), AGES[1]);
        world.apply(&to_sam).await;
        world.apply(&by_anna).await;
        assert_eq!((why(&world, "by-anna").await, why(&world, "to-sam").await), ("Reconciled".into(), "Conflict".into()));
        let joins = to_account("joins", "acme", "anna", "{deviceIds: [d1]}", "managedByRef: {name: sam}");
        world.apply(&joins).await;
        for name in ["to-sam", "joins", "by-anna"] {
            assert_eq!(why(&world, name).await, "Reconciled", "{name}");
        }
        assert_eq!(holder(&world, "d1").await, "/acme:bob");
    }
}

on_both! {
    async fn a_conflict_is_told_with_the_holder_and_by_age_then_name_and_the_next_takes_over(world) {
        lands(&mut world).await;
        world.import(&[("d1", Some("/acme")), ("d2", Some("/acme"))]).await;
        for name in ["c", "b", "a"] {
            let to = if name == "b" { "south" } else { "north" };
            world.apply(&aged(&to_tenant(name, "acme", to, "{deviceIds: [d1]}", ""), AGES[0])).await;
        }
        let waits = said(&world, "c").await;
        let ready = waits.condition("Ready").unwrap();
        assert_eq!(ready.reason.as_str(), "Conflict");
        assert!(ready.message.contains("claimed by DeviceGrant root/a,"), "{}", ready.message);
        assert_eq!(waits.status["refusedIds"][0]["id"], "d1");
        assert!(waits.condition("Reconciling").unwrap().status);
        world.delete(DeviceGrant, "root", "a").await;
        assert_eq!(holder(&world, "d1").await, "/acme/south");
        // The holder no longer names the device: that ends its claim as well.
        world.apply(&aged(&to_tenant("b", "acme", "south", "{deviceIds: [d2]}", ""), AGES[0])).await;
        assert_eq!(holder(&world, "d1").await, "/acme/north");
        assert_eq!(why(&world, "c").await, "Reconciled");
    }
}

on_both! {
    async fn a_tenant_hands_on_what_it_was_assigned_down_to_an_account_and_all_of_it_ends_with_the_first(world) {
        lands(&mut world).await;
        world.apply(&crate::fleet::tenant("deep", "north", "")).await;
        world.apply(&account("dora", "deep", "tier: Basic")).await;
        // Judged from the end of the chain: nothing is there to give yet.
        world.apply(&to_account("third", "deep", "dora", "{all: true}", "")).await;
        world.apply(&to_tenant("second", "north", "deep", "{deviceIds: [d1, d2]}", "")).await;
        world.apply(&to_tenant("first", "acme", "north", "{deviceIds: [d1, d2]}", "")).await;
        world.import(&[("d1", Some("/acme")), ("d2", Some("/acme"))]).await;
        world.settle().await;
        assert!(world.holders().await.values().all(|h| h == "/acme/north/deep:dora"));
        // A transfer in the middle carries both to the sibling and ends the rest.
        world.apply(&to_tenant("first", "acme", "south", "{deviceIds: [d1, d2]}", "")).await;
        assert!(world.holders().await.values().all(|h| h == "/acme/south"));
        world.apply(&to_tenant("first", "acme", "north", "{deviceIds: [d1, d2]}", "")).await;
        assert!(world.holders().await.values().all(|h| h == "/acme/north/deep:dora"), "there and back restores");
        world.delete(DeviceGrant, "root", "first").await;
        assert!(world.holders().await.values().all(|h| h == "/acme"));
        assert_eq!(crate::fleet::counts(&world, "second").await, [0, 2, 0]);
    }
}

on_both! {
    async fn a_transfer_carries_devices_from_one_sub_account_to_another_and_ends_what_was_handed_on(world) {
        staff(&mut world).await;
        let hub = |to: &str| {
            let document = to_account("hub", "acme", to, "{all: true}", "managedByRef: {name: sam}");
            aged(&document, "2026-01-01T00:00:00Z")
        };
        all_ready(&world.apply(&account("arno", "acme", "tier: Admin")).await);
        world.import(&[("d1", Some("/acme")), ("d2", Some("/acme"))]).await;
        all_ready(&world.apply(&hub("anna")).await);
        all_ready(&world.apply(&to_account("hand", "acme", "bob", "{deviceIds: [d1]}", "managedByRef: {name: anna}")).await);
        assert_eq!(holder(&world, "d1").await, "/acme:bob");
        world.apply(&hub("arno")).await;
        assert!(world.holders().await.values().all(|h| h == "/acme:arno"), "{:?}", world.holders().await);
        // The tenant has given the device already, and she has nothing to give.
        assert_eq!(why(&world, "hand").await, "Conflict");
    }
}

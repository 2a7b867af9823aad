//! What is sealed can be proved, and nothing about it can be changed without
//! the key unnoticed.

use crate::{Place, Raw, entry, on_both_raw};
use tenantry::domain::audit::Fault;
use tenantry::engine::prove;

const ENTRIES: usize = 5;

impl Place {
    async fn filled(&self) {
        self.append_many(ENTRIES).await;
        assert_eq!(self.seal().await, ENTRIES);
        assert_eq!(self.prove().await.broken, None);
        self.tamper("CREATE TABLE kept AS SELECT * FROM audit").await;
        self.tamper("CREATE TABLE kept_head AS SELECT * FROM setting WHERE name = 'audit-head'").await;
    }

    async fn restore(&self) {
        self.tamper("DELETE FROM audit").await;
        self.tamper("INSERT INTO audit SELECT * FROM kept").await;
        self.tamper("DELETE FROM setting WHERE name = 'audit-head'").await;
        self.tamper("INSERT INTO setting SELECT * FROM kept_head").await;
        assert_eq!(self.prove().await.broken, None, "restored");
    }

    /// Another value for a column.
    fn other(&self, column: &str) -> &'static str {
        let postgres = matches!(self.raw, Raw::Postgres(_));
        match column {
            "id" | "tenant_id" | "actor_account" | "actor_tenant" | "account_id" => {
                "'00000000-0000-0000-0000-0000000000ff'"
            }
            "sequence" | "appended" => "1000",
            "generation" => "5",
            "at" if postgres => "at + interval '1 second'",
            "at" => "'2001-01-01T00:00:00Z'",
            "before" | "after" => "'{\"tier\": \"Root\"}'",
            "actor" | "action" | "kind" | "namespace" | "name" => "'x'",
            "digest" => "'00'",
            other => panic!("a new column {other}: is it in the digest?"),
        }
    }
}

on_both_raw! {
    async fn r11_every_column_of_a_sealed_entry_is_proved(place) {
        place.filled().await;
        let columns = place.columns().await;
        assert!(columns.len() > 15, "{columns:?}");
        for column in columns {
            let nullable = !matches!(column.as_str(), "id" | "appended" | "at" | "actor" | "action");
            let mut values = vec![place.other(&column)];
            values.extend(nullable.then_some("NULL"));
            for value in values {
                place.tamper(format!("UPDATE audit SET {column} = {value} WHERE sequence = 3")).await;
                let expected = match (column.as_str(), value) {
                    ("sequence", "NULL") => Fault::Missing,
                    ("sequence", _) => Fault::Reordered { at: 1000 },
                    _ => Fault::Changed,
                };
                assert_eq!(place.broken().await, (3, expected), "{column} = {value}");
                place.restore().await;
            }
        }
    }
}

on_both_raw! {
    async fn r11_deleted_swapped_and_forged_entries_are_named(place) {
        place.filled().await;
        for n in 1..=5 {
            place.tamper(format!("DELETE FROM audit WHERE sequence = {n}")).await;
            assert_eq!(place.broken().await, (n, Fault::Missing));
            place.restore().await;
        }
        for (a, b) in [(1, 2), (2, 4), (4, 5)] {
            place.tamper(format!("UPDATE audit SET sequence = -1 WHERE sequence = {a}")).await;
            place.tamper(format!("UPDATE audit SET sequence = {a} WHERE sequence = {b}")).await;
            place.tamper(format!("UPDATE audit SET sequence = {b} WHERE sequence = -1")).await;
            assert_eq!(place.broken().await, (a, Fault::Reordered { at: b }));
            place.restore().await;
        }
        // An entry of their own, with a digest that was taken from another.
        place.append(&entry("created")).await;
        place.tamper("UPDATE audit SET sequence = 6, digest = (SELECT digest FROM kept WHERE sequence = 5) WHERE sequence IS NULL").await;
        assert_eq!(place.broken().await, (6, Fault::Changed));
    }
}

on_both_raw! {
    async fn r11_a_trail_that_was_cut_off_is_noticed_and_stays_so(place) {
        place.filled().await;
        place.tamper("DELETE FROM audit WHERE sequence > 3").await;
        assert_eq!(place.broken().await, (4, Fault::Missing));
        // Sealing goes on behind the hole and does not close it.
        place.append_many(2).await;
        assert_eq!(place.seal().await, 2);
        assert_eq!(place.broken().await, (4, Fault::Missing));
        assert_eq!(place.prove().await.sealed, 5);
        place.restore().await;

        place.tamper("DELETE FROM audit").await;
        assert_eq!(place.broken().await, (1, Fault::Missing));
        place.restore().await;

        // The record of the head cannot be made to fit.
        for sql in [
            "DELETE FROM setting WHERE name = 'audit-head'",
            "UPDATE setting SET value = 'nonsense' WHERE name = 'audit-head'",
            "UPDATE setting SET value = '3 ' || (SELECT digest FROM kept WHERE sequence = 3) || ' ab' WHERE name = 'audit-head'",
        ] {
            place.tamper("DELETE FROM audit WHERE sequence > 3").await;
            place.tamper(sql).await;
            assert_eq!(place.broken().await, (3, Fault::Head), "{sql}");
            place.append_many(1).await;
            assert_eq!(place.seal().await, 1);
            assert_eq!(place.broken().await, (4, Fault::Missing), "{sql}");
            place.restore().await;
        }
    }
}

on_both_raw! {
    async fn r11_a_digest_that_was_kept_elsewhere_is_found_again(place) {
        place.append_many(2).await;
        place.seal().await;
        let kept = place.prove().await.head.unwrap();
        place.append_many(2).await;
        place.seal().await;
        let key = place.engine().link_key().trail_key();
        let asked = async |digest: &str| prove(place.engine().store(), &key, Some(digest)).await.unwrap().expected;
        assert_eq!(asked(&kept).await, Some(true));
        assert_eq!(asked(&"0".repeat(64)).await, Some(false));
        // A whole new trail under the right key, as only a thief of the key
        // could make it, does not contain what was kept.
        place.tamper("DELETE FROM audit").await;
        place.tamper("DELETE FROM setting WHERE name = 'audit-head'").await;
        place.append_many(4).await;
        place.seal().await;
        assert_eq!(place.prove().await.broken, None);
        assert_eq!(asked(&kept).await, Some(false));
    }
}

on_both_raw! {
    async fn r11_the_same_entries_have_the_same_digests_on_either_database(place) {
        place.append_many(2).await;
        for (n, id) in [(1, "0a"), (2, "0b")] {
            place.tamper(format!(
                "UPDATE audit SET id = '00000000-0000-0000-0000-0000000000{id}', at = '2026-11-22T10:00:0{n}Z' WHERE appended = {n}"
            )).await;
        }
        place.seal().await;
        // If this changes, trails that exist can no longer be proved.
        let head = "34f6ce0210cc94fa5477688e8a4e6fb7e67cc2377ea28ab58123fe04bc144fb9";
        assert_eq!(place.prove().await.head.unwrap(), head);
    }
}

on_both_raw! {
    async fn r11_proving_changes_nothing_and_names_the_tail(place) {
        place.append_many(3).await;
        place.seal().await;
        place.append_many(2).await;
        let writes = place.engine().store().writes();
        let statements = place.engine().store().statements();
        let proved = place.prove().await;
        assert_eq!(place.engine().store().writes(), writes);
        assert!(place.engine().store().statements() - statements <= 6);
        assert_eq!((proved.sealed, proved.proved, proved.unsealed.count), (3, 3, 2));
        assert!(proved.unsealed.since.is_some());
        assert_eq!(place.seal().await, 2);
        let proved = place.prove().await;
        assert_eq!((proved.sealed, proved.unsealed.count, proved.unsealed.since), (5, 0, None));
    }
}

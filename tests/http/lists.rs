//! `GET /v1/accounts/{email}/devices` and `.../visible-creators`, page by page.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::on_both;
use crate::site::{DEVICES, Site};

/// Every part of a list, one after the other.
async fn parts(site: &Site, path: &str, rows: &str, limit: usize) -> Vec<Vec<Value>> {
    let mut parts = vec![];
    let mut after = String::new();
    loop {
        let reply = site.get(&format!("{path}?limit={limit}&after={after}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let part = reply.json();
        parts.push(part[rows].as_array().unwrap().clone());
        match part["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return parts,
        }
        assert!(parts.len() < 200, "a list without an end");
    }
}

on_both! {
    async fn the_devices_of_an_account_come_page_by_page_each_once_and_in_order(site) {
        let path = "/v1/accounts/NOOR%40north.example/devices";
        let parts = parts(&site, path, "devices", 50).await;
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 20]);
        let all: Vec<Value> = parts.concat();
        let names: Vec<&str> = all.iter().map(|device| device["device"].as_str().unwrap()).collect();
        let expected: Vec<String> = (1..=DEVICES).map(|n| format!("north-{n:03}")).collect();
        assert_eq!(names, expected, "what stays with acme is not among them, and what Kim holds is");
        for device in [&all[0], &all[119]] {
            let reason = |operation: &str| json!({"operation": operation, "reason": "AllowedByAccount"});
            let operations = ["view", "operate", "manage", "share"].map(reason);
            assert_eq!(device["operations"], json!(operations));
        }
        // Without a limit a hundred; by the username, too.
        let first = site.get("/v1/accounts/noor/devices").await.json();
        assert_eq!((first["devices"].as_array().unwrap().len(), &first["next"]), (100, &json!("north-100")));
        let kim = site.get("/v1/accounts/kim/devices?limit=1").await.json();
        let operations = kim["devices"][0]["operations"].as_array().unwrap().clone();
        let names: Vec<&str> = operations.iter().map(|one| one["operation"].as_str().unwrap()).collect();
        assert_eq!(names, ["view", "operate"]);
        // Each row is what a check says.
        for device in ["north-001", "north-119"] {
            let question = json!({"account": "kim", "operation": "operate", "resource": "device", "device": device});
            assert_eq!(site.check(&question).await["allowed"], true);
        }
    }
}

on_both! {
    async fn the_creators_whose_data_an_account_sees_come_page_by_page(site) {
        let names = |parts: Vec<Vec<Value>>| -> Vec<String> {
            parts.concat().iter().map(|row| row["account"].as_str().unwrap().to_owned()).collect()
        };
        let path = "/v1/accounts/robin@acme.example/visible-creators";
        for limit in [1, 2, 500] {
            assert_eq!(names(parts(&site, path, "creators", limit).await), ["ines", "kim", "lou", "noor", "robin"]);
        }
        let noor = parts(&site, "/v1/accounts/noor/visible-creators", "creators", 100).await;
        assert_eq!(names(noor), ["kim", "lou", "noor"], "nobody above");
        let kim = parts(&site, "/v1/accounts/kim/visible-creators", "creators", 100).await;
        assert_eq!(names(kim), ["kim"]);
    }
}

on_both! {
    /// Nobody, somebody disabled and somebody with nothing get the same list.
    async fn a_list_tells_nobody_who_exists_neither_by_its_rows_nor_by_its_time(site) {
        for (list, rows) in [("devices", "devices"), ("visible-creators", "creators")] {
            for account in ["nobody@north.example", "lou@north.example", "nobody", "lou"] {
                let reply = site.get(&format!("/v1/accounts/{account}/{list}")).await;
                assert_eq!((reply.status, reply.json()), (200, json!({ rows: [] })), "{account}");
            }
        }
        // The fastest of many: what is slower than that is the machine's doing.
        let mut fastest = [Duration::MAX; 2];
        for _ in 0..150 {
            for (fastest, account) in fastest.iter_mut().zip(["nobody@north.example", "lou@north.example"]) {
                let path = format!("/v1/accounts/{account}/devices");
                let start = Instant::now();
                site.get(&path).await;
                *fastest = (*fastest).min(start.elapsed());
            }
        }
        let [unknown, known] = fastest.map(|time| time.as_secs_f64());
        let ratio = unknown / known;
        assert!((0.6..1.7).contains(&ratio), "unknown {unknown}, known {known}");
    }
}

on_both! {
    async fn a_path_or_a_parameter_that_is_malformed_is_named(site) {
        let long = "a".repeat(255);
        for account in ["", "%00", "%0A", "%20", "%FF", &long] {
            for list in ["devices", "visible-creators"] {
                let reply = site.get(&format!("/v1/accounts/{account}/{list}")).await;
                assert_eq!((reply.status, &*reply.problem()), (400, "malformed-path"), "{account}");
            }
        }
        let mut details = BTreeSet::new();
        for query in [
            "limit=0", "limit=501", "limit=-1", "limit=1.5", "limit=", "limit=a", "limit=99999999999", "limit=1&limit=2",
            "after=a&after=b", "after=%00", &format!("after={long}"), "page=2", "x", "limit",
        ] {
            for list in ["devices", "visible-creators"] {
                let reply = site.get(&format!("/v1/accounts/noor/{list}?{query}")).await;
                assert_eq!((reply.status, &*reply.problem()), (400, "malformed-query"), "{query}");
                details.insert(reply.json()["detail"].as_str().unwrap().to_owned());
            }
        }
        assert!(details.len() >= 3, "{details:?}");
        let reply = site.get("/v1/accounts/noor/devices?after=zzz").await;
        assert_eq!(reply.json(), json!({ "devices": [] }));
    }
}

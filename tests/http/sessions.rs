//! `/v1/sessions`: signing in for platforms, with the same care as `/login`.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both;
use crate::site::{PASSWORD, PATIENCE, Reply, Site, TOKEN};

async fn begin(site: &Site, email: &str, password: &str) -> Reply {
    site.post("/v1/sessions", &json!({ "email": email, "password": password })).await
}

async fn with_session(site: &Site, method: Method, session: &str) -> Reply {
    let request = site.request(method, "/v1/sessions/current").bearer_auth(TOKEN);
    site.send(request.header("Tenantry-Session", session)).await
}

async fn audited(site: &Site) -> Vec<Value> {
    let done = site.beside(&["audit", "list", "-o", "json"]).finish(PATIENCE).await;
    let all: Vec<Value> =
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    all.into_iter().filter(|entry| entry["action"].as_str().unwrap().starts_with("sign")).collect()
}

on_both! {
    async fn a_person_signs_in_through_a_platform_is_known_and_signs_out(site) {
        let reply = begin(&site, " Noor@NORTH.example ", PASSWORD).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let begun = reply.json();
        let session = begun["session"].as_str().unwrap().to_owned();
        let person = &begun["person"];
        assert_eq!(
            (&person["account"], &person["tenant"], &person["tier"]),
            (&json!("noor"), &json!("/acme/north"), &json!("Admin"))
        );
        let looked = with_session(&site, Method::GET, &session).await;
        assert_eq!((looked.status, &looked.json()), (200, person));
        // It is no session of the pages.
        let page = site.request(Method::GET, "/account").header("Cookie", format!("tenantry-session={session}"));
        let page = page.build().unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        assert_eq!(client.execute(page).await.unwrap().status(), 303);

        assert_eq!(with_session(&site, Method::DELETE, &session).await.status, 204);
        assert_eq!(with_session(&site, Method::DELETE, &session).await.status, 204, "ended stays ended");
        let gone = with_session(&site, Method::GET, &session).await;
        assert_eq!((gone.status, &*gone.problem()), (404, "unknown-session"));

        let told = audited(&site).await;
        let actions: Vec<(&str, &str)> = told
            .iter()
            .map(|entry| (entry["action"].as_str().unwrap(), entry["after"]["via"].as_str().unwrap()))
            .collect();
        let [one, two] = actions[..] else { panic!("{told:#?}") };
        assert_ne!(one, two);
        assert!(one.1 == "v1" && two.1 == "v1", "{told:#?}");
        let text = Value::from(told).to_string();
        assert!(!text.contains(PASSWORD) && !text.contains(&session), "{text}");
    }
}

on_both! {
    async fn a_session_ends_at_once_with_the_account(site) {
        let begun = begin(&site, "noor@north.example", PASSWORD).await.json();
        let session = begun["session"].as_str().unwrap();
        assert_eq!(with_session(&site, Method::GET, session).await.status, 200);
        site.sql("UPDATE account SET enabled = (1 = 0) WHERE username = 'noor'").await;
        assert_eq!(with_session(&site, Method::GET, session).await.status, 404);
    }
}

on_both! {
    /// Nobody learns who has an account: neither from the answer nor from the
    /// time that it takes.
    async fn every_refusal_is_the_same_answer_in_the_same_time(site) {
        let attempts = [
            ("noor@north.example", "seven herons crossed the dyke"),
            ("nobody@north.example", PASSWORD),
            ("lou@north.example", PASSWORD),
            ("kim@north.example", PASSWORD),
            ("noor", PASSWORD),
            ("nobody@north.example\u{0}", PASSWORD),
        ];
        let mut answers = vec![];
        let mut fastest = vec![Duration::MAX; attempts.len()];
        // No more often than an address may fail.
        for round in 0..9 {
            for (fastest, (email, password)) in fastest.iter_mut().zip(attempts) {
                let start = Instant::now();
                let reply = begin(&site, email, password).await;
                *fastest = (*fastest).min(start.elapsed());
                assert_eq!((reply.status, &*reply.problem()), (403, "credentials-refused"), "{email}, {round}");
                let mut names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
                names.sort();
                answers.push((reply.body, names));
            }
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        // The fastest of several: what is slower than that is the machine's
        // doing. Without the hash it would be a tenth. That the statements are
        // the same ones, the engine's own tests count.
        let times: Vec<f64> = fastest.iter().map(Duration::as_secs_f64).collect();
        let most = times.iter().copied().fold(f64::MIN, f64::max);
        let least = times.iter().copied().fold(f64::MAX, f64::min);
        assert!(least > 0.005, "no hash was computed: {times:?}");
        assert!(most / least < 3.0, "{times:?}");
    }
}

on_both! {
    async fn after_too_many_failures_an_address_waits_and_a_known_browser_does_not(site) {
        let begun = begin(&site, "noor@north.example", PASSWORD).await.json();
        let known = begun["knownBrowser"].as_str().unwrap();
        for (email, client) in [("noor@north.example", None), ("nobody@north.example", Some("192.0.2.1"))] {
            let body = json!({ "email": email, "password": "wrong", "client": client });
            let mut failed = 0;
            let throttled = loop {
                let reply = site.post("/v1/sessions", &body).await;
                if reply.status != 403 {
                    break reply;
                }
                failed += 1;
                assert!(failed < 20, "never throttled");
            };
            assert_eq!((throttled.status, &*throttled.problem()), (429, "throttled"));
            let wait: u64 = throttled.header("retry-after").unwrap().parse().unwrap();
            // A slow machine may have forgotten one in the meantime.
            assert!((1..=60).contains(&wait) && (10..=12).contains(&failed), "{wait}, {failed}");
        }
        assert_eq!(begin(&site, "noor@north.example", PASSWORD).await.status, 429, "the right password, too");
        let body = json!({ "email": "noor@north.example", "password": PASSWORD, "knownBrowser": known });
        assert_eq!(site.post("/v1/sessions", &body).await.status, 201);
        let body = json!({ "email": "noor@north.example", "password": PASSWORD, "knownBrowser": "made up" });
        assert_eq!(site.post("/v1/sessions", &body).await.status, 429);
    }
}

on_both! {
    /// A platform that says from where people come has them counted by that.
    async fn whoever_tries_many_addresses_from_one_machine_waits(site) {
        let attempt = |n: usize, client: &str| json!({ "email": format!("{n}@x.example"), "password": "", "client": client });
        let site = std::sync::Arc::new(site);
        let mut all = tokio::task::JoinSet::new();
        let (mut sent, mut refused, mut throttled) = (0, 0, false);
        // Until one waits; a slow machine forgets some in the meantime.
        while sent < 300 && !throttled {
            let (site, body) = (site.clone(), attempt(sent, "2001:db8::1"));
            sent += 1;
            all.spawn(async move { site.post("/v1/sessions", &body).await.status });
            if all.len() == 8 {
                match all.join_next().await.unwrap().unwrap() {
                    429 => throttled = true,
                    _ => refused += 1,
                }
            }
        }
        let rest = all.join_all().await;
        refused += rest.iter().filter(|status| **status == 403).count();
        assert!(throttled && refused >= 60, "{throttled}, {refused}");
        // The same network is the same client: far fewer than sixty more.
        let mut statuses = vec![];
        for n in 0..12 {
            statuses.push(site.post("/v1/sessions", &attempt(1000 + n, "2001:db8::2")).await.status);
        }
        assert!(statuses.contains(&429), "{statuses:?}");
        let other = site.post("/v1/sessions", &attempt(71, "192.0.2.7")).await;
        assert_eq!(other.status, 403);
    }
}

on_both! {
    async fn credentials_that_are_malformed_are_refused_before_anything_is_counted(site) {
        let long = "a".repeat(255);
        for (body, problem, field) in [
            (json!({"email": long, "password": "a"}), "malformed-body", "email"),
            (json!({"email": "a", "password": "ä".repeat(2049)}), "malformed-body", "password"),
            (json!({"email": "a", "password": "a", "client": "localhost"}), "malformed-body", "client"),
            (json!({"email": "a", "password": "a", "knownBrowser": "a".repeat(129)}), "malformed-body", "knownBrowser"),
            (json!({"email": "a"}), "malformed-body", ""),
            (json!({"email": "a", "password": null}), "malformed-body", ""),
            (json!(["a", "a", null, null]), "malformed-body", ""),
            (json!({"email": "a", "password": "a", "totp": "1"}), "unknown-field", ""),
        ] {
            let reply = site.post("/v1/sessions", &body).await;
            assert_eq!((reply.status, &*reply.problem()), (400, problem), "{body}");
            assert_eq!(reply.json()["field"].as_str().unwrap_or_default(), field, "{body}");
        }
        for session in ["", "x", &"A".repeat(42), &"A".repeat(64), "%%"] {
            for method in [Method::GET, Method::DELETE] {
                let reply = with_session(&site, method, session).await;
                assert_eq!((reply.status, &*reply.problem()), (400, "malformed-session"), "{session}");
            }
        }
        let twice = site.request(Method::GET, "/v1/sessions/current").bearer_auth(TOKEN);
        let twice = twice.header("Tenantry-Session", "A".repeat(43)).header("Tenantry-Session", "A".repeat(43));
        assert_eq!(site.send(twice).await.problem(), "malformed-session");
        let stranger = with_session(&site, Method::GET, &"A".repeat(43)).await;
        assert_eq!(stranger.problem(), "unknown-session");
        assert!(audited(&site).await.is_empty());
    }
}

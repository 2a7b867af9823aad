//! The OpenAPI document against the implementation, in both directions: what it
//! names can be had, and (in `site`) what is had is named.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::harness::{Postgres, in_tree};
use crate::site::{CHECKS, PASSWORD, Reply, SESSIONS, Site, TOKEN};

/// Every answer that the document names.
fn named(document: &Value) -> BTreeSet<(String, String, u16)> {
    let mut all = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for status in operation["responses"].as_object().unwrap().keys() {
                all.insert((method.clone(), path.clone(), status.parse().unwrap()));
            }
        }
    }
    all
}

const WITH_BODY: [&str; 3] = ["/v1/check", "/v1/explain", "/v1/sessions"];

/// A call of each operation that the document names, each as it should be.
fn calls(site: &Site, session: &str) -> Vec<(String, reqwest::RequestBuilder)> {
    let question = json!({"account": "kim", "operation": "view", "resource": "device"});
    let credentials = json!({"email": "noor@north.example", "password": PASSWORD});
    let mut calls = vec![];
    for (path, methods) in site.document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let at = path.replace("{email}", "kim");
            let mut request = site.request(method.to_uppercase().parse().unwrap(), &at);
            if WITH_BODY.contains(&&*at) {
                request = request.json(if at == "/v1/sessions" { &credentials } else { &question });
            }
            if at == "/v1/sessions/current" {
                request = request.header("Tenantry-Session", session);
            }
            calls.push((at, request));
        }
    }
    calls
}

async fn all(site: &Site, session: &str, token: Option<&str>) -> Vec<Reply> {
    let mut replies = vec![];
    for (_, request) in calls(site, session) {
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        replies.push(site.send(request).await);
    }
    replies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_that_the_document_names_can_be_had() {
    let postgres = Postgres::alone().await;
    let site = Site::open(Some(postgres.database("document").await)).await;
    let begun = json!({"email": "noor@north.example", "password": PASSWORD});
    let session = site.post("/v1/sessions", &begun).await.json()["session"].as_str().unwrap().to_owned();

    // Before anything below ends it.
    let current = site.request(Method::GET, "/v1/sessions/current").bearer_auth(TOKEN);
    site.send(current.header("Tenantry-Session", &session)).await;
    all(&site, &session, None).await;
    all(&site, &session, Some(CHECKS)).await;
    all(&site, &session, Some(SESSIONS)).await;
    all(&site, &session, Some(TOKEN)).await;
    // A session that is none, or has ended.
    all(&site, "x", Some(TOKEN)).await;
    all(&site, &session, Some(TOKEN)).await;

    for path in WITH_BODY {
        let post = || site.request(Method::POST, path).bearer_auth(TOKEN);
        site.send(post().json(&json!({}))).await;
        site.send(post().header(CONTENT_TYPE, "text/plain").body("{}")).await;
        site.send(post().header(CONTENT_TYPE, "application/json").body(" ".repeat(1024 * 1024 + 1))).await;
    }
    for list in ["devices", "visible-creators"] {
        site.get(&format!("/v1/accounts/kim/{list}?limit=0")).await;
    }
    let wrong = json!({"email": "noor@north.example", "password": "wrong"});
    while site.post("/v1/sessions", &wrong).await.status != 429 {}

    // A table that has lost its name under a running server.
    site.sql("ALTER TABLE account RENAME TO account_; ALTER TABLE account_brief RENAME TO account_b; ALTER TABLE session RENAME TO session_").await;
    for (reply, (path, _)) in all(&site, &session, Some(TOKEN)).await.into_iter().zip(calls(&site, &session))
    {
        if path != "/v1/openapi.json" {
            assert_eq!((reply.status, &*reply.problem()), (500, "internal"), "{path}");
            let told = reply.json().to_string();
            assert!(!told.contains("account_") && !told.contains("relation"), "{told}");
        }
    }
    postgres.stop().await;
    all(&site, &session, Some(TOKEN)).await;

    let mut missing: BTreeSet<_> = named(&site.document).difference(&site.seen()).cloned().collect();
    // Had in `a_slow_client_hears_408_and_is_hung_up_on`, byte by byte.
    missing.retain(|(_, _, status)| *status != 408);
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_document_in_the_tree_is_the_one_that_is_served() {
    let path = in_tree("docs/openapi.json");
    let text = serde_json::to_string_pretty(&tenantry::web::openapi(None)).unwrap() + "\n";
    if std::env::var_os("TENANTRY_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == text, "docs/openapi.json is stale; run `make docs`");
}

#[test]
fn every_problem_is_in_the_document_or_about_what_is_not_in_it() {
    let text = tenantry::web::openapi(None).to_string();
    for (status, name, _) in tenantry::web::problems() {
        let documented = text.contains(&format!("https://tenantry.dev/problems/{name}\""));
        assert!(documented || matches!(name, "not-found" | "method-not-allowed"), "{status} {name}");
    }
}

#[test]
fn the_document_says_where_programs_reach_it() {
    let document = tenantry::web::openapi(Some("https://accounts.example.org/x"));
    assert_eq!(document["servers"], json!([{ "url": "https://accounts.example.org/x" }]));
    assert_eq!(tenantry::web::openapi(None)["servers"], json!([{ "url": "/" }]));
}

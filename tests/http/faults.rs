//! Everything that goes wrong around a question: bodies, methods, addresses,
//! slow clients, too many at once, a database that is away.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use sqlx::Connection as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Postgres, eventually};
use crate::site::{PATIENCE, Reply, Site, TOKEN};

fn question() -> Value {
    json!({"account": "kim", "operation": "view", "resource": "device", "device": "north-001"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_json_of_the_documented_shape_and_size() {
    let site = Site::sqlite().await;
    let post = async |path: &str, kind: Option<&str>, body: Vec<u8>| {
        let mut request = site.request(Method::POST, path).bearer_auth(TOKEN).body(body);
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        site.send(request).await
    };
    let good = question().to_string();
    for kind in ["application/json", "Application/JSON; charset=utf-8"] {
        assert_eq!(post("/v1/check", Some(kind), good.clone().into()).await.status, 200, "{kind}");
    }
    for path in ["/v1/check", "/v1/explain", "/v1/sessions"] {
        for kind in [
            None,
            Some(""),
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonx"),
        ] {
            let reply = post(path, kind, good.clone().into()).await;
            assert_eq!((reply.status, &*reply.problem()), (415, "unsupported-media-type"), "{kind:?}");
        }
        let deep = "[".repeat(100_000);
        let nested = format!("{{\"account\":{}", "{\"a\":".repeat(100_000));
        for body in [
            &b""[..],
            b" ",
            b"{",
            b"}",
            b"nul",
            b"{\"account\": \"\xff\"}",
            b"\xef\xbb\xbf{}",
            b"{} {}",
            deep.as_bytes(),
            nested.as_bytes(),
            b"{\"account\":\"\\ud800\"}",
        ] {
            let reply = post(path, Some("application/json"), body.to_vec()).await;
            let told = String::from_utf8_lossy(&body[..body.len().min(30)]).into_owned();
            // Whatever comes first: a field that is not documented may.
            let problem = reply.problem();
            assert!(
                reply.status == 400 && ["malformed-body", "unknown-field"].contains(&&*problem),
                "{path} {told}"
            );
        }
        let twice = br#"{"account":"kim","account":"noor","operation":"view","resource":"device","email":"a","password":"b"}"#;
        assert_eq!(post(path, Some("application/json"), twice.to_vec()).await.status, 400, "one field twice");
        // To the bound, beyond it, and so far beyond that nobody reads it all.
        let mut large = good.clone().into_bytes();
        large.resize(1024 * 1024, b' ');
        let at_most = post(path, Some("application/json"), large.clone()).await.status;
        assert_eq!(at_most, if path == "/v1/sessions" { 400 } else { 200 });
        large.push(b' ');
        for size in [large.len(), 8 * (large.len() - 1)] {
            large.resize(size, b' ');
            let reply = post(path, Some("application/json"), large.clone()).await;
            assert_eq!((reply.status, &*reply.problem()), (413, "body-too-large"), "{size}");
        }
        let declared = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n{{"
        );
        assert!(site.raw(declared.as_bytes()).await.starts_with("HTTP/1.1 413 "), "before it is sent");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_address_and_another_method_are_problems_and_pages_stay_pages() {
    let site = Site::sqlite().await;
    for path in [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/check/",
        "/v1/check/x",
        "/v1//check",
        "/v1/accounts",
        "/v1/accounts/kim",
        "/v1/accounts/kim/nothing",
        "/v1/accounts/a/b/devices",
        "/v1/sessions/other",
        "/v1/Check",
    ] {
        for method in [Method::GET, Method::POST, Method::PUT] {
            let reply = site.send(site.request(method.clone(), path)).await;
            assert_eq!((reply.status, &*reply.problem()), (404, "not-found"), "{method} {path}");
        }
    }
    let paths = site.document["paths"].as_object().unwrap().clone();
    for (template, known) in &paths {
        let path = template.replace("{email}", "kim");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            if known.get(method.to_lowercase()).is_some() {
                continue;
            }
            let reply = site.send(site.request(method.parse().unwrap(), &path).bearer_auth(TOKEN)).await;
            assert_eq!((reply.status, &*reply.problem()), (405, "method-not-allowed"), "{method} {path}");
            let allow =
                reply.header("allow").unwrap_or_else(|| panic!("no Allow: {method} {path}: {reply:?}"));
            for known in known.as_object().unwrap().keys() {
                assert!(allow.split(',').any(|one| one.trim().eq_ignore_ascii_case(known)), "{allow}");
            }
        }
    }
    let page = reqwest::get(format!("{}/nothing", site.url)).await.unwrap();
    assert_eq!(page.status(), 404);
    assert!(page.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
    // Who invents methods and addresses makes no new numbers.
    let numbers =
        reqwest::get(format!("http://{}/metrics", site.operations)).await.unwrap().text().await.unwrap();
    let counted: Vec<&str> =
        numbers.lines().filter(|line| line.starts_with("program_calls_total{")).collect();
    assert!(
        counted.iter().any(|line| line.contains("endpoint=\"POST /v1/check\",outcome=\"ok\"")),
        "{counted:#?}"
    );
    assert!(
        counted.iter().any(|line| line.contains("endpoint=\"none\",outcome=\"not-found\"")),
        "{counted:#?}"
    );
    assert!(!numbers.contains("BREW") && !numbers.contains("nothing"), "{counted:#?}");
}

/// A request whose body never comes; what is answered, and after how long.
async fn never_finished(site: &Site, path: &str) -> (String, Duration) {
    let start = Instant::now();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"a"
    );
    (site.raw(head.as_bytes()).await, start.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_hears_408_and_is_hung_up_on() {
    let site = Site::sqlite().await;
    let (one, two, three) = tokio::join!(
        never_finished(&site, "/v1/check"),
        never_finished(&site, "/v1/explain"),
        never_finished(&site, "/v1/sessions"),
    );
    for (answer, after) in [one, two, three] {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(
            answer.contains("/problems/too-slow") && answer.to_lowercase().contains("connection: close"),
            "{answer}"
        );
        assert!((Duration::from_secs(9)..Duration::from_secs(25)).contains(&after), "{after:?}");
    }
    assert_eq!(site.post("/v1/check", &question()).await.status, 200);
}

/// More calls than are let in are sent away at once, and those who wait get
/// their answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_too_many_is_sent_away_with_a_time_to_come_back() {
    let site = Site::sqlite().await;
    let mut slow = vec![];
    let head = format!(
        "POST /v1/check HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        question().to_string().len()
    );
    for _ in 0..140 {
        let mut stream = TcpStream::connect(&site.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let refused = eventually("there is no room", Duration::from_secs(8), || async {
        let reply = site.post("/v1/check", &question()).await;
        (reply.status == 503).then_some(reply)
    })
    .await;
    assert_eq!((&*refused.problem(), refused.header("retry-after")), ("overloaded", Some("1")));
    // Strangers take nobody's room, and find none of it out.
    let stranger = site.send(site.request(Method::POST, "/v1/check")).await;
    assert_eq!(stranger.status, 401);
    let (mut answered, mut sent_away) = (0, 0);
    for mut stream in slow {
        // Whoever was sent away has been hung up on.
        let _ = stream.write_all(question().to_string().as_bytes()).await;
        let mut answer = vec![];
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        answered += usize::from(answer.starts_with(b"HTTP/1.1 200 "));
        sent_away += usize::from(answer.starts_with(b"HTTP/1.1 503 "));
    }
    assert_eq!((answered, answered + sent_away), (128, 140));
    assert_eq!(site.post("/v1/check", &question()).await.status, 200);
}

/// A statement that hangs holds up so many calls; the next ones do not queue up
/// behind it, and none waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_is_503_in_bounded_time() {
    let site = std::sync::Arc::new(Site::postgres("hanging").await);
    let mut holder = sqlx::PgConnection::connect(&site.database).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE account, account_brief IN ACCESS EXCLUSIVE MODE")
        .execute(&mut holder)
        .await
        .unwrap();
    let start = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let site = site.clone();
        calls.spawn(async move { site.post("/v1/check", &question()).await });
    }
    let replies: Vec<Reply> = calls.join_all().await;
    let took = start.elapsed();
    let mut problems: Vec<String> = replies.iter().map(Reply::problem).collect();
    problems.sort();
    assert!(replies.iter().all(|reply| reply.status == 503 && reply.header("retry-after").is_some()));
    problems.dedup();
    assert_eq!(problems, ["database-unavailable", "overloaded"]);
    assert!((Duration::from_secs(10)..Duration::from_secs(25)).contains(&took), "{took:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    eventually("it answers again", PATIENCE, || async {
        (site.post("/v1/check", &question()).await.status == 200).then_some(())
    })
    .await;
}

/// A server that is stopped and started again, without a restart of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_503_and_answers_again_when_it_is_back() {
    let postgres = Postgres::alone().await;
    let site = Site::open(Some(postgres.database("away").await)).await;
    postgres.stop().await;
    let session = "A".repeat(43);
    for (method, path, body) in [
        (Method::POST, "/v1/check", Some(question())),
        (Method::POST, "/v1/check", Some(json!({ "questions": [question()] }))),
        (Method::POST, "/v1/explain", Some(question())),
        (Method::GET, "/v1/accounts/kim/devices", None),
        (Method::GET, "/v1/accounts/kim/visible-creators", None),
        (Method::POST, "/v1/sessions", Some(json!({"email": "a", "password": "b"}))),
        (Method::GET, "/v1/sessions/current", None),
        (Method::DELETE, "/v1/sessions/current", None),
    ] {
        let mut request = site.request(method, path).bearer_auth(TOKEN).header("Tenantry-Session", &session);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let reply = site.send(request).await;
        assert_eq!((reply.status, &*reply.problem()), (503, "database-unavailable"), "{path}");
        assert_eq!(reply.header("retry-after"), Some("5"));
        let told = reply.json().to_string();
        assert!(!told.contains("127.0.0.1") && !told.contains("refused"), "{told}");
    }
    postgres.start().await;
    eventually("it answers again", PATIENCE, || async {
        (site.post("/v1/check", &question()).await.status == 200).then_some(())
    })
    .await;
}

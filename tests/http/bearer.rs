//! Service tokens: what lets a program in, what does not, and the file that is
//! swapped while the server runs.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::harness::{Tenantry, eventually, free_port};
use crate::site::{ACCOUNTS, CHECKS, PATIENCE, Reply, SESSIONS, Site, TOKEN, digest, tokens};

async fn with(site: &Site, authorization: &[&str]) -> Reply {
    let mut request = site.request(Method::GET, "/v1/accounts/kim/devices?limit=1");
    for value in authorization {
        request = request.header("Authorization", *value);
    }
    site.send(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_one_header_with_a_known_token_lets_a_program_in() {
    let site = Site::sqlite().await;
    for good in [format!("Bearer {TOKEN}"), format!("bearer {TOKEN}"), format!("BEARER   {TOKEN}")] {
        assert_eq!(with(&site, &[&good]).await.status, 200, "{good}");
    }
    let good = format!("Bearer {TOKEN}");
    let digest_of = format!("Bearer {}", digest(TOKEN));
    let huge = format!("Bearer {}", "a".repeat(100_000));
    let almost = format!("Bearer {}", TOKEN.replace("0123", "0124"));
    for (sent, problem) in [
        (&[][..], "missing-token"),
        (&[&*good, &*good], "malformed-token"),
        (&[&*good, "Basic a2ltOmtpbQ=="], "malformed-token"),
        (&["Basic a2ltOmtpbQ==", &*good], "malformed-token"),
        (&[""], "malformed-token"),
        (&["Bearer"], "malformed-token"),
        (&["Bearer "], "malformed-token"),
        (&[TOKEN], "malformed-token"),
        (&[&*format!("Basic {TOKEN}")], "malformed-token"),
        (&[&*format!("Bearer\t{TOKEN}")], "malformed-token"),
        (&[&*format!("Bearer {TOKEN}, Bearer {TOKEN}")], "malformed-token"),
        (&[&*format!("Bearer {TOKEN} x")], "malformed-token"),
        (&[&*format!("Bearer \"{TOKEN}\"")], "malformed-token"),
        (&[&*format!("Bearer {}", "a".repeat(257))], "malformed-token"),
        (&[&*huge], "malformed-token"),
        (&[&*format!("Bearer {}", "a".repeat(256))], "wrong-token"),
        (&["Bearer a"], "wrong-token"),
        (&[&*digest_of], "wrong-token"),
        (&[&*almost], "wrong-token"),
    ] {
        let reply = with(&site, sent).await;
        assert_eq!((reply.status, &*reply.problem()), (401, problem), "{:.300}", format!("{sent:?}"));
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer realm="), "{challenge}");
        assert!(!String::from_utf8_lossy(&reply.body).contains(TOKEN));
    }
    // Bytes that are no text.
    let head = b"GET /v1/accounts/kim/devices HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer \xff\xfe\r\n\r\n";
    assert!(site.raw(head).await.contains("/problems/malformed-token"));
    let in_query = site.request(Method::GET, &format!("/v1/accounts/kim/devices?access_token={TOKEN}"));
    assert_eq!(site.send(in_query).await.problem(), "missing-token");
    assert!(!site.running.stderr().contains(TOKEN), "a token has reached the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_good_for_what_its_line_names() {
    let site = Site::sqlite().await;
    let question = json!({"account": "kim", "operation": "view", "resource": "device"});
    let credentials = json!({"email": "nobody@x.example", "password": "x"});
    for (token, scope) in [(CHECKS, "check"), (ACCOUNTS, "accounts"), (SESSIONS, "sessions")] {
        for (method, path, needs) in [
            (Method::POST, "/v1/check", "check"),
            (Method::POST, "/v1/explain", "check"),
            (Method::GET, "/v1/accounts/kim/devices", "accounts"),
            (Method::GET, "/v1/accounts/kim/visible-creators", "accounts"),
            (Method::POST, "/v1/sessions", "sessions"),
            (Method::GET, "/v1/sessions/current", "sessions"),
            (Method::DELETE, "/v1/sessions/current", "sessions"),
        ] {
            let mut request = site.request(method, path).bearer_auth(token);
            request = match path {
                "/v1/sessions" => request.json(&credentials),
                "/v1/check" | "/v1/explain" => request.json(&question),
                _ => request.header("Tenantry-Session", "A".repeat(43)),
            };
            let reply = site.send(request).await;
            let out = reply.status == 403 && reply.problem() == "out-of-scope";
            assert_eq!(out, scope != needs, "{path} with {scope}: {reply:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_tokens_that_is_swapped_counts_at_once_and_a_broken_one_not_at_all() {
    let site = Site::sqlite().await;
    let fresh = "fresh-0123456789abcdef0123456789abcdef";
    let status = async |token: &str| with(&site, &[&format!("Bearer {token}")]).await.status;
    assert_eq!(status(fresh).await, 401);
    // As a mounted Secret is swapped: another file under the same name.
    std::fs::write(site.path("next"), format!("{}fresh:{}\n", tokens(), digest(fresh))).unwrap();
    std::fs::rename(site.path("next"), site.path("tokens")).unwrap();
    let bound = Duration::from_secs(10);
    eventually("the new token is good", bound, || async { (status(fresh).await == 200).then_some(()) }).await;

    std::fs::write(site.path("tokens"), format!("fresh:{fresh}\n")).unwrap();
    site.running.wait_for_line("service tokens stay as they were", bound).await;
    assert_eq!((status(TOKEN).await, status(fresh).await), (200, 200));
    assert!(!site.running.stderr().contains(fresh), "what stands on a wrong line is repeated");

    std::fs::write(site.path("tokens"), format!("fresh:{}\n", digest(fresh))).unwrap();
    eventually("the old tokens are gone", bound, || async { (status(TOKEN).await == 401).then_some(()) })
        .await;
    assert_eq!(status(fresh).await, 200);
    // A file that is lost closes nothing and opens nothing.
    std::fs::remove_file(site.path("tokens")).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((status(TOKEN).await, status(fresh).await), (401, 200));
}

#[tokio::test]
async fn without_a_file_nobody_is_let_in_and_a_wrong_file_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("objects")).unwrap();
    let tenant = "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {name: acme}\nspec: {}\n";
    std::fs::write(folder.path().join("objects/a.yaml"), tenant).unwrap();
    std::fs::write(folder.path().join("tokens"), format!("shop:{TOKEN}\n")).unwrap();
    let (pages, operations) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
    let run = |file: &str| {
        Tenantry::new(["run", "--from", "objects", "--listen", &*pages, "--ops-listen", &*operations])
            .env("TENANTRY_SERVICE_TOKENS_FILE", file)
            .dir(folder.path())
    };
    for (file, line) in [
        (
            "tokens",
            "error: the service tokens file tokens cannot be used: line 1: the SHA-256 of the token must be 64 digits of hex",
        ),
        (
            "nowhere",
            "error: the service tokens file nowhere cannot be read: check --service-tokens-file and its permissions: No such file or directory (os error 2)",
        ),
    ] {
        let done = run(file).finish(PATIENCE).await;
        assert_eq!((done.code(), done.stderr.trim_end()), (Some(1), line), "{done:?}");
        let doctor =
            Tenantry::new(["doctor", "--no-cluster", "--service-tokens-file", file]).dir(folder.path());
        let doctor = doctor.finish(PATIENCE).await;
        let found = doctor.stdout.lines().find(|line| line.contains("programs")).unwrap();
        assert!(found.starts_with("FAIL") && found.ends_with(&line[7..]), "{found}");
    }
    // An empty variable is one that is not set.
    let running = run("").spawn();
    running.wait_for_line("this follows", PATIENCE).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("http://{pages}/v1/accounts/kim/devices")).bearer_auth(TOKEN);
    assert_eq!(request.send().await.unwrap().status(), 401);
}

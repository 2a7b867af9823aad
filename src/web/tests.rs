//! The pages over a real port and a real database.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, HeaderMap, REFERRER_POLICY};
use reqwest::{Client, Method, Response};
use tokio_util::sync::CancellationToken;

use crate::domain::activation::Purpose;
use crate::store::Access;
use crate::testing::{ADDRESS, World};

const GOOD: &str = "my aunt paints boats in october";

/// The pages of a world, on a port of their own.
struct Site {
    world: World,
    address: SocketAddr,
    client: Client,
    _stop: tokio_util::sync::DropGuard,
}

struct Page {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Site {
    async fn new() -> Self {
        let world = World::new().await;
        let listener = super::listen("127.0.0.1:0".parse().unwrap(), "--listen").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(super::serve(
            listener,
            super::pages(world.engine.clone(), super::Outside::default()),
            stop.clone(),
        ));
        let client = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { world, address, client, _stop: stop.drop_guard() }
    }

    async fn get(&self, token: &str) -> Page {
        let url = format!("http://{}/activate?token={token}", self.address);
        page(self.client.get(url).send().await.unwrap()).await
    }

    async fn post(&self, token: &str, password: &str, again: &str) -> Page {
        let form = [("token", token), ("password", password), ("again", again)];
        let url = format!("http://{}/activate", self.address);
        page(self.client.post(url).form(&form).send().await.unwrap()).await
    }

    /// Everything that could have changed.
    async fn state(&self) -> String {
        let mut tx = self.world.engine.store().begin(Access::Read).await.unwrap();
        let account = tx.account(self.world.account.id).await.unwrap();
        let link = tx.latest_activation(self.world.account.id).await.unwrap();
        format!("{account:?} {link:?} {}", self.world.engine.store().writes())
    }
}

async fn page(response: Response) -> Page {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = response.text().await.unwrap();
    Page { status, headers, body }
}

impl Page {
    fn title(&self) -> &str {
        let (_, rest) = self.body.split_once("<h1>").unwrap_or_else(|| panic!("{}", self.body));
        rest.split_once("</h1>").unwrap().0
    }
}

#[tokio::test]
async fn r8_the_form_activates_the_account_and_wakes_its_object() {
    let site = Site::new().await;
    let (_, token) = site.world.invite(Purpose::Activate).await;
    let form = site.get(&token).await;
    assert_eq!((form.status, form.title()), (200, "Choose your password"));
    for part in [ADDRESS, "North Fleet", "Acme North", "help@north-fleet.example", &token] {
        assert!(form.body.contains(part), "{part}");
    }

    let done = site.post(&token, GOOD, GOOD).await;
    assert_eq!((done.status, done.title()), (200, "Your account is active"));
    assert!(!done.body.contains(GOOD) && !done.body.contains(&token));
    let account = site.world.now().await;
    assert!(account.proved && account.has_password && account.activated_at.is_some());
    let woken = site.world.engine.take_woken(Duration::ZERO, 10).await.unwrap();
    assert_eq!(woken.iter().map(ToString::to_string).collect::<Vec<_>>(), ["SubAdmin acme/kim"]);
}

#[tokio::test]
async fn r8_get_and_head_change_nothing() {
    let site = Site::new().await;
    let (_, token) = site.world.invite(Purpose::Confirm).await;
    let before = site.state().await;
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT] {
        let url = format!("http://{}/activate?token={token}", site.address);
        site.client.request(method, url).send().await.unwrap();
    }
    assert_eq!(site.state().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_of_many_parallel_posts_with_one_token_exactly_one_succeeds() {
    let site = Site::new().await;
    let (_, token) = site.world.invite(Purpose::Activate).await;
    let posts = (0..16).map(|_| site.post(&token, GOOD, GOOD));
    let pages = futures::future::join_all(posts).await;
    let with = |status| pages.iter().filter(|page| page.status == status).count();
    assert_eq!((with(200), with(410)), (1, 15));
    let used = pages.iter().find(|page| page.status == 410).unwrap();
    assert_eq!(used.title(), "This link has been used");
}

#[tokio::test]
async fn r8_a_link_is_used_once_and_says_so_afterwards() {
    let site = Site::new().await;
    let (_, token) = site.world.invite(Purpose::Confirm).await;
    assert_eq!(site.post(&token, "", "").await.title(), "Your account is active");
    let before = site.state().await;
    for page in [site.get(&token).await, site.post(&token, "", "").await] {
        assert_eq!((page.status, page.title()), (410, "This link has been used"));
    }
    assert_eq!(site.state().await, before);
}

#[tokio::test]
async fn r8_a_resend_replaces_the_earlier_link() {
    let site = Site::new().await;
    let (_, first) = site.world.invite(Purpose::Activate).await;
    let (_, second) = site.world.invite(Purpose::Activate).await;
    for page in [site.get(&first).await, site.post(&first, GOOD, GOOD).await] {
        assert_eq!((page.status, page.title()), (410, "There is a newer link"));
    }
    assert_eq!(site.get(&second).await.status, 200);
}

#[tokio::test]
async fn r8_an_expired_link_opens_nothing() {
    let site = Site::new().await;
    let (_, token) =
        site.world.invite_for(site.world.account.id, Purpose::Activate, SignedDuration::ZERO).await;
    for page in [site.get(&token).await, site.post(&token, GOOD, GOOD).await] {
        assert_eq!((page.status, page.title()), (410, "This link has expired"));
    }
    assert!(site.world.now().await.activated_at.is_none());
}

#[tokio::test]
async fn garbled_foreign_and_missing_tokens_all_get_the_same_page() {
    let site = Site::new().await;
    let (id, token) = site.world.invite(Purpose::Activate).await;
    let key = site.world.engine.link_key();
    let foreign = key.token(uuid::Uuid::from_u128(7), "nonce", Purpose::Activate);
    let forged = key.token(id, "another nonce", Purpose::Activate);
    let other_purpose = {
        let mut tx = site.world.engine.store().begin(Access::Read).await.unwrap();
        let link = tx.activation(id).await.unwrap().unwrap();
        key.token(id, &link.nonce, Purpose::Confirm)
    };
    let cut = &token[..token.len() - 1];
    let long = "A".repeat(5000);
    let reference = site.get("").await;
    assert_eq!((reference.status, reference.title()), (404, "This link does not work"));
    for bad in [&*foreign, &*forged, &*other_purpose, cut, "%00%ff", "a&token=b", &long] {
        for page in [site.get(bad).await, site.post(bad, GOOD, GOOD).await] {
            assert_eq!((page.status, &page.body), (404, &reference.body), "{bad}");
        }
    }
}

#[tokio::test]
async fn r8_a_token_that_differs_in_one_letter_opens_nothing() {
    let site = Site::new().await;
    let (_, token) = site.world.invite(Purpose::Confirm).await;
    let before = site.state().await;
    for at in 0..token.len() {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        let guess = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        assert_eq!(site.post(&guess, "", "").await.status, 404, "{guess}");
    }
    assert_eq!(site.state().await, before);
    assert_eq!(site.post(&token, "", "").await.status, 200);
}

#[tokio::test]
async fn r8_the_link_of_a_deleted_account_is_unknown_and_a_retired_one_is_closed() {
    let site = Site::new().await;
    let lou = site.world.another("lou", "lou@north-fleet.example").await;
    let valid = SignedDuration::from_hours(1);
    let (_, gone) = site.world.invite_for(lou.id, Purpose::Activate, valid).await;
    let (_, retired) = site.world.invite(Purpose::Activate).await;
    let mut tx = site.world.write().await;
    tx.delete_account(lou.id).await.unwrap();
    tx.retire_account(site.world.account.id).await.unwrap();
    tx.commit().await.unwrap();
    for (token, status) in [(gone, 404), (retired, 403)] {
        assert_eq!(site.get(&token).await.status, status);
        assert_eq!(site.post(&token, GOOD, GOOD).await.status, status);
    }
    assert!(!site.world.now().await.has_password);
}

#[tokio::test]
async fn a_host_that_a_request_makes_up_appears_nowhere() {
    let site = Site::new().await;
    let (_, token) = site.world.invite(Purpose::Confirm).await;
    let url = format!("http://{}/activate", site.address);
    let evil = |request: reqwest::RequestBuilder| {
        request
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("forwarded", "host=evil.example")
    };
    let form = evil(site.client.get(format!("{url}?token={token}"))).send().await.unwrap();
    let done = evil(site.client.post(&url)).form(&[("token", &*token)]).send().await.unwrap();
    for answer in [page(form).await, page(done).await] {
        assert_eq!(answer.status, 200);
        assert!(!answer.body.contains("evil") && !format!("{:?}", answer.headers).contains("evil"));
    }
}

#[tokio::test]
async fn a_disabled_account_or_tenant_is_told_so_and_nothing_changes() {
    let site = Site::new().await;
    let (_, token) = site.world.invite(Purpose::Activate).await;
    site.world.change(|account| account.settings.enabled = false).await;
    let page = site.post(&token, GOOD, GOOD).await;
    assert_eq!((page.status, page.title()), (403, "This account is disabled"));

    site.world.change(|account| account.settings.enabled = true).await;
    let mut tenant = site.world.tenant.clone();
    tenant.settings.enabled = false;
    let mut tx = site.world.write().await;
    tx.update_tenant(&tenant).await.unwrap();
    tx.commit().await.unwrap();
    for page in [site.get(&token).await, site.post(&token, GOOD, GOOD).await] {
        assert_eq!((page.status, page.title()), (403, "This account is disabled"));
    }
    assert!(site.world.now().await.activated_at.is_none());
}

#[tokio::test]
async fn a_weak_or_mistyped_password_brings_the_form_back_with_the_reason_and_never_the_password() {
    let site = Site::new().await;
    let (_, token) = site.world.invite(Purpose::Activate).await;
    let phc =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$T0kiE9d2bUdZ7n1y4oPcyB6Jd1rJw5x5gV0l7Nq2l3Y";
    for (password, again, reason) in [
        ("", "", "Choose a password."),
        ("tiny-Zq7", "tiny-Zq7", "This password has 8 characters."),
        ("correct horse battery staple", "correct horse battery staple", "guessed first"),
        ("kim.larsen.kim.larsen!", "kim.larsen.kim.larsen!", "your name or address"),
        (GOOD, "my aunt paints goats in october", "The two passwords differ"),
        (phc, phc, "not a password"),
    ] {
        let page = site.post(&token, password, again).await;
        assert_eq!((page.status, page.title()), (422, "Choose your password"));
        assert!(page.body.contains(reason), "{reason}");
        assert!(page.body.contains("<title>Error: ") && page.body.contains("aria-invalid"));
        assert!(password.is_empty() || !page.body.contains(password), "{password}");
    }
    assert!(!site.world.now().await.has_password);
    assert_eq!(site.post(&token, GOOD, GOOD).await.status, 200);
}

#[tokio::test]
async fn r8_a_proved_new_address_becomes_the_login() {
    let site = Site::new().await;
    site.world.change(|account| account.pending_email = Some("kim@new.example".to_owned())).await;
    let (_, token) = site.world.invite(Purpose::ChangeEmail).await;
    let form = site.get(&token).await;
    assert_eq!(form.title(), "Confirm your new address");
    assert!(form.body.contains("kim@new.example") && !form.body.contains("type=\"password\""));
    let done = site.post(&token, "", "").await;
    assert_eq!((done.status, done.title()), (200, "Your new address is confirmed"));
    let account = site.world.now().await;
    assert_eq!((account.settings.email.as_str(), account.pending_email), ("kim@new.example", None));
}

#[tokio::test]
async fn an_address_that_somebody_else_got_first_is_refused_with_a_page() {
    let site = Site::new().await;
    site.world.change(|account| account.pending_email = Some("Kim@New.example".to_owned())).await;
    let (_, token) = site.world.invite(Purpose::ChangeEmail).await;
    site.world.another("lou", "kim@new.example").await;
    let page = site.post(&token, "", "").await;
    assert_eq!((page.status, page.title()), (409, "This address is in use"));
    assert_eq!(site.world.now().await.settings.email, ADDRESS);
}

#[tokio::test]
async fn every_answer_forbids_scripts_frames_caching_and_referrers() {
    let site = Site::new().await;
    let (_, token) = site.world.invite(Purpose::Activate).await;
    let elsewhere = site.client.get(format!("http://{}/x", site.address)).send().await.unwrap();
    let large = "x".repeat(20_000);
    let pages = [
        site.get(&token).await,
        site.get("nonsense").await,
        page(elsewhere).await,
        site.post(&token, &large, &large).await,
        site.post(&token, GOOD, GOOD).await,
    ];
    assert_eq!(pages.each_ref().map(|page| page.status), [200, 404, 404, 413, 200]);
    for page in pages {
        let header = |name: &str| page.headers.get(name).unwrap().to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "style-src 'sha256-",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert_eq!(page.headers.get(REFERRER_POLICY).unwrap(), "no-referrer");
        assert_eq!(page.headers.get(CACHE_CONTROL).unwrap(), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        assert!(header("content-type").starts_with("text/html"));
        assert!(!page.body.contains("<script") && !page.body.contains(" style="));
    }
}

#[tokio::test]
async fn names_from_outside_are_text_and_nothing_else() {
    let site = Site::new().await;
    let mut tenant = site.world.tenant.clone();
    tenant.settings.display_name = "<b>{login}</b>".to_owned();
    tenant.settings.branding.as_mut().unwrap().support_email = Some("a?b&c@x.example".to_owned());
    let mut tx = site.world.write().await;
    tx.update_tenant(&tenant).await.unwrap();
    tx.commit().await.unwrap();
    let (_, token) = site.world.invite(Purpose::Activate).await;
    let body = site.get(&token).await.body;
    assert!(body.contains("&lt;b&gt;{login}&lt;") && !body.contains("<b>"), "{body}");
    assert!(body.contains("mailto:a%3Fb%26c@x.example"), "{body}");
}

#[tokio::test]
async fn a_known_reader_gets_the_language_of_the_account_and_a_stranger_that_of_the_browser() {
    let site = Site::new().await;
    site.world.change(|account| account.settings.locale = "de-AT".to_owned()).await;
    let (_, token) = site.world.invite(Purpose::Activate).await;
    let form = site.get(&token).await;
    assert!(form.body.contains("<html lang=\"de\">") && form.title() == "Passwort wählen");
    let url = format!("http://{}/activate", site.address);
    let stranger =
        site.client.get(url).header(ACCEPT_LANGUAGE, "fr-FR, de;q=0.8, en;q=0.5").send().await.unwrap();
    assert_eq!(page(stranger).await.title(), "Dieser Link funktioniert nicht");
}

#[tokio::test]
async fn a_database_that_is_gone_is_a_page_without_details() {
    let site = Site::new().await;
    let (_, token) = site.world.invite(Purpose::Activate).await;
    site.world.engine.store().close().await;
    let page = site.get(&token).await;
    assert_eq!((page.status, page.title()), (500, "Something went wrong"));
    assert!(!page.body.contains("pool") && !page.body.contains("sqlite"));
}

#[tokio::test]
async fn the_trail_says_who_activated_without_personal_data() {
    let site = Site::new().await;
    let (_, token) = site.world.invite(Purpose::Activate).await;
    site.post(&token, GOOD, GOOD).await;
    let columns = "SELECT actor || ' ' || action || ' ' || kind || ' ' || namespace || ' ' || name || ' ' || after FROM audit";
    // The databases space JSON differently.
    let trail = site.world.raw(columns).await.join("\n").replace("\": \"", "\":\"");
    assert_eq!(trail, "SubAdmin acme/kim activated SubAdmin acme kim {\"purpose\":\"Activate\"}");
    assert!(!trail.contains('@') && !trail.contains(&token) && !trail.contains(GOOD), "{trail}");
}

#[tokio::test]
async fn the_operations_port_tells_alive_ready_and_numbers() {
    let world = World::new().await;
    let readiness = super::Readiness::default();
    let operations = super::Operations {
        store: world.engine.store().clone(),
        readiness: readiness.clone(),
        registry: std::sync::Arc::default(),
    };
    let listener = super::listen("127.0.0.1:0".parse().unwrap(), "--ops-listen").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(super::serve(listener, super::operations(operations), stop.clone()));
    let get = async |path: &str| page(reqwest::get(format!("http://{address}{path}")).await.unwrap()).await;
    assert_eq!(get("/healthz").await.status, 200);
    assert_eq!(get("/readyz").await.status, 503);
    readiness.set(true);
    assert_eq!(get("/readyz").await.body, "ready\n");
    assert!(get("/metrics").await.body.ends_with("# EOF\n"));
    world.engine.store().close().await;
    let away = get("/readyz").await;
    assert_eq!(away.status, 503);
    assert!(away.body.contains("database"), "{}", away.body);
    assert_eq!(get("/healthz").await.status, 200);
    stop.cancel();
}

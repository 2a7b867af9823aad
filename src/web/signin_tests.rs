//! `/login`, `/account` and `/logout` over a real port and a real database, as
//! a browser and as somebody who is none.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::guard::Guard;
use super::{Outside, guarded};
use crate::domain::activation::Purpose;
use crate::domain::password;
use crate::testing::{ADDRESS, World};

const GOOD: &str = "my aunt paints boats in october";
const WRONG: &str = "my aunt paints goats in october";

struct Site {
    world: World,
    address: SocketAddr,
    _stop: tokio_util::sync::DropGuard,
}

impl Site {
    /// The pages of a world whose account is active.
    async fn new(outside: Outside) -> Self {
        Self::with(outside, Guard::new()).await
    }

    async fn with(outside: Outside, guard: Guard) -> Self {
        let world = World::new().await;
        let hash = password::hash(GOOD.to_owned().into(), world.engine.salt()).await.unwrap();
        let mut tx = world.write().await;
        let now = tx.now();
        tx.put_password(world.account.id, &hash).await.unwrap();
        tx.activate_account(world.account.id, now).await.unwrap();
        tx.commit().await.unwrap();
        let listener = super::listen("127.0.0.1:0".parse().unwrap(), "--listen").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = guarded(world.engine.clone(), outside, guard);
        tokio::spawn(super::serve(listener, router, stop.clone()));
        Self { world, address, _stop: stop.drop_guard() }
    }

    fn browser(&self) -> Browser<'_> {
        let client =
            Client::builder().timeout(Duration::from_secs(30)).redirect(Policy::none()).build().unwrap();
        Browser { site: self, client, cookies: vec![] }
    }

    async fn sessions(&self) -> usize {
        self.world.raw("SELECT digest FROM session").await.len()
    }
}

struct Page {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Page {
    fn title(&self) -> &str {
        let (_, rest) = self.body.split_once("<h1>").unwrap_or_else(|| panic!("{}", self.body));
        rest.split_once("</h1>").unwrap().0
    }

    /// The hidden field of its form.
    fn form(&self) -> &str {
        let (_, rest) =
            self.body.split_once("name=\"form\" value=\"").unwrap_or_else(|| panic!("{}", self.body));
        rest.split_once('"').unwrap().0
    }

    fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }
}

/// As much of a browser as keeps cookies.
struct Browser<'a> {
    site: &'a Site,
    client: Client,
    cookies: Vec<(String, String)>,
}

impl Browser<'_> {
    fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.site.address)
    }

    fn line(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn took(&mut self, response: Response) -> Page {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        for set in headers.get_all(SET_COOKIE) {
            let (pair, rest) = set.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !rest.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        Page { status, headers, body: response.text().await.unwrap() }
    }

    async fn get(&mut self, path: &str) -> Page {
        let response = self.client.get(self.url(path)).header(COOKIE, self.line()).send().await.unwrap();
        self.took(response).await
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Page {
        let mut request = self.client.post(self.url(path)).header(COOKIE, self.line()).form(form);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        self.took(response).await
    }

    async fn login(&mut self, email: &str, password: &str) -> Page {
        let form = self.get("/login").await.form().to_owned();
        self.post("/login", &[("form", &form), ("email", email), ("password", password)], &[]).await
    }

    async fn logout(&mut self) -> Page {
        let form = self.get("/account").await.form().to_owned();
        self.post("/logout", &[("form", &form)], &[]).await
    }
}

#[tokio::test]
async fn a_person_signs_in_sees_the_account_and_signs_out() {
    let site = Site::new(Outside::default()).await;
    let mut browser = site.browser();
    let away = browser.get("/account").await;
    assert_eq!((away.status, away.headers[LOCATION].to_str().unwrap()), (303, "login"));
    let front = browser.get("/").await;
    assert_eq!((front.status, front.headers[LOCATION].to_str().unwrap()), (303, "account"));

    let entered = browser.login(ADDRESS, GOOD).await;
    assert_eq!((entered.status, entered.headers[LOCATION].to_str().unwrap()), (303, "account"));
    let account = browser.get("/account").await;
    assert_eq!((account.status, account.title()), (200, "Your account"));
    for part in [ADDRESS, "kim.larsen", "Acme North", "Administrator", "help@north-fleet.example"] {
        assert!(account.body.contains(part), "{part}");
    }
    assert_eq!(browser.get("/login").await.status, 303, "whoever is signed in needs no form");
    assert_eq!(browser.get("/logout").await.title(), "Sign out?");
    assert_eq!(browser.get("/account").await.status, 200, "asking changes nothing");

    let session = browser.cookie("tenantry-session").unwrap().to_owned();
    let left = browser.logout().await;
    assert_eq!((left.status, left.title()), (200, "You are signed out"));
    assert_eq!(browser.cookie("tenantry-session"), None);
    // The old cookie is worth nothing, also for whoever has kept it.
    browser.cookies.push(("tenantry-session".to_owned(), session));
    assert_eq!(browser.get("/account").await.status, 303);
    assert_eq!(site.sessions().await, 0);
}

#[tokio::test]
async fn whatever_does_not_fit_gets_the_same_page() {
    let site = Site::new(Outside::default()).await;
    site.world.another("lou", "lou@north-fleet.example").await;
    let mut pages = vec![];
    for (email, password) in [
        (ADDRESS, WRONG),
        (ADDRESS, ""),
        ("nobody@north-fleet.example", GOOD),
        ("lou@north-fleet.example", GOOD),
        ("kim.larsen", GOOD),
    ] {
        let mut browser = site.browser();
        let page = browser.login(email, password).await;
        assert!(page.body.contains(&format!("value=\"{email}\"")), "what was typed is kept: {email}");
        assert!(!page.body.contains(GOOD) && !page.body.contains(WRONG));
        assert_eq!(browser.cookie("tenantry-session"), None);
        let form = page.form().to_owned();
        pages.push((page.status, page.body.replace(email, "E").replace(&form, "F"), page.headers.len()));
    }
    assert_eq!(pages[0].0, 403);
    assert!(pages[0].1.contains("do not fit together") && pages[0].1.contains("<title>Error: Sign in"));
    assert!(pages.iter().all(|page| *page == pages[0]), "{pages:#?}");
    site.world.change(|account| account.settings.enabled = false).await;
    let page = site.browser().login(ADDRESS, GOOD).await;
    let form = page.form().to_owned();
    assert_eq!(page.body.replace(ADDRESS, "E").replace(&form, "F"), pages[0].1);
}

#[tokio::test]
async fn the_session_of_an_account_that_is_disabled_ends_at_once() {
    let site = Site::new(Outside::default()).await;
    let mut browser = site.browser();
    browser.login(ADDRESS, GOOD).await;
    assert_eq!(browser.get("/account").await.status, 200);
    site.world.change(|account| account.settings.enabled = false).await;
    assert_eq!(browser.get("/account").await.status, 303);
    site.world.change(|account| account.settings.enabled = true).await;
    assert_eq!(browser.get("/account").await.status, 303, "it does not come back");
}

#[tokio::test]
async fn a_session_that_somebody_else_has_set_is_never_taken_over() {
    let site = Site::new(Outside::default()).await;
    let mut browser = site.browser();
    let planted = "A".repeat(43);
    browser.cookies.push(("tenantry-session".to_owned(), planted.clone()));
    browser.login(ADDRESS, GOOD).await;
    let first = browser.cookie("tenantry-session").unwrap().to_owned();
    assert_ne!(first, planted);
    // Signing in once more begins anew and ends what was there.
    let form = site.world.engine.link_key().form_token("0123456789abcdef");
    browser.cookies.push(("tenantry-form".to_owned(), "0123456789abcdef".to_owned()));
    let again = [("form", &*form), ("email", ADDRESS), ("password", GOOD)];
    assert_eq!(browser.post("/login", &again, &[]).await.status, 303);
    assert_ne!(browser.cookie("tenantry-session"), Some(&*first));
    assert_eq!(site.sessions().await, 1);
    // Two cookies of one name: one of them is not ours.
    let second = browser.cookie("tenantry-session").unwrap().to_owned();
    browser.cookies.push(("tenantry-session".to_owned(), second));
    assert_eq!(browser.get("/account").await.status, 303);
}

#[tokio::test]
async fn a_form_counts_only_with_the_cookie_of_the_browser_that_was_given_it() {
    let site = Site::new(Outside::default()).await;
    let foreign = site.browser().get("/login").await.form().to_owned();
    let mut browser = site.browser();
    let own = browser.get("/login").await.form().to_owned();
    let nonce = browser.cookie("tenantry-form").unwrap().to_owned();
    let with = |form: &'static str| [("form", form), ("email", ADDRESS), ("password", GOOD)];
    let stale = |page: &Page| page.status == 403 && page.body.contains("open for too long");
    for form in ["", "x"] {
        assert!(stale(&browser.post("/login", &with(form), &[]).await), "{form}");
    }
    let page = [("form", &*foreign), ("email", ADDRESS), ("password", GOOD)];
    assert!(stale(&browser.post("/login", &page, &[]).await), "the form of another browser");
    let fields = [("form", &*own), ("email", ADDRESS), ("password", GOOD)];
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        (ORIGIN.as_str(), "https://evil.example"),
    ] {
        assert!(stale(&browser.post("/login", &fields, &[(name, value)]).await), "{name}: {value}");
    }
    assert!(stale(&site.browser().post("/login", &fields, &[]).await), "without cookies");
    assert_eq!(site.sessions().await, 0);
    // All that was no attempt; and the form is still good.
    assert_eq!(browser.cookie("tenantry-form"), Some(&*nonce));
    let own_origin = format!("http://{}", site.address);
    let good = [(ORIGIN.as_str(), &*own_origin), ("sec-fetch-site", "same-origin")];
    assert_eq!(browser.post("/login", &fields, &good).await.status, 303);

    // Nobody is signed out by a page elsewhere either.
    let form = browser.get("/account").await.form().to_owned();
    assert_eq!(browser.post("/logout", &[("form", &own)], &[]).await.status, 403);
    assert_eq!(browser.post("/logout", &[], &[]).await.status, 403);
    let evil = [("sec-fetch-site", "cross-site")];
    assert_eq!(browser.post("/logout", &[("form", &form)], &evil).await.title(), "Sign out?");
    assert_eq!(browser.get("/account").await.status, 200);
    assert_eq!(browser.post("/logout", &[("form", &form)], &[]).await.title(), "You are signed out");
}

#[tokio::test]
async fn cookies_are_for_this_host_alone_and_no_script_and_over_tls_for_nothing_else() {
    for (base, prefix, secure) in
        [("http://127.0.0.1:8080", "", false), ("https://accounts.example.org/below", "__Host-", true)]
    {
        let site = Site::new(Outside::new(Some(base), vec![])).await;
        let mut browser = site.browser();
        let form = browser.get("/login").await;
        let entered = {
            let fields = [("form", form.form()), ("email", ADDRESS), ("password", GOOD)];
            browser.post("/login", &fields, &[]).await
        };
        let all: Vec<_> = form.set_cookies().into_iter().chain(entered.set_cookies()).collect();
        assert_eq!(all.len(), 4, "{all:?}");
        for cookie in &all {
            assert!(cookie.starts_with(&format!("{prefix}tenantry-")), "{cookie}");
            for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax"] {
                assert!(cookie.contains(part), "{cookie}");
            }
            assert_eq!(cookie.contains("; Secure"), secure, "{cookie}");
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
        let session = all.iter().find(|cookie| cookie.contains("-session=")).unwrap();
        assert!(!session.contains("Max-Age") && !session.contains("Expires"), "it goes with the browser");
        assert_eq!(browser.get("/account").await.status, 200);
        if secure {
            // A cookie without the prefix may come from anybody on the network.
            let token = browser.cookie("__Host-tenantry-session").unwrap().to_owned();
            browser.cookies = vec![("tenantry-session".to_owned(), token)];
            assert_eq!(browser.get("/account").await.status, 303);
        }
    }
}

#[tokio::test]
async fn after_too_many_failures_the_form_says_when_to_come_back_and_known_browsers_stay_welcome() {
    let site = Site::new(Outside::default()).await;
    let mut known = site.browser();
    known.login(ADDRESS, GOOD).await;
    known.logout().await;
    let mut stranger = site.browser();
    let mut last = stranger.login(ADDRESS, WRONG).await;
    for _ in 0..12 {
        if last.status == 429 {
            break;
        }
        assert_eq!(last.status, 403);
        last = stranger.login(ADDRESS, WRONG).await;
    }
    assert_eq!((last.status, last.title()), (429, "Sign in"));
    let wait: u64 = last.headers[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait) && last.body.contains("Wait a minute"), "{}", last.body);
    assert_eq!(stranger.login(ADDRESS, GOOD).await.status, 429, "also with the right password");
    assert_eq!(known.login(ADDRESS, GOOD).await.status, 303, "the owner's browser");
    // Whoever follows a link owns the account as well.
    let (_, token) = site.world.invite(Purpose::SetPassword).await;
    let mut fresh = site.browser();
    let fields = [("token", &*token), ("password", WRONG), ("again", WRONG)];
    let done = fresh.post("/activate", &fields, &[]).await;
    assert!(done.status == 200 && done.body.contains("href=\"login\""), "{}", done.body);
    assert_eq!(fresh.login(ADDRESS, WRONG).await.status, 303);
}

#[tokio::test]
async fn a_new_password_ends_every_session() {
    let site = Site::new(Outside::default()).await;
    let mut browser = site.browser();
    browser.login(ADDRESS, GOOD).await;
    let (_, token) = site.world.invite(Purpose::SetPassword).await;
    let fields = [("token", &*token), ("password", WRONG), ("again", WRONG)];
    assert_eq!(site.browser().post("/activate", &fields, &[]).await.status, 200);
    assert_eq!(browser.get("/account").await.status, 303);
    assert_eq!(browser.login(ADDRESS, GOOD).await.status, 403);
    assert_eq!(browser.login(ADDRESS, WRONG).await.status, 303);
}

#[tokio::test]
async fn what_people_type_is_text_in_the_page_and_nothing_in_a_header() {
    let site = Site::new(Outside::default()).await;
    let mut browser = site.browser();
    let page = browser.login("\"><b>x</b>\r\nSet-Cookie: a=b", WRONG).await;
    assert_eq!(page.status, 403);
    assert!(!page.body.contains("<b>") && page.body.contains("&lt;b&gt;"), "{}", page.body);
    assert!(page.headers.get_all(SET_COOKIE).iter().all(|c| !c.to_str().unwrap().starts_with("a=")));
    // A host or a path that somebody made up appears nowhere.
    let client = &browser.client;
    for path in ["/account", "/login", "/logout", "/"] {
        let response = client
            .get(browser.url(path))
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .send()
            .await
            .unwrap();
        let headers = format!("{:?}", response.headers());
        assert!(!headers.contains("evil") && !response.text().await.unwrap().contains("evil"), "{path}");
    }
}

#[tokio::test]
async fn bodies_that_are_too_large_or_no_form_are_refused_before_anything_else() {
    let site = Site::new(Outside::default()).await;
    let mut browser = site.browser();
    let form = browser.get("/login").await.form().to_owned();
    let large = "x".repeat(20_000);
    let writes = site.world.engine.store().writes();
    for path in ["/login", "/logout"] {
        let page = browser.post(path, &[("form", &form), ("password", &large)], &[]).await;
        assert_eq!(page.status, 413, "{path}");
        let json = browser.client.post(browser.url(path)).body("{}").send().await.unwrap();
        assert_eq!(browser.took(json).await.status, 400, "{path}");
        let put = browser.client.put(browser.url(path)).send().await.unwrap();
        assert_eq!(browser.took(put).await.status, 405, "{path}");
    }
    let head = browser.client.head(browser.url("/login")).send().await.unwrap();
    assert!(head.status() == 200 && head.headers().contains_key("content-security-policy"));
    assert_eq!(site.world.engine.store().writes(), writes);
}

#[tokio::test]
async fn a_client_that_sends_its_form_too_slowly_is_sent_away() {
    let site = Site::with(Outside::default(), Guard::with(Duration::from_millis(300))).await;
    let mut slow = tokio::net::TcpStream::connect(site.address).await.unwrap();
    let head = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\nConnection: close\r\n\r\nform=";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(20), slow.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("try again in a moment"), "{answer}");
}

#[tokio::test]
async fn a_database_that_is_gone_is_a_page_without_details() {
    let site = Site::new(Outside::default()).await;
    let mut browser = site.browser();
    browser.login(ADDRESS, GOOD).await;
    browser.cookies.push(("tenantry-form".to_owned(), "0123456789abcdef".to_owned()));
    let form = site.world.engine.link_key().form_token("0123456789abcdef");
    site.world.engine.store().close().await;
    let fields = [("form", &*form), ("email", ADDRESS), ("password", GOOD)];
    for page in [
        browser.get("/account").await,
        browser.get("/logout").await,
        browser.post("/login", &fields, &[]).await,
    ] {
        assert_eq!((page.status, page.title()), (500, "Something went wrong"));
        assert!(!page.body.contains("pool") && !page.body.contains("sqlite"));
    }
}

#[tokio::test]
async fn every_page_of_somebody_signed_in_forbids_scripts_frames_caching_and_referrers() {
    let site = Site::new(Outside::default()).await;
    let mut browser = site.browser();
    browser.login(ADDRESS, GOOD).await;
    for path in ["/account", "/logout", "/login", "/"] {
        let page = browser.get(path).await;
        let header = |name: &str| page.headers.get(name).unwrap().to_str().unwrap().to_owned();
        assert!(header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-frame-options"), "DENY");
        assert!(!page.body.contains("<script") && !page.body.contains(" style="));
    }
}

#[tokio::test]
async fn the_pages_speak_german_to_whoever_does() {
    let site = Site::new(Outside::default()).await;
    site.world.change(|account| account.settings.locale = "de".to_owned()).await;
    let mut browser = site.browser();
    let url = browser.url("/login");
    let form = browser.client.get(url).header("accept-language", "de-AT, en;q=0.5").send().await.unwrap();
    assert_eq!(browser.took(form).await.title(), "Anmelden");
    browser.login(ADDRESS, GOOD).await;
    let account = browser.get("/account").await;
    assert!(account.body.contains("<html lang=\"de\">") && account.title() == "Ihr Konto");
}

//! The pages in a real browser, as people meet them: on a phone and on a
//! desktop, with scripts and without, in the light and in the dark. Pictures of
//! every page are left in the folder `screenshots` of the build's `tmp`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod harness;

#[path = "browser/account.rs"]
mod account;
#[path = "browser/look.rs"]
mod look;
#[path = "browser/resend.rs"]
mod resend;

use std::time::{Duration, Instant};

use harness::{Browser, DESKTOP, Message, PHONE, Running, Tenantry, eventually, free_port};
use look::look_over;
use sqlx::Connection as _;

const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "seven herons crossed the dike";
const KIM: &str = "kim.larsen@north-fleet.example";

const OBJECTS: &str = "
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: acme}
spec: {displayName: ACME Logistics, branding: {productName: ACME Doors, supportEmail: help@acme.example}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {name: north}
spec: {displayName: North Fleet, parentRef: {name: acme}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Role
metadata: {name: operator}
spec: {tenantRef: {name: north}, permissions: {allow: [{resources: [device], operations: [view, operate]}, {resources: [analytics.streams, reports.activity], operations: [view]}], deny: [{resources: [device], operations: [share]}]}}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: kim}
spec: {tenantRef: {name: north}, username: kim.larsen, email: kim.larsen@north-fleet.example, company: North Fleet and Sons, tier: Admin, roles: [{name: operator}], permissions: {allow: [{resources: [dashboard], operations: [view]}]}}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: lou}
spec: {tenantRef: {name: north}, username: lou, email: lou@north-fleet.example}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {name: uwe}
spec: {tenantRef: {name: north}, username: uwe, email: uwe@north-fleet.example, activation: {locale: de}}
---
apiVersion: tenantry.dev/v1alpha1
kind: DeviceGrant
metadata: {name: fleet}
spec: {tenantRef: {name: acme}, mode: Assign, to: {tenantRef: {name: north}}, devices: {all: true}}
";

/// The binary with a folder of objects, its mails in another.
struct Site {
    folder: tempfile::TempDir,
    pages: String,
    _running: Running,
}

impl Site {
    async fn open() -> Self {
        Self::with(60, OBJECTS).await
    }

    /// One with so many devices, and these objects.
    async fn with(devices: u32, objects: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("objects");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("all.yaml"), objects).unwrap();
        let mut lines = "device_id,unit_id,name,labels,tenant\n".to_owned();
        for n in 1..=devices {
            lines += &format!("gate-{n:03},u{n},Gate {n} at the north dock,,default/acme\n");
        }
        std::fs::write(folder.path().join("devices.csv"), lines).unwrap();
        let (listen, ops) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
        let applied = Tenantry::new(["apply", "-f", "objects"]).dir(folder.path()).finish(PATIENCE).await;
        // Its devices are still to come; everything else is there.
        assert!(applied.code() == Some(0), "{}{}", applied.stdout, applied.stderr);
        let imported =
            Tenantry::new(["devices", "import", "devices.csv"]).dir(folder.path()).finish(PATIENCE).await;
        assert_eq!(imported.code(), Some(0), "{}", imported.stderr);
        let running = Tenantry::new(["run", "--from", "objects"])
            .env("TENANTRY_LISTEN", &listen)
            .env("TENANTRY_OPS_LISTEN", &ops)
            .dir(folder.path())
            .spawn();
        let ready = format!("http://{ops}/readyz");
        eventually("the pages are there", PATIENCE, async || {
            reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success()).then_some(())
        })
        .await;
        Self { folder, pages: format!("http://{listen}"), _running: running }
    }

    /// The link that was sent to an address.
    fn link(&self, address: &str) -> String {
        self.links(address).pop().unwrap()
    }

    /// Every link that was sent to an address.
    fn links(&self, address: &str) -> Vec<String> {
        let mails = std::fs::read_dir(self.folder.path().join("outbox")).unwrap();
        let mails = mails
            .map(|mail| mail.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "eml"));
        let mails = mails.map(|path| Message::parse(std::fs::read(path).unwrap()).unwrap());
        let ours = mails.filter(|mail| mail.header("To").unwrap().contains(address));
        ours.map(|mail| {
            let (_, rest) = mail.text.split_once("/activate?token=").unwrap();
            self.at(&format!("/activate?token={}", rest.split_whitespace().next().unwrap()))
        })
        .collect()
    }

    /// The link that is sent to an address beside those that were sent before.
    async fn next_link(&self, address: &str, before: &[String]) -> String {
        eventually("another mail", PATIENCE, async || {
            self.links(address).into_iter().find(|link| !before.contains(link))
        })
        .await
    }

    async fn by_hand(&self, statement: &'static str) {
        let url = format!("sqlite://{}", self.folder.path().join("tenantry.db").display());
        let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(statement).execute(&mut database).await.unwrap();
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.pages)
    }
}

async fn sign_in(browser: &Browser, site: &Site, email: &str, password: &str) {
    browser.go(&site.at("/login")).await;
    browser.type_into("#email", email).await;
    browser.type_into("#password", password).await;
    browser.click("button").await;
}

async fn activate(browser: &Browser, site: &Site, address: &str) {
    browser.go(&site.link(address)).await;
    browser.type_into("#password", PASSWORD).await;
    browser.type_into("#again", PASSWORD).await;
    browser.click("button").await;
    assert_eq!(browser.text("h1").await, "Your account is active");
}

#[tokio::test]
async fn a_person_activates_signs_in_and_out_on_a_phone_that_runs_no_scripts() {
    let site = Site::open().await;
    let browser = Browser::open(PHONE, true, false).await;
    browser.go("data:text/html,<title>still</title><script>document.title='ran'</script>").await;
    assert_eq!(browser.title().await, "still", "no scripts");
    browser.go(&site.link(KIM)).await;
    assert_eq!(browser.text("h1").await, "Choose your password");
    browser.picture("phone-activate").await;
    assert_eq!(browser.text("#length").await, "");
    browser.type_into("#password", "seven herons").await;
    assert_eq!(browser.text("#length").await, "Not long enough yet");
    browser.picture("phone-activate-short").await;
    browser.type_into("#password", PASSWORD).await;
    assert_eq!(browser.text("#length").await, "Long enough");
    browser.type_into("#again", "something else altogether").await;
    browser.click("button").await;
    assert!(browser.text(".problem").await.contains("differ"));
    browser.picture("phone-activate-problem").await;
    browser.type_into("#password", PASSWORD).await;
    browser.type_into("#again", PASSWORD).await;
    browser.click("button").await;
    assert_eq!(browser.text("h1").await, "Your account is active");
    browser.picture("phone-active").await;

    browser.click("a.button").await;
    assert_eq!((browser.path().await.as_str(), browser.text("h1").await.as_str()), ("/login", "Sign in"));
    browser.picture("phone-login").await;
    browser.type_into("#email", "Kim.Larsen@North-Fleet.example").await;
    browser.type_into("#password", PASSWORD).await;
    browser.click("button").await;
    assert_eq!(
        (browser.path().await.as_str(), browser.text("h1").await.as_str()),
        ("/account", "Your account")
    );
    let page = browser.text("main").await;
    for part in [
        KIM,
        "kim.larsen",
        "North Fleet and Sons",
        "Administrator",
        "people and their accounts",
        "devices: view, operate",
        "dashboards: view",
        "Gate 1 at the north dock",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    browser.picture("phone-account").await;
    browser.click("form button").await;
    assert_eq!(browser.text("h1").await, "You are signed out");
    browser.picture("phone-signed-out").await;
    browser.go(&site.at("/account")).await;
    assert_eq!(browser.path().await, "/login", "the session is over");
    // A fresh browser may have lines about itself; of our pages, only the
    // refused form has one.
    let complaints = browser.console().await;
    println!("console: {complaints:?}");
    let ours: Vec<&String> = complaints.iter().filter(|line| line.contains(&site.pages)).collect();
    assert!(ours.len() == 1 && ours[0].contains("status of 422"), "{complaints:?}");
    browser.close().await;
}

#[tokio::test]
async fn wrong_passwords_too_many_attempts_and_links_that_are_over_are_told() {
    let site = Site::open().await;
    let browser = Browser::open(DESKTOP, false, true).await;
    site.by_hand("UPDATE activation SET expires_at = '2026-01-01T00:00:00Z' WHERE account_id = (SELECT id FROM account WHERE username = 'lou')").await;
    browser.go(&site.link("lou@north-fleet.example")).await;
    assert_eq!(browser.text("h1").await, "This link has expired");
    browser.picture("desktop-expired").await;
    let link = site.link(KIM);
    activate(&browser, &site, KIM).await;
    browser.go(&link).await;
    assert_eq!(browser.text("h1").await, "This link has been used");
    browser.picture("desktop-used").await;
    browser.go(&site.at("/activate?token=nonsense")).await;
    assert_eq!(browser.text("h1").await, "This link does not work");
    browser.picture("desktop-unknown").await;

    sign_in(&browser, &site, KIM, "another password altogether").await;
    assert_eq!((browser.path().await.as_str(), browser.text("h1").await.as_str()), ("/login", "Sign in"));
    let wrong = browser.text(".problem").await;
    assert!(wrong.contains("do not fit together"), "{wrong}");
    assert!(browser.title().await.starts_with("Error: "));
    browser.picture("desktop-wrong").await;
    sign_in(&browser, &site, "nobody@north-fleet.example", PASSWORD).await;
    assert_eq!(browser.text(".problem").await, wrong, "nobody learns who has an account");
    for _ in 0..12 {
        if browser.text(".problem").await.contains("Too many attempts") {
            break;
        }
        browser.type_into("#password", "yet another password").await;
        browser.click("button").await;
    }
    assert!(browser.text(".problem").await.contains("Too many attempts have failed"));
    browser.picture("desktop-throttled").await;
    // The browser in which the account was activated is not held up by that.
    sign_in(&browser, &site, KIM, PASSWORD).await;
    assert_eq!(browser.path().await, "/account");
    browser.close().await;
}

#[tokio::test]
async fn every_page_is_readable_reachable_by_keyboard_and_loads_nothing_from_elsewhere() {
    let started = Instant::now();
    let site = Site::open().await;
    let browser = Browser::open(DESKTOP, false, true).await;
    browser.go(&site.link(KIM)).await;
    look_over(&browser, "activate").await;
    let order = [browser.tab().await, browser.tab().await, browser.tab().await, browser.tab().await];
    assert_eq!(order, ["login", "password", "again", "Activate account"]);
    activate(&browser, &site, KIM).await;
    look_over(&browser, "active").await;
    browser.go(&site.link(KIM)).await;
    look_over(&browser, "used").await;

    browser.go(&site.at("/login")).await;
    look_over(&browser, "login").await;
    assert_eq!(browser.run("return document.activeElement.id").await, "email", "ready to type");
    assert_eq!([browser.tab().await, browser.tab().await], ["password", "Sign in"]);
    let strange = sign_in(&browser, &site, KIM, "another password altogether");
    strange.await;
    look_over(&browser, "wrong").await;
    assert_eq!(browser.run("return document.activeElement.id").await, "password");
    let complaints = browser.console().await;
    assert!(complaints.iter().all(|line| line.contains("410") || line.contains("403")), "{complaints:?}");

    sign_in(&browser, &site, KIM, PASSWORD).await;
    look_over(&browser, "account").await;
    let rows = browser.run("return document.querySelectorAll('.devices li').length").await;
    assert_eq!(rows, 25);
    assert_eq!(browser.tab().await, "Sign out");
    browser.click("nav a").await;
    assert_eq!(browser.text(".devices li:first-child .id").await, "gate-026");
    look_over(&browser, "devices").await;
    browser.go(&site.at("/logout")).await;
    look_over(&browser, "sign-out").await;
    browser.click("button").await;
    look_over(&browser, "signed-out").await;

    // Not one address but our own, and nothing in the console.
    let requests = browser.requests().await;
    assert!(requests.len() > 10);
    let elsewhere: Vec<_> = requests.iter().filter(|url| !url.starts_with(&site.pages)).collect();
    assert_eq!(elsewhere, [""; 0]);
    assert_eq!(browser.console().await, [""; 0]);
    // What the policy is for: a script in the page would not run.
    browser.go(&site.at("/login")).await;
    let ran = browser.run("const s = document.createElement('script'); s.textContent = 'window.ran = true'; document.body.append(s); return window.ran === true").await;
    assert_eq!(ran, false);
    assert!(browser.console().await.iter().any(|line| line.contains("Content Security Policy")));
    browser.close().await;
    println!("took {:?}", started.elapsed());
}

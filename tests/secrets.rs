//! R8: nothing secret stands anywhere outside of the mail. The binary runs with
//! everything logged that there is to log, people do all that people do, and
//! every line, number, status and column is searched afterwards.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod harness;

use std::time::Duration;

use data_encoding::BASE64;
use harness::{Mail, Message, Postgres, Running, Tenantry, eventually, free_port};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;
use sqlx::{AssertSqlSafe, Row as _};

const PATIENCE: Duration = Duration::from_secs(90);
const CHOSEN: &str = "seven-herons-crossed-the-dike";
const INITIAL: &str = "eleven-otters-under-the-pier";
const WEAK: &str = "correct-horse-battery-staple";
const WRONG: &str = "nobodys-password-of-any-kind";
const KEY: &str = "6f7d6f7d6f7d6f7d6f7d6f7d6f7d6f7d6f7d6f7d6f7d6f7d6f7d6f7d6f7d6f7d";

/// Something that must not be found, and what it is.
struct Secret {
    what: String,
    text: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_nothing_secret_stands_outside_of_the_mail_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("t.db").display());
    nothing_secret_stands_outside_of_the_mail(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_nothing_secret_stands_outside_of_the_mail_on_postgresql() {
    let url = Postgres::shared().await.database("secrets").await;
    nothing_secret_stands_outside_of_the_mail(&url).await;
}

struct Site {
    folder: tempfile::TempDir,
    running: Running,
    pages: String,
    operations: String,
    mail: &'static Mail,
    client: reqwest::Client,
    /// Whatever people were given or typed.
    secrets: Vec<Secret>,
}

impl Site {
    async fn open(database: &str, objects: &str) -> Self {
        let mail = Mail::shared().await;
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("objects");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("all.yaml"), objects).unwrap();
        let key = folder.path().join("link.key");
        std::fs::write(&key, KEY).unwrap();
        let (listen, ops) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
        let pages = format!("http://{listen}");
        let running = Tenantry::new(["run", "--from", "objects"])
            .env("TENANTRY_LOG", "trace")
            .env("TENANTRY_DATABASE_URL", database)
            .env("TENANTRY_KEY_FILE", &key)
            .env("TENANTRY_MAIL_URL", mail.starttls_url())
            .env("TENANTRY_MAIL_CA_FILE", mail.ca())
            .env("TENANTRY_MAIL_FROM", "Tenantry <sender@tenantry.example>")
            .env("TENANTRY_PUBLIC_URL", &pages)
            .env("TENANTRY_LISTEN", &listen)
            .env("TENANTRY_OPS_LISTEN", &ops)
            .dir(folder.path())
            .spawn();
        let operations = format!("http://{ops}");
        eventually("the pages are there", PATIENCE, async || {
            let answer = reqwest::get(format!("{operations}/readyz")).await;
            answer.is_ok_and(|answer| answer.status().is_success()).then_some(())
        })
        .await;
        let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        Self { folder, running, pages, operations, mail, client, secrets: vec![] }
    }

    fn keep(&mut self, what: &str, text: &str) {
        self.secrets.push(Secret { what: what.to_owned(), text: text.to_owned() });
    }

    /// The token in the mail number `count` to an address.
    async fn token(&mut self, address: &str, count: usize) -> String {
        let mails: Vec<Message> = self.mail.wait_for_mails(address, count, PATIENCE).await;
        let link = mails.last().unwrap().link(&self.pages).unwrap();
        let token = link.split_once("token=").unwrap().1.to_owned();
        self.keep("the token of a link", &token);
        token
    }

    async fn post(&self, path: &str, form: &[(&str, &str)], cookies: &str) -> reqwest::Response {
        let url = format!("{}{path}", self.pages);
        self.client.post(url).header(COOKIE, cookies).form(form).send().await.unwrap()
    }

    /// Signs in; whether that worked. Every cookie and token on the way is kept.
    async fn sign_in(&mut self, email: &str, password: &str) -> bool {
        let page = self.client.get(format!("{}/login", self.pages)).send().await.unwrap();
        let cookie = self.cookies(&page);
        let body = page.text().await.unwrap();
        let form = body.split_once("name=\"form\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        self.keep("the field of a form", &form);
        let fields = [("form", &*form), ("email", email), ("password", password)];
        let answer = self.post("/login", &fields, &cookie).await;
        let entered = answer.status() == 303;
        let cookies = self.cookies(&answer);
        if entered {
            let url = format!("{}/account", self.pages);
            let account = self.client.get(url).header(COOKIE, &cookies).send().await.unwrap();
            assert_eq!(account.status(), 200);
            let body = account.text().await.unwrap();
            let form = body.split_once("name=\"form\" value=\"").unwrap().1.split_once('"').unwrap().0;
            assert_eq!(self.post("/logout", &[("form", form)], &cookies).await.status(), 200);
        }
        entered
    }

    fn cookies(&mut self, answer: &reqwest::Response) -> String {
        let set = answer.headers().get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned());
        let pairs: Vec<String> = set.map(|line| line.split_once(';').unwrap().0.to_owned()).collect();
        for pair in &pairs {
            let (name, value) = pair.split_once('=').unwrap();
            if !value.is_empty() {
                self.keep(&format!("the cookie {name}"), value);
            }
        }
        pairs.join("; ")
    }
}

fn objects(kim: &str, lou: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Secret
metadata: {{name: pw, labels: {{tenantry.dev/use: password}}}}
stringData: {{password: {INITIAL}}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {{name: acme}}
spec: {{displayName: ACME, branding: {{productName: ACME Doors}}}}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {{name: kim}}
spec: {{tenantRef: {{name: acme}}, username: kim, email: {kim}, tier: Root}}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {{name: lou}}
spec: {{tenantRef: {{name: acme}}, managedByRef: {{name: kim}}, username: lou, email: {lou}, passwordSecretRef: {{name: pw}}}}
"
    )
}

async fn nothing_secret_stands_outside_of_the_mail(database: &str) {
    let mail = Mail::shared().await;
    let [kim, lou, moved, stranger] = ["kim", "lou", "moved", "stranger"].map(|name| mail.address(name));
    let mut site = Site::open(database, &objects(&kim, &lou)).await;
    for (what, text) in [
        ("a password that was chosen", CHOSEN),
        ("an initial password", INITIAL),
        ("a password that was refused", WEAK),
        ("a password that did not fit", WRONG),
        ("the key of links", KEY),
        ("the password of the mail server", mail.password()),
    ] {
        site.keep(what, text);
    }
    let plain = format!("\0{}\0{}", mail.user(), mail.password());
    site.keep("the password of the mail server, as it is sent", &BASE64.encode(plain.as_bytes()));

    // Kim activates, after two mistakes; signs in, after one.
    let token = site.token(&kim, 1).await;
    let page = site.client.get(format!("{}/activate?token={token}", site.pages)).send().await.unwrap();
    assert_eq!(page.status(), 200);
    for (password, again, status) in
        [(WEAK, WEAK, 422), (CHOSEN, WEAK, 422), (CHOSEN, CHOSEN, 200), (CHOSEN, CHOSEN, 410)]
    {
        let form = [("token", &*token), ("password", password), ("again", again)];
        let answer = site.post("/activate", &form, "").await;
        assert_eq!(answer.status(), status);
        site.cookies(&answer);
    }
    assert!(!site.sign_in(&kim, WRONG).await && !site.sign_in(&stranger, WRONG).await);
    assert!(site.sign_in(&kim, CHOSEN).await);
    // Lou asks for another link by the first one and by the address, and uses the last.
    let first = site.token(&lou, 1).await;
    assert_eq!(site.post("/resend", &[("token", &first)], "").await.status(), 200);
    site.token(&lou, 2).await;
    assert_eq!(site.post("/resend", &[("email", &lou)], "").await.status(), 200);
    assert_eq!(site.post("/resend", &[("email", &stranger)], "").await.status(), 200);
    let last = site.token(&lou, 3).await;
    assert_eq!(site.post("/activate", &[("token", &last)], "").await.status(), 200);
    assert!(site.sign_in(&lou, INITIAL).await);
    // Kim moves, and a mail to a server that refuses it is given up.
    std::fs::write(
        site.folder.path().join("objects/all.yaml"),
        objects(&moved, &format!("lou@{}", Mail::REFUSED)),
    )
    .unwrap();
    let proof = site.token(&moved, 1).await;
    assert_eq!(site.post("/activate", &[("token", &proof)], "").await.status(), 200);
    assert!(site.sign_in(&moved, CHOSEN).await);
    let reported = eventually("status says that a mail was refused", PATIENCE, async || {
        let rows = rows(database).await;
        rows.iter().any(|(_, row)| row.contains("MailRefused")).then_some(rows)
    })
    .await;

    let metrics = reqwest::get(format!("{}/metrics", site.operations)).await.unwrap().text().await.unwrap();
    let logs = [site.running.stdout(), site.running.stderr()];
    assert!(
        logs[1].contains("INSERT INTO activation") && logs[1].contains("signed in"),
        "everything is logged"
    );
    assert!(metrics.contains("mails_sent_total") && reported.len() > 20, "{} rows", reported.len());

    assert!(
        site.secrets.len() > 20 && logs[1].contains("kim"),
        "what is searched for, and that it would be found"
    );

    // Names that are no secret, but nobody's business either.
    let refused = format!("lou@{}", Mail::REFUSED);
    let addresses = [&kim, &lou, &moved, &stranger, &refused].map(|address| address.to_lowercase());
    for (place, text) in [("standard output", &logs[0]), ("the log", &logs[1]), ("the metrics", &metrics)] {
        for Secret { what, text: secret } in &site.secrets {
            told_nowhere(place, text, what, secret);
        }
        for address in &addresses {
            told_nowhere(place, text, "an address", address);
            told_nowhere(place, text, "an address", &address.replace('@', "%40"));
        }
    }
    for (table, row) in &reported {
        for Secret { what, text } in &site.secrets {
            told_nowhere(table, row, what, text);
        }
        if !["account", "account_brief"].contains(&table.as_str()) {
            for address in &addresses {
                told_nowhere(table, row, "an address", address);
            }
        }
    }
    let hashes = reported.iter().filter(|(table, row)| table == "account" && row.contains("$argon2id$"));
    assert_eq!(hashes.count(), 2, "only as a hash");
}

/// Fails where a secret is found, and says where without repeating it.
fn told_nowhere(place: &str, text: &str, what: &str, secret: &str) {
    if let Some(line) = text.lines().find(|line| line.to_lowercase().contains(&secret.to_lowercase())) {
        let around: String = line.chars().take(300).collect();
        panic!("{what} stands in {place}: {around}");
    }
}

/// Every row of every table, as text, with the name of its table.
async fn rows(database: &str) -> Vec<(String, String)> {
    let mut all = vec![];
    if database.starts_with("sqlite") {
        let pool = sqlx::SqlitePool::connect(database).await.unwrap();
        let tables = "SELECT m.name, group_concat('COALESCE(iif(typeof(\"' || p.name || '\") = ''blob'', hex(\"' || p.name || '\"), CAST(\"' || p.name || '\" AS TEXT)), '''')', ' || '' | '' || ') AS row
            FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' GROUP BY m.name";
        for table in sqlx::query(tables).fetch_all(&pool).await.unwrap() {
            let (name, columns): (String, String) = (table.get(0), table.get(1));
            let sql = format!("SELECT {columns} FROM \"{name}\"");
            let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
            all.extend(found.into_iter().map(|row| (name.clone(), row)));
        }
        pool.close().await;
    } else {
        let pool = sqlx::PgPool::connect(database).await.unwrap();
        let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&pool).await.unwrap();
        for name in tables {
            let sql = format!("SELECT t::text FROM \"{name}\" t");
            let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
            all.extend(found.into_iter().map(|row| (name.clone(), row)));
        }
        pool.close().await;
    }
    all
}

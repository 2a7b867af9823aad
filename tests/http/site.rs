//! The binary with a folder of objects, devices and service tokens, and a
//! client that believes nothing: each answer is held against the document.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Postgres, Running, Tenantry, eventually, free_port, in_tree};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const PASSWORD: &str = "seven herons crossed the dike";

/// Good for everything.
pub(crate) const TOKEN: &str = "everything-0123456789abcdef0123456789abcdef";
/// Good for one thing each.
pub(crate) const CHECKS: &str = "only-checks-0123456789abcdef0123456789abcdef";
pub(crate) const ACCOUNTS: &str = "only-accounts-0123456789abcdef0123456789abcdef";
pub(crate) const SESSIONS: &str = "only-sessions-0123456789abcdef0123456789abcdef";

/// The devices of north: north-001 to north-120. Five more stay with acme.
pub(crate) const DEVICES: usize = 120;

pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) url: String,
    pub(crate) address: String,
    pub(crate) operations: String,
    pub(crate) database: String,
    pub(crate) running: Running,
    pub(crate) document: Value,
    client: Client,
    seen: Mutex<BTreeSet<(String, String, u16)>>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Which problem it is.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        let kind = self.json()["type"].as_str().unwrap_or_else(|| panic!("no problem: {self:?}")).to_owned();
        kind.strip_prefix("https://tenantry.dev/problems/").unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn digest(token: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

pub(crate) fn tokens() -> String {
    format!(
        "# programs\neverything:{}\nchecks:{}:check\naccounts:{}:accounts\nsessions:{}:sessions\n",
        digest(TOKEN),
        digest(CHECKS),
        digest(ACCOUNTS),
        digest(SESSIONS)
    )
}

impl Site {
    pub(crate) async fn sqlite() -> Self {
        Self::open(None).await
    }

    pub(crate) async fn postgres(name: &str) -> Self {
        Self::open(Some(Postgres::shared().await.database(name).await)).await
    }

    pub(crate) async fn open(database: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database =
            database.unwrap_or_else(|| format!("sqlite://{}", folder.path().join("accounts.db").display()));
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("objects")).unwrap();
        std::fs::copy(in_tree("tests/http/objects.yaml"), at("objects/all.yaml")).unwrap();
        std::fs::write(at("key"), "6f".repeat(32)).unwrap();
        std::fs::write(at("tokens"), tokens()).unwrap();
        let mut devices = "device_id,unit_id,name,labels,tenant\n".to_owned();
        for (area, count) in [("north", DEVICES), ("south", 5)] {
            for n in 1..=count {
                devices += &format!("{area}-{n:03},unit,Door {n},area={area},default/acme\n");
            }
        }
        std::fs::write(at("devices.csv"), devices).unwrap();
        for call in [&["apply", "-f", "objects", "--prune"][..], &["devices", "import", "devices.csv"]] {
            let done = Self::command(&folder, &database, call).finish(PATIENCE).await;
            assert_eq!(done.code(), Some(0), "{done:?}");
        }
        let (port, operations) = (free_port(), format!("127.0.0.1:{}", free_port()));
        let address = format!("127.0.0.1:{port}");
        let running = Self::command(
            &folder,
            &database,
            &["run", "--from", "objects", "--listen", &address, "--ops-listen", &operations],
        )
        .env("TENANTRY_SERVICE_TOKENS_FILE", at("tokens"))
        .env("TENANTRY_LOG", "warn")
        .spawn();
        running.wait_for_line("this follows", PATIENCE).await;
        let client = Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        let url = format!("http://{address}");
        let document = client.get(format!("{url}/v1/openapi.json")).send().await.unwrap();
        let document = document.json().await.unwrap();
        let seen = Mutex::default();
        let site = Self { folder, url, address, operations, database, running, document, client, seen };
        eventually("the grant is applied", PATIENCE, || async {
            let asked =
                json!({"account": "noor", "operation": "view", "resource": "device", "device": "north-001"});
            (site.check(&asked).await["allowed"] == true).then_some(())
        })
        .await;
        site
    }

    fn command(folder: &tempfile::TempDir, database: &str, arguments: &[&str]) -> Tenantry {
        Tenantry::new(arguments)
            .env("TENANTRY_DATABASE_URL", database)
            .env("TENANTRY_KEY_FILE", folder.path().join("key"))
            .env("TENANTRY_MAIL_URL", format!("dir:{}", folder.path().join("outbox").display()))
            .dir(folder.path())
    }

    /// Another call of the binary beside the server.
    pub(crate) fn beside(&self, arguments: &[&str]) -> Tenantry {
        Self::command(&self.folder, &self.database, arguments)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Sends a request and holds the answer against the document.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Reply {
        let request = request.build().unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = self.client.execute(request).await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let reply = Reply { status, headers, body: answer.bytes().await.unwrap().into() };
        self.hold(method.as_str(), &path, &reply);
        reply
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::POST, path).bearer_auth(TOKEN).json(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path).bearer_auth(TOKEN)).await
    }

    /// The answer to a question.
    pub(crate) async fn check(&self, question: &Value) -> Value {
        let reply = self.post("/v1/check", question).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// Sends bytes as they are, and gives what comes back until the end.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        // The server may answer, and close, before it has read everything.
        let _ = stream.write_all(bytes).await;
        let mut answer = vec![];
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The path of the document that an address belongs to.
    fn template(&self, path: &str) -> Option<String> {
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |template: &&String| {
            let parts: Vec<&str> = template.split('/').collect();
            parts.len() == segments.len()
                && parts.iter().zip(&segments).all(|(part, segment)| part.starts_with('{') || part == segment)
        };
        self.document["paths"].as_object().unwrap().keys().find(fits).cloned()
    }

    /// Holds an answer against the document: its status, its type, its headers
    /// and its body are documented.
    #[track_caller]
    pub(crate) fn hold(&self, method: &str, path: &str, reply: &Reply) {
        let method = method.to_lowercase();
        let template = self.template(path);
        let operation = template.as_ref().and_then(|path| self.document["paths"][path].get(&method));
        let kind = reply.header("content-type");
        let problem = json!({ "$ref": "#/components/schemas/Problem" });
        let schema = match (&template, operation) {
            (None, _) => {
                assert_eq!(
                    (reply.status, kind),
                    (404, Some("application/problem+json")),
                    "{path}: {reply:?}"
                );
                Some(problem)
            }
            (Some(_), None) => {
                assert_eq!(
                    (reply.status, kind),
                    (405, Some("application/problem+json")),
                    "{path}: {reply:?}"
                );
                Some(problem)
            }
            (Some(template), Some(operation)) => {
                let response = &operation["responses"][reply.status.to_string()];
                assert!(
                    response.is_object(),
                    "{method} {path}: {} is not documented: {reply:?}",
                    reply.status
                );
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert((
                    method.clone(),
                    template.clone(),
                    reply.status,
                ));
                for (name, header) in response["headers"].as_object().into_iter().flatten() {
                    let value =
                        reply.header(name).unwrap_or_else(|| panic!("{method} {path}: no {name}: {reply:?}"));
                    let value = match header["schema"]["type"].as_str() {
                        Some("integer") => json!(value.parse::<u64>().unwrap()),
                        _ => json!(value),
                    };
                    self.validate(&header["schema"], &value);
                }
                match response["content"].as_object() {
                    None => {
                        assert!(reply.body.is_empty(), "{method} {path}: a body where none is documented");
                        None
                    }
                    Some(content) => {
                        let kind = kind.unwrap_or_default();
                        assert!(
                            content.contains_key(kind),
                            "{method} {path}: {kind} is not documented: {reply:?}"
                        );
                        Some(content[kind]["schema"].clone())
                    }
                }
            }
        };
        if let Some(schema) = schema {
            self.validate(&schema, &reply.json());
        }
    }

    #[track_caller]
    fn validate(&self, schema: &Value, value: &Value) {
        let whole = json!({ "components": self.document["components"], "allOf": [schema] });
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let wrong: Vec<String> =
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{wrong:#?}\n{value:#}");
    }

    /// Every answer so far: method, path of the document, status.
    pub(crate) fn seen(&self) -> BTreeSet<(String, String, u16)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs a statement as somebody with a client of their own.
    pub(crate) async fn sql(&self, statement: &'static str) {
        match self.database.strip_prefix("sqlite://") {
            Some(_) => {
                let pool = sqlx::SqlitePool::connect(&self.database).await.unwrap();
                sqlx::raw_sql(statement).execute(&pool).await.unwrap();
            }
            None => {
                let pool = sqlx::PgPool::connect(&self.database).await.unwrap();
                sqlx::raw_sql(statement).execute(&pool).await.unwrap();
            }
        }
    }
}

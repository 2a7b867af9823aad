//! The whole way, on real parts: objects applied with kubectl, reconciled by
//! the binary as the restricted user of the manifests, rows in a database, the
//! mail through a real server, the link followed as a browser would, status
//! `Active`, and everything gone in the end.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod harness;

use std::time::{Duration, Instant};

use harness::{Cluster, Mail, Postgres, Running, Tenantry, free_port};

const PATIENCE: Duration = Duration::from_secs(60);

struct Site {
    cluster: &'static Cluster,
    namespace: String,
    controller: Running,
    pages: String,
    operations: String,
    _folder: tempfile::TempDir,
}

impl Site {
    /// A controller of its own for one namespace.
    async fn open(name: &str, database_url: &str, mail: &Mail) -> Self {
        let cluster = Cluster::shared().await;
        let namespace = cluster.namespace(name).await;
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("link.key");
        std::fs::write(&key, "6f".repeat(32)).unwrap();
        let (listen, ops) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
        let pages = format!("http://{listen}");
        let controller = Tenantry::new(["run", "--namespaces", &namespace, "--root-namespaces", &namespace])
            .env("KUBECONFIG", cluster.controller_kubeconfig())
            .env("TENANTRY_DATABASE_URL", database_url)
            .env("TENANTRY_SOURCE", &namespace)
            .env("TENANTRY_KEY_FILE", &key)
            .env("TENANTRY_MAIL_URL", mail.starttls_url())
            .env("TENANTRY_MAIL_CA_FILE", mail.ca())
            .env("TENANTRY_MAIL_FROM", "Tenantry <tenantry@example.org>")
            .env("TENANTRY_MAIL_ALLOW_HOSTS", "127.0.0.1")
            .env("TENANTRY_PUBLIC_URL", &pages)
            .env("TENANTRY_LISTEN", &listen)
            .env("TENANTRY_OPS_LISTEN", &ops)
            .dir(folder.path())
            .spawn();
        let site = Self {
            cluster,
            namespace,
            controller,
            pages,
            operations: format!("http://{ops}"),
            _folder: folder,
        };
        site.until_ok("/readyz").await;
        site
    }

    async fn until_ok(&self, path: &str) {
        let start = Instant::now();
        loop {
            let answer = reqwest::get(format!("{}{path}", self.operations)).await;
            if answer.is_ok_and(|a| a.status().is_success()) {
                return;
            }
            assert!(
                self.controller.ended().is_none(),
                "the controller has ended:\n{}",
                self.controller.stderr()
            );
            assert!(start.elapsed() < PATIENCE, "{path} is not ready:\n{}", self.controller.stderr());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn apply(&self, yaml: &str) {
        self.cluster.kubectl_ok(&["apply", "-n", &self.namespace, "-f", "-"], yaml).await;
    }

    async fn get(&self, what: &str, path: &str) -> String {
        let path = format!("-o=jsonpath={{{path}}}");
        let output = self.cluster.kubectl(&["get", what, "-n", &self.namespace, &path], "").await;
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    async fn until(&self, what: &str, path: &str, wanted: &str) -> Duration {
        let start = Instant::now();
        loop {
            let found = self.get(what, path).await;
            if found == wanted {
                return start.elapsed();
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{what} {path} is {found:?}, not {wanted:?}:\n{}\n{}",
                self.get(what, ".status").await,
                self.controller.stderr()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

const READY: &str = r#".status.conditions[?(@.type=="Ready")].status"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_from_yaml_to_an_active_account_and_back_to_nothing_on_postgresql() {
    let database = Postgres::shared().await.database("e2e").await;
    from_yaml_to_an_active_account_and_back_to_nothing(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_from_yaml_to_an_active_account_and_back_to_nothing_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("t.db").display());
    from_yaml_to_an_active_account_and_back_to_nothing(&database).await;
}

async fn from_yaml_to_an_active_account_and_back_to_nothing(database: &str) {
    let mail = Mail::shared().await;
    let site = Site::open("e2e", database, mail).await;
    let address = mail.address("kim");
    site.apply(&format!(
        "
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {{name: kim}}
spec: {{tenantRef: {{name: acme}}, username: kim-e2e, email: {address}, tier: Root, roles: [{{name: operator}}]}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Role
metadata: {{name: operator}}
spec: {{tenantRef: {{name: acme}}, permissions: {{allow: [{{resources: [device], operations: [view]}}]}}}}
---
apiVersion: tenantry.dev/v1alpha1
kind: DeviceGrant
metadata: {{name: fleet}}
spec: {{tenantRef: {{name: acme}}, mode: Share, to: {{groups: [field]}}, devices: {{deviceIds: [d1]}}, permissions: {{allow: [{{resources: [device], operations: [view]}}]}}}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {{name: acme}}
spec: {{displayName: ACME}}
"
    ))
    .await;
    for object in ["tenants.tenantry.dev/acme", "accountrole/operator", "subadmin/kim", "devicegrant/fleet"] {
        site.until(object, READY, "True").await;
    }
    assert_eq!(site.get("tenants.tenantry.dev/acme", ".status.path").await, "/acme");

    let letter = mail.wait_for_mail(&address, PATIENCE).await;
    site.until("subadmin/kim", ".status.phase", "Invited").await;
    let link = letter.link(&site.pages).unwrap().to_owned();

    let page = reqwest::get(&link).await.unwrap();
    assert_eq!(page.status(), 200);
    site.until("subadmin/kim", ".status.phase", "Invited").await;
    let token = link.split_once("token=").unwrap().1;
    let password = "seven herons crossed the dike";
    let form = [("token", token), ("password", password), ("again", password)];
    let answer =
        reqwest::Client::new().post(format!("{}/activate", site.pages)).form(&form).send().await.unwrap();
    assert!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await.unwrap());
    let took = site.until("subadmin/kim", ".status.phase", "Active").await;
    println!("status followed after {took:?}");
    assert!(took < Duration::from_secs(2), "status followed only after {took:?}");

    // Nothing secret outside of the mail.
    let seen = [
        site.controller.stdout(),
        site.controller.stderr(),
        site.cluster.kubectl_ok(&["get", "tenantry,events", "-n", &site.namespace, "-o", "yaml"], "").await,
        reqwest::get(format!("{}/metrics", site.operations)).await.unwrap().text().await.unwrap(),
    ];
    for text in &seen {
        assert!(!text.contains(token) && !text.contains(password), "a secret has leaked");
    }
    for text in [&seen[0], &seen[1], &seen[3]] {
        assert!(!text.contains(&address), "an address has leaked");
    }

    let all = ["tenants.tenantry.dev/acme", "accountrole/operator", "subadmin/kim", "devicegrant/fleet"];
    let mut delete = vec!["delete", "-n", &site.namespace, "--timeout=60s"];
    delete.extend(all);
    site.cluster.kubectl_ok(&delete, "").await;
    let store = tenantry::store::Store::connect(database).await.unwrap();
    let mut tx = store.begin(tenantry::store::Access::Read).await.unwrap();
    assert_eq!(tx.objects(&site.namespace).await.unwrap(), []);
    assert_eq!(tx.account_named("kim-e2e").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_an_invitation_is_repeated_when_the_annotation_asks_for_it() {
    let mail = Mail::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("t.db").display());
    let site = Site::open("resend", &database, mail).await;
    let address = mail.address("ada");
    site.apply(&format!(
        "
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {{name: acme}}
spec: {{}}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {{name: ada}}
spec: {{tenantRef: {{name: acme}}, username: ada, email: {address}, tier: Root}}
"
    ))
    .await;
    let first = mail.wait_for_mail(&address, PATIENCE).await;
    site.cluster
        .kubectl_ok(
            &["annotate", "-n", &site.namespace, "subadmin/ada", "tenantry.dev/resend-activation=again"],
            "",
        )
        .await;
    let both = mail.wait_for_mails(&address, 2, PATIENCE).await;
    site.until("subadmin/ada", ".status.lastHandledResend", "again").await;
    let old = first.link(&site.pages).unwrap();
    let new = both[1].link(&site.pages).unwrap();
    assert_ne!(old, new);
    let page = reqwest::get(old).await.unwrap();
    assert!(!page.status().is_success(), "the earlier link is replaced");
    assert!(reqwest::get(new).await.unwrap().status().is_success());
}

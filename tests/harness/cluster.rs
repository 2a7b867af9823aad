//! A real etcd and kube-apiserver, with the CRDs of `crds/` and the rights of
//! `manifests/base` in it.
//!
//! Nothing else of Kubernetes runs: no garbage collector, no namespace
//! controller, no kubelet. The binaries come from `tests/tools/kube-assets`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::{Deserialize, Serialize};

use super::cluster_files as files;
use super::guarded::{Guarded, free_port, run};
use super::run::{Alone, Folder, alone, blocking, or_panic, shared};
use super::skip::Feature;
use super::{certificates, in_tree};

/// The user as whom the controller is run: its ServiceAccount's.
pub(crate) const CONTROLLER: &str = "system:serviceaccount:tenantry:tenantry";

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Cluster {
    folder: PathBuf,
    watch: u32,
    assets: PathBuf,
    port: u16,
    command: Vec<String>,
    version: (u32, u32),
    git_version: String,
}

impl Cluster {
    /// The cluster of this test run. Tests share it, so each works in
    /// namespaces of its own: `cluster.namespace("quota").await`.
    pub(crate) async fn shared() -> &'static Self {
        static CELL: OnceLock<Cluster> = OnceLock::new();
        shared(&CELL, "cluster", start).await
    }

    /// A cluster of the test's own, whose API server it may stop.
    pub(crate) async fn alone() -> Alone<Self> {
        alone("cluster", start).await
    }

    /// A client with every right, for preparing and looking.
    pub(crate) async fn admin(&self) -> Client {
        or_panic(client(&self.admin_kubeconfig()).await)
    }

    /// A client with the controller's rights.
    pub(crate) async fn controller(&self) -> Client {
        or_panic(client(&self.controller_kubeconfig()).await)
    }

    pub(crate) fn admin_kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// For the controller: it must get along with what `manifests/base` binds
    /// to its ServiceAccount.
    pub(crate) fn controller_kubeconfig(&self) -> PathBuf {
        self.folder.join("controller.kubeconfig")
    }

    /// Major and minor version of the API server.
    pub(crate) fn version(&self) -> (u32, u32) {
        self.version
    }

    /// For people, such as `v1.20.2`.
    pub(crate) fn git_version(&self) -> &str {
        &self.git_version
    }

    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.version >= (1, feature.since())
    }

    /// Does it check the validation rules in the CRDs?
    pub(crate) fn has_cel(&self) -> bool {
        self.has(Feature::Cel)
    }

    /// Why a test that needs the feature must be left out; see `needs!`.
    pub(crate) fn lacks(&self, feature: Feature) -> Option<String> {
        let needed = || {
            let (name, since) = (feature.name(), feature.since());
            format!("{name} need Kubernetes 1.{since}, the API server is {}", self.git_version)
        };
        (!self.has(feature)).then(needed)
    }

    /// Makes a namespace of the test's own and gives its name.
    pub(crate) async fn namespace(&self, name: &str) -> String {
        self.namespace_with(name, &[]).await
    }

    /// The same with labels.
    pub(crate) async fn namespace_with(&self, name: &str, labels: &[(&str, &str)]) -> String {
        let name = format!("{name}-{:08x}", rand::random::<u32>());
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let namespace = Namespace {
            metadata: ObjectMeta { name: Some(name.clone()), labels: Some(labels), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let api: Api<Namespace> = Api::all(self.admin().await);
        let made = api.create(&PostParams::default(), &namespace).await;
        or_panic(made.map_err(|e| format!("namespace {name}: {e}")));
        name
    }

    /// Binds a ClusterRole to the controller in one namespace.
    pub(crate) async fn bind(&self, namespace: &str, cluster_role: &str) {
        let (role, user) = (format!("--clusterrole={cluster_role}"), format!("--user={CONTROLLER}"));
        let name = format!("tests-{:08x}", rand::random::<u32>());
        self.kubectl_ok(&["create", "rolebinding", &name, "-n", namespace, &role, &user], "").await;
    }

    /// kubectl as the administrator; the text is its standard input.
    pub(crate) async fn kubectl(&self, arguments: &[&str], stdin: &str) -> Output {
        self.kubectl_as(&self.admin_kubeconfig(), arguments, stdin).await
    }

    /// kubectl as whoever the kubeconfig speaks for.
    pub(crate) async fn kubectl_as(&self, kubeconfig: &Path, arguments: &[&str], stdin: &str) -> Output {
        let (part, kubeconfig, stdin) = (self.clone(), kubeconfig.to_owned(), stdin.to_owned());
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        or_panic(blocking(move || part.run_kubectl(&kubeconfig, &arguments, &stdin)).await)
    }

    /// kubectl as the administrator, which must succeed; gives what it printed.
    pub(crate) async fn kubectl_ok(&self, arguments: &[&str], stdin: &str) -> String {
        let output = self.kubectl(arguments, stdin).await;
        or_panic(checked(&arguments.join(" "), &output))
    }

    /// Ends the API server; etcd stays. Only on a cluster of the test's own.
    pub(crate) async fn stop(&self) {
        let guarded = Guarded::at(&self.folder(), "kube-apiserver");
        or_panic(blocking(move || guarded.stop()).await);
    }

    /// Starts the stopped API server on its old port and waits until it is ready.
    pub(crate) async fn start(&self) {
        let part = self.clone();
        or_panic(blocking(move || part.serve().map(drop)).await);
    }

    /// Stops and starts the API server. Only on a cluster of the test's own.
    pub(crate) async fn restart(&self) {
        self.stop().await;
        self.start().await;
    }

    fn folder(&self) -> Folder {
        Folder { path: self.folder.clone(), watch: self.watch }
    }

    /// Gives the version once the server is ready.
    fn serve(&self) -> Result<Info, String> {
        let guarded = Guarded::at(&self.folder(), "kube-apiserver");
        guarded.start(self.watch, "TERM", &self.command)?;
        let kubeconfig = self.admin_kubeconfig();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let mut info = None;
        guarded.until(Duration::from_secs(90), || {
            info = runtime.block_on(ready(&kubeconfig));
            info.is_some()
        })?;
        info.ok_or_else(|| "the API server gave no version".to_owned())
    }

    fn run_kubectl(&self, kubeconfig: &Path, arguments: &[String], stdin: &str) -> Result<Output, String> {
        let own = self.assets.join("kubectl");
        let program = if own.exists() { own } else { "kubectl".into() };
        let problem = |e: std::io::Error| format!("{}: {e}", program.display());
        let mut child = Command::new("timeout")
            .arg("120")
            .arg(&program)
            .arg("--cache-dir")
            .arg(self.folder.join("kubectl-cache"))
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(problem)?;
        if let Some(mut pipe) = child.stdin.take() {
            let text = stdin.to_owned();
            // From a thread: both sides may be waiting for the other to read.
            std::thread::spawn(move || pipe.write_all(text.as_bytes()));
        }
        child.wait_with_output().map_err(problem)
    }

    /// Creates what `crds/` and `manifests/base` say, as far as they exist.
    fn install(&self) -> Result<(), String> {
        let admin = self.admin_kubeconfig();
        let kubectl = |arguments: &[&str], stdin: &str| {
            let words: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
            let output = self.run_kubectl(&admin, &words, stdin)?;
            checked(&words.join(" "), &output)
        };
        let crds = files::crds(&in_tree("crds"))?;
        if !crds.is_empty() {
            // `create`, not `apply`: an older server drops the fields that it
            // does not know, where it would refuse them in an apply.
            kubectl(&["create", "--validate=false", "-f", "-"], &crds.join("---\n"))?;
            kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"], "")?;
        }
        let base = in_tree("manifests/base");
        if base.join("kustomization.yaml").exists() {
            let all = kubectl(&["kustomize", &base.to_string_lossy()], "")?;
            let rights = files::rights(&all)?;
            kubectl(&["create", "--validate=false", "-f", "-"], &rights.join("---\n"))?;
        }
        Ok(())
    }
}

fn start(folder: &Folder) -> Result<Cluster, String> {
    let assets = assets()?;
    let keys = certificates::make(folder)?;
    let mut genrsa = Command::new("openssl");
    run(genrsa.args(["genrsa", "-out"]).arg(folder.file("accounts.key")).arg("2048"))?;
    let etcd = serve_etcd(folder, &assets)?;
    let port = free_port();
    let tokens = files::Tokens::new();
    folder.write("tokens.csv", &tokens.csv(), true)?;
    for (name, token) in [("admin", &tokens.admin), ("controller", &tokens.controller)] {
        let text = files::kubeconfig(port, &keys.authority, name, token);
        folder.write(&format!("{name}.kubeconfig"), &text, true)?;
    }
    let mut part = Cluster {
        folder: folder.path.clone(),
        watch: folder.watch,
        command: files::apiserver(folder, &assets, &keys, etcd, port),
        assets,
        port,
        version: (0, 0),
        git_version: String::new(),
    };
    let info = part.serve()?;
    part.version = (number(&info.major), number(&info.minor));
    part.git_version = info.git_version;
    part.install()?;
    Ok(part)
}

/// The folder of the binaries. Building them takes minutes, which is not a
/// test's business: then the test says what to do instead.
fn assets() -> Result<PathBuf, String> {
    let script = in_tree("tests/tools/kube-assets");
    let output = Command::new("timeout")
        .arg("30")
        .arg(&script)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{}: {e}", script.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && !printed.is_empty() {
        return Ok(printed.into());
    }
    Err(format!(
        "no kube-apiserver on this machine yet: run `make test` once, or {} ({})\n{}",
        script.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn serve_etcd(folder: &Folder, assets: &Path) -> Result<u16, String> {
    let (clients, peers) = (free_port(), free_port());
    let command = files::etcd(folder, assets, clients, peers);
    let guarded = Guarded::at(folder, "etcd");
    guarded.start(folder.watch, "TERM", &command)?;
    guarded.until(Duration::from_secs(30), || {
        std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, clients)).is_ok()
    })?;
    Ok(clients)
}

async fn client(kubeconfig: &Path) -> Result<Client, String> {
    let problem = |e: String| format!("{}: {e}", kubeconfig.display());
    let read = Kubeconfig::read_from(kubeconfig).map_err(|e| problem(e.to_string()))?;
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .map_err(|e| problem(e.to_string()))?;
    config.proxy_url = None;
    Client::try_from(config).map_err(|e| problem(e.to_string()))
}

type Info = k8s_openapi::apimachinery::pkg::version::Info;

/// Asks `/readyz` without the client's own patience.
async fn ready(kubeconfig: &Path) -> Option<Info> {
    let ask = async {
        let client = client(kubeconfig).await.ok()?;
        let request = axum::http::Request::get("/readyz").body(Vec::new()).ok()?;
        client.request_text(request).await.ok()?;
        client.apiserver_version().await.ok()
    };
    let start = Instant::now();
    let answer = tokio::time::timeout(Duration::from_secs(2), ask).await.ok().flatten();
    if answer.is_none() && start.elapsed() < Duration::from_millis(200) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    answer
}

fn checked(what: &str, output: &Output) -> Result<String, String> {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("kubectl {what}: {}\n{stdout}{stderr}", output.status))
}

/// `20+` is what some builds call their minor version.
fn number(text: &str) -> u32 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

//! `tenantry doctor`: looks at everything that Tenantry needs and says what is
//! missing, before something fails. Changes nothing.

mod cluster;

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::Verdict;
use super::fail::{Fail, chain};
use super::out::Out;
use crate::app;
use crate::config::{Address, Settings};
use crate::domain::verdict::Reason;
use crate::mail::{CaBundle, MailUrl, Transport};
use crate::store::{self, Access, Store};

/// Tenants that are named.
const MAX_SHOWN: i64 = 10;

/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Check everything that Tenantry needs, and change nothing
///
/// One line for each thing: OK, WARN or FAIL, and what to do. Exit code 1 if anything fails.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry doctor\n  tenantry doctor --database-url postgres://tenantry@db/tenantry --key-file tenantry.key --mail-url smtps://user:password@mail.example.org"
)]
pub(super) struct Doctor {
    /// Look at the database, mail and ports only, and not for a cluster
    #[arg(long)]
    no_cluster: bool,
}

/// How one check went.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    Ok(String),
    Warn(String),
    Fail(String),
}

impl Doctor {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let mut good = true;
        let store = database(settings).await;
        let mut findings = vec![("database", store.1)];
        findings.push(("key", key(settings, store.0.as_ref()).await));
        findings.push(("mail", mail(settings).await));
        findings.push(("sender", sender(settings)));
        findings.push(("letters", letters(settings)));
        findings.extend(servers(store.0.as_ref()).await.map(|finding| ("servers", finding)));
        findings.push(("pages", port(&settings.listen)));
        findings.push(("health", port(&settings.ops_listen)));
        findings.push(("links", links(settings)));
        findings.push(("programs", programs(settings).await));
        if !self.no_cluster {
            findings.extend(cluster::look().await);
        }
        for (name, finding) in findings {
            let (word, text) = match &finding {
                Finding::Ok(text) => (out.green("OK  "), text),
                Finding::Warn(text) => (out.yellow("WARN"), text),
                Finding::Fail(text) => (out.red("FAIL"), text),
            };
            good &= !matches!(finding, Finding::Fail(_));
            out.line(&format!("{word}  {name:<11}  {text}"))?;
        }
        if let Some(store) = store.0 {
            store.close().await;
        }
        Ok(Verdict::from(good))
    }
}

async fn database(settings: &Settings) -> (Option<Store>, Finding) {
    let url = &settings.database_url;
    if let Some(path) = store::sqlite_path(url) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return (
                None,
                Finding::Fail(format!("the folder {} does not exist: create it", folder.display())),
            );
        }
        if !path.exists() {
            // Opening would create it, and this changes nothing.
            return (
                None,
                match tempfile_in(folder) {
                    Ok(()) => Finding::Ok(format!(
                        "{} does not exist yet: the first run creates it",
                        path.display()
                    )),
                    Err(error) => Finding::Fail(format!(
                        "{} cannot be written: {error}: make it writable",
                        folder.display()
                    )),
                },
            );
        }
    }
    let connected = tokio::time::timeout(PATIENCE, Store::connect(url)).await;
    let store = match connected {
        Ok(Ok(store)) => store,
        Ok(Err(error)) => return (None, Finding::Fail(chain(&error))),
        Err(_) => {
            return (None, Finding::Fail("does not answer: check --database-url and the network".to_owned()));
        }
    };
    let version = match store.version().await {
        Ok(version) => version,
        Err(error) => return (Some(store), Finding::Fail(chain(&error))),
    };
    let finding = match setting(&store).await {
        Ok(_) => Finding::Ok(format!("{version}, schema in place")),
        Err(_) => {
            Finding::Warn(format!("{version}, but without its schema: run `tenantry migrate`, or just start"))
        }
    };
    (Some(store), finding)
}

/// Whether a file can be made in a folder; it is gone again.
fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!(".tenantry-doctor-{}", std::process::id()));
    std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)
}

async fn setting(store: &Store) -> Result<Option<String>, store::StoreError> {
    let mut tx = store.begin(Access::Read).await?;
    tx.setting("link-key").await
}

async fn key(settings: &Settings, store: Option<&Store>) -> Finding {
    let given = settings.key_file.is_some();
    let Some(path) = settings.key_file.clone().or_else(|| app::default_key_file(&settings.database_url))
    else {
        return Finding::Fail(app::KeyError::Required.to_string());
    };
    let known = match store {
        Some(store) => setting(store).await.ok().flatten(),
        None => None,
    };
    if !path.exists() {
        return match (given, known) {
            (true, _) => Finding::Fail(app::KeyError::Missing(path).to_string()),
            (false, Some(_)) => Finding::Fail(app::KeyError::Lost(path).to_string()),
            (false, None) => {
                Finding::Ok(format!("{} does not exist yet: the first run creates it", path.display()))
            }
        };
    }
    let key = match app::read_key(&path) {
        Ok(key) => key,
        Err(error) => return Finding::Fail(chain(&error)),
    };
    if known.is_some_and(|known| known != key.fingerprint()) {
        return Finding::Fail(format!(
            "{} is not the key that this database was used with: give the old one with --key-file",
            path.display()
        ));
    }
    match readable_by_others(&path) {
        true => Finding::Warn(format!("{0} can be read by other users: chmod 600 {0}", path.display())),
        false => Finding::Ok(path.display().to_string()),
    }
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_path: &Path) -> bool {
    false
}

async fn mail(settings: &Settings) -> Finding {
    let bundle = match settings.mail_ca_file.as_deref().map(CaBundle::read).transpose() {
        Ok(bundle) => bundle,
        Err(error) => return Finding::Fail(chain(&error)),
    };
    let url = settings.mail_url.clone();
    if let MailUrl::Directory(folder) = &url
        && !folder.exists()
    {
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let nearest = above.ancestors().find(|path| path.is_dir()).unwrap_or(above);
        return match tempfile_in(nearest) {
            Ok(()) => {
                Finding::Ok(format!("{} does not exist yet: the first mail creates it", folder.display()))
            }
            Err(error) => Finding::Fail(format!(
                "{} cannot be written: {error}: choose another --mail-url",
                nearest.display()
            )),
        };
    }
    let transport = match Transport::from_url(url, bundle) {
        Ok(transport) => transport,
        Err(error) => return Finding::Fail(chain(&error)),
    };
    let probed = tokio::time::timeout(PATIENCE, transport.probe()).await;
    transport.hang_up().await;
    match probed {
        Ok(Ok(())) => Finding::Ok(transport.to_string()),
        Ok(Err(error)) => Finding::Fail(chain(&error)),
        Err(_) => Finding::Fail(format!("{transport} does not answer: check --mail-url and the network")),
    }
}

fn sender(settings: &Settings) -> Finding {
    match (&settings.mail_from, &settings.mail_url) {
        (Some(from), _) => Finding::Ok(from.address().as_str().to_owned()),
        (None, MailUrl::Directory(_)) => Finding::Ok("none, which is fine for a folder of mails".to_owned()),
        (None, MailUrl::Smtp(_)) => Finding::Warn(
            "--mail-from is not given: mails of tenants without mail.from of their own cannot be sent"
                .to_owned(),
        ),
    }
}

/// Mail servers of tenants, as `run` and `apply` found them; none if no tenant
/// names one.
async fn servers(store: Option<&Store>) -> Option<Finding> {
    let mut tx = store?.begin(Access::Read).await.ok()?;
    // Without its schema the database holds no tenants either.
    let ready = Reason::MailServerReady.as_str();
    let (count, broken) = tx.broken_servers(ready, MAX_SHOWN).await.ok()?;
    let shown: Vec<_> =
        broken.iter().map(|broken| format!("{} ({})", broken.tenant, broken.reason)).collect();
    match (count, shown.as_slice()) {
        (0, _) => None,
        (_, []) => Some(Finding::Ok(format!("no mail server of a tenant is known not to work, of {count}"))),
        (_, shown) => Some(Finding::Warn(format!(
            "mail servers of tenants do not work: {}; see MailReady of each, or tenantry mail test --tenant",
            shown.join(", ")
        ))),
    }
}

fn letters(settings: &Settings) -> Finding {
    match (app::templates(settings), &settings.mail_templates) {
        (Err(error), _) => Finding::Fail(chain(&error)),
        (Ok(_), None) => Finding::Ok("built-in texts, in English and German".to_owned()),
        (Ok(templates), Some(folder)) => {
            let (files, languages) = (templates.overridden(), templates.all_languages().join(", "));
            match files {
                0 => Finding::Warn(format!(
                    "{} holds no template: the built-in texts are used; docs/mail.md says what to put there",
                    folder.display()
                )),
                _ => Finding::Ok(format!("{files} of {} are used; languages: {languages}", folder.display())),
            }
        }
    }
}

fn port(address: &Address) -> Finding {
    match TcpListener::bind(address.at) {
        Ok(_) => Finding::Ok(format!("{} is free", address.at)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Finding::Warn(format!(
            "{} is in use: fine if `tenantry run` uses it, else choose another with {}",
            address.at, address.flag
        )),
        Err(error) => Finding::Fail(format!(
            "{} cannot be listened on: {error}: choose another with {}",
            address.at, address.flag
        )),
    }
}

fn links(settings: &Settings) -> Finding {
    let Some(url) = &settings.public_url else {
        return match app::base_of_links(settings, settings.listen.at) {
            Some(base) => Finding::Warn(format!(
                "--public-url is not given: links begin with {base} and work on this machine only"
            )),
            None => Finding::Fail("--public-url is not given: mails need it for their links".to_owned()),
        };
    };
    let local = url::Url::parse(url).ok().and_then(|url| url.host_str().map(is_local)).unwrap_or(false);
    match (url.starts_with("https://"), local) {
        (true, false) => Finding::Ok(url.clone()),
        (_, true) => Finding::Warn(format!("{url} works on this machine only")),
        (false, false) => {
            Finding::Warn(format!("{url} is not protected: passwords are chosen there; use https://"))
        }
    }
}

async fn programs(settings: &Settings) -> Finding {
    match app::count_service_tokens(settings).await {
        Ok(None) => Finding::Ok("no --service-tokens-file: /v1 answers nobody".to_owned()),
        Ok(Some(0)) => Finding::Warn("the service tokens file holds no token: /v1 answers nobody".to_owned()),
        Ok(Some(count)) => Finding::Ok(format!("{count} service tokens for /v1")),
        Err(error) => Finding::Fail(chain(&error)),
    }
}

fn is_local(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

//! `tenantry devices`: the inventory, which comes from the platform and not
//! from objects.

mod import;
mod line;
mod list;

use clap::{Args, Subcommand};
use uuid::Uuid;

pub(super) use import::import_into;

use super::Verdict;
use super::fail::Fail;
use super::out::Out;
use crate::config::Settings;
use crate::store::{Access, Store, Tx};

/// Import and list devices
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry devices import devices.csv\n  tenantry devices list --tenant acme/north"
)]
pub(super) struct Devices {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Import(import::Import),
    List(list::List),
}

impl Devices {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        match self.command {
            Command::Import(command) => command.run(settings, out).await,
            Command::List(command) => command.run(settings, out).await,
        }
    }
}

/// A Tenant by its namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TenantRef {
    namespace: String,
    name: String,
}

impl std::str::FromStr for TenantRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err("a tenant is written namespace/name, such as acme/north".to_owned()),
        }
    }
}

impl std::fmt::Display for TenantRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The tenant to which a list is narrowed, if it is.
pub(super) async fn narrowed(
    store: &Store,
    source: Option<&str>,
    tenant: Option<&TenantRef>,
) -> Result<Option<Uuid>, Fail> {
    let Some(tenant) = tenant else { return Ok(None) };
    let mut tx = store.begin(Access::Read).await?;
    let source = source.filter(|name| !name.is_empty());
    resolve(&mut tx, source, tenant).await?.map(Some).map_err(Fail::Because)
}

/// The tenant that a reference means; the inner error is for people.
pub(super) async fn resolve(
    tx: &mut Tx,
    source: Option<&str>,
    tenant: &TenantRef,
) -> Result<Result<Uuid, String>, Fail> {
    let found = tx.tenants_called(source, &tenant.namespace, &tenant.name).await?;
    Ok(match found.as_slice() {
        [(_, id)] => Ok(*id),
        [] => Err(format!("no tenant {tenant} is in the database: apply it first, or correct the name")),
        several => {
            let names: Vec<_> = several.iter().map(|(source, _)| source.as_str()).collect();
            Err(format!(
                "several sources have a tenant {tenant}: choose with --source one of {}",
                names.join(", ")
            ))
        }
    })
}

//! `tenantry devices list`: the inventory, page by page, so that a million
//! devices need no more memory than a thousand.

use clap::Args;
use uuid::Uuid;

use super::super::Verdict;
use super::super::fail::{Fail, out_error};
use super::super::out::{Format, Out, tame};
use super::{TenantRef, narrowed};
use crate::app;
use crate::config::Settings;
use crate::engine::questions::Questions;
use crate::store::Access;
use crate::store::devices::Listed;

const PAGE: usize = 1_000;

/// List devices with their holders
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry devices list\n  tenantry devices list --tenant acme/north -o json\n  tenantry devices list --as kim     what kim sees: its own, and those of accounts and tenants below it"
)]
pub(super) struct List {
    /// Only what this Tenant and those below it hold: namespace/name
    #[arg(long, value_name = "REF")]
    tenant: Option<TenantRef>,

    /// Only what this account sees: username or e-mail
    #[arg(long = "as", value_name = "ACCOUNT")]
    reader: Option<String>,

    /// The source whose Tenants are meant, if several have one of the same name
    #[arg(long, value_name = "NAME", env = "TENANTRY_SOURCE")]
    source: Option<String>,

    /// Print a list for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

impl List {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let store = app::open_existing(settings).await?;
        let tenant = narrowed(&store, self.source.as_deref(), self.tenant.as_ref()).await?;
        let mut list = out.list(self.output);
        let header = row(["DEVICE", "UNIT", "TENANT", "ACCOUNT", "NAME", "LABELS"]);
        let mut next = Some(String::new());
        let questions = Questions::new(store);
        while let Some(after) = next {
            let page;
            (page, next) = self.page(&questions, tenant, &after).await?;
            for device in &page {
                list.item(out, device, &header, line)?;
            }
        }
        if list.end(out)? == 0 {
            out_error(match &self.reader {
                Some(_) => "no devices that this account sees",
                None => "no devices: import some with `tenantry devices import FILE`",
            });
        }
        questions.store().close().await;
        Ok(Verdict::Good)
    }

    /// The devices after an id, and where to go on.
    async fn page(
        &self,
        questions: &Questions,
        tenant: Option<Uuid>,
        after: &str,
    ) -> Result<(Vec<Listed>, Option<String>), Fail> {
        if let Some(reader) = &self.reader {
            let page = questions.devices_seen(reader, tenant, after, PAGE).await?;
            let page = page.map_err(|refused| Fail::Because(refused.to_string()))?;
            return Ok((page.items, page.next));
        }
        let mut tx = questions.store().begin(Access::Read).await?;
        let page = tx.list_devices(tenant, after, i64::try_from(PAGE).unwrap_or(i64::MAX)).await?;
        let next = page.last().map(|last| last.device_id.clone());
        Ok((page, next))
    }
}

fn line(device: &Listed) -> String {
    let Listed { device_id, unit_id, name, labels, tenant, account } = device;
    let or = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), tame);
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    row([&tame(device_id), &or(unit_id), &or(tenant), &or(account), &tame(name), &tame(&labels.join(";"))])
}

/// Columns of a fixed width, because the widest value of a million is not
/// known when the first one is printed.
fn row([device, unit, tenant, account, name, labels]: [&str; 6]) -> String {
    format!("{device:<24}  {unit:<16}  {tenant:<24}  {account:<16}  {name:<24}  {labels}")
        .trim_end()
        .to_owned()
}

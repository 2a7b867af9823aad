//! `tenantry activation`: how far invitations have come, and sending one again.

mod resend;

use clap::{Args, Subcommand};

use super::Verdict;
use super::devices::{TenantRef, narrowed};
use super::fail::{Fail, out_error};
use super::out::{Format, Out, tame};
use crate::app;
use crate::config::Settings;
use crate::store::Access;
use crate::store::invitations::Invitation;

const PAGE: i64 = 1_000;

/// List invitations, or send one again
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry activation list\n  tenantry activation list --tenant acme/north -o json\n  tenantry activation resend kim@example.org\n\nA new value of the annotation tenantry.dev/resend-activation on a SubAdmin sends its invitation\nagain as well."
)]
pub(super) struct Activation {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(List),
    Resend(resend::Resend),
}

/// List accounts with their phase and their newest link
#[derive(Args)]
#[command(after_help = "Examples:\n  tenantry activation list\n  tenantry activation list -o yaml")]
struct List {
    /// Only accounts of this Tenant and those below it: namespace/name
    #[arg(long, value_name = "REF")]
    tenant: Option<TenantRef>,

    /// The source whose Tenants are meant, if several have one of the same name
    #[arg(long, value_name = "NAME", env = "TENANTRY_SOURCE")]
    source: Option<String>,

    /// Print a list for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

impl Activation {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        match self.command {
            Command::List(list) => list.run(settings, out).await,
            Command::Resend(resend) => resend.run(settings, out).await,
        }
    }
}

impl List {
    async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let Self { tenant, source, output } = self;
        let store = app::open_existing(settings).await?;
        let tenant = narrowed(&store, source.as_deref(), tenant.as_ref()).await?;
        let mut list = out.list(output);
        let mut after = String::new();
        loop {
            let mut tx = store.begin(Access::Read).await?;
            let page = tx.invitations(tenant, &after, PAGE).await?;
            drop(tx);
            for (_, invitation) in &page {
                list.item(out, invitation, HEADER, row)?;
            }
            match page.last() {
                Some((last, _)) => after.clone_from(last),
                None => break,
            }
        }
        if list.end(out)? == 0 {
            out_error("no accounts yet: apply a SubAdmin first");
        }
        store.close().await;
        Ok(Verdict::Good)
    }
}

const HEADER: &str = "ACCOUNT                   SUBADMIN                          TENANT                    PHASE     LINK ENDS";

fn row(invitation: &Invitation) -> String {
    let Invitation { username, object, tenant, phase, expires_at, .. } = invitation;
    let ends = expires_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let object = object.as_deref().unwrap_or("-");
    format!("{:<24}  {:<32}  {:<24}  {phase:<8}  {ends}", tame(username), tame(object), tame(tenant))
}

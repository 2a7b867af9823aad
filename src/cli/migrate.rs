//! `tenantry migrate`: brings the schema of the database up to date.

use clap::Args;

use super::Verdict;
use super::fail::Fail;
use super::out::Out;
use crate::app;
use crate::config::Settings;

/// Bring the schema of the database up to date
///
/// Every command that needs the database does this by itself; here it is a step of its own, for
/// deployments that migrate before they start. Safe with several at once.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry migrate\n  tenantry migrate --database-url postgres://tenantry@db/tenantry"
)]
pub(super) struct Migrate {}

impl Migrate {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let store = app::open(settings).await?;
        let version = store.version().await?;
        store.close().await;
        out.line(&format!("the schema is up to date ({version})"))?;
        Ok(Verdict::Good)
    }
}

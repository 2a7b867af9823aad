//! `tenantry audit`: what happened, and the proof that nobody has changed it
//! since.

mod list;
mod verify;

use clap::{Args, Subcommand};

use super::Verdict;
use super::fail::Fail;
use super::out::Out;
use crate::config::Settings;

/// Read the audit trail, and prove that it is whole
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry audit list --since 24h\n  tenantry audit list --object subadmin/acme/kim -o json\n  tenantry audit verify"
)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(Box<list::List>),
    Verify(verify::Verify),
}

impl Audit {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        match self.command {
            Command::List(command) => command.run(settings, out).await,
            Command::Verify(command) => command.run(settings, out).await,
        }
    }
}

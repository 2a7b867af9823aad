//! `tenantry mail test`: a real message, and what the mail server says at each
//! step on its way.

mod shown;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::Verdict;
use super::devices::{TenantRef, resolve};
use super::fail::{Fail, chain, out_error};
use super::out::{Format, Out};
use super::what_if::WhatIf;
use crate::app::{self, Trial};
use crate::config::Settings;
use crate::controller;
use crate::engine::Surroundings;
use crate::files::{FileSurroundings, Loaded};
use crate::mail::{Facts, MailAddress, Observer, Step};
use crate::store::Access;

use shown::{Document, Passed};

/// Try outgoing mail
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry mail test --to kim@example.org --mail-url smtps://user:password@mail.example.org --mail-from accounts@example.org\n  tenantry mail test --to kim@example.org --tenant acme/north -f accounts/ --secrets-dir secrets/"
)]
pub(super) struct Mail {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Test(Test),
}

/// Send a real test message and report each step
///
/// The message goes the way of invitations: through the server of the Tenant, or the one that it
/// inherits, else through --mail-url. Credentials of a Tenant's server are read from the files of -f,
/// from --secrets-dir, or else from the cluster that KUBECONFIG names.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry mail test --to kim@example.org\n  tenantry mail test --to kim@example.org --tenant acme/north\n  tenantry mail test --to kim@example.org --tenant acme/north -f accounts/ -o json"
)]
struct Test {
    /// The address to write to
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    to: MailAddress,

    /// Send as invitations to this Tenant are sent: namespace/name
    #[arg(long, value_name = "REF")]
    tenant: Option<TenantRef>,

    #[command(flatten)]
    what_if: WhatIf,

    /// Secrets as files: DIR/namespace/name/key
    #[arg(long, value_name = "DIR", env = "TENANTRY_SECRETS_DIR")]
    secrets_dir: Option<PathBuf>,

    /// Print the steps for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

fn address(text: &str) -> Result<MailAddress, String> {
    MailAddress::parse(text).map_err(|error| error.to_string())
}

impl Mail {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let Command::Test(test) = self.command;
        let trial = test.prepare(settings).await?;
        test.send(&trial, out).await
    }
}

impl Test {
    async fn prepare(&self, settings: &Settings) -> Result<Trial, Fail> {
        let Some(reference) = &self.tenant else {
            // The process's own server needs neither a database nor a Secret.
            let nothing = Arc::new(FileSurroundings::new(None));
            return Ok(app::trial(settings, &self.to, None, nothing).await?);
        };
        let (store, loaded) = self.what_if.store(settings).await?;
        let source = self.what_if.source_meant()?;
        let tenant = {
            let mut tx = store.begin(Access::Read).await?;
            resolve(&mut tx, source.as_deref(), reference).await?.map_err(Fail::Because)?
        };
        let world = self.world(loaded.as_ref()).await?;
        let trial = app::trial(settings, &self.to, Some((&store, tenant)), world).await?;
        store.close().await;
        Ok(trial)
    }

    /// Where Secrets are.
    async fn world(&self, loaded: Option<&Loaded>) -> Result<Arc<dyn Surroundings>, Fail> {
        let folder = app::secrets_of(self.secrets_dir.clone())?;
        if let Some(loaded) = loaded {
            return Ok(Arc::new(FileSurroundings::of(loaded, folder)));
        }
        if folder.is_none()
            && let Ok(client) = controller::connect().await
        {
            return Ok(Arc::new(controller::secrets(client)));
        }
        Ok(Arc::new(FileSurroundings::new(folder)))
    }

    async fn send(&self, trial: &Trial, out: &mut Out) -> Result<Verdict, Fail> {
        if self.output.is_none() {
            shown::head(out, trial)?;
        }
        let (sender, mut steps) = unbounded_channel();
        // Shown as they happen: a server that hangs is seen to hang.
        let sending = async {
            let watcher = Watcher(sender);
            trial.send(&watcher).await
        };
        let showing = async {
            let mut passed: Vec<Passed> = vec![];
            while let Some(step) = steps.recv().await {
                if self.output.is_none() {
                    shown::step(out, trial, &step)?;
                    out.flush()?;
                }
                passed.push(step);
            }
            Ok::<_, Fail>(passed)
        };
        let (result, passed) = tokio::join!(sending, showing);
        let passed = passed?;
        match self.output {
            Some(format) => out.value(format, &Document::of(trial, &passed, &result))?,
            None => shown::end(out, trial, &result)?,
        }
        out.flush()?;
        if let Err(error) = &result {
            out_error(&format!("error: {}", chain(error)));
        }
        Ok(Verdict::from(result.is_ok()))
    }
}

/// Hands each step on to whoever shows it.
struct Watcher(UnboundedSender<Passed>);

impl Observer for Watcher {
    fn seen(&self, step: Step, took: Duration, facts: Facts) {
        // Nobody listens once the output is closed; the message goes on.
        let _ = self.0.send(Passed { step, took, facts });
    }
}

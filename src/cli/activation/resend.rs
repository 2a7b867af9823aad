//! `tenantry activation resend`: the same as a new value of the annotation,
//! and the mail is sent before the command ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::super::Verdict;
use super::super::fail::{Fail, out_error};
use super::super::out::{Format, Out, tame};
use crate::app::{self, Post};
use crate::config::Settings;
use crate::domain::verdict::with_causes;
use crate::engine::{Queued, Resent, RootNamespaces};
use crate::files::{self, FileSurroundings};
use crate::store::outbox::MailState;
use crate::store::{Access, Store};

/// How long the mail may take before the command ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often its state is looked at while another process sends it.
const LOOK: Duration = Duration::from_millis(200);

/// Send an invitation again; earlier links stop working
///
/// It sends what the account still waits for: the invitation, or the proof of a changed address. An
/// account that waits for nothing, or that is disabled, gets no mail. If its mail goes through a server
/// of a Tenant with credentials, give -f or --secrets-dir, or the running `tenantry run` sends it.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry activation resend kim\n  tenantry activation resend kim@example.org -o json\n  tenantry activation resend kim -f accounts/ --secrets-dir secrets/"
)]
pub(super) struct Resend {
    /// A username or an e-mail
    #[arg(value_name = "ACCOUNT")]
    account: String,

    /// Files with the Secret of the mail server
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    path: Option<PathBuf>,

    /// Secrets as files: DIR/namespace/name/key
    #[arg(long, value_name = "DIR", env = "TENANTRY_SECRETS_DIR")]
    secrets_dir: Option<PathBuf>,

    /// Print what became of the mail for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

/// `-o json`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    account: Uuid,
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    purpose: &'static str,
    expires_at: jiff::Timestamp,
    /// `sent`, `queued`, `failed` or `dropped`.
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
}

impl Resend {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let folder = app::secrets_of(self.secrets_dir.clone())?;
        let has_secrets = self.path.is_some() || folder.is_some();
        let world = match &self.path {
            None => FileSurroundings::new(folder),
            Some(path) => {
                let loaded = files::load(path);
                loaded.faults.iter().for_each(|fault| out_error(&format!("error: {fault}")));
                FileSurroundings::of(&loaded, folder)
            }
        };
        let store = app::open_existing(settings).await?;
        // No object is judged, and the account says whose mail it is, so the
        // source does not matter.
        let engine = app::engine(settings, store.clone(), String::new(), RootNamespaces::Any).await?;
        let base = app::base_of_links(settings, settings.listen.at);
        let post = Post::new(settings, engine.clone(), base, Arc::new(world), None)?;
        let account = self.account.trim();
        let queued = match engine.resend_to(account).await? {
            Resent::Queued(queued) => queued,
            Resent::Unknown => {
                return Err(Fail::Because("no account has this username or e-mail".to_owned()));
            }
            Resent::Active => {
                return Err(Fail::Because(
                    "nothing is left to invite to: the account is activated and no address waits for proof"
                        .to_owned(),
                ));
            }
            Resent::Disabled => {
                return Err(Fail::Because(
                    "the account is disabled, so it gets no mail: set spec.enabled first".to_owned(),
                ));
            }
        };
        let foreign = queued.server.as_ref().is_some_and(|(_, server)| server.credentials.is_some());
        if (has_secrets || !foreign) && !queued.blocked {
            post.send_to(queued.account).await?;
        }
        let state = settled(&store, &queued).await?;
        if let Err(error) = app::seal_rest(&engine).await {
            out_error(&format!(
                "warning: the audit trail could not be sealed; `tenantry run` or the next `apply` does it: {}",
                with_causes(&error)
            ));
        }
        store.close().await;
        self.tell(&queued, &state, out)
    }

    fn tell(&self, queued: &Queued, mail: &MailState, out: &mut Out) -> Result<Verdict, Fail> {
        let Queued { account, username, key, purpose, expires_at, blocked, server } = queued;
        let state = mail.state.as_deref().unwrap_or("queued");
        let sent = state == "sent";
        if let Some(format) = self.output {
            let document = Document {
                account: *account,
                username,
                object: key.as_ref().map(|key| format!("{}/{}", key.namespace, key.name)),
                purpose: purpose.as_str(),
                expires_at: *expires_at,
                state,
                problem: mail.problem.as_deref(),
            };
            out.value(format, &document)?;
        } else if sent {
            let object = key.as_ref().map(|key| format!(" ({key})")).unwrap_or_default();
            out.line(&format!(
                "sent to {}{}; the link works once, until {expires_at}, and earlier ones no longer do",
                tame(username),
                tame(&object)
            ))?;
        }
        out.flush()?;
        if !sent {
            let why = match (&mail.problem, blocked, server) {
                _ if state == "dropped" => "its link was withdrawn in the meantime".to_owned(),
                (_, true, _) => "the tenant or one above it is disabled; the mail waits for that".to_owned(),
                (Some(problem), ..) => problem.clone(),
                (None, _, Some((tenant, _))) => format!(
                    "its mail goes through the server of {tenant}, whose Secret is not at hand: give -f or --secrets-dir, or let `tenantry run` send it"
                ),
                (None, ..) => "another process has it and has not finished".to_owned(),
            };
            let waits = match state {
                "failed" => "the mail could not be sent",
                "dropped" => "the mail was not sent",
                _ => "the mail is queued",
            };
            out_error(&format!("error: {waits}: {why}"));
        }
        Ok(Verdict::from(sent))
    }
}

/// How the mail stands once somebody has tried to send it, or after a while.
async fn settled(store: &Store, queued: &Queued) -> Result<MailState, Fail> {
    let begin = Instant::now();
    loop {
        let state = store.begin(Access::Read).await?.mail_state(queued.account).await?;
        let tried = state.state.as_deref() != Some("queued") || state.problem.is_some();
        if tried || queued.blocked || begin.elapsed() > PATIENCE {
            return Ok(state);
        }
        tokio::time::sleep(LOOK).await;
    }
}

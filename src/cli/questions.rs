//! `tenantry check` and `tenantry explain`: may this account do that, and why?

use clap::Args;
use serde::Serialize;

use super::Verdict;
use super::fail::Fail;
use super::out::{Format, Out, tame};
use super::what_if::WhatIf;
use crate::config::Settings;
use crate::engine::questions::{Ask, AskedRight, Object, Said, Step, Words};

/// What is asked.
#[derive(Args)]
struct Asking {
    /// The account: a username or an e-mail
    #[arg(value_name = "ACCOUNT")]
    account: String,

    /// What it wants to do, such as view; or a capability, such as ManageUsers
    #[arg(value_name = "OPERATION|CAPABILITY")]
    operation: String,

    /// On what: device, cameras.archive, bucket.north-temps; with /ID a device by its id; for a
    /// capability tenant/NAMESPACE/NAME, subadmin/..., role/... or group/NAMESPACE/TENANT/GROUP
    #[arg(value_name = "RESOURCE[/ID]|KIND/REF")]
    resource: String,

    /// Whose data it is about: a username or an e-mail
    #[arg(long, value_name = "ACCOUNT")]
    creator: Option<String>,

    #[command(flatten)]
    what_if: WhatIf,

    /// Print the answer for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

impl Asking {
    fn ask(&self) -> Result<Ask, Fail> {
        let Self { account, operation, resource, creator, what_if, output: _ } = self;
        let (creator, source) = (creator.as_deref(), what_if.source());
        Ask::read(Words { account, operation, resource, creator, source }).map_err(Fail::usage)
    }

    /// The answer; `why` asks for the steps that led there, too.
    async fn said(&self, settings: &Settings, why: bool) -> Result<Said, Fail> {
        let ask = self.ask()?;
        let questions = self.what_if.questions(settings).await?;
        let said = questions.say(&ask, why).await?;
        questions.store().close().await;
        Ok(said)
    }

    /// The answer in one sentence and the reason in another.
    fn headline(&self, answer: &Said, out: &mut Out) -> Result<(), Fail> {
        let verdict = if answer.allowed { out.green("allowed") } else { out.red("denied") };
        let may = if answer.allowed { "may" } else { "may not" };
        let (account, operation, resource) =
            (tame(&self.account), tame(&self.operation), tame(&self.resource));
        let acts = match AskedRight::capability(&self.operation) {
            Some(right) => format!("use {right} on {resource}"),
            None => format!("{operation} {resource}"),
        };
        let whose = self.creator.as_deref().map(|c| format!(", created by {}", tame(c))).unwrap_or_default();
        out.line(&format!("{verdict}: {account} {may} {acts}{whose}"))?;
        out.line(&format!("{}: {}", answer.reason, tame(&answer.message)))?;
        if answer.allowed && !answer.active {
            out.line(&out.yellow(
                "The invitation has not been accepted yet; until then nobody can sign in to this account.",
            ))?;
        }
        Ok(())
    }
}

/// May this account do that? Allowed or denied, with the reason that decided
///
/// Exits with 0 if it is allowed and with 1 if it is denied. The answer is about rights: whether an
/// invited person has activated the account is reported beside it. An operation or resource may
/// be a pattern (cameras.*, *), which asks whether all of it is allowed.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry check kim view device/cam-17\n  tenantry check kim@example.org operate dashboard -o json\n  tenantry check na view cameras.archive --creator kim\n  tenantry check na ManageUsers subadmin/acme/kim\n  tenantry check kim view device/cam-17 -f accounts/     as if these files were applied"
)]
pub(super) struct Check {
    #[command(flatten)]
    asking: Asking,
}

/// Why may this account do that, or not? Every object and rule that mattered
///
/// Takes the same arguments as check, names each object with its generation in force (and of a
/// role the revision that the account has), and says what would have to change for the opposite
/// answer. Exits with 0 if it is allowed and with 1 if it is denied.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry explain kim view device/cam-17\n  tenantry explain na view cameras.archive --creator kim -o yaml\n  tenantry explain na ManageUserGroups group/acme/acme/field"
)]
pub(super) struct Explain {
    #[command(flatten)]
    asking: Asking,
}

/// As programs read it.
#[derive(Serialize)]
struct Shown<'a> {
    allowed: bool,
    active: bool,
    reason: &'static str,
    message: &'a str,
    filtered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<&'a [Step]>,
    #[serde(rename = "toFlip", skip_serializing_if = "Option::is_none")]
    to_flip: Option<Flip<'a>>,
}

/// What leads to the opposite answer.
#[derive(Serialize)]
struct Flip<'a> {
    changes: &'a [String],
    suffices: bool,
}

fn shown(said: &Said) -> Shown<'_> {
    Shown {
        allowed: said.allowed,
        active: said.active,
        reason: said.reason,
        message: &said.message,
        filtered: said.filtered,
        steps: None,
        to_flip: None,
    }
}

impl Check {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let answer = self.asking.said(settings, false).await?;
        match self.asking.output {
            Some(format) => out.value(format, &shown(&answer))?,
            None => self.asking.headline(&answer, out)?,
        }
        Ok(answer.allowed.into())
    }
}

impl Explain {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let answer = self.asking.said(settings, true).await?;
        let flip = Flip { changes: &answer.changes, suffices: answer.suffices };
        if let Some(format) = self.asking.output {
            let shown = Shown { steps: Some(&answer.steps), to_flip: Some(flip), ..shown(&answer) };
            out.value(format, &shown)?;
            return Ok(answer.allowed.into());
        }
        self.asking.headline(&answer, out)?;
        if !answer.steps.is_empty() {
            out.line("")?;
            out.line("What was looked at:")?;
        }
        for step in &answer.steps {
            let object = step.object.as_ref().map(named).unwrap_or_default();
            let effect = format!("{:?}", step.effect).to_lowercase();
            out.line(format!("  {}  {effect:<8}{object}", step.rule).trim_end())?;
            out.line(&format!("      {}", tame(&step.message)))?;
        }
        if !flip.changes.is_empty() {
            let opposite = if answer.allowed { "To deny it:" } else { "To allow it:" };
            out.line("")?;
            out.line(opposite)?;
            for change in flip.changes {
                out.line(&format!("  - {}", tame(change)))?;
            }
            if !flip.suffices {
                out.line("  Other rules may still stand in the way afterwards: ask again then.")?;
            }
        }
        Ok(answer.allowed.into())
    }
}

/// An object as it is read aloud.
fn named(object: &Object) -> String {
    let Object { kind, namespace, name, generation, revision } = object;
    let generation = generation.map_or_else(|| ", not in force".to_owned(), |n| format!(", generation {n}"));
    let revision = revision.as_ref().map(|r| format!(", revision {r}")).unwrap_or_default();
    format!("  {kind} {}/{}{generation}{revision}", tame(namespace), tame(name))
}

//! `tenantry what-can`: everything that an account may do: its rules, and its
//! devices one by one. It is written as it is read, page by page, so that a
//! million devices need no more memory than a thousand.

use clap::Args;
use serde::Serialize;

use super::Verdict;
use super::fail::Fail;
use super::out::{Format, Out, tame};
use super::what_if::WhatIf;
use crate::config::Settings;
use crate::domain::access::rules::InForce;
use crate::engine::questions::DeviceRights;

const PAGE: usize = 500;

/// What may this account do? Its rules and its devices, each with the reason
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry what-can kim\n  tenantry what-can kim@example.org -o json\n  tenantry what-can kim -f accounts/     as if these files were applied\n\nEach page of devices is as of the moment at which it was read."
)]
pub(super) struct WhatCan {
    /// Username or e-mail
    account: String,

    #[command(flatten)]
    what_if: WhatIf,

    /// Print an object with `devices` and `rules` for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

#[derive(Serialize)]
struct Operation {
    operation: &'static str,
    reason: &'static str,
}

#[derive(Serialize)]
struct Device {
    device: String,
    operations: Vec<Operation>,
}

impl From<DeviceRights> for Device {
    fn from(rights: DeviceRights) -> Self {
        let operation = |(operation, reason): (_, crate::domain::access::answer::Ground)| Operation {
            operation,
            reason: reason.as_str(),
        };
        Self { device: rights.device, operations: rights.operations.into_iter().map(operation).collect() }
    }
}

#[derive(Serialize)]
struct Rule {
    effect: &'static str,
    resources: Vec<String>,
    operations: Vec<String>,
    reason: &'static str,
    object: Option<String>,
}

impl From<InForce> for Rule {
    fn from(InForce { ground, rule, object }: InForce) -> Self {
        let words = |list: Vec<crate::domain::permission::Pattern>| {
            list.iter().map(|pattern| pattern.as_str().to_owned()).collect()
        };
        Self {
            effect: if ground.allows() { "allow" } else { "deny" },
            resources: words(rule.resources),
            operations: words(rule.operations),
            reason: ground.as_str(),
            object: object.map(|key| key.to_string()),
        }
    }
}

/// The object that programs read, apart from its devices.
#[derive(Serialize)]
struct Head {
    account: String,
    active: bool,
    rules: Vec<Rule>,
}

impl WhatCan {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let questions = self.what_if.questions(settings).await?;
        let unknown = || Fail::Because("no account has this username or e-mail: correct it".to_owned());
        let rules = questions.rules_of(&self.account).await?.ok_or_else(unknown)?;
        let head = Head {
            account: rules.account,
            active: rules.active,
            rules: rules.rules.into_iter().map(Rule::from).collect(),
        };
        begin(self.output, out, &head)?;
        let mut written = 0_u64;
        let mut after = Some(String::new());
        while let Some(from) = after {
            let page = questions.devices_of(&self.account, &from, PAGE).await?.ok_or_else(unknown)?;
            for rights in page.items {
                device(self.output, out, &Device::from(rights), written == 0)?;
                written += 1;
            }
            after = page.next;
        }
        end(self.output, out, written)?;
        questions.store().close().await;
        Ok(Verdict::Good)
    }
}

fn text<T: Serialize>(value: &T) -> Result<String, Fail> {
    serde_json::to_string(value).map_err(|error| Fail::because("the output cannot be written", error))
}

fn begin(format: Option<Format>, out: &mut Out, head: &Head) -> Result<(), Fail> {
    match format {
        Some(Format::Json) => {
            let Head { account, active, rules } = head;
            let (account, rules) = (text(account)?, text(rules)?);
            out.text(&format!(
                "{{\n\"account\": {account},\n\"active\": {active},\n\"rules\": {rules},\n\"devices\": ["
            ))
        }
        Some(Format::Yaml) => out.value(Format::Yaml, head),
        None => {
            let invited = if head.active { "" } else { ", who has not activated the account yet" };
            out.line(&format!("{} may do{invited}:", tame(&head.account)))?;
            if head.rules.is_empty() {
                out.line("  nothing but what is listed for devices")?;
            }
            for rule in &head.rules {
                let (operations, resources) = (rule.operations.join(", "), rule.resources.join(", "));
                let from =
                    rule.object.as_ref().map(|object| format!(", {}", tame(object))).unwrap_or_default();
                out.line(&format!("  {} {operations} on {resources} ({}{from})", rule.effect, rule.reason))?;
            }
            Ok(())
        }
    }
}

fn device(format: Option<Format>, out: &mut Out, device: &Device, first: bool) -> Result<(), Fail> {
    match format {
        Some(Format::Json) => {
            out.text(if first { "\n  " } else { ",\n  " })?;
            out.text(&text(device)?)
        }
        Some(Format::Yaml) => {
            if first {
                out.line("devices:")?;
            }
            out.value(Format::Yaml, &[device])
        }
        None => {
            if first {
                out.line("")?;
                out.line(&row("DEVICE", "MAY (REASON)"))?;
            }
            let may = |one: &Operation| format!("{} ({})", one.operation, one.reason);
            let may: Vec<_> = device.operations.iter().map(may).collect();
            out.line(&row(&tame(&device.device), &may.join(", ")))
        }
    }
}

fn end(format: Option<Format>, out: &mut Out, written: u64) -> Result<(), Fail> {
    match (format, written) {
        (Some(Format::Json), 0) => out.line("]\n}"),
        (Some(Format::Json), _) => out.line("\n]\n}"),
        (Some(Format::Yaml), 0) => out.line("devices: []"),
        (None, 0) => out.line("  no device"),
        _ => Ok(()),
    }
}

fn row(device: &str, may: &str) -> String {
    format!("{device:<24}  {may}")
}

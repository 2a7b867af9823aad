//! `tenantry what-can`: everything that an account may do: its rules, its
//! administrative rights, and its devices one by one. It is written as it is read, page by page, so that a
//! million devices need no more memory than a thousand.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;

use super::Verdict;
use super::fail::Fail;
use super::out::{Format, Out, tame};
use super::what_if::WhatIf;
use crate::config::Settings;
use crate::domain::access::rules::InForce;
use crate::domain::account::{Ref, Scope};
use crate::engine::questions::{Asked, DeviceRights, Right, Rules};

const PAGE: usize = 500;
const SUBSCRIPTION: &str = "ManageSubscription";

/// What may this account do? Its rules, rights and devices, each with the reason
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry what-can kim\n  tenantry what-can kim@example.org -o json\n  tenantry what-can kim -f accounts/     as if these files were applied\n\nEach page of devices is as of the moment at which it was read."
)]
pub(super) struct WhatCan {
    /// Username or e-mail
    account: String,

    #[command(flatten)]
    what_if: WhatIf,

    /// Print an object with `rules`, `capabilities`, `individualAccess` and `devices` for programs
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

/// An administrative right: on the tenant and below it as far as the scope
/// goes, `ManageSubscription` on the tenant alone.
#[derive(Serialize)]
struct Capability {
    capability: String,
    tenant: String,
}

impl From<Right> for Capability {
    fn from(Right { capability, tenant }: Right) -> Self {
        Self { capability, tenant }
    }
}

/// The object that programs read, apart from its devices.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    account: String,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<String>,
    rules: Vec<Rule>,
    capabilities: Vec<Capability>,
    individual_access: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
}

impl From<Rules> for Head {
    fn from(rules: Rules) -> Self {
        let Rules { account, active, blocked, rules, rights, individual_access, scope } = rules;
        Self {
            account,
            active,
            blocked,
            rules: rules.into_iter().map(Rule::from).collect(),
            capabilities: rights.into_iter().map(Capability::from).collect(),
            individual_access,
            scope,
        }
    }
}

impl WhatCan {
    pub(super) async fn run(self, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        // A name that can be no account's is wrong usage, as in a check.
        Asked::new(&self.account, "view", "device", None, None).map_err(Fail::usage)?;
        let questions = self.what_if.questions(settings).await?;
        let unknown = || Fail::Because("no account has this username or e-mail: correct it".to_owned());
        let head = Head::from(questions.rules_of(&self.account).await?.ok_or_else(unknown)?);
        begin(self.output, out, &head)?;
        if self.output.is_none() && head.blocked.is_some() {
            questions.store().close().await;
            return Ok(Verdict::Good);
        }
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
        // Written as one object; its devices follow one by one.
        Some(Format::Json) => {
            let head = text(head)?;
            let open = head.strip_suffix('}').unwrap_or(&head);
            out.text(&format!("{open},\n\"devices\":["))
        }
        Some(Format::Yaml) => out.value(Format::Yaml, head),
        None => told(out, head),
    }
}

/// The object as people read it.
fn told(out: &mut Out, head: &Head) -> Result<(), Fail> {
    let name = tame(&head.account);
    if let Some(why) = &head.blocked {
        return out.line(&format!("{name} may do nothing: {}", tame(why)));
    }
    let invited = if head.active { "" } else { ", who has not activated the account yet" };
    out.line(&format!("{name}{invited}, may do this, whatever the device:"))?;
    if head.rules.is_empty() {
        out.line("  nothing")?;
    }
    for rule in &head.rules {
        let (operations, resources) = (rule.operations.join(", "), rule.resources.join(", "));
        let from = rule.object.as_ref().map(|object| format!(", {}", tame(object))).unwrap_or_default();
        out.line(&format!("  {} {operations} on {resources} ({}{from})", rule.effect, rule.reason))?;
    }
    if head.individual_access {
        out.line("")?;
        out.line("Of devices and filtered sections it sees only what it or accounts below it created (Individual access).")?;
    }
    if head.capabilities.is_empty() {
        return Ok(());
    }
    out.line("")?;
    out.line("Administrative rights:")?;
    let mut places: Vec<(&str, Vec<&str>)> = vec![];
    for Capability { capability, tenant } in &head.capabilities {
        if capability == SUBSCRIPTION {
            continue;
        }
        match places.iter_mut().find(|(place, _)| place == tenant) {
            Some((_, rights)) => rights.push(capability),
            None => places.push((tenant, vec![capability])),
        }
    }
    let limits = head.scope.as_ref().map(limits).unwrap_or_default();
    for (place, rights) in places {
        out.line(&format!("  {} in {} and below{limits}", rights.join(", "), tame(place)))?;
    }
    let own = head.capabilities.iter().filter(|one| one.capability == SUBSCRIPTION);
    for Capability { capability, tenant } in own {
        out.line(&format!("  {capability} of {}", tame(tenant)))?;
    }
    Ok(())
}

/// How a listed scope narrows the rights.
fn limits(scope: &Scope) -> String {
    let refs = |list: &BTreeSet<Ref>| {
        list.iter()
            .map(|Ref { namespace, name }| format!("{namespace}/{name}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let groups = scope.groups.iter().cloned().collect::<Vec<_>>().join(", ");
    let lists = [("tenants", refs(&scope.tenants)), ("groups", groups), ("roles", refs(&scope.roles))];
    let named = lists.into_iter().filter(|(_, names)| !names.is_empty());
    let named: Vec<_> = named.map(|(what, names)| format!("{what} {names}")).collect();
    let mut only = vec!["its own creations".to_owned()];
    only.extend(named);
    format!(", as far as its scope goes: {}", tame(&only.join("; ")))
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

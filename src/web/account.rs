//! `/account`: who is signed in, what they may do, and which devices they see.
//! Rules and devices are those of the evaluator, as `what-can` lists them.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::outside::Outside;
use super::page::{self, View, fill};
use super::signin::{Visitor, failed, language_of, to, visitor};
use super::text::{self, AccountLabels, Language};
use crate::domain::access::answer::Ground;
use crate::domain::access::rules::InForce;
use crate::domain::authority::capabilities_at_home;
use crate::domain::object::Kind;
use crate::engine::questions::{DeviceRights, Page, Questions};
use crate::engine::{Engine, Person};
use crate::store::{Access, StoreError};

/// So many lines of rights are shown; a longer list says how many more there
/// are.
const MOST_LINES: usize = 100;

/// Devices on one page.
const DEVICES: usize = 25;

/// No device has a longer id.
const MAX_ID: usize = 1024;

#[derive(Default, Deserialize)]
pub(super) struct Asked {
    /// Devices after this one.
    #[serde(default)]
    after: String,
    /// Devices from this one on, whether or not there is such a one.
    #[serde(default)]
    from: String,
}

impl Asked {
    fn from(&self) -> &str {
        let end = self.from.char_indices().nth(MAX_ID).map_or(self.from.len(), |(at, _)| at);
        self.from.get(..end).unwrap_or_default().trim()
    }

    /// What cannot be an id asks for the first page.
    fn after(&self) -> String {
        let whole = |id: &str| id.len() <= MAX_ID && !id.contains(char::is_control);
        match (self.from.trim(), &self.after) {
            ("", after) if whole(after) => after.clone(),
            (from, _) if whole(from) => just_before(from),
            _ => String::new(),
        }
    }
}

/// An id that comes after all that come before `id`. Ids are in the order of
/// their bytes, and none holds the last character that there is.
fn just_before(id: &str) -> String {
    let mut begin = id.to_owned();
    let last = begin.pop().map(u32::from).unwrap_or_default();
    // Between the last of the low and the first of the high ones there is none.
    let before = (1..=last).rev().find_map(|code| char::from_u32(code - 1));
    begin.extend(before);
    if before.is_some() {
        begin.extend(['\u{10ffff}'; 4]);
    }
    begin
}

#[derive(Serialize)]
struct AccountView<'a> {
    #[serde(flatten)]
    view: View<'a>,
    labels: AccountLabels,
    facts: Vec<Fact<'a>>,
    form: &'a str,
    individual: bool,
    rights: Vec<Rights>,
    more_rights: Option<String>,
    devices: Vec<Device>,
    /// Where the next page of devices is.
    next: Option<String>,
    /// This is not the first page of devices.
    later: bool,
    /// The id that devices are shown from on, as it was typed.
    from: &'a str,
}

#[derive(Serialize)]
struct Fact<'a> {
    label: &'static str,
    value: &'a str,
}

/// Rights under one heading.
#[derive(Serialize)]
struct Rights {
    title: String,
    never: bool,
    lines: Vec<String>,
}

#[derive(Serialize)]
struct Device {
    id: String,
    name: String,
    may: String,
}

/// What the evaluator says of an account.
struct Found {
    rules: Vec<InForce>,
    devices: Page<DeviceRights>,
    names: std::collections::BTreeMap<String, String>,
}

/// GET `/account`.
pub(super) async fn show(
    State(engine): State<Engine>,
    State(outside): State<Arc<Outside>>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let after = asked.after();
    let shown = async {
        let Some(visitor) = visitor(&engine, &outside, &headers).await? else { return Ok(None) };
        let found = find(&engine, &visitor.person, &after).await?;
        Ok::<_, StoreError>(Some((visitor, found)))
    };
    match shown.await {
        Ok(None) => to("login"),
        Ok(Some((visitor, found))) => {
            let language = language_of(&visitor.person, &headers);
            page_of(&visitor, found, !after.is_empty(), asked.from(), language)
        }
        Err(error) => failed(&error, error.is_transient(), &headers),
    }
}

async fn find(engine: &Engine, person: &Person, after: &str) -> Result<Found, StoreError> {
    let questions = Questions::new(engine.store().clone());
    let username = &person.account.settings.username;
    let rules = questions.rules_of(username).await?.map(|found| found.rules).unwrap_or_default();
    // One more than is shown: a page that is full is not always followed by
    // another one.
    let devices = questions.devices_of(username, after, DEVICES + 1).await?;
    let mut devices = devices.unwrap_or(Page { items: vec![], next: None });
    if devices.items.len() > DEVICES {
        devices.items.truncate(DEVICES);
        devices.next = devices.items.last().map(|device| device.device.clone());
    }
    let ids: Vec<&str> = devices.items.iter().map(|device| device.device.as_str()).collect();
    let names = engine.store().begin(Access::Read).await?.device_names(&ids).await?;
    Ok(Found { rules, devices, names })
}

fn page_of(
    Visitor { person, form }: &Visitor,
    found: Found,
    later: bool,
    from: &str,
    language: Language,
) -> Response {
    let Found { rules, devices, mut names } = found;
    let labels = text::account_labels(language);
    let (rights, beyond) = rights(person, &rules, &labels, language);
    let settings = &person.account.settings;
    let facts = [
        (labels.login, Some(settings.email.as_str())),
        (labels.username, Some(settings.username.as_str())),
        (labels.company, settings.company.as_deref()),
        (labels.tenant, person.chain.own().map(|tenant| tenant.settings.display_name.as_str())),
        (labels.tier, Some(text::tier(settings.tier, language))),
    ];
    let facts = facts.into_iter().filter_map(|(label, value)| Some(Fact { label, value: value? })).collect();
    let next = devices.next.map(|after| {
        let after: String = url::form_urlencoded::byte_serialize(after.as_bytes()).collect();
        format!("account?after={after}#devices")
    });
    let devices = devices.items.into_iter().map(|DeviceRights { device, operations }| {
        let may: Vec<_> = operations.iter().map(|(word, _)| text::operation(word, language)).collect();
        let name = names.remove(&device).filter(|name| !name.is_empty());
        Device { name: name.unwrap_or_else(|| device.clone()), id: device, may: may.join(", ") }
    });
    let devices = devices.collect();
    let mut view = page::of_person(person, language);
    (view.title, view.wide) = (labels.title, true);
    let view = AccountView {
        view,
        facts,
        form,
        individual: person.account.effective.individual_access,
        rights,
        more_rights: (beyond > 0).then(|| text::more(beyond, language)),
        labels,
        devices,
        next,
        later,
        from,
    };
    page::render(StatusCode::OK, "account.html", &view)
}

/// What an account may do, in words, and how many lines there is no room for.
fn rights(
    person: &Person,
    rules: &[InForce],
    labels: &AccountLabels,
    language: Language,
) -> (Vec<Rights>, usize) {
    let capabilities = capabilities_at_home(&person.account, &person.chain);
    let mut all = vec![Rights {
        title: labels.administer.to_owned(),
        never: false,
        lines: capabilities.iter().map(|right| text::capability(*right, language).to_owned()).collect(),
    }];
    let mut room = MOST_LINES.saturating_sub(all.iter().map(|rights| rights.lines.len()).sum());
    let mut beyond = 0;
    for InForce { ground, rule, object } in rules {
        if room == 0 {
            beyond += 1;
            continue;
        }
        room -= 1;
        let never = matches!(ground, Ground::DeniedByAccount | Ground::DeniedByRole | Ground::DeniedByGrant);
        let what = if never { labels.never } else { labels.may };
        let title = match object {
            Some(key) if key.kind == Kind::Role => {
                format!("{what} ({})", fill(labels.by_role, |_| &key.name))
            }
            Some(key) if key.kind == Kind::DeviceGrant => {
                format!("{what} ({})", fill(labels.by_grant, |_| &key.name))
            }
            _ => what.to_owned(),
        };
        let line = match ground {
            Ground::RootHoldsAll | Ground::SuperAdminHoldsAll => {
                let tenant = person.chain.own().map_or("", |tenant| &tenant.settings.display_name);
                fill(labels.everything, |_| tenant)
            }
            _ => text::rule(rule, language),
        };
        match all.iter_mut().find(|rights| rights.title == title) {
            Some(rights) => rights.lines.push(line),
            None => all.push(Rights { title, never, lines: vec![line] }),
        }
    }
    all.retain(|rights| !rights.lines.is_empty());
    all.sort_by_key(|rights| rights.never);
    (all, beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_shown_from_an_id_on_and_none_before_it() {
        for (id, before, same) in [
            ("gate-104", "gate-103", "gate-104"),
            ("gate-104", "gate-103-b", "gate-1040"),
            ("b", "a", "b"),
            ("\u{e000}", "\u{d7ff}", "\u{e000}"),
            ("é", "z", "é"),
        ] {
            let after = just_before(id);
            assert!(
                before.as_bytes() <= after.as_bytes() && after.as_bytes() < same.as_bytes(),
                "{id}: {after}"
            );
        }
        let asked =
            |after: &str, from: &str| Asked { after: after.to_owned(), from: from.to_owned() }.after();
        assert_eq!(asked("gate-1", ""), "gate-1");
        assert_eq!(asked("gate-1", " b "), just_before("b"));
        assert_eq!([asked("a\0b", ""), asked("", "a\nb"), asked(&"x".repeat(2_000), "")], ["", "", ""]);
    }
}

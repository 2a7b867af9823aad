//! `/account`: who is signed in, what they may do, and which devices they see.

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
use crate::domain::account::holding;
use crate::domain::permission::{Holding, Permissions, Rule};
use crate::domain::tier::Tier;
use crate::engine::{Engine, Person};

/// So many lines of rights are shown; a longer list says how many more there
/// are.
const MOST_LINES: usize = 100;

#[derive(Default, Deserialize)]
pub(super) struct Asked {
    /// Devices after this one.
    #[serde(default)]
    after: Option<String>,
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
}

/// GET `/account`.
pub(super) async fn show(
    State(engine): State<Engine>,
    State(outside): State<Arc<Outside>>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let visitor = match visitor(&engine, &outside, &headers).await {
        Ok(Some(visitor)) => visitor,
        Ok(None) => return to("login"),
        Err(error) => return failed(&error, error.is_transient(), &headers),
    };
    let language = language_of(&visitor.person, &headers);
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    shown(&visitor, language, vec![], None, asked.after.is_some())
}

fn shown(
    Visitor { person, form }: &Visitor,
    language: Language,
    devices: Vec<Device>,
    next: Option<String>,
    later: bool,
) -> Response {
    let labels = text::account_labels(language);
    let (rights, beyond) = rights(person, &labels, language);
    let settings = &person.account.settings;
    let tier = text::tier(settings.tier, language);
    let tenant = person.chain.own().map(|tenant| tenant.settings.display_name.as_str());
    let facts = [
        (labels.login, Some(settings.email.as_str())),
        (labels.username, Some(settings.username.as_str())),
        (labels.company, settings.company.as_deref()),
        (labels.tenant, tenant),
        (labels.tier, Some(tier)),
    ];
    let facts = facts.into_iter().filter_map(|(label, value)| Some(Fact { label, value: value? })).collect();
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
    };
    page::render(StatusCode::OK, "account.html", &view)
}

/// What an account may do, in words, and how many lines there is no room for.
fn rights(person: &Person, labels: &AccountLabels, language: Language) -> (Vec<Rights>, usize) {
    let settings = &person.account.settings;
    let mut all = vec![];
    let mut add = |title: String, never: bool, lines: Vec<String>| {
        if !lines.is_empty() {
            all.push(Rights { title, never, lines });
        }
    };
    let capabilities = person.account.effective.capabilities.iter();
    add(
        labels.administer.to_owned(),
        false,
        capabilities.map(|right| text::capability(*right, language).to_owned()).collect(),
    );
    let lines = |rules: &[Rule]| rules.iter().map(|rule| text::rule(rule, language)).collect::<Vec<_>>();
    if let Holding::Everything { .. } = holding(settings, &person.roles) {
        let tenant = person.chain.own().map_or("", |tenant| &tenant.settings.display_name);
        add(labels.may.to_owned(), false, vec![fill(labels.everything, |_| tenant)]);
    } else {
        add(labels.may.to_owned(), false, lines(&settings.permissions.allow));
    }
    // A deny does not bind Root (R5).
    let binds = |rules: &Permissions| match settings.tier {
        Tier::Root => vec![],
        _ => lines(&rules.deny),
    };
    add(labels.never.to_owned(), true, binds(&settings.permissions));
    for role in &person.roles {
        let title = fill(labels.by_role, |_| &role.name);
        let permissions = &role.content.permissions;
        let never = format!("{title}: {}", labels.never.to_lowercase());
        add(title, false, lines(&permissions.allow));
        add(never, true, binds(permissions));
    }
    let mut room = MOST_LINES;
    let mut beyond = 0;
    for rights in &mut all {
        beyond += rights.lines.len().saturating_sub(room);
        rights.lines.truncate(room);
        room -= rights.lines.len();
    }
    all.retain(|rights| !rights.lines.is_empty());
    (all, beyond)
}

//! `tenantry audit list`: the newest entries, narrowed as asked, also as
//! somebody else may see them.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::super::Verdict;
use super::super::devices::{TenantRef, narrowed};
use super::super::fail::{Fail, out_error};
use super::super::out::{self, Out, tame};
use crate::app::{self, Reader};
use crate::config::Settings;
use crate::domain::object::{Kind, ObjectKey};
use crate::store::trail::{Listed, Search};
use crate::store::{Access, Store};

/// List what happened, newest last
///
/// Personal values stand in the trail only as keyed digests, so that erasing an account leaves it
/// whole. With --as only what that account may see is shown: its own administrative events and
/// the sign-ins, sign-outs and activations of the accounts in its scope; a Root or SuperAdmin sees
/// everything in its tenant and below. It needs the capability ManageAuditLogs.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tenantry audit list --since 24h\n  tenantry audit list --tenant acme/north --action deleted,cascaded\n  tenantry audit list --object subadmin/acme/kim -o json\n  tenantry audit list --actor platform --since 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z -o csv\n  tenantry audit list --as kim"
)]
pub(super) struct List {
    /// Only what lies in this Tenant and those below it: namespace/name
    #[arg(long, value_name = "REF")]
    tenant: Option<TenantRef>,

    /// The source whose Tenants are meant, if several have one of the same name
    #[arg(long, value_name = "NAME", env = "TENANTRY_SOURCE")]
    source: Option<String>,

    /// Only what happened to this object, such as subadmin/acme/kim
    #[arg(long, value_name = "KIND/REF", value_parser = object)]
    object: Option<ObjectKey>,

    /// Only what this one did: platform, subadmin/namespace/name, a username or an e-mail
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,

    /// Only these actions, such as created,deleted,signed-in
    #[arg(long, value_name = "ACTIONS", value_delimiter = ',')]
    action: Vec<String>,

    /// Only from then on: 2026-11-22T08:00:00Z, or how long ago, such as 24h or 7d
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,

    /// Only before then: a time, or how long ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,

    /// At most so many entries, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,

    /// Only what this account may see: a username or an e-mail
    #[arg(long = "as", value_name = "ACCOUNT")]
    reader: Option<String>,

    /// Print a list for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

/// `-o`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For programs.
    Json,
    /// For programs, and for reading long values.
    Yaml,
    /// For spreadsheets; the states are JSON.
    Csv,
}

/// A point in time, or how long before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    At(Timestamp),
    Ago(SignedDuration),
}

impl Moment {
    fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.saturating_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH),
        }
        // The databases hold neither earlier nor later times.
        .clamp(Timestamp::UNIX_EPOCH, Timestamp::from_second(253_402_128_000).unwrap_or(Timestamp::MAX))
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    let wrong =
        || "write a time such as 2026-11-22T08:00:00Z, or how long ago, such as 90m, 24h or 7d".to_owned();
    if let Ok(at) = text.parse() {
        return Ok(Moment::At(at));
    }
    let span: Span = text.parse().map_err(|_| wrong())?;
    let ago = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    if ago.is_negative() { Err(wrong()) } else { Ok(Moment::Ago(ago)) }
}

fn object(text: &str) -> Result<ObjectKey, String> {
    let mut parts = text.split('/');
    let (kind, namespace, name) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(kind), Some(namespace), Some(name), None) if !namespace.is_empty() && !name.is_empty() => {
            (kind, namespace, name)
        }
        _ => return Err("an object is written kind/namespace/name, such as subadmin/acme/kim".to_owned()),
    };
    let kind = Kind::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(kind));
    let kind = kind.ok_or("the kinds are tenant, subadmin, role and devicegrant")?;
    Ok(ObjectKey::new(kind, namespace, name))
}

impl List {
    pub(super) async fn run(self: Box<Self>, settings: &Settings, out: &mut Out) -> Result<Verdict, Fail> {
        let store = app::open_existing(settings).await?;
        let reader = match self.reader.as_deref() {
            None => None,
            Some(name) => Some(reader(&store, name).await?),
        };
        let search = self.search(&store, reader.as_ref()).await?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let trail = app::read_trail(&store, &search, reader.as_ref(), limit).await?;
        store.close().await;
        show(&trail.entries, self.output, out)?;
        out.flush()?;
        if trail.cut {
            out_error(&format!(
                "note: only the newest {} are shown and there are older ones: raise --limit, or narrow with --since, --until and the other filters",
                self.limit
            ));
        }
        if let Some(count) = trail.looked_at {
            out_error(&format!(
                "note: only the newest {count} entries were looked at, most of which this account may not see: go on with --until"
            ));
        }
        if trail.entries.is_empty() {
            out_error("no entries");
        }
        Ok(Verdict::Good)
    }

    async fn search(&self, store: &Store, reader: Option<&Reader>) -> Result<Search, Fail> {
        let tenant = narrowed(store, self.source.as_deref(), self.tenant.as_ref()).await?;
        if let (Some(reader), Some(id), Some(tenant)) = (reader, tenant, &self.tenant)
            && !reader.reaches(store, id).await?
        {
            // In the words for one that does not exist: strangers stay strangers.
            return Err(Fail::Because(format!(
                "no tenant {tenant} is in the database: apply it first, or correct the name"
            )));
        }
        let mut tx = store.begin(Access::Read).await?;
        let now = tx.now();
        let (mut actor, mut actor_account) = (None, None);
        match self.actor.as_deref() {
            None => {}
            Some("platform") => actor = Some("platform".to_owned()),
            Some(text) if text.contains('/') => {
                let key = object(text).map_err(|why| Fail::Usage(format!("--actor: {why}")))?;
                actor = Some(key.to_string());
            }
            Some(text) => match tx.account_named(text).await? {
                Some(found) => actor_account = Some(found.account.id),
                // A stranger and nobody are the same to a reader.
                None if reader.is_some() => actor_account = Some(uuid::Uuid::nil()),
                None => return Err(unknown_account()),
            },
        }
        let actions: BTreeSet<_> = self.action.iter().map(|word| word.trim().to_owned()).collect();
        Ok(Search {
            tenant,
            reach: None,
            object: self.object.clone(),
            actor,
            actor_account,
            actions: (!actions.is_empty()).then(|| actions.into_iter().collect()),
            since: self.since.map(|moment| moment.from(now)),
            until: self.until.map(|moment| moment.from(now)),
        })
    }
}

fn unknown_account() -> Fail {
    Fail::Because(
        "no account has this username or e-mail: correct it, or name the object as subadmin/namespace/name"
            .to_owned(),
    )
}

async fn reader(store: &Store, name: &str) -> Result<Reader, Fail> {
    match Reader::named(store, name).await? {
        Some(Ok(reader)) => Ok(reader),
        Some(Err(refusal)) => Err(Fail::Because(refusal.message)),
        None => Err(Fail::Because("no account has this username or e-mail: correct --as".to_owned())),
    }
}

/// An entry as programs see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: uuid::Uuid,
    /// Place in the chain; null: not sealed yet.
    sequence: Option<i64>,
    time: Timestamp,
    actor: &'a str,
    action: &'a str,
    kind: Option<&'a str>,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    tenant: Option<&'a str>,
    generation: Option<i64>,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
}

impl<'a> From<&'a Listed> for Shown<'a> {
    fn from(entry: &'a Listed) -> Self {
        let Listed { sequence, path, record } = entry;
        Self {
            id: record.id,
            sequence: *sequence,
            time: record.at,
            actor: &record.actor,
            action: &record.action,
            kind: record.kind.as_deref(),
            namespace: record.namespace.as_deref(),
            name: record.name.as_deref(),
            tenant: path.as_deref(),
            generation: record.generation,
            before: record.before.as_ref(),
            after: record.after.as_ref(),
        }
    }
}

const HEADER: &str = "TIME                  ACTION               OBJECT                                    ACTOR                           CHANGED";

fn show(entries: &[Listed], format: Option<Format>, out: &mut Out) -> Result<(), Fail> {
    let format = match format {
        Some(Format::Csv) => return csv(entries, out),
        Some(Format::Json) => Some(out::Format::Json),
        Some(Format::Yaml) => Some(out::Format::Yaml),
        None => None,
    };
    let mut list = out.list(format);
    for entry in entries {
        list.item(out, &Shown::from(entry), HEADER, row)?;
    }
    list.end(out)?;
    Ok(())
}

fn row(entry: &Shown<'_>) -> String {
    let object = match (entry.kind, entry.namespace, entry.name) {
        (Some(kind), Some(namespace), Some(name)) => format!("{kind} {namespace}/{name}"),
        _ => "-".to_owned(),
    };
    format!(
        "{}  {:<19}  {:<40}  {:<30}  {}",
        entry.time,
        tame(entry.action),
        tame(&object),
        tame(entry.actor),
        tame(&changed(entry.before, entry.after).join(", "))
    )
}

/// Names of the fields that differ; nothing where only one state exists.
fn changed(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
    let (Some(Value::Object(before)), Some(Value::Object(after))) = (before, after) else { return vec![] };
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

fn csv(entries: &[Listed], out: &mut Out) -> Result<(), Fail> {
    let cannot = |error: csv::Error| Fail::because("the output cannot be written", error);
    let mut writer = csv::Writer::from_writer(vec![]);
    let header = [
        "sequence",
        "time",
        "actor",
        "action",
        "kind",
        "namespace",
        "name",
        "tenant",
        "generation",
        "before",
        "after",
    ];
    writer.write_record(header).map_err(cannot)?;
    for entry in entries {
        let Shown {
            id: _,
            sequence,
            time,
            actor,
            action,
            kind,
            namespace,
            name,
            tenant,
            generation,
            before,
            after,
        } = Shown::from(entry);
        let number = |n: Option<i64>| n.map(|n| n.to_string()).unwrap_or_default();
        let word = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let state = |state: Option<&Value>| state.map(Value::to_string).unwrap_or_default();
        let record = [
            number(sequence),
            time.to_string(),
            actor.to_owned(),
            action.to_owned(),
            word(kind),
            word(namespace),
            word(name),
            word(tenant),
            number(generation),
            state(before),
            state(after),
        ];
        writer.write_record(record).map_err(cannot)?;
    }
    let bytes =
        writer.into_inner().map_err(|error| Fail::because("the output cannot be written", error.error()))?;
    out.text(&String::from_utf8_lossy(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-11-22T08:00:00+01:00", "2026-11-22T07:00:00Z"),
            ("24h", "2026-11-21T10:00:00Z"),
            ("90m", "2026-11-22T08:30:00Z"),
            ("7d", "2026-11-15T10:00:00Z"),
            ("1h30m", "2026-11-22T08:30:00Z"),
        ] {
            assert_eq!(moment(text).unwrap().from(now).to_string(), expected, "{text}");
        }
        for wrong in ["", "yesterday", "-1h", "2026-11-22", "5", "3 months"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_object_is_named_by_kind_namespace_and_name() {
        assert_eq!(object("SubAdmin/acme/kim").unwrap(), ObjectKey::new(Kind::SubAdmin, "acme", "kim"));
        for wrong in ["kim", "acme/kim", "user/acme/kim", "tenant//x", "tenant/a/b/c"] {
            assert!(object(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_changed_is_named_by_field() {
        let before = serde_json::json!({"a": 1, "b": 2, "c": 3});
        let after = serde_json::json!({"a": 1, "b": 3, "d": 4});
        assert_eq!(changed(Some(&before), Some(&after)), ["b", "c", "d"]);
        assert!(changed(None, Some(&after)).is_empty());
    }
}

//! What becomes of each device of a grant: given, shared, pending, refused by
//! a limit, or held by an older grant of the same giver.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::pass::{Pass, Step};
use crate::domain::grant::{Giver, Grant, Mode, Receiver, Reclaim, Tally, Window, window};
use crate::domain::object::{Kind, ObjectKey, Topic};
use crate::domain::verdict::{Reason, Refusal};
use crate::store::grants::{Candidate, Link, Mark, Search};

/// Devices judged at a time.
const PAGE: usize = 10_000;
/// Ids shown in status.
const SHOWN: usize = 20;
/// Said of an id that is not there and of one that is out of reach alike: a
/// refusal reveals nothing about strangers (R4).
const PENDING: &str = "not in the inventory or not within reach of the giver";
const OVER_LIMIT: &str = "a limit leaves no room";
const HELD: &str = "held by an older grant of the same giver";

/// What the devices of a grant came to.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) tally: Tally,
    pub(super) pending: Vec<(String, String)>,
    pub(super) refused: Vec<(String, String)>,
    pub(super) conflict: Option<Refusal>,
    pub(super) over_limit: Option<Refusal>,
    pub(super) changed: bool,
}

/// Makes every device of a grant what it should be now.
pub(super) async fn settle(pass: &mut Pass<'_>, grant: &Grant) -> Step<Settled> {
    let search =
        Search { grant: grant.id, mode: grant.mode, tenant: grant.tenant, account: grant.managed_by };
    let at = window(grant.not_before, grant.expires_at, pass.now());
    // An Assign whose receiver is gone gives nothing to anybody.
    let receiverless = grant.mode == Mode::Assign && grant.receivers.is_empty();
    let open = at == Window::Open && !receiverless;
    // What an Assign gave may stay where it is when its time is over.
    let keeps = open || (at == Window::Over && grant.reclaim == Reclaim::Retain && !receiverless);
    let mut settled = Settled::default();
    let wanted = wanted_ids(pass, grant, &search).await?;
    settled.tally.requested = count(wanted.len());

    let old: BTreeMap<String, Mark> = {
        let marks = pass.tx.marks(grant.id).await?;
        marks.into_iter().map(|mark| (mark.id.clone(), mark)).collect()
    };
    let mut room = match (grant.mode, open) {
        (Mode::Assign, true) => Some(Room::of(pass, grant).await?),
        _ => None,
    };
    let mut changed_devices: BTreeSet<String> = BTreeSet::new();

    // What the grant no longer names, and everything while its time is not
    // here, goes back first: that may free the room that others need.
    let given: BTreeSet<String> = pass.tx.given_devices(grant.id).await?.into_iter().collect();
    let back: Vec<&str> =
        given.iter().filter(|id| !keeps || !wanted.contains(*id)).map(String::as_str).collect();
    if !back.is_empty() && grant.mode == Mode::Assign {
        cut(pass, grant.id, &back).await?;
        changed_devices.extend(back.iter().map(|id| (*id).to_owned()));
    }
    let returned = changed_devices.len();
    let mut gave = 0;

    let mut marks: Vec<Mark> = vec![];
    let all: Vec<&str> = wanted.iter().map(String::as_str).collect();
    for page in all.chunks(PAGE) {
        let candidates = pass.tx.candidates(&search, page).await?;
        let decided = decide(grant, &candidates, open, room.as_mut());
        if !decided.links.is_empty() {
            give(pass, grant, &decided).await?;
            gave += decided.links.len();
            changed_devices.extend(decided.links.iter().map(|link| link.id.clone()));
        }
        if settled.conflict.is_none() {
            settled.conflict = decided.conflict.clone();
        }
        marks.extend(decided.marks);
    }

    for mark in &marks {
        let shown = match mark.state.as_str() {
            "applied" => {
                settled.tally.applied += 1;
                settled.tally.matched += 1;
                continue;
            }
            "idle" => {
                settled.tally.matched += 1;
                continue;
            }
            "pending" => {
                settled.tally.pending += 1;
                &mut settled.pending
            }
            "waiting" => {
                settled.tally.waiting += 1;
                settled.tally.matched += 1;
                &mut settled.refused
            }
            _ => {
                settled.tally.refused += 1;
                settled.tally.matched += 1;
                &mut settled.refused
            }
        };
        if shown.len() < SHOWN {
            shown.push((mark.id.clone(), mark.why.clone().unwrap_or_default()));
        }
    }
    if settled.tally.refused > 0 {
        settled.over_limit = room.as_ref().map(|room| room.refusal(pass.key(), settled.tally.refused));
    }

    let changed: Vec<Mark> = marks.iter().filter(|mark| old.get(&mark.id) != Some(mark)).cloned().collect();
    let gone: Vec<&str> = old.keys().filter(|id| !wanted.contains(*id)).map(String::as_str).collect();
    pass.tx.put_marks(grant.id, &changed, &gone).await?;
    if !changed_devices.is_empty() {
        moved(pass, grant, &changed_devices).await?;
        record(pass, grant, gave, returned).await?;
    }
    settled.changed = !changed_devices.is_empty() || !changed.is_empty() || !gone.is_empty();
    if settled.changed {
        pass.publish_self();
    }
    Ok(settled)
}

/// Takes back everything that a grant has given.
pub(super) async fn take_back(pass: &mut Pass<'_>, grant: &Grant) -> Step<()> {
    let given = pass.tx.given_devices(grant.id).await?;
    if given.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = given.iter().map(String::as_str).collect();
    cut(pass, grant.id, &ids).await?;
    let ids: BTreeSet<String> = given.into_iter().collect();
    moved(pass, grant, &ids).await?;
    record(pass, grant, 0, ids.len()).await
}

/// Tells the audit trail how many devices have moved, not which.
async fn record(pass: &mut Pass<'_>, grant: &Grant, given: usize, returned: usize) -> Step<()> {
    let actor = pass.answering(grant.managed_by).await?;
    let after = serde_json::json!({"given": given, "returned": returned});
    Ok(pass.audit("devices-moved", actor, Some(grant.tenant), None, Some(after)).await?)
}

async fn cut(pass: &mut Pass<'_>, grant: Uuid, ids: &[&str]) -> Step<()> {
    let cuts = pass.tx.link_positions(grant, ids).await?;
    pass.tx.cut_chains(&cuts).await?;
    Ok(pass.tx.settle_holders(ids).await?)
}

async fn give(pass: &mut Pass<'_>, grant: &Grant, decided: &Decided) -> Step<()> {
    // A younger claim steps aside, with everything handed on from there.
    let cuts: Vec<(String, i64)> =
        decided.links.iter().map(|link| (link.id.clone(), link.position)).collect();
    if decided.displaces {
        pass.tx.cut_chains(&cuts).await?;
    }
    let (tenant, account) = match grant.receivers.first() {
        Some(Receiver::Tenant(tenant)) => (*tenant, None),
        Some(Receiver::Account { account, tenant }) => (*tenant, Some(*account)),
        _ => return Ok(()),
    };
    pass.tx.add_links(grant.id, &decided.links, tenant, account).await?;
    let ids: Vec<&str> = decided.links.iter().map(|link| link.id.as_str()).collect();
    Ok(pass.tx.settle_holders(&ids).await?)
}

/// Tells everybody concerned that devices have moved.
async fn moved(pass: &mut Pass<'_>, grant: &Grant, ids: &BTreeSet<String>) -> Step<()> {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    pass.tx.wake_grants_about(&ids, Some(grant.id)).await?;
    pass.publish(Topic::devices(grant.tenant));
    pass.counts_changed(grant.tenant);
    let chain = pass.tx.chain(grant.tenant).await?;
    for level in &chain.0 {
        pass.publish(Topic::tenant_room(level.tenant.id));
        pass.publish(Topic::devices(level.tenant.id));
    }
    for receiver in &grant.receivers {
        match receiver {
            Receiver::Tenant(tenant) => {
                pass.publish(Topic::devices(*tenant));
                pass.counts_changed(*tenant);
                pass.publish(Topic::tenant_room(*tenant));
            }
            Receiver::Account { account, tenant } => {
                pass.publish_rooms(Some(*account)).await?;
                pass.publish(Topic::devices(*tenant));
                pass.counts_changed(*tenant);
            }
            Receiver::Group { .. } => {}
        }
    }
    pass.publish_rooms(grant.managed_by).await?;
    Ok(())
}

/// Every id that the grant is about, in order.
async fn wanted_ids(pass: &mut Pass<'_>, grant: &Grant, search: &Search) -> Step<BTreeSet<String>> {
    let selection = &grant.selection;
    let mut wanted: BTreeSet<String> = selection.device_ids.iter().cloned().collect();
    if !selection.unit_ids.is_empty() {
        let known = pass.tx.devices_of_units(&selection.unit_ids).await?;
        let units: BTreeSet<&str> = known.iter().map(|(unit, _)| unit.as_str()).collect();
        // A unit that no device has yet waits under its own name.
        wanted.extend(
            selection
                .unit_ids
                .iter()
                .filter(|unit| !units.contains(unit.as_str()))
                .map(|unit| format!("unit:{unit}")),
        );
        wanted.extend(known.iter().map(|(_, id)| id.clone()));
    }
    if selection.all || selection.selector.is_some() {
        let mut after = String::new();
        loop {
            let page = pass.tx.selected_devices(search, selection, &after, count(PAGE)).await?;
            let Some((last, _)) = page.last() else { break };
            after.clone_from(last);
            let full = page.len() == PAGE;
            wanted.extend(page.into_iter().filter_map(|(id, labels)| {
                let selected =
                    selection.all || selection.selector.as_ref().is_some_and(|s| s.matches(&labels));
                selected.then_some(id)
            }));
            if !full {
                break;
            }
        }
    }
    Ok(wanted)
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// What was decided about one page of devices.
#[derive(Debug, Default)]
struct Decided {
    marks: Vec<Mark>,
    links: Vec<Link>,
    displaces: bool,
    conflict: Option<Refusal>,
}

fn decide(grant: &Grant, candidates: &[Candidate], open: bool, mut room: Option<&mut Room>) -> Decided {
    let mut decided = Decided::default();
    for candidate in candidates {
        let mut mark = |state: &str, why: Option<&str>| {
            decided.marks.push(Mark {
                id: candidate.id.clone(),
                state: state.to_owned(),
                why: why.map(str::to_owned),
            });
        };
        if !candidate.reachable {
            mark("pending", Some(PENDING));
            continue;
        }
        if grant.mode == Mode::Share {
            mark(if open { "applied" } else { "idle" }, None);
            continue;
        }
        let (Some(giver), true) = (candidate.giver, open) else {
            mark("idle", None);
            continue;
        };
        match &candidate.incumbent {
            Some(incumbent) if incumbent.grant == grant.id => {
                mark("applied", None);
                continue;
            }
            Some(incumbent)
                if (incumbent.born, &incumbent.namespace, &incumbent.name)
                    < (grant.born, &grant.namespace, &grant.name) =>
            {
                mark("waiting", Some(HELD));
                let key = ObjectKey::new(Kind::DeviceGrant, &incumbent.namespace, &incumbent.name);
                decided.conflict.get_or_insert_with(|| {
                    Refusal::wait(
                        Reason::Conflict,
                        format!("{key} is older and gives some of the same devices from the same giver; remove them from one of the two grants (see status.refusedIds)"),
                        vec![Topic::object(&key)],
                    )
                });
                continue;
            }
            _ => {}
        }
        let fits = room.as_mut().is_none_or(|room| room.take(candidate));
        if !fits {
            mark("refused", Some(OVER_LIMIT));
            continue;
        }
        mark("applied", None);
        decided.displaces |= candidate.incumbent.is_some();
        decided.links.push(Link {
            id: candidate.id.clone(),
            position: candidate.position,
            giver_tenant: match giver {
                Giver::Tenant(tenant) => tenant,
                Giver::Account(_) => grant.tenant,
            },
            giver_account: match giver {
                Giver::Account(account) => Some(account),
                Giver::Tenant(_) => None,
            },
        });
    }
    decided
}

/// Room for more devices on the receiver's side (R3): each limit that binds,
/// how much is left of it, and which holders count under it already.
struct Room {
    limits: Vec<Limit>,
}

struct Limit {
    name: String,
    topic: Topic,
    left: i64,
    /// Tenants whose devices count under it already.
    tenants: BTreeSet<Uuid>,
    /// Accounts whose devices count under it already.
    accounts: BTreeSet<Uuid>,
}

impl Room {
    async fn of(pass: &mut Pass<'_>, grant: &Grant) -> Step<Self> {
        let mut limits = vec![];
        let (tenant, account) = match grant.receivers.first() {
            Some(Receiver::Tenant(tenant)) => (*tenant, None),
            Some(Receiver::Account { account, tenant }) => (*tenant, Some(*account)),
            _ => return Ok(Self { limits }),
        };
        let chain = pass.tx.chain(tenant).await?;
        let bounded: Vec<_> =
            chain.0.iter().filter_map(|l| Some((l, l.tenant.settings.limits.devices?))).collect();
        if !bounded.is_empty() {
            let uses = pass.tx.uses(tenant).await?;
            for (level, max) in bounded {
                let used = uses.iter().find(|u| u.tenant == level.tenant.id).map_or(0, |u| u.devices);
                let holder =
                    level.key.as_ref().map_or_else(|| level.tenant.path.clone(), ToString::to_string);
                limits.push(Limit {
                    name: format!("limits.devices of {holder} is {max}"),
                    topic: Topic::tenant_room(level.tenant.id),
                    left: max - used,
                    tenants: pass.tx.subtree(level.tenant.id).await?.into_iter().collect(),
                    accounts: BTreeSet::new(),
                });
            }
        }
        if let Some(account) = account
            && let Some(bound) = pass.tx.quota_bound(Some(account), None).await?
        {
            limits.push(Limit {
                name: format!("spec.manageableDevices of {} is {}", bound.key, bound.quota),
                topic: Topic::account_room(bound.account),
                left: bound.quota - bound.used.held - bound.used.delegated,
                tenants: BTreeSet::new(),
                accounts: [bound.account, account].into(),
            });
        }
        Ok(Self { limits })
    }

    /// Takes the room for one device, if every limit has it.
    fn take(&mut self, device: &Candidate) -> bool {
        let counts_already = |limit: &Limit| {
            device.holder_tenant.is_some_and(|t| limit.tenants.contains(&t))
                || device.holder_account.is_some_and(|a| limit.accounts.contains(&a))
        };
        if self.limits.iter().any(|limit| !counts_already(limit) && limit.left <= 0) {
            return false;
        }
        for limit in &mut self.limits {
            if !counts_already(limit) {
                limit.left -= 1;
            }
        }
        true
    }

    fn refusal(&self, key: &ObjectKey, refused: i64) -> Refusal {
        let full: Vec<&Limit> = self.limits.iter().filter(|limit| limit.left <= 0).collect();
        let names: Vec<&str> = full.iter().map(|limit| limit.name.as_str()).collect();
        Refusal::wait(
            Reason::QuotaExceeded,
            format!(
                "{refused} devices of {key} are refused: {}; raise the limit or take devices away (see status.refusedIds)",
                names.join(" and ")
            ),
            full.iter().map(|limit| limit.topic.clone()).collect(),
        )
    }
}

//! DeviceGrants: gather, judge, apply, report; and their removal. Which
//! devices are concerned, and what becomes of each, is the business of
//! [`devices`].

mod devices;
mod receivers;

use serde_json::json;

use super::pass::{Outcome, Pass, Step, Stop};
use super::{Action, Spec, written};
use crate::api;
use crate::domain::authority::{
    Act, Authority, Manager, Received, Target, permit, sight, within_received, within_theirs,
};
use crate::domain::capability::Capability;
use crate::domain::grant::{Grant, Mode, Receiver, Reclaim, Selection, Tally, Window, window};
use crate::domain::object::Topic;
use crate::domain::permission::{Holding, Pattern, Permissions};
use crate::domain::tenant::{Chain, Tenant};
use crate::domain::verdict::{Condition, Reason, Refusal, Remedy};
use crate::store::grant_devices::Search;

/// Judges a DeviceGrant and makes the database match.
pub(super) async fn reconcile(pass: &mut Pass<'_>) -> Step<Outcome> {
    if let Some(outcome) = pass.paused() {
        return Ok(outcome);
    }
    pass.lock_home().await?;
    let own = pass.tx.grant_of(pass.source(), pass.key()).await?;
    if pass.manifest.deleting {
        return remove(pass, own).await;
    }
    let judged = match judge(pass, own.as_ref()).await {
        Ok(wanted) => Ok(wanted),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(other) => return Err(other),
    };
    let (action, in_force, verdict) = match judged {
        Ok(wanted) => {
            let (action, grant) = apply(pass, own.as_ref(), wanted).await?;
            (action, Some(grant), Ok(()))
        }
        // The last good state stays in force, and so do its devices.
        Err(refusal) => {
            pass.listen(&refusal);
            (Action::Refused, own, Err(refusal))
        }
    };
    match in_force {
        None => Ok(Outcome { verdict, conditions: vec![], status: json!({}), action, again_at: None }),
        Some(grant) => {
            match devices::settle(pass, &grant, verdict.is_ok()).await {
                Ok(settled) => {
                    if verdict.is_ok() {
                        pass.takes_effect();
                    }
                    report(pass, &grant, settled, action, verdict).await
                }
                // Others come first; what was given before stays.
                Err(Stop::Refused(refusal)) => {
                    pass.listen(&refusal);
                    Ok(pass.as_before(refusal))
                }
                Err(other) => Err(other),
            }
        }
    }
}

struct Wanted {
    tenant: Tenant,
    grant: api::DeviceGrantSpec,
    receivers: Vec<Receiver>,
    selection: Selection,
    permissions: Permissions,
    authority: Authority,
    adopt: Option<Grant>,
}

async fn judge(pass: &mut Pass<'_>, own: Option<&Grant>) -> Step<Wanted> {
    pass.refuse_faults()?;
    let key = pass.key();
    let Some(Spec::DeviceGrant(spec)) = &pass.manifest.spec else {
        return Err(Refusal::edit(Reason::Invalid, format!("{key} has no spec")).into());
    };
    let (tenant, chain) = pass.home(&spec.tenant_ref.name).await?;
    let mode = mode(spec.mode);
    let other = pass.tx.grant_named(tenant.id, &key.name).await?;
    let adopt = other.filter(|other| own.is_none_or(|own| own.id != other.id));
    if let Some(other) = &adopt {
        pass.adopt("grant", &tenant, other.object)?;
    }
    let present = own.or(adopt.as_ref());
    if pass.asks_anew(present.is_some_and(|present| present.tenant != tenant.id || present.mode != mode)) {
        return Err(Refusal::edit(
            Reason::Immutable,
            format!("spec.tenantRef and spec.mode of {key} cannot be changed; set them back, or delete the DeviceGrant and create another"),
        )
        .into());
    }
    let authority = pass.authority(spec.managed_by_ref.as_ref()).await?;
    let needs = Capability::AssignAssetPermissions;
    permit(&authority, &Act { key, needs, within: &chain, target: Target::Own })?;
    let receivers = receivers::judge(pass, spec, &chain, mode, &authority, present).await?;
    let selection = selection(spec);
    let about = About { mode, receivers: &receivers, selection: &selection, present };
    let permissions = permissions(pass, spec, &about, &chain, &authority).await?;

    if let (Mode::Assign, false, Some(to)) = (mode, pass.in_force(), receivers.first()) {
        devices::in_turn(pass, to, tenant.id).await?;
    }
    Ok(Wanted { tenant, grant: spec.as_ref().clone(), receivers, selection, permissions, authority, adopt })
}

const fn mode(written: api::devicegrant::GrantMode) -> Mode {
    match written {
        api::devicegrant::GrantMode::Assign => Mode::Assign,
        api::devicegrant::GrantMode::Share => Mode::Share,
    }
}

/// What becomes of the devices when the grant ends, as written.
const fn reclaim(spec: &api::DeviceGrantSpec) -> Reclaim {
    match spec.reclaim {
        api::devicegrant::Reclaim::ReturnToGrantor => Reclaim::ReturnToGrantor,
        api::devicegrant::Reclaim::Retain => Reclaim::Retain,
    }
}

/// What a grant is about, as far as its rules depend on it.
struct About<'a> {
    mode: Mode,
    receivers: &'a [Receiver],
    selection: &'a Selection,
    /// The row that it has or takes over.
    present: Option<&'a Grant>,
}

/// Rules as written, which never exceed what the giver has (R2): its own, its
/// roles', and those with which it was given the devices. For an Assign to an
/// account, none means `device` with every operation that the giver may do; a
/// Share to oneself may reach as far as those who hold the devices.
async fn permissions(
    pass: &mut Pass<'_>,
    spec: &api::DeviceGrantSpec,
    about: &About<'_>,
    chain: &Chain,
    authority: &Authority,
) -> Step<Permissions> {
    let key = pass.key();
    let field = "spec.permissions.allow";
    let written = written::permissions(&spec.permissions);
    let About { mode, receivers, selection, .. } = *about;
    let account = match receivers {
        [Receiver::Account { account, .. }] => Some(*account),
        _ => None,
    };
    let to_itself = authority.id().is_some_and(|giver| account == Some(giver));
    if let (Mode::Share, true, false, Some(giver)) = (mode, to_itself, selection.is_empty(), authority.id()) {
        let theirs = pass.tx.rights_below(giver, selection).await?;
        within_theirs(authority, key, field, &written, &theirs)?;
        return Ok(written);
    }
    let received = match authority.manager() {
        Some(manager) if !selection.is_empty() => received(pass, manager, about, chain).await?,
        _ => Received::default(),
    };
    if mode == Mode::Assign && account.is_some() && written.allow.is_empty() {
        let device = Pattern::new("device");
        let mut all = match authority.manager() {
            Some(manager) => received.passes_on(manager, &device),
            None => Holding::Everything { deny: vec![] }.on(&device),
        };
        all.deny.extend(written.deny);
        return Ok(all);
    }
    let judged = within_received(authority, key, field, &written, &received);
    judged.map_err(|mut refusal| {
        // What it is given may come later than what it hands on.
        if let (Remedy::Wait(topics), Some(giver), Some(home)) =
            (&mut refusal.remedy, authority.id(), chain.own())
        {
            topics.extend([Topic::given(giver), Topic::devices(home.id)]);
        }
        refusal
    })?;
    Ok(written)
}

/// What the giver was given the devices with; judged again when that changes.
async fn received(
    pass: &mut Pass<'_>,
    manager: &Manager,
    about: &About<'_>,
    chain: &Chain,
) -> Step<Received> {
    let Some(home) = chain.own() else { return Ok(Received::default()) };
    let id = about.present.map_or(uuid::Uuid::nil(), |present| present.id);
    let giver = &manager.account;
    let mut search = Search::of(id, home.id, Some(giver.id), about.mode, about.selection, pass.now());
    if let Some(sight) = sight(giver, chain, false) {
        search = search.seen_by(&sight, pass.source());
    }
    let received = pass.tx.received(&search).await?;
    if !received.by.is_empty() {
        pass.subscribe(Topic::given(giver.id));
    }
    Ok(received)
}

/// Which devices the grant is about, as written.
fn selection(spec: &api::DeviceGrantSpec) -> Selection {
    let ids = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list.dedup();
        list
    };
    Selection {
        device_ids: ids(&spec.devices.device_ids),
        unit_ids: ids(&spec.devices.unit_ids),
        selector: spec.devices.selector.as_ref().filter(|s| !s.is_empty()).map(written::selector),
        all: spec.devices.all,
    }
}

fn time(text: Option<&String>) -> Option<jiff::Timestamp> {
    // The schema has checked the form.
    text.and_then(|text| text.parse().ok())
}

async fn apply(pass: &mut Pass<'_>, own: Option<&Grant>, wanted: Wanted) -> Step<(Action, Grant)> {
    let Wanted { tenant, grant: spec, receivers, selection, permissions, authority, adopt } = wanted;
    pass.register().await?;
    let old = own.or(adopt.as_ref());
    let new = Grant {
        id: old.map_or_else(|| pass.engine.id(pass.now()), |old| old.id),
        object: Some(pass.object_id()),
        tenant: tenant.id,
        namespace: pass.key().namespace.clone(),
        name: pass.key().name.clone(),
        mode: mode(spec.mode),
        project: spec.project.clone(),
        selection,
        permissions,
        not_before: time(spec.not_before.as_ref()),
        expires_at: time(spec.expires_at.as_ref()),
        reclaim: reclaim(&spec),
        managed_by: authority.id(),
        born: pass.born(),
        receivers,
        created_at: old.map_or(pass.now(), |old| old.created_at),
    };
    if old == Some(&new) {
        return Ok((Action::Unchanged, new));
    }
    pass.tx.put_grant(&new).await?;
    tell_receivers(pass, old);
    tell_receivers(pass, Some(&new));
    if let Some(old) = old.filter(|old| old.mode == Mode::Assign && old.receivers != new.receivers) {
        // A transfer: what was given before ends, and what the former receiver
        // handed on with it. What the new one has no room for stays with the
        // former if the grant lets receivers keep devices.
        devices::take_back(pass, old, new.reclaim).await?;
    }
    let action = super::pass::written(own.is_some(), old.is_some());
    pass.audit(action, authority.actor(), Some(tenant.id), old.map(audited), Some(audited(&new))).await?;
    pass.publish_self();
    if own.is_none() {
        pass.publish(Topic::contents(tenant.id));
        pass.counts_changed(tenant.id);
        return Ok((Action::Created, new));
    }
    Ok((Action::Updated, new))
}

/// Tells the account that an Assign gives to, for what it hands on rests on that.
fn tell_receivers(pass: &mut Pass<'_>, grant: Option<&Grant>) {
    if let Some(account) = grant.and_then(Grant::receiving_account) {
        pass.publish(Topic::given(account));
    }
}

/// A grant as the audit trail shows it: thousands of ids as their number and
/// a digest.
fn audited(grant: &Grant) -> serde_json::Value {
    let ids = json!([grant.selection.device_ids, grant.selection.unit_ids]).to_string();
    let receivers = grant.receivers.iter().map(|receiver| match receiver {
        Receiver::Tenant(tenant) => json!({"tenant": tenant}),
        Receiver::Account { account, tenant } => json!({"account": account, "tenant": tenant}),
        Receiver::Group { tenant, name } => json!({"group": name, "tenant": tenant}),
    });
    json!({
        "tenant": grant.tenant, "name": format!("{}/{}", grant.namespace, grant.name), "mode": grant.mode, "project": grant.project, "permissions": grant.permissions,
        "deviceIds": grant.selection.device_ids.len(), "unitIds": grant.selection.unit_ids.len(),
        "ids": crate::domain::key::digest(&ids), "selector": grant.selection.selector, "all": grant.selection.all,
        "receivers": receivers.collect::<Vec<_>>(), "reclaim": grant.reclaim, "notBefore": grant.not_before.map(|t| t.to_string()),
        "expiresAt": grant.expires_at.map(|t| t.to_string()), "managedBy": grant.managed_by,
    })
}

async fn report(
    pass: &mut Pass<'_>,
    grant: &Grant,
    settled: devices::Settled,
    mut action: Action,
    mut verdict: Result<(), Refusal>,
) -> Step<Outcome> {
    let devices::Settled { tally, pending, refused, refusals, changed } = settled;
    if changed && action == Action::Unchanged {
        action = Action::Updated;
    }
    let mut conditions = vec![];
    let now = pass.now();
    let open = window(grant.not_before, grant.expires_at, now);
    conditions.push(match open {
        Window::Open => Condition::yes("Active", Reason::InEffect, "the grant is in effect"),
        Window::NotYet => Condition::no(
            "Active",
            Reason::NotYet,
            "spec.notBefore lies in the future; the grant has no effect until then",
        ),
        Window::Over => Condition::no(
            "Active",
            Reason::Expired,
            "spec.expiresAt has passed; the grant has no effect any more",
        ),
    });
    if tally.pending > 0 {
        conditions.push(Condition::yes(
            "DevicesPending",
            Reason::DevicesPending,
            "some devices are not in the inventory or not within reach of the giver; they take effect when that changes (see status.pendingIds)",
        ));
    }
    for refusal in &refusals {
        pass.listen(refusal);
    }
    if verdict.is_ok()
        && let Some(refusal) = refusals.into_iter().next()
    {
        verdict = Err(refusal);
    }
    let selection = &grant.selection;
    if selection.all || selection.selector.is_some() || tally.pending > 0 {
        pass.subscribe(Topic::devices(grant.tenant));
        pass.expects_more();
    }
    Ok(Outcome {
        verdict,
        conditions,
        status: status(&tally, &pending, &refused),
        action,
        again_at: match open {
            Window::NotYet => grant.not_before,
            Window::Open => grant.expires_at,
            Window::Over => None,
        },
    })
}

fn status(tally: &Tally, pending: &[(String, String)], refused: &[(String, String)]) -> serde_json::Value {
    let list = |ids: &[(String, String)]| {
        ids.iter().map(|(id, why)| json!({"id": id, "why": why})).collect::<Vec<_>>()
    };
    let mut status = json!({"devices": {
        "requested": tally.requested, "matched": tally.matched, "applied": tally.applied,
        "pending": tally.pending, "refused": tally.refused + tally.waiting,
    }});
    if !pending.is_empty() {
        status["pendingIds"] = list(pending).into();
    }
    if !refused.is_empty() {
        status["refusedIds"] = list(refused).into();
    }
    status
}

async fn remove(pass: &mut Pass<'_>, own: Option<Grant>) -> Step<Outcome> {
    if let Some(grant) = own {
        let chain = pass.tx.chain(grant.tenant).await?;
        if let Some(key) = chain.0.first().and_then(|level| level.key.clone()) {
            pass.lock(&key).await?;
        }
        // The reclaim may have been changed since: a deleted object is not applied.
        let reclaim = match &pass.manifest.spec {
            Some(Spec::DeviceGrant(spec)) => reclaim(spec),
            _ => grant.reclaim,
        };
        devices::take_back(pass, &grant, reclaim).await?;
        pass.tx.delete_grant(grant.id).await?;
        tell_receivers(pass, Some(&grant));
        let actor = pass.answering(grant.managed_by).await?;
        pass.audit("deleted", actor, Some(grant.tenant), Some(audited(&grant)), None).await?;
        pass.freed(&chain);
        pass.counts_changed(grant.tenant);
        pass.publish_self();
    }
    pass.forget();
    Ok(Outcome::deleted())
}

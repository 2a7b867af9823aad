//! The removal of a tenant (R9).

use serde_json::json;

use super::report::shown;
use super::{audited, judge};
use crate::api::annotation;
use crate::domain::key;
use crate::domain::object::Topic;
use crate::domain::tenant::{Chain, DeletionPolicy, Settings, Tenant};
use crate::domain::verdict::{Reason, Refusal};
use crate::engine::pass::{Outcome, Pass, Step};
use crate::engine::{Action, Report};
use crate::store::audit::Among;

/// Removal by policy (R9): `Refuse` waits until nothing but the owner is
/// inside, `Retain` leaves the rows disabled and unmanaged, `Cascade` removes
/// everything once the digest of what goes is confirmed.
pub(super) async fn remove(pass: &mut Pass<'_>) -> Step<Outcome> {
    let key = pass.key();
    pass.lock(key).await?;
    let chain = pass.chain_of(key).await?;
    let Some(own) = chain.own().cloned() else {
        pass.forget();
        return Ok(Outcome::deleted());
    };
    pass.subscribe(Topic::contents(own.id));
    let ids = pass.tx.impact(own.id).await?;
    let used = pass.tx.use_of(own.id).await?;
    let digest = key::digest(&ids.join("\n"));
    let impact = json!({"digest": digest, "tenants": used.tenants + 1, "accounts": used.accounts, "devices": used.devices});
    let waiting = |reason, message: String| {
        Ok(Outcome {
            verdict: Err(Refusal::wait(reason, message, vec![])),
            conditions: vec![],
            status: json!({"path": shown(&own.path), "impact": impact}),
            action: Action::Refused,
            again_at: None,
        })
    };
    // The policy may have been changed since: a deleted object is not applied.
    let mut policy = judge::spec(pass).map_or(own.settings.deletion_policy, judge::deletion_policy);
    if policy == DeletionPolicy::Refuse && pass.tx.has_retained(own.id).await? {
        // What somebody chose to keep is kept, and no object could end the wait.
        if blocking(pass, &own).await?.is_empty() {
            policy = DeletionPolicy::Retain;
        }
    }
    match policy {
        DeletionPolicy::Refuse => {
            let rest = blocking(pass, &own).await?;
            if !rest.is_empty() {
                return waiting(
                    Reason::NotEmpty,
                    format!(
                        "{key} still contains {}; delete them first, or set spec.deletionPolicy to Retain or Cascade",
                        rest.join(", ")
                    ),
                );
            }
            remove_subtree(pass, &chain).await?;
        }
        DeletionPolicy::Cascade => {
            if pass.manifest.annotation(annotation::CONFIRM_DELETE) != Some(&digest) {
                return waiting(
                    Reason::ConfirmationRequired,
                    format!(
                        "deleting {key} irrevocably removes {} tenants, {} accounts and their personal data; to go on, set the annotation {} to status.impact.digest",
                        used.tenants + 1,
                        used.accounts,
                        annotation::CONFIRM_DELETE
                    ),
                );
            }
            remove_subtree(pass, &chain).await?;
        }
        DeletionPolicy::Retain => {
            let retired = Tenant {
                object: None,
                settings: Settings { enabled: false, ..own.settings.clone() },
                ..own.clone()
            };
            pass.tx.update_tenant(&retired).await?;
            let now = pass.now();
            pass.tx.wake_downwards(own.id, now).await?;
            let actor = pass.answering(own.managed_by).await?;
            let (before, after) = (audited(pass, &own), audited(pass, &retired));
            pass.audit("retained", actor, Some(own.id), Some(before), Some(after)).await?;
        }
    }
    pass.freed(&chain);
    for level in &chain.0 {
        pass.publish(Topic::devices(level.tenant.id));
    }
    pass.publish(Topic::taken(&own.path));
    pass.publish_self();
    pass.forget();
    Ok(Outcome::deleted())
}

/// What keeps a tenant from being deleted. Devices hold nothing back: they are
/// the platform's, are not removed, and no object of ours could ever make them
/// leave.
async fn blocking(pass: &mut Pass<'_>, own: &Tenant) -> Step<Vec<String>> {
    let inside = pass.tx.inside(own.id, own.settings.owner.as_deref()).await?;
    let held = inside.iter().filter(|(what, n)| *n > 0 && what != "devices");
    Ok(held.map(|(what, n)| format!("{n} {what}")).collect())
}

/// Removes a tenant and everything in it.
async fn remove_subtree(pass: &mut Pass<'_>, chain: &Chain) -> Step<()> {
    let Some(own) = chain.own() else { return Ok(()) };
    let now = pass.now();
    // The objects that stand for what goes are judged again and find their
    // tenant gone.
    pass.tx.wake_downwards(own.id, now).await?;
    pass.tx.mark_cascaded(own.id, pass.object_id()).await?;
    let gone = pass.tx.contents_of_subtree(own.id).await?;
    for tenant in &gone.tenants {
        pass.publish(Topic::object(tenant));
    }
    for account in &gone.accounts {
        pass.publish(Topic::email(&account.email));
        pass.publish(Topic::username(&account.username));
        if let Some(key) = &account.key {
            pass.publish(Topic::object(key));
        }
    }
    // Whoever is above them has more room from now on.
    let around = pass.tx.accounts_around(own.id).await?;
    for account in &around {
        pass.publish(Topic::account_room(*account));
    }
    let due = pass.counts_due();
    pass.tx.wake_managers(&around, due).await?;
    // Who answers for it may be inside.
    let actor = pass.answering(own.managed_by).await?;
    let used = pass.tx.use_of(own.id).await?;
    pass.tx.erase_tenants(own.id).await?;
    let devices: Vec<&str> = gone.devices.iter().map(String::as_str).collect();
    pass.tx.wake_grants_about(&devices, None).await?;
    let mut before = audited(pass, own);
    before["inside"] = json!({"tenants": used.tenants, "accounts": used.accounts, "devices": used.devices});
    pass.audit("deleted", actor.clone(), Some(own.id), Some(before), None).await?;
    let tenants = gone.tenants.iter().filter(|key| *key != pass.key()).map(|key| (key, None));
    let accounts = gone.accounts.iter().filter_map(|a| Some((a.key.as_ref()?, Some(a.id))));
    let now = pass.now();
    let among: Vec<Among> = tenants
        .chain(accounts)
        .map(|(key, account)| Among { id: pass.engine.id(now), key: key.clone(), account })
        .collect();
    pass.tx.audit_among(&actor, "cascaded", own.id, &among).await?;
    if let Some(parent) = own.parent {
        pass.counts_changed(parent);
    }
    Ok(())
}

impl Report {
    /// The digest that confirms a cascading deletion, while one is pending.
    pub fn impact_digest(&self) -> Option<&str> {
        self.status.get("impact")?.get("digest")?.as_str()
    }
}

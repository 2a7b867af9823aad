//! SubAdmins: gather, judge, apply, report; and their removal (R1 to R3, R5,
//! R6, R8, R9).

mod authority;
mod judge;
mod mails;
mod report;

use std::collections::BTreeSet;

use serde_json::json;

use super::pass::{Outcome, Pass, Step, Stop};
use super::{Action, Spec};
use crate::api::{self, annotation};
use crate::domain::account::{Account, DeletionPolicy, Settings, effective};
use crate::domain::activation::{Purpose, awaited_mail, first_mail};
use crate::domain::authority::Authority;
use crate::domain::object::{Kind, ObjectKey, Topic};
use crate::domain::role::Assigned;
use crate::domain::tenant::{Chain, Tenant};
use crate::store::accounts::Found;
use crate::store::groups::Membership;

/// Judges a SubAdmin and makes the database match.
pub(super) async fn reconcile(pass: &mut Pass<'_>) -> Step<Outcome> {
    if let Some(outcome) = pass.paused() {
        return Ok(outcome);
    }
    pass.lock_home().await?;
    if pass.manifest.deleting {
        return remove(pass).await;
    }
    let own = pass.tx.account_of(pass.source(), pass.key()).await?;
    let judged = match judge::judge(pass, own.as_ref()).await {
        Ok(wanted) => Ok(apply(pass, own.as_ref(), wanted).await?),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(other) => return Err(other),
    };
    if judged.is_ok() {
        // Handled only now: a refused pass has assigned nothing.
        pass.asked(annotation::REASSIGN_ROLES);
        mails::resend_if_asked(pass).await?;
    }
    report::report(pass, judged).await
}

fn spec<'a>(pass: &Pass<'a>) -> Option<&'a api::SubAdminSpec> {
    match &pass.manifest.spec {
        Some(Spec::SubAdmin(spec)) => Some(spec),
        _ => None,
    }
}

/// What the rows shall be, and on whose authority.
struct Wanted {
    tenant: Tenant,
    chain: Chain,
    settings: Settings,
    groups: BTreeSet<String>,
    roles: Vec<Assigned>,
    authority: Authority,
    adopt: Option<Found>,
    /// Hash of the initial password, for a new account.
    password: Option<String>,
}

async fn apply(pass: &mut Pass<'_>, own: Option<&Found>, wanted: Wanted) -> Step<Action> {
    let Wanted { tenant, chain, settings, groups, roles, authority, adopt, password } = wanted;
    pass.register().await?;
    let now = pass.now();
    let manager = authority.manager().map(|m| &m.account.effective);
    let effective = effective(&settings, &roles, manager);
    let Some(old) = own.or(adopt.as_ref()) else {
        let first = first_mail(settings.email_verified, password.is_some());
        let account = Account {
            id: pass.engine.id(now),
            object: Some(pass.object_id()),
            tenant: tenant.id,
            name: pass.key().name.clone(),
            proved: settings.email_verified,
            pending_email: None,
            has_password: password.is_some(),
            activated_at: first.is_none().then_some(now),
            effective,
            managed_by: authority.id(),
            created_at: now,
            settings,
        };
        pass.tx.insert_account(&account, password.as_deref()).await?;
        put_groups(pass, &account, &BTreeSet::new(), &groups).await?;
        pass.tx.put_assigned_roles(account.id, &roles).await?;
        if let Some(purpose) = first {
            mails::queue(pass, &account, purpose).await?;
        }
        let after = audited(pass, &account, &groups, &roles);
        pass.about(account.id);
        pass.audit("created", authority.actor(), Some(tenant.id), None, Some(after)).await?;
        pass.counts_changed(tenant.id);
        roles_changed(pass, &[], &roles).await?;
        if account.settings.manageable_devices.is_some() {
            pass.taken_quota(authority.id()).await?;
        }
        pass.taken_room(&chain);
        for name in taken(&account) {
            pass.publish(name);
        }
        pass.publish(Topic::contents(tenant.id));
        pass.publish_self();
        return Ok(Action::Created);
    };

    let mut settings = settings;
    if settings.email_verified && !old.account.proved && (own.is_none() || pass.took_over_unproved()) {
        // To take an account over proves nothing (`adopt`).
        settings.email_verified = false;
        pass.takes_over_unproved();
    }
    let (account, proof) = settled(pass, &old.account, tenant.id, settings, effective, &authority);
    let moved = account.managed_by != old.account.managed_by;
    if account == old.account && groups == old.groups && roles == old.roles {
        if old.findable {
            return Ok(Action::Unchanged);
        }
        pass.tx.update_account(&account).await?;
        let after = json!({"keysPutBack": true});
        pass.about(account.id);
        pass.repaired(authority.actor(), tenant.id, after).await?;
        pass.publish_self();
        return Ok(Action::Updated);
    }
    let before = audited(pass, &old.account, &old.groups, &old.roles);
    pass.tx.update_account(&account).await?;
    if moved {
        pass.publish_rooms(old.account.managed_by).await?;
        pass.tx.move_account(account.id, account.managed_by).await?;
        pass.publish_rooms(account.managed_by).await?;
    }
    if groups != old.groups {
        put_groups(pass, &account, &old.groups, &groups).await?;
    }
    if roles != old.roles {
        pass.tx.put_assigned_roles(account.id, &roles).await?;
        roles_changed(pass, &old.roles, &roles).await?;
    }
    if let Some(purpose) = proof {
        mails::queue(pass, &account, purpose).await?;
    }
    let withdrawn = old.account.pending_email.is_some() && account.pending_email.is_none();
    let vouched_for = old.account.activated_at.is_none() && account.activated_at.is_some();
    let (was_enabled, enabled) = (old.account.settings.enabled, account.settings.enabled);
    if withdrawn || vouched_for || (was_enabled && !enabled) {
        // A disabled account's link must not open anything, nor one that
        // proves an address which is no longer wanted, or is proved already.
        mails::withdraw(pass, account.id).await?;
    } else if let Some(purpose) = awaited_mail(&account).filter(|_| !was_enabled && proof.is_none()) {
        // Disabling took the link away.
        mails::queue(pass, &account, purpose).await?;
    }
    if account.settings.manageable_devices != old.account.settings.manageable_devices {
        pass.publish_rooms(Some(account.id)).await?;
    }
    let names = |roles: &[Assigned]| -> BTreeSet<(String, String)> {
        roles.iter().map(|r| (r.namespace.clone(), r.name.clone())).collect()
    };
    if account.tenant != old.account.tenant {
        pass.counts_changed(old.account.tenant);
        pass.counts_changed(tenant.id);
    }
    if account.settings.tier != old.account.settings.tier || names(&roles) != names(&old.roles) {
        pass.counts_changed(tenant.id);
        for level in &chain.0 {
            pass.publish(Topic::tenant_room(level.tenant.id));
        }
    }
    for name in taken(&old.account).into_iter().chain(taken(&account)) {
        pass.publish(name);
    }
    let after = audited(pass, &account, &groups, &roles);
    pass.about(account.id);
    let action = super::pass::written(own.is_some(), true);
    pass.audit(action, authority.actor(), Some(tenant.id), Some(before), Some(after)).await?;
    if own.is_none() {
        pass.counts_changed(tenant.id);
    }
    pass.publish_self();
    Ok(if own.is_none() { Action::Created } else { Action::Updated })
}

/// The account with its new settings. A changed e-mail becomes the login at
/// once only if `emailVerified` vouches for it or nobody has used the old one
/// yet; otherwise its new owner must prove it first (R8).
fn settled(
    pass: &Pass<'_>,
    old: &Account,
    tenant: uuid::Uuid,
    mut settings: Settings,
    effective: crate::domain::account::Effective,
    authority: &Authority,
) -> (Account, Option<Purpose>) {
    use crate::domain::key::fold;
    let changed = fold(&settings.email) != fold(&old.settings.email);
    let mut pending_email = None;
    let mut proved = old.proved || settings.email_verified;
    let mut mail = None;
    let mut activated_at = old.activated_at;
    // The same generation was in force already: nobody asked for another
    // address, the column was changed by hand, and goes back (R10).
    let by_hand = changed && pass.in_force() && old.pending_email.is_none();
    if by_hand {
        proved = old.proved;
    } else if changed && settings.email_verified {
        proved = true;
        // The link that went to the old address must not open this account.
        mail = first_mail(true, old.has_password).filter(|_| old.activated_at.is_none());
    } else if changed && old.activated_at.is_none() {
        // Nobody has signed in yet: the invitation simply goes to the new address.
        proved = false;
        mail = first_mail(false, old.has_password);
    } else if changed {
        let again = old.pending_email.as_deref().map(fold) == Some(fold(&settings.email));
        mail = (!again).then_some(Purpose::ChangeEmail);
        pending_email = Some(std::mem::replace(&mut settings.email, old.settings.email.clone()));
    }
    if proved && !old.proved && old.has_password && activated_at.is_none() {
        // The author vouches for the address and the password is there:
        // nothing is left to wait for.
        activated_at = Some(pass.now());
        mail = None;
    }
    // The column says what is proved, not what was vouched for.
    settings.email_verified = proved;
    let account = Account {
        object: Some(pass.object_id()),
        tenant,
        name: pass.key().name.clone(),
        settings,
        pending_email,
        proved,
        activated_at,
        effective,
        managed_by: authority.id(),
        ..old.clone()
    };
    (account, mail)
}

/// Replaces an account's groups; whoever waits for one of them is told.
async fn put_groups(
    pass: &mut Pass<'_>,
    account: &Account,
    old: &BTreeSet<String>,
    new: &BTreeSet<String>,
) -> Step<()> {
    let Account { id, tenant, managed_by: by, .. } = *account;
    pass.tx.put_groups(&Membership { account: id, tenant, old, new, by }).await?;
    for name in old.symmetric_difference(new) {
        pass.publish(Topic::group(tenant, name));
    }
    Ok(())
}

/// Roles count their bearers: those that gained or lost one show it in time.
async fn roles_changed(pass: &mut Pass<'_>, old: &[Assigned], new: &[Assigned]) -> Step<()> {
    let roles: BTreeSet<_> = old.iter().chain(new).filter_map(|role| role.role).collect();
    if !roles.is_empty() {
        let due = pass.counts_due();
        pass.tx.wake_roles(&roles, due).await?;
    }
    Ok(())
}

/// Natural keys that an account holds.
fn taken(account: &Account) -> Vec<Topic> {
    let settings = &account.settings;
    let mut topics = vec![Topic::email(&settings.email), Topic::username(&settings.username)];
    topics.extend(account.pending_email.as_deref().map(Topic::email));
    topics
}

/// An account as the audit trail shows it: personal values as keyed digests.
fn audited(
    pass: &Pass<'_>,
    account: &Account,
    groups: &BTreeSet<String>,
    roles: &[Assigned],
) -> serde_json::Value {
    let s = &account.settings;
    let personal = |value: &str| pass.engine.link_key().personal(value);
    json!({
        "tenant": account.tenant, "name": account.name, "username": personal(&s.username), "email": personal(&s.email),
        "pendingEmail": account.pending_email.as_deref().map(personal),
        "company": s.company.as_deref().map(personal), "mobile": s.mobile.as_deref().map(personal),
        "tier": s.tier, "enabled": s.enabled, "emailVerified": account.proved,
        "manageableDevices": s.manageable_devices, "capabilities": s.capabilities, "scope": s.scope,
        "permissions": s.permissions, "individualAccess": s.individual_access, "effective": account.effective, "groups": groups,
        "roles": roles.iter().map(|r| json!({"namespace": r.namespace, "name": r.name, "revision": r.revision})).collect::<Vec<_>>(),
        "managedBy": account.managed_by, "activatedAt": account.activated_at.map(|at| at.to_string()),
        "locale": s.locale, "linkLifetime": s.link_lifetime, "deletionPolicy": s.deletion_policy,
    })
}

/// Removal: what the account answers for passes to its own manager, else to
/// the platform; its personal data goes at once (R9).
async fn remove(pass: &mut Pass<'_>) -> Step<Outcome> {
    let Some(found) = pass.tx.account_of(pass.source(), pass.key()).await? else {
        pass.forget();
        return Ok(Outcome::deleted());
    };
    let account = &found.account;
    let chain = pass.tx.chain(account.tenant).await?;
    if let Some(key) = chain.0.first().and_then(|level| level.key.clone()) {
        pass.lock(&key).await?;
    }
    pass.about(account.id);
    let actor = pass.answering(account.managed_by).await?;
    // Whoever waits for room under its quota is bounded by its manager from now on.
    pass.publish_rooms(Some(account.id)).await?;
    let managed = pass.tx.wake_managed(account.id).await?;
    pass.tx.hand_over(account.id).await?;
    if managed > 0 {
        let before = json!({"managedBy": account.id, "objects": managed});
        let after = json!({"managedBy": account.managed_by, "objects": managed});
        pass.audit("handed-over", actor.clone(), Some(account.tenant), Some(before), Some(after)).await?;
    }
    let mut before = audited(pass, account, &found.groups, &found.roles);
    // The policy may have been changed since: a deleted object is not applied.
    let policy = spec(pass).map_or(account.settings.deletion_policy, judge::deletion_policy);
    match policy {
        DeletionPolicy::Delete => {
            let (held, places) = pass.tx.release_devices_of(account.id).await?;
            pass.tx.wake_around(&places, None).await?;
            pass.tx.delete_account(account.id).await?;
            before["devicesHeld"] = held.into();
            pass.audit("deleted", actor, Some(account.tenant), Some(before), None).await?;
        }
        DeletionPolicy::Disable => {
            pass.tx.close_links(account.id).await?;
            pass.tx.retire_account(account.id).await?;
            let mut after = before.clone();
            after["enabled"] = false.into();
            after["manageableDevices"] = serde_json::Value::Null;
            pass.audit("disabled", actor, Some(account.tenant), Some(before), Some(after)).await?;
        }
    }
    for key in taken(account) {
        pass.publish(key);
    }
    for name in &found.groups {
        pass.publish(Topic::group(account.tenant, name));
    }
    roles_changed(pass, &found.roles, &[]).await?;
    pass.freed(&chain);
    pass.counts_changed(account.tenant);
    pass.publish_self();
    pass.forget();
    Ok(Outcome::deleted())
}

/// The object key of an account of this namespace.
pub(super) fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(Kind::SubAdmin, namespace, name)
}

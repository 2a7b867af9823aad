//! Tenants: gather, judge, apply, report; and their removal (R4, R9).

mod judge;
mod moves;
mod removal;
mod report;

use serde_json::json;

use super::Action;
use super::pass::{Outcome, Pass, Step, Stop};
use crate::domain::authority::Authority;
use crate::domain::object::Topic;
use crate::domain::tenant::{Settings, Tenant, path};

/// Judges a Tenant and makes the database match.
pub(super) async fn reconcile(pass: &mut Pass<'_>) -> Step<Outcome> {
    let key = pass.key();
    if let Some(outcome) = pass.paused() {
        // Whether it is admitted is the parent's to say, not its own author's.
        pass.lock(key).await?;
        let chain = pass.chain_of(key).await?;
        judge::admission(pass, &chain).await?;
        return Ok(outcome);
    }
    if pass.manifest.deleting {
        return removal::remove(pass).await;
    }
    pass.lock(key).await?;
    let chain = pass.chain_of(key).await?;
    let own = judge::admission(pass, &chain).await?;
    let judged = match judge::judge(pass, own.as_ref()).await {
        Ok(wanted) => Ok(apply(pass, own.as_ref(), wanted).await?),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(other) => return Err(other),
    };
    report::report(pass, judged).await
}

/// What the rows shall be, and on whose authority.
struct Wanted {
    settings: Settings,
    parent: Option<Tenant>,
    authority: Authority,
    adopt: Option<Tenant>,
}

async fn apply(pass: &mut Pass<'_>, own: Option<&Tenant>, wanted: Wanted) -> Step<Action> {
    let Wanted { settings, parent, authority, adopt } = wanted;
    let managed_by = authority.id();
    pass.register().await?;
    let Some(old) = own.or(adopt.as_ref()) else {
        let id = pass.engine.id(pass.now());
        let tenant = Tenant {
            id,
            object: Some(pass.object_id()),
            parent: parent.as_ref().map(|p| p.id),
            root: parent.as_ref().map_or(id, |p| p.root),
            name: pass.key().name.clone(),
            path: path(parent.as_ref(), &pass.key().name),
            permitted: true,
            settings,
            managed_by,
            created_at: pass.now(),
        };
        pass.tx.insert_tenant(&tenant).await?;
        let after = audited(pass, &tenant);
        pass.audit("created", authority.actor(), Some(id), None, Some(after)).await?;
        pass.counts_changed(id);
        if let Some(parent) = &parent {
            pass.publish(Topic::contents(parent.id));
            let above = pass.tx.chain(parent.id).await?;
            pass.taken_room(&above);
        }
        pass.publish(Topic::taken(&path(parent.as_ref(), &pass.key().name)));
        pass.publish_self();
        return Ok(Action::Created);
    };

    let moved = old.parent != parent.as_ref().map(|p| p.id);
    let new = Tenant {
        object: Some(pass.object_id()),
        parent: parent.as_ref().map(|p| p.id),
        root: parent.as_ref().map_or(old.id, |p| p.root),
        name: pass.key().name.clone(),
        path: path(parent.as_ref(), &pass.key().name),
        permitted: true,
        settings,
        managed_by,
        ..old.clone()
    };
    if new == *old {
        return Ok(Action::Unchanged);
    }
    if moved {
        moves::relocate(pass, old, parent.as_ref()).await?;
    }
    pass.tx.update_tenant(&new).await?;
    let enabled_again = new.settings.enabled && !old.settings.enabled;
    if moved || enabled_again || new.settings.mail != old.settings.mail {
        pass.tx.hurry_mails_below(new.id).await?;
    }
    let names_server =
        |tenant: &Tenant| tenant.settings.mail.as_ref().is_some_and(|mail| mail.server.is_some());
    if names_server(old) && !names_server(&new) {
        pass.tx.forget_probe(new.id).await?;
    }
    if new.settings.limits != old.settings.limits {
        pass.publish(Topic::tenant_room(new.id));
    }
    if moved || new.settings.enabled != old.settings.enabled || new.permitted != old.permitted {
        let now = pass.now();
        pass.tx.wake_downwards(new.id, now).await?;
    }
    if new.settings.owner != old.settings.owner {
        let owners: Vec<&String> = [&new.settings.owner, &old.settings.owner].into_iter().flatten().collect();
        let now = pass.now();
        pass.tx.wake_owners(new.id, &owners, now).await?;
    }
    let action = match own {
        None => "adopted",
        Some(_) if moved => "moved",
        Some(_) => "updated",
    };
    // A move changes what follows from the place; without one, somebody did.
    let placed = Tenant { name: old.name.clone(), path: old.path.clone(), root: old.root, ..new.clone() };
    let by_hand = !moved && placed != new;
    if by_hand {
        let after = json!({"placePutBack": new.path});
        pass.repaired(authority.actor(), new.id, after).await?;
    }
    if !by_hand || placed != *old {
        let (before, after) = (audited(pass, old), audited(pass, &new));
        pass.audit(action, authority.actor(), Some(new.id), Some(before), Some(after)).await?;
    }
    pass.publish_self();
    Ok(if own.is_none() { Action::Created } else { Action::Updated })
}

/// A tenant as the audit trail shows it: addresses as keyed digests.
fn audited(pass: &Pass<'_>, tenant: &Tenant) -> serde_json::Value {
    let s = &tenant.settings;
    let personal = |value: &String| pass.engine.link_key().personal(value);
    let mail = s.mail.as_ref();
    let branding = s.branding.as_ref();
    json!({
        "parent": tenant.parent, "path": tenant.path, "displayName": s.display_name, "enabled": s.enabled, "permitted": tenant.permitted,
        "limits": {"devices": s.limits.devices, "tenants": s.limits.tenants, "accounts": s.limits.accounts, "finer": s.limits.finer},
        "owner": s.owner, "deletionPolicy": s.deletion_policy, "allowedNamespaces": s.allowed_namespaces,
        "mailFrom": mail.and_then(|m| m.from.as_ref()).map(personal), "mailReplyTo": mail.and_then(|m| m.reply_to.as_ref()).map(personal),
        "mailServer": mail.and_then(|m| m.server.as_ref()), "productName": branding.and_then(|b| b.product_name.as_ref()),
        "supportEmail": branding.and_then(|b| b.support_email.as_ref()).map(personal),
        "managedBy": tenant.managed_by,
    })
}

//! Roles: gather, judge, apply, report; and their removal, which leaves the
//! copies in force (R6).

use serde_json::json;

use super::authority::own_creation;
use super::pass::{Outcome, Pass, Step, Stop};
use super::{Action, Spec, written};
use crate::api;
use crate::domain::account::Ref;
use crate::domain::authority::{Act, Authority, Target, permit, within_capabilities, within_holding};
use crate::domain::capability::Capability;
use crate::domain::object::Topic;
use crate::domain::role::{Content, Propagation, Role};
use crate::domain::tenant::Tenant;
use crate::domain::verdict::{Reason, Refusal};

/// Judges a Role and makes the database match.
pub(super) async fn reconcile(pass: &mut Pass<'_>) -> Step<Outcome> {
    if let Some(outcome) = pass.paused() {
        return Ok(outcome);
    }
    pass.lock_home().await?;
    let own = pass.tx.role_of(pass.source(), pass.key()).await?;
    if pass.manifest.deleting {
        return remove(pass, own).await;
    }
    let judged = match judge(pass, own.as_ref()).await {
        Ok(wanted) => Ok(apply(pass, own.as_ref(), wanted).await?),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(other) => return Err(other),
    };
    report(pass, judged).await
}

struct Wanted {
    tenant: Tenant,
    display_name: String,
    content: Content,
    propagation: Propagation,
    authority: Authority,
    adopt: Option<Role>,
}

async fn judge(pass: &mut Pass<'_>, own: Option<&Role>) -> Step<Wanted> {
    pass.refuse_faults()?;
    let key = pass.key();
    let Some(Spec::Role(spec)) = &pass.manifest.spec else {
        return Err(Refusal::edit(Reason::Invalid, format!("{key} has no spec")).into());
    };
    let (tenant, chain) = pass.home(&spec.tenant_ref.name).await?;
    if pass.asks_anew(own.is_some_and(|own| own.tenant != tenant.id)) {
        return Err(Refusal::edit(
            Reason::Immutable,
            format!("spec.tenantRef of {key} cannot be changed; set it back, or delete the Role and create it in the other tenant"),
        )
        .into());
    }
    let authority = pass.authority(spec.managed_by_ref.as_ref()).await?;
    let target = match own {
        None => Target::New,
        Some(own) if own_creation(pass, &authority, own.managed_by).await? => Target::Own,
        Some(_) => Target::Role(Ref { namespace: key.namespace.clone(), name: key.name.clone() }),
    };
    permit(&authority, &Act { key, needs: Capability::ManageRoles, within: &chain, target })?;
    let content = content(spec);
    within_holding(&authority, key, "spec.permissions.allow", &content.permissions)?;
    within_capabilities(&authority, key, "spec.capabilities", &content.capabilities)?;

    let other = pass.tx.role_named(tenant.id, &key.name).await?;
    let adopt = other.filter(|other| own.is_none_or(|own| own.id != other.id));
    if let Some(other) = &adopt {
        pass.adopt("role", &tenant, other.object)?;
    }
    Ok(Wanted {
        display_name: spec.display_name.clone().unwrap_or_else(|| key.name.clone()),
        propagation: match spec.propagation {
            api::role::Propagation::OnReassign => Propagation::OnReassign,
            api::role::Propagation::Immediate => Propagation::Immediate,
        },
        tenant,
        content,
        authority,
        adopt,
    })
}

fn content(spec: &api::RoleSpec) -> Content {
    Content {
        permissions: written::permissions(&spec.permissions),
        capabilities: spec.capabilities.iter().map(|c| written::capability(*c)).collect(),
        individual_access: spec.individual_access,
    }
}

async fn apply(pass: &mut Pass<'_>, own: Option<&Role>, wanted: Wanted) -> Step<Action> {
    let Wanted { tenant, display_name, content, propagation, authority, adopt } = wanted;
    pass.register().await?;
    let old = own.or(adopt.as_ref());
    let revision = content.revision();
    let number = match old {
        None => 1,
        Some(old) if old.revision == revision => old.number,
        // Going back to an earlier content is going back to its revision.
        Some(old) => match pass.tx.role_number(old.id, &revision).await? {
            Some(number) => number,
            None => pass.tx.next_role_number(old.id).await?,
        },
    };
    let new = Role {
        id: old.map_or_else(|| pass.engine.id(pass.now()), |old| old.id),
        object: Some(pass.object_id()),
        tenant: tenant.id,
        name: pass.key().name.clone(),
        display_name,
        // The same content written in another order is the same revision.
        content: match old {
            Some(old) if old.content.revision() == revision => old.content.clone(),
            _ => content,
        },
        revision,
        number,
        propagation,
        managed_by: authority.id(),
        created_at: old.map_or(pass.now(), |old| old.created_at),
    };
    if old == Some(&new) {
        return Ok(Action::Unchanged);
    }
    pass.tx.put_role(&new).await?;
    let action = super::pass::written(own.is_some(), old.is_some());
    pass.audit(action, authority.actor(), Some(tenant.id), old.map(audited), Some(audited(&new))).await?;
    pass.publish_self();
    if own.is_none() {
        pass.publish(Topic::contents(tenant.id));
        pass.counts_changed(tenant.id);
        return Ok(Action::Created);
    }
    Ok(Action::Updated)
}

fn audited(role: &Role) -> serde_json::Value {
    json!({
        "tenant": role.tenant, "name": role.name, "displayName": role.display_name, "content": role.content, "revision": role.revision,
        "propagation": role.propagation, "managedBy": role.managed_by,
    })
}

async fn report(pass: &mut Pass<'_>, judged: Result<Action, Refusal>) -> Step<Outcome> {
    if let Err(refusal) = &judged {
        pass.listen(refusal);
    }
    let status = match pass.tx.role_of(pass.source(), pass.key()).await? {
        None => json!({}),
        Some(role) => {
            let (assigned, outdated) = pass.tx.role_assignments(role.id, &role.revision).await?;
            json!({"revision": role.revision, "number": role.number, "assigned": assigned, "outdated": outdated})
        }
    };
    Ok(Outcome {
        action: judged.as_ref().map_or(Action::Refused, |action| *action),
        verdict: judged.map(|_| ()),
        conditions: vec![],
        status,
        again_at: None,
    })
}

async fn remove(pass: &mut Pass<'_>, own: Option<Role>) -> Step<Outcome> {
    if let Some(role) = own {
        let chain = pass.tx.chain(role.tenant).await?;
        pass.tx.delete_role(role.id).await?;
        let actor = pass.answering(role.managed_by).await?;
        pass.audit("deleted", actor, Some(role.tenant), Some(audited(&role)), None).await?;
        pass.freed(&chain);
        pass.counts_changed(role.tenant);
        pass.publish_self();
    }
    pass.forget();
    Ok(Outcome::deleted())
}

//! Tenants: gather, judge, apply, report; and their removal (R4, R9).

use serde_json::json;

use super::pass::{self, Outcome, Pass, Step};
use super::{Action, Report, SecretFact, Spec};
use crate::api::{self, annotation};
use crate::domain::authority::{Act, Authority, permit};
use crate::domain::capability::Capability;
use crate::domain::key;
use crate::domain::object::{ObjectKey, Topic};
use crate::domain::quota::{self, Addition, TenantUse};
use crate::domain::tenant::{
    Branding, Chain, DeletionPolicy, FinerLimits, Limits, MailServer, MailSettings, NamespacePolicy, Parent,
    RoleLimit, Settings, Tenant, admits, parent_cycle, path, place,
};
use crate::domain::verdict::{Condition, Reason, Refusal};

/// Judges a Tenant and makes the database match.
pub(super) async fn reconcile(pass: &mut Pass<'_>) -> Step<Outcome> {
    if let Some(outcome) = pass.paused() {
        return Ok(outcome);
    }
    if pass.manifest.deleting {
        return remove(pass).await;
    }
    let key = pass.key();
    pass.lock(key).await?;
    let own = pass.tx.chain_of(pass.source(), key).await?;
    let judged = match judge(pass, own.own()).await {
        Ok(wanted) => Ok(apply(pass, own.own(), wanted).await?),
        Err(pass::Stop::Refused(refusal)) => Err(refusal),
        Err(other) => return Err(other),
    };
    report(pass, judged).await
}

fn spec<'a>(pass: &Pass<'a>) -> Option<&'a api::TenantSpec> {
    match &pass.manifest.spec {
        Some(Spec::Tenant(spec)) => Some(spec),
        _ => None,
    }
}

/// What the rows shall be, and on whose authority.
struct Wanted {
    settings: Settings,
    parent: Option<Tenant>,
    authority: Authority,
    adopt: Option<Tenant>,
}

async fn judge(pass: &mut Pass<'_>, own: Option<&Tenant>) -> Step<Wanted> {
    pass.refuse_faults()?;
    let key = pass.key();
    let Some(spec) = spec(pass) else {
        return Err(Refusal::edit(Reason::Invalid, format!("{key} has no spec")).into());
    };
    let settings = settings(key, spec);
    if let Some(owner) = own.and_then(|t| t.settings.owner.as_ref())
        && settings.owner.as_ref() != Some(owner)
    {
        return Err(Refusal::edit(
            Reason::Immutable,
            format!("spec.ownerRef of {key} is {owner} and cannot be changed or removed; set it back"),
        )
        .into());
    }

    let parent = parent(pass, spec).await?;
    let chain = match place(key, own.map(|t| t.id), &parent, pass.in_root_namespace()) {
        Ok(chain) => chain.cloned(),
        Err(refusal) => {
            if let Parent::Missing(above) = &parent
                && pass.tx.waits_for(pass.source(), above, key).await?
            {
                // Everybody in the circle shall say the same, whoever came
                // last; once said, it need not be repeated.
                if pass.last_reason() != Some(Reason::ParentCycle) {
                    pass.publish(Topic::object(key));
                }
                return Err(parent_cycle(key, above).into());
            }
            withdraw_admission(pass, own, &refusal).await?;
            return Err(refusal.into());
        }
    };
    let above = chain.as_ref().and_then(|c| c.own()).cloned();

    let authority = pass.authority(spec.managed_by_ref.as_ref()).await?;
    if let Some(chain) = &chain {
        let act = Act { key, needs: Capability::ManageTenants, within: chain, target: None };
        permit(&authority, &act)?;
    }

    let adopt = natural_key(pass, own, above.as_ref()).await?;
    let existing = own.or(adopt.as_ref());
    limits(pass, existing, &settings, chain.as_ref(), above.as_ref()).await?;
    Ok(Wanted { settings, parent: above, authority, adopt })
}

/// The parent admitted this tenant once and no longer does: everything in it
/// is denied from now on, although nothing else of the refused change counts.
async fn withdraw_admission(pass: &mut Pass<'_>, own: Option<&Tenant>, refusal: &Refusal) -> Step<()> {
    let Some(own) = own.filter(|t| t.permitted && refusal.reason == Reason::RefNotPermitted) else {
        return Ok(());
    };
    let shut = Tenant { permitted: false, ..own.clone() };
    pass.tx.update_tenant(&shut).await?;
    let now = pass.now();
    pass.tx.wake_downwards(own.id, now).await?;
    pass.audit("admission-withdrawn", "platform".to_owned(), Some(own.id), None, None).await?;
    pass.publish_self();
    Ok(())
}

async fn parent(pass: &mut Pass<'_>, spec: &api::TenantSpec) -> Step<Parent> {
    let Some(reference) = &spec.parent_ref else {
        return Ok(Parent::None);
    };
    let own_namespace = &pass.key().namespace;
    let above = crate::domain::tenant::key(reference.namespace_from(own_namespace), &reference.name);
    pass.depend_on(&above);
    if above == *pass.key() {
        return Err(parent_cycle(pass.key(), &above).into());
    }
    pass.lock(&above).await?;
    let chain = pass.tx.chain_of(pass.source(), &above).await?;
    let Some(found) = chain.own() else {
        return Ok(Parent::Missing(above));
    };
    let policy = &found.settings.allowed_namespaces;
    let labels = match policy {
        NamespacePolicy::Selector(_) if above.namespace != *own_namespace => {
            pass.namespace_labels(own_namespace)?
        }
        _ => None,
    };
    let admits = admits(policy, &above.namespace, own_namespace, labels);
    for level in &chain.0 {
        if let Some(key) = level.key.clone() {
            pass.depend_on(&key);
        }
    }
    Ok(Parent::Found { key: above, chain, admits })
}

/// Nobody else has this place in the tree; or an unmanaged row has, and the
/// object asks to adopt it.
async fn natural_key(
    pass: &mut Pass<'_>,
    own: Option<&Tenant>,
    above: Option<&Tenant>,
) -> Step<Option<Tenant>> {
    let wanted = path(above, &pass.key().name);
    let Some(other) = pass.tx.tenant_at(&wanted).await? else {
        return Ok(None);
    };
    if own.is_some_and(|own| own.id == other.id) {
        return Ok(None);
    }
    match other.object {
        None if pass.manifest.flag(annotation::ADOPT) => Ok(Some(other)),
        None => {
            pass.subscribe(Topic::taken(&wanted));
            Err(Refusal::edit(
                Reason::AlreadyExists,
                format!("a tenant {wanted} exists and is managed by no object; set the annotation {} to \"true\" to take it over, or choose another name", annotation::ADOPT),
            )
            .into())
        }
        Some(_) => Err(Refusal::wait(
            Reason::AlreadyExists,
            format!(
                "the place {wanted} is taken by another object; choose another name or parent for {}",
                pass.key()
            ),
            vec![Topic::taken(&wanted)],
        )
        .into()),
    }
}

async fn limits(
    pass: &mut Pass<'_>,
    existing: Option<&Tenant>,
    settings: &Settings,
    chain: Option<&Chain>,
    above: Option<&Tenant>,
) -> Step<()> {
    let key = pass.key();
    let mut own_use = TenantUse::default();
    if let Some(existing) = existing {
        let moves = existing.parent != above.map(|a| a.id);
        if moves || existing.settings.limits != settings.limits {
            own_use = pass.tx.use_of(existing.id).await?;
        }
        quota::not_below_use(key, existing.id, &existing.settings.limits, &settings.limits, &own_use)?;
    }
    let (Some(chain), Some(above)) = (chain, above) else {
        return Ok(());
    };
    let stays = existing.is_some_and(|t| t.parent == Some(above.id));
    if stays {
        return Ok(());
    }
    // A new tenant, or one that brings its whole subtree along: only the
    // tenants that it was not below before gain anything.
    let old = match existing {
        Some(existing) => pass.tx.chain(existing.id).await?,
        None => Chain::default(),
    };
    let gaining = Chain(chain.0.iter().filter(|l| !old.contains(l.tenant.id)).cloned().collect());
    let addition = Addition {
        devices: own_use.devices,
        tenants: own_use.tenants + 1,
        accounts: own_use.accounts,
        by_tier: own_use.by_tier.clone(),
        by_role: own_use.by_role.clone(),
    };
    if gaining.0.iter().all(|l| l.tenant.settings.limits == Limits::default()) {
        return Ok(());
    }
    let uses = pass.tx.uses(above.id).await?;
    let consumers = pass.tx.largest_consumers(above.id).await?;
    quota::room(key, &gaining, &uses, &addition, &consumers)?;
    Ok(())
}

fn settings(key: &ObjectKey, spec: &api::TenantSpec) -> Settings {
    use crate::api::tenant::{MailTls, NamespacesFrom, TenantDeletionPolicy};
    let accounts = &spec.limits.accounts;
    Settings {
        display_name: spec.display_name.clone().unwrap_or_else(|| key.name.clone()),
        enabled: spec.enabled,
        allowed_namespaces: match (&spec.allowed_namespaces.from, &spec.allowed_namespaces.selector) {
            (NamespacesFrom::Same, _) => NamespacePolicy::Same,
            (NamespacesFrom::All, _) => NamespacePolicy::All,
            (NamespacesFrom::Selector, Some(selector)) => NamespacePolicy::Selector(pass::selector(selector)),
            // The schema refuses this; a selector that is not there opens nothing.
            (NamespacesFrom::Selector, None) => NamespacePolicy::Same,
        },
        limits: Limits {
            devices: spec.limits.devices,
            tenants: spec.limits.tenants,
            accounts: accounts.total,
            finer: FinerLimits {
                by_tier: accounts.by_tier.iter().map(|l| (pass::tier(l.tier), l.max)).collect(),
                by_role: accounts
                    .by_role
                    .iter()
                    .map(|l| RoleLimit {
                        namespace: l.role_ref.namespace_from(&key.namespace).to_owned(),
                        name: l.role_ref.name.clone(),
                        max: l.max,
                    })
                    .collect(),
            },
        },
        owner: spec.owner_ref.as_ref().map(|r| r.name.clone()),
        mail: (!spec.mail.is_empty()).then(|| MailSettings {
            from: spec.mail.from.clone(),
            reply_to: spec.mail.reply_to.clone(),
            server: spec.mail.server.as_ref().map(|server| MailServer {
                host: server.host.clone(),
                port: server.port(),
                tls: match server.tls {
                    MailTls::StartTls => "StartTLS",
                    MailTls::Implicit => "Implicit",
                    MailTls::None => "None",
                }
                .to_owned(),
                credentials: server.credentials_secret_ref.as_ref().map(|r| r.name.clone()),
            }),
        }),
        branding: (!spec.branding.is_empty()).then(|| Branding {
            product_name: spec.branding.product_name.clone(),
            support_email: spec.branding.support_email.clone(),
        }),
        deletion_policy: match spec.deletion_policy {
            TenantDeletionPolicy::Refuse => DeletionPolicy::Refuse,
            TenantDeletionPolicy::Retain => DeletionPolicy::Retain,
            TenantDeletionPolicy::Cascade => DeletionPolicy::Cascade,
        },
    }
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
        let after = audited(&tenant);
        pass.audit("created", authority.actor(), Some(id), None, Some(after)).await?;
        pass.counts_changed(id);
        if let Some(parent) = &parent {
            pass.publish(Topic::contents(parent.id));
        }
        pass.publish_self();
        return Ok(Action::Created);
    };

    let moved = old.parent != parent.as_ref().map(|p| p.id);
    let new = Tenant {
        object: Some(pass.object_id()),
        parent: parent.as_ref().map(|p| p.id),
        root: parent.as_ref().map_or(old.id, |p| p.root),
        path: path(parent.as_ref(), &old.name),
        permitted: true,
        settings,
        managed_by,
        ..old.clone()
    };
    if new == *old {
        return Ok(Action::Unchanged);
    }
    if moved {
        pass.counts_changed(old.id);
        for ancestor in pass.tx.chain(old.id).await?.0 {
            pass.publish(Topic::tenant_room(ancestor.tenant.id));
            pass.counts_changed(ancestor.tenant.id);
        }
        pass.tx.move_tenant(old, parent.as_ref()).await?;
        pass.publish(Topic::taken(&old.path));
    }
    pass.tx.update_tenant(&new).await?;
    if new.settings.limits != old.settings.limits {
        pass.publish(Topic::tenant_room(new.id));
    }
    if moved || new.settings.enabled != old.settings.enabled || new.permitted != old.permitted {
        let now = pass.now();
        pass.tx.wake_downwards(new.id, now).await?;
    }
    pass.audit("updated", authority.actor(), Some(new.id), Some(audited(old)), Some(audited(&new))).await?;
    pass.publish_self();
    Ok(if own.is_none() { Action::Created } else { Action::Updated })
}

/// A tenant as the audit trail shows it: no addresses.
fn audited(tenant: &Tenant) -> serde_json::Value {
    let s = &tenant.settings;
    json!({
        "path": tenant.path, "displayName": s.display_name, "enabled": s.enabled, "permitted": tenant.permitted,
        "limits": {"devices": s.limits.devices, "tenants": s.limits.tenants, "accounts": s.limits.accounts, "finer": s.limits.finer},
        "owner": s.owner, "deletionPolicy": s.deletion_policy, "mailServer": s.mail.as_ref().and_then(|m| m.server.as_ref()),
        "managedBy": tenant.managed_by,
    })
}

async fn report(pass: &mut Pass<'_>, judged: Result<Action, Refusal>) -> Step<Outcome> {
    // A waiting object listens for what ends its wait.
    if let Err(refusal) = &judged {
        listen(pass, refusal);
    }
    let key = pass.key();
    let chain = pass.tx.chain_of(pass.source(), key).await?;
    let mut conditions = vec![];
    let status = match chain.own() {
        None => json!({}),
        Some(own) => {
            let used = pass.tx.use_of(own.id).await?;
            mail_condition(pass, own, &mut conditions)?;
            if let Some(owner) = &own.settings.owner {
                owner_condition(pass, owner, &mut conditions).await?;
            }
            let [_, _, roles, grants, _] = inside(pass, own).await?;
            let mail = chain.mail();
            let mut status = json!({
                "path": own.path,
                "quota": quota_lines(&own.settings.limits, &used),
                "counts": {"tenants": used.tenants, "accounts": used.accounts, "roles": roles, "grants": grants, "devices": used.devices},
            });
            if mail.from.is_some() || mail.server.is_some() {
                let mut shown = serde_json::Map::new();
                if let Some(from) = mail.from {
                    shown.insert("from".into(), json!(from));
                }
                if let Some((key, _)) = mail.server {
                    shown.insert("serverFrom".into(), json!(format!("{}/{}", key.namespace, key.name)));
                }
                status["mail"] = shown.into();
            }
            status
        }
    };
    Ok(Outcome {
        action: judged.as_ref().map_or(Action::Refused, |action| *action),
        verdict: judged.map(|_| ()),
        conditions,
        status,
        again_at: None,
    })
}

/// Subscribes to what a refusal says would end it.
pub(super) fn listen(pass: &mut Pass<'_>, refusal: &Refusal) {
    if let crate::domain::verdict::Remedy::Wait(topics) = &refusal.remedy {
        for topic in topics {
            pass.subscribe(topic.clone());
        }
    }
}

async fn inside(pass: &mut Pass<'_>, own: &Tenant) -> Step<[i64; 5]> {
    let inside = pass.tx.inside(own.id, own.settings.owner.as_deref()).await?;
    Ok(["tenants", "accounts", "roles", "grants", "devices"]
        .map(|what| inside.iter().find(|(name, _)| name == what).map_or(0, |(_, n)| *n)))
}

fn quota_lines(limits: &Limits, used: &TenantUse) -> Vec<serde_json::Value> {
    let line = |name: &str, limit: Option<i64>, used: i64| {
        let mut line = json!({"name": name, "used": used, "delegated": 0});
        if let Some(limit) = limit {
            line["limit"] = json!(limit);
            line["available"] = json!((limit - used).max(0));
        }
        line
    };
    let mut lines = vec![
        line("accounts", limits.accounts, used.accounts),
        line("devices", limits.devices, used.devices),
        line("tenants", limits.tenants, used.tenants),
    ];
    for (tier, max) in &limits.finer.by_tier {
        lines.push(line(&format!("accounts.{tier}"), Some(*max), used.of_tier(*tier)));
    }
    for role in &limits.finer.by_role {
        let name = format!("accounts.role.{}/{}", role.namespace, role.name);
        lines.push(line(&name, Some(role.max), used.of_role(&role.namespace, &role.name)));
    }
    lines
}

/// Whether the mail server's credentials can be read; accounts are created
/// either way.
fn mail_condition(pass: &Pass<'_>, own: &Tenant, conditions: &mut Vec<Condition>) -> Step<()> {
    let Some(server) = own.settings.mail.as_ref().and_then(|m| m.server.as_ref()) else {
        return Ok(());
    };
    let name = format!("{}:{}", server.host, server.port);
    let Some(secret) = &server.credentials else {
        conditions.push(Condition::yes(
            "MailReady",
            Reason::MailSettingsFound,
            format!("mail goes through {name}"),
        ));
        return Ok(());
    };
    let problem = match pass.secret(secret)? {
        SecretFact::Absent => Some((
            Reason::SecretNotFound,
            format!(
                "Secret {secret} does not exist in namespace {} or may not be read; create it with the keys username and password and the label {}: mail",
                pass.key().namespace,
                api::USE_LABEL
            ),
        )),
        SecretFact::Found { labels, .. }
            if labels.get(api::USE_LABEL).map(String::as_str) != Some("mail") =>
        {
            Some((
                Reason::SecretNotPermitted,
                format!(
                    "Secret {secret} lacks the label {}: mail; label it if Tenantry may use it",
                    api::USE_LABEL
                ),
            ))
        }
        SecretFact::Found { data, .. } => ["username", "password"]
            .into_iter()
            .find(|k| !data.contains_key(*k))
            .map(|missing| (Reason::SecretInvalid, format!("Secret {secret} has no key {missing}; add it"))),
    };
    conditions.push(match problem {
        Some((reason, message)) => Condition::no("MailReady", reason, message),
        None => Condition::yes("MailReady", Reason::MailSettingsFound, format!("mail goes through {name}")),
    });
    Ok(())
}

async fn owner_condition(pass: &mut Pass<'_>, owner: &str, conditions: &mut Vec<Condition>) -> Step<()> {
    let key = crate::domain::authority::account_key(&pass.key().namespace, owner);
    pass.depend_on(&key);
    if pass.tx.account_of(pass.source(), &key).await?.is_none() {
        conditions.push(Condition::no(
            "OwnerFound",
            Reason::OwnerMissing,
            format!("{key}, named in spec.ownerRef, does not exist yet; until then the Root manages the subscription"),
        ));
    } else {
        conditions.push(Condition::yes(
            "OwnerFound",
            Reason::Reconciled,
            format!("{key} owns the subscription"),
        ));
    }
    Ok(())
}

/// Removal by policy (R9): `Refuse` waits until nothing but the owner is
/// inside, `Retain` leaves the rows disabled and unmanaged, `Cascade` removes
/// everything once the digest of what goes is confirmed.
async fn remove(pass: &mut Pass<'_>) -> Step<Outcome> {
    let key = pass.key();
    pass.lock(key).await?;
    let chain = pass.tx.chain_of(pass.source(), key).await?;
    let Some(own) = chain.own().cloned() else {
        pass.forget();
        return Ok(done());
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
            status: json!({"path": own.path, "impact": impact}),
            action: Action::Refused,
            again_at: None,
        })
    };
    match own.settings.deletion_policy {
        DeletionPolicy::Refuse => {
            let inside = pass.tx.inside(own.id, own.settings.owner.as_deref()).await?;
            // Devices hold nothing back: they are the platform's, are not
            // removed, and no object of ours could ever make them leave.
            let rest: Vec<_> = inside
                .iter()
                .filter(|(what, n)| *n > 0 && what != "devices")
                .map(|(what, n)| format!("{n} {what}"))
                .collect();
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
            pass.audit(
                "retained",
                "platform".to_owned(),
                Some(own.id),
                Some(audited(&own)),
                Some(audited(&retired)),
            )
            .await?;
        }
    }
    freed(pass, &chain);
    for level in &chain.0 {
        pass.publish(Topic::devices(level.tenant.id));
    }
    pass.publish(Topic::taken(&own.path));
    pass.publish_self();
    pass.forget();
    Ok(done())
}

/// Removes a tenant and everything in it.
async fn remove_subtree(pass: &mut Pass<'_>, chain: &Chain) -> Step<()> {
    let Some(own) = chain.own() else { return Ok(()) };
    let now = pass.now();
    // The objects that stand for what goes are judged again and find their
    // tenant gone.
    pass.tx.wake_downwards(own.id, now).await?;
    pass.tx.erase_tenants(own.id).await?;
    pass.audit("deleted", "platform".to_owned(), own.parent, Some(audited(own)), None).await?;
    if let Some(parent) = own.parent {
        pass.counts_changed(parent);
    }
    Ok(())
}

/// Room and places that removing something in this chain has freed.
pub(super) fn freed(pass: &mut Pass<'_>, chain: &Chain) {
    for level in &chain.0 {
        pass.publish(Topic::tenant_room(level.tenant.id));
        pass.publish(Topic::contents(level.tenant.id));
    }
}

/// A removal that is complete.
pub(super) fn done() -> Outcome {
    Outcome {
        verdict: Ok(()),
        conditions: vec![],
        status: json!({}),
        action: Action::Deleted,
        again_at: None,
    }
}

impl Report {
    /// The digest that confirms a cascading deletion, while one is pending.
    pub fn impact_digest(&self) -> Option<&str> {
        self.status.get("impact")?.get("digest")?.as_str()
    }
}

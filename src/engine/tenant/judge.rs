//! Whether a Tenant may stand where it is written: everything is read, every
//! rule is asked. Nothing is changed, but that a parent which no longer admits
//! a tenant shuts it at once ([`admission`]).

use super::{Wanted, moves};
use crate::api::tenant::TenantDeletionPolicy;
use crate::api::{self, annotation};
use crate::domain::authority::{Act, Authority, Target, account_key, permit};
use crate::domain::capability::Capability;
use crate::domain::object::{ObjectKey, Topic};
use crate::domain::quota::{self, TenantUse};
use crate::domain::tenant::{
    Branding, Chain, DeletionPolicy, FinerLimits, Limits, MailServer, MailSettings, NamespacePolicy, Parent,
    RoleLimit, Settings, Tenant, admits, parent_cycle, path, place,
};
use crate::domain::verdict::{Reason, Refusal};
use crate::engine::authority::own_creation;
use crate::engine::pass::{Pass, Step};
use crate::engine::{Spec, room, written};

pub(super) fn spec<'a>(pass: &Pass<'a>) -> Option<&'a api::TenantSpec> {
    match &pass.manifest.spec {
        Some(Spec::Tenant(spec)) => Some(spec),
        _ => None,
    }
}

pub(super) async fn judge(pass: &mut Pass<'_>, own: Option<&Tenant>) -> Step<Wanted> {
    pass.refuse_faults()?;
    let key = pass.key();
    let Some(spec) = spec(pass) else {
        return Err(Refusal::edit(Reason::Invalid, format!("{key} has no spec")).into());
    };
    let settings = settings(key, spec);
    if let Some(role) = settings.limits.finer.limited_twice() {
        return Err(Refusal::edit(
            Reason::Invalid,
            format!(
                "spec.limits.accounts.byRole of {key} limits Role {}/{} twice; keep one of the entries",
                role.namespace, role.name
            ),
        )
        .into());
    }
    pass.consult(&[wished(key, spec)]);
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
            return Err(refusal.into());
        }
    };
    if let Some(owner) = own.and_then(|t| t.settings.owner.as_ref())
        && pass.asks_anew(settings.owner.as_ref() != Some(owner))
    {
        return Err(Refusal::edit(
            Reason::Immutable,
            format!("spec.ownerRef of {key} is {owner} and cannot be changed or removed; set it back"),
        )
        .into());
    }

    let above = chain.as_ref().and_then(|c| c.own()).cloned();

    let authority = pass.authority(spec.managed_by_ref.as_ref()).await?;
    authorize(pass, own, chain.as_ref(), &authority).await?;

    let adopt = natural_key(pass, own, above.as_ref()).await?;
    let existing = own.or(adopt.as_ref());
    limits(pass, existing, &settings, chain.as_ref(), above.as_ref()).await?;
    Ok(Wanted { settings, parent: above, authority, adopt })
}

/// R1 and R2 for tenants. The manager belongs above the tenant: nobody sets
/// limits for the tenant that they are in. A move takes authority over both
/// places, and a root tenant with a Root stays a root.
async fn authorize(
    pass: &mut Pass<'_>,
    own: Option<&Tenant>,
    above: Option<&Chain>,
    authority: &Authority,
) -> Step<()> {
    let key = pass.key();
    let Some(above) = above else {
        return match authority.manager() {
            None => Ok(()),
            Some(manager) => Err(Refusal::edit(
                Reason::OutOfScope,
                format!(
                    "{key} is a root tenant, and {} has no authority over one; remove spec.managedByRef: only the platform answers for root tenants",
                    manager.key
                ),
            )
            .into()),
        };
    };
    let act = |within, target| Act { key, needs: Capability::ManageTenants, within, target };
    let Some(own) = own else {
        return Ok(permit(authority, &act(above, Target::New))?);
    };
    let place = pass.tx.chain(own.id).await?;
    let old = Chain(place.0.iter().skip(1).cloned().collect());
    let moves = own.parent != above.own().map(|t| t.id);
    if moves {
        permit(authority, &act(above, Target::New))?;
    }
    permit(authority, &act(&old, Target::Own))?;
    if !own_creation(pass, authority, own.managed_by).await? {
        permit(authority, &act(&place, Target::Tenant(key)))?;
    }
    if moves
        && own.parent.is_none()
        && let Some((root, _)) = pass.tx.root_of_tree(own.id, None).await?
    {
        let root = account_key(&key.namespace, &root);
        return Err(Refusal::wait(
            Reason::RootExists,
            format!(
                "{key} cannot be moved below another tenant while {root} is its Root: a Root belongs to a root tenant; change spec.tier of {root} first or remove spec.parentRef"
            ),
            vec![Topic::object(&root)],
        )
        .into());
    }
    Ok(())
}

/// Whether the parent in force still admits the tenant decides, whatever its
/// spec says now and whether or not that can be read, if it is open: everything
/// in a tenant that is not admitted is denied. Says what is in force then.
pub(super) async fn admission(pass: &mut Pass<'_>, chain: &Chain) -> Step<Option<Tenant>> {
    let (Some(own), above) = (chain.own(), chain.0.get(1)) else { return Ok(None) };
    let Some((above, key)) = above.and_then(|level| Some((level, level.key.clone()?))) else {
        return Ok(Some(own.clone()));
    };
    pass.depend_on(&key);
    let permitted = admitted(pass, &above.tenant, &key)?;
    if permitted == own.permitted {
        return Ok(Some(own.clone()));
    }
    let own = Tenant { permitted, ..own.clone() };
    pass.tx.update_tenant(&own).await?;
    if permitted {
        pass.tx.hurry_mails_below(own.id).await?;
    }
    let now = pass.now();
    pass.tx.wake_downwards(own.id, now).await?;
    // Whoever answers for the parent admits it or no longer does.
    let actor = pass.answering(above.tenant.managed_by).await?;
    let action = if permitted { "readmitted" } else { "admission-withdrawn" };
    let state = |permitted: bool| Some(serde_json::json!({"permitted": permitted}));
    pass.audit(action, actor, Some(own.id), state(!permitted), state(permitted)).await?;
    pass.publish_self();
    Ok(Some(own))
}

/// Whether a parent admits tenants from this object's namespace.
fn admitted(pass: &Pass<'_>, parent: &Tenant, key: &ObjectKey) -> Step<bool> {
    let own_namespace = &pass.key().namespace;
    let policy = &parent.settings.allowed_namespaces;
    let labels = match policy {
        NamespacePolicy::Selector(_) if key.namespace != *own_namespace => {
            pass.namespace_labels(own_namespace)?
        }
        _ => None,
    };
    Ok(admits(policy, &key.namespace, own_namespace, labels))
}

/// The place among the tenants that the object asks for.
fn wished(key: &ObjectKey, spec: &api::TenantSpec) -> Topic {
    let above = spec.parent_ref.as_ref();
    let above = above.map(|r| crate::domain::tenant::key(r.namespace_from(&key.namespace), &r.name));
    Topic::place(above.as_ref(), &key.name)
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
    let chain = pass.chain_of(&above).await?;
    let Some(found) = chain.own() else {
        return Ok(Parent::Missing(above));
    };
    let admits = admitted(pass, found, &above)?;
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
    if own.is_none_or(|own| own.path != wanted) {
        let mut names = vec![Topic::taken(&wanted)];
        names.extend(spec(pass).map(|spec| wished(pass.key(), spec)));
        pass.names_in_turn(&names).await?;
    }
    let Some(other) = pass.tx.tenant_at(&wanted).await? else {
        return Ok(None);
    };
    if own.is_some_and(|own| own.id == other.id) {
        return Ok(None);
    }
    match other.object {
        None if own.is_none() && pass.manifest.flag(annotation::ADOPT) => Ok(Some(other)),
        None if own.is_some() => {
            let message = format!(
                "the place {wanted} is taken by a tenant that no object manages; choose another name or parent for {}",
                pass.key()
            );
            Err(Refusal::wait(Reason::AlreadyExists, message, vec![Topic::taken(&wanted)]).into())
        }
        None => {
            pass.subscribe(Topic::taken(&wanted));
            Err(Refusal::edit(
                Reason::AlreadyExists,
                format!("a tenant {wanted} exists and is managed by no object; set the annotation {} to \"true\" to take it over, or choose another name", annotation::ADOPT),
            )
            .into())
        }
        Some(object) => {
            let elsewhere = pass.tx.source_of(object).await?.is_some_and(|source| source != pass.source());
            let (reason, who) = if elsewhere {
                (Reason::ManagedElsewhere, "an object of another source")
            } else {
                (Reason::AlreadyExists, "another object")
            };
            let message = format!(
                "the place {wanted} is taken by {who}; choose another name or parent for {}",
                pass.key()
            );
            Err(Refusal::wait(reason, message, vec![Topic::taken(&wanted)]).into())
        }
    }
}

/// R3: the tenant's own limits, and those above it.
async fn limits(
    pass: &mut Pass<'_>,
    existing: Option<&Tenant>,
    settings: &Settings,
    chain: Option<&Chain>,
    above: Option<&Tenant>,
) -> Step<()> {
    let key = pass.key();
    if let Some(existing) = existing
        && existing.settings.limits != settings.limits
    {
        let own_use = pass.tx.use_of(existing.id).await?;
        quota::not_below_use(key, existing.id, &existing.settings.limits, &settings.limits, &own_use)?;
    }
    match (existing, chain) {
        (None, Some(chain)) => room::under_limits(pass, chain, &TenantUse::default().brought(), None).await,
        (Some(existing), _) if existing.parent != above.map(|a| a.id) => {
            moves::judge(pass, existing, chain).await
        }
        _ => Ok(()),
    }
}

fn settings(key: &ObjectKey, spec: &api::TenantSpec) -> Settings {
    use crate::api::tenant::{MailTls, NamespacesFrom};
    let accounts = &spec.limits.accounts;
    Settings {
        display_name: spec.display_name.clone().unwrap_or_else(|| key.name.clone()),
        enabled: spec.enabled,
        allowed_namespaces: match (&spec.allowed_namespaces.from, &spec.allowed_namespaces.selector) {
            (NamespacesFrom::Same, _) => NamespacePolicy::Same,
            (NamespacesFrom::All, _) => NamespacePolicy::All,
            (NamespacesFrom::Selector, Some(selector)) => {
                NamespacePolicy::Selector(written::selector(selector))
            }
            // The schema refuses this; a selector that is not there opens nothing.
            (NamespacesFrom::Selector, None) => NamespacePolicy::Same,
        },
        limits: Limits {
            devices: spec.limits.devices,
            tenants: spec.limits.tenants,
            accounts: accounts.total,
            finer: FinerLimits {
                by_tier: accounts.by_tier.iter().map(|l| (written::tier(l.tier), l.max)).collect(),
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
        deletion_policy: deletion_policy(spec),
    }
}

/// What deletion does, as written.
pub(super) fn deletion_policy(spec: &api::TenantSpec) -> DeletionPolicy {
    match spec.deletion_policy {
        TenantDeletionPolicy::Refuse => DeletionPolicy::Refuse,
        TenantDeletionPolicy::Retain => DeletionPolicy::Retain,
        TenantDeletionPolicy::Cascade => DeletionPolicy::Cascade,
    }
}

//! Whether a SubAdmin may be as it is written: everything is read, every rule
//! is asked, nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use super::authority::{Asked, as_ref, authority, authorize, root_is_alone};
use super::{Wanted, spec};
use crate::api::subadmin::AccountDeletionPolicy;
use crate::api::{self, annotation};
use crate::domain::account::{DeletionPolicy, Ref, Scope, Settings};
use crate::domain::authority::Authority;
use crate::domain::key::fold;
use crate::domain::object::{ObjectKey, Topic};
use crate::domain::password;
use crate::domain::quota::{self, Counted};
use crate::domain::role::{Assigned, Template, Wanted as WantedRole, assign};
use crate::domain::tenant::{Chain, Tenant};
use crate::domain::tier::Tier;
use crate::domain::verdict::{Reason, Refusal};
use crate::engine::SecretFact;
use crate::engine::pass::{Pass, Step};
use crate::engine::room::{self, Share};
use crate::engine::written;
use crate::store::accounts::Found;

pub(super) async fn judge(pass: &mut Pass<'_>, own: Option<&Found>) -> Step<Wanted> {
    pass.refuse_faults()?;
    let key = pass.key();
    let Some(spec) = spec(pass) else {
        return Err(Refusal::edit(Reason::Invalid, format!("{key} has no spec")).into());
    };
    let settings = settings(key, spec);
    let names = new_names(pass, own, spec, &settings);
    pass.consult(&names);
    let (tenant, chain) = pass.home(&spec.tenant_ref.name).await?;
    if pass.asks_anew(own.is_some_and(|own| own.account.tenant != tenant.id)) {
        return Err(Refusal::edit(
            Reason::Immutable,
            format!("spec.tenantRef of {key} cannot be changed; set it back, or delete the SubAdmin and create it in the other tenant"),
        )
        .into());
    }
    let groups: BTreeSet<String> = spec.groups.iter().cloned().collect();
    let authority = authority(pass, spec, own).await?;

    // The password of a new account comes from outside: ask for it before
    // anything is decided, so that a retry starts from the beginning.
    let adopt = natural_keys(pass, own, &tenant, &settings).await?;
    let existing = own.or(adopt.as_ref());
    let roles = roles(pass, existing, spec, &chain).await?;
    let asked = Asked { settings: &settings, groups: &groups, roles: &roles };
    authorize(pass, own, existing, &authority, &chain, &asked).await?;
    pass.names_in_turn(&names).await?;
    root_is_alone(pass, existing, &tenant, &chain, settings.tier).await?;
    room(pass, existing, &chain, &tenant, &settings, &roles, &authority).await?;
    let password = match existing {
        None => initial_password(pass, spec)?,
        Some(_) => None,
    };
    Ok(Wanted { tenant, chain, settings, groups, roles, authority, adopt, password })
}

fn settings(key: &ObjectKey, spec: &api::SubAdminSpec) -> Settings {
    use crate::api::subadmin::{CapabilitySource, ScopeSource};
    let scope = &spec.manageable_scope;
    Settings {
        username: spec.username.trim().to_owned(),
        email: spec.email.trim().to_owned(),
        company: spec.company.clone(),
        mobile: spec.mobile.clone(),
        tier: written::tier(spec.tier),
        enabled: spec.enabled,
        email_verified: spec.email_verified,
        manageable_devices: spec.manageable_devices,
        capabilities: match spec.capabilities.from {
            CapabilitySource::Tier => None,
            CapabilitySource::List => {
                Some(spec.capabilities.names.iter().map(|c| written::capability(*c)).collect())
            }
        },
        scope: match scope.from {
            ScopeSource::Tenant => None,
            ScopeSource::List => Some(Scope {
                tenants: written::refs(&scope.tenants, &key.namespace),
                groups: scope.groups.iter().cloned().collect(),
                roles: written::refs(&scope.roles, &key.namespace),
            }),
        },
        permissions: written::permissions(&spec.permissions),
        individual_access: spec.individual_access,
        locale: spec.activation.locale.clone(),
        link_lifetime: link_lifetime(&spec.activation.expires_after),
        deletion_policy: deletion_policy(spec),
    }
}

/// What deletion does, as written.
pub(super) fn deletion_policy(spec: &api::SubAdminSpec) -> DeletionPolicy {
    match spec.deletion_policy {
        AccountDeletionPolicy::Delete => DeletionPolicy::Delete,
        AccountDeletionPolicy::Disable => DeletionPolicy::Disable,
    }
}

/// Seconds of a duration as Kubernetes writes it; the schema has bounded it to
/// 10 minutes up to 30 days, and so does this.
fn link_lifetime(text: &str) -> i64 {
    let seconds = text.parse::<jiff::SignedDuration>().map_or(72 * 3600, |duration| duration.as_secs());
    seconds.clamp(600, 720 * 3600)
}

/// The names that this object would have and does not have yet.
fn new_names(
    pass: &Pass<'_>,
    own: Option<&Found>,
    spec: &api::SubAdminSpec,
    settings: &Settings,
) -> Vec<Topic> {
    let old = own.map(|own| &own.account.settings);
    let mut names = vec![];
    if old.is_none_or(|old| fold(&old.username) != fold(&settings.username)) {
        names.push(Topic::username(&settings.username));
    }
    if old.is_none_or(|old| fold(&old.email) != fold(&settings.email)) {
        names.push(Topic::email(&settings.email));
    }
    if settings.tier == Tier::Root && old.is_none_or(|old| old.tier != Tier::Root) {
        names.push(root_of(pass, spec));
    }
    names
}

/// To be the Root of the object's tenant.
fn root_of(pass: &Pass<'_>, spec: &api::SubAdminSpec) -> Topic {
    Topic::root_of(&crate::domain::tenant::key(&pass.key().namespace, &spec.tenant_ref.name))
}

/// Username and e-mail are free; or they belong to an unmanaged account of the
/// same tenant that this object asks to adopt. A refusal says "taken" and
/// nothing about by whom (R4).
async fn natural_keys(
    pass: &mut Pass<'_>,
    own: Option<&Found>,
    tenant: &Tenant,
    settings: &Settings,
) -> Step<Option<Found>> {
    let except = own.map(|own| own.account.id);
    let holders = pass.tx.holders_of(&settings.username, &settings.email, except).await?;
    if holders.is_empty() {
        return Ok(None);
    }
    let key = pass.key();
    if own.is_none()
        && pass.manifest.flag(annotation::ADOPT)
        && let [holder] = holders.as_slice()
        && holder.object.is_none()
        && holder.tenant == tenant.id
        && holder.username
        && holder.email
    {
        return Ok(pass.tx.account(holder.id).await?);
    }
    let field = if holders.iter().any(|h| h.username) { "spec.username" } else { "spec.email" };
    let hint = match holders.as_slice() {
        [holder] if holder.object.is_none() && holder.tenant == tenant.id => {
            format!(
                "; an unmanaged account of this tenant has it: set the annotation {} to \"true\" to take it over",
                annotation::ADOPT
            )
        }
        _ => "; choose another".to_owned(),
    };
    Err(Refusal::wait(
        Reason::AlreadyExists,
        format!("{field} of {key} is taken{hint}"),
        vec![Topic::email(&settings.email), Topic::username(&settings.username)],
    )
    .into())
}

/// The copies of roles that the account shall have (R6).
async fn roles(
    pass: &mut Pass<'_>,
    existing: Option<&Found>,
    spec: &api::SubAdminSpec,
    chain: &Chain,
) -> Step<Vec<Assigned>> {
    let key = pass.key();
    let reassign = pass.is_asked(annotation::REASSIGN_ROLES);
    let wanted: Vec<WantedRole> = spec
        .roles
        .iter()
        .map(|written| WantedRole {
            namespace: written.namespace_from(&key.namespace).to_owned(),
            name: written.name.clone(),
            pin: written.revision.clone(),
        })
        .collect();
    if wanted.is_empty() {
        return Ok(vec![]);
    }
    let keys: Vec<ObjectKey> = wanted.iter().map(WantedRole::key).collect();
    // One may name its namespace and the other leave it out, which the schema
    // cannot tell.
    if let Some((index, twice)) = keys.iter().enumerate().find(|(at, key)| keys[..*at].contains(key)) {
        return Err(Refusal::edit(
            Reason::Invalid,
            format!("spec.roles[{index}] of {key} names {twice} a second time; keep one of the entries"),
        )
        .into());
    }
    for key in &keys {
        pass.depend_on(key);
    }
    let mut templates = pass.tx.roles_of(pass.source(), &keys).await?;
    // Usable in its tenant and below; elsewhere it is as if it were not there.
    templates.retain(|_, role| chain.contains(role.tenant));
    let held = |wanted: &WantedRole| {
        let mut held = existing.iter().flat_map(|e| &e.roles);
        held.find(|r| r.namespace == wanted.namespace && r.name == wanted.name)
    };
    // Earlier contents are needed where one is pinned, or where a copy is not
    // what it was.
    let broken = |wanted: &WantedRole| held(wanted).filter(|held| !held.is_intact());
    let earlier: Vec<(uuid::Uuid, &str)> = wanted
        .iter()
        .filter_map(|w| Some((w, templates.get(&w.key())?)))
        .flat_map(|(w, role)| {
            let revisions = w.pin.as_deref().into_iter().chain(broken(w).map(|held| held.revision.as_str()));
            revisions.filter(|revision| *revision != role.revision).map(|revision| (role.id, revision))
        })
        .collect();
    let earlier = if earlier.is_empty() { BTreeMap::new() } else { pass.tx.role_revisions(&earlier).await? };
    let mut assigned = vec![];
    for wanted in &wanted {
        let held = held(wanted);
        let template = templates.remove(&wanted.key()).map(|role| {
            let content = |revision: &String| match *revision == role.revision {
                true => Some(role.content.clone()),
                false => earlier.get(&(role.id, revision.clone())).cloned(),
            };
            let pinned = wanted.pin.as_ref().and_then(content);
            let held = held.filter(|held| !held.is_intact()).and_then(|held| content(&held.revision));
            Template { pinned, held, role }
        });
        assigned.push(assign(key, wanted, held, template.as_ref(), reassign)?);
    }
    Ok(assigned)
}

/// R3: room under the limits of the tenants above, and in the manager's quota.
async fn room(
    pass: &mut Pass<'_>,
    existing: Option<&Found>,
    chain: &Chain,
    tenant: &Tenant,
    settings: &Settings,
    roles: &[Assigned],
    authority: &Authority,
) -> Step<()> {
    let had: BTreeSet<Ref> = existing.map(|e| e.roles.iter().map(as_ref).collect()).unwrap_or_default();
    let gained = roles.iter().map(as_ref).filter(|r| !had.contains(r));
    let mut addition: Vec<(Counted, i64)> = gained.map(|r| (Counted::Role(r), 1)).collect();
    if existing.is_none() {
        addition.push((Counted::Accounts, 1));
    }
    if existing.is_none_or(|e| e.account.settings.tier != settings.tier) {
        addition.push((Counted::Tier(settings.tier), 1));
    }
    room::under_limits(pass, chain, &addition, Some(tenant)).await?;

    let now = existing.map(|e| {
        let share = Share { manager: e.account.managed_by, quota: e.account.settings.manageable_devices };
        (e.account.id, share)
    });
    let wanted = Share { manager: authority.id(), quota: settings.manageable_devices };
    if let Some((id, now)) = now {
        if (now.manager, now.quota) == (wanted.manager, wanted.quota) {
            return Ok(());
        }
        if wanted.quota.is_some() && wanted.quota != now.quota {
            let used = pass.tx.account_use(id, None).await?;
            quota::own_not_below_use(pass.key(), id, now.quota, wanted.quota, used)?;
        }
    }
    room::under_quota(pass, now, wanted, tenant).await
}

/// The initial password of a new account, hashed outside of the transaction.
fn initial_password(pass: &Pass<'_>, spec: &api::SubAdminSpec) -> Step<Option<String>> {
    let Some(reference) = &spec.password_secret_ref else {
        return Ok(None);
    };
    let key = pass.key();
    let name = &reference.name;
    let data_key = reference.key.as_deref().unwrap_or("password");
    let field = format!("spec.passwordSecretRef of {key}");
    // Secrets are not watched (least privilege): the object is judged again
    // when it is edited, or at the next full pass.
    let refuse = |reason, message: String| Err(Refusal::wait(reason, message, vec![]).into());
    match pass.secret(name)? {
        SecretFact::Absent => refuse(
            Reason::SecretNotFound,
            format!(
                "{field} names Secret {name}, which does not exist in namespace {} or may not be read; create it with the label {}: password",
                key.namespace,
                api::USE_LABEL
            ),
        ),
        SecretFact::Found { labels, .. }
            if labels.get(api::USE_LABEL).map(String::as_str) != Some("password") =>
        {
            refuse(
                Reason::SecretNotPermitted,
                format!(
                    "{field} names Secret {name}, which lacks the label {}: password; label it if Tenantry may read it",
                    api::USE_LABEL
                ),
            )
        }
        SecretFact::Found { data, .. } => match data.get(data_key) {
            None => refuse(
                Reason::SecretInvalid,
                format!(
                    "{field} names Secret {name}, which has no key {data_key}; add it or correct spec.passwordSecretRef.key"
                ),
            ),
            Some(password) => {
                use secrecy::ExposeSecret as _;
                let plain = password.expose_secret();
                if !password::is_phc(plain)
                    && let Err(weakness) = password::check(plain, &spec.username, &spec.email)
                {
                    return refuse(
                        Reason::SecretInvalid,
                        format!("{field}: the password in Secret {name} is refused: {weakness}"),
                    );
                }
                Ok(Some(pass.password_hash(name, data_key)?.to_owned()))
            }
        },
    }
}

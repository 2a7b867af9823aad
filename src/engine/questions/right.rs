//! Questions about administrative rights: may this account use that capability
//! on that object? The act is described as a pass over the object would
//! describe it, and the very same rule judges it (`authority::permit`), so the
//! answer is yes exactly when the engine would accept.

use std::collections::BTreeSet;
use std::fmt;

use uuid::Uuid;

use super::answer::Object;
use super::asked::{Malformed, name, part};
use crate::domain::account::Ref;
use crate::domain::authority::{
    Act, Authority, Created, Manager, Reach, Subject, Target, account_key, permit, subscription,
};
use crate::domain::capability::Capability;
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::tenant::{Chain, key as tenant_key};
use crate::domain::verdict::Refusal;
use crate::store::accounts::Found;
use crate::store::{StoreError, Tx};

/// What a right is used on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A Tenant, a SubAdmin or a Role.
    Object(ObjectKey),
    /// A group of a tenant; it need not have members yet.
    Group {
        /// The tenant's object.
        tenant: ObjectKey,
        /// The group's name.
        name: String,
    },
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(key) => key.fmt(f),
            Self::Group { tenant, name } => write!(f, "group {name} of {tenant}"),
        }
    }
}

/// A well-formed question about a right.
#[derive(Clone, PartialEq, Eq)]
pub struct AskedRight {
    pub(super) account: String,
    pub(super) capability: Capability,
    pub(super) thing: Thing,
    pub(super) source: Option<String>,
}

/// Accounts may be named by their e-mail, which stands in no log.
impl fmt::Debug for AskedRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AskedRight")
            .field("capability", &self.capability)
            .field("thing", &self.thing)
            .finish_non_exhaustive()
    }
}

impl AskedRight {
    /// The capability that a word names, if it names one: other words are
    /// operations.
    pub fn capability(word: &str) -> Option<Capability> {
        let mut all = Capability::GIVEN.into_iter().chain([Capability::ManageSubscription]);
        all.find(|capability| capability.as_str() == word)
    }

    /// The question, if it is well-formed: `thing` is `tenant/NAMESPACE/NAME`,
    /// `subadmin/...`, `role/...`, or `group/NAMESPACE/TENANT/GROUP`. `source`
    /// says whose objects are meant if several sources have one of the name.
    pub fn new(
        account: &str,
        capability: Capability,
        thing: &str,
        source: Option<&str>,
    ) -> Result<Self, Malformed> {
        let thing = parse(thing).ok_or(Malformed::Thing)?;
        if capability == Capability::ManageSubscription
            && !matches!(&thing, Thing::Object(key) if key.kind == Kind::Tenant)
        {
            return Err(Malformed::Subscription);
        }
        let source = source.filter(|source| !source.is_empty()).map(str::to_owned);
        Ok(Self { account: name("account", account)?, capability, thing, source })
    }
}

fn parse(text: &str) -> Option<Thing> {
    let parts: Vec<&str> = text.splitn(4, '/').collect();
    if !parts.iter().all(|text| part(text)) {
        return None;
    }
    match parts.as_slice() {
        ["group", namespace, tenant, group] => {
            Some(Thing::Group { tenant: tenant_key(namespace, tenant), name: (*group).to_owned() })
        }
        [kind, namespace, name] => {
            let kind = match *kind {
                "tenant" => Kind::Tenant,
                "subadmin" => Kind::SubAdmin,
                "role" => Kind::Role,
                _ => return None,
            };
            Some(Thing::Object(ObjectKey::new(kind, *namespace, *name)))
        }
        _ => None,
    }
}

/// The answer to a question about a right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightAnswer {
    /// Whether a pass would accept it.
    pub allowed: bool,
    /// Whether the account's invitation has been completed.
    pub active: bool,
    /// `Permitted`, `UnknownAccount`, `Ambiguous`, or the reason of a refusal.
    pub reason: &'static str,
    /// What decided, in words; a refusal says what would change it.
    pub message: String,
    /// The objects that mattered, with their generations in force.
    pub objects: Vec<Object>,
}

/// What the database knows of the object.
struct Known {
    chain: Chain,
    managed_by: Option<Uuid>,
    account: Option<Found>,
}

pub(super) async fn answer(tx: &mut Tx, asked: &AskedRight) -> Result<RightAnswer, StoreError> {
    let AskedRight { account, capability, thing, source } = asked;
    let Some(found) = tx.account_named(account).await? else {
        return Ok(RightAnswer {
            allowed: false,
            active: false,
            reason: "UnknownAccount",
            message: "there is no such account; it has no right".to_owned(),
            objects: vec![],
        });
    };
    let active = found.account.activated_at.is_some();
    let Found { account, key, roles, .. } = found;
    let home = tx.chain(account.tenant).await?;
    let key = key.unwrap_or_else(|| account_key("", &account.name));
    let blocked = home.blocked_by().is_some();
    let manager = Manager { key: key.clone(), account, roles, blocked };

    let named = match thing {
        Thing::Object(key) | Thing::Group { tenant: key, .. } => key,
    };
    let sources = tx.sources_of(named, source.as_deref()).await?;
    let known = match sources.as_slice() {
        [] => None,
        [source] => known(tx, source, named).await?,
        several => {
            return Ok(RightAnswer {
                allowed: false,
                active,
                reason: "Ambiguous",
                message: format!("several sources have {named}: choose one of {}", several.join(", ")),
                objects: vec![],
            });
        }
    };
    // A stranger and nobody are answered in the same words (R4).
    let known = known.filter(|known| known.chain.contains(manager.account.tenant));
    let mut keys = vec![key];
    if known.is_some() {
        keys.push(named.clone());
    }
    let judged = judge(tx, manager, *capability, thing, known).await?;
    let objects = tx.generations(&keys).await?;
    let objects = keys.into_iter().zip(objects).map(|(key, generation)| Object {
        kind: key.kind,
        namespace: key.namespace,
        name: key.name,
        generation,
        revision: None,
    });
    let (allowed, reason, message) = match judged {
        Ok(message) => (true, "Permitted", message),
        Err(refusal) => (false, refusal.reason.as_str(), refusal.message),
    };
    Ok(RightAnswer { allowed, active, reason, message, objects: objects.collect() })
}

async fn known(tx: &mut Tx, source: &str, key: &ObjectKey) -> Result<Option<Known>, StoreError> {
    Ok(match key.kind {
        Kind::SubAdmin => match tx.account_of(source, key).await? {
            None => None,
            Some(found) => Some(Known {
                chain: tx.chain(found.account.tenant).await?,
                managed_by: found.account.managed_by,
                account: Some(found),
            }),
        },
        Kind::Role => match tx.role_of(source, key).await? {
            None => None,
            Some(role) => Some(Known {
                chain: tx.chain(role.tenant).await?,
                managed_by: role.managed_by,
                account: None,
            }),
        },
        Kind::Tenant => {
            let chain = tx.chain_of(source, key).await?;
            let managed_by = chain.own().and_then(|tenant| tenant.managed_by);
            chain.own().is_some().then_some(Known { chain, managed_by, account: None })
        }
        Kind::DeviceGrant => None,
    })
}

async fn judge(
    tx: &mut Tx,
    manager: Manager,
    needs: Capability,
    thing: &Thing,
    known: Option<Known>,
) -> Result<Result<String, Refusal>, StoreError> {
    let key = match thing {
        Thing::Object(key) | Thing::Group { tenant: key, .. } => key,
    };
    let who = manager.key.clone();
    let account = manager.account.id;
    let Some(Known { chain, managed_by, account: target }) = known else {
        // The rule itself says it, of a place that nobody lies above.
        let nowhere = Chain::default();
        let act = Act { key, needs, within: &nowhere, target: Target::Own };
        let refused = permit(&Authority::Account(Box::new(manager)), &act);
        return Ok(refused.map(|()| String::new()));
    };
    if needs == Capability::ManageSubscription {
        let owner = chain.own().and_then(|tenant| tenant.settings.owner.clone());
        return Ok(subscription(&manager, key, &chain, owner.as_deref()));
    }
    let own = match managed_by {
        Some(other) => other == account || tx.manages(account, other).await?,
        None => false,
    };
    let scoped = manager.account.settings.scope.is_some();
    let authority = Authority::Account(Box::new(manager));
    let act = |within, target| permit(&authority, &Act { key, needs, within, target });
    let judged = match thing {
        Thing::Group { name, .. } => {
            let first = act(&chain, Target::Own);
            match chain.own() {
                Some(tenant) if first.is_ok() && scoped => {
                    let names: BTreeSet<String> = [name.clone()].into();
                    let created = match tx.groups_created(tenant.id, &names, account).await?.get(name) {
                        None => Created::NotYet,
                        Some(true) => Created::ByManager,
                        Some(false) => Created::ByOthers,
                    };
                    act(&chain, Target::Group { name, created })
                }
                _ => first,
            }
        }
        Thing::Object(tenant) if tenant.kind == Kind::Tenant && needs == Capability::ManageTenants => {
            // Where it stands is above it: nobody manages the own tenant.
            let above = Chain(chain.0.iter().skip(1).cloned().collect());
            act(&above, Target::Own)
                .and_then(|()| if own { Ok(()) } else { act(&chain, Target::Tenant(tenant)) })
        }
        Thing::Object(tenant) if tenant.kind == Kind::Tenant => act(&chain, Target::Tenant(tenant)),
        Thing::Object(_) if own && target.is_none() => act(&chain, Target::Own),
        Thing::Object(key) => match target {
            None => {
                act(&chain, Target::Role(Ref { namespace: key.namespace.clone(), name: key.name.clone() }))
            }
            Some(Found { account, roles, groups, .. }) => {
                let roles = roles.into_iter().map(|r| Ref { namespace: r.namespace, name: r.name });
                let reach = if own { Reach::Own } else { Reach::Others { groups, roles: roles.collect() } };
                act(&chain, Target::Account(Subject { key, tier: account.settings.tier, reach }))
            }
        },
    };
    Ok(judged.map(|()| format!("{who} has the capability {needs}, and {thing} lies within its scope")))
}

//! Questions about administrative rights: may this account use that capability
//! on that object? The act is described as a pass over the object would
//! describe it, and the very same rule judges it (`authority::permit`), so the
//! answer is yes exactly when the engine would accept.

mod asked;

use std::collections::BTreeSet;

use uuid::Uuid;

use super::answer::{Object, Step};
use crate::domain::access::answer::Effect;
use crate::domain::account::Ref;
use crate::domain::authority::why::{self, Finding, weigh};
use crate::domain::authority::{
    Act, Authority, Created, Manager, Reach, Subject, Target, account_key, permit, subscription,
};
use crate::domain::capability::Capability;
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::role::Assigned;
use crate::domain::tenant::Chain;
use crate::domain::verdict::Refusal;
use crate::store::accounts::Found;
use crate::store::{StoreError, Tx};

pub use asked::{AskedRight, Thing};

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
    /// The objects that mattered, with their generations in force; nothing
    /// unless it was asked why.
    pub objects: Vec<Object>,
    /// What was looked at, in order, likewise.
    pub steps: Vec<Step>,
    /// What would have to change for the opposite answer, all of it together.
    pub changes: Vec<String>,
    /// Whether that is enough; otherwise more may be needed.
    pub suffices: bool,
}

impl RightAnswer {
    fn denied(active: bool, reason: &'static str, message: String, change: &str) -> Self {
        let (objects, steps, changes) = (vec![], vec![], vec![change.to_owned()]);
        Self { allowed: false, active, reason, message, objects, steps, changes, suffices: false }
    }
}

/// What the rules say about a right, and why.
struct Judged {
    verdict: Result<(), Refusal>,
    findings: Vec<Finding>,
    against: Vec<String>,
}

/// What the database knows of the object.
struct Known {
    chain: Chain,
    managed_by: Option<Uuid>,
    account: Option<Found>,
}

/// Whether the account may use the right; `why` asks for the objects and steps
/// that led there, too, which costs another look at the database.
pub(super) async fn answer(tx: &mut Tx, asked: &AskedRight, why: bool) -> Result<RightAnswer, StoreError> {
    let AskedRight { account, capability, thing, source } = asked;
    let Some(found) = tx.account_named(account).await? else {
        return Ok(RightAnswer::denied(
            false,
            "UnknownAccount",
            "there is no such account; it has no right".to_owned(),
            "correct the name, or apply a SubAdmin with this username or e-mail",
        ));
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
            let message = format!("several sources have {named}: choose one of {}", several.join(", "));
            return Ok(RightAnswer::denied(active, "Ambiguous", message, "name its source"));
        }
    };
    // A stranger and nobody are answered in the same words (R4).
    let known = known.filter(|known| known.chain.contains(manager.account.tenant));
    let mut keys = vec![key];
    if known.is_some() {
        keys.push(named.clone());
    }
    let roles = manager.roles.clone();
    let Judged { verdict, findings, against } = judge(tx, manager, &home, *capability, thing, known).await?;
    let (objects, steps) = match why {
        true => told(tx, keys, &roles, &findings).await?,
        false => (vec![], vec![]),
    };
    // One reason is enough to deny; to allow takes rank, right and scope.
    let all_that = |effect| -> Vec<&str> {
        findings.iter().filter(|f| f.effect == effect).map(|f| f.message.as_str()).collect()
    };
    let changes = |findings: &[Finding]| findings.iter().filter_map(|f| f.change.clone()).collect();
    let suffices = !findings.iter().any(|f| f.rule == "R4" && f.object.is_none() && f.change.is_some());
    Ok(match verdict {
        Ok(()) => RightAnswer {
            allowed: true,
            active,
            reason: "Permitted",
            message: all_that(Effect::Allows).join("; "),
            objects,
            steps,
            suffices: !against.is_empty(),
            changes: against,
        },
        Err(refusal) => RightAnswer {
            allowed: false,
            active,
            reason: refusal.reason.as_str(),
            message: all_that(Effect::Denies).first().map_or(refusal.message, |first| (*first).to_owned()),
            objects,
            steps,
            changes: changes(&findings),
            suffices,
        },
    })
}

/// The objects that mattered and the steps, with the generations in force, and
/// of a role the revision that the account has.
async fn told(
    tx: &mut Tx,
    keys: Vec<ObjectKey>,
    roles: &[Assigned],
    findings: &[Finding],
) -> Result<(Vec<Object>, Vec<Step>), StoreError> {
    let mattered = findings.iter().filter_map(|finding| finding.object.clone());
    let generations = tx.generations(&keys.iter().cloned().chain(mattered).collect()).await?;
    let object = |key: &ObjectKey| Object {
        kind: key.kind,
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        generation: generations.get(key).copied(),
        revision: roles
            .iter()
            .find(|role| key.kind == Kind::Role && role.namespace == key.namespace && role.name == key.name)
            .map(|role| role.revision.clone()),
    };
    let step = |finding: &Finding| Step {
        rule: finding.rule.to_owned(),
        object: finding.object.as_ref().map(object),
        effect: finding.effect,
        message: finding.message.clone(),
    };
    Ok((keys.iter().map(object).collect(), findings.iter().map(step).collect()))
}

/// The tenant in which the object lies; or why there is no answer.
pub(super) async fn place(tx: &mut Tx, asked: &AskedRight) -> Result<Result<Uuid, NoObject>, StoreError> {
    let named = match &asked.thing {
        Thing::Object(key) | Thing::Group { tenant: key, .. } => key,
    };
    let missing = || NoObject::Missing(named.to_string());
    Ok(match tx.sources_of(named, asked.source.as_deref()).await?.as_slice() {
        [] => Err(missing()),
        [source] => {
            let known = known(tx, source, named).await?;
            known.and_then(|known| known.chain.own().map(|tenant| tenant.id)).ok_or_else(missing)
        }
        several => Err(NoObject::Ambiguous(named.to_string(), several.join(", "))),
    })
}

/// Why nobody can be named who has a right on an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoObject {
    /// Nothing is called so.
    #[error("there is no {0} in the database: correct the name")]
    Missing(String),
    /// More than one is.
    #[error("several sources have {0}: choose with --source one of {1}")]
    Ambiguous(String, String),
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
    home: &Chain,
    needs: Capability,
    thing: &Thing,
    known: Option<Known>,
) -> Result<Judged, StoreError> {
    let key = match thing {
        Thing::Object(key) | Thing::Group { tenant: key, .. } => key,
    };
    // A place that nobody lies above says of strangers what it says of nobody.
    let Known { chain, managed_by, account: target } =
        known.unwrap_or(Known { chain: Chain::default(), managed_by: None, account: None });
    if needs == Capability::ManageSubscription && chain.own().is_some() {
        return Ok(of_subscription(&manager, home, key, &chain));
    }
    let own = match managed_by {
        Some(other) => other == manager.account.id || tx.manages(manager.account.id, other).await?,
        None => false,
    };
    // Where a tenant stands is above it: nobody manages the own one.
    let above = Chain(chain.0.iter().skip(1).cloned().collect());
    let as_role = |key: &ObjectKey| Ref { namespace: key.namespace.clone(), name: key.name.clone() };
    let mut acts: Vec<(&Chain, Target<'_>)> = vec![];
    match (thing, &target) {
        _ if chain.own().is_none() => acts.push((&chain, Target::Own)),
        (Thing::Group { name, .. }, _) => {
            let created = match chain.own() {
                Some(tenant) if manager.minds_creators() => {
                    let names: BTreeSet<String> = [name.clone()].into();
                    match tx.groups_created(tenant.id, &names, manager.account.id).await?.get(name) {
                        None => Some(Created::NotYet),
                        Some(true) => Some(Created::ByManager),
                        Some(false) => Some(Created::ByOthers),
                    }
                }
                _ => None,
            };
            acts.push((&chain, created.map_or(Target::Own, |created| Target::Group { name, created })));
        }
        (Thing::Object(tenant), _) if tenant.kind == Kind::Tenant => {
            if needs == Capability::ManageTenants {
                acts.push((&above, Target::Own));
            }
            if needs != Capability::ManageTenants || !own {
                acts.push((&chain, Target::Tenant(tenant)));
            }
        }
        (Thing::Object(key), Some(Found { account, roles, groups, .. })) => {
            let roles = roles.iter().map(|r| Ref { namespace: r.namespace.clone(), name: r.name.clone() });
            let others = || Reach::Others { groups: groups.clone(), roles: roles.collect() };
            let reach = if own { Reach::Own } else { others() };
            acts.push((&chain, Target::Account(Subject { key, tier: account.settings.tier, reach })));
        }
        (Thing::Object(_), None) if own => acts.push((&chain, Target::Own)),
        (Thing::Object(key), None) => acts.push((&chain, Target::Role(as_role(key)))),
    }
    let against = why::against(&manager, needs);
    let authority = Authority::Account(Box::new(manager.clone()));
    let (mut verdict, mut findings) = (Ok(()), Vec::<Finding>::new());
    for (within, target) in acts {
        let act = Act { key, needs, within, target };
        verdict = verdict.and_then(|()| permit(&authority, &act));
        let at_home = !within.contains(manager.account.tenant) && chain.contains(manager.account.tenant);
        let weighed = match at_home {
            true => vec![why::own_tenant(&manager, key)],
            false => weigh(&manager, home, &act, &thing.to_string()),
        };
        for finding in weighed {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    Ok(Judged { verdict, findings, against })
}

/// The right that is never given (see `authority::subscription`).
fn of_subscription(manager: &Manager, home: &Chain, key: &ObjectKey, chain: &Chain) -> Judged {
    let owner = chain.own().and_then(|tenant| tenant.settings.owner.as_deref());
    let verdict = subscription(manager, key, chain, owner);
    let mut findings = why::standing(manager, home);
    let (effect, message) = match &verdict {
        Ok(message) => (Effect::Allows, message.clone()),
        Err(refusal) => (Effect::Denies, refusal.message.clone()),
    };
    let change = match (&verdict, owner) {
        (Err(_), Some(_)) => {
            Some(format!("use the account of the owner of {key}: once set, the owner cannot be changed"))
        }
        (Err(_), None) => Some(format!(
            "name the account as the owner of {key} in spec.ownerRef, if it belongs to that tenant"
        )),
        (Ok(_), _) => None,
    };
    if findings.is_empty() {
        findings.push(Finding { rule: "R2", object: Some(key.clone()), effect, message, change });
    }
    let who = &manager.account.settings.username;
    let against = match owner {
        Some(_) => {
            format!("set spec.enabled of the account {who} to false: the owner of a tenant cannot be changed")
        }
        None => format!("name an owner in spec.ownerRef of {key}"),
    };
    Judged { verdict: verdict.map(drop), findings, against: vec![against] }
}

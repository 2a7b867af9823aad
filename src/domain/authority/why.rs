//! Why an act is permitted, or not: everything that [`permit`](super::permit)
//! looks at, one fact after the other, with what would change it. For people
//! who ask; what decides is `permit`, in the same order, and tests hold the two
//! together. It says nothing about an object that the account's tenant does not contain (R4).

use super::{
    Act, Created, Manager, Reach, Subject, Target, beyond_scope, creation_of_others, lists, outside,
};
use crate::domain::access::answer::Effect;
use crate::domain::account::{IndividualSource, Ref};
use crate::domain::capability::Capability;
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::tenant::Chain;
use crate::domain::tier::Tier;

/// One fact that mattered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's number.
    pub rule: &'static str,
    /// The object that it comes from.
    pub object: Option<ObjectKey>,
    /// What it does to the answer.
    pub effect: Effect,
    /// For people.
    pub message: String,
    /// What would take a denial away.
    pub change: Option<String>,
}

impl Finding {
    fn new(rule: &'static str, object: Option<ObjectKey>, effect: Effect, message: String) -> Self {
        Self { rule, object, effect, message, change: None }
    }

    fn denies(rule: &'static str, object: Option<ObjectKey>, message: String, change: String) -> Self {
        Self { rule, object, effect: Effect::Denies, message, change: Some(change) }
    }
}

/// Everything that matters for an act on `what`. `home` is the manager's own
/// tenant with all above it.
pub fn weigh(manager: &Manager, home: &Chain, act: &Act<'_>, what: &str) -> Vec<Finding> {
    let mut findings = standing(manager, home);
    let who = &manager.account.settings.username;
    let place = act.within.own().map(|tenant| tenant.path.clone());
    let Some(place) = place.filter(|_| act.within.contains(manager.account.tenant)) else {
        findings.push(Finding::denies(
            "R4",
            None,
            format!(
                "{what} does not exist, or does not lie where {who} may administer: in its tenant or below"
            ),
            format!("correct the name, or use an account of the tenant of {what} or of one above it"),
        ));
        return findings;
    };
    let tenant = act.within.0.first().and_then(|level| level.key.clone());
    findings.push(Finding::new(
        "R4",
        tenant,
        Effect::Shows,
        format!("{what} lies in tenant {place}, which is the tenant of {who} or below it"),
    ));
    if let Target::Account(subject) = &act.target {
        findings.push(rank(manager, subject));
    }
    findings.extend(bringing(manager, act.needs));
    findings.extend(scope(manager, act, what));
    findings
}

/// Why nobody manages the tenant that it belongs to.
pub fn own_tenant(manager: &Manager, key: &ObjectKey) -> Finding {
    let who = &manager.account.settings.username;
    Finding::denies(
        "R2",
        Some(key.clone()),
        format!("{key} is the tenant of {who}, and a tenant is managed from above it"),
        format!("use an account of a tenant above {key}"),
    )
}

/// Whether the account may do anything at all.
pub fn standing(manager: &Manager, home: &Chain) -> Vec<Finding> {
    let who = &manager.account.settings.username;
    let mut findings = vec![];
    if !manager.account.settings.enabled {
        findings.push(Finding::denies(
            "R2",
            Some(manager.key.clone()),
            format!("account {who} is disabled"),
            format!("set spec.enabled of the account {who} to true"),
        ));
    }
    for level in &home.0 {
        let path = &level.tenant.path;
        let mut blocks = |why: &str, change: String| {
            let message = format!("tenant {path}, where {who} belongs or below which it does, is {why}");
            findings.push(Finding::denies("R4", level.key.clone(), message, change));
        };
        if !level.tenant.settings.enabled {
            blocks("disabled", format!("set spec.enabled of the tenant {path} to true"));
        }
        if !level.tenant.permitted {
            let change = format!("let spec.allowedNamespaces of the tenant above {path} admit its namespace");
            blocks("not admitted by its parent", change);
        }
    }
    findings
}

/// What brings the right; a single denial if nothing does.
fn bringing(manager: &Manager, needs: Capability) -> Vec<Finding> {
    let settings = &manager.account.settings;
    let who = &settings.username;
    let key = Some(manager.key.clone());
    if !manager.account.effective.capabilities.contains(&needs) {
        return vec![Finding::denies(
            "R2",
            key,
            format!("account {who} does not have the right {needs}"),
            format!("give {needs} to the account {who}: in spec.capabilities, or by a Role that has it"),
        )];
    }
    let mut findings = vec![];
    let allows = |object, message| Finding::new("R2", object, Effect::Allows, message);
    match &settings.capabilities {
        Some(written) if written.contains(&needs) => {
            findings.push(allows(key, format!("spec.capabilities of account {who} lists {needs}")));
        }
        None if Capability::of_tier(settings.tier).contains(&needs) => {
            findings.push(allows(key, format!("account {who} is {}, which brings {needs}", settings.tier)));
        }
        _ => {}
    }
    for role in manager.roles.iter().filter(|role| role.content.capabilities.contains(&needs)) {
        let key = ObjectKey::new(Kind::Role, &role.namespace, &role.name);
        let message = format!("{key} (revision {}), which {who} has, brings {needs}", role.revision);
        findings.push(allows(Some(key), message));
    }
    findings
}

/// What would take a right away, all of it together.
pub fn against(manager: &Manager, needs: Capability) -> Vec<String> {
    let who = &manager.account.settings.username;
    let own = match &manager.account.settings.capabilities {
        Some(written) if written.contains(&needs) => {
            Some(format!("take {needs} out of spec.capabilities of the account {who}"))
        }
        None if Capability::of_tier(manager.account.settings.tier).contains(&needs) => Some(format!(
            "give the account {who} a list in spec.capabilities (from: List) that leaves {needs} out"
        )),
        _ => None,
    };
    let roles = manager.roles.iter().filter(|role| role.content.capabilities.contains(&needs));
    let roles = roles.map(|role| {
        let key = ObjectKey::new(Kind::Role, &role.namespace, &role.name);
        format!("take {needs} out of {key} and assign the role again, or take the role from {who}")
    });
    own.into_iter().chain(roles).collect()
}

/// R1 for an account.
fn rank(manager: &Manager, subject: &Subject<'_>) -> Finding {
    let settings = &manager.account.settings;
    let (who, own, other) = (&settings.username, settings.tier, subject.tier);
    let object = Some(subject.key.clone());
    if own.outranks(other) {
        let message = format!("account {who} is {own} and outranks {}, which is {other}", subject.key);
        return Finding::new("R1", object, Effect::Allows, message);
    }
    let manages = match own {
        Tier::Basic => "nobody".to_owned(),
        _ => format!("{} accounts", own.creates()),
    };
    let message = format!("account {who} is {own} and manages {manages}; {} is {other}", subject.key);
    let change = match (own, other) {
        (_, Tier::Root) => {
            format!(
                "lower spec.tier of {} and use an account that outranks it then: none outranks a Root",
                subject.key
            )
        }
        (Tier::Basic, _) => format!("use an account of a higher tier than {other}"),
        _ => format!("lower spec.tier of {}, or use an account of a higher tier than {other}", subject.key),
    };
    Finding::denies("R1", object, message, change)
}

/// R2, R5: whether the scope covers the target, and by what.
fn scope(manager: &Manager, act: &Act<'_>, what: &str) -> Vec<Finding> {
    let who = &manager.account.settings.username;
    let key = Some(manager.key.clone());
    let scope = manager.account.settings.scope.as_ref();
    if outside(manager, act.key, act.within, &act.target).is_none() {
        let listed = scope.is_some_and(|scope| lists(scope, act.within));
        let how = match &act.target {
            Target::Own | Target::Account(Subject { reach: Reach::Own, .. }) if scope.is_some() => {
                format!("{what} was created by {who} or an account below it, and so lies within its scope")
            }
            Target::Group { created: Created::ByManager, .. } if scope.is_some() => {
                format!("{who} or an account below it created {what}, which so lies within its scope")
            }
            _ if scope.is_none() => format!("the scope of {who} is its tenant and everything below"),
            _ if listed => format!("spec.manageableScope.tenants of {who} covers the tenant of {what}"),
            Target::Group { .. } => format!("spec.manageableScope.groups of {who} lists the group"),
            Target::Role(_) => format!("spec.manageableScope.roles of {who} lists the role"),
            _ => format!("{what} is in a group or has a role that spec.manageableScope of {who} lists"),
        };
        return vec![Finding::new("R2", key, Effect::Allows, how)];
    }
    let mut findings = vec![];
    if creation_of_others(manager, act.key, &act.target).is_some() {
        let off = format!("set spec.individualAccess of the account {who} to false");
        let change = match &manager.account.effective.individual_source {
            IndividualSource::Override | IndividualSource::None => off,
            IndividualSource::Role(role) => format!("{off}: it comes from Role {role}"),
            IndividualSource::Manager => format!("switch Individual access off for the manager of {who}"),
        };
        findings.push(Finding::denies(
            "R5",
            key.clone(),
            format!(
                "{who} is under Individual access, and neither it nor an account below it created {what}"
            ),
            change,
        ));
        if beyond_scope(manager, act.key, act.within, &act.target).is_none() {
            return findings;
        }
    }
    findings.push(Finding::denies(
        "R2",
        key,
        format!("{what} does not lie within the manageable scope of {who}, and neither {who} nor an account below it created it"),
        widening(manager, act),
    ));
    findings
}

/// What would bring a target into the manager's scope.
fn widening(manager: &Manager, act: &Act<'_>) -> String {
    let who = &manager.account.settings.username;
    let tenant = match act.within.0.first().and_then(|level| level.key.as_ref()) {
        Some(tenant) => format!("{}/{}", tenant.namespace, tenant.name),
        None => "its tenant".to_owned(),
    };
    let add = |named: &str, list| format!("add {named} to spec.manageableScope.{list} of the account {who}");
    let at_home = act.within.own().is_some_and(|own| own.id == manager.account.tenant);
    match &act.target {
        Target::Role(Ref { namespace, name }) => add(&format!("{namespace}/{name}"), "roles"),
        Target::Group { name, .. } if at_home => add(name, "groups"),
        // Whoever manages a tenant may begin groups there.
        Target::Group { created: Created::NotYet, .. } => add(&tenant, "tenants"),
        Target::Group { .. } => format!(
            "write from: Tenant in spec.manageableScope of the account {who}, which can list groups of its own tenant only, or use an account that manages the group"
        ),
        Target::Account(_) if at_home => add(&tenant, "tenants") + ", or one of its groups or roles",
        Target::Account(_) => add(&tenant, "tenants") + ", or one of its roles",
        _ => add(&tenant, "tenants"),
    }
}

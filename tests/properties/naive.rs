//! A second implementation of "may this account do that?", deliberately naive:
//! it walks the world itself and takes the contract's sentences one by one,
//! with no thought of speed, reasons or facts gathered beforehand. It shares
//! nothing with the first one but the world.

use tenantry::domain::account::{Ref, Scope};
use tenantry::domain::grant::Mode;
use tenantry::domain::permission::Rule;
use tenantry::domain::tier::Tier;

use crate::model::{Asked, GrantRow, Held, To, World, now};

/// "`a.*` matches `a` and all under it; `*` alone is everything."
pub(crate) fn matches(pattern: &str, word: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (mut pattern, word): (Vec<&str>, Vec<&str>) =
        (pattern.split('.').collect(), word.split('.').collect());
    if pattern.last() == Some(&"*") {
        pattern.pop();
        return word.starts_with(&pattern);
    }
    pattern == word
}

fn says(rules: &[Rule], asked: &Asked) -> bool {
    rules.iter().any(|rule| {
        rule.resources.iter().any(|p| matches(p.as_str(), &asked.resource))
            && rule.operations.iter().any(|p| matches(p.as_str(), &asked.operation))
    })
}

/// The table of Individual access, and devices.
fn is_filtered_section(resource: &str) -> bool {
    let table = "cameras.logins cameras.actions cameras.analytics cameras.archive devices.intercoms \
        devices.bridges devices.cameras administration.administrators administration.users \
        administration.subusers analytics.streams analytics.events reports.users reports.system \
        reports.activity logging.administrators logging.actions complaints.cameras \
        complaints.analytics device";
    table
        .split_whitespace()
        .any(|section| resource == section || resource.starts_with(&format!("{section}.")))
}

/// What was answered, and whether the section is filtered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    pub(crate) filtered: bool,
}

pub(crate) struct Naive<'a>(pub(crate) &'a World);

impl Naive<'_> {
    pub(crate) fn ask(&self, who: usize, asked: &Asked) -> Answer {
        let allowed = self.allowed(who, asked);
        // "A question without `--creator` is about the section and says that it is filtered."
        let filtered = allowed
            && asked.creator.is_none()
            && asked.device.is_none()
            && self.individual(who)
            && is_filtered_section(&asked.resource);
        Answer { allowed, filtered }
    }

    fn allowed(&self, who: usize, asked: &Asked) -> bool {
        // "Unknown account or device: deny."
        let Some(row) = self.0.accounts.get(who).filter(|row| !row.removed) else { return false };
        if asked.device.is_some_and(|device| device >= self.0.devices.len()) {
            return false;
        }
        // "A disabled account or tenant is denied everything."
        if !row.account.settings.enabled {
            return false;
        }
        let mut tenant = Some(row.tenant);
        while let Some(at) = tenant {
            let above = &self.0.tenants[at];
            if !above.tenant.settings.enabled || !above.tenant.permitted {
                return false;
            }
            tenant = above.parent;
        }
        // "With it, R4 applies to the creator too."
        if let Some(creator) = asked.creator {
            if self.0.accounts.get(creator).is_none_or(|row| row.removed) || !self.in_range(who, creator) {
                return false;
            }
            let own = self.is_or_below(creator, who);
            if self.individual(who) && is_filtered_section(&asked.resource) && !own {
                return false;
            }
        }
        let by_itself = asked.device.is_none_or(|device| self.sees_by_itself(who, device));
        // "A Share is the only way to see a device outside this range."
        let by_share = self
            .rules_of_grants(who, asked)
            .any(|g| g.mode == Mode::Share && !g.permissions.allow.is_empty());
        if !by_itself && !by_share {
            return false;
        }
        // "Root holds every permission in its tree", bound by no deny.
        let tier = self.0.tier(who);
        if tier == Tier::Root {
            return true;
        }
        // "A matching deny, from any grant, Role or the account, beats every allow."
        let own = &row.account.settings.permissions;
        let denied = says(&own.deny, asked)
            || row.roles.iter().any(|r| says(&r.content.permissions.deny, asked))
            || self.rules_of_grants(who, asked).any(|g| says(&g.permissions.deny, asked));
        if denied {
            return false;
        }
        // A device that only a Share shows: what Shares of it allow.
        if !by_itself {
            return self
                .rules_of_grants(who, asked)
                .any(|g| g.mode == Mode::Share && says(&g.permissions.allow, asked));
        }
        // "SuperAdmin too while neither `roles` nor `permissions.allow` is given."
        (tier == Tier::SuperAdmin && row.roles.is_empty() && own.allow.is_empty())
            || says(&own.allow, asked)
            || row.roles.iter().any(|r| says(&r.content.permissions.allow, asked))
            || self.rules_of_grants(who, asked).any(|g| says(&g.permissions.allow, asked))
    }

    /// "A grant's rules count only for its devices, and only a Share without
    /// `devices` [...] answers questions without an id."
    fn rules_of_grants<'b>(&'b self, who: usize, asked: &'b Asked) -> impl Iterator<Item = &'b GrantRow> {
        self.0.grants.iter().filter(move |grant| {
            let about = match (asked.device, &grant.devices) {
                (None, None) => true,
                (Some(device), Some(devices)) => {
                    devices.contains(&device) && self.0.within_reach(device, grant.tenant)
                }
                _ => false,
            };
            about && in_time(grant) && self.reaches(grant, who)
        })
    }

    fn reaches(&self, grant: &GrantRow, who: usize) -> bool {
        let row = &self.0.accounts[who];
        // "Receivers of a grant lie in the granting tenant or below it."
        if !self.at_or_below(row.tenant, grant.tenant) {
            return false;
        }
        // "A Share to a tenant reaches every account of that tenant, not
        // below." A group is (tenant, name).
        let named = match &grant.to {
            To::Tenant(tenant) => row.tenant == *tenant,
            To::Accounts(accounts) => accounts.contains(&who),
            To::Group(name) => row.tenant == grant.tenant && row.groups.contains(name),
        };
        // "A grant's receivers must be outranked, except that an account may
        // Share to itself."
        let outranked = grant.giver.is_none_or(|giver| self.0.tier(giver) > self.0.tier(who));
        let itself =
            grant.mode == Mode::Share && grant.giver == Some(who) && matches!(grant.to, To::Accounts(_));
        named && (outranked || itself)
    }

    /// "Then the account sees and manages only what it or accounts below it in
    /// the managed-by tree created." "Root is not bound."
    fn individual(&self, who: usize) -> bool {
        self.0.accounts[who].account.effective.individual_access && self.0.tier(who) != Tier::Root
    }

    pub(crate) fn sees_by_itself(&self, who: usize, device: usize) -> bool {
        let own = match self.0.devices[device] {
            Held::ByAccount(holder) => self.is_or_below(holder, who),
            _ => false,
        };
        self.device_in_range(who, device) && (own || !self.individual(who))
    }

    fn device_in_range(&self, who: usize, device: usize) -> bool {
        let row = &self.0.accounts[who];
        match self.0.devices[device] {
            Held::Nobody => false,
            // "Basic accounts see what their tenant itself holds, their own,
            // and nothing that another account holds."
            Held::ByTenant(tenant) if self.0.tier(who) == Tier::Basic => tenant == row.tenant,
            Held::ByAccount(holder) if self.0.tier(who) == Tier::Basic => holder == who,
            // "Root, SuperAdmin and Admin see their tenant and everything
            // below (a `List` scope narrows this ...)."
            Held::ByTenant(tenant) => {
                self.at_or_below(tenant, row.tenant)
                    && match &row.account.settings.scope {
                        None => true,
                        Some(scope) => self.listed(tenant, scope) || self.granted(who, device, scope),
                    }
            }
            Held::ByAccount(holder) => {
                let tenant = self.0.accounts[holder].tenant;
                self.in_range(who, holder)
                    || (self.at_or_below(tenant, row.tenant)
                        && row.account.settings.scope.as_ref().is_some_and(|s| self.granted(who, device, s)))
            }
        }
    }

    /// R4 for what `other` creates.
    fn in_range(&self, who: usize, other: usize) -> bool {
        let (row, other_row) = (&self.0.accounts[who], &self.0.accounts[other]);
        if who == other {
            return true;
        }
        if self.0.tier(who) == Tier::Basic || !self.at_or_below(other_row.tenant, row.tenant) {
            return false;
        }
        let Some(scope) = &row.account.settings.scope else { return true };
        // "... its tenants, the accounts of its groups and roles, [...] and
        // own creations."
        let in_group =
            other_row.tenant == row.tenant && other_row.groups.iter().any(|g| scope.groups.contains(g));
        let with_role = other_row
            .roles
            .iter()
            .any(|r| scope.roles.contains(&Ref { namespace: r.namespace.clone(), name: r.name.clone() }));
        self.listed(other_row.tenant, scope) || in_group || with_role || self.is_or_below(other, who)
    }

    /// "The devices granted to those groups."
    fn granted(&self, who: usize, device: usize, scope: &Scope) -> bool {
        self.0.grants.iter().any(|grant| {
            grant.mode == Mode::Share
                && grant.giver != Some(who)
                && !grant.permissions.allow.is_empty()
                && grant.tenant == self.0.accounts[who].tenant
                && matches!(&grant.to, To::Group(name) if scope.groups.contains(name))
                && grant.devices.as_ref().is_some_and(|devices| devices.contains(&device))
                && self.0.within_reach(device, grant.tenant)
                && in_time(grant)
        })
    }

    fn listed(&self, tenant: usize, scope: &Scope) -> bool {
        let key = &self.0.tenants[tenant].key;
        scope.tenants.contains(&Ref { namespace: key.namespace.clone(), name: key.name.clone() })
            || self.0.tenants[tenant].parent.is_some_and(|above| self.listed(above, scope))
    }

    pub(crate) fn at_or_below(&self, tenant: usize, top: usize) -> bool {
        tenant == top || self.0.tenants[tenant].parent.is_some_and(|above| self.at_or_below(above, top))
    }

    fn is_or_below(&self, account: usize, top: usize) -> bool {
        account == top || self.0.accounts[account].manager.is_some_and(|above| self.is_or_below(above, top))
    }
}

/// "`notBefore` (inclusive), `expiresAt` (exclusive)."
fn in_time(grant: &GrantRow) -> bool {
    let (start, end) = grant.times;
    start.is_none_or(|start| now() >= start) && end.is_none_or(|end| now() < end)
}

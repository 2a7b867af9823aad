//! Lawful acts with accounts and their groups: see `lawful` for all others.

use std::collections::BTreeSet;

use tenantry::domain::account::{Account, DeletionPolicy, Ref, Scope, Settings, effective};
use tenantry::domain::authority::{
    Above, Act as Deed, Created, Reach, Subject, Target, permit, within_capabilities, within_holding,
    within_scope,
};
use tenantry::domain::capability::Capability;
use tenantry::domain::object::{Kind, ObjectKey};
use tenantry::domain::permission::Permissions;
use tenantry::domain::quota::{self, Counted};
use tenantry::domain::role::{Assigned, Template, Wanted, assign};
use tenantry::domain::tier::Tier;
use tenantry::domain::verdict::Refusal;

use crate::acts::Written;
use crate::lawful::No;
use crate::model::{AccountRow, World, account_id, now, tenant_id};

impl World {
    pub(crate) fn put_account(
        &mut self,
        own: Option<usize>,
        by: Option<usize>,
        tenant: usize,
        written: &Written,
    ) -> Result<(), No> {
        let at = own.unwrap_or(self.accounts.len());
        if at >= 16 {
            return Err(No::Moot);
        }
        let key = match own {
            Some(own) => self.accounts[own].key.clone(),
            None => self.key(Kind::SubAdmin, tenant, format!("a{at}")),
        };
        let chain = self.chain(tenant);
        let authority = self.authority(&key, by)?;
        let existing = own.map(|own| self.accounts[own].clone());
        let roles = self.copies(&key, existing.as_ref(), tenant, &written.roles)?;
        let settings = self.settings(at, written);

        // R1 and R2. Who writes an account again is who created it.
        let tier = existing.as_ref().map_or(written.tier, |e| e.account.settings.tier.max(written.tier));
        let reach = if own.is_some() { Reach::Own } else { Reach::New };
        let deed = |needs, target| Deed { key: &key, needs, within: &chain, target };
        let subject = Target::Account(Subject { key: &key, tier, reach });
        permit(&authority, &deed(Capability::ManageUsers, subject))?;
        let had = existing.as_ref().map(|e| e.groups.clone()).unwrap_or_default();
        for name in had.symmetric_difference(&written.groups) {
            permit(&authority, &deed(Capability::ManageUserGroups, Target::Own))?;
            let created = self.created(by, tenant, name);
            permit(&authority, &deed(Capability::ManageUserGroups, Target::Group { name, created }))?;
        }
        within_holding(&authority, &key, "spec.permissions.allow", &settings.permissions)?;
        if let Some(names) = &settings.capabilities {
            within_capabilities(&authority, &key, "spec.capabilities.names", names)?;
        }
        for role in &roles {
            within_holding(&authority, &key, "spec.roles", &role.content.permissions)?;
            within_capabilities(&authority, &key, "spec.roles", &role.content.capabilities)?;
        }
        within_scope(&authority, &key, settings.scope.as_ref(), &chain, &self.above())?;
        let is_root = |row: &AccountRow| !row.removed && row.account.settings.tier == Tier::Root;
        let other_root =
            self.accounts.iter().enumerate().any(|(i, row)| i != at && row.tenant == tenant && is_root(row));
        if written.tier == Tier::Root && (self.tenants[tenant].parent.is_some() || other_root) {
            return Err(No::Moot);
        }

        // R3.
        let name = |role: &Assigned| Ref { namespace: role.namespace.clone(), name: role.name.clone() };
        let had: BTreeSet<Ref> = existing.iter().flat_map(|e| e.roles.iter().map(name)).collect();
        let new_tier = existing.as_ref().is_none_or(|e| e.account.settings.tier != written.tier);
        let gained = roles.iter().map(name).filter(|r| !had.contains(r));
        let mut addition: Vec<(Counted, i64)> = gained.map(|r| (Counted::Role(r), 1)).collect();
        if existing.is_none() {
            addition.push((Counted::Accounts, 1));
        }
        if new_tier {
            addition.push((Counted::Tier(written.tier), 1));
        }
        Self::room(&key, &chain, &self.uses(tenant), &addition)?;
        let used = own.map(|own| self.account_use(own, None)).unwrap_or_default();
        let before = existing.as_ref().and_then(|e| e.account.settings.manageable_devices);
        quota::own_not_below_use(&key, account_id(at), before, settings.manageable_devices, used)?;
        let takes = settings.manageable_devices.unwrap_or(used.held + used.delegated);
        self.delegate(&key, self.bound(by, own).as_ref(), takes)?;

        let above = authority.manager().map(|m| &m.account.effective);
        let effective = effective(&settings, &roles, above);
        let account = Account {
            id: account_id(at),
            object: None,
            tenant: tenant_id(tenant),
            name: key.name.clone(),
            settings,
            pending_email: None,
            proved: true,
            has_password: false,
            activated_at: None,
            effective,
            managed_by: by.map(account_id),
            created_at: now(),
        };
        let row = AccountRow {
            account,
            key,
            tenant,
            manager: by,
            roles,
            groups: written.groups.clone(),
            removed: false,
        };
        for name in &written.groups {
            if self.members(tenant, name).is_empty() {
                self.creators.insert((tenant, name.clone()), by);
            }
        }
        match own {
            Some(own) => self.accounts[own] = row,
            None => self.accounts.push(row),
        }
        self.settle();
        Ok(())
    }

    fn members(&self, tenant: usize, name: &str) -> Vec<usize> {
        let member =
            |at: &usize| self.accounts[*at].tenant == tenant && self.accounts[*at].groups.contains(name);
        self.living().into_iter().filter(member).collect()
    }

    /// Whose creation a group is.
    pub(crate) fn created(&self, by: Option<usize>, tenant: usize, name: &str) -> Created {
        if self.members(tenant, name).is_empty() {
            return Created::NotYet;
        }
        let creator = self.creators.get(&(tenant, name.to_owned())).copied().flatten();
        match self.own_creation(by, creator) {
            true => Created::ByManager,
            false => Created::ByOthers,
        }
    }

    /// Whether `by`, or an account below it, is `creator`.
    pub(crate) fn own_creation(&self, by: Option<usize>, creator: Option<usize>) -> bool {
        match (by, creator) {
            (Some(by), Some(creator)) => self.managers(creator).contains(&by),
            (by, creator) => by == creator,
        }
    }

    /// Every tenant with all above it, by name.
    fn above(&self) -> Above {
        let named = |at: usize| {
            let key = &self.tenants[at].key;
            Ref { namespace: key.namespace.clone(), name: key.name.clone() }
        };
        (0..self.tenants.len())
            .map(|at| (named(at), self.line(at).into_iter().map(named).collect()))
            .collect()
    }

    fn copies(
        &self,
        key: &ObjectKey,
        existing: Option<&AccountRow>,
        tenant: usize,
        wanted: &BTreeSet<usize>,
    ) -> Result<Vec<Assigned>, Refusal> {
        let line = self.line(tenant);
        let usable =
            wanted.iter().filter_map(|at| self.roles.get(*at)).filter(|(home, ..)| line.contains(home));
        usable
            .map(|(_, role, named)| {
                let wanted =
                    Wanted { namespace: named.namespace.clone(), name: named.name.clone(), pin: None };
                let held = existing.and_then(|e| e.roles.iter().find(|r| r.role == Some(role.id)));
                assign(
                    key,
                    &wanted,
                    held,
                    Some(&Template { role: role.clone(), pinned: None, held: None }),
                    false,
                )
            })
            .collect()
    }

    fn settings(&self, at: usize, written: &Written) -> Settings {
        let root = written.tier == Tier::Root;
        let tenant_ref = |at: &usize| {
            let key = &self.tenants[at % self.tenants.len()].key;
            Ref { namespace: key.namespace.clone(), name: key.name.clone() }
        };
        let role_ref = |at: &usize| {
            self.roles
                .get(*at)
                .map(|(.., key)| Ref { namespace: key.namespace.clone(), name: key.name.clone() })
        };
        Settings {
            username: format!("a{at}"),
            email: format!("a{at}@example.org"),
            company: None,
            mobile: None,
            tier: written.tier,
            enabled: written.enabled,
            email_verified: true,
            manageable_devices: written.quota,
            capabilities: written.capabilities.clone(),
            scope: written.scope.as_ref().map(|(tenants, groups, roles)| Scope {
                tenants: tenants.iter().map(tenant_ref).collect(),
                groups: groups.clone(),
                roles: roles.iter().filter_map(role_ref).collect(),
            }),
            permissions: Permissions {
                allow: written.permissions.allow.clone(),
                // Both are refused on a Root by the schema.
                deny: if root { vec![] } else { written.permissions.deny.clone() },
            },
            individual_access: written.individual_access.filter(|_| !root),
            locale: "en".into(),
            link_lifetime: 3600,
            deletion_policy: DeletionPolicy::Delete,
        }
    }
}

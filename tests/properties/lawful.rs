//! Whether an act is lawful, and what it changes: every act asks the pure
//! rules in the order in which the engine does, and changes the world only if
//! all of them agree. What the engine decides in SQL (one Root per root tenant,
//! who holds a device) is decided here in plain words. Accounts are in
//! `staffing`, grants in `giving`.

use std::collections::{BTreeMap, BTreeSet};

use tenantry::domain::authority::{
    Act as Deed, Authority, Reference, Target, permit, resolve, within_capabilities, within_holding,
};
use tenantry::domain::capability::Capability;
use tenantry::domain::object::{Kind, ObjectKey};
use tenantry::domain::quota::{self, Counted};
use tenantry::domain::role::{Content, Propagation, Role};
use tenantry::domain::tenant::{self, Limits, Parent, Tenant};
use tenantry::domain::verdict::Refusal;

use crate::acts::{Act, GROUPS};
use crate::model::{Held, TenantRow, To, World, account_id, now, tenant_id};

/// Why an act did not happen.
#[derive(Debug)]
pub(crate) enum No {
    /// A rule refused it.
    Refused(#[expect(dead_code, reason = "read when a test fails")] Refusal),
    /// It means nothing in this world.
    Moot,
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl World {
    /// Lets an act happen if the rules permit it.
    pub(crate) fn accept(&mut self, act: &Act) -> Result<(), No> {
        match act.clone() {
            Act::Tenant { by, parent, root, limits } => self.add_tenant(by, parent, root, limits),
            Act::Account { by, tenant, written } => {
                let tenant = tenant % self.tenants.len();
                let by = self.pick(by);
                self.put_account(None, by, tenant, &written)
            }
            Act::Rewrite { account, written } => {
                let at = self.pick(Some(account)).ok_or(No::Moot)?;
                let (by, tenant) = (self.accounts[at].manager, self.accounts[at].tenant);
                self.put_account(Some(at), by, tenant, &written)
            }
            Act::Role { by, tenant, content } => self.add_role(by, tenant % self.tenants.len(), content),
            Act::Share { by, tenant, to, devices, permissions, times } => {
                let tenant = tenant % self.tenants.len();
                let to = self.to(to.0, &to.1);
                self.share(self.pick(by), tenant, to, devices, permissions, times)
            }
            Act::Assign { by, tenant, to, device, permissions } => {
                let tenant = tenant % self.tenants.len();
                let to = match to {
                    (true, at) => To::Tenant(at % self.tenants.len()),
                    (false, at) => To::Accounts(vec![self.pick(Some(at)).ok_or(No::Moot)?]),
                };
                self.assign(self.pick(by), tenant, to, device, permissions)
            }
            Act::Import { device, tenant } => self.import(device, tenant % self.tenants.len()),
            Act::Remove { account } => self.remove(account),
            Act::Limit { tenant, limits } => self.limit(tenant % self.tenants.len(), limits),
            Act::Move { tenant, parent } => {
                self.move_tenant(tenant % self.tenants.len(), parent % self.tenants.len())
            }
            Act::Switch { tenant, enabled, permitted } => {
                let at = tenant % self.tenants.len();
                let row = &mut self.tenants[at].tenant;
                row.settings.enabled = enabled;
                row.permitted = permitted;
                Ok(())
            }
        }
    }

    /// The account that a number in an act means.
    pub(crate) fn pick(&self, at: Option<usize>) -> Option<usize> {
        let living = self.living();
        at.filter(|_| !living.is_empty()).map(|at| living[at % living.len()])
    }

    fn to(&self, kind: u8, which: &BTreeSet<usize>) -> To {
        let first = which.first().copied().unwrap_or_default();
        match kind {
            0 => To::Tenant(first % self.tenants.len()),
            1 => To::Group(GROUPS[first % GROUPS.len()].to_owned()),
            _ => {
                let picked: BTreeSet<usize> = which.iter().filter_map(|at| self.pick(Some(*at))).collect();
                To::Accounts(picked.into_iter().collect())
            }
        }
    }

    /// On whose authority an object of this tenant's namespace acts.
    pub(crate) fn authority(&self, key: &ObjectKey, by: Option<usize>) -> Result<Authority, Refusal> {
        let reference = match by {
            None => Reference::Absent,
            Some(at) => Reference::Found(Box::new(self.manager(at))),
        };
        resolve(key, key.namespace == "root", reference)
    }

    pub(crate) fn key(&self, kind: Kind, tenant: usize, name: String) -> ObjectKey {
        ObjectKey::new(kind, &self.tenants[tenant].key.namespace, name)
    }

    fn add_tenant(
        &mut self,
        by: Option<usize>,
        parent: Option<usize>,
        root: bool,
        limits: Limits,
    ) -> Result<(), No> {
        if self.tenants.len() >= 6 {
            return Err(No::Moot);
        }
        let at = self.tenants.len();
        let above = parent.filter(|_| at > 0).map(|parent| parent % at);
        let key = ObjectKey::new(Kind::Tenant, if root { "root" } else { "team" }, format!("t{at}"));
        let by = self.pick(by);
        let authority = self.authority(&key, by)?;
        let parent = match above {
            None => Parent::None,
            Some(above) => {
                Parent::Found { key: self.tenants[above].key.clone(), chain: self.chain(above), admits: true }
            }
        };
        if let Some(chain) = tenant::place(&key, None, &parent, root)? {
            permit(
                &authority,
                &Deed { key: &key, needs: Capability::ManageTenants, within: chain, target: Target::New },
            )?;
            Self::room(&key, chain, &self.uses(above.unwrap_or_default()), &[(Counted::Tenants, 1)])?;
        } else if by.is_some() {
            return Err(No::Moot);
        }
        let upper = above.map(|above| &self.tenants[above].tenant);
        let tenant = Tenant {
            id: tenant_id(at),
            object: None,
            parent: upper.map(|t| t.id),
            root: upper.map_or(tenant_id(at), |t| t.root),
            name: key.name.clone(),
            path: tenant::path(upper, &key.name),
            permitted: true,
            settings: tenant::Settings {
                display_name: key.name.clone(),
                enabled: true,
                allowed_namespaces: tenant::NamespacePolicy::All,
                limits,
                owner: None,
                mail: None,
                branding: None,
                deletion_policy: tenant::DeletionPolicy::Refuse,
            },
            managed_by: by.map(account_id),
            created_at: now(),
        };
        self.tenants.push(TenantRow { tenant, key, parent: above, manager: by });
        Ok(())
    }

    fn add_role(&mut self, by: Option<usize>, tenant: usize, content: Content) -> Result<(), No> {
        let at = self.roles.len();
        if at >= 3 {
            return Err(No::Moot);
        }
        let key = self.key(Kind::Role, tenant, format!("r{at}"));
        let by = self.pick(by);
        let authority = self.authority(&key, by)?;
        permit(
            &authority,
            &Deed {
                key: &key,
                needs: Capability::ManageRoles,
                within: &self.chain(tenant),
                target: Target::New,
            },
        )?;
        within_holding(&authority, &key, "spec.permissions.allow", &content.permissions)?;
        within_capabilities(&authority, &key, "spec.capabilities", &content.capabilities)?;
        let role = Role {
            id: uuid::Uuid::from_u128(0x3000 + at as u128),
            object: None,
            tenant: tenant_id(tenant),
            name: key.name.clone(),
            display_name: key.name.clone(),
            revision: content.revision(),
            content,
            number: 1,
            propagation: Propagation::OnReassign,
            managed_by: by.map(account_id),
            created_at: now(),
        };
        self.roles.push((tenant, role, key));
        Ok(())
    }

    /// R9: what it managed passes to its own manager, its devices return.
    fn remove(&mut self, account: usize) -> Result<(), No> {
        let at = self.pick(Some(account)).filter(|at| *at > 0).ok_or(No::Moot)?;
        let (heir, tenant) = (self.accounts[at].manager, self.accounts[at].tenant);
        self.accounts[at].removed = true;
        for row in &mut self.accounts {
            if row.manager == Some(at) {
                row.manager = heir;
            }
        }
        for held in &mut self.devices {
            if *held == Held::ByAccount(at) {
                *held = Held::ByTenant(tenant);
            }
        }
        for row in &mut self.tenants {
            if row.manager == Some(at) {
                row.manager = heir;
            }
        }
        for creator in self.creators.values_mut() {
            if *creator == Some(at) {
                *creator = None;
            }
        }
        for grant in &mut self.grants {
            if grant.giver == Some(at) {
                grant.giver = heir;
            }
            if let To::Accounts(accounts) = &mut grant.to {
                accounts.retain(|to| *to != at);
            }
        }
        self.settle();
        Ok(())
    }

    fn limit(&mut self, tenant: usize, limits: Limits) -> Result<(), No> {
        let row = &self.tenants[tenant];
        let used = self.use_of(tenant);
        quota::not_below_use(&row.key, row.tenant.id, &row.tenant.settings.limits, &limits, &used)?;
        self.tenants[tenant].tenant.settings.limits = limits;
        Ok(())
    }

    /// The subtree takes room at every tenant that it did not count at before.
    fn move_tenant(&mut self, tenant: usize, parent: usize) -> Result<(), No> {
        if self.tenants[tenant].parent.is_none() {
            return Err(No::Moot);
        }
        let key = self.tenants[tenant].key.clone();
        let found =
            Parent::Found { key: self.tenants[parent].key.clone(), chain: self.chain(parent), admits: true };
        tenant::place(&key, Some(tenant_id(tenant)), &found, false)?;
        let used = self.use_of(tenant);
        let counted = self.line(tenant);
        let mut chain = self.chain(parent);
        chain.0.retain(|level| !counted.iter().any(|at| tenant_id(*at) == level.tenant.id));
        Self::room(&key, &chain, &self.uses(parent), &used.brought())?;
        self.tenants[tenant].parent = Some(parent);
        self.renew_paths();
        Ok(())
    }

    fn renew_paths(&mut self) {
        let paths: BTreeMap<usize, String> = (0..self.tenants.len())
            .map(|at| {
                let names: Vec<String> =
                    self.line(at).iter().rev().map(|t| format!("/{}", self.tenants[*t].key.name)).collect();
                (at, names.concat())
            })
            .collect();
        for (at, path) in paths {
            self.tenants[at].tenant.path = path;
            self.tenants[at].tenant.parent = self.tenants[at].parent.map(tenant_id);
        }
    }
}

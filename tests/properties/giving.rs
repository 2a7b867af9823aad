//! Lawful acts with devices and grants: see `lawful` for all others.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tenantry::domain::account::Ref;
use tenantry::domain::authority::{Act as Deed, Reach, Subject, Target, permit, within_holding};
use tenantry::domain::capability::Capability;
use tenantry::domain::grant::Mode;
use tenantry::domain::object::{Kind, ObjectKey};
use tenantry::domain::permission::Permissions;
use tenantry::domain::quota::Counted;

use crate::lawful::No;
use crate::model::{GrantRow, Held, To, World, now, tenant_id};

impl World {
    /// The rules that every grant is under (R2, R4).
    fn may_grant(
        &self,
        by: Option<usize>,
        tenant: usize,
        mode: Mode,
        to: &To,
        permissions: &Permissions,
    ) -> Result<ObjectKey, No> {
        let key = self.key(Kind::DeviceGrant, tenant, format!("g{}", self.grants.len()));
        let authority = self.authority(&key, by)?;
        let chain = self.chain(tenant);
        let needs = Capability::AssignAssetPermissions;
        let deed = |target| Deed { key: &key, needs, within: &chain, target };
        permit(&authority, &deed(Target::Own))?;
        match to {
            To::Tenant(to) => {
                let row = &self.tenants[*to];
                let within = self.chain(*to);
                if !self.line(*to).contains(&tenant) {
                    return Err(No::Moot);
                }
                if !self.own_creation(by, row.manager) {
                    permit(&authority, &Deed { within: &within, ..deed(Target::Tenant(&row.key)) })?;
                }
            }
            To::Group(name) => {
                if authority.manager().is_some_and(|m| !m.covers(&chain)) {
                    let created = self.created(by, tenant, name);
                    permit(&authority, &deed(Target::Group { name, created }))?;
                }
            }
            // A Share to oneself is a grant of its own.
            To::Accounts(accounts)
                if mode == Mode::Share && by.is_some() && *accounts == Vec::from_iter(by) => {}
            To::Accounts(accounts) => {
                for at in accounts {
                    let row = &self.accounts[*at];
                    if !self.line(row.tenant).contains(&tenant) || by == Some(*at) {
                        return Err(No::Moot);
                    }
                    let role = |r: &tenantry::domain::role::Assigned| Ref {
                        namespace: r.namespace.clone(),
                        name: r.name.clone(),
                    };
                    let reach = match self.own_creation(by, row.manager) {
                        true => Reach::Own,
                        false => Reach::Others {
                            groups: row.groups.clone(),
                            roles: row.roles.iter().map(role).collect(),
                        },
                    };
                    let within = self.chain(row.tenant);
                    let subject = Subject { key: &row.key, tier: row.account.settings.tier, reach };
                    permit(&authority, &Deed { within: &within, ..deed(Target::Account(subject)) })?;
                }
            }
        }
        within_holding(&authority, &key, "spec.permissions.allow", permissions)?;
        Ok(key)
    }

    pub(crate) fn share(
        &mut self,
        by: Option<usize>,
        tenant: usize,
        to: To,
        devices: Option<BTreeSet<usize>>,
        permissions: Permissions,
        times: u8,
    ) -> Result<(), No> {
        self.may_grant(by, tenant, Mode::Share, &to, &permissions)?;
        let at = |offset: i64| Timestamp::from_second(now().as_second() + offset).unwrap();
        let times = match times {
            0 => (Some(at(0)), Some(at(1))),
            1 => (Some(at(1)), None),
            2 => (None, Some(at(0))),
            _ => (None, None),
        };
        self.grants.push(GrantRow { tenant, giver: by, mode: Mode::Share, to, devices, permissions, times });
        Ok(())
    }

    pub(crate) fn assign(
        &mut self,
        by: Option<usize>,
        tenant: usize,
        to: To,
        device: usize,
        permissions: Permissions,
    ) -> Result<(), No> {
        let key = self.may_grant(by, tenant, Mode::Assign, &to, &permissions)?;
        // It gives what its giver holds: the account, else the tenant.
        let held = self.devices[device];
        let by_account = by.is_some_and(|by| held == Held::ByAccount(by));
        if !by_account && held != Held::ByTenant(tenant) {
            return Err(No::Moot);
        }
        let (home, new) = match &to {
            To::Tenant(at) => (*at, Held::ByTenant(*at)),
            To::Accounts(accounts) => (self.accounts[accounts[0]].tenant, Held::ByAccount(accounts[0])),
            To::Group(_) => return Err(No::Moot),
        };
        // Where it counts already it takes no room.
        let from = self.tenant_of(held).unwrap_or(tenant);
        let counted = self.line(from);
        let mut chain = self.chain(home);
        chain.0.retain(|level| !counted.iter().any(|at| tenant_id(*at) == level.tenant.id));
        Self::room(&key, &chain, &self.uses(home), &[(Counted::Devices, 1)])?;
        if let Held::ByAccount(receiver) = new {
            let bound = self.bound(Some(receiver), None);
            let already = match held {
                Held::ByAccount(holder) => self.bound(Some(holder), None).map(|b| b.account),
                _ => None,
            };
            if bound.as_ref().map(|b| b.account) != already {
                self.delegate(&key, bound.as_ref(), 1)?;
            }
        }
        self.devices[device] = new;
        let devices = Some([device].into());
        self.grants.push(GrantRow {
            tenant,
            giver: by,
            mode: Mode::Assign,
            to,
            devices,
            permissions,
            times: (None, None),
        });
        Ok(())
    }

    pub(crate) fn import(&mut self, device: usize, tenant: usize) -> Result<(), No> {
        let key = self.tenants[tenant].key.clone();
        if self.devices[device] != Held::Nobody {
            return Err(No::Moot);
        }
        Self::room(&key, &self.chain(tenant), &self.uses(tenant), &[(Counted::Devices, 1)])?;
        self.devices[device] = Held::ByTenant(tenant);
        Ok(())
    }
}

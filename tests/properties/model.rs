//! A world in plain memory, and the facts that the rules want to know of it.
//! Things are named by their place in the lists; nothing is ever taken out of
//! a list, so that names stay. How it changes stands in `acts`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tenantry::domain::access::facts::{
    Covers, Device, Giver, Holder, Level as Floor, Lineage, Named, Offer, Person, Question, Subject,
};
use tenantry::domain::account::{Account, Ref, effective};
use tenantry::domain::authority::Manager;
use tenantry::domain::grant::{Mode, Receiver};
use tenantry::domain::object::{Kind, ObjectKey};
use tenantry::domain::permission::{Pattern, Permissions};
use tenantry::domain::quota::{AccountUse, Bound, TenantUse};
use tenantry::domain::role::{Assigned, Role};
use tenantry::domain::tenant::{Chain, Level, Tenant};
use tenantry::domain::tier::Tier;
use uuid::Uuid;

/// A tenant of the world.
#[derive(Clone, Debug)]
pub(crate) struct TenantRow {
    pub(crate) tenant: Tenant,
    pub(crate) key: ObjectKey,
    pub(crate) parent: Option<usize>,
    pub(crate) manager: Option<usize>,
}

/// An account of the world.
#[derive(Clone, Debug)]
pub(crate) struct AccountRow {
    pub(crate) account: Account,
    pub(crate) key: ObjectKey,
    pub(crate) tenant: usize,
    pub(crate) manager: Option<usize>,
    pub(crate) roles: Vec<Assigned>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) removed: bool,
}

/// Who receives a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Tenant(usize),
    Accounts(Vec<usize>),
    Group(String),
}

/// A grant of the world.
#[derive(Clone, Debug)]
pub(crate) struct GrantRow {
    pub(crate) tenant: usize,
    pub(crate) giver: Option<usize>,
    pub(crate) mode: Mode,
    pub(crate) to: To,
    /// None: a Share without `devices`.
    pub(crate) devices: Option<BTreeSet<usize>>,
    pub(crate) permissions: Permissions,
    pub(crate) times: (Option<Timestamp>, Option<Timestamp>),
}

/// Who holds a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Nobody,
    ByTenant(usize),
    ByAccount(usize),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) tenants: Vec<TenantRow>,
    pub(crate) accounts: Vec<AccountRow>,
    pub(crate) roles: Vec<(usize, Role, ObjectKey)>,
    pub(crate) grants: Vec<GrantRow>,
    pub(crate) devices: Vec<Held>,
    /// Who put the first member into a group.
    pub(crate) creators: BTreeMap<(usize, String), Option<usize>>,
}

/// The time at which questions are asked.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_000_000).unwrap()
}

pub(crate) fn tenant_id(at: usize) -> Uuid {
    Uuid::from_u128(0x1000 + at as u128)
}

pub(crate) fn account_id(at: usize) -> Uuid {
    Uuid::from_u128(0x2000 + at as u128)
}

/// What a question names, by place in the world's lists; a place beyond the
/// end is something that does not exist.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) operation: String,
    pub(crate) resource: String,
    pub(crate) device: Option<usize>,
    pub(crate) creator: Option<usize>,
}

impl World {
    /// Accounts that exist.
    pub(crate) fn living(&self) -> Vec<usize> {
        (0..self.accounts.len()).filter(|at| !self.accounts[*at].removed).collect()
    }

    /// A tenant and all above it.
    pub(crate) fn line(&self, tenant: usize) -> Vec<usize> {
        std::iter::successors(Some(tenant), |at| self.tenants[*at].parent).collect()
    }

    /// An account and all above it in the managed-by tree.
    pub(crate) fn managers(&self, account: usize) -> Vec<usize> {
        std::iter::successors(Some(account), |at| self.accounts[*at].manager).collect()
    }

    pub(crate) fn chain(&self, tenant: usize) -> Chain {
        let level = |(distance, at): (usize, usize)| Level {
            tenant: self.tenants[at].tenant.clone(),
            key: Some(self.tenants[at].key.clone()),
            source: None,
            distance: i64::try_from(distance).unwrap(),
        };
        Chain(self.line(tenant).into_iter().enumerate().map(level).collect())
    }

    pub(crate) fn manager(&self, account: usize) -> Manager {
        let row = &self.accounts[account];
        Manager {
            key: row.key.clone(),
            account: row.account.clone(),
            roles: row.roles.clone(),
            blocked: self.chain(row.tenant).blocked_by().is_some(),
        }
    }

    /// Computes again what follows from managers, from the top down.
    pub(crate) fn settle(&mut self) {
        let mut order = self.living();
        order.sort_by_key(|at| self.managers(*at).len());
        for at in order {
            let above = self.accounts[at].manager.map(|m| self.accounts[m].account.effective.clone());
            let row = &mut self.accounts[at];
            row.account.effective = effective(&row.account.settings, &row.roles, above.as_ref());
            row.account.managed_by = row.manager.map(account_id);
        }
    }

    /// What the subtrees of a tenant and of all above it contain.
    pub(crate) fn uses(&self, tenant: usize) -> Vec<TenantUse> {
        self.line(tenant).into_iter().map(|at| self.use_of(at)).collect()
    }

    pub(crate) fn use_of(&self, tenant: usize) -> TenantUse {
        let within = |at: usize| self.line(at).contains(&tenant);
        let mut used = TenantUse { tenant: tenant_id(tenant), ..TenantUse::default() };
        used.tenants = count((0..self.tenants.len()).filter(|at| *at != tenant && within(*at)).count());
        for at in self.living().into_iter().filter(|at| within(self.accounts[*at].tenant)) {
            let row = &self.accounts[at];
            used.accounts += 1;
            bump(&mut used.by_tier, row.account.settings.tier);
            for role in &row.roles {
                bump(&mut used.by_role, Ref { namespace: role.namespace.clone(), name: role.name.clone() });
            }
        }
        let holders = self.devices.iter().filter_map(|held| self.tenant_of(*held));
        used.devices = count(holders.filter(|at| within(*at)).count());
        used
    }

    pub(crate) fn tenant_of(&self, held: Held) -> Option<usize> {
        match held {
            Held::Nobody => None,
            Held::ByTenant(tenant) => Some(tenant),
            Held::ByAccount(account) => Some(self.accounts[account].tenant),
        }
    }

    /// What an account holds and has delegated, leaving out `except` and what
    /// counts through it.
    pub(crate) fn account_use(&self, account: usize, except: Option<usize>) -> AccountUse {
        let mut used = AccountUse {
            held: count(self.devices.iter().filter(|held| **held == Held::ByAccount(account)).count()),
            delegated: 0,
        };
        for below in self.living() {
            if self.accounts[below].manager != Some(account) || Some(below) == except {
                continue;
            }
            match self.accounts[below].account.settings.manageable_devices {
                Some(quota) => used.delegated += quota,
                None => {
                    let through = self.account_use(below, except);
                    used.held += through.held;
                    used.delegated += through.delegated;
                }
            }
        }
        used
    }

    /// The nearest account from `from` upwards that has a quota.
    pub(crate) fn bound(&self, from: Option<usize>, except: Option<usize>) -> Option<Bound> {
        let quota = |at: &usize| self.accounts[*at].account.settings.manageable_devices;
        let at = self.managers(from?).into_iter().find(|at| quota(at).is_some())?;
        Some(Bound {
            account: account_id(at),
            tenant: tenant_id(self.accounts[at].tenant),
            key: self.accounts[at].key.to_string(),
            quota: quota(&at)?,
            used: self.account_use(at, except),
        })
    }

    fn lineage(&self, tenant: usize) -> Lineage {
        let floor = |at: usize| {
            let TenantRow { tenant, key, .. } = &self.tenants[at];
            Floor {
                id: tenant.id,
                key: Some(key.clone()),
                path: tenant.path.clone(),
                enabled: tenant.settings.enabled,
                permitted: tenant.permitted,
            }
        };
        Lineage(self.line(tenant).into_iter().map(floor).collect())
    }

    pub(crate) fn subject(&self, account: usize) -> Subject {
        let row = &self.accounts[account];
        let settings = &row.account.settings;
        Subject {
            id: row.account.id,
            key: Some(row.key.clone()),
            username: settings.username.clone(),
            tier: settings.tier,
            enabled: settings.enabled,
            tenant: self.lineage(row.tenant),
            groups: row.groups.clone(),
            roles: row.roles.clone(),
            permissions: settings.permissions.clone(),
            individual_access: row.account.effective.individual_access,
            scope: settings.scope.clone(),
        }
    }

    pub(crate) fn person(&self, account: usize) -> Person {
        let row = &self.accounts[account];
        Person {
            id: row.account.id,
            key: Some(row.key.clone()),
            tenant: self.lineage(row.tenant),
            managers: self.managers(account).into_iter().map(account_id).collect(),
            groups: row.groups.clone(),
            roles: row
                .roles
                .iter()
                .map(|r| Ref { namespace: r.namespace.clone(), name: r.name.clone() })
                .collect(),
        }
    }

    pub(crate) fn device(&self, device: usize) -> Device {
        let holder = match self.devices[device] {
            Held::Nobody => Holder::Nobody,
            Held::ByTenant(tenant) => Holder::Tenant(self.lineage(tenant)),
            Held::ByAccount(account) => Holder::Account(self.person(account)),
        };
        Device { id: format!("d{device}"), holder }
    }

    /// The device if it is held within the tenant, as a Share needs it.
    pub(crate) fn within_reach(&self, device: usize, tenant: usize) -> bool {
        let holder = self.devices.get(device).and_then(|held| self.tenant_of(*held));
        holder.is_some_and(|holder| self.line(holder).contains(&tenant))
    }

    pub(crate) fn offers(&self, device: Option<usize>) -> Vec<Offer> {
        let offer = |(at, grant): (usize, &GrantRow)| Offer {
            key: ObjectKey::new(Kind::DeviceGrant, "root", format!("g{at}")),
            tenant: tenant_id(grant.tenant),
            mode: grant.mode,
            receivers: match &grant.to {
                To::Tenant(tenant) => vec![Receiver::Tenant(tenant_id(*tenant))],
                To::Accounts(accounts) => accounts
                    .iter()
                    .map(|at| Receiver::Account {
                        account: account_id(*at),
                        tenant: tenant_id(self.accounts[*at].tenant),
                    })
                    .collect(),
                To::Group(name) => {
                    vec![Receiver::Group { tenant: tenant_id(grant.tenant), name: name.clone() }]
                }
            },
            permissions: grant.permissions.clone(),
            not_before: grant.times.0,
            expires_at: grant.times.1,
            giver: match grant.giver {
                None => Giver::Platform,
                Some(at) => {
                    Giver::Account { id: account_id(at), tier: self.accounts[at].account.settings.tier }
                }
            },
            covers: match &grant.devices {
                None => Covers::NoDevices,
                Some(devices) => match device {
                    Some(device) if devices.contains(&device) && self.within_reach(device, grant.tenant) => {
                        Covers::Asked
                    }
                    _ => Covers::Others,
                },
            },
        };
        self.grants.iter().enumerate().map(offer).collect()
    }

    pub(crate) fn question(&self, asked: &Asked) -> Question {
        Question {
            operation: Pattern::new(&asked.operation),
            resource: Pattern::new(&asked.resource),
            device: asked.device.map(|at| match at < self.devices.len() {
                true => Named::Known(self.device(at)),
                false => Named::Unknown(format!("d{at}")),
            }),
            creator: asked.creator.map(|at| match self.accounts.get(at).is_some_and(|row| !row.removed) {
                true => Named::Known(self.person(at)),
                false => Named::Unknown(format!("a{at}")),
            }),
        }
    }

    pub(crate) fn tier(&self, account: usize) -> Tier {
        self.accounts[account].account.settings.tier
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap()
}

fn bump<K: PartialEq>(counts: &mut Vec<(K, i64)>, key: K) {
    match counts.iter_mut().find(|(k, _)| *k == key) {
        Some((_, n)) => *n += 1,
        None => counts.push((key, 1)),
    }
}

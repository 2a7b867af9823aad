//! Room as the engine asks for it: is anything short, and if so the refusal.

use tenantry::domain::object::ObjectKey;
use tenantry::domain::quota::{Bound, Counted, TenantUse, shortfall};
use tenantry::domain::tenant::Chain;

use crate::lawful::No;
use crate::model::World;

impl World {
    /// Whether every tenant of the chain has room for an addition.
    pub(crate) fn room(
        key: &ObjectKey,
        chain: &Chain,
        uses: &[TenantUse],
        addition: &[(Counted, i64)],
    ) -> Result<(), No> {
        match shortfall(chain, uses, addition) {
            None => Ok(()),
            Some(short) => Err(short.refusal(key, None, &[]).into()),
        }
    }

    /// Whether the account that bounds a manager can delegate these devices.
    pub(crate) fn delegate(&self, key: &ObjectKey, bound: Option<&Bound>, devices: i64) -> Result<(), No> {
        match bound.filter(|bound| devices > 0 && !bound.has_room_for(devices)) {
            None => Ok(()),
            Some(bound) => Err(bound.refusal(key, devices, &self.tenants[0].tenant, &[]).into()),
        }
    }
}

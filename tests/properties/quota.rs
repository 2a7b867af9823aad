//! R3: no limit and no quota is exceeded, whatever happens in whatever order.

use proptest::prelude::*;
use tenantry::domain::account::Ref;
use tenantry::domain::quota::Counted;
use tenantry::domain::tier::Tier;

use crate::acts::{acts, beginning};
use crate::model::World;

/// The first limit or quota that is exceeded.
fn exceeded(world: &World) -> Option<String> {
    for (at, row) in world.tenants.iter().enumerate() {
        let (limits, used) = (&row.tenant.settings.limits, world.use_of(at));
        let mut pairs = vec![
            ("devices".to_owned(), used.devices, limits.devices),
            ("tenants".to_owned(), used.tenants, limits.tenants),
            ("accounts".to_owned(), used.accounts, limits.accounts),
        ];
        for tier in [Tier::Root, Tier::SuperAdmin, Tier::Admin, Tier::Basic] {
            pairs.push((
                tier.to_string(),
                used.of(&Counted::Tier(tier)),
                limits.finer.by_tier.get(&tier).copied(),
            ));
        }
        for role in &limits.finer.by_role {
            pairs.push((
                role.name.clone(),
                used.of(&Counted::Role(Ref { namespace: role.namespace.clone(), name: role.name.clone() })),
                Some(role.max),
            ));
        }
        for (name, used, max) in pairs {
            if max.is_some_and(|max| used > max) {
                return Some(format!("{name} of {}: {used} of {max:?}", row.key));
            }
        }
    }
    for at in world.living() {
        let used = world.account_use(at, None);
        if let Some(quota) = world.accounts[at].account.settings.manageable_devices
            && used.held + used.delegated > quota
        {
            return Some(format!("{}: {used:?} of {quota}", world.accounts[at].key));
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r3_no_limit_and_no_quota_is_exceeded_under_any_interleaving(acts in acts()) {
        let mut world = beginning();
        for act in acts {
            let accepted = world.accept(&act);
            prop_assert_eq!(exceeded(&world), None, "after {:?}: {:?}", act, accepted);
        }
    }
}

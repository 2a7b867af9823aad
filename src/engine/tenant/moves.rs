//! A tenant moves with everything below it (R3, R4): what it brings along
//! counts for each new ancestor, and what hung on the former ones stays behind.
//!
//! Copies of their roles stay in force, as those of a deleted role do. Accounts
//! whose manager is no longer above say `AuthorityLost` and keep their last
//! good state. What a former ancestor granted ends, because a receiver must lie
//! below its giver: devices go back, and with them what was handed on.

use uuid::Uuid;

use crate::domain::object::Topic;
use crate::domain::quota::Counted;
use crate::domain::tenant::{Chain, Tenant};
use crate::engine::pass::{Pass, Step};
use crate::engine::room;

/// Whether there is room for a tenant that moves below `above`; a root needs none.
pub(super) async fn judge(pass: &mut Pass<'_>, own: &Tenant, above: Option<&Chain>) -> Step<()> {
    let Some(above) = above else { return Ok(()) };
    // Ancestors that it was below before gain nothing.
    let old = pass.tx.chain(own.id).await?;
    let gaining = Chain(above.0.iter().filter(|l| !old.contains(l.tenant.id)).cloned().collect());
    let bounded = |what: fn(&Counted) -> bool| {
        let limits = gaining.0.iter().flat_map(|level| level.tenant.settings.limits.each());
        limits.into_iter().any(|(counted, _)| what(&counted))
    };
    if !bounded(|_| true) {
        return Ok(());
    }
    let mut brought = pass.tx.use_of(own.id).await?;
    if bounded(|counted| *counted == Counted::Devices)
        && let Some(parent) = above.own()
    {
        brought.devices = pass.tx.devices_brought(own.id, parent.id).await?;
    }
    room::under_limits(pass, &gaining, &brought.brought(), Some(own)).await
}

/// Moves the tenant, and tells everybody concerned on both sides.
pub(super) async fn relocate(pass: &mut Pass<'_>, old: &Tenant, parent: Option<&Tenant>) -> Step<()> {
    for former in pass.tx.chain(old.id).await?.0 {
        pass.publish(Topic::tenant_room(former.tenant.id));
        pass.publish(Topic::contents(former.tenant.id));
        pass.counts_changed(former.tenant.id);
    }
    pass.tx.move_tenant(old, parent).await?;
    pass.publish(Topic::taken(&old.path));
    leave_grants_behind(pass, old.id).await?;

    // Grants and others look at whoever is inside; objects that wait in there
    // and were never in force are known by their topics only.
    for key in pass.tx.objects_of_subtree(old.id).await? {
        pass.publish(Topic::object(&key));
    }
    for tenant in pass.tx.subtree(old.id).await? {
        pass.publish(Topic::tenant_room(tenant));
        pass.publish(Topic::devices(tenant));
    }
    Ok(())
}

/// Ends what tenants that are no longer above have granted into the subtree.
async fn leave_grants_behind(pass: &mut Pass<'_>, moved: Uuid) -> Step<()> {
    pass.tx.drop_receivers_out_of_reach(moved).await?;
    let cuts = pass.tx.links_out_of_reach(moved).await?;
    if cuts.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = cuts.iter().map(|(id, _)| id.as_str()).collect();
    pass.tx.wake_grants_about(&ids, None).await?;
    let places = pass.tx.cut_chains(&cuts).await?;
    pass.tx.wake_around(&places, None).await?;
    for account in pass.tx.accounts_around(moved).await? {
        pass.publish(Topic::account_room(account));
    }
    Ok(())
}

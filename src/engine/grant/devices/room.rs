//! R3 for an Assign: what limits leave for its receiver, counted inside the
//! transaction.

use std::collections::BTreeSet;

use super::{Work, account_of};
use crate::domain::grant::devices::Holder;
use crate::domain::grant::room::{Allotment, Bearer, Met, Want, no_room};
use crate::domain::quota::Counted;
use crate::domain::verdict::Refusal;
use crate::engine::pass::{Pass, Step};
use crate::store::grant_devices::Seen;

/// How far each of the wanted standings is met, and which limits stand in the
/// way of the rest.
pub(super) async fn allot(
    pass: &mut Pass<'_>,
    work: &mut Work<'_>,
    seen: &[Seen],
    wanted: &[usize],
) -> Step<(Vec<Met>, Vec<usize>)> {
    pass.tx.count_devices(&mut work.limits).await?;
    let holders: BTreeSet<Holder> = wanted.iter().map(|&index| seen[index].standing.holder).collect();
    let counted = pass.tx.counted_under(&holders, &work.limits).await?;
    let wants = wanted.iter().map(|&index| {
        let Seen { devices, standing, .. } = &seen[index];
        let ids = [standing.holder.tenant, standing.holder.account];
        let counts = |bearer| ids.iter().flatten().any(|id| counted.contains(&(*id, bearer)));
        let needs = work.limits.iter().enumerate().filter(|(_, limit)| !counts(limit.bearer));
        Want { devices: *devices, needs: needs.map(|(place, _)| place).collect() }
    });
    let mut allotment = Allotment::new(&work.limits, wants.collect());
    let keys: Vec<&str> = wanted.iter().map(|&index| seen[index].key.as_str()).collect();
    let mut after = String::new();
    while !allotment.is_settled() {
        let page = pass.tx.devices_standing(&work.search, &keys, &after).await?;
        let Some((last, _)) = page.last() else { break };
        after.clone_from(last);
        for (id, key) in &page {
            if let Some(want) = keys.iter().position(|known| known == key) {
                allotment.offer(want, id);
            }
        }
    }
    let full = allotment.full(&mut work.limits);
    Ok((allotment.met(), full))
}

/// Which limits refused some devices, and who consumes most of each, once the
/// rest has been given.
pub(super) async fn refusal(pass: &mut Pass<'_>, work: &Work<'_>, full: &[usize]) -> Step<Option<Refusal>> {
    if full.is_empty() {
        return Ok(None);
    }
    let giver = work.grant.tenant;
    let chain = pass.tx.chain(giver).await?;
    let own = chain.own().map_or("", |tenant| tenant.path.as_str());
    let mut named = vec![];
    for &place in full {
        let limit = &work.limits[place];
        // The tenant of the limit, or the one that gives if that lies deeper.
        let (consumers, within) = match (limit.bearer, &limit.seen) {
            (Bearer::Account(account), _) => (pass.tx.consumers_below(account, giver).await?, own),
            (Bearer::Tenant(tenant), Some(path)) => {
                (pass.tx.largest_consumers(tenant, &Counted::Devices).await?, path.as_str())
            }
            (Bearer::Tenant(_), None) => (pass.tx.largest_consumers(giver, &Counted::Devices).await?, own),
        };
        named.push((limit, within, consumers));
    }
    Ok(Some(no_room(pass.key(), &named)))
}

/// What an account handed on and got back may be more than it has room for,
/// because it has delegated in the meantime. It gives back in turn, the last
/// ids first, so that nobody holds and delegates more than it may. Whether
/// anything went.
pub(super) async fn give_back(pass: &mut Pass<'_>, work: &mut Work<'_>) -> Step<bool> {
    let Some(account) = work.limits.iter().find_map(account_of) else { return Ok(false) };
    pass.tx.count_devices(&mut work.limits).await?;
    let over = work.limits.iter().filter(|l| account_of(l).is_some()).map(|l| -l.left()).max();
    let mut over = over.unwrap_or_default();
    if over <= 0 {
        return Ok(false);
    }
    // What goes back to somebody who counts under the same number frees nothing.
    let giver = Holder { tenant: None, account: work.grant.managed_by };
    let counted = pass.tx.counted_under(&[giver].into(), &work.limits).await?;
    let by_tenant = counted.iter().any(|(_, bearer)| *bearer == Bearer::Account(account));
    let before = work.returned;
    while over > 0 {
        let links = pass.tx.last_links_of(work.grant.id, by_tenant, over).await?;
        if links.is_empty() {
            break;
        }
        over -= super::count(links.len());
        super::cut(pass, work, &links).await?;
    }
    Ok(work.returned > before)
}

//! Room under limits and quotas (R3), asked inside the transaction by whatever
//! adds something: accounts, tenants that are new or move, delegated devices.
//! Nothing is counted where no limit is set, and nobody is looked for who
//! could be named in a refusal unless there is one.

use uuid::Uuid;

use super::pass::{Pass, Step};
use crate::domain::object::Topic;
use crate::domain::quota::{Counted, binding, shortfall};
use crate::domain::tenant::{Chain, Tenant};

/// Refuses an addition that one of the tenants of the chain has no room for.
/// `viewer` is the object's own tenant, if it exists already: what lies in it
/// and below may be named.
pub(super) async fn under_limits(
    pass: &mut Pass<'_>,
    chain: &Chain,
    addition: &[(Counted, i64)],
    viewer: Option<&Tenant>,
) -> Step<()> {
    let (tenants, counted) = binding(chain, addition);
    if tenants.is_empty() {
        return Ok(());
    }
    let rooms: Vec<_> = tenants.iter().copied().map(Topic::tenant_room).collect();
    pass.room_in_turn(&rooms).await?;
    let uses = pass.tx.uses_of(&tenants, &counted).await?;
    let Some(short) = shortfall(chain, &uses, addition) else {
        return Ok(());
    };
    let consumers = match viewer {
        Some(viewer) => pass.tx.largest_consumers(viewer.id, &short.counted).await?,
        None => vec![],
    };
    Err(short.refusal(pass.key(), viewer, &consumers).into())
}

/// What an account takes from the quota above it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// Its manager.
    pub(super) manager: Option<Uuid>,
    /// Its `manageableDevices`.
    pub(super) quota: Option<i64>,
}

/// Refuses a share of devices that the account which bounds the manager cannot
/// delegate. `own` is the account and the share that it has now, if it exists.
pub(super) async fn under_quota(
    pass: &mut Pass<'_>,
    own: Option<(Uuid, Share)>,
    wanted: Share,
    viewer: &Tenant,
) -> Step<()> {
    let id = own.map(|(id, _)| id);
    let Some(bound) = pass.tx.quota_bound(wanted.manager, id).await? else {
        return Ok(());
    };
    let takes = match (wanted.quota, id) {
        (Some(quota), _) => quota,
        (None, None) => 0,
        // Without a quota of its own, what it holds and delegates counts above.
        (None, Some(id)) => pass.tx.account_use(id, None).await?.total(),
    };
    let eased = own.is_some_and(|(_, now)| {
        now.manager == wanted.manager && now.quota.is_some_and(|quota| takes <= quota)
    });
    if takes == 0 || eased {
        return Ok(());
    }
    pass.room_in_turn(&[Topic::account_room(bound.account)]).await?;
    if bound.has_room_for(takes) {
        return Ok(());
    }
    let consumers = pass.tx.largest_delegations(bound.account, viewer.id, id).await?;
    Err(bound.refusal(pass.key(), takes, viewer, &consumers).into())
}

//! The devices of a grant in one pass: what it must not hold any more ends,
//! what it is about is looked at and decided, and only the differences are
//! written. However many devices there are, they are treated by their standing
//! (`domain::grant::devices`), all of one standing at once.

mod plan;
mod room;

use super::super::pass::{Pass, Step};
use crate::domain::authority::sight;
use crate::domain::grant::devices::{OVER_LIMIT, Own, Place, State};
use crate::domain::grant::room::{Bearer, Limit, Met};
use crate::domain::grant::{Grant, Mode, Receiver, Reclaim, Tally, Window, window};
use crate::domain::object::Topic;
use crate::domain::verdict::Refusal;
use crate::store::assignments::{Cut, Places};
use crate::store::grant_devices::{Given, Mark, Search, Seen};
use plan::{Fate, Plan};

/// Ids shown in status.
const SHOWN: usize = 20;
/// Said of a unit id; the same words for one that is out of reach (R4).
const PENDING_UNIT: &str = "no device within reach of the giver has this unit id";

/// What the devices of a grant came to.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) tally: Tally,
    pub(super) pending: Vec<(String, String)>,
    pub(super) refused: Vec<(String, String)>,
    /// What some devices are refused for.
    pub(super) refusals: Vec<Refusal>,
    pub(super) changed: bool,
}

/// A grant at work on its devices.
struct Work<'g> {
    grant: &'g Grant,
    search: Search,
    /// Whether it gives now.
    open: bool,
    /// False while the grant is refused: what it gave stays, nothing more is
    /// given.
    may_give: bool,
    /// What binds the receiver of an Assign.
    limits: Vec<Limit>,
    /// Where devices have gone, or come from.
    places: Places,
    given: i64,
    returned: i64,
    changed: bool,
}

/// Makes every device of a grant what it should be now.
pub(super) async fn settle(pass: &mut Pass<'_>, grant: &Grant, may_give: bool) -> Step<Settled> {
    let at = window(grant.not_before, grant.expires_at, pass.now());
    // An Assign whose receiver is gone gives nothing to anybody.
    let received = grant.mode == Mode::Share || !grant.receivers.is_empty();
    let open = at == Window::Open && received;
    let limits = match grant.receivers.first() {
        Some(to) if open && grant.mode == Mode::Assign => pass.tx.device_limits(to, grant.tenant).await?,
        _ => vec![],
    };
    let search = search(pass, grant, !limits.is_empty()).await?;
    let mut work = Work {
        grant,
        search,
        open,
        limits,
        places: Places::default(),
        given: 0,
        returned: 0,
        changed: false,
        may_give,
    };

    put_back(pass, &mut work).await?;
    let marks = pass.tx.marked_devices(grant.id).await?;
    let mut seen = pass.tx.standings(&work.search).await?;
    // An edit has asked before it was written; others ask now.
    if pass.in_force()
        && !work.limits.is_empty()
        && let Some(stop) = pass.turn_for_room(&rooms(&work.limits)).await?
        && Plan::of(pass, &mut work, seen.clone()).await?.count_given() > 0
    {
        return Err(stop);
    }
    // What ends comes first: it may free the room that others need. When its
    // time is over, an Assign that lets its receiver keep the devices stays.
    let keeps = open || (at == Window::Over && grant.reclaim == Reclaim::Retain && received);
    let strays = marks > known(&seen) || seen.iter().any(|one| one.standing.own == Own::Misplaced);
    if grant.mode == Mode::Assign && marks > 0 && (!keeps || strays) {
        let of = if keeps { Which::Strays } else { Which::All };
        if end(pass, &mut work, of, grant.reclaim).await? {
            seen = pass.tx.standings(&work.search).await?;
        }
    }
    if room::give_back(pass, &mut work).await? {
        seen = pass.tx.standings(&work.search).await?;
    }

    let mut plan = Plan::of(pass, &mut work, seen).await?;
    while clear(pass, &mut work, &plan).await? {
        let seen = pass.tx.standings(&work.search).await?;
        plan = Plan::of(pass, &mut work, seen).await?;
    }
    write(pass, &mut work, &plan, marks).await?;
    tell(pass, &work).await?;
    report(pass, work, plan).await
}

/// Puts back holders that somebody changed by hand, before anything is decided
/// by them (R10).
async fn put_back(pass: &mut Pass<'_>, work: &mut Work<'_>) -> Step<()> {
    if work.grant.mode == Mode::Share {
        return Ok(());
    }
    let restored = pass.tx.restore_holders(work.grant.id).await?;
    if restored > 0 {
        let actor = pass.answering(work.grant.managed_by).await?;
        let after = serde_json::json!({"holdersPutBack": restored});
        pass.repaired(actor, work.grant.tenant, after).await?;
        pass.counts_changed(work.grant.tenant);
        work.changed = true;
    }
    Ok(())
}

/// What tells that there is more room under these limits.
fn rooms(limits: &[Limit]) -> Vec<Topic> {
    limits.iter().map(Limit::topic).collect()
}

/// Lets those go first whose turn it is to take room at the receiver (R12).
pub(super) async fn in_turn(pass: &mut Pass<'_>, to: &Receiver, giver: uuid::Uuid) -> Step<()> {
    let limits = pass.tx.device_limits(to, giver).await?;
    if limits.is_empty() {
        return Ok(());
    }
    pass.room_in_turn(&rooms(&limits)).await
}

/// How the grant looks for its devices. Its giver may see less than everything
/// in the tenant (R4, R5).
async fn search(pass: &mut Pass<'_>, grant: &Grant, by_holder: bool) -> Step<Search> {
    let mut search = Search::new(grant, pass.now());
    if by_holder {
        search = search.by_holder();
    }
    let Some(giver) = grant.managed_by else { return Ok(search) };
    let Some(giver) = pass.tx.account(giver).await? else { return Ok(search) };
    let within = pass.tx.chain(grant.tenant).await?;
    let Some(sight) = sight(&giver.account, &within, grant.to_itself()) else { return Ok(search) };
    // Who is in its groups changes what it sees.
    for name in sight.scope.iter().flat_map(|scope| &scope.groups) {
        pass.subscribe(Topic::group(sight.tenant, name));
    }
    Ok(search.seen_by(&sight, pass.source()))
}

impl Work<'_> {
    fn add(&mut self, places: Places) {
        self.changed = true;
        self.places.tenants.extend(places.tenants);
        self.places.accounts.extend(places.accounts);
    }
}

/// How many of the devices were there at the last pass.
fn known(seen: &[Seen]) -> i64 {
    seen.iter().filter(|one| one.standing.mark.is_some()).map(|one| one.devices).sum()
}

/// Ends everything that a grant has given, before it goes or gives to somebody
/// else.
pub(super) async fn take_back(pass: &mut Pass<'_>, grant: &Grant, reclaim: Reclaim) -> Step<()> {
    let mut work = Work {
        grant,
        search: Search::new(grant, pass.now()),
        open: false,
        limits: vec![],
        places: Places::default(),
        given: 0,
        returned: 0,
        changed: false,
        may_give: false,
    };
    end(pass, &mut work, Which::All, reclaim).await?;
    pass.tx.wake_rivals(grant.id).await?;
    tell(pass, &work).await
}

/// Which of its links a grant ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Strays,
}

/// Ends what a grant has given: the devices return to their giver and what the
/// receiver handed on ends, or the receiver keeps them. Whether there was any.
async fn end(pass: &mut Pass<'_>, work: &mut Work<'_>, which: Which, reclaim: Reclaim) -> Step<bool> {
    let mut after = String::new();
    loop {
        let links = match which {
            Which::All => pass.tx.links_of(work.grant.id, &after).await?,
            Which::Strays => pass.tx.stray_links(&work.search, &after).await?,
        };
        let Some((last, _)) = links.last() else { return Ok(!after.is_empty()) };
        after.clone_from(last);
        match reclaim {
            Reclaim::Retain => {
                let ids: Vec<&str> = links.iter().map(|(id, _)| id.as_str()).collect();
                pass.tx.wake_grants_about(&ids, Some(work.grant.id)).await?;
                pass.tx.keep_links(&links).await?;
                work.changed = true;
            }
            Reclaim::ReturnToGrantor => cut(pass, work, &links).await?,
        }
    }
}

/// Cuts the chains of devices, and remembers where these were.
async fn cut(pass: &mut Pass<'_>, work: &mut Work<'_>, links: &[Cut]) -> Step<()> {
    let ids: Vec<&str> = links.iter().map(|(id, _)| id.as_str()).collect();
    pass.tx.wake_grants_about(&ids, Some(work.grant.id)).await?;
    let places = pass.tx.cut_chains(links).await?;
    work.returned += count(links.len());
    work.add(places);
    Ok(())
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Frees the places of devices that are about to be given: a later claim steps
/// aside, with everything handed on from there. Whether anything was in the way.
async fn clear(pass: &mut Pass<'_>, work: &mut Work<'_>, plan: &Plan) -> Step<bool> {
    let in_the_way: Vec<Given> = plan.given(|seen| seen.standing.place != Place::Free);
    if in_the_way.is_empty() {
        return Ok(false);
    }
    let mut cuts = vec![];
    loop {
        let after = cuts.last().map_or("", |(id, _): &Cut| id.as_str()).to_owned();
        cuts = pass.tx.places_of(&work.search, &in_the_way, &after).await?;
        if cuts.is_empty() {
            return Ok(true);
        }
        let ids: Vec<&str> = cuts.iter().map(|(id, _)| id.as_str()).collect();
        pass.tx.wake_grants_about(&ids, Some(work.grant.id)).await?;
        let places = pass.tx.cut_chains(&cuts).await?;
        work.add(places);
    }
}

/// Writes what differs from the last pass; `marked` is how many devices that
/// one knew.
async fn write(pass: &mut Pass<'_>, work: &mut Work<'_>, plan: &Plan, marked: i64) -> Step<()> {
    let marks: Vec<Mark> = plan.marks();
    pass.tx.mark_devices(&work.search, &marks).await?;
    let given = plan.given(|_| true);
    if let (false, Some(to)) = (given.is_empty(), work.grant.receivers.first()) {
        match (plan.seen.as_slice(), given.as_slice()) {
            ([all], [Given { until: None, .. }]) if work.search.is_by_id() => {
                pass.tx.give_alike(&work.search, all, to).await?;
            }
            _ => pass.tx.give(&work.search, &given, to).await?,
        }
        let (tenant, account) = match to {
            Receiver::Tenant(tenant) | Receiver::Group { tenant, .. } => (*tenant, None),
            Receiver::Account { account, tenant } => (*tenant, Some(*account)),
        };
        let giver = work.grant.managed_by;
        work.given = plan.count_given();
        work.add(Places {
            tenants: vec![tenant, work.grant.tenant],
            accounts: account.into_iter().chain(giver).collect(),
        });
    }
    let gone = marked > known(&plan.seen);
    let differs = gone || !marks.is_empty() || !given.is_empty();
    if differs {
        pass.tx.wake_rivals(work.grant.id).await?;
    }
    if gone {
        pass.tx.forget_devices(&work.search).await?;
    }
    work.changed |= differs;
    if work.changed {
        pass.publish_self();
        // What the receiver hands on rests on what it was given.
        if let Some(account) = work.grant.receiving_account() {
            pass.publish(Topic::given(account));
        }
    }
    Ok(())
}

/// Tells everybody concerned that devices have moved.
async fn tell(pass: &mut Pass<'_>, work: &Work<'_>) -> Step<()> {
    let Places { tenants, accounts } = &work.places;
    if tenants.is_empty() && accounts.is_empty() {
        return Ok(());
    }
    let object = pass.object_id();
    pass.tx.wake_around(&work.places, Some(object)).await?;
    // What accounts hold and delegate stands in their status, too.
    if !accounts.is_empty() {
        let due = pass.counts_due();
        pass.tx.wake_managers(accounts, due).await?;
    }
    pass.counts_changed(work.grant.tenant);
    for tenant in tenants {
        pass.counts_changed(*tenant);
    }
    // How many devices have moved, not which.
    let actor = pass.answering(work.grant.managed_by).await?;
    let after = serde_json::json!({"given": work.given, "returned": work.returned});
    pass.audit("devices-moved", actor, Some(work.grant.tenant), None, Some(after)).await?;
    Ok(())
}

async fn report(pass: &mut Pass<'_>, work: Work<'_>, mut plan: Plan) -> Step<Settled> {
    plan.refusals.extend(room::refusal(pass, &work, &plan.full).await?);
    let mut tally = Tally::default();
    for (seen, fate) in plan.seen.iter().zip(&plan.fates) {
        let (applied, refused) = match fate {
            Fate::Are(State::Applied) | Fate::Given(Met::All) => (seen.devices, 0),
            Fate::Given(Met::Until(_, given)) => (*given, seen.devices - given),
            Fate::Are(State::Refused) | Fate::Given(Met::Nothing) => (0, seen.devices),
            Fate::Are(State::Waiting) => {
                tally.waiting += seen.devices;
                (0, 0)
            }
            Fate::Are(State::Pending) => {
                tally.pending += seen.devices;
                tally.requested += seen.devices;
                continue;
            }
            Fate::Are(State::Idle) | Fate::Left => (0, 0),
        };
        tally.applied += applied;
        tally.refused += refused;
        tally.matched += seen.devices;
        tally.requested += seen.devices;
    }
    let shown = count(SHOWN);
    let mut settled = Settled { refusals: plan.refusals, changed: work.changed, ..Settled::default() };
    if tally.pending > 0 {
        settled.pending = pass.tx.devices_in(work.grant.id, [State::Pending; 2], shown).await?;
    }
    if tally.refused + tally.waiting > 0 {
        let states = [State::Refused, State::Waiting];
        settled.refused = pass.tx.devices_in(work.grant.id, states, shown).await?;
    }
    let (units, waiting) = pass.tx.pending_units(&work.search, shown).await?;
    tally.pending += waiting;
    tally.requested += waiting;
    settled.pending.extend(units.into_iter().map(|unit| (unit, PENDING_UNIT.to_owned())));
    settled.pending.truncate(SHOWN);
    settled.tally = tally;
    Ok(settled)
}

/// Why devices of a state are not applied, as status says it.
const fn why(state: State) -> Option<&'static str> {
    use crate::domain::grant::devices::{HELD, PENDING};
    match state {
        State::Applied | State::Idle => None,
        State::Pending => Some(PENDING),
        State::Waiting => Some(HELD),
        State::Refused => Some(OVER_LIMIT),
    }
}

/// The account whose number of devices binds a receiver.
const fn account_of(limit: &Limit) -> Option<uuid::Uuid> {
    match limit.bearer {
        Bearer::Account(account) => Some(account),
        Bearer::Tenant(_) => None,
    }
}

//! The audit trail at work: the task that seals it beside the outbox, the last
//! seal of `apply`, reading it as somebody, and proving it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{AppError, key};
use crate::config::Settings;
use crate::domain::audit::Verified;
use crate::domain::audit::reading::{
    Facts, SESSIONS, is_session, may_name, may_read, may_see, sees_administration,
};
use crate::domain::authority::{Manager, Reach, account_key};
use crate::domain::verdict::{Refusal, with_causes};
use crate::engine::{Engine, Sealing, prove};
use crate::store::accounts::Found;
use crate::store::trail::{Listed, Party, Place, Search};
use crate::store::{Access, Store, StoreError, Tx};

/// How soon an idle sealer looks again.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause while the database does not answer.
const LONGEST: Duration = Duration::from_secs(30);
/// Attempts of a command that has nothing else to do.
const ATTEMPTS: u32 = 8;
/// Entries read at a time.
const PAGE: i64 = 500;
/// Entries looked at for a reader who may see few of them.
const MOST_LOOKED_AT: usize = 100_000;

/// Seals until `stop`. While nothing happens it writes nothing; during an
/// outage it says so once.
pub(super) async fn keep_sealing(engine: Engine, stop: CancellationToken) {
    let (mut failures, mut told) = (0_u32, false);
    while !stop.is_cancelled() {
        let pause = match engine.seal().await {
            Ok(sealing) => {
                if told {
                    tracing::info!("the audit trail is sealed again");
                }
                (failures, told) = (0, false);
                if matches!(sealing, Sealing::More(_)) { Duration::ZERO } else { PAUSE }
            }
            Err(error) => {
                failures += 1;
                // Somebody else's transaction in between is not worth a word.
                if !told && (failures > 1 || !error.is_transient()) {
                    told = true;
                    tracing::warn!(
                        error = %with_causes(&error),
                        "the audit trail cannot be sealed; entries wait and it is tried again"
                    );
                }
                PAUSE.saturating_mul(1 << failures.min(5)).min(LONGEST)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Seals everything that waits now, for a command that ends. What another
/// process is sealing is left to it.
pub async fn seal_rest(engine: &Engine) -> Result<(), StoreError> {
    let mut attempts = 0;
    loop {
        match engine.seal().await {
            Ok(Sealing::More(_)) => attempts = 0,
            Ok(Sealing::Nothing | Sealing::Elsewhere | Sealing::Sealed(_)) => return Ok(()),
            Err(error) if error.is_transient() && attempts < ATTEMPTS => {
                attempts += 1;
                tokio::time::sleep(Duration::from_millis(50 * u64::from(attempts))).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Proves the trail; none if the database has never been used with a key, so
/// that nothing can have been sealed. Changes nothing.
pub async fn verify(
    settings: &Settings,
    store: &Store,
    expect: Option<&str>,
) -> Result<Option<Verified>, AppError> {
    match key::known(settings, store).await? {
        None => Ok(None),
        Some(key) => Ok(Some(prove(store, &key.trail_key(), expect).await?)),
    }
}

/// Somebody through whose eyes the trail is read.
#[derive(Clone, Debug)]
pub struct Reader(Manager);

impl Reader {
    /// The account with this username or e-mail, if there is one; the inner
    /// error is why it may see nothing at all.
    pub async fn named(store: &Store, name: &str) -> Result<Option<Result<Self, Refusal>>, StoreError> {
        let mut tx = store.begin(Access::Read).await?;
        let Some(Found { account, key, roles, .. }) = tx.account_named(name).await? else {
            return Ok(None);
        };
        let blocked = tx.chain(account.tenant).await?.blocked_by().is_some();
        let key = key.unwrap_or_else(|| account_key("", &account.name));
        let reader = Manager { key, account, roles, blocked };
        Ok(Some(may_read(&reader).map(|()| Self(reader))))
    }

    /// Whether a tenant is its own or below it: others do not exist for it.
    pub async fn reaches(&self, store: &Store, tenant: Uuid) -> Result<bool, StoreError> {
        let mut tx = store.begin(Access::Read).await?;
        Ok(tx.chain(tenant).await?.contains(self.0.account.tenant))
    }
}

/// What was read of the trail.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// The newest entries that were asked for, newest last.
    pub entries: Vec<Listed>,
    /// There are older ones that would have been shown.
    pub cut: bool,
    /// Older ones were not even looked at.
    pub looked_at: Option<usize>,
}

/// The newest `limit` entries of a search, as a reader may see them; without
/// one, as the platform sees them.
pub async fn read(
    store: &Store,
    search: &Search,
    reader: Option<&Reader>,
    limit: usize,
) -> Result<Trail, StoreError> {
    let searches = match reader {
        None => vec![search.clone()],
        Some(Reader(reader)) => narrowed(reader, search),
    };
    let mut found: BTreeMap<Place, Listed> = BTreeMap::new();
    let mut trail = Trail::default();
    for search in &searches {
        let mut before = None;
        let mut taken = 0;
        let mut looked_at = 0;
        while taken <= limit {
            let mut tx = store.begin(Access::Read).await?;
            let page = tx.trail(search, before, PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.place());
            looked_at += page.len();
            let full = i64::try_from(page.len()).is_ok_and(|count| count == PAGE);
            let page = match reader {
                None => page,
                Some(Reader(reader)) => visible(&mut tx, reader, search, page).await?,
            };
            taken += page.len();
            found.extend(page.into_iter().map(|entry| (entry.place(), entry)));
            if !full {
                break;
            }
            if looked_at >= MOST_LOOKED_AT && taken <= limit {
                trail.looked_at = Some(looked_at);
                break;
            }
        }
    }
    let older = found.len().saturating_sub(limit);
    trail.cut = older > 0;
    trail.entries = found.into_values().skip(older).collect();
    Ok(trail)
}

/// The searches that find everything that a reader may see, and little more.
fn narrowed(reader: &Manager, search: &Search) -> Vec<Search> {
    let within = Search { reach: Some(reader.account.tenant), ..search.clone() };
    if sees_administration(reader) {
        return vec![within];
    }
    let mut searches = vec![];
    if search.actor_account.is_none_or(|account| account == reader.account.id) {
        searches.push(Search { actor_account: Some(reader.account.id), ..search.clone() });
    }
    let sessions = SESSIONS.map(str::to_owned).into_iter();
    let asked = |action: &String| search.actions.as_ref().is_none_or(|asked| asked.contains(action));
    searches.push(Search { actions: Some(sessions.filter(asked).collect()), ..within });
    searches
}

/// What of a page a reader may see, with names that it may know. Four
/// statements, however long the page is.
async fn visible(
    tx: &mut Tx,
    reader: &Manager,
    search: &Search,
    page: Vec<Listed>,
) -> Result<Vec<Listed>, StoreError> {
    let accounts = page.iter().flat_map(|entry| [entry.record.actor_account, entry.record.account]);
    let accounts: BTreeSet<Uuid> = accounts.flatten().collect();
    let parties = tx.parties(&accounts, reader.account.id).await?;
    let tenants: BTreeSet<Uuid> =
        page.iter().flat_map(|entry| [entry.record.tenant, entry.record.actor_tenant]).flatten().collect();
    let chains = tx.chains(&tenants).await?;
    let nowhere = crate::domain::tenant::Chain::default();
    let mut seen = vec![];
    for mut entry in page {
        let record = &mut entry.record;
        let actor = record.actor_account.and_then(|id| parties.get(&id));
        let concerned = record.account.and_then(|id| parties.get(&id));
        let own = record.actor_account == Some(reader.account.id);
        let facts = Facts {
            session: is_session(&record.action),
            own,
            below: actor.into_iter().chain(concerned).any(|party| party.below),
            within: record.tenant.and_then(|id| chains.get(&id)).unwrap_or(&nowhere),
            reach: concerned.map(reach),
        };
        if !may_see(reader, &facts) {
            continue;
        }
        let home = record.actor_tenant.and_then(|id| chains.get(&id));
        if record.actor_account.is_some() && !own && !may_name(reader, home) {
            if search.actor.is_some() || search.actor_account.is_some() {
                // Asking for a name must not tell what showing it would.
                continue;
            }
            "another account".clone_into(&mut record.actor);
            record.actor_account = None;
        }
        seen.push(entry);
    }
    Ok(seen)
}

fn reach(party: &Party) -> Reach {
    if party.below {
        return Reach::Own;
    }
    Reach::Others { groups: party.groups.clone(), roles: party.roles.clone() }
}

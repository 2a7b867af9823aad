//! Who may see which entry of the trail: the right Manage Audit Logs of the
//! sub-administrator document, within R4 and R5. Whoever lists entries for an
//! account brings the facts and asks here.

use crate::domain::authority::{Manager, Reach};
use crate::domain::capability::Capability;
use crate::domain::tenant::Chain;
use crate::domain::tier::Tier;
use crate::domain::verdict::{Reason, Refusal};

/// A person signed in.
pub const SIGNED_IN: &str = "signed-in";
/// A person signed out.
pub const SIGNED_OUT: &str = "signed-out";
/// Somebody tried to sign in to an account and failed; or, without an account,
/// with an address that nobody has.
pub const SIGN_IN_FAILED: &str = "sign-in-failed";
/// A person followed a link: activated the account, proved an address.
pub const ACTIVATED: &str = "activated";

/// What people do with their own accounts; everything else is administration.
pub const SESSIONS: [&str; 4] = [SIGNED_IN, SIGNED_OUT, SIGN_IN_FAILED, ACTIVATED];

/// Whether an action is a sign-in or a failed one, a sign-out or an activation.
pub fn is_session(action: &str) -> bool {
    SESSIONS.contains(&action)
}

/// Whether an account may see anything of the trail at all.
pub fn may_read(reader: &Manager) -> Result<(), Refusal> {
    if !reader.account.settings.enabled || reader.blocked {
        return Err(Refusal::edit(
            Reason::ManagerDisabled,
            format!(
                "{} is disabled or lies in a disabled tenant, so it sees nothing of the audit trail; enable it or ask for another account",
                reader.key
            ),
        ));
    }
    if !reader.account.effective.capabilities.contains(&Capability::ManageAuditLogs) {
        return Err(Refusal::edit(
            Reason::CapabilityMissing,
            format!(
                "{} lacks the capability {}, so it sees nothing of the audit trail; give it to the account or ask for another one",
                reader.key,
                Capability::ManageAuditLogs
            ),
        ));
    }
    Ok(())
}

/// Whether an account may see everything in its tenant and below (R4), or only
/// what it did itself and who signed in.
pub fn sees_administration(reader: &Manager) -> bool {
    matches!(reader.account.settings.tier, Tier::Root | Tier::SuperAdmin)
}

/// What the rule needs to know about an entry.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// It is a sign-in, a sign-out or an activation.
    pub session: bool,
    /// The reader itself did it.
    pub own: bool,
    /// Who did it, or the account concerned, is the reader or below it in the
    /// managed-by tree.
    pub below: bool,
    /// The tenant that it lies in and those above, as far as they still stand.
    pub within: &'a Chain,
    /// How the account concerned may be reached, while it exists.
    pub reach: Option<Reach>,
}

/// Whether an account that may read the trail may see an entry: always what it
/// did itself; of others the sign-ins in its scope; Root and SuperAdmin
/// everything in their scope. Under Individual access only what it, or
/// accounts below it, did or created (R5).
pub fn may_see(reader: &Manager, entry: &Facts<'_>) -> bool {
    let Facts { session, own, below, within, reach } = entry;
    if *own {
        return true;
    }
    if reader.account.effective.individual_access && !below {
        return false;
    }
    (*session || sees_administration(reader))
        && within.contains(reader.account.tenant)
        && match reach {
            None => reader.covers(within),
            Some(reach) => reader.reaches(within, reach),
        }
}

/// Whether the name of who did something may be shown: nobody learns who is
/// above (R4). `home` is the tenant of the actor with those above it, as far as
/// they still stand.
pub fn may_name(reader: &Manager, home: Option<&Chain>) -> bool {
    home.is_some_and(|home| home.contains(reader.account.tenant))
}

//! What a SubAdmin's status says.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::pass::{Outcome, Pass, Step};
use super::Action;
use crate::api::annotation::{REASSIGN_ROLES, RESEND_ACTIVATION};
use crate::domain::account::{Account, IndividualSource, phase};
use crate::domain::authority::capabilities_at_home;
use crate::domain::quota::AccountUse;
use crate::domain::role::Assigned;
use crate::domain::verdict::{Condition, Reason, Refusal};
use crate::store::activations::Activation;
use crate::store::outbox::MailState;

pub(super) async fn report(pass: &mut Pass<'_>, judged: Result<Action, Refusal>) -> Step<Outcome> {
    if let Err(refusal) = &judged {
        pass.listen(refusal);
    }
    let mut outcome = Outcome {
        action: judged.as_ref().map_or(Action::Refused, |action| *action),
        verdict: judged.map(|_| ()),
        conditions: vec![],
        status: json!({}),
        again_at: None,
    };
    let Some(found) = pass.tx.account_of(pass.source(), pass.key()).await? else {
        return Ok(outcome);
    };
    let account = &found.account;
    let chain = pass.tx.chain(account.tenant).await?;
    let mails = pass.tx.mail_state(account.id).await?;
    let link = pass.tx.latest_activation(account.id).await?;
    let open = link.as_ref().filter(|link| link.state == "open");

    mail_conditions(pass.now(), account, &mails, open, &mut outcome);
    let latest = pass.tx.latest_revisions(account.id).await?;
    let roles = roles(&found.roles, &latest, &mut outcome);
    // Reading everybody below is for a limit; without one, what is the
    // account's own is told.
    let quota = match account.settings.manageable_devices {
        Some(_) => pass.tx.account_use(account.id, None).await?,
        None => pass.tx.account_use_itself(account.id).await?,
    };
    let (resend, reassign) = pass.handled();
    let mut status = json!({
        "accountId": account.id,
        "phase": phase(account, chain.blocked_by().is_some(), mails.sent_at.is_some()).as_str(),
        "activation": activation(account, &mails, open),
        "roles": roles,
        "effective": {
            "capabilities": capabilities_at_home(account, &chain),
            "individualAccess": account.effective.individual_access,
            "individualAccessSource": source(&account.effective.individual_source),
        },
        "quota": [quota_line(account, quota)],
    });
    if let Some(resend) = resend {
        status["lastHandledResend"] = json!(resend);
    }
    if let Some(reassign) = reassign {
        status["lastHandledReassign"] = json!(reassign);
    }
    outcome.status = status;
    Ok(outcome)
}

fn source(source: &IndividualSource) -> String {
    match source {
        IndividualSource::Override => "Override".to_owned(),
        IndividualSource::Role(name) => format!("Role {name}"),
        IndividualSource::Manager => "Manager".to_owned(),
        IndividualSource::None => "None".to_owned(),
    }
}

fn quota_line(account: &Account, used: AccountUse) -> Value {
    let mut line = json!({"name": "devices", "used": used.held, "delegated": used.delegated});
    if let Some(limit) = account.settings.manageable_devices {
        line["limit"] = json!(limit);
        line["available"] = json!((limit - used.total()).max(0));
    }
    line
}

fn activation(account: &Account, mails: &MailState, open: Option<&Activation>) -> Value {
    let mut shown = json!({"sends": mails.sends});
    if let Some(at) = mails.sent_at {
        shown["sentAt"] = json!(at.to_string());
    }
    if let Some(link) = open {
        shown["expiresAt"] = json!(link.expires_at.to_string());
    }
    if let Some(at) = account.activated_at {
        shown["activatedAt"] = json!(at.to_string());
    }
    shown
}

/// `InvitationSent`, `Activated` and `EmailProved`: about people and mail, so
/// they never hold back `Ready`.
fn mail_conditions(
    now: Timestamp,
    account: &Account,
    mails: &MailState,
    open: Option<&Activation>,
    outcome: &mut Outcome,
) {
    outcome.conditions.push(invitation_sent(account, mails));
    outcome.conditions.push(activated(now, account, open));
    outcome.conditions.extend(email_proved(now, account, open));
    // When the link ends, its condition says so.
    outcome.again_at = open.map(|link| link.expires_at).filter(|end| awaits_mail(account) && *end > now);
}

/// Whether a link is still to be followed, be the account enabled or not.
const fn awaits_mail(account: &Account) -> bool {
    account.activated_at.is_none() || account.pending_email.is_some()
}

/// `InvitationSent`: what became of the newest mail.
fn invitation_sent(account: &Account, mails: &MailState) -> Condition {
    let no = |reason, message: String| Condition::no("InvitationSent", reason, message);
    let problem = mails.problem.as_deref();
    match mails.state.as_deref() {
        Some("sent") => Condition::yes("InvitationSent", Reason::Sent, "the mail server accepted the mail"),
        _ if awaits_mail(account) && !account.settings.enabled => no(
            Reason::AccountDisabled,
            "the account is disabled; its mail is sent when spec.enabled is true".to_owned(),
        ),
        None | Some("dropped") if awaits_mail(account) => no(
            Reason::AwaitingActivation,
            format!("no mail is on its way; set the annotation {RESEND_ACTIVATION} to send one"),
        ),
        None | Some("dropped") => {
            Condition::yes("InvitationSent", Reason::NotNeeded, "the account needs no mail")
        }
        Some("failed") if mails.too_late => no(
            Reason::MailGivenUp,
            format!(
                "{}; once the mail server takes mails, set the annotation {RESEND_ACTIVATION} to send a new link",
                problem.unwrap_or("the mail could not be sent in time")
            ),
        ),
        Some("failed") => no(
            Reason::MailRefused,
            format!(
                "the mail could not be sent: {}; correct the address or the mail server, then set the annotation {RESEND_ACTIVATION}",
                problem.unwrap_or("no reason given")
            ),
        ),
        Some(_) => match problem {
            Some(problem) => no(
                Reason::MailRetrying,
                format!("the mail could not be sent yet and is tried again: {problem}"),
            ),
            None => no(Reason::Queued, "the mail is queued".to_owned()),
        },
    }
}

/// `Activated`: whether the person has followed the link.
fn activated(now: Timestamp, account: &Account, open: Option<&Activation>) -> Condition {
    if account.activated_at.is_some() {
        return Condition::yes("Activated", Reason::Completed, "the account is activated");
    }
    if open.is_some_and(|link| link.expires_at <= now) {
        return Condition::no(
            "Activated",
            Reason::LinkExpired,
            format!("the link expired unused; set the annotation {RESEND_ACTIVATION} to send a new one"),
        );
    }
    Condition::no(
        "Activated",
        Reason::AwaitingActivation,
        "waiting for the person to follow the link in the mail",
    )
}

/// `EmailProved`, while a new address waits to become the login.
fn email_proved(now: Timestamp, account: &Account, open: Option<&Activation>) -> Option<Condition> {
    account.pending_email.as_ref()?;
    let over = open.filter(|link| link.expires_at <= now);
    Some(match over {
        Some(link) => Condition::no(
            "EmailProved",
            Reason::LinkExpired,
            format!(
                "the link for the new address expired unused at {}, so the old one stays the login; set the annotation {RESEND_ACTIVATION} to send a new link",
                link.expires_at
            ),
        ),
        None => Condition::no(
            "EmailProved",
            Reason::AwaitingActivation,
            "the new address becomes the login when its owner follows the link sent there; until then the old one is",
        ),
    })
}

/// The copies in force, each beside its template's present revision; a
/// template that is gone or no longer within reach has none.
fn roles(held: &[Assigned], latest: &[(Uuid, String)], outcome: &mut Outcome) -> Vec<Value> {
    let mut shown = vec![];
    let mut behind = vec![];
    for role in held {
        let latest = latest.iter().find(|(id, _)| Some(*id) == role.role).map(|(_, revision)| revision);
        let outdated = latest.is_some_and(|latest| *latest != role.revision);
        if outdated {
            behind.push(format!("{}/{}", role.namespace, role.name));
        }
        let mut line = json!({"name": role.name, "namespace": role.namespace, "revision": role.revision, "outdated": outdated});
        if let Some(latest) = latest {
            line["latest"] = json!(latest);
        }
        shown.push(line);
    }
    if !behind.is_empty() {
        outcome.conditions.push(Condition::yes(
            "RolesOutdated",
            Reason::RolesOutdated,
            format!(
                "{} changed since it was assigned; set the annotation {REASSIGN_ROLES} to any new value to assign the present revision",
                behind.join(", ")
            ),
        ));
    }
    shown
}

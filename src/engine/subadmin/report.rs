//! What a SubAdmin's status says.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::pass::{Outcome, Pass, Step};
use super::Action;
use crate::domain::account::{Account, IndividualSource, phase};
use crate::domain::authority::owns_subscription;
use crate::domain::capability::Capability;
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
    let sent = mails.state.as_deref() == Some("sent");

    mail_conditions(pass, account, &mails, open, &mut outcome);
    let latest = pass.tx.latest_revisions(account.id).await?;
    let roles = roles(&found.roles, &latest, &mut outcome);
    // Reading everybody below is for a limit; without one, what is the
    // account's own is told.
    let quota = match account.settings.manageable_devices {
        Some(_) => pass.tx.account_use(account.id, None).await?,
        None => pass.tx.account_use_itself(account.id).await?,
    };
    let mut capabilities = account.effective.capabilities.clone();
    if chain.own().is_some_and(|tenant| owns_subscription(account, tenant.settings.owner.as_deref())) {
        capabilities.insert(Capability::ManageSubscription);
    }
    let (resend, reassign) = pass.handled();
    let mut status = json!({
        "accountId": account.id,
        "phase": phase(account, chain.blocked_by().is_some(), sent).as_str(),
        "activation": activation(account, &mails, open),
        "roles": roles,
        "effective": {
            "capabilities": capabilities,
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

/// `InvitationSent` and `Activated`: about people and mail, so they never hold
/// back `Ready`.
fn mail_conditions(
    pass: &Pass<'_>,
    account: &Account,
    mails: &MailState,
    open: Option<&Activation>,
    outcome: &mut Outcome,
) {
    let sent = match (mails.state.as_deref(), &mails.problem) {
        (None, _) => Condition::yes("InvitationSent", Reason::NotNeeded, "the account needs no mail"),
        (Some("sent"), _) => {
            Condition::yes("InvitationSent", Reason::Sent, "the mail server accepted the mail")
        }
        (Some("failed"), problem) => Condition::no(
            "InvitationSent",
            Reason::MailRefused,
            format!(
                "the mail could not be sent: {}; correct the address or the mail server, then set the annotation {}",
                problem.as_deref().unwrap_or("no reason given"),
                crate::api::annotation::RESEND_ACTIVATION
            ),
        ),
        (Some(_), Some(problem)) => Condition::no(
            "InvitationSent",
            Reason::MailRetrying,
            format!("the mail could not be sent yet and is tried again: {problem}"),
        ),
        (Some(_), None) => Condition::no("InvitationSent", Reason::Queued, "the mail is queued"),
    };
    outcome.conditions.push(sent);
    let now = pass.now();
    let activated = match (account.activated_at, open) {
        (Some(_), _) => Condition::yes("Activated", Reason::Completed, "the account is activated"),
        (None, Some(link)) if link.expires_at <= now => Condition::no(
            "Activated",
            Reason::LinkExpired,
            format!(
                "the link expired unused; set the annotation {} to send a new one",
                crate::api::annotation::RESEND_ACTIVATION
            ),
        ),
        (None, link) => {
            outcome.again_at = link.map(|l| l.expires_at);
            Condition::no(
                "Activated",
                Reason::AwaitingActivation,
                "waiting for the person to follow the link in the mail",
            )
        }
    };
    outcome.conditions.push(activated);
    if account.pending_email.is_some() {
        outcome.conditions.push(Condition::no(
            "EmailProved",
            Reason::AwaitingActivation,
            "the new address becomes the login when its owner follows the link sent there; until then the old one is",
        ));
    }
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
                "{} changed since it was assigned; set the annotation {} to any new value to assign the present revision",
                behind.join(", "),
                crate::api::annotation::REASSIGN_ROLES
            ),
        ));
    }
    shown
}

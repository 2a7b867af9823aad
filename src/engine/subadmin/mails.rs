//! Queuing a link and its mail (R8): one row each, in the transaction that
//! decides them. Nothing is sent here.

use jiff::SignedDuration;

use super::super::pass::{Pass, Step};
use crate::api::annotation;
use crate::domain::account::Account;
use crate::domain::activation::{Purpose, first_mail};
use crate::store::activations::Activation;

/// Issues a new link, which replaces any earlier one, and queues its mail.
pub(super) async fn queue(pass: &mut Pass<'_>, account: &Account, purpose: Purpose) -> Step<()> {
    let now = pass.now();
    let lifetime = SignedDuration::from_secs(account.settings.link_lifetime);
    let activation = Activation {
        id: pass.engine.id(now),
        account: account.id,
        purpose,
        nonce: pass.engine.nonce(),
        issued_at: now,
        expires_at: now.saturating_add(lifetime).unwrap_or(now),
        state: "open".to_owned(),
        used_at: None,
    };
    // Stable over attempts, and it says nothing about the recipient.
    let message_id = format!("<{}@tenantry.invalid>", activation.id);
    pass.tx.issue(&activation, &message_id).await?;
    Ok(())
}

/// A new value of `resend-activation` sends the invitation again, unless
/// nothing is left to invite to.
pub(super) async fn resend_if_asked(pass: &mut Pass<'_>) -> Step<()> {
    if !pass.asked(annotation::RESEND_ACTIVATION) {
        return Ok(());
    }
    let Some(found) = pass.tx.account_of(pass.source(), pass.key()).await? else {
        return Ok(());
    };
    let account = found.account;
    let purpose = if account.pending_email.is_some() {
        Some(Purpose::ChangeEmail)
    } else if account.activated_at.is_some() {
        None
    } else {
        first_mail(account.proved, account.has_password)
    };
    if let Some(purpose) = purpose.filter(|_| account.settings.enabled) {
        queue(pass, &account, purpose).await?;
        pass.about(account.id);
        let actor = pass.answering(account.managed_by).await?;
        let after = serde_json::json!({"purpose": purpose});
        pass.audit("resent", actor, Some(account.tenant), None, Some(after)).await?;
        pass.publish_self();
    }
    Ok(())
}

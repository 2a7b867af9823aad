//! When a pass queues a link and its mail (R8): in the transaction that decides
//! it. Nothing is sent here.

use uuid::Uuid;

use super::super::pass::{Pass, Step};
use super::super::resend::RESENT;
use crate::api::annotation;
use crate::domain::account::Account;
use crate::domain::activation::{Purpose, awaited_mail};

/// Issues a new link, which replaces any earlier one, and queues its mail.
pub(super) async fn queue(pass: &mut Pass<'_>, account: &Account, purpose: Purpose) -> Step<()> {
    pass.engine.issue_link(&mut pass.tx, account, purpose).await?;
    pass.link_issued = true;
    Ok(())
}

/// Closes links that must not open anything, with their mails.
pub(super) async fn withdraw(pass: &mut Pass<'_>, account: Uuid) -> Step<()> {
    pass.tx.close_links(account).await?;
    pass.link_issued = false;
    Ok(())
}

/// A new value of `resend-activation` sends the invitation again, unless
/// nothing is left to invite to. A link that this very pass has issued is the
/// new one already: one person gets one mail.
pub(super) async fn resend_if_asked(pass: &mut Pass<'_>) -> Step<()> {
    if !pass.asked(annotation::RESEND_ACTIVATION) {
        return Ok(());
    }
    let Some(found) = pass.tx.account_of(pass.source(), pass.key()).await? else {
        return Ok(());
    };
    let account = found.account;
    if let Some(purpose) = awaited_mail(&account) {
        if !pass.link_issued {
            queue(pass, &account, purpose).await?;
        }
        pass.about(account.id);
        let actor = pass.answering(account.managed_by).await?;
        let after = serde_json::json!({"purpose": purpose});
        pass.audit(RESENT, actor, Some(account.tenant), None, Some(after)).await?;
        pass.publish_self();
    }
    Ok(())
}

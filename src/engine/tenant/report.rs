//! What a Tenant's status says.

use serde_json::json;

use crate::api;
use crate::domain::quota::{Counted, TenantUse};
use crate::domain::tenant::{Limits, Tenant};
use crate::domain::verdict::{Condition, Reason, Refusal};
use crate::engine::pass::{Outcome, Pass, Step};
use crate::engine::{Action, SecretFact};

pub(super) async fn report(pass: &mut Pass<'_>, judged: Result<Action, Refusal>) -> Step<Outcome> {
    // A waiting object listens for what ends its wait.
    if let Err(refusal) = &judged {
        pass.listen(refusal);
    }
    let key = pass.key();
    let chain = pass.tx.chain_of(pass.source(), key).await?;
    let mut conditions = vec![];
    let status = match chain.own() {
        None => json!({}),
        Some(own) => {
            let (used, below) = pass.tx.use_and_below(own.id).await?;
            let (roles, grants) = pass.tx.roles_and_grants(own.id).await?;
            mail_condition(pass, own, chain.blocked_by().is_some(), &mut conditions).await?;
            if let Some(owner) = &own.settings.owner {
                owner_condition(pass, own, owner, &mut conditions).await?;
            }
            let mail = chain.mail();
            let mut status = json!({
                "path": shown(&own.path),
                "quota": quota_lines(&own.settings.limits, &used, &below),
                "counts": {"tenants": used.tenants, "accounts": used.accounts, "roles": roles, "grants": grants, "devices": used.devices},
            });
            if mail.from.is_some() || mail.server.is_some() {
                let mut shown = serde_json::Map::new();
                if let Some(from) = mail.from {
                    shown.insert("from".into(), json!(from));
                }
                if let Some((key, _)) = mail.server {
                    shown.insert("serverFrom".into(), json!(format!("{}/{}", key.namespace, key.name)));
                }
                status["mail"] = shown.into();
            }
            status
        }
    };
    Ok(Outcome {
        action: judged.as_ref().map_or(Action::Refused, |action| *action),
        verdict: judged.map(|_| ()),
        conditions,
        status,
        again_at: None,
    })
}

/// A path as status shows it, which bounds every text: of a very long one the end.
pub(super) fn shown(path: &str) -> String {
    let length = path.chars().count();
    if length <= api::REPORT_MAX {
        return path.to_owned();
    }
    let end: String = path.chars().skip(length + 1 - api::REPORT_MAX).collect();
    format!("…{end}")
}

/// A line for each limit, and for accounts, devices and tenants in any case.
/// `used` counts the whole subtree; `delegated` is the part of it that lies in
/// the tenants below.
fn quota_lines(limits: &Limits, used: &TenantUse, below: &TenantUse) -> Vec<serde_json::Value> {
    let set = limits.each();
    let always = [Counted::Accounts, Counted::Devices, Counted::Tenants];
    let finer = set.iter().map(|(counted, _)| counted).filter(|counted| !always.contains(counted));
    let line = |counted: &Counted| {
        let used = used.of(counted);
        let mut line = json!({"name": counted.line(), "used": used, "delegated": below.of(counted)});
        if let Some((_, limit)) = set.iter().find(|(what, _)| what == counted) {
            line["limit"] = json!(limit);
            line["available"] = json!((limit - used).max(0));
        }
        line
    };
    always.iter().chain(finer).map(line).collect()
}

/// Whether the tenant's own mail server works; accounts are created either
/// way. What its Secret lacks is seen here; whether the server itself works is
/// found out by whoever tries it, on the request that this pass leaves, and
/// wakes the Tenant when the answer changes. Mails that waited for a server
/// which works again are tried at once.
async fn mail_condition(
    pass: &mut Pass<'_>,
    own: &Tenant,
    blocked: bool,
    conditions: &mut Vec<Condition>,
) -> Step<()> {
    let Some(server) = own.settings.mail.as_ref().and_then(|m| m.server.as_ref()) else {
        return Ok(());
    };
    if let Some(secret) = &server.credentials
        && let Some((reason, message)) = secret_problem(pass, secret)?
    {
        conditions.push(Condition::no("MailReady", reason, message));
        return Ok(());
    }
    let target = server.fingerprint();
    let known = pass.tx.probe(own.id).await?.filter(|probe| probe.target == target);
    let answer = known.as_ref().and_then(|probe| probe.answer.as_ref());
    let answer = answer.and_then(|answer| Some((Reason::named(&answer.reason)?, &answer.message)));
    // What was wrong with the Secret is mended.
    let mended = matches!(
        answer,
        Some((Reason::SecretNotFound | Reason::SecretNotPermitted | Reason::SecretInvalid, _))
    );
    if known.is_none() || mended {
        pass.tx.ask_probe(own.id, &target).await?;
    }
    let answer = answer.filter(|_| !mended);
    let works = matches!(answer, Some((Reason::MailServerReady, _)));
    if works && pass.last_said("MailReady") == Some(false) {
        // Whatever was wrong with the server or its Secret is mended.
        pass.tx.hurry_mails_below(own.id).await?;
    }
    conditions.push(match answer {
        Some((reason @ Reason::MailServerReady, message)) => Condition::yes("MailReady", reason, message),
        Some((reason, message)) => Condition::no("MailReady", reason, message),
        None if blocked => Condition::no(
            "MailReady",
            Reason::MailServerUntried,
            "the mail server is not tried while the tenant or one above it is disabled",
        ),
        None => Condition::no(
            "MailReady",
            Reason::MailServerUntried,
            "the mail server was not tried yet; `tenantry run` and `apply` try it",
        ),
    });
    Ok(())
}

/// What is wrong with the Secret of a mail server.
fn secret_problem(pass: &Pass<'_>, secret: &str) -> Step<Option<(Reason, String)>> {
    Ok(match pass.secret(secret)? {
        SecretFact::Absent => Some((
            Reason::SecretNotFound,
            format!(
                "Secret {secret} does not exist in namespace {} or may not be read; create it with the keys username and password and the label {}: mail",
                pass.key().namespace,
                api::USE_LABEL
            ),
        )),
        SecretFact::Found { labels, .. }
            if labels.get(api::USE_LABEL).map(String::as_str) != Some("mail") =>
        {
            Some((
                Reason::SecretNotPermitted,
                format!(
                    "Secret {secret} lacks the label {}: mail; label it if Tenantry may use it",
                    api::USE_LABEL
                ),
            ))
        }
        SecretFact::Found { data, .. } => ["username", "password"]
            .into_iter()
            .find(|k| !data.contains_key(*k))
            .map(|missing| (Reason::SecretInvalid, format!("Secret {secret} has no key {missing}; add it"))),
    })
}

/// The owner is an account of this very tenant; while it is missing, nothing
/// is held back but the subscription.
async fn owner_condition(
    pass: &mut Pass<'_>,
    own: &Tenant,
    owner: &str,
    conditions: &mut Vec<Condition>,
) -> Step<()> {
    let key = crate::domain::authority::account_key(&pass.key().namespace, owner);
    pass.depend_on(&key);
    let found = pass.tx.account_of(pass.source(), &key).await?;
    conditions.push(if found.is_some_and(|found| found.account.tenant == own.id) {
        Condition::yes("OwnerFound", Reason::Reconciled, format!("{key} owns the subscription"))
    } else {
        Condition::no(
            "OwnerFound",
            Reason::OwnerMissing,
            format!(
                "{key}, named in spec.ownerRef, is not an account of {}; until it is created there, nobody manages the subscription",
                own.path
            ),
        )
    });
    Ok(())
}

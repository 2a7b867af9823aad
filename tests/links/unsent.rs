//! What status says of mails that were not sent, or not yet, and of links that
//! ended before they were followed.

use std::time::Duration;

use tenantry::domain::object::Kind::SubAdmin;
use tenantry::domain::verdict::Condition;
use tenantry::store::Access;

use super::{PASSWORD, Site, person, with_address};
use crate::on_both_sites;

const CHOSEN: &str = "seven herons crossed the dike";
const OVER: &str = "2026-01-01T00:00:00Z";

/// Asks for a new link by the annotation.
fn ask_again(site: &mut Site, name: &str, value: &str) {
    site.world.annotate(SubAdmin, "root", name, "resend-activation", value);
}

async fn condition(site: &mut Site, name: &str, kind: &str) -> Condition {
    site.report(name).await.condition(kind).unwrap().clone()
}

/// What is newest is told by the second.
async fn next_second() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

/// The phase as `tenantry activation list` shows it.
async fn listed(site: &Site, username: &str) -> &'static str {
    let mut tx = site.world.engine.store().begin(Access::Read).await.unwrap();
    let all = tx.invitations(None, "", 100).await.unwrap();
    all.into_iter().find(|(_, account)| account.username == username).unwrap().1.phase
}

on_both_sites! {
    async fn r8_whoever_was_invited_stays_so_while_another_mail_is_on_its_way(site) {
        site.world.apply(&person("kim", "")).await;
        assert_eq!((&*site.stands("kim").await[0], listed(&site, "kim").await), ("Pending", "Pending"));
        site.letter().await;
        ask_again(&mut site, "kim", "1");
        assert_eq!(site.stands("kim").await, ["Invited", "Queued", "AwaitingActivation"]);
        assert_eq!(listed(&site, "kim").await, "Invited");
        // That mail never leaves.
        site.expire().await;
        assert!(site.letters().await.is_empty());
        assert_eq!(site.stands("kim").await, ["Invited", "MailGivenUp", "LinkExpired"]);
        assert_eq!(listed(&site, "kim").await, "Invited");
    }
}

on_both_sites! {
    async fn r8_a_mail_that_was_not_sent_before_its_link_expired_is_given_up_and_told(site) {
        site.world.apply(&person("kim", "")).await;
        site.expire().await;
        assert!(site.letters().await.is_empty());
        assert_eq!(site.stands("kim").await, ["Pending", "MailGivenUp", "LinkExpired"]);
        let sent = condition(&mut site, "kim", "InvitationSent").await;
        assert!(!sent.status);
        assert!(sent.message.contains(&format!("the link expired at {OVER} before the mail could be sent")), "{}", sent.message);
        assert!(sent.message.contains("tenantry.dev/resend-activation") && !sent.message.contains("tried again"), "{}", sent.message);
        ask_again(&mut site, "kim", "1");
        assert_eq!(site.stands("kim").await, ["Pending", "Queued", "AwaitingActivation"]);
        let letter = site.letter().await;
        assert_eq!(site.stands("kim").await, ["Invited", "Sent", "AwaitingActivation"]);
        assert_eq!(site.follow(&letter.token, CHOSEN).await.says(), (200, "Your account is active"));
    }
}

on_both_sites! {
    async fn r8_an_account_that_was_disabled_before_its_mail_left_says_what_the_mail_waits_for(site) {
        for (name, first) in [("kim", ""), ("lou", ", enabled: false")] {
            site.world.apply(&person(name, first)).await;
            site.world.apply(&person(name, ", enabled: false")).await;
            for _ in 0..2 {
                assert_eq!(site.stands(name).await[..2], ["Disabled", "AccountDisabled"]);
                let sent = condition(&mut site, name, "InvitationSent").await;
                assert!(!sent.status && sent.message.contains("spec.enabled"), "{sent:?}");
                assert!(site.letters().await.is_empty());
            }
            next_second().await;
            site.world.apply(&person(name, "")).await;
            site.letter().await;
            assert_eq!(site.stands(name).await[..2], ["Invited", "Sent"]);
            // What was sent was sent.
            site.world.apply(&person(name, ", enabled: false")).await;
            assert_eq!(site.stands(name).await[..2], ["Disabled", "Sent"]);
        }
    }
}

on_both_sites! {
    async fn r8_an_address_that_nobody_can_write_to_is_given_up_at_once(site) {
        let address = format!("{}@example.org", "k".repeat(65));
        site.world.apply(&with_address("kim", &address, "")).await;
        assert!(site.letters().await.is_empty());
        assert_eq!(site.stands("kim").await, ["Pending", "MailRefused", "AwaitingActivation"]);
        let sent = condition(&mut site, "kim", "InvitationSent").await;
        assert!(sent.message.contains("cannot be written to; correct it") && !sent.message.contains("kkk"), "{}", sent.message);
        // One that can be written to is written to at once.
        site.world.apply(&person("kim", "")).await;
        assert_eq!(site.letter().await.to, "kim@example.org");
    }
}

on_both_sites! {
    async fn r8_a_link_for_a_new_address_that_expired_is_told_with_what_to_do(site) {
        let moved = with_address("kim", "kim@new.example", ", passwordSecretRef: {name: pw}");
        site.world.apply(&person("kim", ", passwordSecretRef: {name: pw}")).await;
        let token = site.letter().await.token;
        site.follow(&token, "").await;
        assert_eq!(site.report("kim").await.again_at, None, "nothing is waited for");
        next_second().await;
        site.world.apply(&moved).await;
        site.letter().await;
        let waiting = site.report("kim").await;
        let end = waiting.status["activation"]["expiresAt"].as_str().unwrap();
        assert_eq!(waiting.again_at.map(|at| at.to_string()).as_deref(), Some(end), "it looks again when the link ends");
        assert_eq!(waiting.condition("EmailProved").unwrap().reason.as_str(), "AwaitingActivation");

        site.expire().await;
        let over = site.report("kim").await;
        let proved = over.condition("EmailProved").unwrap();
        assert_eq!((proved.status, proved.reason.as_str(), over.again_at), (false, "LinkExpired", None));
        assert!(proved.message.contains(OVER) && proved.message.contains("tenantry.dev/resend-activation"), "{}", proved.message);
        assert_eq!(over.condition("Activated").unwrap().reason.as_str(), "Completed");
        assert!(site.signs_in("kim@example.org", PASSWORD).await);

        ask_again(&mut site, "kim", "1");
        assert_eq!(condition(&mut site, "kim", "EmailProved").await.reason.as_str(), "AwaitingActivation");
        let letter = site.letter().await;
        assert_eq!(site.follow(&letter.token, "").await.says(), (200, "Your new address is confirmed"));
        assert!(site.signs_in("kim@new.example", PASSWORD).await);
    }
}

//! A changed address becomes the login when its new owner has proved it, and
//! not before.

use tenantry::domain::object::Kind::SubAdmin;

use super::{PASSWORD, Site, person, with_address};
use crate::on_both_sites;
use crate::world::reason;

const CHOSEN: &str = "seven herons crossed the dike";
/// Active from the beginning, with the password of the Secret.
const ACTIVE: &str = ", passwordSecretRef: {name: pw}";

/// An active account `kim`, whose address was proved by following a link.
async fn kim(site: &mut Site) {
    site.world.apply(&person("kim", ACTIVE)).await;
    let token = site.letter().await.token;
    assert_eq!(site.follow(&token, "").await.status, 200);
    assert_eq!(site.stands("kim").await[0], "Active");
}

fn moved(to: &str) -> String {
    with_address("kim", to, ACTIVE)
}

on_both_sites! {
    async fn r8_the_old_address_stays_the_login_until_the_new_one_is_proved(site) {
        kim(&mut site).await;
        site.world.apply(&moved("kim@new.example")).await;
        let waiting = site.report("kim").await;
        assert!(waiting.ready() && waiting.condition("EmailProved").is_some_and(|c| !c.status));
        assert!(site.signs_in("kim@example.org", PASSWORD).await && !site.signs_in("kim@new.example", PASSWORD).await);
        let letter = site.letter().await;
        assert_eq!((&*letter.to, &*letter.subject), ("kim@new.example", "Confirm your new address for Fleet"));
        assert_eq!(site.stands("kim").await, ["Active", "Sent", "Completed"]);

        let form = site.get(&letter.token).await;
        assert_eq!(form.says(), (200, "Confirm your new address"));
        assert!(!form.body.contains("type=\"password\""));
        assert_eq!(site.follow(&letter.token, CHOSEN).await.says(), (200, "Your new address is confirmed"));
        assert!(!site.signs_in("kim@example.org", PASSWORD).await && site.signs_in("kim@new.example", PASSWORD).await);
        let proved = site.report("kim").await;
        assert!(proved.ready() && proved.condition("EmailProved").is_none(), "{:?}", proved.conditions);
        // The old address is free for somebody else.
        let reports = site.world.apply(&with_address("lou", "kim@example.org", "")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "lou"), "Reconciled");
        // Neither address stands in the trail.
        let sql = if site.world.url.starts_with("sqlite") {
            "SELECT group_concat(COALESCE(before, '') || COALESCE(after, '')) FROM audit WHERE action = 'activated'"
        } else {
            "SELECT string_agg(COALESCE(before::text, '') || COALESCE(after::text, ''), ',') FROM audit WHERE action = 'activated'"
        };
        let trail = site.value(sql).await;
        assert!(trail.contains("ChangeEmail") && trail.contains(&site.world.engine.link_key().personal("kim@new.example")), "{trail}");
        assert!(!trail.contains('@'), "{trail}");
    }
}

on_both_sites! {
    async fn r8_an_address_changed_twice_is_proved_by_the_last_link_alone(site) {
        kim(&mut site).await;
        site.world.apply(&moved("kim@first.example")).await;
        let first = site.letter().await;
        site.world.apply(&moved("kim@second.example")).await;
        let second = site.letter().await;
        assert_eq!((&*first.to, &*second.to), ("kim@first.example", "kim@second.example"));
        assert_eq!(site.follow(&first.token, "").await.says(), (410, "There is a newer link"));
        assert!(site.signs_in("kim@example.org", PASSWORD).await);
        assert_eq!(site.follow(&second.token, "").await.status, 200);
        assert!(site.signs_in("kim@second.example", PASSWORD).await);
        for old in ["kim@example.org", "kim@first.example"] {
            assert!(!site.signs_in(old, PASSWORD).await, "{old}");
        }
        // Changed twice before the first mail has left: one mail.
        site.world.apply(&moved("kim@third.example")).await;
        site.world.apply(&moved("kim@fourth.example")).await;
        assert_eq!(site.letter().await.to, "kim@fourth.example");
    }
}

on_both_sites! {
    async fn r8_an_address_changed_back_is_as_if_it_had_never_been_changed(site) {
        kim(&mut site).await;
        site.world.apply(&moved("kim@new.example")).await;
        let letter = site.letter().await;
        site.world.apply(&moved("kim@example.org")).await;
        assert!(site.letters().await.is_empty());
        assert_eq!(site.follow(&letter.token, "").await.says(), (410, "Your account is active already"));
        assert!(site.signs_in("kim@example.org", PASSWORD).await && !site.signs_in("kim@new.example", PASSWORD).await);
        let report = site.report("kim").await;
        assert!(report.condition("EmailProved").is_none(), "{:?}", report.conditions);
        assert!(report.status["activation"]["expiresAt"].is_null());
        // The address that was wanted for a while is free.
        let reports = site.world.apply(&with_address("lou", "kim@new.example", "")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "lou"), "Reconciled");
    }
}

on_both_sites! {
    async fn r8_an_address_that_waits_for_its_proof_is_taken_and_somebody_elses_cannot_be_proved(site) {
        kim(&mut site).await;
        site.world.apply(&moved("kim@new.example")).await;
        let letter = site.letter().await;
        let reports = site.world.apply(&with_address("lou", "KIM@new.example", "")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "lou"), "AlreadyExists");
        // It becomes free when kim goes back, and lou, who waits, gets it.
        site.world.apply(&moved("kim@example.org")).await;
        assert!(site.report("lou").await.ready());
        assert_eq!(site.letter().await.to, "KIM@new.example");
        assert_eq!(site.follow(&letter.token, "").await.status, 410);
        let reports = site.world.apply(&moved("kim@new.example")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "kim"), "AlreadyExists");
        assert!(site.signs_in("kim@example.org", PASSWORD).await, "the last good state stays");
        assert!(site.letters().await.is_empty());

        // Taken behind the rules' back, in the very moment.
        site.world.apply(&moved("kim@other.example")).await;
        let letter = site.letter().await;
        site.value("UPDATE account SET email = 'kim@other.example', email_key = 'kim@other.example' WHERE username = 'lou'").await;
        assert_eq!(site.follow(&letter.token, "").await.says(), (409, "This address is in use"));
        assert!(site.signs_in("kim@example.org", PASSWORD).await && !site.signs_in("kim@other.example", PASSWORD).await);
    }
}

on_both_sites! {
    async fn r8_an_author_who_vouches_for_a_changed_address_makes_it_the_login_at_once(site) {
        kim(&mut site).await;
        let vouched = |to: &str| with_address("kim", to, ", emailVerified: true, passwordSecretRef: {name: pw}");
        site.world.apply(&vouched("kim@new.example")).await;
        assert!(site.letters().await.is_empty());
        assert!(site.signs_in("kim@new.example", PASSWORD).await && !site.signs_in("kim@example.org", PASSWORD).await);
        // Vouched for while a mail is out: its link is not needed any more.
        site.world.apply(&moved("kim@third.example")).await;
        let letter = site.letter().await;
        assert!(site.signs_in("kim@new.example", PASSWORD).await);
        site.world.apply(&vouched("kim@third.example")).await;
        assert!(site.signs_in("kim@third.example", PASSWORD).await);
        assert_eq!(site.follow(&letter.token, "").await.says(), (410, "Your account is active already"));
        assert!(site.report("kim").await.condition("EmailProved").is_none());
    }
}

on_both_sites! {
    async fn r8_an_invitation_that_went_to_the_wrong_address_opens_nothing_once_it_is_corrected(site) {
        for (name, more, subject) in [
            ("kim", "", "Activate your Fleet account"),
            ("lou", ", emailVerified: true", "Set a password for Fleet"),
        ] {
            site.world.apply(&with_address(name, &format!("{name}@wrong.example"), "")).await;
            let wrong = site.letter().await;
            site.world.apply(&person(name, more)).await;
            let right = site.letter().await;
            assert_eq!((right.to.as_str(), right.subject.as_str()), (&*format!("{name}@example.org"), subject));
            // Whoever has the wrong mail neither gets in nor learns the right address.
            for page in [site.get(&wrong.token).await, site.follow(&wrong.token, CHOSEN).await] {
                assert_eq!(page.says(), (410, "There is a newer link"));
                assert!(!page.body.contains(&format!("{name}@example.org")), "{}", page.body);
            }
            assert_eq!(site.stands(name).await[0], "Invited");
            assert_eq!(site.follow(&right.token, CHOSEN).await.status, 200);
            assert!(site.signs_in(&format!("{name}@example.org"), CHOSEN).await);
            let later = site.get(&wrong.token).await;
            assert_eq!(later.says(), (410, "Your account is active already"));
            assert!(!later.body.contains(&format!("{name}@example.org")), "{}", later.body);
        }
        // With an initial password, vouching for the right one activates.
        site.world.apply(&with_address("mia", "mia@wrong.example", ACTIVE)).await;
        let wrong = site.letter().await;
        site.world.apply(&person("mia", ", emailVerified: true, passwordSecretRef: {name: pw}")).await;
        assert!(site.letters().await.is_empty());
        assert_eq!(site.follow(&wrong.token, "").await.status, 410);
        assert!(site.signs_in("mia@example.org", PASSWORD).await);
    }
}

on_both_sites! {
    async fn r8_a_new_address_outlives_a_disabled_account_and_is_asked_to_be_proved_again(site) {
        kim(&mut site).await;
        site.world.apply(&moved("kim@new.example")).await;
        let first = site.letter().await;
        site.world.apply(&with_address("kim", "kim@new.example", ", enabled: false, passwordSecretRef: {name: pw}")).await;
        assert_eq!(site.follow(&first.token, "").await.says(), (403, "This account is disabled"));
        site.world.apply(&moved("kim@new.example")).await;
        let second = site.letter().await;
        assert_eq!(second.to, "kim@new.example");
        assert_eq!(site.follow(&first.token, "").await.says(), (410, "There is a newer link"));
        assert_eq!(site.follow(&second.token, "").await.status, 200);
        assert!(site.signs_in("kim@new.example", PASSWORD).await);

        // A resend goes to the new address as well.
        site.world.apply(&moved("kim@last.example")).await;
        site.letter().await;
        site.world.annotate(SubAdmin, "root", "kim", "resend-activation", "1");
        site.report("kim").await;
        let again = site.letter().await;
        assert_eq!((&*again.to, &*again.subject), ("kim@last.example", "Confirm your new address for Fleet"));
        assert_eq!(site.follow(&again.token, "").await.status, 200);
        assert!(site.signs_in("kim@last.example", PASSWORD).await);
    }
}

//! Every combination of `emailVerified` and an initial password: which mail,
//! what its link does, and what status says on the way.

use super::{PASSWORD, person};
use crate::on_both_sites;

const CHOSEN: &str = "seven herons crossed the dike";
const VERIFIED: &str = ", emailVerified: true";
const SECRET: &str = ", passwordSecretRef: {name: pw}";

const INVITED: [&str; 3] = ["Invited", "Sent", "AwaitingActivation"];
const ACTIVE: [&str; 3] = ["Active", "Sent", "Completed"];

on_both_sites! {
    async fn r8_without_both_the_invitation_asks_for_a_password_and_proves_the_address(site) {
        site.world.apply(&person("kim", "")).await;
        assert_eq!(site.stands("kim").await, ["Pending", "Queued", "AwaitingActivation"]);
        let letter = site.letter().await;
        assert_eq!((&*letter.to, &*letter.subject), ("kim@example.org", "Activate your Fleet account"));
        assert_eq!(site.stands("kim").await, INVITED);
        let form = site.get(&letter.token).await;
        assert_eq!(form.says(), (200, "Choose your password"));
        assert!(form.body.contains("type=\"password\"") && form.body.contains("kim@example.org"));
        assert!(!site.signs_in("kim@example.org", CHOSEN).await, "nobody yet");
        assert_eq!(site.follow(&letter.token, CHOSEN).await.says(), (200, "Your account is active"));
        assert_eq!(site.stands("kim").await, ACTIVE);
        assert!(site.signs_in("kim@example.org", CHOSEN).await);
        let report = site.report("kim").await;
        let activation = &report.status["activation"];
        assert_eq!(activation["sends"], 1);
        assert!(activation["sentAt"].is_string() && activation["activatedAt"].is_string(), "{activation}");
        assert!(activation["expiresAt"].is_null(), "no link is open: {activation}");
    }
}

on_both_sites! {
    async fn r8_verified_and_without_a_password_the_mail_asks_to_set_one(site) {
        site.world.apply(&person("kim", VERIFIED)).await;
        assert_eq!(site.stands("kim").await, ["Pending", "Queued", "AwaitingActivation"]);
        let letter = site.letter().await;
        assert_eq!((&*letter.to, &*letter.subject), ("kim@example.org", "Set a password for Fleet"));
        assert_eq!(site.stands("kim").await, INVITED);
        assert_eq!(site.get(&letter.token).await.says(), (200, "Choose your password"));
        assert!(!site.signs_in("kim@example.org", "").await);
        assert_eq!(site.follow(&letter.token, CHOSEN).await.says(), (200, "Your password is set"));
        assert_eq!(site.stands("kim").await, ACTIVE);
        assert!(site.signs_in("kim@example.org", CHOSEN).await);
    }
}

on_both_sites! {
    async fn r8_with_a_password_and_unverified_the_link_only_confirms(site) {
        site.world.apply(&person("kim", SECRET)).await;
        assert_eq!(site.stands("kim").await, ["Pending", "Queued", "AwaitingActivation"]);
        assert!(!site.signs_in("kim@example.org", PASSWORD).await, "the address is not proved");
        let letter = site.letter().await;
        assert_eq!((&*letter.to, &*letter.subject), ("kim@example.org", "Confirm your address for Fleet"));
        assert_eq!(site.stands("kim").await, INVITED);
        let form = site.get(&letter.token).await;
        assert_eq!(form.says(), (200, "Confirm your address"));
        assert!(!form.body.contains("type=\"password\""));
        // A password that comes along all the same changes nothing.
        let before = site.world.password_of("kim").await;
        assert_eq!(site.follow(&letter.token, CHOSEN).await.says(), (200, "Your account is active"));
        assert_eq!(site.world.password_of("kim").await, before);
        assert_eq!(site.stands("kim").await, ACTIVE);
        assert!(site.signs_in("kim@example.org", PASSWORD).await && !site.signs_in("kim@example.org", CHOSEN).await);
    }
}

on_both_sites! {
    async fn r8_with_both_there_is_no_mail_and_the_account_is_active(site) {
        site.world.apply(&person("kim", &format!("{VERIFIED}{SECRET}"))).await;
        assert_eq!(site.stands("kim").await, ["Active", "NotNeeded", "Completed"]);
        assert!(site.signs_in("kim@example.org", PASSWORD).await);
        assert!(site.letters().await.is_empty());
        let report = site.report("kim").await;
        assert_eq!(report.status["activation"]["sends"], 0);
        // Nothing is sent again either.
        site.world.annotate(tenantry::domain::object::Kind::SubAdmin, "root", "kim", "resend-activation", "1");
        assert_eq!(site.stands("kim").await, ["Active", "NotNeeded", "Completed"]);
        assert!(site.letters().await.is_empty());
    }
}

on_both_sites! {
    async fn r8_an_initial_password_may_be_a_hash_and_counts_once(site) {
        let phc = tenantry::domain::password::hash(CHOSEN.to_owned().into(), [5; 16]).await.unwrap();
        let secret = |value: &str| ("password".to_owned(), [("password".to_owned(), value.to_owned())].into());
        let at = ("root".to_owned(), "pw".to_owned());
        site.world.outside.secrets.insert(at.clone(), secret(&phc));
        site.world.apply(&person("kim", &format!("{VERIFIED}{SECRET}"))).await;
        assert!(site.signs_in("kim@example.org", CHOSEN).await);
        assert!(!site.signs_in("kim@example.org", &phc).await, "a hash opens nothing");
        // Another value later, or another reference, changes no password.
        site.world.outside.secrets.insert(at.clone(), secret("a password of another day"));
        site.world.apply(&person("kim", &format!("{VERIFIED}{SECRET}, company: Fleet"))).await;
        assert!(site.signs_in("kim@example.org", CHOSEN).await);

        // One that is too weak makes no account, and the message does not repeat it.
        for weak in ["tiny-Zq7", "correct horse battery staple", "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaA"] {
            site.world.outside.secrets.insert(at.clone(), secret(weak));
            let reports = site.world.apply(&person("lou", &format!("{VERIFIED}{SECRET}"))).await;
            let ready = reports.values().find(|r| r.key.name == "lou").unwrap().condition("Ready").unwrap().clone();
            assert_eq!((ready.status, ready.reason.as_str()), (false, "SecretInvalid"), "{weak}");
            assert!(!ready.message.contains(weak), "{}", ready.message);
        }
        assert_eq!(site.value("SELECT CAST(count(*) AS TEXT) FROM account").await, "1");
        assert!(site.letters().await.is_empty());
    }
}

on_both_sites! {
    async fn r8_an_initial_password_fits_however_a_keyboard_writes_it(site) {
        let decomposed = "bla\u{30a}ba\u{308}r og te i regnet";
        let data = [("password".to_owned(), decomposed.to_owned())].into();
        site.world.outside.secrets.insert(("root".to_owned(), "pw".to_owned()), ("password".to_owned(), data));
        site.world.apply(&person("kim", &format!("{VERIFIED}{SECRET}"))).await;
        assert!(site.signs_in("kim@example.org", "bl\u{e5}b\u{e4}r og te i regnet").await);
        assert!(site.signs_in("kim@example.org", decomposed).await);
        assert!(!site.signs_in("kim@example.org", "blabar og te i regnet").await);

        site.world.apply(&person("lou", "")).await;
        let token = site.letter().await.token;
        site.follow(&token, decomposed).await;
        assert!(site.signs_in("lou@example.org", "bl\u{e5}b\u{e4}r og te i regnet").await);
    }
}

on_both_sites! {
    async fn r8_an_author_may_vouch_for_the_address_while_the_mail_is_out(site) {
        site.world.apply(&person("kim", SECRET)).await;
        site.world.apply(&person("lou", "")).await;
        let letters = site.letters().await;
        let token = |to: &str| letters.iter().find(|l| l.to.starts_with(to)).unwrap().token.clone();
        // The password is there: nothing is left to wait for.
        site.world.apply(&person("kim", &format!("{VERIFIED}{SECRET}"))).await;
        assert_eq!(site.stands("kim").await, ACTIVE);
        assert!(site.signs_in("kim@example.org", PASSWORD).await);
        assert_eq!(site.follow(&token("kim"), "").await.says(), (410, "Your account is active already"));
        // A password is still to be chosen, and the link that is out does that.
        site.world.apply(&person("lou", VERIFIED)).await;
        assert_eq!(site.stands("lou").await, INVITED);
        assert!(site.letters().await.is_empty(), "one mail is enough");
        assert_eq!(site.follow(&token("lou"), CHOSEN).await.says(), (200, "Your account is active"));
        assert!(site.signs_in("lou@example.org", CHOSEN).await);
    }
}

on_both_sites! {
    async fn r8_an_account_made_disabled_is_invited_when_it_is_enabled(site) {
        site.world.apply(&person("kim", ", enabled: false")).await;
        assert!(site.letters().await.is_empty());
        assert_eq!(site.stands("kim").await[0], "Disabled");
        site.world.apply(&person("kim", "")).await;
        let letter = site.letter().await;
        assert_eq!(site.stands("kim").await, INVITED);
        // Disabled once more before it was followed: another one later.
        site.world.apply(&person("kim", ", enabled: false")).await;
        assert_eq!(site.follow(&letter.token, CHOSEN).await.says(), (403, "This account is disabled"));
        site.world.apply(&person("kim", "")).await;
        assert_eq!(site.follow(&letter.token, CHOSEN).await.says(), (410, "There is a newer link"));
        let second = site.letter().await;
        assert_eq!(site.follow(&second.token, CHOSEN).await.says(), (200, "Your account is active"));
        assert_eq!(site.stands("kim").await, ACTIVE);
    }
}

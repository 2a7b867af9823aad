//! A link that is over, and its owner who gets another one: on a phone that runs
//! no scripts, and on a desktop.

use super::{Browser, DESKTOP, KIM, PASSWORD, PHONE, Site, activate, look_over};

const EXPIRE: &str = "UPDATE activation SET expires_at = '2026-01-01T00:00:00Z' WHERE state = 'open'";

#[tokio::test]
async fn a_link_that_has_expired_is_replaced_by_one_press_on_a_phone_that_runs_no_scripts() {
    let site = Site::open().await;
    let browser = Browser::open(PHONE, true, false).await;
    let before = site.links(KIM);
    site.by_hand(EXPIRE).await;
    browser.go(&before[0]).await;
    assert_eq!(browser.text("h1").await, "This link has expired");
    assert!(browser.text("main").await.contains(KIM), "where the new one goes");
    browser.picture("phone-expired").await;
    browser.click("button").await;
    assert_eq!(
        (browser.path().await.as_str(), browser.text("h1").await.as_str()),
        ("/resend", "Check your mail")
    );
    browser.picture("phone-resent").await;
    let next = site.next_link(KIM, &before).await;
    browser.go(&next).await;
    browser.type_into("#password", PASSWORD).await;
    browser.type_into("#again", PASSWORD).await;
    browser.click("button").await;
    assert_eq!(browser.text("h1").await, "Your account is active");
    browser.go(&before[0]).await;
    assert_eq!(browser.text("h1").await, "Your account is active already");
    browser.picture("phone-active-already").await;
    browser.click("a.button").await;
    assert_eq!(browser.path().await, "/login");
    browser.close().await;
}

#[tokio::test]
async fn whoever_has_no_link_at_all_gets_one_by_the_address_and_is_told_when_that_was_too_often() {
    let site = Site::open().await;
    let browser = Browser::open(DESKTOP, false, true).await;
    let before = site.links(KIM);
    browser.go(&site.at("/login")).await;
    browser.click(".help a").await;
    assert_eq!(
        (browser.path().await.as_str(), browser.text("h1").await.as_str()),
        ("/resend", "Get a new link")
    );
    assert_eq!(browser.run("return document.activeElement.id").await, "email", "ready to type");
    look_over(&browser, "resend").await;
    // The browser itself says what is no address; the page says it to others.
    browser.run("document.querySelector('form').noValidate = true").await;
    browser.type_into("#email", "kim").await;
    browser.click("button").await;
    assert!(browser.text(".problem").await.contains("no whole e-mail address"));
    look_over(&browser, "resend-wrong").await;
    browser.type_into("#email", "KIM.Larsen@north-fleet.example").await;
    browser.click("button").await;
    assert_eq!(browser.text("h1").await, "Check your mail");
    look_over(&browser, "resent").await;
    let next = site.next_link(KIM, &before).await;
    let said = browser.text("main").await;

    // An address that nobody has is answered in the same words.
    browser.go(&site.at("/resend")).await;
    browser.type_into("#email", "nobody@north-fleet.example").await;
    browser.click("button").await;
    assert_eq!(browser.text("main").await, said);

    browser.go(&before[0]).await;
    assert_eq!(browser.text("h1").await, "There is a newer link");
    look_over(&browser, "replaced").await;
    for _ in 0..4 {
        browser.go(&site.at("/resend")).await;
        browser.type_into("#email", KIM).await;
        browser.click("button").await;
    }
    assert_eq!(browser.text("h1").await, "Please wait a little");
    look_over(&browser, "resend-throttled").await;
    let newest = site.links(KIM).into_iter().filter(|link| !before.contains(link) && *link != next);
    assert!(newest.count() <= 2, "three in all");
    browser.close().await;
}

#[tokio::test]
async fn the_pages_of_a_link_are_readable_whatever_has_become_of_it() {
    let site = Site::open().await;
    let browser = Browser::open(DESKTOP, false, true).await;
    let first = site.links(KIM);
    site.by_hand(EXPIRE).await;
    browser.go(&first[0]).await;
    look_over(&browser, "expired").await;
    browser.click("button").await;
    site.next_link(KIM, &first).await;
    let second = site.next_link(KIM, &first).await;
    browser.go(&second).await;
    browser.type_into("#password", "seven herons").await;
    look_over(&browser, "activate-short").await;
    browser.type_into("#password", "correct horse battery staple").await;
    browser.type_into("#again", "correct horse battery staple").await;
    look_over(&browser, "activate-enough").await;
    browser.click("button").await;
    assert!(browser.text(".problem").await.contains("guessed first"));
    assert_eq!(browser.run("return document.activeElement.id").await, "password", "where the fault is");
    look_over(&browser, "activate-problem").await;
    site.by_hand("UPDATE account SET enabled = 0 WHERE username = 'kim.larsen'").await;
    browser.go(&second).await;
    assert_eq!(browser.text("h1").await, "This account is disabled");
    look_over(&browser, "disabled").await;
    site.by_hand("UPDATE account SET enabled = 1 WHERE username = 'kim.larsen'").await;
    browser.go(&second).await;
    browser.type_into("#password", PASSWORD).await;
    browser.type_into("#again", PASSWORD).await;
    browser.click("button").await;
    assert_eq!(browser.text("h1").await, "Your account is active");
    browser.go(&first[0]).await;
    assert_eq!(browser.text("h1").await, "Your account is active already");
    look_over(&browser, "active-already").await;
    for (path, name, title) in [
        ("/activate?token=nonsense", "unknown", "This link does not work"),
        ("/elsewhere", "nowhere", "There is no such page"),
    ] {
        browser.go(&site.at(path)).await;
        assert_eq!(browser.text("h1").await, title);
        look_over(&browser, name).await;
    }
    // In German, for an account whose mails are.
    let uwe = site.link("uwe@north-fleet.example");
    browser.go(&uwe).await;
    assert_eq!(browser.text("h1").await, "Dieser Link ist abgelaufen");
    look_over(&browser, "expired-de").await;
    browser.click("button").await;
    let next = site.next_link("uwe@north-fleet.example", &[uwe]).await;
    browser.go(&next).await;
    assert_eq!(browser.text("h1").await, "Passwort wählen");
    look_over(&browser, "activate-de").await;
    browser.close().await;
}

#[tokio::test]
async fn a_link_and_an_account_leave_nothing_behind_in_a_browser() {
    let site = Site::open().await;
    let browser = Browser::open(DESKTOP, false, true).await;
    browser.requests().await;
    activate(&browser, &site, KIM).await;
    browser.click("a.button").await;
    assert_eq!(browser.path().await, "/login");
    browser.type_into("#email", KIM).await;
    browser.type_into("#password", PASSWORD).await;
    browser.click("button").await;
    assert_eq!(browser.path().await, "/account");
    browser.click("form button").await;
    assert_eq!(browser.text("h1").await, "You are signed out");
    // No page says where it was come from: the address of a link is its token.
    let referrers = browser.referrers().await;
    assert!(referrers.len() >= 5, "{referrers:?}");
    assert!(referrers.iter().all(Option::is_none), "{referrers:?}");
    // Nothing is kept: the page before is asked for again, and is no more.
    browser.go(&site.at("/account")).await;
    assert_eq!((browser.path().await.as_str(), browser.text("h1").await.as_str()), ("/login", "Sign in"));
    assert!(!browser.text("main").await.contains(KIM));
    // No script reads a cookie, and nothing is stored beside them.
    let kept = browser.run("return document.cookie + localStorage.length + sessionStorage.length").await;
    assert_eq!(kept, "00");
    browser.close().await;
}

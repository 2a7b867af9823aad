//! The HTML of letters in a real browser: on a phone and on a desktop, in light
//! and in dark, with ordinary names and with the longest.

use super::harness::{Browser, DESKTOP, PHONE, in_tree};
use super::{Place, account, tenant};

/// A letter whose names are as long as they may be and have no space in them.
async fn longest(place: &Place) -> String {
    let name = "W".repeat(100);
    let spec = format!(
        "{{displayName: {name}, branding: {{productName: {name}, supportEmail: {}@example.org}}}}",
        "w".repeat(60)
    );
    let place_of = Place::with(&(tenant("acme", &spec) + &account("ada", "acme", "ada@acme.example", "")));
    place_of.applied(&[]).await;
    let letter = std::fs::read_dir(place_of.path("outbox")).unwrap().next().unwrap().unwrap().path();
    let raw = std::fs::read(letter).unwrap();
    let html = mailparse::parse_mail(&raw).unwrap().subparts[1].get_body().unwrap();
    place.write("longest.html", &html);
    format!("file://{}", place.path("longest.html").display())
}

#[tokio::test]
async fn letters_fit_a_phone_and_a_desktop_in_light_and_in_dark() {
    let place = Place::with("");
    let mut letters = vec![("longest".to_owned(), longest(&place).await)];
    for entry in std::fs::read_dir(in_tree("src/mail/snapshots")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "html") {
            let name = path.file_stem().unwrap().to_str().unwrap().replace('.', "-");
            letters.push((name, format!("file://{}", path.display())));
        }
    }
    assert_eq!(letters.len(), 9, "four letters in two languages, and the longest");
    let browser = Browser::open(DESKTOP, false, true).await;
    for (size, device, mobile) in [(PHONE, "phone", true), (DESKTOP, "desktop", false)] {
        for dark in [false, true] {
            browser.look(size, mobile, dark).await;
            for (name, url) in &letters {
                browser.go(url).await;
                let wide =
                    browser.run("return document.documentElement.scrollWidth - window.innerWidth").await;
                assert!(wide.as_i64().unwrap() <= 0, "{name} is {wide} pixels too wide for a {device}");
                let hidden = "const b = document.querySelector('h1').getBoundingClientRect(); return b.height > 0 && b.left >= 0";
                assert_eq!(browser.run(hidden).await, true, "{name}");
                let loaded = browser.run("return performance.getEntriesByType('resource').length").await;
                assert_eq!(loaded, 0, "{name} loads something");
                let scheme = if dark { "dark" } else { "light" };
                browser.picture(&format!("letter-{name}-{device}-{scheme}")).await;
            }
        }
    }
    assert_eq!(browser.console().await, Vec::<String>::new());
    browser.close().await;
}

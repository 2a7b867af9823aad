//! The account page of somebody who sees many devices.

use std::time::Instant;

use super::{Browser, DESKTOP, KIM, OBJECTS, PASSWORD, PHONE, Site, activate, look_over, sign_in};

#[tokio::test]
async fn somebody_with_more_than_a_thousand_devices_finds_each_of_them() {
    let site = Site::with(1_200, OBJECTS).await;
    let browser = Browser::open(PHONE, true, true).await;
    activate(&browser, &site, KIM).await;
    sign_in(&browser, &site, KIM, PASSWORD).await;
    assert_eq!(browser.path().await, "/account");
    let size = browser.run("return document.documentElement.outerHTML.length").await;
    assert!(size.as_u64().unwrap() < 40_000, "a page of bounded size: {size}");
    let shown = "return [...document.querySelectorAll('.devices .id')].map((e) => e.textContent).join(' ')";
    let next = "return [...document.querySelectorAll('nav a')].map((e) => e.textContent).join(' ')";
    assert_eq!(browser.run(next).await, "More devices");
    // Page by page, each once, in order.
    let started = Instant::now();
    let mut seen: Vec<String> = vec![];
    let mut pages = 0;
    loop {
        pages += 1;
        seen.extend(browser.run(shown).await.as_str().unwrap().split(' ').map(str::to_owned));
        if !browser.run(next).await.as_str().unwrap().contains("More devices") {
            break;
        }
        browser.click("nav a:last-child").await;
    }
    println!("{pages} pages in {:?}", started.elapsed());
    let mut all: Vec<String> = (1..=1_200).map(|n| format!("gate-{n:03}")).collect();
    all.sort();
    assert_eq!(seen, all);
    look_over(&browser, "devices-last").await;
    // Straight to one of them, and back.
    browser.type_into("#from", "gate-777").await;
    browser.click(".find button").await;
    assert_eq!(browser.text(".devices li:first-child .id").await, "gate-777");
    assert_eq!(browser.run("return document.querySelector('#from').value").await, "gate-777");
    browser.look(DESKTOP, false, false).await;
    look_over(&browser, "devices-from").await;
    browser.click("nav a:first-child").await;
    assert_eq!(browser.text(".devices li:first-child .id").await, "gate-001");
    browser.type_into("#from", "zzz").await;
    browser.click(".find button").await;
    assert!(browser.text("main").await.contains("no devices from there on"));
    look_over(&browser, "devices-none").await;
    browser.close().await;
}

//! Looks at a page as a critical eye would: on a phone, a narrow phone and a
//! desktop, in the light and in the dark, and with the keyboard alone.

use crate::harness::{Browser, DESKTOP, PHONE};

/// The narrowest window in which nothing may be cut or scroll sideways (WCAG
/// 1.4.10), as a page has it that is zoomed to four times its size.
const NARROW: (u32, u32) = (320, 640);

const FAULTS: &str = include_str!("faults.js");

/// What has the focus, and what is wrong with how that is shown: a ring of two
/// pixels at least, in a colour that stands out from what is around it.
const RING: &str = r"
const parse = (text) => text.match(/[\d.]+/g).map(Number);
const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const e = document.activeElement;
if (!e || e === document.body || e === document.documentElement) return null;
const style = getComputedStyle(e);
const [x, y] = [light(parse(style.outlineColor).slice(0, 3)), light(ground(e.parentElement).slice(0, 3))].sort((p, q) => q - p);
const ratio = (x + 0.05) / (y + 0.05);
const name = e.id || e.textContent.trim();
return style.outlineStyle === 'solid' && parseFloat(style.outlineWidth) >= 2 && ratio >= 3 ? '' : `${name}: ${style.outline}, contrast ${ratio.toFixed(2)}`;
";

/// Fails with whatever is wrong with the page shown, and leaves pictures of it.
pub(crate) async fn look_over(browser: &Browser, name: &str) {
    let at = browser.run("window.had = document.activeElement; return location.href").await;
    for dark in [false, true] {
        let shade = if dark { "dark" } else { "light" };
        for (device, size) in [("narrow", NARROW), ("phone", PHONE), ("desktop", DESKTOP)] {
            browser.look(size, device != "desktop", dark).await;
            let faults = browser.run(FAULTS).await;
            if device != "narrow" {
                browser.picture(&format!("{name}-{device}-{shade}")).await;
            }
            assert_eq!(faults, serde_json::json!([]), "{name} on a {device}, {shade}");
        }
        ringed(browser, &format!("{name}, {shade}")).await;
    }
    assert_eq!(browser.run("return location.href").await, at, "looking leads nowhere");
    browser.run("if (window.had && window.had !== document.body) window.had.focus(); else if (document.activeElement) document.activeElement.blur()").await;
}

/// Goes through everything that the keyboard reaches.
async fn ringed(browser: &Browser, what: &str) {
    let count = "return document.querySelectorAll('a[href], button, input:not([type=hidden])').length";
    let all = browser.run(count).await.as_u64().unwrap_or_default();
    let mut reached = std::collections::BTreeSet::new();
    for _ in 0..=all {
        let name = browser.tab().await;
        let ring = browser.run(RING).await;
        if ring.is_null() {
            continue;
        }
        assert_eq!(ring, "", "{what}");
        reached.insert(name);
    }
    assert!(all == 0 || !reached.is_empty(), "{what}: the keyboard reaches nothing");
}

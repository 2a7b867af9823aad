//! A new link, asked for by the person whose link is over or gone: it comes,
//! it replaces the earlier one, and nobody learns by asking who has an account.

use std::time::{Duration, Instant};

use tenantry::domain::object::Kind::{SubAdmin, Tenant};
use tenantry::domain::object::ObjectKey;
use tenantry::domain::signin::Counted;
use tenantry::store::Access;

use super::{PASSWORD, Page, Site, page, person, with_address};
use crate::harness::eventually;
use crate::on_both_sites;
use crate::world::all_ready;

const CHOSEN: &str = "seven herons crossed the dike";

/// Asks by a link that is over.
async fn by_link(site: &Site, token: &str) -> Page {
    site.post("/resend", &[("token", token)]).await
}

/// Asks by an address.
async fn by_address(site: &Site, email: &str) -> Page {
    site.post("/resend", &[("email", email)]).await
}

/// Waits until so many links were sent again; they are queued beside the answers.
async fn resent(site: &Site, count: u32) {
    let sql = "SELECT CAST(count(*) AS TEXT) FROM audit WHERE action = 'resent'";
    eventually("the links are queued", Duration::from_secs(30), async || {
        (site.value(sql).await == count.to_string()).then_some(())
    })
    .await;
}

/// Forgets who has asked how often.
async fn forget(site: &Site) {
    site.value("DELETE FROM throttle").await;
}

on_both_sites! {
    async fn r8_an_expired_link_says_whose_it_is_and_one_press_sends_another(site) {
        site.world.apply(&person("kim", "")).await;
        let first = site.letter().await;
        site.expire().await;
        let before = site.state().await;
        let over = site.get(&first.token).await;
        assert_eq!(over.says(), (410, "This link has expired"));
        assert!(over.body.contains("action=\"resend\"") && over.body.contains("kim@example.org"), "{}", over.body);
        assert_eq!(site.stands("kim").await, ["Invited", "Sent", "LinkExpired"]);
        assert_eq!(site.state().await, before, "looking changes nothing");

        assert_eq!(by_link(&site, &first.token).await.says(), (200, "Check your mail"));
        let second = site.letter().await;
        assert_eq!((&second.to, &second.subject), (&first.to, &first.subject));
        assert_ne!(second.token, first.token);
        assert_eq!(site.stands("kim").await, ["Invited", "Sent", "AwaitingActivation"]);
        assert_eq!(site.report("kim").await.status["activation"]["sends"], 2);
        let entry = "SELECT actor || ' ' || name FROM audit WHERE action = 'resent'";
        assert_eq!(site.value(entry).await, "somebody kim");
        let after = site.value("SELECT CAST(after AS TEXT) FROM audit WHERE action = 'resent'").await;
        let after: serde_json::Value = serde_json::from_str(&after).unwrap();
        assert_eq!(after, serde_json::json!({ "purpose": "Activate", "via": "pages" }));

        // The earlier one says that there is a newer one, and offers the same.
        let replaced = site.get(&first.token).await;
        assert_eq!(replaced.says(), (410, "There is a newer link"));
        assert!(replaced.body.contains("action=\"resend\""));
        assert_eq!(by_link(&site, &first.token).await.says(), (200, "Check your mail"));
        let third = site.letter().await;
        assert_eq!(site.follow(&second.token, CHOSEN).await.says(), (410, "There is a newer link"));
        assert_eq!(site.follow(&third.token, CHOSEN).await.says(), (200, "Your account is active"));
        // Now nothing is left to send.
        for token in [&first.token, &second.token] {
            let page = site.get(token).await;
            assert_eq!(page.says(), (410, "Your account is active already"));
            assert!(!page.body.contains("action=\"resend\""));
        }
        forget(&site).await;
        assert_eq!(by_link(&site, &first.token).await.says(), (200, "Check your mail"));
        site.silence().await;
    }
}

on_both_sites! {
    async fn r8_each_sort_of_mail_is_sent_again_as_what_it_was(site) {
        for (name, more) in [("act", ""), ("set", ", emailVerified: true"), ("conf", ", passwordSecretRef: {name: pw}")] {
            site.world.apply(&person(name, more)).await;
            let first = site.letter().await;
            by_address(&site, &format!(" {}@EXAMPLE.org ", name.to_uppercase())).await;
            let again = site.letter().await;
            assert_eq!((again.to, again.subject), (first.to, first.subject), "{name}");
            assert_eq!(site.follow(&first.token, CHOSEN).await.status, 410);
            assert_eq!(site.follow(&again.token, CHOSEN).await.status, 200);
        }
        // A new address is asked for by itself or by the old one; the mail goes
        // where it has to be proved.
        site.world.apply(&with_address("act", "act@new.example", "")).await;
        let first = site.letter().await;
        for asked in ["act@new.example", "act@example.org"] {
            by_address(&site, asked).await;
            let again = site.letter().await;
            assert_eq!((&again.to, &again.subject), (&first.to, &first.subject), "{asked}");
        }
    }
}

on_both_sites! {
    async fn r8_whoever_asks_gets_the_same_answer_whatever_there_is(site) {
        all_ready(&site.world.apply("
kind: Tenant
metadata: {namespace: root, name: south}
spec: {displayName: South, parentRef: {name: acme}}").await);
        site.world.apply(&person("kim", "")).await;
        site.world.apply(&person("off", "")).await;
        site.world.apply(&person("act", ", emailVerified: true, passwordSecretRef: {name: pw}")).await;
        site.world.apply(&person("sam", "").replace("name: north}", "name: south}")).await;
        let letters = site.letters().await;
        assert_eq!(letters.len(), 3);
        let token = |to: &str| letters.iter().find(|l| l.to.starts_with(to)).unwrap().token.clone();
        site.world.apply(&person("off", ", enabled: false")).await;
        site.world.apply("
kind: Tenant
metadata: {namespace: root, name: south}
spec: {displayName: South, parentRef: {name: acme}, enabled: false}").await;
        let key = site.world.engine.link_key();
        let unknown = key.token(uuid::Uuid::from_u128(7), "nonce", tenantry::domain::activation::Purpose::Activate);
        let forged = {
            let link: uuid::Uuid = site.value("SELECT CAST(id AS TEXT) FROM activation WHERE state = 'open' ORDER BY id LIMIT 1").await.parse().unwrap();
            key.token(link, "another nonce", tenantry::domain::activation::Purpose::Activate)
        };
        let mut pages = vec![];
        for email in ["kim@example.org", "nobody@example.org", "act@example.org", "off@example.org", "sam@example.org"] {
            pages.push((email.to_owned(), by_address(&site, email).await));
        }
        for token in [token("kim"), token("off"), token("sam"), unknown, forged] {
            pages.push((token.clone(), by_link(&site, &token).await));
        }
        let (_, first) = &pages[0];
        assert_eq!(first.says(), (200, "Check your mail"));
        let headers = |page: &Page| {
            let mut all: Vec<_> = page.headers.iter().filter(|(name, _)| *name != "date").map(|(n, v)| format!("{n}: {v:?}")).collect();
            all.sort();
            all
        };
        for (what, page) in &pages {
            assert_eq!((page.status, &page.body, headers(page)), (first.status, &first.body, headers(first)), "{what}");
            assert!(!page.body.contains("@example"));
        }
        // Kim was asked for twice; the first mail may have been replaced in time.
        resent(&site, 2).await;
        let sent: Vec<_> = site.letters().await.into_iter().map(|letter| letter.to).collect();
        assert!(!sent.is_empty() && sent.iter().all(|to| to == "kim@example.org"), "{sent:?}");
        site.silence().await;
        assert_eq!(site.stands("kim").await[0], "Invited");
        assert!(!site.signs_in("act@example.org", CHOSEN).await && site.signs_in("act@example.org", PASSWORD).await);
    }
}

/// The median.
fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

on_both_sites! {
    async fn r8_an_answer_takes_the_same_time_whether_or_not_there_is_such_an_account(site) {
        site.world.apply(&person("kim", "")).await;
        site.letter().await;
        // A machine that is busy with other things gets another chance; a
        // difference that is always there does not.
        for last in [false, false, true] {
            let mut times = [vec![], vec![]];
            for _ in 0..9 {
                for (of, email) in ["kim@example.org", "nobody@example.org"].into_iter().enumerate() {
                    forget(&site).await;
                    let start = Instant::now();
                    assert_eq!(by_address(&site, email).await.status, 200);
                    times[of].push(start.elapsed());
                }
            }
            let [known, unknown] = times.map(middle);
            println!("known {known:?}, unknown {unknown:?}");
            assert!(known.min(unknown) >= Duration::from_millis(300));
            if known.abs_diff(unknown) < Duration::from_millis(25) {
                return;
            }
            assert!(!last, "known {known:?}, unknown {unknown:?}");
        }
    }
}

#[tokio::test]
async fn r8_an_answer_does_not_wait_for_the_work_that_only_an_account_makes() {
    let mut site = Site::of(crate::world::World::postgres("r8_an_answer_does_not_wait").await).await;
    site.world.apply(&person("kim", "")).await;
    site.letter().await;
    // Somebody works on the tree, so that nothing can be queued for kim.
    let mut busy = site.world.engine.store().begin(Access::Write).await.unwrap();
    let acme = ObjectKey::new(Tenant, "root", "acme");
    assert!(busy.lock_tree_of("test", &acme).await.unwrap());
    assert_eq!(by_address(&site, "kim@example.org").await.says(), (200, "Check your mail"));
    assert_eq!(site.value("SELECT CAST(count(*) AS TEXT) FROM audit WHERE action = 'resent'").await, "0");
    drop(busy);
    resent(&site, 1).await;
}

on_both_sites! {
    async fn r8_nobody_fills_a_mailbox_by_asking_in_different_ways(site) {
        site.world.apply(&person("kim", "")).await;
        let first = site.letter().await;
        let mut tokens = vec![first.token.clone()];
        let mut mails = 0;
        // By the address, and by every link that is over: three mails in all.
        for round in 0..3 {
            assert_eq!(by_address(&site, "kim@example.org").await.status, 200, "{round}");
            assert_eq!(by_link(&site, &tokens[0]).await.status, 200, "{round}");
            resent(&site, (2 * round + 2).min(3)).await;
            for letter in site.letters().await {
                mails += 1;
                tokens.push(letter.token);
            }
        }
        // Of two in one round the second may have replaced the first before it left.
        assert!((2..=3).contains(&mails), "{mails}");
        site.silence().await;
        resent(&site, 3).await;
        let word = by_address(&site, "KIM@example.org").await;
        assert_eq!(word.says(), (429, "Please wait a little"));
        let wait: u64 = word.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1500..=1800).contains(&wait) && word.body.contains("wait 30 minutes"), "{wait}");
        assert_eq!(by_link(&site, &tokens[0]).await.status, 429);
        // Nobody else is held up, nor does an address that nobody has tell itself apart.
        for _ in 0..3 {
            assert_eq!(by_address(&site, "nobody@example.org").await.status, 200);
        }
        assert_eq!(by_address(&site, "nobody@example.org").await.status, 429);
        site.silence().await;
        assert_eq!(site.follow(tokens.last().unwrap(), CHOSEN).await.status, 200, "the newest link is good");
        // Whoever asks through the object is not counted with strangers.
        site.world.apply(&with_address("kim", "kim@new.example", "")).await;
        site.letter().await;
        site.world.annotate(SubAdmin, "root", "kim", "resend-activation", "1");
        site.report("kim").await;
        assert_eq!(site.letter().await.to, "kim@new.example");
    }
}

on_both_sites! {
    async fn r8_one_client_asks_only_so_often_whomever_it_asks_for(site) {
        for n in 0..20 {
            assert_eq!(by_address(&site, &format!("n{n}@example.org")).await.status, 200, "{n}");
        }
        // A slow machine may have forgotten one in the meantime.
        let mut last = by_address(&site, "more@example.org").await;
        if last.status == 200 {
            last = by_address(&site, "yet-more@example.org").await;
        }
        assert_eq!(last.says(), (429, "Please wait a little"));
        let slot = site.world.engine.link_key().throttle_slot(Counted::Asking("127.0.0.1"));
        assert_eq!(site.value(&format!("SELECT slot FROM throttle WHERE slot = '{slot}'")).await, slot);
        let all = if site.world.url.starts_with("sqlite") { "SELECT group_concat(slot) FROM throttle" } else { "SELECT string_agg(slot, ',') FROM throttle" };
        let all = site.value(all).await;
        assert!(!all.contains('@') && !all.contains("127"), "{all}");
        // A client that is none of ours says what it likes; it counts for nothing.
        let request = site.client.post(format!("{}/resend", site.pages)).header("x-forwarded-for", "198.51.100.9");
        let claimed = request.form(&[("email", "again@example.org")]).send().await.unwrap();
        assert_eq!(page(claimed).await.status, 429);
        site.silence().await;
    }
}

on_both_sites! {
    async fn r8_asking_is_a_form_of_this_site_and_looking_at_it_changes_nothing(site) {
        site.world.apply(&person("kim", "")).await;
        site.letter().await;
        let before = site.state().await;
        let url = format!("{}/resend", site.pages);
        for method in ["GET", "HEAD", "PUT", "OPTIONS"] {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            site.client.request(method, format!("{url}?email=kim@example.org")).send().await.unwrap();
        }
        assert_eq!(page(site.client.get(&url).send().await.unwrap()).await.says(), (200, "Get a new link"));
        for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
            let request = site.client.post(&url).header(name, value).form(&[("email", "kim@example.org")]);
            assert_eq!(page(request.send().await.unwrap()).await.says(), (403, "Get a new link"), "{name}");
        }
        let long = format!("{}@example.org", "x".repeat(300));
        for wrong in ["", "kim", "@example.org", "kim@", "kim@example.org\r\nBcc: a@evil.example", "kim\0@example.org", &long] {
            let page = by_address(&site, wrong).await;
            assert_eq!(page.says(), (422, "Get a new link"), "{wrong}");
            assert!(page.body.contains("no whole e-mail address") && page.body.contains("<title>Error: "), "{wrong}");
        }
        assert_eq!(by_link(&site, "nonsense").await.says(), (404, "This link does not work"));
        let large = "x".repeat(20_000);
        assert_eq!(by_address(&site, &large).await.status, 413);
        let written = by_address(&site, "\"><b>x</b>").await;
        assert!(!written.body.contains("<b>") && written.body.contains("&lt;b&gt;"));
        assert_eq!(site.state().await, before);
        site.silence().await;
    }
}

on_both_sites! {
    async fn r8_asking_at_the_same_moment_leaves_one_link_that_works(site) {
        site.world.apply(&person("kim", "")).await;
        let first = site.letter().await;
        site.expire().await;
        let asks = (0..3).map(|n| {
            let site = &site;
            let token = first.token.clone();
            async move { if n == 0 { by_link(site, &token).await } else { by_address(site, "kim@example.org").await } }
        });
        for page in futures::future::join_all(asks).await {
            assert_eq!(page.status, 200);
        }
        resent(&site, 3).await;
        assert_eq!(site.value("SELECT CAST(count(*) AS TEXT) FROM activation WHERE state = 'open'").await, "1");
        let letters = site.letters().await;
        let mut good = 0;
        for letter in &letters {
            good += usize::from(site.get(&letter.token).await.status == 200);
        }
        assert_eq!(good, 1, "of {}", letters.len());
        // An account that is gone is answered alike.
        assert!(site.world.delete(SubAdmin, "root", "kim").await.finished);
        assert_eq!(by_link(&site, &first.token).await.status, 200);
        site.silence().await;
    }
}

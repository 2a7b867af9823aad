//! What attackers try with links, on both databases.

use reqwest::Method;
use tenantry::domain::activation::Purpose;
use tenantry::domain::object::Kind::SubAdmin;
use uuid::Uuid;

use super::{BASE, Letter, PASSWORD, Site, page, person};
use crate::on_both_sites;

const CHOSEN: &str = "seven herons crossed the dike";

async fn invited(site: &mut Site, name: &str, more: &str) -> Letter {
    site.world.apply(&person(name, more)).await;
    site.letter().await
}

on_both_sites! {
    async fn r8_a_guessed_token_opens_nothing_and_tells_nothing(site) {
        let token = invited(&mut site, "kim", ", passwordSecretRef: {name: pw}").await.token;
        let before = site.state().await;
        let reference = site.get("").await;
        let mut guesses = vec![];
        for at in 0..token.len() {
            let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            guesses.push(format!("{}{other}{}", &token[..at], &token[at + 1..]));
        }
        // Whoever reads the database knows the link's identifier and nonce, but not the key.
        let id: Uuid = site.value("SELECT CAST(id AS TEXT) FROM activation").await.parse().unwrap();
        let nonce = site.value("SELECT nonce FROM activation").await;
        let other_key = tenantry::domain::activation::LinkKey::new(vec![8; 32]).unwrap();
        guesses.push(other_key.token(id, &nonce, Purpose::Confirm));
        guesses.push(site.world.engine.link_key().token(id, &nonce, Purpose::Activate));
        guesses.extend([nonce, id.to_string(), format!("{token}A"), token[1..].to_owned()]);
        for guess in guesses {
            for page in [site.get(&guess).await, site.follow(&guess, CHOSEN).await] {
                assert_eq!((page.status, &page.body), (404, &reference.body), "{guess}");
            }
        }
        assert_eq!(site.state().await, before);
        assert_eq!(site.follow(&token, "").await.status, 200);
    }
}

on_both_sites! {
    async fn r8_a_token_used_again_one_after_the_other_or_sixteen_at_once_works_once(site) {
        let token = invited(&mut site, "kim", "").await.token;
        let passwords: Vec<String> = (0..16).map(|n| format!("{CHOSEN} {n}")).collect();
        let posts = passwords.iter().map(|password| site.follow(&token, password));
        let pages = futures::future::join_all(posts).await;
        let winners: Vec<_> = pages.iter().enumerate().filter(|(_, page)| page.status == 200).map(|(n, _)| n).collect();
        assert_eq!(winners.len(), 1, "{:?}", pages.iter().map(|page| page.status).collect::<Vec<_>>());
        for page in pages.iter().filter(|page| page.status != 200) {
            assert_eq!(page.says(), (410, "This link has been used"));
        }
        assert!(site.signs_in("kim@example.org", &passwords[winners[0]]).await, "the winner's password");
        assert_eq!(site.value("SELECT CAST(count(*) AS TEXT) FROM audit WHERE action = 'activated'").await, "1");
        let before = site.state().await;
        for _ in 0..2 {
            assert_eq!(site.follow(&token, CHOSEN).await.says(), (410, "This link has been used"));
        }
        assert_eq!(site.state().await, before);
        assert!(!site.signs_in("kim@example.org", CHOSEN).await);
    }
}

on_both_sites! {
    async fn r8_a_token_is_worth_nothing_after_a_resend_after_its_time_and_without_its_account(site) {
        // Replaced by the annotation.
        let first = invited(&mut site, "kim", "").await;
        site.world.annotate(SubAdmin, "root", "kim", "resend-activation", "1");
        site.report("kim").await;
        let second = site.letter().await;
        assert_eq!(site.follow(&first.token, CHOSEN).await.says(), (410, "There is a newer link"));
        // Expired: to the second, and also while the form was open.
        assert_eq!(site.get(&second.token).await.status, 200);
        site.expire().await;
        assert_eq!(site.follow(&second.token, CHOSEN).await.says(), (410, "This link has expired"));
        // Disabled, and a tenant above disabled.
        let lou = invited(&mut site, "lou", "").await;
        let mia = invited(&mut site, "mia", "").await;
        site.world.apply(&person("lou", ", enabled: false")).await;
        let acme = "
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, enabled: ENABLED}";
        site.world.apply(&acme.replace("ENABLED", "false")).await;
        let before = site.state().await;
        for token in [&lou.token, &mia.token] {
            assert_eq!(site.get(token).await.says(), (403, "This account is disabled"));
            assert_eq!(site.follow(token, CHOSEN).await.says(), (403, "This account is disabled"));
        }
        assert_eq!(site.state().await, before);
        assert_eq!(site.stands("mia").await[0], "Blocked");
        site.world.apply(&acme.replace("ENABLED", "true")).await;
        assert_eq!(site.follow(&mia.token, CHOSEN).await.status, 200, "the link outlives that");
        // Deleted, and deleted with the row left behind.
        let nat = invited(&mut site, "nat", "").await;
        let ola = invited(&mut site, "ola", ", deletionPolicy: Disable").await;
        for name in ["nat", "ola"] {
            assert!(site.world.delete(SubAdmin, "root", name).await.finished);
        }
        assert_eq!(site.follow(&nat.token, CHOSEN).await.says(), (404, "This link does not work"));
        assert_eq!(site.follow(&ola.token, CHOSEN).await.says(), (403, "This account is disabled"));
        // Made anew under the same name: another account, another link.
        let again = invited(&mut site, "nat", "").await;
        assert_eq!(site.follow(&nat.token, CHOSEN).await.status, 404);
        assert_eq!(site.follow(&again.token, CHOSEN).await.status, 200);
        for email in ["kim@example.org", "lou@example.org", "ola@example.org"] {
            assert!(!site.signs_in(email, CHOSEN).await, "{email}");
        }
    }
}

on_both_sites! {
    async fn r8_scanners_that_open_every_link_change_nothing(site) {
        let token = invited(&mut site, "kim", ", passwordSecretRef: {name: pw}").await.token;
        let before = site.state().await;
        let writes = site.world.engine.store().writes();
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::PATCH] {
            for form in [false, true] {
                let url = format!("{}/activate?token={token}", site.pages);
                let mut request = site.client.request(method.clone(), url);
                if form {
                    request = request.form(&[("token", &token)]);
                }
                let answer = request.header("purpose", "prefetch").send().await.unwrap();
                assert!(answer.status() == 200 || answer.status() == 405, "{method} {}", answer.status());
            }
        }
        assert_eq!(site.state().await, before);
        assert_eq!(site.world.engine.store().writes(), writes);
        // Nor does a POST whose token stands in the address alone.
        assert_eq!(site.post(&format!("/activate?token={token}"), &[]).await.status, 404);
        assert_eq!(site.state().await, before);
        assert_eq!(site.follow(&token, "").await.status, 200);
    }
}

on_both_sites! {
    async fn r8_links_are_made_from_settings_alone_whatever_host_a_request_claims(site) {
        let first = invited(&mut site, "kim", "").await;
        site.expire().await;
        let evil = |request: reqwest::RequestBuilder| {
            request
                .header("host", "evil.example")
                .header("x-forwarded-host", "evil.example")
                .header("x-forwarded-proto", "gopher")
                .header("x-original-url", "https://evil.example/")
                .header("forwarded", "host=evil.example;proto=gopher")
        };
        let url = |path: &str| format!("{}{path}", site.pages);
        let looked = evil(site.client.get(url(&format!("/activate?token={}", first.token)))).send().await.unwrap();
        let asked = evil(site.client.post(url("/resend"))).form(&[("token", &first.token)]).send().await.unwrap();
        let front = evil(site.client.get(url("/login"))).send().await.unwrap();
        for answer in [looked, asked, front] {
            let answer = page(answer).await;
            assert!(!answer.body.contains("evil") && !format!("{:?}", answer.headers).contains("evil"));
            assert!(!answer.body.contains("http://") && !answer.body.contains("https://"), "relative links only: {}", answer.body);
        }
        let second = site.letter().await;
        let raw = String::from_utf8_lossy(&second.message.raw).into_owned();
        assert!(second.message.link(BASE).is_some() && !raw.contains("evil") && !raw.contains(&site.pages), "{raw}");
        assert_eq!(site.follow(&second.token, CHOSEN).await.status, 200);
    }
}

on_both_sites! {
    async fn r8_nothing_that_authors_or_people_write_adds_a_header_a_recipient_or_a_link(site) {
        let clean = invited(&mut site, "kim", "").await;
        let names = |letter: &Letter| letter.message.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        site.world.apply("
kind: Tenant
metadata: {namespace: root, name: north}
spec: {displayName: \"x\\r\\nBcc: a@evil.example\\r\\n\\r\\nhttps://evil.example\", parentRef: {name: acme}, branding: {productName: \"Fleet\\r\\nX-Evil: 1 <a@evil.example>, b\"}}").await;
        site.world.apply(&person("lou", ", company: \"c\\r\\nBcc: a@evil.example\"")).await;
        let letters = site.letters().await;
        // Refused, or harmless: never a header more.
        for letter in &letters {
            assert_eq!(names(letter), names(&clean));
            assert_eq!(letter.to, "lou@example.org");
            assert!(!letter.subject.contains('\n'), "{:?}", letter.subject);
        }
        for (username, email) in [("n\\r\\nBcc: x", "nat@example.org"), ("nat", "nat@example.org\\r\\nBcc: a@evil.example"), ("nat", "nat@example.org, a@evil.example")] {
            let yaml = format!("
kind: SubAdmin
metadata: {{namespace: root, name: nat}}
spec: {{tenantRef: {{name: north}}, username: \"{username}\", email: \"{email}\"}}");
            site.world.apply(&yaml).await;
            for letter in site.letters().await {
                assert_eq!(names(&letter), names(&clean), "{username} {email}");
                assert!(letter.message.headers.iter().all(|(_, value)| !value.contains('\n')));
            }
        }
        assert!(!site.signs_in("kim@example.org", PASSWORD).await);
    }
}

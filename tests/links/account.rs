//! The page of somebody who is signed in.

use super::{ACME, person};
use crate::on_both_sites;

on_both_sites! {
    async fn the_page_shows_the_subscription_to_the_owner_of_the_tenant_alone(site) {
        for name in ["kim", "lou"] {
            site.world.apply(&person(name, ", emailVerified: true, passwordSecretRef: {name: pw}")).await;
        }
        let shown = async |site: &crate::Site, name: &str| {
            let page = site.account(&format!("{name}@example.org")).await;
            assert_eq!(page.says(), (200, "Your account"));
            page.body.contains("the subscription")
        };
        assert!(!shown(&site, "kim").await, "nobody owns it yet");
        let owned = ACME.replace("{displayName: North Fleet", "{displayName: North Fleet, ownerRef: {name: kim}");
        site.world.apply(&owned).await;
        assert!(shown(&site, "kim").await);
        assert!(!shown(&site, "lou").await);
    }
}

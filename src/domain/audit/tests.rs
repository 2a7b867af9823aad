use serde_json::json;

use super::*;
use crate::domain::activation::LinkKey;

fn key(byte: u8) -> TrailKey {
    LinkKey::new(vec![byte; 32]).unwrap().trail_key()
}

fn record(n: i64) -> Record {
    Record {
        id: Uuid::from_u128(n.unsigned_abs().into()),
        appended: n,
        at: "2026-11-22T10:00:00Z".parse().unwrap(),
        actor: "platform".to_owned(),
        actor_account: None,
        actor_tenant: None,
        account: None,
        action: "created".to_owned(),
        kind: Some("Tenant".to_owned()),
        namespace: Some("root".to_owned()),
        name: Some("acme".to_owned()),
        tenant: Some(Uuid::from_u128(7)),
        generation: Some(1),
        before: None,
        after: Some(json!({"n": n})),
    }
}

fn chain(count: i64) -> Vec<Link> {
    let mut before = String::new();
    (1..=count)
        .map(|n| {
            before = key(1).digest(&before, n, &record(n));
            Link { sequence: n, digest: before.clone(), record: Some(record(n)) }
        })
        .collect()
}

fn head(links: &[Link]) -> Head {
    let last = links.last().unwrap();
    key(1).attest(last.sequence, &last.digest)
}

fn verify(links: &[Link], head: Option<&Head>) -> Verified {
    let key = key(1);
    let mut verifier = Verifier::new(&key, None);
    links.iter().for_each(|link| verifier.take(link));
    verifier.finish(head, Unsealed::default())
}

fn broken(links: &[Link]) -> (i64, Fault) {
    let whole = chain(5);
    let broken = verify(links, Some(&head(&whole))).broken.unwrap();
    (broken.sequence, broken.fault)
}

#[test]
fn r11_the_form_that_is_digested_is_the_same_however_a_database_keeps_it() {
    let one: Value = serde_json::from_str(r#"{"b":{"y":1,"x":[1,null]},"a":"ü\n"}"#).unwrap();
    let two: Value =
        serde_json::from_str(r#"{ "a" : "\u00fc\u000a", "b" : { "x":[1, null], "y":1 } }"#).unwrap();
    let mut left = record(1);
    let mut right = record(1);
    (left.after, right.after) = (Some(one), Some(two));
    right.at = "2026-11-22T12:00:00+02:00".parse().unwrap();
    assert_eq!(left.canonical(), right.canonical());
    assert_eq!(
        left.canonical(),
        r#"{"account":null,"action":"created","actor":"platform","actorAccount":null,"actorTenant":null,"after":{"a":"ü\n","b":{"x":[1,null],"y":1}},"appended":1,"at":"2026-11-22T10:00:00Z","before":null,"generation":1,"id":"00000000-0000-0000-0000-000000000001","kind":"Tenant","name":"acme","namespace":"root","tenant":"00000000-0000-0000-0000-000000000007"}"#
    );
}

#[test]
fn r11_a_whole_chain_is_proved_with_its_head_and_its_tail() {
    let links = chain(5);
    let tail = Unsealed { count: 2, since: None };
    let key = key(1);
    let mut verifier = Verifier::new(&key, Some(&links[2].digest));
    links.iter().for_each(|link| verifier.take(link));
    let verified = verifier.finish(Some(&head(&links)), tail);
    assert_eq!((verified.sealed, verified.proved, verified.broken), (5, 5, None));
    assert_eq!(verified.head.as_deref(), Some(links[4].digest.as_str()));
    assert_eq!((verified.expected, verified.unsealed), (Some(true), tail));
    assert_eq!(verify(&[], None).broken, None);
}

#[test]
fn r11_nobody_without_the_key_can_make_a_chain() {
    let mut links = chain(5);
    let mut before = String::new();
    for link in &mut links {
        before = key(2).digest(&before, link.sequence, &record(link.sequence));
        link.digest.clone_from(&before);
    }
    assert_eq!(broken(&links), (1, Fault::Changed));
}

#[test]
fn r11_the_first_broken_place_is_named_with_what_is_wrong() {
    let mut links = chain(5);
    links[2].record.as_mut().unwrap().actor = "SubAdmin acme/kim".to_owned();
    links[4].record = None;
    assert_eq!(broken(&links), (3, Fault::Changed));

    let mut links = chain(5);
    links[3].digest = links[0].digest.clone();
    assert_eq!(broken(&links), (4, Fault::Changed));

    let mut links = chain(5);
    links.remove(1);
    assert_eq!(broken(&links), (2, Fault::Missing));

    // Renumbering does not close the gap.
    links.iter_mut().zip(1..).for_each(|(link, n)| link.sequence = n);
    assert_eq!(broken(&links), (2, Fault::Changed));

    let mut links = chain(5);
    links.swap(1, 3);
    links.iter_mut().zip(1..).for_each(|(link, n)| link.sequence = n);
    assert_eq!(broken(&links), (2, Fault::Reordered { at: 4 }));

    let mut links = chain(5);
    let (one, three) = (links[1].record.take(), links[3].record.take());
    (links[1].record, links[3].record) = (three, one);
    assert_eq!(broken(&links), (2, Fault::Reordered { at: 4 }));

    let mut links = chain(5);
    let mut moved = links.remove(1);
    moved.sequence = 9;
    links.push(moved);
    assert_eq!(broken(&links), (2, Fault::Reordered { at: 9 }));

    let mut links = chain(5);
    links.insert(0, Link { sequence: 0, ..links[0].clone() });
    assert_eq!(broken(&links), (0, Fault::Changed));
}

#[test]
fn r11_what_is_cut_off_at_the_end_is_missed_by_the_head() {
    let links = chain(5);
    assert_eq!(broken(&links[..3]), (4, Fault::Missing));
    assert_eq!(broken(&[]), (1, Fault::Missing));
    let fault = |head: Option<&Head>| verify(&links[..3], head).broken.unwrap().fault;
    assert_eq!(fault(None), Fault::Head);
    // The digest of a place that is left does not make a head of it.
    let forged: Head = format!("3 {} {}", links[2].digest, links[2].digest).parse().unwrap();
    assert_eq!(fault(Some(&forged)), Fault::Head);
    assert_eq!(fault(Some(&head(&links[..2]))), Fault::Head);
    assert_eq!(verify(&links[..3], Some(&head(&links[..3]))).broken, None);
}

#[test]
fn r11_sealing_goes_on_after_a_cut_and_leaves_the_hole() {
    let links = chain(5);
    let head = head(&links);
    let (three, digest) = (3, links[2].digest.as_str());
    assert_eq!(key(1).resume(None, None), (1, String::new()));
    assert_eq!(key(1).resume(Some(&head), Some((5, &links[4].digest))), (6, links[4].digest.clone()));
    assert_eq!(key(1).resume(Some(&head), Some((three, digest))), (6, links[4].digest.clone()));
    assert_eq!(key(1).resume(None, Some((three, digest))), (5, digest.to_owned()));
    assert_eq!(key(1).resume(Some(&key(2).attest(3, digest)), Some((three, digest))), (5, digest.to_owned()));
}

#[test]
fn a_head_is_stored_and_read_again() {
    let head = key(1).attest(3, "ab");
    assert_eq!(head.to_string().parse::<Head>().unwrap(), head);
    for nonsense in ["", "3", "3 ab", "x ab cd", "3 ab cd ef"] {
        assert!(nonsense.parse::<Head>().is_err(), "{nonsense}");
    }
}

//! What whoever watches a conversation sees of it.

use std::sync::Mutex;
use std::time::Duration;

use super::peer::Do::Say;
use super::peer::{PATIENT, Peer, Script};
use super::*;
use crate::mail::settings::{Credentials, ServerSettings, Tls};
use crate::mail::testing::{self, TOKEN};

const PASSWORD: &str = "hunter2-Tr0ub4dor&3";

#[derive(Default)]
struct Notes(Mutex<Vec<(Step, Facts)>>);

impl Observer for Notes {
    fn seen(&self, step: Step, _: Duration, facts: Facts) {
        self.0.lock().unwrap().push((step, facts));
    }
}

async fn watched(script: Script) -> (Vec<(Step, Facts)>, Result<Accepted, SendError>) {
    let peer = Peer::start(vec![script]).await;
    let credentials = Credentials::new("postmaster".into(), PASSWORD.to_owned().into()).unwrap();
    let transport = peer.transport_with(Tls::None, Some(credentials), PATIENT);
    let notes = Notes::default();
    let result = transport.send_watched(&testing::message(), &notes).await;
    (notes.0.into_inner().unwrap(), result)
}

fn steps(seen: &[(Step, Facts)]) -> Vec<Step> {
    seen.iter().map(|(step, _)| *step).collect()
}

const ALL: [Step; 8] = [
    Step::Resolve,
    Step::Connect,
    Step::Greeting,
    Step::SignIn,
    Step::Sender,
    Step::Recipient,
    Step::Data,
    Step::Message,
];

#[tokio::test]
async fn each_step_is_told_with_what_the_server_said() {
    let script = vec![
        ("GREETING", Say("220-peer ESMTP\r\n220 for postmaster@acme.example")),
        ("EHLO", Say("250-peer\r\n250-AUTH LOGIN PLAIN\r\n250-SIZE 1000\r\n250 8BITMIME")),
        ("AUTH", Say("235 2.7.0 hunter2-Tr0ub4dor&3 accepted")),
        ("RCPT", Say("250 2.1.5 kim@north.example ok")),
        (".", Say("250 queued, found https://fleet.acme.example/activate?token=qk3vx7dm5jh2t6wz4ypcb8nrf1")),
    ];
    let (seen, result) = watched(script).await;
    result.unwrap();
    assert_eq!(steps(&seen), ALL);
    let Facts::Addresses(addresses) = &seen[0].1 else { panic!("{seen:?}") };
    let Facts::Address(address) = &seen[1].1 else { panic!("{seen:?}") };
    assert!(addresses.contains(&address.ip()), "{seen:?}");
    let Facts::Greeting { words, offers } = &seen[2].1 else { panic!("{seen:?}") };
    assert_eq!(words, "220-peer ESMTP 220 for <address>");
    assert_eq!(offers, &["8BITMIME", "AUTH PLAIN", "AUTH LOGIN"]);
    assert_eq!(seen[3].1, Facts::SignIn { mechanism: "PLAIN".into(), reply: "<removed>".into() });
    assert_eq!(seen[5].1, Facts::Reply("250 2.1.5 <address> ok".into()));
    let shown = format!("{seen:?}");
    for secret in [PASSWORD, TOKEN, "kim@", "postmaster@"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn a_refusal_ends_the_steps_where_it_was_said() {
    for (refused, step) in [
        ("GREETING", Step::Greeting),
        ("AUTH", Step::SignIn),
        ("MAIL", Step::Sender),
        ("RCPT", Step::Recipient),
        ("DATA", Step::Data),
        (".", Step::Message),
    ] {
        let (seen, result) = watched(vec![(refused, Say("554 5.7.1 not today"))]).await;
        assert_eq!(result.unwrap_err().step(), Some(step), "{refused}");
        let before: Vec<Step> = ALL.into_iter().take_while(|other| *other != step).collect();
        assert_eq!(steps(&seen), before, "{refused}");
    }
}

#[tokio::test]
async fn a_watched_message_takes_a_connection_of_its_own_and_leaves_none() {
    let peer = Peer::start(vec![vec![], vec![]]).await;
    let transport = peer.transport();
    let notes = Notes::default();
    transport.send_watched(&testing::message(), &notes).await.unwrap();
    transport.send_watched(&testing::message(), &notes).await.unwrap();
    let heard = peer.heard().await;
    assert!(heard.iter().all(|lines| lines.last().unwrap() == "QUIT"), "{heard:?}");
    assert_eq!(notes.0.into_inner().unwrap().len(), 14);
}

#[tokio::test]
async fn whoever_watches_sees_that_an_inward_address_is_not_connected_to() {
    let peer = Peer::start(vec![vec![]]).await;
    let settings = ServerSettings::new("localhost", Some(peer.address.port()), Tls::None, None).unwrap();
    let policy = AddressPolicy::Public { allow_hosts: vec![] };
    let transport = SmtpTransport::new(settings, policy, PATIENT).unwrap();
    let notes = Notes::default();
    let error = transport.send_watched(&testing::message(), &notes).await.unwrap_err();
    assert_eq!(error.step(), Some(Step::Resolve));
    assert!(notes.0.into_inner().unwrap().is_empty());
}

use std::time::Duration;

use tokio::net::TcpListener;

use super::peer::Do::{After, Endless, HangUp, Last, Say, Silence};
use super::peer::{IMPATIENT, PATIENT, Peer, Script};
use super::*;
use crate::mail::settings::{Credentials, ServerSettings, Tls};
use crate::mail::testing::{self, TOKEN};

const PASSWORD: &str = "hunter2-Tr0ub4dor&3";

/// The error of one send to a peer with this script, checked for secrets.
async fn failure(script: Script) -> SendError {
    let silent = script.iter().any(|(_, what)| matches!(what, Silence));
    let timeouts = if silent { IMPATIENT } else { PATIENT };
    let peer = Peer::start(vec![script]).await;
    let transport = peer.transport_with(Tls::None, None, timeouts);
    let error = transport.send(&testing::message()).await.unwrap_err();
    assert_discreet(&error);
    error
}

fn assert_discreet(error: &SendError) {
    for text in [error.to_string(), error.line(), format!("{error:?}"), format!("{error:#?}")] {
        for secret in [PASSWORD, TOKEN, "kim@", "north.example", "postmaster"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(!error.to_string().contains(['\n', '\r']), "{text}");
    }
}

#[tokio::test]
async fn a_message_that_is_accepted_brings_back_the_servers_words() {
    let peer = Peer::start(vec![vec![]]).await;
    let transport = peer.transport();
    let message = testing::message();
    let accepted = transport.send(&message).await.unwrap();
    assert_eq!(accepted.reply, "250 2.0.0 queued as 4711");
    transport.hang_up().await;
    let heard = peer.heard().await.remove(0);
    assert_eq!(
        heard[..4],
        ["EHLO [127.0.0.1]", "MAIL FROM:<no-reply@acme.example>", "RCPT TO:<kim@north.example>", "DATA"]
    );
    let sent = String::from_utf8(message.formatted()).unwrap().replace("\r\n", "\n");
    assert_eq!(heard[4].trim_end(), sent.trim_end());
    assert_eq!(heard[5], "QUIT");
}

#[tokio::test]
async fn several_messages_share_a_connection() {
    let peer = Peer::start(vec![vec![]]).await;
    let transport = peer.transport();
    for _ in 0..3 {
        transport.send(&testing::message()).await.unwrap();
    }
    transport.hang_up().await;
    assert_eq!(peer.heard().await.remove(0).iter().filter(|line| *line == "DATA").count(), 3);
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_is_replaced_without_an_error() {
    for goodbye in [Last("250 fine"), Last("250 fine\r\n421 4.4.2 bye"), Say("250 fine\r\n421 4.4.2 bye")] {
        let peer = Peer::start(vec![vec![(".", goodbye)], vec![]]).await;
        let transport = peer.transport();
        transport.send(&testing::message()).await.unwrap();
        transport.send(&testing::message()).await.unwrap();
        transport.hang_up().await;
        let heard = peer.heard().await;
        assert!(heard[1].contains(&"DATA".to_owned()), "{heard:?}");
    }
}

#[tokio::test]
async fn a_server_that_takes_only_so_many_mails_over_one_connection_gets_another() {
    let enough = || vec![("MAIL", After(2, "452 4.5.3 too many messages"))];
    // One after the other, as the peer serves its connections.
    let peer = Peer::start(vec![enough(), enough()]).await;
    let transport = Transport::Smtp(peer.transport());
    for _ in 0..4 {
        transport.send(&testing::message()).await.unwrap();
    }
    transport.hang_up().await;
    assert_eq!(peer.heard().await.len(), 2);
}

#[tokio::test]
async fn refusals_are_sorted_by_what_they_refuse() {
    use FailureClass as C;
    for (when, words, step, class, code) in [
        ("GREETING", "421 4.3.2 busy", Step::Greeting, C::Transient, 421),
        ("GREETING", "554 no service here", Step::Greeting, C::Settings, 554),
        ("EHLO", "550 not you", Step::Greeting, C::Settings, 550),
        ("MAIL", "450 4.7.1 later", Step::Sender, C::Transient, 450),
        ("MAIL", "451 local error", Step::Sender, C::Transient, 451),
        ("MAIL", "550 5.7.1 sender refused", Step::Sender, C::Permanent, 550),
        ("MAIL", "530 5.7.0 authentication required", Step::Sender, C::Settings, 530),
        ("RCPT", "450 4.2.0 <kim@north.example>: greylisted", Step::Recipient, C::Transient, 450),
        ("RCPT", "452 4.2.2 mailbox full", Step::Recipient, C::Transient, 452),
        ("RCPT", "550 5.1.1 <kim@north.example>: unknown", Step::Recipient, C::Permanent, 550),
        ("DATA", "554 5.5.1 no valid recipients", Step::Data, C::Permanent, 554),
        ("DATA", "421 4.3.2 shutting down", Step::Data, C::Transient, 421),
        (".", "452 4.3.1 disk full", Step::Message, C::Transient, 452),
        (".", "552 5.3.4 too big", Step::Message, C::Permanent, 552),
        (".", "554 5.7.1 spam: kim@north.example", Step::Message, C::Permanent, 554),
    ] {
        let error = failure(vec![(when, Say(words))]).await;
        let got = (error.step(), error.class(), error.code());
        assert_eq!(got, (Some(step), class, Some(code)), "{when} {words}: {error}");
        assert_eq!(error.retry(), class.retry());
    }
}

#[tokio::test]
async fn the_error_names_the_server_its_words_and_what_to_do() {
    let peer =
        Peer::start(vec![vec![("RCPT", Say("550-5.1.1 <kim@north.example>:\r\n550 5.1.1 unknown"))]]).await;
    let error = peer.transport().send(&testing::message()).await.unwrap_err();
    assert_eq!(
        error.line(),
        format!(
            "mail server {} refused the recipient with 550: 5.1.1 <address>: unknown; check the address, then resend",
            peer.address
        )
    );
    assert_eq!(error.words(), Some("5.1.1 <address>: unknown"));
}

#[tokio::test]
async fn a_content_filter_that_quotes_the_link_does_not_spread_it() {
    const QUOTE: &str = "554 5.7.1 listed: https://fleet.acme.example/activate?token=qk3vx7dm5jh2t6wz4ypcb8nrf1 see http://bl.example";
    assert!(QUOTE.contains(TOKEN));
    let error = failure(vec![(".", Say(QUOTE))]).await;
    assert_eq!(
        error.words(),
        Some("5.7.1 listed: https://fleet.acme.example/activate?token=<removed> see http://bl.example")
    );
    let peer =
        Peer::start(vec![vec![(".", Say("250 ok qk3vx7dm5jh2t6wz4ypcb8nrf1 for kim@north.example"))]]).await;
    let accepted = peer.transport().send(&testing::message()).await.unwrap();
    assert_eq!(accepted.reply, "250 ok <removed> for <address>");
}

#[tokio::test]
async fn silence_and_hanging_up_are_network_errors_at_every_step() {
    let steps = [
        ("GREETING", Step::Greeting),
        ("EHLO", Step::Greeting),
        ("MAIL", Step::Sender),
        ("RCPT", Step::Recipient),
        ("DATA", Step::Data),
        (".", Step::Message),
    ];
    futures::future::join_all(steps.map(async |(when, step)| {
        let error = failure(vec![(when, Silence)]).await;
        assert_eq!((error.step(), error.class()), (Some(step), FailureClass::Network), "{error}");
        let said = error.to_string();
        assert!(said.contains("did not answer in time") || said.contains("did not greet"), "{said}");

        let error = failure(vec![(when, HangUp)]).await;
        assert_eq!((error.step(), error.class()), (Some(step), FailureClass::Network), "{error}");
        assert!(error.to_string().contains("connection (at"), "{error}");
        assert_eq!(error.retry(), Retry::Later);
    }))
    .await;
}

#[tokio::test]
async fn a_refusal_is_not_lost_when_the_server_then_falls_silent() {
    let script = vec![("RCPT", Say("550 no")), ("RSET", Silence), ("QUIT", Silence)];
    let error = failure(script).await;
    assert_eq!(error.code(), Some(550), "{error}");
}

#[tokio::test]
async fn a_refused_recipient_does_not_cost_the_connection() {
    let peer = Peer::start(vec![vec![("RCPT", Say("450 greylisted"))]]).await;
    let transport = peer.transport();
    for _ in 0..2 {
        transport.send(&testing::message()).await.unwrap_err();
    }
    transport.hang_up().await;
    let heard = peer.heard().await.remove(0);
    assert_eq!(heard.iter().filter(|line| *line == "RSET").count(), 2);
}

#[tokio::test]
async fn endless_and_senseless_replies_end_in_a_network_error() {
    for (when, what) in [
        ("GREETING", Endless),
        ("RCPT", Endless),
        (".", Endless),
        ("GREETING", Say("HTTP/1.1 400 Bad Request")),
        ("MAIL", Say("bogus")),
        ("MAIL", Say("")),
    ] {
        let error = failure(vec![(when, what)]).await;
        assert_eq!(error.class(), FailureClass::Network, "{when}: {error}");
    }
}

#[tokio::test]
async fn nobody_listening_is_a_network_error_that_says_what_to_check() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let settings = ServerSettings::new("localhost", Some(address.port()), Tls::None, None).unwrap();
    let transport = SmtpTransport::new(settings, AddressPolicy::Any, Timeouts::default()).unwrap();
    for error in
        [transport.send(&testing::message()).await.unwrap_err(), transport.probe().await.unwrap_err()]
    {
        assert_eq!((error.step(), error.class()), (Some(Step::Connect), FailureClass::Network));
        assert!(error.to_string().contains("cannot be reached"), "{error}");
        assert!(error.line().contains("refused"), "{}", error.line());
    }
}

#[tokio::test]
async fn a_refused_password_waits_for_other_settings_and_appears_nowhere() {
    let credentials = || Some(Credentials::new("postmaster".into(), PASSWORD.to_owned().into()).unwrap());
    for reply in [
        "535 5.7.8 wrong",
        "535 5.7.8 hunter2-Tr0ub4dor&3 is wrong",
        "535 what is AHBvc3RtYXN0ZXIAaHVudGVyMi1UcjB1YjRkb3ImMw== ?",
    ] {
        let peer = Peer::start(vec![vec![("AUTH", Say(reply))]]).await;
        let error = peer.transport_with(Tls::None, credentials(), PATIENT).probe().await.unwrap_err();
        assert_discreet(&error);
        assert!(!error.line().contains("AHBvc3"), "{error}");
        assert_eq!((error.step(), error.class()), (Some(Step::SignIn), FailureClass::Settings));
        assert_eq!(error.retry(), Retry::OnChange);
        assert!(error.to_string().ends_with("; check the user name and password"), "{error}");
    }
    for script in [
        vec![("AUTH", Say("454 4.7.0 later"))],
        vec![("AUTH", Silence)],
        vec![("AUTH", HangUp)],
        vec![("EHLO", Say("250 peer"))],
        vec![("EHLO", Say("250-peer\r\n250 AUTH LOGIN")), ("AUTH", Say("334 bm9uc2Vuc2U="))],
    ] {
        let peer = Peer::start(vec![script]).await;
        let transport = peer.transport_with(Tls::None, credentials(), IMPATIENT);
        assert_discreet(&transport.send(&testing::message()).await.unwrap_err());
        assert!(!format!("{transport:?}").contains(PASSWORD));
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent() {
    let peer = Peer::start(vec![vec![]]).await;
    let credentials = Credentials::new("postmaster".into(), PASSWORD.to_owned().into()).unwrap();
    let transport = peer.transport_with(Tls::StartTls, Some(credentials), PATIENT);
    let error = transport.send(&testing::message()).await.unwrap_err();
    assert_eq!((error.step(), error.class()), (Some(Step::Tls), FailureClass::Settings));
    assert!(error.to_string().contains("does not offer STARTTLS"), "{error}");
    assert_eq!(peer.heard().await.remove(0), ["EHLO [127.0.0.1]"]);
}

#[tokio::test]
async fn words_slipped_in_before_tls_are_not_believed() {
    let script = vec![
        ("EHLO", Say("250-peer\r\n250 STARTTLS")),
        ("STARTTLS", Say("220 go ahead\r\n250-evil\r\n250 AUTH PLAIN\r\n235 welcome")),
    ];
    let peer = Peer::start(vec![script]).await;
    let credentials = Credentials::new("postmaster".into(), PASSWORD.to_owned().into()).unwrap();
    let transport = peer.transport_with(Tls::StartTls, Some(credentials), PATIENT);
    let error = transport.send(&testing::message()).await.unwrap_err();
    assert_eq!((error.step(), error.class()), (Some(Step::Tls), FailureClass::Settings), "{error}");
    assert_discreet(&error);
}

#[tokio::test]
async fn a_port_without_tls_is_recognised() {
    let peer = Peer::start(vec![vec![]]).await;
    let error = peer.transport_with(Tls::Implicit, None, IMPATIENT).probe().await.unwrap_err();
    assert_eq!((error.step(), error.class()), (Some(Step::Tls), FailureClass::Settings), "{error}");
    assert!(error.to_string().contains("does not speak TLS on this port"), "{error}");

    let peer = Peer::start(vec![vec![("GREETING", Silence)]]).await;
    let error = peer.transport_with(Tls::Implicit, None, IMPATIENT).probe().await.unwrap_err();
    assert_eq!((error.step(), error.class()), (Some(Step::Tls), FailureClass::Network), "{error}");
}

#[tokio::test]
async fn a_probe_goes_as_far_as_the_sign_in_and_says_goodbye() {
    let peer = Peer::start(vec![vec![]]).await;
    let credentials = Credentials::new("postmaster".into(), PASSWORD.to_owned().into()).unwrap();
    peer.transport_with(Tls::None, Some(credentials), PATIENT).probe().await.unwrap();
    let heard = peer.heard().await.remove(0);
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard[1].starts_with("AUTH PLAIN ") && heard[2] == "QUIT", "{heard:?}");
}

#[tokio::test]
async fn a_tenants_server_on_an_inward_address_is_not_even_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost", "::ffff:127.0.0.1"] {
        let settings = ServerSettings::new(host, Some(port), Tls::None, None).unwrap();
        let policy = AddressPolicy::Public { allow_hosts: Vec::new() };
        let transport = SmtpTransport::new(settings, policy, Timeouts::default()).unwrap();
        let error = transport.probe().await.unwrap_err();
        assert_eq!((error.step(), error.class()), (Some(Step::Resolve), FailureClass::Settings));
        assert!(error.to_string().contains("--mail-allow-hosts"), "{error}");
    }
    let refused = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(refused.is_err(), "somebody connected");
}

#[tokio::test]
async fn an_address_outside_ascii_needs_a_server_that_takes_it() {
    let mut envelope = testing::envelope();
    envelope.to = "kïm@north.example".to_owned();
    let letter = testing::letter(crate::mail::Purpose::Activate, "en");
    let templates = crate::mail::Templates::embedded().unwrap();
    let message = crate::mail::compose(&templates, &envelope, &letter).unwrap();

    let peer = Peer::start(vec![vec![]]).await;
    let error = peer.transport().send(&message).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Permanent);
    assert!(!error.to_string().contains("kïm"), "{error}");

    let peer = Peer::start(vec![vec![("EHLO", Say("250-peer\r\n250-8BITMIME\r\n250 SMTPUTF8"))]]).await;
    let transport = peer.transport();
    transport.send(&message).await.unwrap();
    transport.hang_up().await;
    let heard = peer.heard().await.remove(0);
    assert_eq!(heard[1], "MAIL FROM:<no-reply@acme.example> SMTPUTF8 BODY=8BITMIME");
}

#[tokio::test]
async fn the_mail_url_leads_to_the_right_transport() {
    let transport = Transport::from_url("dir:./outbox".parse().unwrap(), None).unwrap();
    assert_eq!(transport.to_string(), "mail folder ./outbox");
    // Needs cryptography, and nobody has chosen any for this process.
    let url = "smtps://postmaster:hunter2@mail.example".parse().unwrap();
    let transport = Transport::from_url(url, None).unwrap();
    assert_eq!(transport.to_string(), "mail server mail.example:465");
    assert!(!format!("{transport:?}").contains("hunter2"));
}

//! A mail server that does everything wrong, at every stage of the
//! conversation: what kind of failure that is, and what the outbox does.

use std::time::Duration;

use futures::StreamExt as _;

use super::super::Drained;
use super::{LONG, Outside, mail_of, outbox_to};
use crate::domain::activation::Purpose;
use crate::mail::peer::Do::{self, First, HangUp, HangUpInText, Late, Line, Say, Silence};
use crate::mail::peer::{IMPATIENT, PATIENT, Peer, Script};
use crate::mail::{AddressPolicy, FailureClass, Timeouts, Tls, Transport};
use crate::testing::World;

/// Stages of a conversation, in order; "." is the end of the message.
const STAGES: [&str; 6] = ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "."];

const REPLIES: [(u16, &str); 7] = [
    (421, "421 4.3.2 closing down"),
    (450, "450 4.2.0 greylisted"),
    (451, "451 4.3.0 local error"),
    (452, "452 4.3.1 no room"),
    (550, "550 5.7.1 not here"),
    (552, "552 5.2.2 mailbox full"),
    (554, "554 5.7.0 no"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It waits, says why, and is sent at the next attempt.
    Again,
    /// It is given up, in the server's words.
    Never,
    /// Nothing was wrong, after all.
    Sent,
}

#[derive(Clone)]
struct Case {
    stage: &'static str,
    what: Do,
    class: Option<FailureClass>,
    then: Then,
    /// In the problem that the account's status shows.
    words: &'static str,
    /// How often the server has taken the message in the end.
    copies: usize,
}

fn cases() -> Vec<Case> {
    let case = |stage, what, class, then, words| {
        let copies = usize::from(then != Then::Never);
        Case { stage, what, class: Some(class), then, words, copies }
    };
    let mut cases = vec![];
    for (at, stage) in STAGES.into_iter().enumerate() {
        for (code, reply) in REPLIES {
            let (class, then) = match (code, stage) {
                (400..500, _) => (FailureClass::Transient, Then::Again),
                // Not about this message: the server wants nobody, or not us.
                (_, "GREETING" | "EHLO") => (FailureClass::Settings, Then::Again),
                _ => (FailureClass::Permanent, Then::Never),
            };
            cases.push(case(stage, Say(reply), class, then, &reply[4..]));
        }
        let network = |what, words| case(stage, what, FailureClass::Network, Then::Again, words);
        cases.push(network(Silence, "in time"));
        cases.push(network(Line(1_000_000), "connection (at"));
        let mut hung_up = network(HangUp, "connection (at");
        // After the last line nobody can know: it is sent once more.
        hung_up.copies += usize::from(stage == ".");
        cases.push(hung_up);
        let patient = ["220 at last", "250 at last", "250 fine", "250 fine", "354 go on", "250 taken"][at];
        let late = Late(Duration::from_secs(30), patient);
        cases.push(Case { class: None, ..case(stage, late, FailureClass::Network, Then::Sent, "") });
    }
    cases.push(case("DATA", HangUpInText, FailureClass::Network, Then::Again, "connection"));
    cases
}

async fn hurry(world: &World) {
    let mut tx = world.write().await;
    tx.hurry_mails(&[world.account.id]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn plays(case: Case) {
    let Case { stage, what, class, then, words, copies } = case;
    let at = format!("{stage} {what:?}");
    let world = World::new().await;
    let (_, token) = world.invite(Purpose::Activate).await;
    let timeouts = match what {
        Silence => IMPATIENT,
        Late(..) => Timeouts::default(),
        _ => PATIENT,
    };
    // The message was heard to its end and then not taken.
    let heard_in_vain = stage == "." && matches!(what, Say(_) | Silence | Line(_));
    let script: Script = vec![(stage, what)];
    let peer = Peer::start(vec![script, vec![]]).await;
    let transport = Transport::Smtp(peer.transport_with(Tls::None, None, timeouts));
    let outbox = outbox_to(&world, transport, AddressPolicy::Any, Outside(None));
    let first = outbox.drain(LONG * 2).await.unwrap();
    let state = mail_of(&world).await;
    let problem = state.problem.clone().unwrap_or_default();
    if then == Then::Sent {
        assert_eq!((first, state.sends), (Drained { sent: 1, left: 0 }, 1), "{at}: {problem}");
    } else {
        let left = usize::from(then == Then::Again);
        assert_eq!(first, Drained { sent: 0, left }, "{at}: {problem}");
        assert!(problem.contains(words), "{at}: {problem}");
        let told = match class {
            Some(FailureClass::Transient) => "postponed",
            Some(FailureClass::Permanent) => "refused",
            Some(FailureClass::Settings) => "use another server",
            Some(FailureClass::Network) => "(at ",
            None => "",
        };
        assert!(problem.contains(told), "{at}: {problem}");
        assert!(!problem.contains('@') && !problem.contains(&token), "{at}: {problem}");
        // Not before its time.
        assert_eq!(outbox.drain(LONG).await.unwrap(), Drained { sent: 0, left }, "{at}");
        hurry(&world).await;
        assert_eq!(outbox.drain(LONG).await.unwrap(), Drained { sent: left, left: 0 }, "{at}");
        let end = if then == Then::Never { "failed" } else { "sent" };
        assert_eq!(mail_of(&world).await.state.as_deref(), Some(end), "{at}");
    }
    if then == Then::Again {
        // What the server took, it took under one Message-ID.
        let heard = peer.heard().await;
        let texts = heard.iter().flatten().filter(|line| line.contains("Message-ID: "));
        let ids: Vec<_> =
            texts.map(|text| text.lines().find(|line| line.starts_with("Message-ID"))).collect();
        assert_eq!(ids.len(), copies + usize::from(heard_in_vain), "{at}");
        assert!(ids.iter().all(|id| *id == ids[0]), "{at}: {ids:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_every_fault_at_every_stage_has_its_class_and_its_consequence() {
    let cases = cases();
    assert_eq!(cases.len(), STAGES.len() * (REPLIES.len() + 4) + 1);
    // Those that take their time wait side by side.
    futures::stream::iter(cases.into_iter().map(plays)).buffer_unordered(16).collect::<Vec<_>>().await;
}

#[tokio::test]
async fn r8_a_greylisted_mail_is_taken_at_the_next_attempt_by_itself() {
    let world = World::new().await;
    world.invite(Purpose::Activate).await;
    let peer = Peer::start(vec![vec![("RCPT", First(1, "451 4.7.1 greylisted, come back later"))]]).await;
    let transport = Transport::Smtp(peer.transport());
    let outbox = outbox_to(&world, transport, AddressPolicy::Any, Outside(None));
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(outbox.run(stop.clone()));
    let began = tokio::time::Instant::now();
    while mail_of(&world).await.sent_at.is_none() {
        assert!(began.elapsed() < LONG, "{:?}", mail_of(&world).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(began.elapsed() > Duration::from_secs(3), "it waited: {:?}", began.elapsed());
    stop.cancel();
    running.await.unwrap();
}

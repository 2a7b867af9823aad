//! One lane per server: its claimed mails, and how many of them are under way.
//! A server that hangs or cannot be reached has its lane closed for a while;
//! mails that wait in it go back to the queue, and no more are claimed for its
//! tenants, so that it holds up nobody else's. Only the worker uses it; it
//! calls nothing, and the time is passed in.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// Mails under way at the same time to one server that answers.
const PER_SERVER: usize = 4;
/// Mails under way at the same time to all servers that answer.
const IN_FLIGHT: usize = 64;
/// Mails that wait in a lane before no more are claimed for it.
const FULL: usize = 16;
/// Mails that may wait in a lane at all: several claims may bring some before
/// it is known through which server a tenant's mail goes.
const MOST: usize = 96;
/// A server that has been silent for so long is stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// So many mails are tried in a row at a server that cannot be reached, each
/// with its own verdict, before it is left alone.
const TRIES: u32 = 16;
/// How long a lane is closed at first, and at most: a tenant whose settings are
/// mended waits no longer than that.
const REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// A failing server that no mail was for in this time is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(900);

/// A mail in a lane.
pub(super) trait Mail {
    /// The server that it goes through.
    fn server(&self) -> &Arc<str>;
    /// The tenant of its recipient.
    fn tenant(&self) -> Uuid;
    /// Whether the server takes its time.
    fn is_slow(&self) -> bool;
}

/// What was heard from a server while it had a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It answered, whatever it said.
    Answer,
    /// It could not be reached, or fell silent after so long.
    Nothing(Duration),
    /// Nobody spoke to it.
    NotAsked,
}

struct Lane<M> {
    waiting: VecDeque<M>,
    sending: usize,
    /// It has answered, and not failed since.
    answers: bool,
    /// When something was last heard from it, or it was first spoken to.
    heard: Instant,
    failures: u32,
    rests: u32,
    rests_until: Option<Instant>,
    was_full: bool,
}

impl<M: Mail> Lane<M> {
    fn new(now: Instant) -> Self {
        Self {
            waiting: VecDeque::new(),
            sending: 0,
            answers: false,
            heard: now,
            failures: 0,
            rests: 0,
            rests_until: None,
            was_full: false,
        }
    }

    fn is_resting(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    fn is_stuck(&self, now: Instant) -> bool {
        self.sending > 0 && now.duration_since(self.heard) >= PATIENCE
    }

    fn is_closed(&self, now: Instant) -> bool {
        self.is_resting(now) || self.is_stuck(now)
    }

    /// One mail finds out whether a server answers at all.
    fn room(&self) -> usize {
        let slow = self.waiting.front().is_some_and(Mail::is_slow);
        if self.answers && !slow { PER_SERVER } else { 1 }
    }
}

/// All lanes in which something goes on.
pub(super) struct Lanes<M> {
    lanes: HashMap<Arc<str>, Lane<M>>,
    tenants: HashMap<Uuid, Arc<str>>,
    more: bool,
}

impl<M: Mail> Lanes<M> {
    pub(super) fn new() -> Self {
        Self { lanes: HashMap::new(), tenants: HashMap::new(), more: false }
    }

    /// Puts a claimed mail at the end of its server's lane.
    pub(super) fn add(&mut self, mail: M, now: Instant) {
        self.tenants.insert(mail.tenant(), mail.server().clone());
        let lane = self.lanes.entry(mail.server().clone()).or_insert_with(|| Lane::new(now));
        lane.waiting.push_back(mail);
        lane.was_full |= lane.waiting.len() >= FULL;
    }

    /// The next mail to send: from the lane that has the fewest under way.
    pub(super) fn next(&mut self, now: Instant) -> Option<M> {
        let open = self.lanes.values().filter(|lane| !lane.is_closed(now));
        if open.map(|lane| lane.sending).sum::<usize>() >= IN_FLIGHT {
            return None;
        }
        let ready = self
            .lanes
            .values_mut()
            .filter(|lane| !lane.waiting.is_empty() && !lane.is_closed(now) && lane.sending < lane.room());
        let lane = ready.min_by_key(|lane| lane.sending)?;
        let mail = lane.waiting.pop_front()?;
        if lane.sending == 0 {
            lane.heard = now;
        }
        lane.sending += 1;
        if lane.was_full && lane.waiting.len() < FULL {
            lane.was_full = false;
            self.more = true;
        }
        Some(mail)
    }

    /// A mail has come back from its server.
    pub(super) fn done(&mut self, server: &str, heard: Heard, now: Instant) {
        let Some(lane) = self.lanes.get_mut(server) else { return };
        lane.sending = lane.sending.saturating_sub(1);
        match heard {
            Heard::Answer => {
                lane.answers = true;
                lane.heard = now;
                (lane.failures, lane.rests, lane.rests_until) = (0, 0, None);
            }
            Heard::Nothing(after) => {
                lane.answers = false;
                lane.failures = lane.failures.saturating_add(1);
                if after >= PATIENCE || lane.failures >= TRIES {
                    let rest = REST.saturating_mul(1 << lane.rests.min(16)).min(LONGEST_REST);
                    lane.rests = lane.rests.saturating_add(1);
                    lane.rests_until = Some(now + rest);
                } else {
                    lane.heard = now;
                }
            }
            Heard::NotAsked => {}
        }
        if lane.waiting.is_empty() && lane.sending == 0 && lane.failures == 0 {
            self.forget(|name, _| **name == *server);
        }
    }

    /// Mails that had better wait in the queue: those of closed lanes, and
    /// what is too much for a lane.
    pub(super) fn give_back(&mut self, now: Instant) -> Vec<M> {
        let mut back = vec![];
        for lane in self.lanes.values_mut() {
            let keep = if lane.is_closed(now) { 0 } else { MOST };
            if lane.waiting.len() > keep {
                back.extend(lane.waiting.split_off(keep));
            }
        }
        back
    }

    /// Everything that waits, because the worker ends.
    pub(super) fn give_all_back(&mut self) -> Vec<M> {
        self.lanes.values_mut().flat_map(|lane| lane.waiting.drain(..)).collect()
    }

    /// Tenants for whom nothing is claimed now: their server's lane is full or
    /// closed.
    pub(super) fn not_now(&self, now: Instant) -> Vec<Uuid> {
        let full = |lane: &Lane<M>| lane.waiting.len() >= FULL || lane.is_closed(now);
        let lane_of = |server: &Arc<str>| self.lanes.get(server);
        let tenants = self.tenants.iter().filter(|(_, server)| lane_of(server).is_some_and(full));
        tenants.map(|(tenant, _)| *tenant).collect()
    }

    /// Whether a lane has room again, or its rest is over: once, for whoever
    /// claims next.
    pub(super) fn take_more(&mut self, now: Instant) -> bool {
        for lane in self.lanes.values_mut() {
            if lane.rests_until.is_some_and(|until| until <= now) {
                lane.rests_until = None;
                self.more = true;
            }
        }
        self.forget(|_, lane| {
            let idle = lane.waiting.is_empty() && lane.sending == 0;
            idle && now.duration_since(lane.heard) > FORGOTTEN
        });
        std::mem::take(&mut self.more)
    }

    fn forget(&mut self, is_over: impl Fn(&Arc<str>, &Lane<M>) -> bool) {
        let before = self.lanes.len();
        self.lanes.retain(|name, lane| !is_over(name, lane));
        if self.lanes.len() < before {
            self.tenants.retain(|_, server| self.lanes.contains_key(server));
        }
    }

    /// Whether no mail waits in a lane.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.values().all(|lane| lane.waiting.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Test {
        server: Arc<str>,
        tenant: Uuid,
        slow: bool,
    }

    impl Mail for Test {
        fn server(&self) -> &Arc<str> {
            &self.server
        }
        fn tenant(&self) -> Uuid {
            self.tenant
        }
        fn is_slow(&self) -> bool {
            self.slow
        }
    }

    fn mails(lanes: &mut Lanes<Test>, server: &str, count: usize, now: Instant) {
        let tenant = Uuid::from_u128(server.bytes().map(u128::from).sum());
        for _ in 0..count {
            lanes.add(Test { server: server.into(), tenant, slow: server == "slow" }, now);
        }
    }

    fn start(lanes: &mut Lanes<Test>, now: Instant) -> Vec<Arc<str>> {
        let mut started: Vec<_> = std::iter::from_fn(|| lanes.next(now)).map(|mail| mail.server).collect();
        started.sort();
        started
    }

    #[test]
    fn one_mail_finds_out_whether_a_server_answers_then_four_go_side_by_side() {
        let (mut lanes, now) = (Lanes::new(), Instant::now());
        mails(&mut lanes, "a", 10, now);
        mails(&mut lanes, "slow", 10, now);
        assert_eq!(start(&mut lanes, now), ["a".into(), "slow".into()]);
        lanes.done("a", Heard::Answer, now);
        lanes.done("slow", Heard::Answer, now);
        assert_eq!(start(&mut lanes, now).len(), PER_SERVER + 1, "a slow one stays with one");
    }

    #[test]
    fn a_stuck_server_keeps_one_mail_and_the_others_go_back() {
        let (mut lanes, now) = (Lanes::new(), Instant::now());
        mails(&mut lanes, "stuck", 40, now);
        mails(&mut lanes, "well", 3, now);
        assert_eq!(start(&mut lanes, now).len(), 2);
        let later = now + PATIENCE;
        lanes.done("well", Heard::Answer, later);
        assert_eq!(lanes.give_back(later).len(), 39);
        assert_eq!(lanes.not_now(later).len(), 1);
        assert_eq!(start(&mut lanes, later), ["well".into(), "well".into()]);
        // It answers after all.
        lanes.done("stuck", Heard::Answer, later);
        assert!(lanes.not_now(later).is_empty());
    }

    #[test]
    fn a_silent_server_rests_for_longer_each_time_up_to_a_minute() {
        let (mut lanes, mut now) = (Lanes::new(), Instant::now());
        for rest in [5, 10, 20, 40, 60, 60] {
            mails(&mut lanes, "a", 2, now);
            assert_eq!(start(&mut lanes, now).len(), 1);
            lanes.done("a", Heard::Nothing(PATIENCE), now);
            assert_eq!(lanes.give_back(now).len(), 1);
            let almost = now + Duration::from_secs(rest) - Duration::from_millis(1);
            assert!(!lanes.not_now(almost).is_empty() && !lanes.take_more(almost));
            now += Duration::from_secs(rest);
            assert!(lanes.not_now(now).is_empty() && lanes.take_more(now));
        }
    }

    #[test]
    fn each_of_a_few_mails_hears_for_itself_that_nobody_listens() {
        let (mut lanes, now) = (Lanes::new(), Instant::now());
        mails(&mut lanes, "a", 20, now);
        let mut tried = 0;
        while lanes.next(now).is_some() {
            lanes.done("a", Heard::Nothing(Duration::ZERO), now);
            tried += 1;
        }
        assert_eq!(tried, 16);
        assert_eq!(lanes.give_back(now).len(), 4);
    }

    #[test]
    fn a_full_lane_asks_for_more_once_it_has_room() {
        let (mut lanes, now) = (Lanes::new(), Instant::now());
        mails(&mut lanes, "a", 200, now);
        assert_eq!(lanes.give_back(now).len(), 200 - MOST);
        assert_eq!(lanes.not_now(now).len(), 1);
        while !lanes.not_now(now).is_empty() {
            assert!(!lanes.take_more(now));
            lanes.next(now).unwrap();
            lanes.done("a", Heard::Answer, now);
        }
        assert!(lanes.take_more(now) && !lanes.take_more(now));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let (mut lanes, now) = (Lanes::new(), Instant::now());
        for server in ["a", "dead"] {
            mails(&mut lanes, server, 1, now);
        }
        start(&mut lanes, now);
        lanes.done("a", Heard::Answer, now);
        lanes.done("dead", Heard::Nothing(PATIENCE), now);
        assert_eq!((lanes.lanes.len(), lanes.tenants.len()), (1, 1));
        lanes.take_more(now + FORGOTTEN * 2);
        assert_eq!((lanes.lanes.len(), lanes.tenants.len()), (0, 0));
    }
}

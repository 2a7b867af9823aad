//! Which object is next. Every key is in here at most once, never worked on
//! twice at the same time, and never forgotten when it comes again meanwhile.
//! Watches, wake-ups and timers put keys in, workers take them out; it calls
//! nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::metrics::Metrics;
use crate::domain::object::ObjectKey;

/// How urgent a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Somebody has just changed the object.
    Edit,
    /// Something that it depends on has changed, or its time has come.
    Wake,
    /// It is looked at because everything is: first lists, relists.
    Sweep,
}

/// Every so many picks the least urgent lane has its turn, so that no flood of
/// edits starves it.
const FAIRNESS: u64 = 8;

/// Kind, depth below others of its kind, and age: parents first (R12).
pub(super) type Rank = (u8, i64, i64);

/// Lane, order within the lane, order of arrival.
type Place = (Lane, Rank, u64);

#[derive(Default)]
struct State {
    waiting: BTreeMap<Place, ObjectKey>,
    places: HashMap<ObjectKey, Place>,
    /// Keys being worked on, and whether they came again meanwhile.
    busy: HashMap<ObjectKey, Option<Lane>>,
    timers: BTreeSet<(Instant, ObjectKey)>,
    due: HashMap<ObjectKey, Instant>,
    arrivals: u64,
    picks: u64,
    closed: bool,
}

/// The queue of all four kinds.
pub(super) struct Queue {
    state: Mutex<State>,
    more: Notify,
    metrics: Metrics,
}

impl Queue {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { state: Mutex::default(), more: Notify::new(), metrics }
    }

    /// Puts a key in, or moves it to a more urgent lane.
    pub(super) fn add(&self, key: ObjectKey, lane: Lane) {
        self.change(|state| state.add(key, lane, Rank::default()));
    }

    /// Puts a key into the sweep: parents first, then by age (R12), so that
    /// few objects meet a reference that is not there yet.
    pub(super) fn sweep(&self, key: ObjectKey, depth: i64, born_seconds: i64) {
        let rank = (key.kind as u8, depth, born_seconds);
        self.change(|state| state.add(key, Lane::Sweep, rank));
    }

    /// The key's work is done. It comes again after `later`, or at once if it
    /// came again meanwhile.
    pub(super) fn done(&self, key: &ObjectKey, later: Option<Duration>) {
        self.change(|state| {
            if let Some(later) = later
                && let Some(at) = Instant::now().checked_add(later)
            {
                state.set_timer(key, at);
            }
            if let Some(Some(lane)) = state.busy.remove(key) {
                state.add(key.clone(), lane, Rank::default());
            }
        });
    }

    /// The next key; none once the queue is closed.
    pub(super) async fn next(&self) -> Option<ObjectKey> {
        loop {
            let wait = {
                let mut state = self.lock();
                if state.closed {
                    // Passed on from worker to worker: one may have been
                    // between its look and its wait.
                    self.more.notify_one();
                    return None;
                }
                state.ring(Instant::now());
                if let Some(key) = state.pick() {
                    self.note(&state);
                    if !state.waiting.is_empty() {
                        // A notification wakes one worker; several keys may
                        // have come with it.
                        self.more.notify_one();
                    }
                    return Some(key);
                }
                state.timers.first().map(|(at, _)| *at)
            };
            let timer = async {
                match wait {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! { () = self.more.notified() => {}, () = timer => {} }
        }
    }

    /// No key is given out any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_one();
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        self.note(&state);
        drop(state);
        self.more.notify_one();
    }

    fn note(&self, state: &State) {
        self.metrics.queue_depth(state.waiting.len());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, key: ObjectKey, lane: Lane, rank: Rank) {
        if let Some(again) = self.busy.get_mut(&key) {
            *again = Some(again.map_or(lane, |known| known.min(lane)));
            return;
        }
        if let Some(place) = self.places.get(&key) {
            if place.0 <= lane {
                return;
            }
            self.waiting.remove(place);
        }
        self.arrivals += 1;
        let place = (lane, rank, self.arrivals);
        self.places.insert(key.clone(), place);
        self.waiting.insert(place, key);
    }

    fn pick(&mut self) -> Option<ObjectKey> {
        self.picks += 1;
        let place = if self.picks.is_multiple_of(FAIRNESS) {
            let lane = self.waiting.last_key_value()?.0.0;
            *self.waiting.range((lane, (0, i64::MIN, i64::MIN), 0)..).next()?.0
        } else {
            *self.waiting.first_key_value()?.0
        };
        let key = self.waiting.remove(&place)?;
        self.places.remove(&key);
        self.clear_timer(&key);
        self.busy.insert(key.clone(), None);
        Some(key)
    }

    /// Moves keys whose time has come to those that wait.
    fn ring(&mut self, now: Instant) {
        while let Some((at, key)) = self.timers.first().cloned() {
            if at > now {
                return;
            }
            self.clear_timer(&key);
            self.add(key, Lane::Wake, Rank::default());
        }
    }

    fn set_timer(&mut self, key: &ObjectKey, at: Instant) {
        self.clear_timer(key);
        self.timers.insert((at, key.clone()));
        self.due.insert(key.clone(), at);
    }

    fn clear_timer(&mut self, key: &ObjectKey) {
        if let Some(at) = self.due.remove(key) {
            self.timers.remove(&(at, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::object::Kind;

    fn key(kind: Kind, name: &str) -> ObjectKey {
        ObjectKey::new(kind, "acme", name)
    }
    fn queue() -> Queue {
        Queue::new(Metrics::default())
    }

    #[tokio::test]
    async fn a_sweep_gives_parents_first_and_then_the_oldest() {
        let queue = queue();
        queue.sweep(key(Kind::DeviceGrant, "g"), 0, 1);
        queue.sweep(key(Kind::SubAdmin, "young"), 0, 9);
        queue.sweep(key(Kind::SubAdmin, "below"), 1, 0);
        queue.sweep(key(Kind::SubAdmin, "old"), 0, 3);
        queue.sweep(key(Kind::Tenant, "t"), 0, 99);
        let mut names = vec![];
        for _ in 0..5 {
            names.push(queue.next().await.unwrap().name);
        }
        assert_eq!(names, ["t", "old", "young", "below", "g"]);
    }

    #[tokio::test]
    async fn edits_go_before_a_sweep_without_starving_it() {
        let queue = queue();
        queue.sweep(key(Kind::Tenant, "swept"), 0, 1);
        let mut before = 0;
        loop {
            queue.add(key(Kind::Tenant, &format!("edit{before}")), Lane::Edit);
            if queue.next().await.unwrap().name == "swept" {
                break;
            }
            before += 1;
            assert!(before < 20);
        }
        assert!(before >= 5, "{before}");
    }

    #[tokio::test]
    async fn a_key_that_comes_again_while_it_is_worked_on_is_given_again_afterwards() {
        let queue = queue();
        let kim = key(Kind::SubAdmin, "kim");
        queue.add(kim.clone(), Lane::Edit);
        assert_eq!(queue.next().await, Some(kim.clone()));
        queue.add(kim.clone(), Lane::Wake);
        queue.add(kim.clone(), Lane::Sweep);
        let early = tokio::time::timeout(Duration::from_millis(20), queue.next()).await;
        assert!(early.is_err(), "twice at the same time");
        queue.done(&kim, None);
        assert_eq!(queue.next().await, Some(kim.clone()));
        queue.done(&kim, None);
        assert!(tokio::time::timeout(Duration::from_millis(20), queue.next()).await.is_err());
    }

    #[tokio::test]
    async fn a_timer_brings_a_key_back_and_an_edit_makes_it_void() {
        let queue = queue();
        let kim = key(Kind::SubAdmin, "kim");
        queue.add(kim.clone(), Lane::Edit);
        queue.next().await.unwrap();
        queue.done(&kim, Some(Duration::from_millis(50)));
        let start = Instant::now();
        assert_eq!(queue.next().await, Some(kim.clone()));
        assert!(start.elapsed() >= Duration::from_millis(50));

        queue.done(&kim, Some(Duration::from_millis(50)));
        queue.add(kim.clone(), Lane::Edit);
        assert_eq!(queue.next().await, Some(kim.clone()));
        queue.done(&kim, None);
        assert!(tokio::time::timeout(Duration::from_millis(100), queue.next()).await.is_err());
    }

    #[tokio::test]
    async fn a_closed_queue_sends_every_worker_home() {
        let queue = std::sync::Arc::new(queue());
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let queue = std::sync::Arc::clone(&queue);
                tokio::spawn(async move { queue.next().await })
            })
            .collect();
        tokio::task::yield_now().await;
        queue.close();
        for worker in workers {
            assert_eq!(worker.await.unwrap(), None);
        }
    }
}

//! R12: whose turn it is. Objects that are about to be judged stand in a line:
//! what frees room first, then parents, then the oldest, then by namespace and
//! name. Whoever drives the engine announces them ([`super::Engine::expect`]);
//! a pass that is about to take what others may claim too (a name, a limit's
//! last unit) asks whether somebody ahead still waits, and steps back if so.
//! So the order in which objects happen to be judged decides nothing.
//!
//! The line is memory of one process. Objects that another pass has woken stand
//! in the database and are asked for there (`Tx::woken_ahead`).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::domain::object::{Kind, ObjectKey, Topic};

/// The most levels of parents that are counted: more is a circle.
const DEPTH_MAX: i64 = 256;

/// How long somebody who is being judged is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// An object that is about to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// Which one.
    pub key: ObjectKey,
    /// It is being deleted: it frees room and takes none.
    pub deleting: bool,
    /// How many objects of its kind are above it ([`depth`]).
    pub depth: i64,
    /// Age of its claims.
    pub born: Timestamp,
    /// The root tenant of its tree, as the source has it ([`tree`]).
    pub tree: ObjectKey,
    /// The names that it wants to have ([`claims`]).
    pub claims: Vec<Topic>,
}

/// A place in the line; the lowest comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    /// Deletions are at -1.
    pub(crate) depth: i64,
    pub(crate) born: Timestamp,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Place {
    pub(crate) fn of(key: &ObjectKey, deleting: bool, depth: i64, born: Timestamp) -> Self {
        Self {
            kind: key.kind,
            depth: if deleting { -1 } else { depth },
            born,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }
    }
}

/// Everybody who is about to be judged.
#[derive(Debug, Default)]
pub(crate) struct Line {
    state: Mutex<State>,
    /// Counts those who left.
    left: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    by_tree: HashMap<ObjectKey, BTreeSet<Place>>,
    by_claim: HashMap<Topic, BTreeSet<Place>>,
    by_key: HashMap<ObjectKey, Member>,
}

#[derive(Debug)]
struct Member {
    place: Place,
    tree: ObjectKey,
    claims: Vec<Topic>,
    /// Somebody is judging it at this moment.
    begun: bool,
    /// It came again meanwhile: its place stays when it has been judged.
    again: bool,
}

/// Whether somebody else comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// Nobody does.
    Nobody,
    /// Somebody who is being judged at this moment: worth waiting for.
    Begun,
    /// Somebody whose turn has not come, although it should have.
    Waiting,
}

impl Line {
    /// Somebody joins, or has become somebody else under the same name.
    pub(crate) fn join(&self, claimant: Claimant) {
        let Claimant { key, deleting, depth, born, tree, claims } = claimant;
        let place = Place::of(&key, deleting, depth, born);
        let mut state = self.lock();
        let begun = state.by_key.get(&key).is_some_and(|member| member.begun);
        state.leave(&key);
        if !deleting {
            for claim in &claims {
                state.by_claim.entry(claim.clone()).or_default().insert(place.clone());
            }
        }
        state.by_tree.entry(tree.clone()).or_default().insert(place.clone());
        state.by_key.insert(key, Member { place, tree, claims, begun, again: begun });
    }

    /// Somebody is being judged now.
    pub(crate) fn begin(&self, key: &ObjectKey) {
        if let Some(member) = self.lock().by_key.get_mut(key) {
            member.begun = true;
        }
    }

    /// Somebody has been judged, or will not be.
    pub(crate) fn leave(&self, key: &ObjectKey) {
        let mut state = self.lock();
        match state.by_key.get_mut(key) {
            Some(member) if member.again => {
                member.again = false;
                member.begun = false;
            }
            _ => state.leave(key),
        }
        drop(state);
        self.left.send_modify(|left| *left += 1);
    }

    /// Who of the same tree comes before `key`, which stands at `place`.
    /// Whoever was not announced sees nobody.
    pub(crate) fn ahead(&self, key: &ObjectKey, place: &Place) -> Ahead {
        let state = self.lock();
        let place = state.own_place(key).unwrap_or(place);
        state.kind_of_wait(state.tree_of(key).range(..place))
    }

    /// Who comes before `place` and wants one of these names, or is of a kind
    /// that somebody who does may be waiting for.
    pub(crate) fn ahead_for(&self, key: &ObjectKey, place: &Place, claims: &[Topic]) -> Ahead {
        let state = self.lock();
        let place = state.own_place(key).unwrap_or(place);
        let rivals = claims.iter().filter_map(|claim| state.by_claim.get(claim));
        let parents = state.tree_of(key).iter().take_while(|ahead| ahead.kind < place.kind);
        state.kind_of_wait(rivals.flat_map(|rivals| rivals.range(..place)).chain(parents))
    }

    /// Whether `other` is being judged at this moment and comes before `key`.
    pub(crate) fn begun_before(&self, other: &ObjectKey, key: &ObjectKey) -> bool {
        let state = self.lock();
        let at = |key| state.by_key.get(key);
        at(other).zip(at(key)).is_some_and(|(other, own)| other.begun && other.place < own.place)
    }

    /// Waits until nobody who comes before `key` is being judged: each look at
    /// the line costs nothing, each attempt in vain a transaction. Not for
    /// long, since what it waits for may never come.
    pub(crate) async fn moves_on(&self, key: &ObjectKey) {
        let mut left = self.left.subscribe();
        let moved = left.wait_for(|_| !self.lock().anybody_begun_before(key));
        let _ = tokio::time::timeout(PATIENCE, moved).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tree_of(&self, key: &ObjectKey) -> &BTreeSet<Place> {
        static EMPTY: BTreeSet<Place> = BTreeSet::new();
        self.by_key.get(key).and_then(|own| self.by_tree.get(&own.tree)).unwrap_or(&EMPTY)
    }

    /// Where somebody stands in this line. Whoever compares places takes both
    /// from here: one that has been counted anew meanwhile could make two of
    /// them wait for each other.
    fn own_place(&self, key: &ObjectKey) -> Option<&Place> {
        self.by_key.get(key).map(|own| &own.place)
    }

    fn leave(&mut self, key: &ObjectKey) {
        let Some(Member { place, tree, claims, .. }) = self.by_key.remove(key) else { return };
        remove(&mut self.by_tree, &tree, &place);
        for claim in claims {
            remove(&mut self.by_claim, &claim, &place);
        }
    }

    fn kind_of_wait<'a>(&self, ahead: impl Iterator<Item = &'a Place>) -> Ahead {
        let mut wait = Ahead::Nobody;
        for place in ahead {
            if self.begun(place) {
                return Ahead::Begun;
            }
            wait = Ahead::Waiting;
        }
        wait
    }

    fn begun(&self, place: &Place) -> bool {
        let key = ObjectKey::new(place.kind, &place.namespace, &place.name);
        self.by_key.get(&key).is_some_and(|member| member.begun)
    }

    /// Whether somebody whom `key` may have to let go first is being judged:
    /// of its tree, or with the same claims.
    fn anybody_begun_before(&self, key: &ObjectKey) -> bool {
        let Some(own) = self.by_key.get(key) else { return false };
        let rivals = own.claims.iter().filter_map(|claim| self.by_claim.get(claim));
        self.tree_of(key)
            .range(..&own.place)
            .chain(rivals.flat_map(|rivals| rivals.range(..&own.place)))
            .any(|place| self.begun(place))
    }
}

fn remove<K: std::hash::Hash + Eq>(sets: &mut HashMap<K, BTreeSet<Place>>, at: &K, place: &Place) {
    if let Some(set) = sets.get_mut(at) {
        set.remove(place);
        if set.is_empty() {
            sets.remove(at);
        }
    }
}

/// The object of the same kind that comes before this one: a Tenant's parent,
/// a SubAdmin's manager.
pub fn above(key: &ObjectKey, spec: &Value) -> Option<ObjectKey> {
    let reference = match key.kind {
        Kind::Tenant => spec.get("parentRef")?,
        Kind::SubAdmin => spec.get("managedByRef")?,
        Kind::Role | Kind::DeviceGrant => return None,
    };
    named(key.kind, key, reference)
}

/// How many objects are above one; those in a circle count once.
pub fn depth(key: &ObjectKey, above: impl Fn(&ObjectKey) -> Option<ObjectKey>) -> i64 {
    let mut seen = BTreeSet::from([key.clone()]);
    let mut at = above(key);
    let mut depth = 0;
    while let Some(next) = at.filter(|next| depth < DEPTH_MAX && seen.insert(next.clone())) {
        depth += 1;
        at = above(&next);
    }
    depth
}

/// The root tenant of the tree that an object lies in, as far as the source
/// knows; its own tenant's object if not.
pub fn tree(key: &ObjectKey, spec: &Value, above: impl Fn(&ObjectKey) -> Option<ObjectKey>) -> ObjectKey {
    let home = match key.kind {
        Kind::Tenant => None,
        _ => spec.get("tenantRef").and_then(|tenant| named(Kind::Tenant, key, tenant)),
    };
    let mut top = home.unwrap_or_else(|| key.clone());
    let mut seen = BTreeSet::from([top.clone()]);
    while let Some(next) = above(&top).filter(|next| seen.insert(next.clone())) {
        top = next;
    }
    top
}

/// The names that an object wants to have, of which there is one each: its
/// natural keys, and a root tenant's Root.
pub fn claims(key: &ObjectKey, spec: &Value) -> Vec<Topic> {
    let text = |field: &str| spec.get(field).and_then(Value::as_str);
    match key.kind {
        Kind::Tenant => {
            let above = spec.get("parentRef").and_then(|parent| named(Kind::Tenant, key, parent));
            vec![Topic::place(above.as_ref(), &key.name)]
        }
        Kind::SubAdmin => {
            let mut claims: Vec<_> =
                text("username").map(|name| Topic::username(name.trim())).into_iter().collect();
            claims.extend(text("email").map(|address| Topic::email(address.trim())));
            let tenant = spec.get("tenantRef").and_then(|tenant| named(Kind::Tenant, key, tenant));
            if let Some(tenant) = tenant.filter(|_| text("tier") == Some("Root")) {
                claims.push(Topic::root_of(&tenant));
            }
            claims
        }
        // They share a name with nobody: their tenant is in their namespace.
        Kind::Role | Kind::DeviceGrant => vec![],
    }
}

fn named(kind: Kind, from: &ObjectKey, reference: &Value) -> Option<ObjectKey> {
    let text = |field: &str| reference.get(field).and_then(Value::as_str);
    Some(ObjectKey::new(kind, text("namespace").unwrap_or(&from.namespace), text("name")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claimant(name: &str, depth: i64, born: i64, email: &str) -> Claimant {
        let key = ObjectKey::new(Kind::SubAdmin, "acme", name);
        Claimant {
            claims: claims(&key, &json!({"email": email})),
            key,
            deleting: false,
            depth,
            born: Timestamp::from_second(born).unwrap(),
            tree: ObjectKey::new(Kind::Tenant, "acme", "acme"),
        }
    }

    fn place(claimant: &Claimant) -> Place {
        Place::of(&claimant.key, claimant.deleting, claimant.depth, claimant.born)
    }

    #[test]
    fn r12_parents_come_first_then_the_oldest_then_names() {
        let (ann, bob) = (claimant("ann", 0, 5, "a"), claimant("bob", 0, 5, "b"));
        let (old, deep) = (claimant("zoe", 0, 1, "z"), claimant("abe", 1, 0, "d"));
        assert!(place(&old) < place(&ann) && place(&ann) < place(&bob) && place(&bob) < place(&deep));
        let leaving = Claimant { deleting: true, ..deep };
        assert!(place(&leaving) < place(&old));
    }

    #[test]
    fn r12_only_who_wants_the_same_name_stands_in_the_way_of_a_name() {
        let line = Line::default();
        let (ann, bob) = (claimant("ann", 0, 5, "x@example.org"), claimant("bob", 0, 5, "X@example.org"));
        line.join(ann.clone());
        line.join(bob.clone());
        assert_eq!(line.ahead_for(&ann.key, &place(&ann), &ann.claims), Ahead::Nobody);
        assert_eq!(line.ahead_for(&bob.key, &place(&bob), &bob.claims), Ahead::Waiting);
        assert_eq!(
            line.ahead_for(&bob.key, &place(&bob), &[Topic::email("other@example.org")]),
            Ahead::Nobody
        );
        line.leave(&ann.key);
        assert_eq!(line.ahead_for(&bob.key, &place(&bob), &bob.claims), Ahead::Nobody);
    }

    #[test]
    fn r12_room_is_given_in_turn_within_one_tree() {
        let line = Line::default();
        let (ann, bob) = (claimant("ann", 0, 5, "a"), claimant("bob", 0, 5, "b"));
        let mut far = claimant("far", 0, 9, "f");
        far.tree = ObjectKey::new(Kind::Tenant, "other", "other");
        for claimant in [&ann, &bob, &far] {
            line.join(claimant.clone());
        }
        assert_eq!(line.ahead(&ann.key, &place(&ann)), Ahead::Nobody);
        assert_eq!(line.ahead(&bob.key, &place(&bob)), Ahead::Waiting);
        assert_eq!(line.ahead(&far.key, &place(&far)), Ahead::Nobody);
        line.begin(&ann.key);
        assert_eq!(line.ahead(&bob.key, &place(&bob)), Ahead::Begun);
        line.leave(&ann.key);
        assert_eq!(line.ahead(&bob.key, &place(&bob)), Ahead::Nobody);
    }

    #[test]
    fn a_circle_has_an_end() {
        let key = |name: &str| ObjectKey::new(Kind::Tenant, "acme", name);
        let next = |at: &ObjectKey| Some(key(if at.name == "a" { "b" } else { "a" }));
        assert_eq!(depth(&key("a"), next), 1);
        assert_eq!(depth(&key("a"), |_| None), 0);
    }
}

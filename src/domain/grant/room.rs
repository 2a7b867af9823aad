//! R3 for devices: how far limits let an Assign go. Devices come in order of
//! id until a limit is full; the rest is refused. Only the engine's pass over
//! a grant calls this; the store has counted.

use uuid::Uuid;

use super::super::object::{ObjectKey, Topic};
use super::super::quota::Consumer;
use super::super::verdict::{Reason, Refusal};

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bearer {
    /// `limits.devices` of a tenant, for its subtree.
    Tenant(Uuid),
    /// `manageableDevices` of an account, for itself and what it delegates.
    Account(Uuid),
}

/// A limit that binds the receiver of an Assign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Whose.
    pub bearer: Bearer,
    /// Its object, or its path, for the message.
    pub holder: String,
    /// The path of a tenant in the granting tenant or below it, whose use may
    /// be told; none if the limit lies above: the number would tell about
    /// siblings (R4).
    pub seen: Option<String>,
    /// How many devices there may be.
    pub max: i64,
    /// How many there are, and how many are delegated.
    pub used: i64,
}

impl Limit {
    /// How many more may come. Below zero when an import, or what came back
    /// from below, has brought more than the limit.
    pub const fn left(&self) -> i64 {
        self.max - self.used
    }

    /// What tells that there is more room under it.
    pub fn topic(&self) -> Topic {
        match self.bearer {
            Bearer::Tenant(tenant) => Topic::tenant_room(tenant),
            Bearer::Account(account) => Topic::account_room(account),
        }
    }

    fn name(&self) -> &'static str {
        match self.bearer {
            Bearer::Tenant(_) => "limits.devices",
            Bearer::Account(_) => "spec.manageableDevices",
        }
    }
}

/// Devices of one standing that shall be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// How many.
    pub devices: i64,
    /// The limits under which they do not count yet, by their place in the list.
    pub needs: Vec<usize>,
}

/// How far one [`Want`] is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Met {
    /// Every device.
    All,
    /// None.
    Nothing,
    /// The devices up to this id, inclusive, and how many those are.
    Until(String, i64),
}

/// Gives out room in order of id. What fits as a whole, or finds a limit full
/// from the start, is settled without looking at single devices; what remains
/// is [`offered`](Self::offer) one by one.
#[derive(Debug)]
pub struct Allotment {
    left: Vec<i64>,
    wants: Vec<Want>,
    met: Vec<Option<Met>>,
    /// The last device given for each want, and how many there were.
    given: Vec<Option<(String, i64)>>,
}

impl Allotment {
    /// Begins with what the limits leave.
    pub fn new(limits: &[Limit], wants: Vec<Want>) -> Self {
        let met = vec![None; wants.len()];
        let given = vec![None; wants.len()];
        let mut allotment = Self { left: limits.iter().map(Limit::left).collect(), wants, met, given };
        allotment.settle();
        allotment
    }

    /// Whether nothing is left to decide.
    pub fn is_settled(&self) -> bool {
        self.met.iter().all(Option::is_some)
    }

    /// Offers room to the next device, in order of id, of the want at `index`.
    pub fn offer(&mut self, index: usize, id: &str) {
        let Some(want) = self.wants.get_mut(index) else { return };
        if self.met[index].is_some() {
            return;
        }
        want.devices -= 1;
        for &limit in &want.needs {
            self.left[limit] -= 1;
        }
        let before = self.given[index].take().map_or(0, |(_, devices)| devices);
        self.given[index] = Some((id.to_owned(), before + 1));
        self.settle();
    }

    /// How far each want is met.
    pub fn met(&self) -> Vec<Met> {
        self.met.iter().map(|met| met.clone().unwrap_or(Met::Nothing)).collect()
    }

    /// Counts what was given in, and names the limits, by their place in the
    /// list, that some want found full.
    pub fn full(&self, limits: &mut [Limit]) -> Vec<usize> {
        for (limit, left) in limits.iter_mut().zip(&self.left) {
            limit.used = limit.max - left;
        }
        let unmet = self.wants.iter().zip(&self.met).filter(|(_, met)| **met != Some(Met::All));
        let needed: std::collections::BTreeSet<usize> =
            unmet.flat_map(|(want, _)| want.needs.clone()).collect();
        needed.into_iter().filter(|&limit| self.left[limit] <= 0).collect()
    }

    fn settle(&mut self) {
        for (index, want) in self.wants.iter().enumerate() {
            let full = want.needs.iter().any(|&limit| self.left[limit] <= 0);
            if self.met[index].is_none() && (full || want.devices == 0) {
                self.met[index] = Some(match (want.devices, self.given[index].take()) {
                    (0, _) => Met::All,
                    (_, Some((last, devices))) => Met::Until(last, devices),
                    (_, None) => Met::Nothing,
                });
            }
        }
        let mut open: Vec<i64> = vec![0; self.left.len()];
        for (want, _) in self.wants.iter().zip(&self.met).filter(|(_, met)| met.is_none()) {
            for &limit in &want.needs {
                open[limit] += want.devices;
            }
        }
        let is_open = self.met.iter().any(Option::is_none);
        if is_open && open.iter().zip(&self.left).all(|(wanted, left)| *wanted == 0 || wanted <= left) {
            for met in self.met.iter_mut().filter(|met| met.is_none()) {
                *met = Some(Met::All);
            }
            for (left, wanted) in self.left.iter_mut().zip(open) {
                *left -= wanted;
            }
        }
    }
}

/// Limits that leave no room for all devices of a grant. Beside each stand its
/// largest consumers, with the tenant in which they lie: one that the grant's
/// own tenant may see.
pub fn no_room(key: &ObjectKey, full: &[(&Limit, &str, Vec<Consumer>)]) -> Refusal {
    let named: Vec<String> = full
        .iter()
        .map(|(limit, within, consumers)| {
            let used = limit.seen.as_ref().map(|_| format!(" ({} used)", limit.used)).unwrap_or_default();
            let consumers: Vec<String> =
                consumers.iter().map(|c| format!("{} ({} devices)", c.who, c.amount)).collect();
            let consumers = if consumers.is_empty() {
                String::new()
            } else {
                format!("; the largest consumers in {within} are {}", consumers.join(", "))
            };
            format!("{} of {} is {}{used}{consumers}", limit.name(), limit.holder, limit.max)
        })
        .collect();
    Refusal::wait(
        Reason::QuotaExceeded,
        format!(
            "no room for all devices of {key}: {}; raise the limit or take devices away (see status.refusedIds)",
            named.join(", and ")
        ),
        full.iter().map(|(limit, ..)| limit.topic()).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(left: i64) -> Limit {
        Limit {
            bearer: Bearer::Tenant(Uuid::from_u128(1)),
            holder: "/a".to_owned(),
            seen: None,
            max: left,
            used: 0,
        }
    }

    fn want(devices: i64, needs: &[usize]) -> Want {
        Want { devices, needs: needs.to_vec() }
    }

    #[test]
    fn r3_what_fits_as_a_whole_needs_no_look_at_single_devices() {
        let allotment = Allotment::new(&[limit(5)], vec![want(3, &[0]), want(2, &[0]), want(9, &[])]);
        assert!(allotment.is_settled());
        assert_eq!(allotment.met(), [Met::All, Met::All, Met::All]);
    }

    #[test]
    fn r3_a_full_limit_refuses_only_what_does_not_count_under_it_yet() {
        let allotment =
            Allotment::new(&[limit(0), limit(-2)], vec![want(3, &[0]), want(2, &[]), want(1, &[1])]);
        assert!(allotment.is_settled());
        assert_eq!(allotment.met(), [Met::Nothing, Met::All, Met::Nothing]);
    }

    #[test]
    fn r3_room_goes_to_the_lowest_ids_whatever_their_standing() {
        let mut allotment = Allotment::new(&[limit(2)], vec![want(2, &[0]), want(2, &[0])]);
        assert!(!allotment.is_settled());
        allotment.offer(1, "d1");
        assert!(!allotment.is_settled());
        allotment.offer(0, "d2");
        assert!(allotment.is_settled());
        assert_eq!(allotment.met(), [Met::Until("d2".to_owned(), 1), Met::Until("d1".to_owned(), 1)]);
    }

    #[test]
    fn r3_the_rest_is_given_as_soon_as_it_fits() {
        let mut allotment = Allotment::new(&[limit(1), limit(9)], vec![want(4, &[0, 1]), want(3, &[1])]);
        allotment.offer(0, "d1");
        assert!(allotment.is_settled());
        assert_eq!(allotment.met(), [Met::Until("d1".to_owned(), 1), Met::All]);
    }

    #[test]
    fn r4_a_refusal_tells_what_is_used_only_where_the_granting_tenant_may_look() {
        let key = ObjectKey::new(crate::domain::object::Kind::DeviceGrant, "a", "g");
        let consumers = vec![Consumer { who: "/a/b".to_owned(), amount: 2 }];
        let above = limit(3);
        let message = no_room(&key, &[(&above, "/a", consumers.clone())]).message;
        assert!(
            message.contains("limits.devices of /a is 3; the largest consumers in /a are /a/b (2 devices);")
        );
        let below = Limit { seen: Some("/a/b".to_owned()), used: 4, ..limit(3) };
        assert!(no_room(&key, &[(&below, "/a/b", vec![])]).message.contains("is 3 (4 used); raise"));
    }

    proptest::proptest! {
        #[test]
        fn r3_no_limit_is_exceeded_and_none_is_left_unused(
            left in proptest::collection::vec(0_i64..6, 1..4),
            devices in proptest::collection::vec((0_usize..3, proptest::bits::u8::between(0, 3)), 0..24),
        ) {
            let limits: Vec<Limit> = left.iter().map(|left| limit(*left)).collect();
            // A want is a set of limits; a device belongs to one want.
            let masks: std::collections::BTreeSet<u8> = devices.iter().map(|(_, mask)| *mask).collect();
            let masks: Vec<u8> = masks.into_iter().collect();
            let needs = |mask: u8| (0..limits.len()).filter(|bit| mask & (1 << bit) != 0).collect::<Vec<_>>();
            let of = |index: usize| devices.iter().filter(|(_, mask)| *mask == masks[index]).count();
            let wants = (0..masks.len())
                .map(|index| want(i64::try_from(of(index)).unwrap(), &needs(masks[index])))
                .collect();
            let mut allotment = Allotment::new(&limits, wants);
            let id = |at: usize| format!("d{at:03}");
            for (at, (_, mask)) in devices.iter().enumerate() {
                if !allotment.is_settled() {
                    allotment.offer(masks.iter().position(|m| m == mask).unwrap(), &id(at));
                }
            }
            let met = allotment.met();
            let mut free = left.clone();
            for (at, (_, mask)) in devices.iter().enumerate() {
                let fits = needs(*mask).iter().all(|limit| free[*limit] > 0);
                let given = match &met[masks.iter().position(|m| m == mask).unwrap()] {
                    Met::All => true,
                    Met::Nothing => false,
                    Met::Until(last, _) => id(at) <= *last,
                };
                proptest::prop_assert_eq!(given, fits, "device {} of {:?}", at, &devices);
                if fits {
                    for limit in needs(*mask) {
                        free[limit] -= 1;
                    }
                }
            }
        }
    }
}

//! One pass over a source: every object is judged, parents first, then those
//! that were woken by it, until nobody is left; with `--prune`, what the
//! source no longer holds is removed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::load::Loaded;
use super::object::Object;
use super::order::Family;
use super::origin::Origin;
use super::surroundings::FileSurroundings;
use crate::api::annotation;
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::verdict::with_causes;
use crate::engine::{Action, Claimant, Engine, EngineError, Manifest, Report};
use crate::store::StoreError;

/// Rounds for each object before a pass gives up on settling.
const MAX_ROUNDS: usize = 50;
/// How many woken objects are taken at once.
const BATCH: i64 = 1_000;
/// How many failures of the database in a row end a pass.
const MAX_FAILURES: usize = 3;

/// What became of one object.
#[derive(Clone, Debug)]
pub struct Done {
    /// Which object.
    pub key: ObjectKey,
    /// Where it stands; none for one that is being removed.
    pub origin: Option<Origin>,
    /// What the last look at it said.
    pub report: Option<Report>,
    /// The strongest thing that happened to its rows.
    pub action: Option<Action>,
    /// Why nothing is known: the database or a Secret could not be read.
    pub problem: Option<String>,
    /// It is being removed, because the source no longer holds it.
    pub removal: bool,
}

impl Done {
    /// Whether nothing is left to do.
    pub fn is_ready(&self) -> bool {
        self.problem.is_none() && self.report.as_ref().is_some_and(|report| report.finished || report.ready())
    }
}

/// How to treat what the source no longer holds.
#[derive(Clone, Debug, Default)]
pub struct Prune {
    /// Whether to remove it.
    pub enabled: bool,
    /// Digests that confirm the removal of a Tenant with all it holds, by its
    /// namespace and name.
    pub confirmed: BTreeMap<(String, String), String>,
}

/// The objects of a source on their way into the database.
#[derive(Debug)]
pub struct Passes {
    engine: Engine,
    world: FileSurroundings,
    prune: Prune,
    /// In the order of judging; removals of Tenants last, other removals first.
    manifests: Vec<Manifest>,
    places: HashMap<ObjectKey, usize>,
    /// How each stands in the line (R12); none for removals, which free room.
    claimants: Vec<Option<Claimant>>,
    done: BTreeMap<usize, Done>,
    due: BTreeMap<Instant, BTreeSet<ObjectKey>>,
    failures: usize,
}

impl Passes {
    /// A source without objects yet.
    pub fn new(engine: Engine, world: FileSurroundings, prune: Prune) -> Self {
        Self {
            engine,
            world,
            prune,
            manifests: vec![],
            places: HashMap::new(),
            claimants: vec![],
            done: BTreeMap::new(),
            due: BTreeMap::new(),
            failures: 0,
        }
    }

    /// The engine that judges.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Takes over what was loaded; says why nothing is removed although that
    /// was asked for.
    pub async fn take(&mut self, loaded: &Loaded) -> Result<Option<&'static str>, EngineError> {
        let written: Vec<_> = loaded.objects.iter().map(|object| (&object.key, &object.written)).collect();
        let metadata = self.engine.files_metadata(&written).await.map_err(|source| self.database(source))?;
        let family = Family::of(&loaded.objects);
        let mut manifests: Vec<_> = loaded
            .objects
            .iter()
            .zip(metadata)
            .map(|(object, metadata)| (object.manifest(&family, metadata), Some(object)))
            .collect();
        manifests.sort_by_cached_key(|(manifest, _)| {
            let ObjectKey { kind, namespace, name } = &manifest.key;
            (*kind, manifest.depth, manifest.created, namespace.clone(), name.clone())
        });
        let mut kept_back = None;
        if self.prune.enabled {
            if !loaded.is_complete() {
                kept_back = Some("nothing is removed, because not every file could be read");
            } else if loaded.objects.is_empty() {
                kept_back = Some("nothing is removed, because no object was found");
            } else {
                let gone = self.gone(loaded).await.map_err(|source| self.database(source))?;
                let (tenants, others): (Vec<_>, Vec<_>) =
                    gone.into_iter().partition(|manifest| manifest.key.kind == Kind::Tenant);
                // What frees room comes before what takes it (R12); Tenants go
                // last, so that what moved out of one is out.
                let before = others.into_iter().map(|manifest| (manifest, None));
                let after = tenants.into_iter().map(|manifest| (manifest, None));
                manifests = before.chain(manifests).chain(after).collect();
            }
        }
        self.world.take(&loaded.facts);
        self.done.clear();
        self.due.clear();
        self.places.clear();
        self.claimants.clear();
        for manifest in std::mem::take(&mut self.manifests) {
            self.engine.dismiss(&manifest.key);
        }
        for (place, (manifest, object)) in manifests.into_iter().enumerate() {
            let key = manifest.key.clone();
            let (removal, origin) = (manifest.deleting, object.map(Object::origin));
            self.done.insert(
                place,
                Done { key: key.clone(), origin, report: None, action: None, problem: None, removal },
            );
            self.claimants.push(object.and_then(|object| family.claimant(object, &manifest)));
            self.places.insert(key, place);
            self.manifests.push(manifest);
        }
        Ok(kept_back)
    }

    /// What this source applied before and no longer holds, children first.
    async fn gone(&self, loaded: &Loaded) -> Result<Vec<Manifest>, StoreError> {
        let here: BTreeSet<_> = loaded.objects.iter().map(|object| &object.key).collect();
        let known = self.engine.last_reports().await?;
        let mut gone: Vec<_> = known.into_iter().filter(|(key, _)| !here.contains(key)).collect();
        gone.sort_by_cached_key(|(key, report)| {
            let path = report.as_ref().and_then(|report| report.status.get("path")?.as_str());
            let depth = path.map_or(0, |path| path.matches('/').count());
            std::cmp::Reverse((key.kind, depth, key.namespace.clone(), key.name.clone()))
        });
        Ok(gone
            .into_iter()
            .map(|(key, report)| {
                let at = (key.namespace.clone(), key.name.clone());
                let confirmed = self.prune.confirmed.get(&at).filter(|_| key.kind == Kind::Tenant);
                Manifest {
                    annotations: confirmed
                        .map(|digest| (annotation::CONFIRM_DELETE.to_owned(), digest.clone()))
                        .into_iter()
                        .collect(),
                    key,
                    uid: None,
                    generation: report.map_or(1, |report| report.generation),
                    created: None,
                    depth: 0,
                    tree: None,
                    deleting: true,
                    spec: None,
                    spec_digest: None,
                    faults: vec![],
                }
            })
            .collect())
    }

    /// Judges every object once, then the woken ones. `told` hears of each
    /// look at an object, with what that look alone did.
    pub async fn all(&mut self, ahead: Duration, told: &mut dyn FnMut(&Done)) -> Result<(), EngineError> {
        self.judge_in_turn((0..self.manifests.len()).collect(), told).await?;
        self.settle(ahead, told).await
    }

    /// Judges those that were woken, or whose time has come, until nobody is.
    pub async fn settle(&mut self, ahead: Duration, told: &mut dyn FnMut(&Done)) -> Result<(), EngineError> {
        let mut looks = 0;
        let most = MAX_ROUNDS * self.manifests.len().max(1);
        let due = self.take_due();
        self.judge_in_turn(due, told).await?;
        loop {
            let woken = self.engine.take_woken(ahead, BATCH).await.map_err(|source| self.database(source))?;
            if woken.is_empty() {
                return Ok(());
            }
            // Objects that are no longer in the source keep what they have.
            let mut places: Vec<_> = woken.iter().filter_map(|key| self.places.get(key).copied()).collect();
            places.sort_unstable();
            looks += places.len();
            if looks > most {
                tracing::warn!(objects = places.len(), "objects keep waking one another; going on later");
                return Ok(());
            }
            self.judge_in_turn(places, told).await?;
        }
    }

    async fn judge_in_turn(
        &mut self,
        places: Vec<usize>,
        told: &mut dyn FnMut(&Done),
    ) -> Result<(), EngineError> {
        self.engine.expect(places.iter().filter_map(|place| self.claimants.get(*place)?.clone()));
        for place in places {
            self.judge(place, told).await?;
        }
        Ok(())
    }

    /// What became of the objects, in the order of judging.
    pub fn done(&self) -> impl Iterator<Item = &Done> {
        self.done.values()
    }

    fn take_due(&mut self) -> Vec<usize> {
        let later = self.due.split_off(&Instant::now());
        let now = std::mem::replace(&mut self.due, later);
        let mut places: Vec<_> =
            now.into_values().flatten().filter_map(|key| self.places.get(&key).copied()).collect();
        places.sort_unstable();
        places
    }

    async fn judge(&mut self, place: usize, told: &mut dyn FnMut(&Done)) -> Result<(), EngineError> {
        let (Some(manifest), Some(done)) = (self.manifests.get(place), self.done.get_mut(&place)) else {
            return Ok(());
        };
        match self.engine.reconcile(manifest, &self.world).await {
            Ok(report) => {
                self.failures = 0;
                if let Some(again) = report.again_at {
                    let wait = Duration::try_from(again.duration_since(report.judged_at)).unwrap_or_default();
                    let at = Instant::now() + wait.max(Duration::from_secs(1));
                    self.due.entry(at).or_default().insert(manifest.key.clone());
                }
                let action = report.action;
                done.action = Some(stronger(done.action, action));
                done.problem = None;
                done.report = Some(report);
                told(&Done { action: Some(action), ..done.clone() });
                Ok(())
            }
            Err(error @ EngineError::Outside { .. }) => {
                done.problem = Some(with_causes(&error));
                told(done);
                Ok(())
            }
            Err(error) => {
                self.failures += 1;
                if self.failures >= MAX_FAILURES {
                    return Err(error);
                }
                done.problem = Some(with_causes(&error));
                told(done);
                Ok(())
            }
        }
    }

    fn database(&self, source: StoreError) -> EngineError {
        let key = self.manifests.first().map(|manifest| manifest.key.clone());
        let key = key.unwrap_or_else(|| ObjectKey::new(Kind::Tenant, "", ""));
        EngineError::Store { key: Box::new(key), source }
    }
}

/// What a reader of a table wants to know of several looks at one object.
fn stronger(before: Option<Action>, now: Action) -> Action {
    match (before, now) {
        // Created once, created for this pass, whatever follows; and what was
        // refused at first and went through later is not refused.
        (Some(done @ (Action::Created | Action::Deleted)), Action::Unchanged | Action::Updated) => done,
        (Some(done @ (Action::Updated | Action::Repaired)), Action::Unchanged) => done,
        (_, now) => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_created_in_this_pass_stays_created() {
        assert_eq!(stronger(None, Action::Refused), Action::Refused);
        assert_eq!(stronger(Some(Action::Refused), Action::Created), Action::Created);
        assert_eq!(stronger(Some(Action::Created), Action::Unchanged), Action::Created);
        assert_eq!(stronger(Some(Action::Updated), Action::Unchanged), Action::Updated);
        assert_eq!(stronger(Some(Action::Unchanged), Action::Updated), Action::Updated);
        assert_eq!(stronger(Some(Action::Updated), Action::Refused), Action::Refused);
    }
}

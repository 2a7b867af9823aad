//! What if these files were applied? The same engine judges them in a store
//! where nothing stays ([`Store::rehearsal`], or one in memory), and whoever
//! asks, asks there. Nothing leaves: no mail, no file. Commands and `validate`
//! call this.

use std::time::Duration;

use super::load::Loaded;
use super::pass::{Passes, Prune};
use super::surroundings::FileSurroundings;
use crate::domain::activation::LinkKey;
use crate::domain::object::{Kind, ObjectKey};
use crate::engine::{Engine, EngineError, RootNamespaces, Spec};
use crate::store::{Store, StoreError};

/// Far enough for everything that would be judged again later.
const AHEAD: Duration = Duration::from_secs(3600);

/// Judges what was loaded, as `apply` would, in a store of which nothing stays.
/// Secrets may well live elsewhere: an account whose Secret is not at hand is
/// judged without a password, which no right depends on.
pub async fn rehearse(
    store: &Store,
    loaded: &Loaded,
    source: &str,
    roots: RootNamespaces,
) -> Result<Passes, EngineError> {
    // A key that nobody guesses is not needed where no link is sent.
    let key = LinkKey::new(vec![0; 32]).ok_or_else(|| EngineError::Key("the key is too short".to_owned()))?;
    let engine = Engine::new(store.clone(), source, roots, key, rand::random());
    let mut passes = Passes::new(engine, FileSurroundings::new(None), Prune::default());
    passes.take(&without_absent_secrets(loaded)).await?;
    passes.all(AHEAD, &mut |_| {}).await?;
    Ok(passes)
}

/// An empty database in memory, ready for use.
pub async fn in_memory() -> Result<Store, EngineError> {
    let open = async {
        let store = Store::in_memory().await?;
        store.migrate().await?;
        Ok(store)
    };
    let of_no_object = |source: StoreError| EngineError::Store {
        key: Box::new(ObjectKey::new(Kind::Tenant, "", "")),
        source,
    };
    open.await.map_err(of_no_object)
}

fn without_absent_secrets(loaded: &Loaded) -> Loaded {
    let mut loaded = loaded.clone();
    for object in &mut loaded.objects {
        if let Some(Spec::SubAdmin(spec)) = &mut object.spec {
            let namespace = &object.key.namespace;
            spec.password_secret_ref = spec
                .password_secret_ref
                .take()
                .filter(|secret| loaded.facts.has_secret(namespace, &secret.name));
        }
    }
    loaded
}

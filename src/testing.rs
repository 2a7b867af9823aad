//! What the tests of several modules share: a database with one tenant and one
//! invited account, made through the store alone. Only in tests.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::domain::account::{self, Account, Effective, IndividualSource};
use crate::domain::activation::{LinkKey, Purpose};
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::permission::Permissions;
use crate::domain::tenant::{self, Branding, Limits, MailSettings, NamespacePolicy, Tenant};
use crate::domain::tier::Tier;
use crate::engine::{Engine, RootNamespaces};
use crate::store::activations::Activation;
use crate::store::objects::Registered;
use crate::store::{Access, Store, Tx};

/// The source of every object in a [`World`].
pub(crate) const SOURCE: &str = "tests";

/// The address of [`World::account`].
pub(crate) const ADDRESS: &str = "kim@north-fleet.example";

/// A database in a folder of its own, gone when this is dropped.
pub(crate) struct World {
    _folder: tempfile::TempDir,
    url: String,
    pub(crate) engine: Engine,
    pub(crate) tenant: Tenant,
    pub(crate) account: Account,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_mail(None).await
    }

    /// A world whose tenant sends mail in its own way.
    pub(crate) async fn with_mail(mail: Option<MailSettings>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("accounts.db").display());
        let store = Store::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        let key = LinkKey::new(vec![7; 32]).unwrap();
        let engine = Engine::new(store, SOURCE, RootNamespaces::Any, key, [3; 32]);
        let mut tx = engine.store().begin(Access::Write).await.unwrap();
        let now = tx.now();
        let tenant = insert_tenant(&mut tx, &engine, now, "north", mail).await;
        let account = insert_account(&mut tx, &engine, now, &tenant, "kim", ADDRESS).await;
        tx.commit().await.unwrap();
        Self { _folder: folder, url, engine, tenant, account }
    }

    pub(crate) async fn write(&self) -> Tx {
        self.engine.store().begin(Access::Write).await.unwrap()
    }

    /// The account as it is now.
    pub(crate) async fn now(&self) -> Account {
        let mut tx = self.engine.store().begin(Access::Read).await.unwrap();
        tx.account(self.account.id).await.unwrap().unwrap().account
    }

    /// The rows of a statement, each as one line, for what the store has no
    /// reading function for.
    pub(crate) async fn raw(&self, statement: &'static str) -> Vec<String> {
        let pool = sqlx::SqlitePool::connect(&self.url).await.unwrap();
        sqlx::query_scalar(statement).fetch_all(&pool).await.unwrap()
    }

    /// One more account of the same tenant.
    pub(crate) async fn another(&self, name: &str, email: &str) -> Account {
        self.another_of(&self.tenant, name, email).await
    }

    /// One more account.
    pub(crate) async fn another_of(&self, tenant: &Tenant, name: &str, email: &str) -> Account {
        let mut tx = self.write().await;
        let now = tx.now();
        let account = insert_account(&mut tx, &self.engine, now, tenant, name, email).await;
        tx.commit().await.unwrap();
        account
    }

    /// One more tenant, with a tree of its own.
    pub(crate) async fn another_tenant(&self, name: &str, mail: Option<MailSettings>) -> Tenant {
        let mut tx = self.write().await;
        let now = tx.now();
        let tenant = insert_tenant(&mut tx, &self.engine, now, name, mail).await;
        tx.commit().await.unwrap();
        tenant
    }

    /// Replaces the account's row.
    pub(crate) async fn change(&self, change: impl FnOnce(&mut Account)) {
        let mut tx = self.write().await;
        let mut account = tx.account(self.account.id).await.unwrap().unwrap().account;
        change(&mut account);
        tx.update_account(&account).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Issues a link with its mail; the link's identifier and token.
    pub(crate) async fn invite(&self, purpose: Purpose) -> (Uuid, String) {
        self.invite_for(self.account.id, purpose, SignedDuration::from_hours(72)).await
    }

    pub(crate) async fn invite_for(
        &self,
        account: Uuid,
        purpose: Purpose,
        valid: SignedDuration,
    ) -> (Uuid, String) {
        let mut tx = self.write().await;
        let now = tx.now();
        let activation = Activation {
            id: self.engine.id(now),
            account,
            purpose,
            nonce: self.engine.nonce(),
            issued_at: now,
            expires_at: now + valid,
            state: "open".to_owned(),
            used_at: None,
        };
        tx.issue(&activation, &format!("<{}@tenantry.invalid>", activation.id)).await.unwrap();
        tx.commit().await.unwrap();
        let token = self.engine.link_key().token(activation.id, &activation.nonce, purpose);
        (activation.id, token)
    }
}

async fn register(tx: &mut Tx, engine: &Engine, now: Timestamp, kind: Kind, name: &str) -> Uuid {
    let object = Registered {
        id: engine.id(now),
        source: SOURCE.to_owned(),
        key: ObjectKey::new(kind, "acme", name),
        uid: None,
        born: now,
        depth: 0,
        tree: String::new(),
        cascaded: false,
        generation: 1,
        applied_generation: Some(1),
        resend_value: None,
        reassign_value: None,
        verdict: serde_json::json!({}),
    };
    tx.put_object(&object).await.unwrap();
    object.id
}

async fn insert_tenant(
    tx: &mut Tx,
    engine: &Engine,
    now: Timestamp,
    name: &str,
    mail: Option<MailSettings>,
) -> Tenant {
    let id = engine.id(now);
    let branding = Branding {
        product_name: Some("North Fleet".to_owned()),
        support_email: Some("help@north-fleet.example".to_owned()),
    };
    let tenant = Tenant {
        id,
        object: Some(register(tx, engine, now, Kind::Tenant, name).await),
        parent: None,
        root: id,
        name: name.to_owned(),
        path: format!("/{name}"),
        permitted: true,
        settings: tenant::Settings {
            display_name: "Acme North".to_owned(),
            enabled: true,
            allowed_namespaces: NamespacePolicy::Same,
            limits: Limits::default(),
            owner: None,
            mail,
            branding: Some(branding),
            deletion_policy: tenant::DeletionPolicy::default(),
        },
        managed_by: None,
        created_at: now,
    };
    tx.insert_tenant(&tenant).await.unwrap();
    tenant
}

async fn insert_account(
    tx: &mut Tx,
    engine: &Engine,
    now: Timestamp,
    tenant: &Tenant,
    name: &str,
    email: &str,
) -> Account {
    let account = Account {
        id: engine.id(now),
        object: Some(register(tx, engine, now, Kind::SubAdmin, name).await),
        tenant: tenant.id,
        name: name.to_owned(),
        settings: account::Settings {
            username: format!("{name}.larsen"),
            email: email.to_owned(),
            company: None,
            mobile: None,
            tier: Tier::Admin,
            enabled: true,
            email_verified: false,
            manageable_devices: None,
            capabilities: None,
            scope: None,
            permissions: Permissions::default(),
            individual_access: None,
            locale: "en".to_owned(),
            link_lifetime: 72 * 3600,
            deletion_policy: account::DeletionPolicy::Delete,
        },
        pending_email: None,
        proved: false,
        has_password: false,
        activated_at: None,
        effective: Effective {
            capabilities: BTreeSet::new(),
            individual_access: false,
            individual_source: IndividualSource::None,
        },
        managed_by: None,
        created_at: now,
    };
    tx.insert_account(&account, None).await.unwrap();
    account
}

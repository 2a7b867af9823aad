//! Sealing the audit trail and proving it (R11). Entries are appended where
//! things happen; here they get their places in the chain, by one sealer at a
//! time, in the order in which their transactions became visible. `run` and
//! `apply` call [`Engine::seal`], `audit verify` calls [`prove`].

use super::Engine;
use crate::domain::audit::{TrailKey, Verified, Verifier};
use crate::store::{Access, Store, StoreError};

/// Entries sealed in one transaction.
const BATCH: i64 = 500;
/// Entries proved at a time.
const PAGE: i64 = 1_000;

/// What one attempt at sealing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// Nothing waited.
    Nothing,
    /// Another process is sealing.
    Elsewhere,
    /// So many entries were sealed.
    Sealed(usize),
    /// So many entries were sealed, and more may wait.
    More(usize),
}

impl Engine {
    /// Seals a batch of what waits. Writes nothing if nothing does.
    pub async fn seal(&self) -> Result<Sealing, StoreError> {
        let mut tx = self.store().begin(Access::Read).await?;
        if !tx.any_unsealed().await? {
            return Ok(Sealing::Nothing);
        }
        drop(tx);
        let mut tx = self.store().begin(Access::Write).await?;
        if !tx.become_sealer().await? {
            return Ok(Sealing::Elsewhere);
        }
        let key = self.link_key().trail_key();
        let head = tx.trail_head().await?;
        let last = tx.last_sealed().await?;
        let last = last.as_ref().map(|(sequence, digest)| (*sequence, digest.as_str()));
        let (first, mut digest) = key.resume(head.as_ref(), last);
        let waiting = tx.unsealed(BATCH).await?;
        let mut seals = Vec::with_capacity(waiting.len());
        for (sequence, record) in (first..).zip(&waiting) {
            digest = key.digest(&digest, sequence, record);
            seals.push((record.appended, sequence, digest.clone()));
        }
        let Some((_, sequence, digest)) = seals.last() else { return Ok(Sealing::Nothing) };
        tx.put_seals(&seals).await?;
        tx.put_trail_head(&key.attest(*sequence, digest)).await?;
        tx.commit().await?;
        let full = i64::try_from(seals.len()).is_ok_and(|count| count == BATCH);
        Ok(if full { Sealing::More(seals.len()) } else { Sealing::Sealed(seals.len()) })
    }
}

/// Proves the whole chain as it is now, and changes nothing. `expect` is the
/// digest of an earlier head that somebody kept.
pub async fn prove(store: &Store, key: &TrailKey, expect: Option<&str>) -> Result<Verified, StoreError> {
    // One transaction: all pages see the same trail, whoever goes on writing.
    let mut tx = store.begin(Access::Read).await?;
    let mut verifier = Verifier::new(key, expect);
    let mut after = None;
    loop {
        let links = tx.links(after, PAGE).await?;
        let Some(last) = links.last() else { break };
        after = Some(last.sequence);
        links.iter().for_each(|link| verifier.take(link));
    }
    let head = tx.trail_head().await?;
    let unsealed = tx.count_unsealed().await?;
    Ok(verifier.finish(head.as_ref(), unsealed))
}

//! R12 in a pass: before something is taken that others may claim too, those
//! whose turn comes first are let go first. Only passes over the kinds call
//! this; who waits is known from the line and from the database.

use super::super::line::{Ahead, Place};
use super::{Pass, Step, Stop};
use crate::domain::object::{ObjectKey, Topic};
use crate::domain::verdict::{Reason, Refusal};
use crate::store::objects::Rivals;

impl Pass<'_> {
    /// Steps back if somebody whose turn comes first may claim one of these
    /// names too (R12).
    pub(crate) async fn names_in_turn(&mut self, names: &[Topic]) -> Step<()> {
        if names.is_empty() {
            return Ok(());
        }
        let ahead = self.engine.line.ahead_for(self.key(), &self.place(), names);
        self.turn(ahead, names, Rivals::For(names)).await?.map_or(Ok(()), Err)
    }

    /// Steps back if somebody whose turn comes first may take room under these
    /// limits too (R12). What those want is not known before they are judged.
    pub(crate) async fn room_in_turn(&mut self, rooms: &[Topic]) -> Step<()> {
        self.turn_for_room(rooms).await?.map_or(Ok(()), Err)
    }

    /// How to step back, if it is not this object's turn to take room under
    /// these limits. To be asked before anything is written: what this pass
    /// itself has woken would seem to be ahead of it.
    pub(crate) async fn turn_for_room(&mut self, rooms: &[Topic]) -> Step<Option<Stop>> {
        let ahead = self.engine.line.ahead(self.key(), &self.place());
        self.turn(ahead, rooms, Rivals::OfTree).await
    }

    /// Waits for an object that is missing and is being judged at this moment,
    /// if it comes first: parents first (R12).
    pub(crate) fn let_begun_go_first(&self, missing: &ObjectKey) -> Step<()> {
        match self.engine.line.begun_before(missing, self.key()) {
            true => Err(Stop::Behind),
            false => Ok(()),
        }
    }

    async fn turn(&mut self, ahead: Ahead, topics: &[Topic], rivals: Rivals<'_>) -> Step<Option<Stop>> {
        self.consult(topics);
        let key = self.key();
        match ahead {
            Ahead::Begun => return Ok(Some(Stop::Behind)),
            Ahead::Waiting => {}
            Ahead::Nobody => {
                if !self.tx.woken_ahead(&self.object, rivals).await? {
                    return Ok(None);
                }
            }
        }
        let refusal = Refusal::wait(
            Reason::ClaimsAhead,
            format!(
                "{key} waits for older objects that may claim the same; it is judged again right after them"
            ),
            topics.to_vec(),
        );
        Ok(Some(refusal.into()))
    }

    fn place(&self) -> Place {
        Place::of(self.key(), false, self.object.depth, self.object.born)
    }
}

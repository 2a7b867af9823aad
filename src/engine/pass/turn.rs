//! R12 in a pass: before something is taken that others may claim too, those
//! whose turn comes first are let go first. Only passes over the kinds call
//! this; who waits is known from the line and from the database.

use super::super::line::{Ahead, Place};
use super::{Pass, Step, Stop};
use crate::domain::object::Topic;
use crate::domain::verdict::{Reason, Refusal};
use crate::store::objects::Rivals;

impl<'a> Pass<'a> {
    /// Steps back if somebody whose turn comes first may claim one of these
    /// names too (R12).
    pub(crate) async fn names_in_turn(&mut self, names: &[Topic]) -> Step<()> {
        if names.is_empty() {
            return Ok(());
        }
        let ahead = self.engine.line.ahead_for(self.key(), &self.place(), names);
        self.in_turn(ahead, names, Rivals::For(names)).await
    }

    /// Steps back if somebody whose turn comes first may take room under these
    /// limits too (R12). What those want is not known before they are judged.
    pub(crate) async fn room_in_turn(&mut self, rooms: &[Topic]) -> Step<()> {
        let ahead = self.engine.line.ahead(self.key(), &self.place());
        self.in_turn(ahead, rooms, Rivals::OfTree).await
    }

    async fn in_turn(&mut self, ahead: Ahead, topics: &[Topic], rivals: Rivals<'_>) -> Step<()> {
        self.consult(topics);
        let key = self.key();
        match ahead {
            Ahead::Begun => return Err(Stop::Behind),
            Ahead::Waiting => {}
            Ahead::Nobody => {
                if !self.tx.woken_ahead(&self.object, rivals).await? {
                    return Ok(());
                }
            }
        }
        self.stepped_back = true;
        Err(Refusal::wait(
            Reason::ClaimsAhead,
            format!(
                "{key} waits for older objects that may claim the same; it is judged again right after them"
            ),
            topics.to_vec(),
        )
        .into())
    }

    fn place(&self) -> Place {
        Place::of(self.key(), false, self.object.depth, self.object.born)
    }
}

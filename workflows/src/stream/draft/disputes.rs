//! The moves of disputes: each dispute, its money and its evidence, and what they mean for the payment.

use super::Draft;
use crate::dispute;
use crate::dispute::{Dispute, Evidence, EvidenceKind, Funds, FundsKind};
use crate::edges::NONE;
use crate::stream::{Refusal, Stream};

impl Draft {
    /// Adds a dispute that Stripe shows for the first time. Its money and its evidence move afterwards.
    pub(in crate::stream) fn add_dispute(&mut self, added: Dispute) -> Result<(), Refusal> {
        let disputes = &self.stream.disputes;
        if disputes.iter().any(|known| known.id == added.id) {
            return Err(Refusal::IdInUse);
        }
        let (kind, to) = (dispute::Kind::Opened, added.status);
        let edge = dispute::edge(None, kind, to);
        self.record(added.id, edge, [NONE, kind.as_str(), to.as_str()])?;
        self.stream.disputes.push(added);
        self.count_disputes()
    }

    /// Moves the dispute at `index`. One that has ended has no open call.
    pub(in crate::stream) fn dispute(
        &mut self,
        index: usize,
        kind: dispute::Kind,
        to: dispute::Status,
    ) -> Result<(), Refusal> {
        let moved = self.known_dispute(index)?;
        let (id, from) = (moved.id, moved.status);
        moved.status = to;
        if to.is_final() {
            moved.open_call = None;
        }
        let edge = dispute::edge(Some(from), kind, to);
        self.record(id, edge, [from.as_str(), kind.as_str(), to.as_str()])?;
        self.count_disputes()
    }

    /// Notes at the dispute at `index` what happened without a change of its status.
    pub(in crate::stream) fn dispute_itself(
        &mut self,
        index: usize,
        kind: dispute::Kind,
    ) -> Result<(), Refusal> {
        let status = self.known_dispute(index)?.status;
        self.dispute(index, kind, status)
    }

    /// Moves the money of the dispute at `index`; nothing happens without a state to move to.
    pub(in crate::stream) fn dispute_funds(
        &mut self,
        index: usize,
        kind: FundsKind,
        to: Option<Funds>,
    ) -> Result<(), Refusal> {
        let Some(to) = to else { return Ok(()) };
        let moved = self.known_dispute(index)?;
        let (id, from) = (moved.id, moved.funds.replace(to));
        let edge = dispute::funds_edge(from, kind, to);
        let from = from.map_or(NONE, Funds::as_str);
        self.record(id, edge, [from, kind.as_str(), to.as_str()])
    }

    /// As [`Draft::dispute_funds`], for its evidence.
    pub(in crate::stream) fn dispute_evidence(
        &mut self,
        index: usize,
        kind: EvidenceKind,
        to: Option<Evidence>,
    ) -> Result<(), Refusal> {
        let Some(to) = to else { return Ok(()) };
        let moved = self.known_dispute(index)?;
        let (id, from) = (moved.id, moved.evidence.replace(to));
        let edge = dispute::evidence_edge(from, kind, to);
        let from = from.map_or(NONE, Evidence::as_str);
        self.record(id, edge, [from, kind.as_str(), to.as_str()])
    }

    fn known_dispute(&mut self, index: usize) -> Result<&mut Dispute, Refusal> {
        let dispute = self.stream.disputes.get_mut(index);
        dispute.ok_or(Refusal::UnknownDispute)
    }

    /// Notes at the payment what its disputes, all of which are loaded, mean for it.
    fn count_disputes(&mut self) -> Result<(), Refusal> {
        let Stream {
            payment, disputes, ..
        } = &mut self.stream;
        let open = disputes.iter().filter(|it| !it.status.is_final()).count();
        payment.open_disputes = i32::try_from(open).map_err(|_| Refusal::BrokenSums)?;
        payment.disputed = disputes.iter().any(|it| it.status.is_disputed());
        Ok(())
    }
}

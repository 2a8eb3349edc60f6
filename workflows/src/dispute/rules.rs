//! The whole life of a dispute, of its money and of its evidence, rule by rule.

use super::{Evidence, EvidenceKind, Funds, FundsKind, Kind, Status};
use crate::edge::{Driver, From, Graph, Machine, Rule, To};

/// The machine of disputes.
pub(crate) struct DisputeGraph;

impl Graph for DisputeGraph {
    const MACHINE: Machine = Machine::Dispute;
    type Status = Status;
    type Kind = Kind;
    const RULES: &'static [Rule<Status, Kind>] = RULES;
}

/// The machine of the money of disputes.
pub(crate) struct FundsGraph;

impl Graph for FundsGraph {
    const MACHINE: Machine = Machine::DisputeFunds;
    type Status = Funds;
    type Kind = FundsKind;
    const RULES: &'static [Rule<Funds, FundsKind>] = FUNDS_RULES;
}

/// The machine of the evidence of disputes.
pub(crate) struct EvidenceGraph;

impl Graph for EvidenceGraph {
    const MACHINE: Machine = Machine::DisputeEvidence;
    type Status = Evidence;
    type Kind = EvidenceKind;
    const RULES: &'static [Rule<Evidence, EvidenceKind>] = EVIDENCE_RULES;
}

/// The statuses of an open inquiry.
const INQUIRY: &[Status] = &[Status::WarningNeedsResponse, Status::WarningUnderReview];

/// The statuses that the bank may still end.
const OPEN: &[Status] = &[
    Status::WarningNeedsResponse,
    Status::WarningUnderReview,
    Status::NeedsResponse,
    Status::UnderReview,
];

/// Every rule of the machine: id, from, kind, to, and what drives it.
pub const RULES: &[Rule<Status, Kind>] = &[
    Rule {
        id: "D0",
        from: From::Nothing,
        kind: Kind::Opened,
        to: To::Any(Status::ALL),
        driver: Driver::Stripe,
        driven_by: "charge.dispute.created, or the first report of the dispute",
    },
    Rule {
        id: "D1",
        from: From::Any(&[Status::WarningNeedsResponse]),
        kind: Kind::ReviewStarted,
        to: To::Any(&[Status::WarningUnderReview]),
        driver: Driver::Stripe,
        driven_by: "evidence was submitted for an inquiry: an answer, or charge.dispute.updated",
    },
    Rule {
        id: "D1",
        from: From::Any(&[Status::NeedsResponse]),
        kind: Kind::ReviewStarted,
        to: To::Any(&[Status::UnderReview]),
        driver: Driver::Stripe,
        driven_by: "evidence was submitted: an answer, or charge.dispute.updated",
    },
    Rule {
        id: "D2",
        from: From::Any(INQUIRY),
        kind: Kind::Escalated,
        to: To::Any(&[Status::NeedsResponse, Status::UnderReview]),
        driver: Driver::Stripe,
        driven_by: "the bank made a dispute of its inquiry: charge.dispute.updated; a resync follows",
    },
    Rule {
        id: "D3",
        from: From::Any(INQUIRY),
        kind: Kind::InquiryClosed,
        to: To::Any(&[Status::WarningClosed]),
        driver: Driver::Stripe,
        driven_by: "the inquiry ended without a dispute: charge.dispute.closed",
    },
    Rule {
        id: "D4",
        from: From::Any(OPEN),
        kind: Kind::Won,
        to: To::Any(&[Status::Won]),
        driver: Driver::Stripe,
        driven_by: "the bank decided for the merchant: charge.dispute.closed",
    },
    Rule {
        id: "D5",
        from: From::Any(OPEN),
        kind: Kind::Lost,
        to: To::Any(&[Status::Lost]),
        driver: Driver::Stripe,
        driven_by: "the bank decided for the customer, or the merchant accepted: an answer, or charge.dispute.closed",
    },
    Rule {
        id: "D6",
        from: From::Any(OPEN),
        kind: Kind::Prevented,
        to: To::Any(&[Status::Prevented]),
        driver: Driver::Stripe,
        driven_by: "it was resolved before the bank made a dispute of it: any event of the dispute",
    },
    Rule {
        id: "D7",
        from: From::Any(&[Status::WarningNeedsResponse, Status::NeedsResponse]),
        kind: Kind::EvidenceRequested,
        to: To::Itself,
        driver: Driver::Client,
        driven_by: "a client asks to store or submit evidence; Stripe's answer moves the dispute",
    },
    Rule {
        id: "D8",
        from: From::Any(&[Status::WarningNeedsResponse, Status::NeedsResponse]),
        kind: Kind::AcceptRequested,
        to: To::Itself,
        driver: Driver::Client,
        driven_by: "a client asks to accept the dispute; Stripe's answer moves it",
    },
    Rule {
        id: "D9",
        from: From::Any(&[Status::WarningNeedsResponse, Status::NeedsResponse]),
        kind: Kind::EvidenceDue,
        to: To::Itself,
        driver: Driver::Engine,
        driven_by: "the timer that is set 48 h before the last moment for evidence",
    },
    Rule {
        id: "D10",
        from: From::Any(OPEN),
        kind: Kind::CallRefused,
        to: To::Itself,
        driver: Driver::Stripe,
        driven_by: "Stripe refused for good the evidence or the acceptance that a client asked for",
    },
    Rule {
        id: "P19",
        from: From::Every,
        kind: Kind::Resync,
        to: To::Any(Status::ALL),
        driver: Driver::Resync,
        driven_by: "Stripe's object was read and differs",
    },
    Rule {
        id: "P19",
        from: From::Every,
        kind: Kind::Forced,
        to: To::Any(Status::ALL),
        driver: Driver::Operator,
        driven_by: "an operator moves the dispute by hand, with a reason",
    },
];

/// Every rule of the machine of a dispute's money.
pub const FUNDS_RULES: &[Rule<Funds, FundsKind>] = &[
    Rule {
        id: "F0",
        from: From::Nothing,
        kind: FundsKind::Withdrawn,
        to: To::Any(&[Funds::Withdrawn]),
        driver: Driver::Stripe,
        driven_by: "charge.dispute.funds_withdrawn",
    },
    Rule {
        id: "F1",
        from: From::Any(&[Funds::Withdrawn]),
        kind: FundsKind::Reinstated,
        to: To::Any(&[Funds::Reinstated]),
        driver: Driver::Stripe,
        driven_by: "charge.dispute.funds_reinstated",
    },
    Rule {
        id: "F1",
        from: From::Nothing,
        kind: FundsKind::Reinstated,
        to: To::Any(&[Funds::Reinstated]),
        driver: Driver::Stripe,
        driven_by: "charge.dispute.funds_reinstated, while the report of the withdrawal is late or lost",
    },
    Rule {
        id: "P19",
        from: From::Nothing,
        kind: FundsKind::Resync,
        to: To::Any(Funds::ALL),
        driver: Driver::Resync,
        driven_by: "Stripe's object was read and shows a movement that no event has reported",
    },
    Rule {
        id: "P19",
        from: From::Every,
        kind: FundsKind::Resync,
        to: To::Any(&[Funds::Reinstated]),
        driver: Driver::Resync,
        driven_by: "Stripe's object was read and differs",
    },
];

/// Every rule of the machine of a dispute's evidence.
pub const EVIDENCE_RULES: &[Rule<Evidence, EvidenceKind>] = &[
    Rule {
        id: "E0",
        from: From::Nothing,
        kind: EvidenceKind::Staged,
        to: To::Any(&[Evidence::Staged]),
        driver: Driver::Stripe,
        driven_by: "the object has evidence: an answer, or any event of the dispute",
    },
    Rule {
        id: "E1",
        from: From::Nothing,
        kind: EvidenceKind::Submitted,
        to: To::Any(&[Evidence::Submitted]),
        driver: Driver::Stripe,
        driven_by: "the object counts a submission: an answer, or any event of the dispute",
    },
    Rule {
        id: "E1",
        from: From::Any(&[Evidence::Staged]),
        kind: EvidenceKind::Submitted,
        to: To::Any(&[Evidence::Submitted]),
        driver: Driver::Stripe,
        driven_by: "the object counts a submission: an answer, or any event of the dispute",
    },
    Rule {
        id: "P19",
        from: From::Nothing,
        kind: EvidenceKind::Resync,
        to: To::Any(Evidence::ALL),
        driver: Driver::Resync,
        driven_by: "Stripe's object was read and shows evidence that no event has reported",
    },
    Rule {
        id: "P19",
        from: From::Every,
        kind: EvidenceKind::Resync,
        to: To::Any(&[Evidence::Submitted]),
        driver: Driver::Resync,
        driven_by: "Stripe's object was read and differs",
    },
];

-- The table of edges: every move that a machine may make, and no other.
--
-- Its rows are made from the tables of rules in the code (workflows::payment::RULES and its neighbours); tests fail when
-- the two differ. Every transition is compared with it (transition_is_an_edge), so that no program can write a move that
-- is not an edge. An edge is never deleted, since old transitions were made by it. One that is no longer made is retired.

create table edge (
    machine      text     not null check (machine in ('payment', 'attempt', 'capture', 'refund', 'dispute', 'dispute_funds', 'dispute_evidence')),
    from_status  text     not null,    -- 'none' before the first move
    kind         text     not null,    -- what happened, in the past tense
    to_status    text     not null,
    -- The name of the rule in docs/machines.md; several edges may share one.
    id           text     not null,
    retired      boolean  not null default false,
    primary key (machine, from_status, kind, to_status)
);

create function edges_stay() returns trigger language plpgsql as $$
begin
    raise exception 'an edge is never deleted and never renamed: mark it retired'
        using errcode = 'foreign_key_violation', constraint = 'edge_stays', table = 'edge';
end
$$;

create trigger edge_stays before delete or truncate or update of machine, from_status, kind, to_status on edge
    for each statement execute function edges_stay();

-- Statuses without `local_` are Stripe's names. A rule without targets leads back to the status that it leaves.
-- Made by `cargo run -p workflows --example draw`: begin. Do not edit.

insert into edge (machine, id, from_status, kind, to_status)
select 'payment', rule.id, start.status, rule.kind, target.status
from (values
    -- a client creates the payment
    ('P0', '{none}', 'accepted', '{local_created}'),
    -- the answer to create_intent, or the first report of an intent that waits
    ('P1', '{local_created}', 'intent_created', '{requires_payment_method,requires_confirmation}'),
    -- the first report of an intent that has already moved
    ('P2', '{local_created}', 'intent_adopted', '{requires_action,processing,requires_capture,succeeded}'),
    -- the first report of an intent that was already canceled
    ('P4', '{local_created}', 'intent_adopted', '{canceled}'),
    -- Stripe refuses create_intent for good
    ('P3', '{local_created}', 'intent_rejected', '{local_rejected}'),
    -- an answer shows that a payment method was attached
    ('P5', '{requires_payment_method}', 'method_attached', '{requires_confirmation}'),
    -- the customer must act: an answer, or payment_intent.requires_action
    ('P6', '{requires_payment_method,requires_confirmation,processing}', 'action_required', '{requires_action}'),
    -- an asynchronous method is under way: an answer, or payment_intent.processing
    ('P7', '{requires_payment_method,requires_confirmation,requires_action}', 'processing_started', '{processing}'),
    -- the money is authorized: an answer, or payment_intent.amount_capturable_updated
    ('P8', '{requires_payment_method,requires_confirmation,requires_action,processing}', 'capturable_updated', '{requires_capture}'),
    -- the sum that can be captured changed: payment_intent.amount_capturable_updated
    ('P9', '{requires_capture}', 'capturable_updated', '{requires_capture}'),
    -- a client asks to capture
    ('P9c', '{requires_capture}', 'capture_requested', '{requires_capture}'),
    -- the capture takes its time: the answer to capture_intent
    ('P10', '{requires_capture}', 'processing_started', '{processing}'),
    -- the money is captured: an answer, or payment_intent.succeeded
    ('P11', '{requires_payment_method,requires_confirmation,requires_action,processing,requires_capture}', 'succeeded', '{succeeded}'),
    -- the attempt failed: an answer, or payment_intent.payment_failed
    ('P12', '{requires_confirmation,requires_action,processing}', 'payment_failed', '{requires_payment_method}'),
    -- another attempt failed: an answer, or payment_intent.payment_failed
    ('P13', '{requires_payment_method}', 'payment_failed', '{requires_payment_method}'),
    -- Stripe canceled the intent: the answer to cancel_intent, or payment_intent.canceled
    ('P14', '{requires_payment_method,requires_confirmation,requires_action,processing,requires_capture}', 'canceled', '{canceled}'),
    -- a client asks to cancel, or the payment expires; Stripe's answer moves the payment
    ('P14', '{local_created,requires_payment_method,requires_confirmation,requires_action,processing,requires_capture}', 'cancel_requested', null),
    -- the timer before the end of the authorization; what its policy asks for are P9c and P14
    ('P20', '{requires_capture}', 'authorization_expiring', null),
    -- review.opened, or radar.early_fraud_warning.created
    ('P18', '{local_created,requires_payment_method,requires_confirmation,requires_action,processing,requires_capture,succeeded,canceled,local_rejected}', 'hold_set', null),
    -- review.closed, or radar.early_fraud_warning.updated to not actionable
    ('P18', '{local_created,requires_payment_method,requires_confirmation,requires_action,processing,requires_capture,succeeded,canceled,local_rejected}', 'hold_cleared', null),
    -- Stripe's object was read and differs
    ('P19', '{local_created,requires_payment_method,requires_confirmation,requires_action,processing,requires_capture,succeeded,canceled,local_rejected}', 'resync', '{requires_payment_method,requires_confirmation,requires_action,processing,requires_capture,succeeded,canceled}'),
    -- an operator moves the payment by hand, with a reason
    ('P19', '{local_created,requires_payment_method,requires_confirmation,requires_action,processing,requires_capture,succeeded,canceled,local_rejected}', 'forced', '{local_created,requires_payment_method,requires_confirmation,requires_action,processing,requires_capture,succeeded,canceled,local_rejected}')
) as rule (id, starts, kind, targets),
unnest(rule.starts::text[]) as start (status),
unnest(coalesce(rule.targets::text[], array[start.status])) as target (status);


insert into edge (machine, id, from_status, kind, to_status)
select 'attempt', rule.id, start.status, rule.kind, target.status
from (values
    -- a client asks to confirm, or the payment confirms by itself
    ('A0', '{none}', 'started', '{started}'),
    -- Stripe shows an attempt that somebody else made, such as the customer's browser
    ('A1', '{none}', 'observed', '{requires_action,pending,authorized,captured,failed}'),
    -- the customer must act: the intent is in requires_action
    ('A2', '{started,pending}', 'action_required', '{requires_action}'),
    -- the method or the capture takes its time: the intent is in processing, or charge.pending
    ('A3', '{started,requires_action,authorized}', 'pended', '{pending}'),
    -- the money is authorized: the intent is in requires_capture, or charge.succeeded
    ('A4', '{started,requires_action,pending}', 'authorized', '{authorized}'),
    -- the money is captured: the intent is in succeeded, or charge.captured
    ('A5', '{started,requires_action,pending,authorized}', 'captured', '{captured}'),
    -- declined or not authenticated: payment_intent.payment_failed, charge.failed, or a refused confirm
    ('A6', '{started,requires_action,pending}', 'failed', '{failed}'),
    -- the authorization ran out: charge.expired, or Stripe canceled the intent by itself
    ('A7', '{authorized}', 'expired', '{expired}'),
    -- the payment was canceled, or a new confirm takes the place of an unfinished action
    ('A8', '{started,requires_action,pending,authorized}', 'voided', '{voided}'),
    -- Stripe's objects were read and differ
    ('P19', '{started,requires_action,pending,authorized,captured,failed,expired,voided}', 'resync', '{requires_action,pending,authorized,captured,failed,expired,voided}')
) as rule (id, starts, kind, targets),
unnest(rule.starts::text[]) as start (status),
unnest(coalesce(rule.targets::text[], array[start.status])) as target (status);


insert into edge (machine, id, from_status, kind, to_status)
select 'capture', rule.id, start.status, rule.kind, target.status
from (values
    -- a client asks to capture
    ('C0', '{none}', 'requested', '{requested}'),
    -- Stripe shows captured money of no capture that is known, such as one in the dashboard
    ('C1', '{none}', 'observed', '{succeeded}'),
    -- the capture takes its time: the intent is in processing
    ('C2', '{requested}', 'submitted', '{submitted}'),
    -- the money is captured: an answer, payment_intent.succeeded, or a larger captured sum
    ('C3', '{requested,submitted}', 'succeeded', '{succeeded}'),
    -- Stripe refuses the capture, or the authorization or the payment ended without it
    ('C4', '{requested,submitted}', 'failed', '{failed}'),
    -- Stripe's objects were read and differ
    ('P19', '{requested,submitted,succeeded,failed}', 'resync', '{submitted,succeeded,failed}')
) as rule (id, starts, kind, targets),
unnest(rule.starts::text[]) as start (status),
unnest(coalesce(rule.targets::text[], array[start.status])) as target (status);


insert into edge (machine, id, from_status, kind, to_status)
select 'refund', rule.id, start.status, rule.kind, target.status
from (values
    -- a client asks for a refund
    ('R0', '{none}', 'requested', '{local_requested}'),
    -- the answer to create_refund, or the first report of the refund
    ('R1', '{local_requested}', 'created', '{pending,requires_action,succeeded,failed}'),
    -- Stripe refuses create_refund for good
    ('R2', '{local_requested}', 'rejected', '{local_rejected}'),
    -- the money is on its way back: refund.updated
    ('R3', '{pending,requires_action}', 'succeeded', '{succeeded}'),
    -- the customer has acted; a resync sees it
    ('R4', '{requires_action}', 'pended', '{pending}'),
    -- the customer must act; a resync sees it
    ('R4', '{pending}', 'action_required', '{requires_action}'),
    -- the bank sent the money back: refund.failed
    ('R5', '{pending,requires_action,local_requested}', 'failed', '{failed}'),
    -- the refund was withdrawn: refund.updated
    ('R7', '{requires_action,pending}', 'canceled', '{canceled}'),
    -- Stripe shows a refund that was made outside of Pawl
    ('R8', '{none}', 'imported', '{pending,requires_action,succeeded,failed,canceled}'),
    -- Stripe released what was authorized and never captured
    ('R9', '{none}', 'auth_release', '{pending,requires_action,succeeded,failed,canceled}'),
    -- Stripe's object was read and differs
    ('P19', '{local_requested,pending,requires_action,succeeded,failed,canceled,local_rejected}', 'resync', '{pending,requires_action,succeeded,failed,canceled}'),
    -- an operator moves the refund by hand, with a reason
    ('P19', '{local_requested,pending,requires_action,succeeded,failed,canceled,local_rejected}', 'forced', '{local_requested,pending,requires_action,succeeded,failed,canceled,local_rejected}')
) as rule (id, starts, kind, targets),
unnest(rule.starts::text[]) as start (status),
unnest(coalesce(rule.targets::text[], array[start.status])) as target (status);


insert into edge (machine, id, from_status, kind, to_status)
select 'dispute', rule.id, start.status, rule.kind, target.status
from (values
    -- charge.dispute.created, or the first report of the dispute
    ('D0', '{none}', 'opened', '{warning_needs_response,warning_under_review,warning_closed,needs_response,under_review,won,lost,prevented}'),
    -- evidence was submitted for an inquiry: an answer, or charge.dispute.updated
    ('D1', '{warning_needs_response}', 'review_started', '{warning_under_review}'),
    -- evidence was submitted: an answer, or charge.dispute.updated
    ('D1', '{needs_response}', 'review_started', '{under_review}'),
    -- the bank made a dispute of its inquiry: charge.dispute.updated; a resync follows
    ('D2', '{warning_needs_response,warning_under_review}', 'escalated', '{needs_response,under_review}'),
    -- the inquiry ended without a dispute: charge.dispute.closed
    ('D3', '{warning_needs_response,warning_under_review}', 'inquiry_closed', '{warning_closed}'),
    -- the bank decided for the merchant: charge.dispute.closed
    ('D4', '{warning_needs_response,warning_under_review,needs_response,under_review}', 'won', '{won}'),
    -- the bank decided for the customer, or the merchant accepted: an answer, or charge.dispute.closed
    ('D5', '{warning_needs_response,warning_under_review,needs_response,under_review}', 'lost', '{lost}'),
    -- it was resolved before the bank made a dispute of it: any event of the dispute
    ('D6', '{warning_needs_response,warning_under_review,needs_response,under_review}', 'prevented', '{prevented}'),
    -- a client asks to store or submit evidence; Stripe's answer moves the dispute
    ('D7', '{warning_needs_response,needs_response}', 'evidence_requested', null),
    -- a client asks to accept the dispute; Stripe's answer moves it
    ('D8', '{warning_needs_response,needs_response}', 'accept_requested', null),
    -- the timer that is set 48 h before the last moment for evidence
    ('D9', '{warning_needs_response,needs_response}', 'evidence_due', null),
    -- Stripe refused for good the evidence or the acceptance that a client asked for
    ('D10', '{warning_needs_response,warning_under_review,needs_response,under_review}', 'call_refused', null),
    -- Stripe's object was read and differs
    ('P19', '{warning_needs_response,warning_under_review,warning_closed,needs_response,under_review,won,lost,prevented}', 'resync', '{warning_needs_response,warning_under_review,warning_closed,needs_response,under_review,won,lost,prevented}'),
    -- an operator moves the dispute by hand, with a reason
    ('P19', '{warning_needs_response,warning_under_review,warning_closed,needs_response,under_review,won,lost,prevented}', 'forced', '{warning_needs_response,warning_under_review,warning_closed,needs_response,under_review,won,lost,prevented}')
) as rule (id, starts, kind, targets),
unnest(rule.starts::text[]) as start (status),
unnest(coalesce(rule.targets::text[], array[start.status])) as target (status);


insert into edge (machine, id, from_status, kind, to_status)
select 'dispute_funds', rule.id, start.status, rule.kind, target.status
from (values
    -- charge.dispute.funds_withdrawn
    ('F0', '{none}', 'withdrawn', '{withdrawn}'),
    -- charge.dispute.funds_reinstated
    ('F1', '{withdrawn}', 'reinstated', '{reinstated}'),
    -- charge.dispute.funds_reinstated, while the report of the withdrawal is late or lost
    ('F1', '{none}', 'reinstated', '{reinstated}'),
    -- Stripe's object was read and shows a movement that no event has reported
    ('P19', '{none}', 'resync', '{withdrawn,reinstated}'),
    -- Stripe's object was read and differs
    ('P19', '{withdrawn,reinstated}', 'resync', '{reinstated}')
) as rule (id, starts, kind, targets),
unnest(rule.starts::text[]) as start (status),
unnest(coalesce(rule.targets::text[], array[start.status])) as target (status);


insert into edge (machine, id, from_status, kind, to_status)
select 'dispute_evidence', rule.id, start.status, rule.kind, target.status
from (values
    -- the object has evidence: an answer, or any event of the dispute
    ('E0', '{none}', 'staged', '{staged}'),
    -- the object counts a submission: an answer, or any event of the dispute
    ('E1', '{none}', 'submitted', '{submitted}'),
    -- the object counts a submission: an answer, or any event of the dispute
    ('E1', '{staged}', 'submitted', '{submitted}'),
    -- Stripe's object was read and shows evidence that no event has reported
    ('P19', '{none}', 'resync', '{staged,submitted}'),
    -- Stripe's object was read and differs
    ('P19', '{staged,submitted}', 'resync', '{submitted}')
) as rule (id, starts, kind, targets),
unnest(rule.starts::text[]) as start (status),
unnest(coalesce(rule.targets::text[], array[start.status])) as target (status);

-- Made by `cargo run -p workflows --example draw`: end.

-- The table of edges: every move that a machine may make, and no other.
--
-- The code has the same table (workflows::edges); a test of the engine fails when the two differ. Every transition has
-- a foreign key to it, so that no program can write a move that is not an edge.
-- An edge is never deleted, since old transitions point to it. One that is no longer made is retired.

create table edge (
    machine      text     not null check (machine in ('payment', 'attempt', 'refund')),
    from_status  text     not null,    -- 'none' before the first move
    kind         text     not null,    -- what happened, in the past tense
    to_status    text     not null,
    -- The name of the rule in docs/machines.md; several edges may share one.
    id           text     not null,
    retired      boolean  not null default false,
    primary key (machine, from_status, kind, to_status)
);

-- Payment: P0 to P14. Statuses without `local_` are Stripe's names.
insert into edge (machine, id, from_status, kind, to_status)
select 'payment', rule.id, start.status, rule.kind, target.status
from (values
    ('P0',  '{none}',                 'accepted',           '{local_created}'),
    ('P1',  '{local_created}',        'intent_created',     '{requires_payment_method,requires_confirmation}'),
    ('P2',  '{local_created}',        'intent_adopted',     '{requires_action,processing,requires_capture,succeeded}'),
    ('P4',  '{local_created}',        'intent_adopted',     '{canceled}'),
    ('P3',  '{local_created}',        'intent_rejected',    '{local_rejected}'),
    ('P5',  '{requires_payment_method}', 'method_attached', '{requires_confirmation}'),
    ('P6',  '{requires_payment_method,requires_confirmation,processing}', 'action_required', '{requires_action}'),
    ('P7',  '{requires_payment_method,requires_confirmation,requires_action}', 'processing_started', '{processing}'),
    ('P8',  '{requires_payment_method,requires_confirmation,requires_action,processing}', 'capturable_updated', '{requires_capture}'),
    ('P9',  '{requires_capture}',     'capturable_updated', '{requires_capture}'),
    ('P9c', '{requires_capture}',     'capture_requested',  '{requires_capture}'),
    ('P10', '{requires_capture}',     'processing_started', '{processing}'),
    ('P11', '{requires_payment_method,requires_confirmation,requires_action,processing,requires_capture}', 'succeeded', '{succeeded}'),
    ('P12', '{requires_confirmation,requires_action,processing}', 'payment_failed', '{requires_payment_method}'),
    ('P13', '{requires_payment_method}', 'payment_failed',  '{requires_payment_method}'),
    ('P14', '{requires_payment_method,requires_confirmation,requires_action,processing,requires_capture}', 'canceled', '{canceled}')
) as rule (id, starts, kind, targets),
unnest(rule.starts::text[]) as start (status),
unnest(rule.targets::text[]) as target (status);

-- A requested cancellation changes no status until Stripe has answered: an edge from a status to itself.
insert into edge (machine, id, from_status, kind, to_status)
select 'payment', 'P14', status, 'cancel_requested', status
from unnest('{local_created,requires_payment_method,requires_confirmation,requires_action,processing,requires_capture}'::text[]) as status;

-- P19: a resync may lead from any status to the one that Stripe's object has; an operator may force any status, with a
-- reason.
insert into edge (machine, id, from_status, kind, to_status)
select 'payment', 'P19', start.status, 'resync', target.status
from unnest('{local_created,requires_payment_method,requires_confirmation,requires_action,processing,requires_capture,succeeded,canceled,local_rejected}'::text[]) as start (status),
     unnest('{requires_payment_method,requires_confirmation,requires_action,processing,requires_capture,succeeded,canceled}'::text[]) as target (status);

insert into edge (machine, id, from_status, kind, to_status)
select 'payment', 'P19', start.status, 'forced', target.status
from unnest('{local_created,requires_payment_method,requires_confirmation,requires_action,processing,requires_capture,succeeded,canceled,local_rejected}'::text[]) as start (status),
     unnest('{local_created,requires_payment_method,requires_confirmation,requires_action,processing,requires_capture,succeeded,canceled,local_rejected}'::text[]) as target (status);

-- Attempt: one confirmation of a payment.
insert into edge (machine, id, from_status, kind, to_status)
select 'attempt', rule.id, start.status, rule.kind, target.status
from (values
    ('A0', '{none}',                                    'started',         '{started}'),
    ('A1', '{none}',                                    'observed',        '{requires_action,pending,authorized,captured,failed}'),
    ('A2', '{started,pending}',                         'action_required', '{requires_action}'),
    ('A3', '{started,requires_action,authorized}',      'pended',          '{pending}'),
    ('A4', '{started,requires_action,pending}',         'authorized',      '{authorized}'),
    ('A5', '{started,requires_action,pending,authorized}', 'captured',     '{captured}'),
    ('A6', '{started,requires_action,pending}',         'failed',          '{failed}'),
    ('A7', '{authorized}',                              'expired',         '{expired}'),
    ('A8', '{started,requires_action,pending,authorized}', 'voided',       '{voided}')
) as rule (id, starts, kind, targets),
unnest(rule.starts::text[]) as start (status),
unnest(rule.targets::text[]) as target (status);

insert into edge (machine, id, from_status, kind, to_status)
select 'attempt', 'P19', start.status, 'resync', target.status
from unnest('{started,requires_action,pending,authorized,captured,failed,expired,voided}'::text[]) as start (status),
     unnest('{requires_action,pending,authorized,captured,failed,expired,voided}'::text[]) as target (status);

-- Refund: R0 to R5, R7, R8.
insert into edge (machine, id, from_status, kind, to_status)
select 'refund', rule.id, start.status, rule.kind, target.status
from (values
    ('R0', '{none}',                                    'requested',       '{local_requested}'),
    ('R1', '{local_requested}',                         'created',         '{pending,requires_action,succeeded,failed}'),
    ('R2', '{local_requested}',                         'rejected',        '{local_rejected}'),
    ('R3', '{pending,requires_action}',                 'succeeded',       '{succeeded}'),
    ('R4', '{requires_action}',                         'pended',          '{pending}'),
    ('R4', '{pending}',                                 'action_required', '{requires_action}'),
    ('R5', '{pending,requires_action,local_requested}', 'failed',          '{failed}'),
    ('R7', '{requires_action,pending}',                 'canceled',        '{canceled}'),
    ('R8', '{none}',                                    'imported',        '{pending,requires_action,succeeded,failed,canceled}')
) as rule (id, starts, kind, targets),
unnest(rule.starts::text[]) as start (status),
unnest(rule.targets::text[]) as target (status);

insert into edge (machine, id, from_status, kind, to_status)
select 'refund', 'P19', start.status, 'resync', target.status
from unnest('{local_requested,pending,requires_action,succeeded,failed,canceled,local_rejected}'::text[]) as start (status),
     unnest('{pending,requires_action,succeeded,failed,canceled}'::text[]) as target (status);

insert into edge (machine, id, from_status, kind, to_status)
select 'refund', 'P19', start.status, 'forced', target.status
from unnest('{local_requested,pending,requires_action,succeeded,failed,canceled,local_rejected}'::text[]) as start (status),
     unnest('{local_requested,pending,requires_action,succeeded,failed,canceled,local_rejected}'::text[]) as target (status);

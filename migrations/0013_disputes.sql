-- Disputes: what customers claim at their banks against payments. Stripe makes every one of them.

create table dispute (
    id               uuid         primary key,
    payment_id       uuid         not null references payment,
    account_id       uuid         not null,
    stripe_id        text         not null constraint dispute_stripe unique,
    charge_id        text,
    status           text         not null,
    funds            text         constraint dispute_funds check (funds in ('withdrawn', 'reinstated')),
    evidence         text         constraint dispute_evidence check (evidence in ('staged', 'submitted')),

    -- The bank may dispute a part, and in another currency than the payment's.
    amount           bigint       not null check (amount >= 0),
    currency         text         not null,
    reason           text         not null,
    -- Until when evidence may be sent, in Unix seconds as Stripe gives it, and the one of which the merchant was reminded.
    due_by           bigint,
    reminded_due_by  bigint,

    -- The one call about this dispute whose outcome is not known yet.
    open_call        text         check (open_call in ('update_dispute', 'close_dispute')),
    constraint dispute_that_ended_has_no_call
        check (open_call is null
               or status in ('warning_needs_response', 'warning_under_review', 'needs_response', 'under_review')),
    error            jsonb,
    created_at       timestamptz  not null,
    updated_at       timestamptz  not null
) with (fillfactor = 80);

create index dispute_payment on dispute (payment_id, id);
create index dispute_account on dispute (account_id, id);

grant select, insert, update on dispute to pawl_engine;

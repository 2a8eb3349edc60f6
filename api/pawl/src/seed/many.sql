-- A portion of the payments of `pawl seed --payments N --jobs N`: numbers $1 to $2 of $3 payments, of the account $4, and the jobs
-- among them, of which there are $5 in all; $6 is in their references and distinguishes the runs.
--
-- A payment, its attempt, its refund and its history agree with each other as the engine would have written them. The ages are
-- spread evenly over 30 days. No timer is written and no job is due within 30 days, so that a worker beside them makes no calls.

with numbered as (
    select n, now() - interval '30 days' * (($3::bigint - n)::float8 / $3::bigint) as made,
           -- Mixes the statuses: neighbours in the list differ.
           (n * 2654435761 >> 16) % 100 as chance,
           -- The jobs belong to payments at equal distances.
           case when n * $5::bigint / $3::bigint > (n - 1) * $5::bigint / $3::bigint then n * $5::bigint / $3::bigint end as job
    from generate_series($1::bigint, $2::bigint) as n),
identified as materialized (
    select numbered.*, pg_temp.id_at(made) as id, pg_temp.id_at(made + interval '80 milliseconds') as attempt,
           pg_temp.id_at(made + interval '1 hour') as refund, pg_temp.id_at(made) as job_id,
           200 + n * 37 % 50000 as amount,
           case job % 20 when 12 then 'dead resync' when 13 then 'dead resync' when 14 then 'dead confirm' when 15 then 'dead confirm'
               when 16 then 'queued resync' when 17 then 'queued resync' when 18 then 'unknown' when 19 then 'unknown'
               else 'done' end as work
    from numbered),
shown as materialized (
    select identified.*, status, kind, attempt_kind, attempt_status,
           status = 'succeeded' and n % 20 = 0 as refunded,
           case when status = 'requires_payment_method'
                then '{"type": "card_error", "code": "card_declined", "decline_code": "generic_decline", "message": "Your card was declined."}'::jsonb
           end as error
    from identified
    join (values
        ('succeeded', 0, 83, 'succeeded', 'captured', 'captured'),
        ('requires_payment_method', 84, 89, 'payment_failed', 'failed', 'failed'),
        ('requires_action', 90, 92, 'action_required', 'action_required', 'requires_action'),
        ('requires_capture', 93, 95, 'capturable_updated', 'authorized', 'authorized'),
        ('canceled', 96, 97, 'canceled', 'voided', 'voided'),
        ('processing', 98, 99, 'processing_started', 'pended', 'pending'),
        -- The outcome of its confirm is not known.
        ('requires_confirmation', 100, 100, null, null, 'started')
    ) as fate (status, least, most, kind, attempt_kind, attempt_status)
        on case when work in ('dead confirm', 'unknown') then 100 else chance end between least and most),
payments as (
    insert into payment (id, account_id, status, version, amount, currency, capture_method, amount_authorized, amount_capturable,
                         amount_captured, amount_refunded, confirm, payment_method, intent_id, last_error, open_call, attempts,
                         attempt_id, attempt_status, attempt_payment_method, attempt_error, reference, customer, metadata,
                         created_at, updated_at)
    select id, $4, status, case when refunded then 7 when kind is null then 3 else 5 end, amount,
           (array['eur', 'eur', 'usd', 'gbp'])[1 + n % 4], case status when 'requires_capture' then 'manual' else 'automatic' end,
           case when status in ('succeeded', 'requires_capture') then amount else 0 end,
           case status when 'requires_capture' then amount else 0 end,
           case status when 'succeeded' then amount else 0 end, case when refunded then amount / 2 else 0 end,
           true, 'pm_card_visa', 'pi_' || replace(id::text, '-', ''), error, case when kind is null then 'confirm_intent' end, 1,
           attempt, attempt_status, 'pm_card_visa', error, $6 || '-' || n,
           jsonb_build_object('email', 'customer' || n % 50000 || '@example.com'),
           case when n % 4 = 0 then jsonb_build_object('order', n::text) else '{}' end,
           made, made + case when refunded then interval '3602 seconds' else interval '2 seconds' end
    from shown
    returning id),
steps as (
    insert into history (stream, first_version, transitions, cause, data, created_at)
    select id, first_version, transitions, cause || '_' || replace(id::text, '-', ''),
           jsonb_build_object('amount', amount, 'currency', (array['eur', 'eur', 'usd', 'gbp'])[1 + n % 4],
               'amount_capturable', case when settled and status = 'requires_capture' then amount else 0 end,
               'amount_captured', case when settled and status = 'succeeded' then amount else 0 end,
               'amount_refunded', case when step = 'refunded' then amount / 2 else 0 end,
               'amount_reserved', case when step = 'refund' then amount / 2 else 0 end),
           made + after
    from shown, lateral (values
        ('accept', true, false, 1, interval '0', 'req',
         array[row('payment', id, 'none', 'accepted', 'local_created', null)::status_change]),
        ('intent', true, false, 2, interval '80 milliseconds', 'job',
         array[row('payment', id, 'local_created', 'intent_created', 'requires_confirmation', '{"error": null}')::status_change,
               row('attempt', attempt, 'none', 'started', 'started', '{"error": null, "number": 1, "charge_id": null}')::status_change]),
        -- Between 0.2 and 2 seconds after the request.
        ('settle', kind is not null, true, 4, interval '1 millisecond' * (200 + chance * chance * 0.18), 'evt',
         array[row('payment', id, 'requires_confirmation', kind, status, jsonb_build_object('error', error))::status_change,
               row('attempt', attempt, 'started', attempt_kind, attempt_status,
                   jsonb_build_object('error', error, 'number', 1, 'charge_id', null))::status_change]),
        ('refund', refunded, true, 6, interval '1 hour', 'req_refund',
         array[row('refund', refund, 'none', 'requested', 'local_requested', '{"error": null}')::status_change]),
        ('refunded', refunded, true, 7, interval '3602 seconds', 'job_refund',
         array[row('refund', refund, 'local_requested', 'created', 'succeeded', '{"error": null}')::status_change])
    ) as step (step, happened, settled, first_version, after, cause, transitions)
    where happened),
refunds as (
    insert into refund (id, payment_id, account_id, status, amount, stripe_id, created_at, updated_at)
    select refund, id, $4, 'succeeded', amount / 2, 're_' || replace(refund::text, '-', ''), made + interval '1 hour',
           made + interval '3602 seconds'
    from shown where refunded),
jobs as (
    insert into job (id, payment_id, subject, effect, state, due_at, tries, picks, call_key, first_sent_at, unknown, error, started_at,
                     worker, past_tries, created_at, finished_at)
    select job_id, id, case when kind is null then attempt else id end,
           case when kind is null then jsonb_build_object('kind', 'confirm_intent', 'attempt', attempt)
                when work = 'done' then '{"kind": "create_intent"}' else '{"kind": "resync"}' end,
           state, case state when 'queued' then now() + interval '30 days' + interval '1 second' * job else made end,
           1, 1, 'pawl-' || job_id, made, kind is null, reason, made, 'seed',
           array[row(1, made, made + interval '40 milliseconds', 'seed', case state when 'queued' then 'again' else state end,
                     reason, null, 1)::job_try],
           made, case state when 'done' then made + interval '40 milliseconds' end
    from shown, lateral (select case when work = 'done' then 'done' when work like 'dead%' then 'dead' else 'queued' end as state,
        case when work = 'done' then null when kind is null then 'no answer from Stripe within 30 s'
             else (array['Stripe answered 404 resource_missing: No such payment_intent: ''pi_' || replace(id::text, '-', '') || '''',
                         'its result was refused: the intent is of another currency',
                         'Stripe answered 400 parameter_unknown: Received unknown parameter: expand'])[1 + job / 20 % 3] end as reason)
        as told
    where job is not null)
select count(*) from payments

-- Rows of the demonstration that calls make only after hours: dead jobs, refunds whose outcome is unknown, and deliveries that were
-- given up. Whoever retries one of the jobs sees it end: a comparison is made, and a refund that nobody asked for is not.

-- Jobs of the n-th paid order, by its age.
with paid as (
    select id, row_number() over (order by id) as n from payment where status = 'succeeded' and reference like 'demo-%'),
shown (n, kind, state, error, hours) as (values
    (1, 'create_refund', 'dead', 'Stripe answered 400 idempotency_error: Keys for idempotent requests can only be used with the same parameters', 26),
    (2, 'create_refund', 'dead', 'Stripe answered 400 idempotency_error: Keys for idempotent requests can only be used with the same parameters', 25),
    (3, 'resync', 'dead', 'Stripe answered 404 resource_missing: No such payment_intent: ''pi_3NgoneDemo0001''', 7),
    (4, 'resync', 'dead', 'Stripe answered 404 resource_missing: No such payment_intent: ''pi_3NgoneDemo0002''', 6),
    (5, 'resync', 'dead', 'its result was refused: the intent is of another currency', 30),
    (6, 'create_refund', 'queued', 'no answer from Stripe within 30 s', 2),
    (7, 'create_refund', 'queued', 'no answer from Stripe within 30 s', 3)),
timed as (
    select shown.*, paid.id, gen_random_uuid() as refund, now() - make_interval(hours => hours) as begun
    from shown join paid on paid.n = shown.n)
insert into job (id, payment_id, subject, effect, state, due_at, call_key, error, unknown, tries, picks, first_sent_at,
                 started_at, worker, past_tries, created_at)
select uuid_v7(), id, case kind when 'resync' then id else refund end,
       case kind when 'resync' then '{"kind": "resync"}'::jsonb
            else jsonb_build_object('kind', 'create_refund', 'refund', refund) end,
       state, now() + case state when 'queued' then interval '40 minutes' else interval '0' end,
       'pawl-demo-' || n, error, kind <> 'resync', 3, 3, begun, begun + interval '5 minutes', 'worker-service',
       array[row(1, begun, begun + interval '30 seconds', 'worker-service', 'again', error, null, 1)::job_try,
             row(2, begun + interval '1 minute', begun + interval '90 seconds', 'worker-service', 'again', error, null, 1)::job_try,
             row(3, begun + interval '5 minutes', begun + interval '330 seconds', 'worker-service',
                 case state when 'dead' then 'dead' else 'again' end, error, null, 1)::job_try],
       begun
from timed;

-- The oldest deliveries to the closed shop, as if all their tries had failed.
update delivery set status = 'failed', next_try_at = null, finished_at = now(), failures = 8, tries = greatest(tries, 8)
where id in (select id from delivery where status = 'pending' and lease is null order by id limit 5);

-- One naive transition, as a service without a group committer makes it: lock, update, history row, outbox row, commit.
\set id random(1, 100000)
begin;
select status as from_status, version from naive.payment where id = :id for update \gset
update naive.payment set status = 'succeeded', version = :version + 1, updated_at = now() where id = :id;
insert into naive.transition (payment_id, version, from_status, to_status, created_at) values (:id, :version + 1, :from_status, 'succeeded', now());
insert into naive.outbox (payment_id, version) values (:id, :version + 1);
commit;

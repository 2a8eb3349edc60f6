-- Merchants look for payments by what they wrote on them. Only payments that bear metadata are in this index, and metadata
-- never changes, so it costs one entry at the creation and nothing when a payment moves.

create index payment_metadata on payment using gin (metadata jsonb_path_ops) where metadata <> '{}';

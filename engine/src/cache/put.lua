-- Stores views of payments, except views of which Redis holds the same or a newer version.
-- KEYS: per view its key, and the key of its intent (or its own again when there is none).
-- ARGV: seconds to live; per view the value, which starts with the version in 20 digits, and the payment's id (empty
-- when there is no intent).
-- A value may be a version alone. The 21st character is the first one of the account, so a view replaces the version alone,
-- and not the reverse.
for i = 1, #KEYS / 2 do
    local view, intent = KEYS[2 * i - 1], KEYS[2 * i]
    local value, payment = ARGV[2 * i], ARGV[2 * i + 1]
    if redis.call('getrange', view, 0, 20) < string.sub(value, 1, 21) then
        redis.call('set', view, value, 'ex', ARGV[1])
        if payment ~= '' then
            redis.call('set', intent, payment, 'ex', ARGV[1])
        end
    end
end

-- Takes one token from each bucket, or from none: a request that one limit refuses uses no token of the others.
--
-- KEYS: the buckets. ARGV: for each its size, which is also how many tokens flow in per minute.
-- Returns for each bucket: whether it had a token, how many are left, milliseconds until it has one.
--
-- A bucket is a hash of its tokens (in thousandths) and the time of that count. The time is this Redis's, because the
-- clocks of the services may differ.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held, all = {}, true
for i, key in ipairs(KEYS) do
    local size = tonumber(ARGV[i]) * 1000
    local bucket = redis.call('HMGET', key, 'tokens', 'at')
    local tokens = tonumber(bucket[1]) or size
    local elapsed = math.max(0, now - (tonumber(bucket[2]) or now))
    -- A size that was lowered meanwhile applies at once.
    held[i] = math.min(size, tokens + elapsed * size / 60000)
    if held[i] < 1000 then all = false end
end
local answer = {}
for i, key in ipairs(KEYS) do
    local size = tonumber(ARGV[i]) * 1000
    local had = held[i] >= 1000
    local tokens = held[i]
    if all then
        tokens = tokens - 1000
        redis.call('HSET', key, 'tokens', tokens, 'at', now)
        -- A full bucket need not be stored.
        redis.call('PEXPIRE', key, math.ceil((size - tokens) * 60000 / size) + 1000)
    end
    local wait = 0
    if tokens < 1000 then wait = math.ceil((1000 - tokens) * 60000 / size) end
    answer[#answer + 1] = had and 1 or 0
    answer[#answer + 1] = math.floor(tokens / 1000)
    answer[#answer + 1] = wait
end
return answer

-- Takes tokens from buckets for several requests, in their order: for each request one token from each of its buckets, or
-- from none. A request that one limit refuses uses no token of the others.
--
-- KEYS: the buckets of all requests, one request after the other. ARGV: for each bucket its size, which is also how many
-- tokens flow in per minute; then for each request the number of its buckets.
-- Returns for each bucket: whether it had a token, how many are left, milliseconds until it has one.
--
-- A bucket is a hash of its tokens (in thousandths) and the time of that count. The time is this Redis's, because the
-- clocks of the services may differ. Each bucket is read and written once, however many of the requests share it.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held, sizes = {}, {}
for i, key in ipairs(KEYS) do
    local size = tonumber(ARGV[i]) * 1000
    -- A size that was lowered meanwhile applies at once.
    if held[key] then
        held[key] = math.min(size, held[key])
    else
        local bucket = redis.call('HMGET', key, 'tokens', 'at')
        local tokens = tonumber(bucket[1]) or size
        local elapsed = math.max(0, now - (tonumber(bucket[2]) or now))
        held[key] = math.min(size, tokens + elapsed * size / 60000)
    end
    sizes[key] = size
end
local answer, taken, last = {}, {}, 0
for request = #KEYS + 1, #ARGV do
    local first = last + 1
    last = last + tonumber(ARGV[request])
    local all = true
    for i = first, last do
        if held[KEYS[i]] < 1000 then all = false end
    end
    for i = first, last do
        local key = KEYS[i]
        local had = held[key] >= 1000
        if all then
            held[key] = held[key] - 1000
            taken[key] = true
        end
        local tokens, wait = held[key], 0
        if tokens < 1000 then wait = math.ceil((1000 - tokens) * 60000 / sizes[key]) end
        answer[#answer + 1] = had and 1 or 0
        answer[#answer + 1] = math.floor(tokens / 1000)
        answer[#answer + 1] = wait
    end
end
for key in pairs(taken) do
    local tokens, size = held[key], sizes[key]
    redis.call('HSET', key, 'tokens', tokens, 'at', now)
    -- A full bucket need not be stored.
    redis.call('PEXPIRE', key, math.ceil((size - tokens) * 60000 / size) + 1000)
end
return answer

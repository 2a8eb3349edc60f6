-- Appends tasks to a queue of apalis-redis 1.0.0, straight to the list that its workers fetch from.
-- KEYS: active list, data hash, prefix of the metadata. ARGV: seconds to live, then task id and payload in turn.
local tasks = {}
for i = 2, #ARGV, 2 do
    local meta = KEYS[3] .. ':' .. ARGV[i]
    redis.call('hset', meta, 'attempts', 0, 'max_attempts', 25, 'status', 'Pending')
    redis.call('expire', meta, ARGV[1])
    tasks[#tasks + 1] = ARGV[i]
end
redis.call('hset', KEYS[2], unpack(ARGV, 2))
redis.call('rpush', KEYS[1], unpack(tasks))
return #tasks

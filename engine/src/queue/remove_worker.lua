-- Removes a worker that ended, and puts the tasks that it had fetched back into the queue.
-- KEYS: its inflight set, active list, data hash, prefix of the metadata, set of workers, its own metadata.
-- ARGV: its name.
for _, task in ipairs(redis.call('smembers', KEYS[1])) do
    local meta = KEYS[4] .. ':' .. task
    if redis.call('hexists', KEYS[3], task) == 1 and redis.call('hexists', meta, 'max_attempts') == 1 then
        redis.call('rpush', KEYS[2], task)
    else
        redis.call('hdel', KEYS[3], task)
        redis.call('unlink', meta)
    end
end
redis.call('del', KEYS[1], KEYS[6])
redis.call('zrem', KEYS[5], ARGV[1])
-- Eviction removed the data of the tasks: no task of the list can be fetched.
if redis.call('exists', KEYS[3]) == 0 then
    redis.call('del', KEYS[2])
end

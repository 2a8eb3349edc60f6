-- Deletes finished tasks. KEYS: done set, data hash, prefix of the metadata. ARGV: the most tasks to delete.
local tasks = redis.call('spop', KEYS[1], ARGV[1])
if #tasks > 0 then
    redis.call('hdel', KEYS[2], unpack(tasks))
    local metas = {}
    for i, task in ipairs(tasks) do
        metas[i] = KEYS[3] .. ':' .. task
    end
    redis.call('unlink', unpack(metas))
end
return #tasks

-- Removes views that are older than a version. KEYS: the views. ARGV: for each the version in 20 digits.
for i, view in ipairs(KEYS) do
    local version = redis.call('getrange', view, 0, 19)
    if version ~= '' and version < ARGV[i] then
        redis.call('unlink', view)
    end
end

-- Takes tokens from a token bucket.
-- KEYS[1]  the bucket: a hash of `level` (tokens left) and `at` (milliseconds)
-- ARGV[1]  capacity and refill: tokens a minute
-- ARGV[2]  tokens to take; more than the capacity takes a full bucket
-- Replies  {1, 0} taken, or {0, milliseconds until enough are there}
local per_minute = tonumber(ARGV[1])
local wanted = math.min(tonumber(ARGV[2]), per_minute)
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local bucket = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = tonumber(bucket[1]) or per_minute
local at = tonumber(bucket[2]) or now
local rate = per_minute / 60000
level = math.min(per_minute, level + math.max(0, now - at) * rate)
if level < wanted then
  return {0, math.ceil((wanted - level) / rate)}
end
redis.call('HSET', KEYS[1], 'level', level - wanted, 'at', now)
redis.call('PEXPIRE', KEYS[1], 60000)
return {1, 0}

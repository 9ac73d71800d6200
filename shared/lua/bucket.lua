-- Takes tokens from a token bucket, looks into it, or puts tokens back.
-- KEYS[1]  the bucket: a hash of `level` (tokens left) and `at` (milliseconds)
-- ARGV[1]  tokens that a full bucket holds
-- ARGV[2]  tokens to take; more than it holds takes a full bucket, 0 looks, less than 0 puts back
-- ARGV[3]  milliseconds in which an empty bucket fills
-- ARGV[4]  tokens that will do: fewer than wanted may be taken, but no fewer than these
-- Replies  {tokens taken, milliseconds until those that will do are there, tokens left}
local capacity = tonumber(ARGV[1])
local wanted = math.min(tonumber(ARGV[2]), capacity)
local least = math.min(tonumber(ARGV[4]), capacity)
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local bucket = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = tonumber(bucket[1]) or capacity
local at = tonumber(bucket[2]) or now
local rate = capacity / tonumber(ARGV[3])
level = math.min(capacity, level + math.max(0, now - at) * rate)
if level < least then
  return {0, math.ceil((least - level) / rate), math.floor(level)}
end
if wanted == 0 then
  return {0, 0, math.floor(level)}
end
local taken = math.min(wanted, math.floor(level))
level = math.min(capacity, level - taken)
redis.call('HSET', KEYS[1], 'level', level, 'at', now)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {taken, 0, math.floor(level)}

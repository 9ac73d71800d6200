-- Publishes a final verdict that PostgreSQL has committed. Losing it is harmless.
-- KEYS[1]  the claim of one link (see claim.lua)
-- ARGV[1]  `consumed <app> <attempt>` or `revoked <app>`
-- ARGV[2]  how long to keep it, in milliseconds
-- Replies  1 written, 0 when a revocation already stands there: it is the later word
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, 8) == 'revoked ' then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1

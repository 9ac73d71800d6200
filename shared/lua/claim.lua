-- Claims a link for one attempt, or says what is known of it. Only a shield: PostgreSQL decides (DESIGN §4).
-- KEYS[1]  the claim of one link: `leased <attempt>`, `consumed <app> <attempt>` or `revoked <app>`
-- ARGV[1]  the attempt's id
-- ARGV[2]  the lease in milliseconds
-- Replies  `go`: the lease is this attempt's; else the value as it stands
local mine = 'leased ' .. ARGV[1]
local value = redis.call('GET', KEYS[1])
if value and value ~= mine then
  return value
end
redis.call('SET', KEYS[1], mine, 'PX', ARGV[2])
return 'go'

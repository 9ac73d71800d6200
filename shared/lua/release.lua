-- Gives a lease back, if it is still this attempt's: the link is still usable, or the outcome is unknown.
-- KEYS[1]  the claim of one link (see claim.lua)
-- ARGV[1]  the attempt's id
-- Replies  1 released, 0 when it was not ours
if redis.call('GET', KEYS[1]) == 'leased ' .. ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0

-- Lets something happen once.
-- KEYS[1]  what may happen once
-- ARGV[1]  how long that is remembered, in milliseconds
-- Replies  1 the first time, 0 afterwards
if redis.call('SET', KEYS[1], '1', 'PX', ARGV[1], 'NX') then
  return 1
end
return 0

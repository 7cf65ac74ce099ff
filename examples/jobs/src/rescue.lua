-- Gives back the jobs of a worker that has no heartbeat, and forgets that worker. All at once: between the look at the
-- heartbeat and the rest, nobody else does anything.
-- KEYS: the heartbeat, the worker's list, the list of what waits, the set of workers. ARGV: the worker.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local moved = 0
-- The newest first, so that the oldest is next again.
while redis.call('LMOVE', KEYS[2], KEYS[3], 'LEFT', 'RIGHT') do
  moved = moved + 1
end
redis.call('SREM', KEYS[4], ARGV[1])
return moved

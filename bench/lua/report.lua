-- What every script here ends with: one line of JSON on standard output, which bench/load.py reads.
-- Each thread counts the statuses of its answers. Measured beside 8,000 answers a second: it costs wrk no CPU time that could be seen.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function count_statuses()
  statuses = {}
  function response(status)
    statuses[status] = (statuses[status] or 0) + 1
  end
end

function done(summary, latency)
  local counted, ran_out = {}, false
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("statuses")) do
      counted[status] = (counted[status] or 0) + count
    end
    ran_out = ran_out or thread:get("ran_out") == true
  end
  local told = {}
  for status, count in pairs(counted) do
    table.insert(told, string.format('"%d": %d', status, count))
  end
  local percentiles = {}
  for _, percent in ipairs({ 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 100 }) do
    table.insert(percentiles, string.format('"p%g": %.3f', percent, latency:percentile(percent) / 1000))
  end
  local errors = summary.errors
  io.write(string.format(
    'REPORT {"requests": %d, "seconds": %.6f, "broken": %d, "ran_out": %s, "statuses": {%s}, "latencies_ms": {%s}}\n',
    summary.requests, summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.timeout,
    tostring(ran_out), table.concat(told, ", "), table.concat(percentiles, ", ")
  ))
end
